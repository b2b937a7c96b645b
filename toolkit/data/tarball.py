"""A .tar, or a gzipped one, seen as `zipfile` shows a zip, so that `data.archive` holds both to the same rules.

Compression is known by content, whatever the name says. Nothing is read into memory whole: a long name that the archive
declares may be a bomb too, and is capped.
"""

import gzip
import stat
import tarfile
from contextlib import contextmanager
from dataclasses import dataclass

from toolkit.errors import UntrustedError

SUFFIXES = (".tar", ".tgz", ".tar.gz")
GZIP = b"\x1f\x8b"
MOST_AT_ONCE = 16 * 2**20  # bytes of one read: pieces of files are smaller, names and headers much smaller


@dataclass(frozen=True)
class Entry:
    """What `archive` asks of a ZipInfo."""

    filename: str
    file_size: int
    external_attr: int
    member: object
    flag_bits: int = 0

    def is_dir(self):
        """Whether it is a folder."""
        return self.member.isdir()


class Tar:
    """infolist() and open(entry), as of a ZipFile."""

    def __init__(self, tar, most_entries, most_bytes):
        self.tar, self.most_entries, self.most_bytes = tar, most_entries, most_bytes

    def infolist(self):
        """The entries, but for the archive's own root; no more of the archive is unpacked than is allowed."""
        found, total = [], 0
        while member := self.tar.next():
            total += member.size
            name = member.name
            while name.startswith("./"):
                name = name[2:]
            if name not in ("", "."):
                found.append(Entry(name + "/" * member.isdir(), member.size, kind_of(member) << 16, member))
            if len(found) > self.most_entries or total > self.most_bytes:
                break  # the caller counts too, and refuses
        return found

    def open(self, entry):
        """The bytes of a file, to be read piece by piece."""
        return self.tar.extractfile(entry.member)


class Capped:
    """A file that refuses to be read in lumps."""

    def __init__(self, file):
        self.file, self.seek, self.tell = file, file.seek, file.tell

    def read(self, size=-1):
        """At most MOST_AT_ONCE bytes."""
        if not 0 <= size <= MOST_AT_ONCE:
            raise UntrustedError(f"An archive declares a name of {size:,} bytes; it is not unpacked.")
        return self.file.read(size)


def kind_of(member):
    """The bits of `stat` that tell files and folders from all else."""
    if member.isdir():
        return stat.S_IFDIR
    return stat.S_IFREG if member.isreg() and not member.issparse() else stat.S_IFLNK


@contextmanager
def opened(path, most_entries, most_bytes):
    """A Tar. Raises tarfile.TarError, EOFError, OSError where it is damaged or none."""
    with open(path, "rb") as file:
        packed = file.read(2) == GZIP
        file.seek(0)
        with (gzip.open(file) if packed else file) as plain, tarfile.open(fileobj=Capped(plain), mode="r:") as tar:
            yield Tar(tar, most_entries, most_bytes)
