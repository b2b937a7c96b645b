"""Depths other than 8 bits, brought to 0..255 by the one rule that `decode` states."""

import io

import numpy as np
from PIL import Image

BITS = (8, 10, 12, 14, 16, 32)
BAND = 4_000_000  # pixels worked on at once: bounds the memory of float and integer copies


def bands(height, width):
    """(top, bottom) rows of successive bands of about BAND pixels."""
    rows = max(1, BAND // max(1, width))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def to_8_bit(band, shape, notes, channels=1):
    """`band(top, bottom)` -> numbers (rows, width[, channels]); returns uint8 (height, width, channels).

    Raises ValueError where no value is finite.
    """
    height, width = shape
    kind, low, high, finite = _extremes(band, height, width)
    if high < low:
        raise ValueError("no finite value")
    low, high, sentence = _range(kind, low, high)
    if not finite:
        sentence += "; NaN and -inf became 0, +inf 255"
    notes.append(sentence)
    pixels = np.empty((height, width, channels), np.uint8)
    for top, bottom in bands(height, width):
        values = band(top, bottom).astype(np.float64 if kind != "f" else np.float32)
        values = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
        values = np.nan_to_num(values, nan=0.0, posinf=255.0, neginf=0.0)
        pixels[top:bottom] = np.clip(np.rint(values), 0, 255).astype(np.uint8).reshape(bottom - top, width, channels)
    return pixels


def _extremes(band, height, width):
    low, high, finite = np.inf, -np.inf, True
    for top, bottom in bands(height, width):
        values = band(top, bottom)
        if values.dtype.kind == "f":
            good = values[np.isfinite(values)]
            finite &= good.size == values.size
            values = good
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
        kind = band(top, top + 1).dtype.kind
    return kind, low, high, finite


def _range(kind, low, high):
    """The values that become 0 and 255, and the sentence about it."""
    if kind == "f":
        if low >= 0 and high <= 1:
            return 0.0, 1.0, "floating point, 0..1 scaled to 0..255"
        return low, high, f"floating point, {low:.6g}..{high:.6g} scaled to 0..255"
    if low < 0:
        return low, high, f"integers {low:.0f}..{high:.0f} scaled to 0..255"
    bits = next(bits for bits in BITS if high < 2**bits)
    return 0.0, 2.0**bits - 1, f"more than 8 bits a value: {bits} in use, scaled to 0..255"


def is_deep_colour(image):
    """Whether Pillow would cut 16-bit colour to its high byte."""
    return bool(image.tile) and image.mode in ("RGB", "RGBA", "CMYK") and ";16" in str(image.tile[0][3])


def deep_colour(image, data):
    """An opened 16-bit colour picture -> (8-bit picture scaled by its largest value, note).

    Pillow keeps one byte of each 16-bit value, and the raw mode's byte order says which: decoding twice, the second
    time with the order swapped, gives both. Grey with alpha has no such raw mode and keeps the high byte.
    """
    low = Image.open(io.BytesIO(data), formats=[image.format])
    order = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if np.little_endian else ";16L"}
    if "LA;16" in str(low.tile[0][3]):
        return image.convert("LA"), "16-bit grey with alpha: high byte of each value kept"
    low.tile = [_swapped(tile, order) for tile in low.tile]
    image.load()
    low.load()

    def both(top, bottom):  # uint16 (rows, width, bands)
        box = (0, top, image.width, bottom)
        return np.asarray(image.crop(box)).astype(np.uint16) << 8 | np.asarray(low.crop(box))

    colours = 4 if image.mode == "CMYK" else 3
    notes = []
    scaled = to_8_bit(lambda *rows: both(*rows)[..., :colours], (image.height, image.width), notes, colours)
    result = Image.fromarray(scaled, "CMYK" if colours == 4 else "RGB")
    if image.mode == "RGBA":
        result.putalpha(image.getchannel("A"))
    result.info = {key: value for key, value in image.info.items() if key in ("icc_profile", "exif")}
    result._exif = image.getexif()
    return result, notes[0]


def _swapped(tile, order):
    arguments = tile[3]
    mode = arguments if isinstance(arguments, str) else arguments[0]
    for old, new in order.items():
        if old in mode:
            mode = mode.replace(old, new)
            break
    arguments = mode if isinstance(arguments, str) else (mode, *arguments[1:])
    return tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments)
