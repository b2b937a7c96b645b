"""Masks: pictures whose numbers mean something each, read as they stand, never scaled, turned or coloured."""

import hashlib
import io
from typing import NamedTuple

import numpy as np
from PIL import Image

from toolkit.pixels import decode

LOSSY = ("JPEG", "MPO", "WEBP", "AVIF", "JPEG2000")
MOST = 65_536   # different numbers of one mask
BAND = 256      # rows counted at a time
STREWN = 32     # areas of the mask that the boxes around all its numbers may have together


class Mask(NamedTuple):
    """`numbers`: int32 (height, width), 0 is background. `mode`: as stored. `coloured`: red, green and blue differed,
    and the numbers stand for the colours, in order, black is 0. `lossy`: stored by a method that changes values."""

    numbers: np.ndarray
    mode: str
    coloured: bool = False
    lossy: bool = False


class Facts(NamedTuple):
    """What one mask holds: its size, its numbers but 0, the `pixels` and separate `pieces` of each (() where they were
    not counted), `share` of the picture that is not 0, a hash. `error`: why it cannot be read, and nothing else."""

    width: int = 0
    height: int = 0
    mode: str = ""
    coloured: bool = False
    lossy: bool = False
    numbers: tuple = ()
    pixels: tuple = ()
    pieces: tuple = ()
    share: float = 0.0
    digest: str = ""
    error: str = ""


def facts(source):
    """Facts of a mask, by its bytes or its Path."""
    try:
        mask = read(source)
        values, numbers, sizes = tallied(mask.numbers)
        if len(values) > MOST:
            raise decode.Unreadable(f"{len(values)} different numbers; at most {MOST} are counted")
    except decode.Unreadable as reason:
        return Facts(error=str(reason))
    height, width = mask.numbers.shape
    digest = hashlib.blake2b(f"{height} {width} ".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(mask.numbers))
    return Facts(width, height, mask.mode, mask.coloured, mask.lossy, tuple(map(int, values)), tuple(map(int, sizes)),
                 pieces(numbers, len(values)), float(sizes.sum() / mask.numbers.size), digest.hexdigest())


def tallied(numbers):
    """(values but 0 in their order, `numbers` with 1, 2, ... in their place, pixels of each value)."""
    if 0 <= numbers.min() and numbers.max() < MOST:  # a table is quicker than to sort, and takes no memory
        table = np.zeros(MOST, np.int64)
        for top in range(0, len(numbers), BAND):
            table += np.bincount(numbers[top:top + BAND].ravel(), minlength=MOST)
        values = np.flatnonzero(table)
        places = np.zeros(MOST, np.int32)
        places[values[values != 0]] = np.arange(1, (values != 0).sum() + 1)
        return values[values != 0], places[numbers], table[values[values != 0]]
    values, sizes = np.unique(numbers, return_counts=True)
    values, sizes = values[values != 0], sizes[values != 0]
    return values, np.where(numbers == 0, 0, np.searchsorted(values, numbers) + 1).astype(np.int32), sizes


def pieces(numbers, count):
    """Tuple of the pieces, joined by sides or corners, of each number 1..count of int32 (height, width).

    () where the numbers are strewn all over the mask, as noise is, and counting would take minutes.
    """
    import cv2
    from scipy import ndimage

    boxes = ndimage.find_objects(numbers, count)
    if sum((box[0].stop - box[0].start) * (box[1].stop - box[1].start) for box in boxes) > STREWN * numbers.size:
        return ()
    return tuple(cv2.connectedComponents((numbers[box] == number).astype(np.uint8), connectivity=8)[0] - 1
                 for number, box in enumerate(boxes, 1))


def read(source):
    """Mask of bytes or a Path. Raises pixels.decode.Unreadable."""
    data = source if isinstance(source, bytes) else decode.read_bytes(source)
    if not data:
        raise decode.Unreadable("empty file (0 bytes)")
    try:
        with Image.open(io.BytesIO(data), formats=[name for name in decode.FORMATS if name in Image.OPEN]) as image:
            if image.width * image.height > decode.MAX_PIXELS or max(image.size) > decode.MAX_SIDE:
                raise decode.Unreadable(f"{image.width} x {image.height} pixels; at most {decode.MAX_PIXELS // 10**6} "
                                        f"megapixels and {decode.MAX_SIDE} a side are read")
            image.load()
            return Mask(*_numbers(image), image.format in LOSSY)
    except (decode.Unreadable, MemoryError):
        raise
    except Image.UnidentifiedImageError:
        raise decode.Unreadable("not a picture") from None
    except Exception as error:  # Pillow's plug-ins raise anything on damaged bytes
        raise decode.Unreadable(f"damaged or cut short ({str(error)[:100] or type(error).__name__})") from None


def _numbers(image):
    """(int32 (height, width), mode, whether colours stand behind the numbers); a palette's numbers are its places."""
    mode = image.mode
    if mode in ("1", "L", "P", "I") or mode.startswith("I;"):
        return np.asarray(image).astype(np.int32), mode, False
    if mode in ("LA", "PA"):
        return np.asarray(image.getchannel(0)).astype(np.int32), mode, False
    if mode == "F":
        values = np.asarray(image)
        if not np.array_equal(values, np.rint(values)):
            raise decode.Unreadable("fractions, where each number should mean a thing or a class")
        return values.astype(np.int32), mode, False
    colours = np.asarray(image.convert("RGB")).astype(np.int32)
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red.copy(), mode, False
    codes, places = np.unique((red << 16) + (green << 8) + blue, return_inverse=True)
    places = places.reshape(red.shape).astype(np.int32)
    return places if codes[0] == 0 else places + 1, mode, True
