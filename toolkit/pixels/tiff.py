"""TIFF that Pillow reads wrongly or not at all, through tifffile; its other files are Pillow's.

| what the page holds | what is done |
| --- | --- |
| signed 8-bit, 64-bit and unsigned 32-bit numbers, floating point of 16 and 64 bits | by the depth rule |
| colour of signed numbers, of more than 16 bits or floating point; 16 bits by plane | by the depth rule |
| more than 8 bits with high values dark | turned round |
| two channels, or more than four; a volume in one page; complex numbers | refused |

Plain, Deflate and PackBits pages need nothing more; LZW, Zstandard, LZMA and odd numbers of bits want imagecodecs.
Other compressions of such numbers are refused: their decoders do not say beforehand how much memory a page takes.
"""

import io
import logging
import math
import zlib

import numpy as np

from toolkit.pixels import frames
from toolkit.pixels.values import Refused, Values

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
HINT = "pip install 'toolkit[tiff]'"
PLAIN, DEFLATE = (1, 32773), (8, 32946)          # by the numbers of the format; 1 is not packed, 32773 is PackBits
FURTHER = {5: "LZW", 34925: "LZMA", 50000: "Zstandard"}
WIDTH, SAMPLES, PLANES, SIGNS, EXTRA, DEPTH = 258, 277, 284, 339, 338, 32997  # tags
LARGEST = 2**30                                  # bytes of a page
SAFE, MAX_EXPANSION = 2**26, 200                 # bytes in any case; beyond them, for each byte of the file


def is_tiff(data):
    """Whether the bytes begin like a TIFF or BigTIFF."""
    return data[:4] in MAGIC


def misread(image):
    """Whether Pillow would read the page where it stands with wrong numbers: an opened TIFF, not loaded yet."""
    def tag(number, usual):
        value = image.tag_v2.get(number, usual)
        return max(value) if isinstance(value, tuple) and value else value

    bits, samples = tag(WIDTH, 1), tag(SAMPLES, 1)
    return (tag(SIGNS, 1) == 2 and bits == 8 or tag(PLANES, 1) == 2 and bits == 16 and samples > 1
            or image.tag_v2.get(262) == 0 and bits > 8 or tag(DEPTH, 1) > 1
            or samples == 2 and tag(EXTRA, 0) not in (1, 2))


def count(data):
    """How many pages the bytes of a file hold. Raises Refused."""
    with _opened(data) as file:
        return frames.few(len(file.pages))


def read(data, number, notes, largest):
    """Values of page `number` of the bytes of a file. Raises Refused.

    largest(width, height): raises what it likes where so many pixels must not be decoded; asked before they are.
    """
    with _opened(data) as file:
        try:
            page = file.pages[number]
            largest(page.imagewidth, page.imagelength)
            _check(page, data)
            array = page.asarray(maxworkers=1)
        except (IndexError, KeyError, ValueError, TypeError, RuntimeError, zlib.error) as error:
            if "requires the 'imagecodecs'" in str(error):
                raise Refused(f"a TIFF of {page.bitspersample} bits a value; {HINT} lets it be read") from None
            raise Refused(f"a TIFF that is damaged or cut short ({type(error).__name__})") from None
        array = np.moveaxis(array, 0, -1) if page.axes == "SYX" else array
        turn = page.tags.get(274)
        array = _upright(array, turn.value if turn else 1, notes)
        mode = f"TIFF {page.dtype.name} x {page.samplesperpixel}"
        numbers, alpha = _parted(array, page)
        return Values(numbers, mode, tuple(notes), *((0, 255) if page.dtype == np.uint8 else ()),
                      negative=page.photometric == 0, alpha=alpha)


def _opened(data):
    import tifffile

    logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)
    try:
        return tifffile.TiffFile(io.BytesIO(data))
    except Exception as error:  # a damaged file can make tifffile raise anything
        raise Refused(f"a TIFF that is damaged or cut short ({type(error).__name__})") from None


def _check(page, data):
    """Refuse what is no picture of plain numbers, and what would take too much memory."""
    samples = page.samplesperpixel
    if page.dtype is None or page.dtype.kind not in "uif":
        raise Refused("a TIFF of complex or unknown numbers; save it as plain ones")
    if page.imagedepth > 1:
        raise Refused("a TIFF with a volume in one page; save it as a page a slice")
    if samples > 4 or samples == 2 and page.extrasamples[:1] not in ((1,), (2,)):
        raise Refused(f"a TIFF of {samples} channels; 1, 3 or 4 are read: save each as a picture of its own")
    if page.photometric not in (0, 1, 2):
        name = getattr(page.photometric, "name", "unknown")
        raise Refused(f"a TIFF of {name} colours in {page.bitspersample} bits by {page.dtype}; save it as RGB")
    size = math.prod(page.shape) * page.dtype.itemsize
    if size > LARGEST or size > SAFE and size > MAX_EXPANSION * len(data):
        raise Refused(f"a TIFF page of {size:,} bytes in {len(data):,}: a decompression bomb")
    _check_packing(page, data)


def _check_packing(page, data):
    """Refuse a packing that is not read, and a packed part that grows beyond its place in the page."""
    packing, codecs = int(page.compression), _has_codecs()
    if packing in FURTHER and not codecs:
        raise Refused(f"a TIFF packed by {FURTHER[packing]}; {HINT} lets it be read, or save it without compression")
    if packing not in (*PLAIN, *DEFLATE, *FURTHER):
        name = getattr(page.compression, "name", packing)
        raise Refused(f"a TIFF of such numbers packed as {name}; save it without compression")
    if packing in DEFLATE and not codecs:  # zlib alone would unpack whatever comes
        most = math.prod(page.chunks) * page.dtype.itemsize
        for start, length in zip(page.dataoffsets, page.databytecounts):
            unpacked = zlib.decompressobj()
            unpacked.decompress(data[start:start + length], most + 1)
            if unpacked.unconsumed_tail:
                raise Refused("a TIFF whose parts are larger than it says: a decompression bomb")


def _has_codecs():
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        return False
    return True


def _upright(array, orientation, notes):
    """A page as the camera was held, by its tag Orientation."""
    if orientation not in range(2, 9):
        return array
    notes.append(f"turned upright (EXIF orientation {orientation})")
    array = array.swapaxes(0, 1) if orientation > 4 else array
    return array[::-1 if orientation in (3, 4, 7, 8) else 1, ::-1 if orientation in (2, 3, 6, 7) else 1]


def _parted(array, page):
    """(numbers (height, width[, 3]), alpha uint8 (height, width) or None) of a page's array."""
    if array.ndim == 2:
        return array, None
    numbers, extra = array[..., :3] if array.shape[2] > 2 else array[..., 0], page.extrasamples[:1]
    if extra not in ((1,), (2,)):
        return numbers, None
    alpha = array[..., -1] / (1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max)
    if extra == (1,):  # colours come multiplied by it
        shares = alpha if numbers.ndim == 2 else alpha[..., None]
        numbers = np.divide(numbers, shares, out=np.zeros(numbers.shape), where=shares > 0).astype(array.dtype)
    return numbers, np.rint(np.nan_to_num(np.clip(alpha, 0, 1)) * 255).astype(np.uint8)
