"""The directory of a zip, looked at as bytes before `zipfile` makes an object of each of its entries."""

import os
import struct
import zipfile

from toolkit.errors import UntrustedError, plain

MOST_DIRECTORY = 128 * 2**20  # bytes that list the entries
ENTRY_MARK, END_MARK, END_MARK_64 = b"PK\1\2", b"PK\5\6", b"PK\6\6"
END = struct.Struct("<4s4H2LH")  # PKWARE APPNOTE, 4.3.16, and of large archives 4.3.14 and 4.3.15
END_64, LOCATOR = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL")
LEAST_HEADER = 30  # bytes before the data of an entry


def opened(path, most):
    """zipfile.ZipFile of `path`. Raises UntrustedError for more than `most` entries, or entries that share bytes."""
    if crowded(path, most):
        raise UntrustedError(f"{path} has more than {most:,} entries; at most so many are unpacked.")
    archive = zipfile.ZipFile(path)
    if entry := sharing(archive.infolist(), archive.start_dir):
        archive.close()
        raise UntrustedError(f"{path} is not unpacked: its entry {plain(entry.filename)[:120]!r} shares its bytes with "
                             "another one (a zip bomb).")
    return archive


def crowded(path, most):
    """Whether the directory lists more than `most` entries, whatever number it says: a million take a gigabyte."""
    with open(path, "rb") as file:
        whole = file.seek(0, os.SEEK_END)
        start = max(0, whole - END.size - 0xFFFF)  # a comment of any length may follow
        file.seek(start)
        tail = file.read()
        at = tail.rfind(END_MARK)
        if at < 0 or len(tail) < at + END.size:
            return False  # zipfile says what is wrong
        size, end = END.unpack_from(tail, at)[5], start + at
        large = end - LOCATOR.size - END_64.size
        if large >= 0:
            file.seek(large)
            record = file.read(END_64.size)
            if record.startswith(END_MARK_64):
                size, end = END_64.unpack(record)[8], large
        if size > MOST_DIRECTORY:
            return True
        file.seek(max(0, end - size))
        return file.read(min(size, end)).count(ENTRY_MARK) > most


def sharing(entries, end):
    """The first entry whose bytes reach into the next one's, or into the directory at `end`; None where none does."""
    entries = sorted(entries, key=lambda entry: entry.header_offset)
    for entry, after in zip(entries, [*(entry.header_offset for entry in entries[1:]), end]):
        if entry.header_offset + LEAST_HEADER + entry.compress_size > after:
            return entry
    return None
