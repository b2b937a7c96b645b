"""How pictures were stored: bits and channels, turned or not, too large, and too few of a class."""

import re
from collections import Counter

import numpy as np

from toolkit.data.reading import count
from toolkit.data.splits import FRACTIONS
from toolkit.doctor import traits
from toolkit.doctor.findings import Finding
from toolkit.evaluation.intervals import wilson

LARGE = 25_000_000  # pixels from which a picture takes long to read, and most of it is lost in resizing
FEWEST = 5          # separate pictures or groups of a class in the test part
NAMED = 4           # ways of storing that a sentence names
MODES = {"L": "grey", "RGB": "colour", "P": "palette", "RGBA": "colour with transparency", "1": "black and white",
         "LA": "grey with transparency", "CMYK": "print colours (CMYK)", "PA": "palette with transparency"}
ALL = 0.9           # of a set, from which what they have in common is no fault


def _depths(case):
    """8 bits among 16, or among floating point."""
    depth = case.rows["mode"].map(_bits) if "mode" in case.rows else case.rows["path"].map(lambda _: "")
    if depth.nunique() > 1:
        usual = depth.value_counts().index[0]
        yield Finding("mixed depth", "warning", tuple(case.rows["path"][depth != usual]),
                      f"Pictures of different depth: {_counted(depth, 'with ')}. What is black and white in one kind "
                      "need not be so in the other.", "Export all from the same source in the same way.")


def _modes(case):
    """Palette among colour, colour among grey, where all have 8 bits."""
    if "mode" not in case.rows:
        return
    mode = case.rows["mode"].map(lambda mode: MODES.get(mode, mode))
    if mode.nunique() > 1 and case.rows["mode"].map(_bits).nunique() == 1:
        usual = mode.value_counts().index[0]
        yield Finding("mixed modes", "note", tuple(case.rows["path"][mode != usual]),
                      f"Pictures are stored in several ways: {_counted(mode)}.",
                      "All are read alike; see whether the few are of another source.")


def _bits(mode):
    """The depth of a mode of pixels.decode.Picture, in words."""
    if told := re.fullmatch(r"DICOM .* (\d+) bits", mode):
        return f"{told[1]} bits"
    if told := re.match(r"(?:array|TIFF|NIfTI) ([a-z]+)(\d*)", mode):
        return "1 bit" if told[1] == "bool" else "floating point" if told[1] == "float" else f"{told[2]} bits"
    if mode.startswith(("I", "F")):
        return "floating point" if mode[0] == "F" else "16 bits" if mode.startswith("I;16") else "32 bits"
    return "16 bits" if mode.endswith(";16") else "8 bits"


def _counted(values, word=""):
    counts = Counter(values).most_common()
    rest = sum(number for _, number in counts[NAMED:])
    return ", ".join([f"{number} {word}{value}" for value, number in counts[:NAMED]] + [f"{rest} others"] * bool(rest))


def _channels(case):
    """Colour channels without content, and colour pictures whose channels are all equal."""
    if case.looks is None or not len(case.rows):
        return
    still = (case.looks.still == 1) | (case.looks.still == 2)
    if still.any():
        common = still.mean() >= ALL
        yield Finding("constant channels", "note" if common else "warning", tuple(case.rows["path"][still]),
                      f"{count(int(still.sum()), 'picture')} in which one or two of the three colour channels have a "
                      "single value throughout.", "Nothing, where the method has one colour." if common else
                      "See whether the other channels were lost on the way, or these are of another device.")
    if "mode" in case.rows:
        equal = case.rows["mode"].isin(("RGB", "RGBA")).to_numpy() & (case.looks.colour == 0)
        if equal.any():
            yield Finding("equal channels", "note", tuple(case.rows["path"][equal]),
                          f"{count(int(equal.sum()), 'picture')} stored in colour whose three channels are equal, which"
                          " is grey.", "Nothing: they are read as grey ones are.")


def _marked(case):
    """Text and coloured marks, by doctor.text and doctor.looks; one picture with them may name a patient."""
    if case.looks is None:
        return
    letters, tint = case.looks.letters > 0, case.looks.tint > 0
    if (letters | tint).any():
        told = [count(int(mask.sum()), "picture") + words for mask, words in ((letters, " that seem to have text in "
                "them"), (tint, " with coloured marks on grey")) if mask.any()]
        yield Finding("marks", "warning", tuple(case.rows["path"][letters | tint]), " and ".join(told).capitalize()
                      + ", found by their look alone: others may have escaped.",
                      "Look at them: names would be shown by the report, and marks drawn on what was found give the "
                      "class away. Cover them, or take the pictures without.")


def _turned(case):
    """Pictures that lie, but for a tag; other programmes may ignore it. Where it goes with the class, shortcut says."""
    turned = case.rows["note"].str.contains("turned upright", regex=False)
    if turned.any():
        yield Finding("rotation tags", "note", tuple(case.rows["path"][turned]),
                      f"{count(int(turned.sum()), 'picture')} turned upright by the camera's rotation tag (EXIF).",
                      "Nothing: prediction turns them too. Programmes that ignore the tag show them lying.")


def _large(case):
    pixels = case.rows["width"].to_numpy(np.int64) * case.rows["height"].to_numpy(np.int64)
    if (pixels > LARGE).any():
        most = case.rows.iloc[int(pixels.argmax())]
        yield Finding("large", "note", tuple(case.rows["path"][pixels > LARGE]),
                      f"{count(int((pixels > LARGE).sum()), 'picture')} of more than {LARGE // 10**6} megapixels, the "
                      f"largest {most['width']} x {most['height']}: reading takes long, and small things are lost when "
                      "it is made as small as the network's input.",
                      "Cut out what matters, where only a part of a picture does.")


def _few(case):
    """Classes of which too few are tested for any score to mean something."""
    labels, bundle, split = case.rows["label"], traits.bound(case), case.rows["split"].to_numpy(object)
    given = (split == "test").any()
    few = []
    if labels.nunique() < 2:  # no classes
        return
    for name, rows in labels.groupby(labels, sort=False).indices.items():
        rows = rows[split[rows] == "test"] if given else rows
        separate = len(set(bundle[rows]))
        tested = separate if given else round(separate * FRACTIONS[2])
        if tested < FEWEST:
            few.append((tested, separate, name))
    if few:
        tested, separate, name = min(few, key=lambda one: one[:2])
        low = wilson(1.0, max(tested, 1))[0]
        others = f" ({count(len(few), 'class')} in all have fewer than {FEWEST})" if len(few) > 1 else ""
        yield Finding("few pictures", "warning", (),
                      f"Of class {name!r} {'' if given else 'about '}{count(tested, 'separate picture')} will be tested"
                      f"{others}: even if all are recognised, the share recognised may be anything from {low:.0%} to "
                      "100%.", "Gather more of it, or use --folds, which tests every picture once.")


CHECKS = {"mixed depth": _depths, "mixed modes": _modes, "constant channels": _channels, "marks": _marked,
          "rotation tags": _turned, "large": _large, "few pictures": _few}
