"""Small pictures of a run's pictures, in one file: thumbnails.zip, a JPEG a picture, found by its key.

The key of a picture is the first 16 hexadecimal characters of its sha256; its entry is KEY.jpg, stored as it is, so
that a reader takes it out by one read and needs no more memory for ten thousand pictures than for one.
"""

import functools
import io
import itertools
import os
import re
import stat
import struct
import zipfile
import zlib

from PIL import Image

from toolkit.errors import UntrustedError
from toolkit.files import replacing

SIDE = 160                  # pixels of the longer side, at most
QUALITY = 82                # of JPEG
KEY = re.compile("[0-9a-f]{16}")
BLOCK = 64                  # pictures in memory at a time
MADE = (1980, 1, 1, 0, 0, 0)
LARGEST = 1 << 20           # bytes of an entry; a real one has some 5,000
DIRECTORY = 16 << 20        # bytes of a zip's directory: a quarter of a million pictures
OPENED = 8                  # directories that are remembered
HEADER = struct.Struct("<4s22xHH")  # of an entry: magic, lengths of its name and of what follows that


def key(sha256):
    """What a picture is called in a run: the first 16 characters of its sha256."""
    return sha256[:16]


def of(pixels, table, rows, resize, step=None):
    """(keys, an iterator of JPEGs) of the pictures `rows`, for `write`.

    pixels: gives uint8 (m, size, size, 1 or 3) when indexed by m row numbers; table: a DataFrame of all rows with
    sha256, width and height; resize: the rule that made the squares. step(done, of) is called after each block.
    """
    def images():
        for start in range(0, len(rows), BLOCK):
            some = rows[start:start + BLOCK]
            facts = table.iloc[some]
            yield from map(encode, pixels[some], facts["width"], facts["height"], itertools.repeat(resize))
            if step:
                step(start + len(some), len(rows))

    return map(key, table["sha256"].iloc[rows]), images()


def encode(pixels, width, height, resize):
    """JPEG of a picture as it was before it became a square, at most SIDE pixels long.

    pixels: uint8 (size, size, 1 or 3), made by the rule `resize` of pixels.resize from a picture of width x height.
    """
    size = pixels.shape[0]
    wide, high = shape = (1.0, 1.0) if resize == "crop" else (width / max(width, height), height / max(width, height))
    if resize == "pad":
        columns, rows = (max(1, round(size * share)) for share in shape)
        left, top = (size - columns) // 2, (size - rows) // 2
        pixels = pixels[top:top + rows, left:left + columns]
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    side = min(SIDE, size)
    small = image.resize((max(1, round(side * wide)), max(1, round(side * high))), Image.Resampling.HAMMING)
    file = io.BytesIO()
    small.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


def write(path, keys, images):
    """Write a zip of `images`, JPEGs in the order of `keys`, one at a time; a key that comes again is passed over.

    Raises ResourceError where it cannot be written; what stood at `path` before then still does.
    """
    seen = set()
    with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for image, name in zip(images, keys):
            if name not in seen:
                seen.add(name)
                archive.writestr(zipfile.ZipInfo(f"{name}.jpg", MADE), image)


def read(path, key):
    """The JPEG of a picture; None where there is no such file, key or entry.

    Raises UntrustedError where the file is damaged or no zip of thumbnails. Any number of threads may ask.
    """
    if not isinstance(key, str) or not KEY.fullmatch(key):
        return None
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UntrustedError(f"{os.path.basename(path)} cannot be read: {error.strerror}.") from None
    try:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode):
            raise zipfile.BadZipFile("no file")
        found = directory(os.fspath(path), facts.st_mtime_ns, facts.st_size).get(key)
        return found and entry(handle, *found)
    except (zipfile.BadZipFile, struct.error, OSError, ValueError, NotImplementedError) as error:
        raise UntrustedError(f"{os.path.basename(path)} is damaged or no zip of thumbnails ({error}).") from None
    finally:
        os.close(handle)


@functools.lru_cache(OPENED)
def directory(path, changed, size):
    """{key: (where its entry begins, bytes, crc32)} of a zip that has not changed since."""
    def opened(path, flags):
        return os.open(path, flags | os.O_NOFOLLOW)

    with Bounded(path, opener=opened) as file, zipfile.ZipFile(file) as archive:
        return {info.filename[:16]: (info.header_offset, info.file_size, info.CRC) for info in archive.infolist()
                if KEY.fullmatch(info.filename.removesuffix(".jpg")) and info.compress_type == zipfile.ZIP_STORED
                and info.compress_size == info.file_size and not info.flag_bits & 1}


class Bounded(io.FileIO):
    """A file of which no more than a directory is read at a time, whatever it says of itself."""

    def read(self, size=-1):
        if size > DIRECTORY:
            raise zipfile.BadZipFile("its directory is too long")
        return super().read(size)


def entry(handle, start, length, crc):
    """The bytes of an entry that begins at `start`."""
    if length > LARGEST:
        raise zipfile.BadZipFile(f"an entry of {length:,} bytes")
    magic, name, more = HEADER.unpack(os.pread(handle, HEADER.size, start))
    data = os.pread(handle, length, start + HEADER.size + name + more)
    if magic != b"PK\3\4" or len(data) != length or zlib.crc32(data) != crc or not data.startswith(b"\xff\xd8\xff"):
        raise zipfile.BadZipFile("an entry is not what was written")
    return data
