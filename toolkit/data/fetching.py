"""A public set onto this disk: downloaded, verified, unpacked; its folder appears whole, or not at all.

All work goes on in a hidden folder beside the one that is wanted, which outlasts a break, so that the next call goes on
where this one ended; two calls for one folder take turns. What is not as its publisher says is deleted and never used.

    breastmnist-224/             OUT
    breastmnist-224/card.toml    the card as it was: source, licence, citation, known traps
    breastmnist-224/fetched.json address, bytes, checksums of each file, whether they were held against published ones
    breastmnist-224/breastmnist_224.npz, or what the archives held, and table.csv where the card has rules for one

A mirror is a URL or folder that has NAME/FILE for each file; it is tried first, and held to the same checksums.
"""

import contextlib
import os
import shutil
import time
from pathlib import Path

from toolkit.data import archive, tabled, tarball
from toolkit.data.cards import CARD, DIGITS
from toolkit.data.reading import count
from toolkit.downloads.parts import part_of, taken
from toolkit.downloads.transfer import Unreached, Wrong, transferred
from toolkit.errors import DataError, OptionError, ResourceError, UntrustedError, plain
from toolkit.files import digests, read_json, to_json, unwritten, write_atomic

RECORD = "fetched.json"
ARCHIVES = (".zip", ".whl", *tarball.SUFFIXES)
LARGEST = 64 * 2**30  # bytes of a file whose size nobody published
PATIENCE = 20.0       # seconds for the first answers of all sources of a file together
TRIES = 50            # times that a broken connection is taken up again while bytes still come
ELSEWHERE = "choose another disk with --out"


def fetch(card, files, out, *, mirror="", offline=False, say=print, step=None):
    """True once `out` holds `files` of `card` whole; False where it held them already, and nothing was asked.

    step(done, of) is called for each file that is unpacked. Raises OptionError for a folder that holds other things,
    DataError where no source answered, ResourceError, UntrustedError for what is not as published.
    """
    out = Path(os.path.abspath(out))
    stage = out.with_name(f".{out.name[:100]}.fetching")
    if held(card, files, out) and not stage.is_dir():
        return False
    with alone(stage, say):
        if held(card, files, out):  # another call was faster, or was ended before it had tidied up
            shutil.rmtree(stage, ignore_errors=True)
            return False
        roomy(files, stage)
        facts = [brought(card, file, stage, mirror, offline, say) for file in files]
        whole = stage / "whole"
        shutil.rmtree(whole, ignore_errors=True)
        laid(card, files, facts, stage, whole, say, step)
        os.rename(whole, out)  # onto nothing, or an empty folder
        shutil.rmtree(stage, ignore_errors=True)
    return True


def held(card, files, out):
    """Whether `out` holds these files whole. OptionError where it holds anything else, DataError where a part."""
    if not out.exists() or out.is_dir() and not any(out.iterdir()):
        return False
    if not (out / RECORD).is_file():
        raise OptionError(f"{out} is there already and was not made by this command; name another folder with --out.")
    record = read_json(out / RECORD)
    there = record.get("files") if isinstance(record.get("files"), list) else []
    wanted = [(card.name, file.file) for file in files]
    if wanted != [(record.get("name"), one.get("file")) for one in there if isinstance(one, dict)]:
        raise OptionError(f"{out} holds {plain(record.get('name'))} ({plain(record.get('title'))}) in another version; "
                          "name another folder with --out.")
    number, wanted = sum(len(names) for _, _, names in os.walk(out)), record.get("count")
    if not isinstance(wanted, int) or number < wanted:
        raise DataError(f"{out} holds {count(number, 'file')} where {wanted} were unpacked; delete the folder to fetch "
                        "the set anew.")
    return True


@contextlib.contextmanager
def alone(stage, say):
    """`stage`, made if it is missing, while no other process works in it; left only where it holds what came."""
    told, lock = False, None
    bare = [folder for folder in (stage, *stage.parents) if not folder.exists()]
    while True:
        try:
            stage.mkdir(parents=True, exist_ok=True)
            lock = taken(stage / "lock")
        except BlockingIOError:
            if not told:
                say(f"Another call is fetching into {stage.parent}; waiting for it.")
                told = True
            time.sleep(0.3)
            continue
        except FileNotFoundError:  # the other call is just removing it
            continue
        except ImportError:
            pass                   # a system without locks: two calls at once are not looked after
        except OSError as error:
            if not stage.is_dir() or not os.access(stage, os.W_OK):
                raise unwritten(stage, 0, error) from error
        break
    try:
        yield
    finally:
        if stage.is_dir() and all(path.name == "lock" or path.suffix == ".json" for path in stage.iterdir()):
            shutil.rmtree(stage, ignore_errors=True)
        for folder in bare:
            with contextlib.suppress(OSError):  # there is something in it
                folder.rmdir()
        if lock is not None:
            os.close(lock)


def roomy(files, stage):
    """ResourceError where the disk has no room for the files, as far as their sizes are known."""
    have = sum(path.stat().st_size for path in stage.iterdir() if path.is_file())
    need, free = sum(file.bytes or file.roughly for file in files) - have, shutil.disk_usage(stage).free
    if need > free:
        raise ResourceError(f"{stage.parent} wants {need:,} more bytes for the download alone and {free:,} are free; "
                            f"free some space, or {ELSEWHERE}.")


def brought(card, file, stage, mirror, offline, say):
    """Facts of `file`, which lies verified in `stage`; the first source that has it serves."""
    path, failed = stage / file.file, []
    if path.is_file() and not fault_of(file, path):
        return noted(file, path, "an earlier call")
    sources = [source for source in (*mirrored(card, file, mirror), *file.urls) if not (offline and "://" in source)]
    seconds = PATIENCE / max(1, len(sources))
    for source in sources:
        say(f"{file.file} from {source}")
        try:
            with part_of(path, ELSEWHERE) as part:
                if "://" in source:
                    transferred(source, file.file, part, say, seconds, file.bytes or LARGEST, TRIES, ELSEWHERE,
                                sealed=bool(file.md5 or file.sha256))
                else:
                    copied(source, part)
                fault = fault_of(file, part)
                if fault:
                    part.unlink()
                    raise Wrong(f"{fault}; the file was deleted and is not used")
                os.replace(part, path)
        except Unreached as reason:
            failed.append(reason)
            say(f"{file.file}: {reason}.")
            continue
        return noted(file, path, source)
    raise refusal(card, file, offline, failed)


def mirrored(card, file, mirror):
    """The place of `file` on a mirror, as a list of one or none."""
    return [f"{mirror.rstrip('/')}/{card.name}/{file.file}"] if mirror else []


def copied(source, part):
    """A file of a mirror that is a folder."""
    try:
        shutil.copyfile(source, part)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise Unreached("it is not there") from None


def refusal(card, file, offline, failed):
    """The error for a file that no source gave."""
    wrong = [reason for reason in failed if isinstance(reason, Wrong)]
    if wrong:
        return UntrustedError(f"{file.file} of {card.name} is not as published: {wrong[0]}. Try again later, or name a "
                              "mirror that has the right one with --mirror.")
    why = "no network is asked in offline mode" if offline else f"no source gave it: {failed[-1]}"
    return DataError(f"{file.file} of {card.name} cannot be fetched, {why}. Where there is a network, download "
                     f"{file.urls[0]} into a folder DIR/{card.name}/ and pass --mirror DIR here.")


def fault_of(file, path):
    """In what a file differs from what its publisher states, or None."""
    size = path.stat().st_size
    if file.bytes and size != file.bytes:
        return f"it has {size:,} bytes where {file.bytes:,} are published"
    kinds = [kind for kind in DIGITS if getattr(file, kind)]
    found = digests(path, kinds) if kinds else {}
    return next((f"its {kind} is {found[kind]} where {getattr(file, kind)} is published" for kind in kinds
                 if found[kind] != getattr(file, kind)), None)


def noted(file, path, source):
    """What fetched.json keeps of one file."""
    return {"file": file.file, "from": source, "bytes": path.stat().st_size,
            "sha256": digests(path, {"sha256"})["sha256"],
            "held against": [kind for kind in ("bytes", *DIGITS) if getattr(file, kind)]}


def laid(card, files, facts, stage, whole, say, step):
    """Make the folder `whole` of the verified files in `stage`."""
    try:
        whole.mkdir()
        for file, known in zip(files, facts):
            if not known["held against"] or known["held against"] == ["bytes"]:
                say(f"{file.file}: no checksum is published, so it cannot be verified; what came has sha256 "
                    f"{known['sha256']}.")
            if file.file.lower().endswith(ARCHIVES):
                say(f"{file.file}: unpacking.")
                archive.into(stage / file.file, whole, step, ELSEWHERE)
            else:
                os.rename(stage / file.file, whole / file.file)
        if card.table:
            write_atomic(whole / tabled.TABLE, tabled.made(card.table, whole, say))
        shutil.copyfile(card.path, whole / CARD)
    except OSError as error:
        raise unwritten(whole, 0, error) from error
    data = whole / card.reading.data
    if not data.exists():
        raise DataError(f"{card.name} holds no {card.reading.data} once it is unpacked: its publisher has changed it. "
                        "Nothing is kept but the download.")
    number = sum(len(names) for _, _, names in os.walk(whole)) + 1
    write_atomic(whole / RECORD, to_json({"schema": 1, "name": card.name, "title": card.title, "licence": card.licence,
                                          "files": facts, "count": number}))


def data_of(card, files, out):
    """Path under `out` that the toolkit is given."""
    inside = tabled.TABLE if card.table and not card.reading.data else card.reading.data or files[0].file
    return Path(out) / inside
