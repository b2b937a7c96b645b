"""Numbers beyond 8 bits, brought to 0..255 by one declared rule for all pictures of a data set:

| rule | what becomes 0 and 255 |
| --- | --- |
| auto | a DICOM file's own window; else `full` for counts of at most 16 bits, `percentiles` for other numbers |
| full | counts: 0 and 2^b - 1, b the smallest of 8, 10, 12, 14, 16 that holds the largest training value |
| | others, and larger counts: the smallest and the largest training value; 0 and 1 for floating point within them |
| percentiles | the 0.5th and the 99.5th percentile of the values of the training pictures |
| LOW..HIGH | these two values, such as -160..240 |

The ends stand in model.json and serve prediction too. Where none are known, each picture is scaled by its own range as
in `full`.
"""

import io
import re
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

RULES = ("auto", "full", "percentiles")
BITS = (8, 10, 12, 14, 16)
BAND = 4_000_000  # pixels worked on at once: bounds the memory of float and integer copies
TAILS = (0.5, 99.5)  # percent
BINS = 2**16
NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"


@dataclass(frozen=True)
class Depth:
    """The rule, and once they are known its ends `low` and `high`."""

    rule: str = "auto"
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, text):
        """From what a user wrote: one of RULES, or LOW..HIGH. Raises ValueError."""
        if text in RULES:
            return cls(text)
        found = re.fullmatch(rf"({NUMBER})\.\.({NUMBER})", text.replace(" ", ""))
        if not found or not float(found[1]) < float(found[2]):
            raise ValueError(f"a depth rule is one of {', '.join(RULES)}, or LOW..HIGH such as -160..240")
        return cls(text, float(found[1]), float(found[2]))

    @property
    def windowed(self):
        """Whether a file's own window stands above the rule."""
        return self.rule == "auto"

    def pixels(self, band, shape, notes, channels=1, own=None, negative=False, holes=""):
        """`band(top, bottom)` -> numbers (rows, width[, channels]); (uint8 (height, width, channels), Span or None).

        own: the ends that the file itself gives, which have no span. negative: high numbers are dark. holes: the kind
        of dtype (u, i, f) of the numbers where NaN stands for what is no picture. Raises ValueError where no value is
        finite.
        """
        height, width = shape
        span = extremes(band, height, width, holes)
        if own:
            (low, high), sentence, known = own, "", None
        elif self.low is not None:
            low, high, known = self.low, self.high, span
            sentence = f"{low:.6g}..{high:.6g} scaled to 0..255"
        else:
            (low, high), known = span.full(), span
            sentence = span.sentence(low, high)
        if not span.finite and not holes:
            sentence += "; NaN and -inf became 0, +inf 255"
        if sentence:
            notes.append(sentence.removeprefix("; "))
        return self.scaled(band, shape, channels, low, high, negative), known

    def scaled(self, band, shape, channels, low, high, negative):
        """Numbers `low`..`high` as uint8 0..255, what lies beyond at the ends; NaN is 0."""
        height, width = shape
        pixels = np.empty((height, width, channels), np.uint8)
        for top, bottom in bands(height, width):
            values = band(top, bottom)
            values = values.astype(np.float32 if values.dtype.kind == "f" else np.float64)
            values = (values - low) * (255.0 / (high - low)) if high > low else np.zeros_like(values)
            values = np.clip(255.0 - values if negative else values, 0, 255)
            pixels[top:bottom] = np.rint(np.nan_to_num(values)).astype(np.uint8).reshape(bottom - top, width, channels)
        return pixels


@dataclass(frozen=True)
class Tally(Depth):
    """Counts the numbers of pictures between `low` and `high` instead of showing them."""

    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64), compare=False)

    def scaled(self, band, shape, channels, low, high, negative):
        if (low, high) == (self.low, self.high):  # and not a file's own window
            for top, bottom in bands(*shape):
                values = band(top, bottom)
                values = values[np.isfinite(values)] if values.dtype.kind == "f" else values
                self.counts[:] += np.histogram(values, BINS, (low, high))[0]
        return np.zeros((*shape, channels), np.uint8)

    def percentile(self, percent):
        """The value below which `percent` of all numbers lie, to a bin's width."""
        total = np.cumsum(self.counts)
        return self.low + (self.high - self.low) * int(np.searchsorted(total, percent / 100 * total[-1])) / BINS


@dataclass(frozen=True)
class Span:
    """Numbers of a picture: kind u (counts), i (integers, some negative) or f (floating point), and their ends."""

    kind: str
    low: float
    high: float
    finite: bool = True

    @property
    def counts(self):
        """Whether these are integers from 0 on of at most 16 bits."""
        return self.kind == "u" and self.high < 2**BITS[-1]

    def full(self):
        """The values that become 0 and 255 by the rule `full`."""
        if self.kind == "f":
            return (0.0, 1.0) if self.low >= 0 and self.high <= 1 else (self.low, self.high)
        if not self.counts:
            return self.low, self.high
        return 0.0, 2.0 ** next(bits for bits in BITS if self.high < 2**bits) - 1

    def sentence(self, low, high):
        """What `full` does to a picture."""
        if self.kind == "f":
            return f"floating point, {low:.6g}..{high:.6g} scaled to 0..255"
        if not self.counts:
            return f"integers {low:.0f}..{high:.0f} scaled to 0..255"
        return f"more than 8 bits a value: {round(np.log2(high + 1))} in use, scaled to 0..255"

    def text(self):
        """For a table: "u 0 4095"."""
        return f"{self.kind} {self.low!r} {self.high!r}"

    @classmethod
    def of(cls, text):
        """Back from `text`."""
        kind, low, high = text.split()
        return cls(kind, float(low), float(high))


def resolved(depth, spans, tally):
    """`depth` with its ends known, from the Spans of the training pictures; as it is where there is none to scale.

    tally(Tally): shows pictures of the training part to it.
    """
    if depth.low is not None or not spans:
        return depth
    kinds = {span.kind for span in spans}
    whole = Span(max(kinds, key="uif".index), min(span.low for span in spans), max(span.high for span in spans))
    if depth.rule == "full" or depth.rule == "auto" and whole.counts or whole.low == whole.high:
        low, high = whole.full()
    else:
        counted = Tally(depth.rule, whole.low, whole.high)
        tally(counted)
        low, high = (counted.percentile(percent) for percent in TAILS)
    return replace(depth, low=low, high=high if high > low else low + 1)


def bands(height, width):
    """(top, bottom) rows of successive bands of about BAND pixels."""
    rows = max(1, BAND // max(1, width))
    return [(top, min(top + rows, height)) for top in range(0, height, rows)]


def extremes(band, height, width, known=""):
    """Span of a picture; known: the kind of its numbers, where NaN is none. Raises ValueError where none is finite."""
    low, high, finite = np.inf, -np.inf, True
    for top, bottom in bands(height, width):
        values = band(top, bottom)
        kind = values.dtype.kind
        if kind == "f":
            good = values[np.isfinite(values)]
            finite &= good.size == values.size
            values = good
        if values.size:
            low, high = min(low, float(values.min())), max(high, float(values.max()))
    if high < low:
        raise ValueError("no finite value")
    return Span("f" if (known or kind) == "f" else "i" if low < 0 else "u", low, high, finite)


def is_deep_colour(image):
    """Whether Pillow would cut 16-bit colour to its high byte."""
    return bool(image.tile) and image.mode in ("RGB", "RGBA", "CMYK") and ";16" in str(image.tile[0][3])


def deep_colour(image, data, depth):
    """An opened 16-bit colour picture -> (8-bit picture, note, its Span; None where its values are not to be had).

    Pillow keeps one byte of each 16-bit value, and the raw mode's byte order says which: decoding twice, the second
    time with the order swapped, gives both. Grey with alpha is decoded once, as if its four bytes were four colours.
    """
    if "LA;16" in str(image.tile[0][3]):
        return _deep_grey(image, depth)
    low = Image.open(io.BytesIO(data), formats=[image.format])
    low.seek(image.tell())
    order = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if np.little_endian else ";16L"}
    low.tile = [_replaced(tile, order) for tile in low.tile]
    image.load()
    low.load()

    def both(top, bottom):  # uint16 (rows, width, bands)
        box = (0, top, image.width, bottom)
        return np.asarray(image.crop(box)).astype(np.uint16) << 8 | np.asarray(low.crop(box))

    colours = 4 if image.mode == "CMYK" else 3
    notes = []
    scaled, span = depth.pixels(lambda *rows: both(*rows)[..., :colours], (image.height, image.width), notes, colours)
    result = Image.fromarray(scaled, "CMYK" if colours == 4 else "RGB")
    if image.mode == "RGBA":
        result.putalpha(image.getchannel("A"))
    return _told(result, image), "; ".join(notes), span


def _deep_grey(image, depth):
    """As `deep_colour`, of 16-bit grey with alpha."""
    image.tile = [_replaced(tile, {"LA;16B": "RGBA"}) for tile in image.tile]
    image.load()

    def grey(top, bottom):  # uint16 (rows, width)
        parts = np.asarray(image.crop((0, top, image.width, bottom))).astype(np.uint16)
        return parts[..., 0] << 8 | parts[..., 1]

    notes = []
    scaled, span = depth.pixels(grey, (image.height, image.width), notes)
    result = Image.merge("LA", (Image.fromarray(scaled[..., 0]), image.getchannel("B")))
    return _told(result, image), "; ".join(notes), span


def _told(result, image):
    """`result` with what `image` says of profile and orientation."""
    result.info = {key: value for key, value in image.info.items() if key in ("icc_profile", "exif")}
    result._exif = image.getexif()
    return result


def _replaced(tile, modes):
    arguments = tile[3]
    mode = arguments if isinstance(arguments, str) else arguments[0]
    for old, new in modes.items():
        if old in mode:
            mode = mode.replace(old, new)
            break
    arguments = mode if isinstance(arguments, str) else (mode, *arguments[1:])
    return tile._replace(args=arguments) if hasattr(tile, "_replace") else (*tile[:3], arguments)
