"""What came through the browser, kept until a person removes it.

    RUNS/.dashboard/uploads/ID/            ID: 12 hexadecimal characters
        name.zip, or class/picture.png ... names as they came: they are the labels
        .0f3a.part                         what is still coming; whoever writes holds its lock
"""

import contextlib
import fcntl
import os
import re
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from toolkit.data.manifest import TABLES
from toolkit.data.reading import is_picture
from toolkit.errors import OptionError, UntrustedError, plain
from toolkit.pixels import foreign
from toolkit.run import paths
from toolkit.runs import folders, launch, reading

ID = re.compile(r"[0-9a-f]{12}")
DEEPEST = 5      # parts of a path: four folders and the file
LONGEST = 255    # bytes of a part
HEAD = 2048      # bytes that tell the kind
ZIPS = (".zip", ".npz")
MODEL = (".keras", ".json")
PICTURES = ((0, b"\x89PNG\r\n\x1a\n"), (0, b"\xff\xd8\xff"), (0, b"II*\0"), (0, b"MM\0*"), (0, b"II+\0"), (0, b"MM\0+"),
            (0, b"BM"), (0, b"GIF87a"), (0, b"GIF89a"), (8, b"WEBP"), (4, b"ftypavif"), (4, b"ftypavis"),
            (4, b"jP  "), (0, b"\xff\x4f\xff\x51"), (128, b"DICM"), *((0, b"P%d" % n) for n in range(1, 7)))


@dataclass(frozen=True)
class Upload:
    """`data`: what commands take, a file or a folder; `time`: of the last change, seconds since 1970."""

    id: str
    data: Path
    files: int
    bytes: int
    time: float


def place(root, upload):
    """The folder of an upload, there or not. OptionError where that is no name of one."""
    if not isinstance(upload, str) or not ID.fullmatch(upload):
        raise OptionError("An upload is named by 12 hexadecimal characters.")
    return folders.own(root, "uploads") / upload


def checked(path):
    """`path`, as the browser gave it, as a Path below an upload. OptionError where it leads elsewhere or hides."""
    parts = path.split("/")
    shown = plain(path)[:120]
    if not path or any(part in ("", ".", "..") for part in parts) or "\\" in path:
        raise OptionError(f"{shown!r} is no path below a folder: it is empty, absolute, climbs out or has a backslash.")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in path):
        raise OptionError(f"{shown!r} holds control characters; rename the file.")
    if any(part.startswith(".") for part in parts):
        raise OptionError(f"{shown!r} is hidden; hidden files are not taken.")
    if len(parts) > DEEPEST:
        raise OptionError(f"{shown!r} lies {len(parts) - 1} folders deep; at most {DEEPEST - 1} are taken.")
    if any(len(part.encode()) > LONGEST for part in parts):
        raise OptionError(f"{shown!r} has a name of more than {LONGEST} bytes; shorten it.")
    return Path(*parts)


def fault(name, head):
    """What is wrong with a file of that name that begins with the bytes `head`, as a sentence; None for nothing."""
    suffix, shown = Path(name).suffix.lower(), plain(name)[:120]
    if not head:
        return f"{shown} is empty."
    if suffix in (*ZIPS, MODEL[0]):
        kind = "zip archive" if suffix == ".zip" else f"{suffix} file"
        return None if head.startswith(b"PK\x03\x04") else f"{shown} is no {kind}: its first bytes are of another kind."
    if suffix in (".parquet", ".pq"):
        return None if head.startswith(b"PAR1") else f"{shown} is no Parquet table: its first bytes are others."
    if suffix == MODEL[1]:
        return None if head.lstrip().startswith(b"{") else f"{shown} is no JSON object: it is {foreign.name(head)}."
    if suffix in TABLES:
        return None if is_table(head) else f"{shown} is no table of text: it is {foreign.name(head)}."
    if is_picture(name):
        known = any(head[start:start + len(magic)] == magic for start, magic in PICTURES)
        return None if known else f"{shown} cannot be used as a picture: {foreign.name(head)}."
    return f"{shown} is of a kind that is not read; wanted are pictures, a table (CSV, TSV, Parquet), an .npz or a zip."


def is_table(head):
    """Whether bytes begin a table: text in any of the encodings that are read, and no page."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    return not text.startswith((b"<", b"%PDF", b"PK\x03\x04")) and not re.search(rb"[\x00-\x08\x0e-\x1f]", head)


def held(root, upload):
    """The Upload of that name; None where nothing has come."""
    folder = place(root, upload)
    found = files(folder)
    if not found:
        return None
    return Upload(upload, data(folder, found), len(found), sum(size for _, size in found), folder.stat().st_mtime)


def files(folder):
    """(path below it, bytes) of every file of an upload, by name; what is still coming is not among them."""
    found = []
    for here, below, names in os.walk(folder):
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if not name.startswith("."):
                path = Path(here, name)
                with contextlib.suppress(OSError):  # it has gone between the two looks
                    found.append((path.relative_to(folder), path.lstat().st_size))
    return found


def data(folder, found):
    """What a command is given: the only file that is no picture, or the only table; else the class folders' folder."""
    tops = {path.parts[0] for path, _ in found}
    top = Path(tops.pop() if len(tops) == 1 and all(len(path.parts) > 1 for path, _ in found) else "")
    here = [path for path, _ in found if path.parent == top]
    others = [path for path in here if not is_picture(path) and path.suffix.lower() != ".txt"]
    if len(others) == 1 and (len(found) == 1 or others[0].suffix.lower() in TABLES):
        return folder / others[0]
    return folder if any(map(is_picture, here)) else folder / top


def listed(root):
    """All Uploads, the last first."""
    home = folders.own(root, "uploads")
    found = [held(root, one.name) for one in home.iterdir() if ID.fullmatch(one.name) and one.is_dir()]
    return sorted((one for one in found if one), key=lambda one: one.time, reverse=True)


def needed_by(root, upload):
    """Names of the runs and checks that were made of an upload, or are being made."""
    folder = str(place(root, upload))
    names = set()
    for kind in folders.KINDS:
        for one in folders.listed(root, kind):
            with contextlib.suppress(UntrustedError):
                options = reading.facts(paths(one).run).get("options")
                if kind == "runs" and isinstance(options, dict) and any(
                        isinstance(options.get(name), str) and is_below(options[name], folder)
                        for name in ("data", "root", "test_data")):
                    names.add(one.name)
        for begun in Path(root, folders.HIDDEN, "starts").glob(f"{kind}-*.json"):
            name = begun.stem.removeprefix(f"{kind}-")
            asked = (launch.record(root, kind, name) or {}).get("command")
            if isinstance(asked, list) and any(is_below(str(word), folder) for word in asked) and launch.alive(
                    root, kind, name):
                names.add(name)
    return sorted(names)


def is_below(path, folder):
    """Whether a path is a folder or lies in it."""
    return os.path.join(os.path.abspath(path), "").startswith(os.path.join(os.path.abspath(folder), ""))


def remove(root, upload):
    """Delete an upload for good. OptionError where a run needs it, or it is still coming."""
    folder, runs = place(root, upload), needed_by(root, upload)
    if runs:
        more = f" and {len(runs) - 1} more" if runs[1:] else ""
        raise OptionError(f"These pictures belong to {plain(runs[0])}{more}; delete that run first.")
    if any(folders.held(part) for part in folder.glob(".*.part")):
        raise OptionError("The upload is still coming; cancel it first.")
    shutil.rmtree(folder, ignore_errors=True)


def sweep(root):
    """Remove what was still coming when a server was killed -> how many files; what comes elsewhere now stays."""
    swept = 0
    for part in folders.own(root, "uploads").glob("*/.*.part"):
        with contextlib.suppress(OSError):
            handle = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
                swept += 1
            finally:
                os.close(handle)
            part.parent.rmdir()  # fails where something is in it
    return swept
