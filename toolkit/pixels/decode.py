"""One decoder for training, prediction, thumbnails and reports. Its whole policy:

| what comes | what is done |
| --- | --- |
| PNG, JPEG, TIFF, BMP, GIF, WEBP; AVIF, JPEG 2000, PPM where Pillow has them | read by content, whatever the suffix |
| EXIF orientation | applied: the picture stands as the camera was held |
| 8-bit grey or colour | unchanged; grey keeps one channel, colour has three |
| more than 8 bits, negative values, floating point | to 0..255 by one rule for all pictures of a data set (`--depth`) |
| NaN, infinities | NaN and -inf to 0, +inf to 255; refused where no value is finite |
| 1 bit | 0 and 255 |
| palette | applied, three channels |
| alpha, transparent colour | laid over white; an alpha that is 0 everywhere is ignored |
| CMYK, YCbCr, Lab, HSV | converted to RGB, CMYK and RGB through the embedded colour profile where there is one |
| colour profile other than sRGB | converted to sRGB; a broken or grey profile is ignored |
| TIFF of signed bytes, 16 and 64-bit floating point, colour beyond 16 bits | by that rule too, through tifffile |
| JPEG 2000 of signed numbers, colour beyond 8 bits | by that rule too, where toolkit[dicom] is; else refused |
| DICOM, where pydicom is installed | modality table, window, inversion, palette applied; padding black |
| NIfTI (.nii, .nii.gz), where nibabel is installed | slices, turned as radiologists show them, scaled |
| animation, pages, frames, slices | one of them, or each as a picture of its own (`--frames`) |
| more than 100 megapixels (16-bit colour: 50), or a side above 65,500 | refused from the header, before decoding |
| above 16 megapixels and 200 bytes of pixels for each byte of the file | refused as a decompression bomb |
| truncated, checksum wrong (PNG), empty, not a picture | refused, by name of what it is |

No external program is run, and only the formats above are ever tried.
"""

import io
import os
import stat
import warnings
from typing import NamedTuple

import numpy as np
from PIL import Image

from toolkit.pixels import cameras, colours, dicom, foreign, frames, jpeg2000, nifti, tiff
from toolkit.pixels import depth as depths
from toolkit.pixels.values import Refused

DECODER = "3: EXIF applied, depth by one rule, alpha over white, profiles to sRGB, windows of each DICOM frame, NIfTI"
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "AVIF", "JPEG2000", "PPM")
JPEG = b"\xff\xd8\xff"
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


def decode(source, depth=depths.Depth(), frame=frames.RULES[0]):
    """`source`: bytes, Path, frames.Frame, or array (height, width[, 1, 3 or 4]) -> Picture. Raises Unreadable.

    depth: the rule for more than 8 bits, see `pixels.depth`. frame: which page, frame or slice, by a rule of
    `pixels.frames` or as int, counted from 0; a Frame says itself which it is.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, depth)
    if isinstance(source, frames.Frame):
        held, frame = source
    else:
        held = frames.Held(source if isinstance(source, bytes) else read_bytes(source))
    try:
        if dicom.is_dicom(held.data):
            return _from_values(dicom.read(held.data, frame, depth.windowed, _check_size), depth)
        return _from_nifti(held, depth, frame) if nifti.is_nifti(held.data) else _from_bytes(held, depth, frame)
    except Refused as reason:
        raise Unreadable(str(reason)) from None
    except (Unreadable, MemoryError):
        raise
    except Exception as error:  # Pillow's plug-ins raise anything from SyntaxError to struct.error on damaged bytes
        raise Unreadable(f"damaged or cut short ({_short(error)})") from None


def count(data):
    """How many frames, pages or slices the bytes of a file hold that `decode` reads. Raises Unreadable."""
    try:
        if dicom.is_dicom(data):
            return frames.few(dicom.count(data))
        if nifti.is_nifti(data):
            return frames.few(nifti.count(nifti.opened(data)))
        return _pages(opened(data), data) if data[:3] != JPEG else 1
    except Refused as reason:
        raise Unreadable(str(reason)) from None
    except (Unreadable, MemoryError):
        raise
    except Exception as error:
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


def opened(data):
    """A Pillow image of the bytes of a file, not decoded yet; None of a TIFF that Pillow cannot read."""
    if not data:
        raise Unreadable("empty file (0 bytes)")
    try:
        return Image.open(io.BytesIO(data), formats=[name for name in FORMATS if name in Image.OPEN])
    except Image.DecompressionBombError:
        raise Unreadable(f"far more than {MAX_PIXELS // 10**6} megapixels; refused before decoding") from None
    except Image.UnidentifiedImageError:
        if tiff.is_tiff(data):
            return None
        raise Unreadable(foreign.name(data)) from None


def _pages(image, data):
    """How many frames or pages there are. Raises Refused where they are too many."""
    if image is None or image.format == "TIFF":
        return tiff.count(data)
    if image.format == "GIF":
        return frames.few(frames.of_gif(data))
    return frames.few(getattr(image, "n_frames", 1)) if image.format != "MPO" else 1


def _from_bytes(held, depth, wanted):
    """A Picture through Pillow; a file that is held for its other frames stays open at the one that was read last."""
    with held.lock:
        image = held.kept.pop("image", None)
        if image is None or image.tell() >= wanted:
            image = opened(held.data)
        several = tiff.count(held.data) > 1 if image is None else image.format != "MPO" and getattr(
            image, "is_animated", False)
        number, note = frames.pick(wanted, several, lambda: _pages(image, held.data))
        notes = [note] if note else []
        if image is not None and number:
            image.seek(number)
        if image is None or image.format == "TIFF" and tiff.misread(image):
            return _from_values(tiff.read(held.data, number, notes, _check_size), depth)
        if several and isinstance(wanted, int):
            held.kept["image"] = image
        return _picture(image, held.data, depth, notes)


def _picture(image, data, depth, notes):
    """The Picture of an opened image at the frame where it stands."""
    deep_colour = depths.is_deep_colour(image)
    _check_size(*image.size, MAX_PIXELS // (2 if deep_colour else 1))
    _check_expansion(image, len(data), 2 if deep_colour else 1)
    mode, span = image.mode, None
    if image.format == "JPEG2000" and jpeg2000.misread(data):
        return _from_values(jpeg2000.read(data), depth)
    if image.format == "PNG" and not image.tell():
        Image.open(io.BytesIO(data), formats=["PNG"]).verify()  # checksums of all chunks, which load() skips
    if deep_colour:
        mode = f"{mode if 'LA;16' not in str(image.tile[0][3]) else 'LA'};16"
        image, note, span = depths.deep_colour(image, data, depth)
        notes.append(note)
    image.load()
    _check_size(*image.size)  # a frame may be larger than its header said
    camera = cameras.of(image)
    image = colours.upright(image, notes)
    if image.mode[0] in "IF":
        return Picture(*_grey(image, depth, notes, mode), camera=camera)
    return Picture(colours.pixels(image, notes), mode, tuple(notes), span, camera=camera)


def _grey(image, depth, notes, mode):
    """The fields of a Picture of one number a pixel, more than 8 bits each."""
    if image.mode not in ("I", "F", "I;16", "I;16L", "I;16B", "I;16N"):
        raise Unreadable(f"pixel mode {image.mode} is not known")
    pixels, span = _deep(depth, lambda top, bottom: colours.band(image, top, bottom), (image.height, image.width),
                         notes)
    return pixels, mode, tuple(notes), span


def _from_nifti(held, depth, wanted):
    with held.lock:
        volume = held.kept.get("volume") or nifti.opened(held.data)
        if isinstance(wanted, int):
            held.kept["volume"] = volume
    several = nifti.count(volume)
    number, note = frames.pick(wanted, several > 1, lambda: several, volume=True)
    return _from_values(nifti.read(volume, number, [note] if note else [], _check_size), depth)


def _from_values(found, depth):
    """The Picture of a values.Values."""
    notes, values = list(found.notes), found.array
    if found.padding is not None:
        values = np.where(found.padding, np.nan, values)
        notes.append("DICOM: padding is black")
    own = None if found.low is None else (found.low, found.high)
    channels = 3 if values.ndim == 3 else 1
    pixels, span = _deep(depth, lambda top, bottom: values[top:bottom], values.shape[:2], notes, channels, own=own,
                         negative=found.negative, holes="" if found.padding is None else found.array.dtype.kind)
    if found.alpha is not None:
        pixels = colours.array(colours.over_white(Image.fromarray(np.dstack([pixels, found.alpha])), notes))
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


def _deep(depth, band, shape, notes, channels=1, **more):
    try:
        return depth.pixels(band, shape, notes, channels, **more)
    except ValueError:
        raise Unreadable("no finite value: every pixel is NaN or infinite") from None


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
        pixels = colours.array(colours.over_white(Image.fromarray(np.ascontiguousarray(pixels)), notes))
    return Picture(np.ascontiguousarray(pixels), mode, tuple(notes), span)


def _short(error):
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:99] + "…"
