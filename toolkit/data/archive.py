"""A zip or a tar from anywhere, unpacked where nothing else is touched: all of it, or nothing.

Refused, by name of the first entry at fault: names that are absolute, climb out, hold a drive, a backslash, a NUL or
are no text; links, devices and other kinds than files and folders; encrypted entries; entries that share their bytes;
two names that one disk would take for the same. Capped while the bytes come, since headers may lie: entries, bytes of
one and of all, bytes for each byte of the archive. Archives in the archive stay what they are.
"""

import hashlib
import os
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from toolkit.data import tarball, zipped
from toolkit.errors import DataError, ResourceError, UntrustedError, plain
from toolkit.files import fresh_folder, keep, unwritten

MOST_ENTRIES = 200_000
MOST_BYTES = 64 * 2**30   # of all entries
MOST_OF_ONE = 2 * 2**30   # of one entry
MOST_RATIO = 200          # bytes for each byte of the archive; pictures are hardly packed at all
FREE_RATIO = 50 * 2**20   # bytes that are unpacked whatever the ratio
LONGEST = 240             # bytes of one part of a name
PIECE = 1 << 20
ENCRYPTED = 0x1 | 0x40 | 0x2000  # flags: encrypted, strongly, with a hidden directory (PKWARE APPNOTE, 4.4.4)
KEEPS = ("mac os", "__macosx")
CACHE = "choose another disk with --cache-dir"
DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)


def unpacked(path, cache, step=None):
    """Folder under `cache` with what the zip `path` holds, unpacked at the first call for these bytes, and kept from
    making room for others until this process ends.

    step(done, of) is called after each entry. Raises UntrustedError for a hostile or damaged archive, DataError for one
    that holds nothing, ResourceError where the disk is full; nothing is left then.
    """
    place = Path(cache) / digest(path)[:24]
    while not keep(place):  # another run may delete it, to make room, before we have said that we use it
        with opened(path, place) as (archive, entries):
            place.parent.mkdir(parents=True, exist_ok=True)
            with fresh_folder(place.parent) as fresh:
                extract(archive, entries, fresh / "all", Path(path).stat().st_size, path, step, CACHE)
                try:
                    os.rename(fresh / "all", place)
                except OSError:
                    if not place.is_dir():  # otherwise another run was faster: the same bytes
                        raise
    return inner(place)


def into(path, folder, step=None, elsewhere=CACHE):
    """Add what the archive `path` holds to `folder`, where none of it may be yet -> files written, in their order.

    elsewhere: how a person chooses another disk, for the error. Raises as `unpacked`; what was written is left to the
    caller, whose folder should be one that it throws away.
    """
    with opened(path, folder) as (archive, entries):
        Path(folder).mkdir(parents=True, exist_ok=True)
        extract(archive, entries, Path(folder), Path(path).stat().st_size, path, step, elsewhere)
    return [entry.filename for entry in entries]


@contextmanager
def opened(path, place):
    """(zip or tar, its checked entries); what goes wrong while they are unpacked to `place` becomes our errors."""
    kind, entries = "tar" if str(path).lower().endswith(tarball.SUFFIXES) else "zip", ()
    try:
        with (tarball.opened(path, MOST_ENTRIES, MOST_BYTES) if kind == "tar" else
              zipped.opened(path, MOST_ENTRIES)) as archive:
            entries = checked(archive, path)
            yield archive, entries
    except FileExistsError as error:
        raise UntrustedError(f"{path} is not unpacked: it holds {error.filename} once more.") from None
    except DAMAGED as error:
        raise UntrustedError(f"{path} is damaged or no {kind} ({plain(str(error))[:120]}); get it once more.") from None
    except OSError as error:
        if error.errno is None:  # gzip's own, of what the archive holds
            raise UntrustedError(f"{path} is damaged ({plain(str(error))[:120]}); get it once more.") from None
        raise unwritten(place, sum(entry.file_size for entry in entries), error) from error


def digest(path):
    """SHA-256 of a file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be opened ({error.strerror}).") from None


def inner(place):
    """The folder that is meant: where all lies in one folder, that one."""
    inside = [entry for entry in place.iterdir() if entry.name.casefold() not in KEEPS]
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else place


def checked(archive, path):
    """The entries that are files, after every name and kind was looked at. Raises UntrustedError, DataError."""
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise UntrustedError(f"{path} has {len(entries):,} entries; at most {MOST_ENTRIES:,} are unpacked.")
    seen, files = {}, []
    for entry in entries:
        fault = fault_of(entry)
        if not fault:
            name = unicodedata.normalize("NFC", entry.filename.rstrip("/")).casefold()
            if name in seen and not (entry.is_dir() and seen[name].is_dir()):
                fault = "stands twice, or differs from another name in case or accents' encoding alone"
            seen[name] = entry
        if fault:
            raise UntrustedError(f"{path} is not unpacked: its entry {plain(entry.filename)[:120]!r} {fault}.")
        if not entry.is_dir():
            files.append(entry)
    for name in seen:  # a file must not be another one's folder
        for parent in PurePosixPath(name).parents:
            if str(parent) in seen and not seen[str(parent)].is_dir():
                raise UntrustedError(f"{path} is not unpacked: its entry {plain(str(parent))[:120]!r} is a file and a "
                                     "folder at once.")
    if not files:
        raise DataError(f"{path} holds no file.")
    if sum(entry.file_size for entry in files) > MOST_BYTES:
        raise UntrustedError(f"{path} would unpack to more than {MOST_BYTES / 2**30:.0f} GB; unpack it yourself and "
                             "give the folder.")
    return files


def fault_of(entry):
    """What is wrong with an entry's name or kind; None where nothing is."""
    name, raw = entry.filename, getattr(entry, "orig_filename", entry.filename)
    parts = name.rstrip("/").split("/")
    if "\\" in raw or name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "has a name that is absolute, holds a backslash or a drive"
    if "\0" in raw or not name.strip("/") or any(not part or part in (".", "..") for part in parts):
        return "has a name that is empty, holds a NUL or climbs out of the folder"
    try:
        if any(len(part.encode("utf-8")) > LONGEST for part in parts):
            return f"has a name of more than {LONGEST} bytes"
    except UnicodeEncodeError:
        return "has a name that is no text"
    if entry.flag_bits & ENCRYPTED:
        return "is encrypted; unpack it yourself and give the folder"
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR) != entry.is_dir() and kind:
        return "is a link, a device or of another kind than a file or a folder"
    return None


def extract(archive, entries, folder, size, path, step, elsewhere):
    """Write the entries under `folder`, counting what really comes."""
    need, free = sum(entry.file_size for entry in entries), shutil.disk_usage(folder.parent).free
    if need > free:
        raise ResourceError(f"{path} unpacks to {need:,} bytes and {free:,} are free under {folder.parent.parent}; "
                            f"free some space, or {elsewhere}.")
    total = 0
    for number, entry in enumerate(entries, 1):
        target = folder / entry.filename
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(entry) as source, open(target, "xb") as file:
            written = 0
            while piece := source.read(PIECE):
                written += len(piece)
                total += len(piece)
                if written > MOST_OF_ONE or total > max(FREE_RATIO, MOST_RATIO * size):
                    raise UntrustedError(f"{path} is not unpacked: {plain(entry.filename)[:120]!r} grows to more than "
                                         "an archive of pictures would (a zip bomb).")
                file.write(piece)
        if step:
            step(number, len(entries))
