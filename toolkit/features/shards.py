"""A shard: one file with the rows of some pictures, whole or absent, each row with its checksum.

    toolkit-shard 1 LENGTH CRC32        first line: length and checksum of the header
    {"dtype", "shapes", "keys", "crc32", "facts"}   header, JSON; keys, checksums and facts row by row
    rows                                 of one length: the arrays of a row behind one another, as they lie in memory

Rows are read by `pread`, not by a memory map: the system caches them alike, yet they never count as memory of the run.
"""

import json
import os
import tempfile
import zlib
from pathlib import Path

import numpy as np

MAGIC = b"toolkit-shard 1 "
SUFFIX, UNFINISHED = ".shard", ".unfinished"
HEADER_BYTES = 200  # of a row in the header, about


class Damaged(Exception):
    """A shard, or a row of it, that is not what was written."""


def dtype_of(name):
    """numpy's dtype of a name, bfloat16 among them."""
    if name == "bfloat16":
        import ml_dtypes

        return np.dtype(ml_dtypes.bfloat16)
    return np.dtype(name)


class Shard:
    """An open shard. The file may be deleted meanwhile: what is open stays readable."""

    def __init__(self, path):
        self.handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.header, self.start = read_header(self.handle)
            self.dtype, self.shapes = dtype_of(self.header["dtype"]), [tuple(s) for s in self.header["shapes"]]
            self.length = row_bytes(self.shapes, self.dtype)
            if os.fstat(self.handle).st_size != self.start + self.length * len(self.header["keys"]):
                raise Damaged("its length is wrong")
        except (OSError, ValueError, KeyError, TypeError):
            os.close(self.handle)
            raise Damaged("it cannot be read") from None
        except Damaged:
            os.close(self.handle)
            raise
        self.size = self.start + self.length * len(self.header["keys"])
        self.sound, self.used = set(), False  # rows whose checksum was found right; whether one of them is wanted

    def row(self, number):
        """Bytes of a row; Damaged where they are not those that were written."""
        try:
            data = os.pread(self.handle, self.length, self.start + number * self.length)
        except OSError as error:
            raise Damaged(error.strerror) from None
        if number not in self.sound:
            if zlib.crc32(data) != self.header["crc32"][number]:
                raise Damaged("a row differs from what was written")
            self.sound.add(number)
        return data

    def close(self):
        os.close(self.handle)


def read_header(handle):
    """(header, where the rows start) of an open file."""
    line = os.pread(handle, 64, 0).partition(b"\n")[0]
    if not line.startswith(MAGIC):
        raise Damaged("it does not begin as a shard")
    length, crc = (int(part) for part in line[len(MAGIC):].split())
    if not 0 <= length <= os.fstat(handle).st_size:
        raise Damaged("its length is wrong")
    text = os.pread(handle, length, len(line) + 1)
    if zlib.crc32(text) != crc:
        raise Damaged("its header differs from what was written")
    return json.loads(text), len(line) + 1 + length


def write(folder, keys, rows, shapes, dtype, facts):
    """Write `rows`, bytes a picture, as a new shard into `folder` and return its path; an OSError leaves nothing."""
    header = json.dumps({"dtype": dtype, "shapes": [list(s) for s in shapes], "keys": list(keys),
                         "crc32": [zlib.crc32(row) for row in rows], "facts": list(facts)}).encode()
    handle, name = tempfile.mkstemp(UNFINISHED, "", folder)
    try:
        with open(handle, "wb") as file:
            file.write(MAGIC + f"{len(header)} {zlib.crc32(header)}\n".encode() + header)
            file.writelines(rows)
            file.flush()
            os.fsync(file.fileno())
        path = Path(name).with_suffix(SUFFIX)
        os.rename(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def row_bytes(shapes, dtype):
    """Bytes of a row."""
    return sum(int(np.prod(shape)) for shape in shapes) * dtype.itemsize


def taken(shapes, dtype, rows):
    """Bytes that rows take on the disk."""
    return rows * (row_bytes(shapes, dtype_of(dtype)) + HEADER_BYTES)


def packed(arrays, row, dtype):
    """Bytes of row number `row` of `arrays`; float16 holds no more than 65504, and what lies beyond becomes that."""
    parts = [array[row] for array in arrays]
    if dtype == np.float16:
        parts = [np.clip(part, -65504, 65504) for part in parts]
    return b"".join(np.ascontiguousarray(part, dtype).tobytes() for part in parts)


def unpacked(data, shapes, dtype):
    """Arrays (rows, ...) of the bytes of rows, one a shape."""
    flat = np.frombuffer(b"".join(data), dtype).reshape(len(data), -1)
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(len(data), *shape) for part, shape in zip(np.split(flat, ends[:-1], axis=1), shapes)]
