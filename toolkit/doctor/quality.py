"""Pictures that differ from the others of their own set: much darker, blurred, empty, of another size or kind.

What all pictures of a set have in common is no fault: ultrasound is dark, X-rays are grey. A picture stands out where
it lies more than FAR robust standard deviations (1.48 times the median distance from the median) from the middle of its
set, and is odd by itself too. Where more than MOST of a set stand out, the set is simply varied, and nothing is said.
"""

import numpy as np

from toolkit.data.reading import count
from toolkit.doctor.findings import Finding

FAR, MOST = 5.0, 0.1
FEWEST = 20          # pictures from which a set has a middle
DARK, WHITE = 0.08, 0.94
EMPTY = 1.0          # bits of grey values, of 6
FLAT = 0.02          # standard deviation of grey, of 1
GREY = 0.01          # colourfulness, of 1
RARE = 0.2           # share of a set below which its other kind is the rule
TIMES = 2.0          # in area or shape, from which a size is odd


def standing_out(values, spread_at_least=0.0):
    """Robust z-scores (n,) of values; zeros where the set is too small to have a middle."""
    values = np.asarray(values, np.float64)
    if len(values) < FEWEST:
        return np.zeros(len(values))
    middle = np.median(values)
    spread = max(1.4826 * np.median(np.abs(values - middle)), spread_at_least, 1e-9)
    return (values - middle) / spread


def few(mask):
    """The rows of a mask, unless it holds none or too large a part of the set."""
    rows = np.flatnonzero(mask)
    return rows if 0 < len(rows) <= MOST * len(mask) else ()


def finding(case, check, rows, what, remedy):
    """The warning about some rows."""
    paths = tuple(case.rows["path"].iloc[list(rows)])
    return Finding(check, "warning", paths, f"{count(len(rows), 'picture')} {what}.", remedy)


def _dark(case):
    if case.looks is not None:
        z, brightness = standing_out(case.looks.brightness, 0.02), case.looks.brightness
        if len(rows := few((z < -FAR) & (brightness < DARK))):
            yield finding(case, "dark", rows, "nearly black, unlike the others", "See whether they show anything.")
        if len(rows := few((z > FAR) & (brightness > WHITE))):
            yield finding(case, "white", rows, "nearly white, unlike the others", "See whether they show anything.")


def _blurred(case):
    if case.looks is not None:
        z = standing_out(np.log10(case.looks.sharpness + 1e-6), 0.1)
        if len(rows := few((z < -FAR) & (case.looks.contrast >= FLAT))):
            yield finding(case, "blurred", rows, "much less sharp than the others",
                          "Look at them; leave out what nobody could judge.")


def _empty(case):
    if case.looks is not None:
        little = (case.looks.entropy < EMPTY) | (case.looks.contrast < FLAT)
        if len(rows := few(little & (standing_out(case.looks.entropy, 0.2) < -FAR))):
            yield finding(case, "low information", rows, "with hardly anything in them",
                          "See whether they are placeholders or failed exports, and leave those out.")


def _other_kind(case):
    """Grey pictures among coloured ones, or the other way round."""
    if case.looks is not None and len(case.rows) >= FEWEST:
        grey = case.looks.colour < GREY
        for mask, words in ((grey, "without colour among coloured ones"), (~grey, "with colour among grey ones")):
            if 0 < mask.mean() < RARE:
                yield Finding("mixed colour", "note", tuple(case.rows["path"][mask]),
                              f"{count(int(mask.sum()), 'picture')} {words}.",
                              "See whether they come from another device or carry coloured marks.")


def _sizes(case):
    """Sizes far from the usual one."""
    width, height = (case.rows[name].to_numpy(np.float64) for name in ("width", "height"))
    if len(width) < FEWEST:
        return
    area, shape = np.log(np.maximum(width * height, 1)), np.log(np.maximum(width, 1) / np.maximum(height, 1))
    odd = np.zeros(len(area), bool)
    for values, times in ((area, TIMES**2), (shape, TIMES)):
        odd |= (np.abs(standing_out(values, 0.05)) > FAR) & (np.abs(values - np.median(values)) > np.log(times))
    if len(rows := few(odd)):
        yield finding(case, "odd sizes", rows, f"of a size or shape far from the usual "
                      f"{np.median(width):.0f} x {np.median(height):.0f}", "See whether they belong to the set.")


CHECKS = {"dark": _dark, "blurred": _blurred, "low information": _empty, "mixed colour": _other_kind,
          "odd sizes": _sizes}
