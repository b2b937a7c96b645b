"""Where data may lie on this computer: what a person typed, what lies in a folder, what a table's header says."""

import os
from dataclasses import dataclass
from pathlib import Path

from toolkit.data import manifest
from toolkit.data.reading import is_picture
from toolkit.errors import DataError

MOST = 2000             # entries of a folder that are looked at
LARGEST_TABLE = 64 << 20  # bytes of a table whose header is read
KINDS = {**dict.fromkeys(manifest.TABLES, "table"), ".npz": "npz", ".zip": "zip"}


class Missing(DataError):
    """A path that does not exist; `near`: the existing path that may have been meant, or None."""

    def __init__(self, text, near):
        super().__init__(text)
        self.near = near


@dataclass(frozen=True)
class Inside:
    """What lies directly in a folder: names of its subfolders and data files, how many pictures; `more`: not all."""

    folders: tuple
    files: tuple
    pictures: int
    more: bool


def found(text):
    """(path or sample:NAME, kind) of what a person typed; kind: folder, table, npz, zip or sample.

    Blanks and quotes around it, `~` and file:// are understood. Raises DataError; Missing where there is no such path.
    """
    text = text.strip().strip("\"'").strip()
    if text.startswith("sample:"):
        return text, "sample"
    text = text.removeprefix("file://")
    if not text:
        raise DataError("Name a folder of pictures, a table, an .npz file or a zip.")
    if "://" in text:
        raise DataError(f"{text} is an address; download it first and give the folder or file.")
    try:
        path = Path(os.path.abspath(Path(text).expanduser()))
        if not path.exists():
            end, near = manifest.nearest(path)
            raise Missing(f"{end} does not exist.", near)
        kind = "folder" if path.is_dir() else KINDS.get(path.suffix.lower())
    except (OSError, ValueError, RuntimeError) as error:  # too long, a NUL, no permission, no home
        raise DataError(f"{text[:200]} cannot be opened: {getattr(error, 'strerror', None) or error}.") from None
    if kind is None:
        raise DataError(f"{path} is no data set: wanted a folder, a table ({', '.join(manifest.TABLES)}), an .npz file "
                        "or a zip.")
    return str(path), kind


def inside(folder):
    """Inside of a folder, names in their order; hidden ones are passed over. Raises DataError."""
    folders, files, pictures = [], [], 0
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number >= MOST:
                    break
                suffix = os.path.splitext(entry.name)[1].lower()
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    folders.append(entry.name)
                elif suffix in KINDS:
                    files.append(entry.name)
                pictures += is_picture(entry.name)
            more = next(entries, None) is not None
    except OSError as error:
        raise DataError(f"{folder} cannot be opened: {error.strerror}.") from None
    return Inside(tuple(sorted(folders, key=str.casefold)), tuple(sorted(files, key=str.casefold)), pictures, more)


def header(path):
    """What the first line of a table says, as data.table.header. Raises DataError."""
    from toolkit.data import table

    if Path(path).stat().st_size > LARGEST_TABLE:
        raise DataError(f"{path} is larger than {LARGEST_TABLE >> 20} MB; wanted a table of a row a picture.")
    return table.header(Path(path))
