"""One decoder for training, prediction, thumbnails and reports. Its whole policy:

| what comes | what is done |
| --- | --- |
| PNG, JPEG, TIFF, BMP, GIF, WEBP; AVIF, JPEG 2000, PPM where Pillow has them | read by content, whatever the suffix |
| EXIF orientation | applied: the picture stands as the camera was held |
| 8-bit grey or colour | unchanged; grey keeps one channel, colour has three |
| more than 8 bits, negative values, floating point | to 0..255 by one rule for all pictures of a data set (`--depth`) |
| 16-bit grey with alpha | the high byte of each value |
| NaN, infinities | NaN and -inf to 0, +inf to 255; refused where no value is finite |
| 1 bit | 0 and 255 |
| palette | applied, three channels |
| alpha, transparent colour | laid over white; an alpha that is 0 everywhere is ignored |
| CMYK, YCbCr, Lab, HSV | converted to RGB, CMYK and RGB through the embedded colour profile where there is one |
| colour profile other than sRGB | converted to sRGB; a broken or grey profile is ignored |
| DICOM, where pydicom is installed | modality table, window, inversion, palette applied; padding black |
| animation, pages, frames | the first |
| more than 100 megapixels (16-bit colour: 50), or a side above 65,500 | refused from the header, before decoding |
| above 16 megapixels and 200 bytes of pixels for each byte of the file | refused as a decompression bomb |
| truncated, checksum wrong (PNG), empty, not a picture | refused, by name of what it is |

No external program is run, and only the formats above are ever tried.
"""

import io
import os
import stat
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, ImageOps

from toolkit.pixels import depth as depths
from toolkit.pixels import cameras, dicom, foreign

DECODER = "2: EXIF applied, depth by one rule, alpha over white, profiles to sRGB, DICOM windows"
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "JPEG2000", "PPM")
MAX_PIXELS = 100_000_000
MAX_SIDE = 65_500
SAFE_PIXELS = 16_000_000  # so few are decoded in any case, whatever the file's size
MAX_EXPANSION = 200  # bytes of pixels for a byte of file; photographs have 3..50, an empty PNG about 1000
MAX_BYTES = 2**30  # a file of 100 megapixels at 10 bytes a pixel

Image.init()  # plug-ins are registered here once, not by the first of several threads
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # _check_size refuses, with our own limit
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")  # damaged metadata of a picture that is whole


class Unreadable(Exception):
    """A picture that cannot or must not be read; the text is the reason."""


class Picture(NamedTuple):
    """`pixels`: uint8 (height, width, 1 or 3). `mode`: as stored. `notes`: what was converted, in plain words. `span`:
    what numbers the depth rule had before it; None where 8 bits came, or the file itself says what is black and white.
    `patient`: a DICOM header's number of the patient, not to be shown or kept. `camera`: as in `cameras.name`.
    """

    pixels: np.ndarray
    mode: str
    notes: tuple
    span: depths.Span | None = None
    patient: str = ""
    camera: str = ""


def decode(source, depth=depths.Depth(), frame=0):
    """`source`: bytes, Path, or array (height, width[, 1, 3 or 4]) -> Picture. Raises Unreadable.

    depth: the rule for more than 8 bits, see `pixels.depth`. frame: which page of a TIFF or frame of an animation or a
    DICOM file, counted from 0.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, depth)
    data = source if isinstance(source, bytes) else read_bytes(source)
    try:
        return _from_dicom(data, depth, frame) if dicom.is_dicom(data) else _from_bytes(data, depth, frame)
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # Pillow's plug-ins raise anything from SyntaxError to struct.error on damaged bytes
        raise Unreadable(f"damaged or cut short ({_short(error)})") from None


def read_bytes(path):
    """The bytes of the regular file `path`; never waits at a pipe or a device. Raises Unreadable."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise Unreadable("not a regular file")
            if facts.st_size > MAX_BYTES:
                raise Unreadable(f"{facts.st_size / 2**20:.0f} MB; a picture may have {MAX_BYTES // 2**20} MB at most")
            return file.read()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise Unreadable(f"cannot be opened ({getattr(error, 'strerror', None) or error})") from None


def _from_bytes(data, depth, frame):
    if not data:
        raise Unreadable("empty file (0 bytes)")
    try:
        image = Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN])
    except Image.DecompressionBombError:
        raise Unreadable(f"far more than {MAX_PIXELS // 10**6} megapixels; refused before decoding") from None
    except Image.UnidentifiedImageError:
        raise Unreadable(foreign.name(data)) from None
    notes = []
    _turn_to(image, frame, notes)
    deep_colour = depths.is_deep_colour(image)
    _check_size(*image.size, MAX_PIXELS // (2 if deep_colour else 1))
    _check_expansion(image, len(data), 2 if deep_colour else 1)
    mode, span = image.mode, None
    if image.format == "PNG":
        Image.open(io.BytesIO(data), formats=["PNG"]).verify()  # checksums of all chunks, which load() skips
    if deep_colour:
        mode += ";16"
        image, note, span = depths.deep_colour(image, data, depth)
        notes.append(note)
    image.load()
    _check_size(*image.size)  # a frame may be larger than its header said
    camera = cameras.of(image)
    image = _upright(image, notes)
    if image.mode[0] in "IF":
        return Picture(*_grey(image, depth, notes, mode), camera=camera)
    return Picture(_to_pixels(image, notes), mode, tuple(notes), span, camera=camera)


def _turn_to(image, frame, notes):
    """Seek the frame, and say that there are others."""
    if not getattr(image, "is_animated", False):
        if frame:
            raise Unreadable(f"frame {frame} was wanted, and there is one")
        return
    notes.append(f"frame {frame} of several" if frame else "first of several frames or pages")
    if frame:
        try:
            image.seek(frame)
        except EOFError:
            raise Unreadable(f"frame {frame} was wanted, and there are fewer, counted from 0") from None


def _grey(image, depth, notes, mode):
    """The fields of a Picture of one number a pixel, more than 8 bits each."""
    if image.mode not in ("I", "F", "I;16", "I;16L", "I;16B", "I;16N"):
        raise Unreadable(f"pixel mode {image.mode} is not known")
    pixels, span = _deep(depth, lambda top, bottom: _band(image, top, bottom), (image.height, image.width), notes)
    return pixels, mode, tuple(notes), span


def _from_dicom(data, depth, frame):
    try:
        found = dicom.read(data, frame, depth.windowed, _check_size)
    except dicom.Refused as reason:
        raise Unreadable(str(reason)) from None
    notes, values = list(found.notes), found.array
    if found.padding is not None:
        values = np.where(found.padding, np.nan, values)
        notes.append("DICOM: padding is black")
    own = None if found.low is None else (found.low, found.high)
    channels = 3 if values.ndim == 3 else 1
    pixels, span = _deep(depth, lambda top, bottom: values[top:bottom], values.shape[:2], notes, channels, own=own,
                         negative=found.negative, holes=found.padding is not None)
    return Picture(pixels, found.mode, tuple(notes), span, found.patient, found.camera)


def _check_size(width, height, most=MAX_PIXELS):
    if width * height > most or max(width, height) > MAX_SIDE:
        raise Unreadable(f"{width} x {height} pixels; at most {most // 10**6} megapixels and {MAX_SIDE} a side"
                         " are decoded")
    if not width or not height:
        raise Unreadable("a picture of no pixels")


def _check_expansion(image, size, depth_bytes):
    pixel = {"1": 1 / 8, "I": 4, "F": 4}.get(image.mode, 2 if image.mode.startswith("I;") else len(image.getbands()))
    pixels = image.width * image.height
    if pixels > SAFE_PIXELS and pixels * pixel * depth_bytes > MAX_EXPANSION * size:
        raise Unreadable(f"{image.width} x {image.height} pixels in {size:,} bytes: a decompression bomb")


def _upright(image, notes):
    """Apply EXIF orientation; TIFF has had it applied by Pillow in load()."""
    try:
        orientation = image.getexif().get(0x0112, 1)
        if orientation in range(2, 9):
            image = ImageOps.exif_transpose(image)
            notes.append(f"turned upright (EXIF orientation {orientation})")
    except Exception:  # hostile EXIF: the pixels are whole, only their turn is unknown
        notes.append("EXIF data damaged, orientation not applied")
    return image


def _to_pixels(image, notes):
    mode = image.mode
    if mode == "1":
        notes.append("1-bit: 0 and 255")
        image = image.convert("L")
    elif mode in ("P", "PA"):
        notes.append("palette applied")
        image = image.convert("RGBA" if mode == "PA" or "transparency" in image.info else "RGB")
    elif mode in ("L", "RGB") and "transparency" in image.info:
        image = image.convert(mode + "A")
    elif mode in ("La", "RGBa"):
        image = image.convert(mode.upper())
    image = _colours(image, notes)
    if image.mode in ("LA", "RGBA"):
        image = _over_white(image, notes)
    if image.mode not in ("L", "RGB"):
        raise Unreadable(f"pixel mode {image.mode} is not known")
    return _array(image)


def _colours(image, notes):
    """Anything coloured to RGB (alpha kept), through the embedded profile where it has one that is not sRGB."""
    profile = image.info.get("icc_profile")
    if image.mode in ("RGB", "RGBA", "CMYK") and profile and b"sRGB" not in profile[:4096] \
            and b"s\0R\0G\0B" not in profile[:4096]:
        try:
            changed = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)), _srgb(),
                                                outputMode="RGB" if image.mode == "CMYK" else image.mode)
            notes.append(f"{image.mode[:4]} converted to sRGB by its colour profile")
            return changed
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            notes.append("colour profile not usable, ignored")
    if image.mode == "LAB":
        notes.append("Lab converted to RGB")
        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), _srgb(), outputMode="RGB")
    if image.mode in ("CMYK", "YCbCr", "HSV", "RGBX"):
        notes.append(f"{image.mode} converted to RGB")
        return image.convert("RGB")
    return image


def _srgb():
    return ImageCms.createProfile("sRGB")


def _over_white(image, notes):
    alpha = image.getchannel("A")
    low, high = alpha.getextrema()
    solid = "L" if image.mode == "LA" else "RGB"
    if high == 0:
        notes.append("alpha is 0 everywhere, ignored")
    elif low < 255:
        notes.append("transparency laid over white")
        white = Image.new(solid, image.size, "white")
        white.paste(image.convert(solid), mask=alpha)
        return white
    if "transparency" in image.info:
        image.info.pop("transparency")
    return image.convert(solid)


def _deep(depth, band, shape, notes, channels=1, **more):
    try:
        return depth.pixels(band, shape, notes, channels, **more)
    except ValueError:
        raise Unreadable("no finite value: every pixel is NaN or infinite") from None


def _band(image, top, bottom):
    return np.asarray(image.crop((0, top, image.width, bottom)))


def _array(image):
    """uint8 (height, width, 1 or 3), copied in bands: a whole copy of 100 megapixels would double the memory."""
    pixels = np.empty((image.height, image.width, len(image.mode)), np.uint8)
    for top, bottom in depths.bands(image.height, image.width):
        pixels[top:bottom] = _band(image, top, bottom).reshape(bottom - top, image.width, -1)
    return pixels


def _from_array(array, depth):
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or array.dtype.kind not in "buif":
        raise Unreadable(f"an array {array.shape} of {array.dtype}; wanted (height, width[, 1 or 3]) of numbers")
    height, width, channels = array.shape
    _check_size(width, height)
    mode, notes = f"array {array.dtype} x {channels}", []
    pixels, span = array, None
    if array.dtype == bool:
        pixels = array.astype(np.uint8) * 255
        notes.append("1-bit: 0 and 255")
    elif array.dtype != np.uint8:
        pixels, span = _deep(depth, lambda top, bottom: array[top:bottom], (height, width), notes, channels)
    if channels == 4:
        pixels = _array(_over_white(Image.fromarray(np.ascontiguousarray(pixels)), notes))
    return Picture(np.ascontiguousarray(pixels), mode, tuple(notes), span)


def _short(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:99] + "…"
