"""What is known of a picture beside its subject: how it was taken, stored and lit."""

from pathlib import PurePath
from typing import NamedTuple

import numpy as np

from toolkit.data import splits
from toolkit.evaluation import metrics

TAKEN, STORED, DRAWN, LIT = "taken", "stored", "drawn", "lit"
MOST = 20  # values of a category; further ones are taken together


class Trait(NamedTuple):
    """`columns`: arrays (n,), float, or int for categories; `words`: for each float column (of low values, of high
    values), for a category its values. `kind`: TAKEN, which no subject can explain; STORED, which follows the picture's
    detail too; DRAWN, by somebody who had seen the subject; LIT, which may be the subject itself.
    """

    name: str
    kind: str
    columns: tuple
    words: tuple

    def of(self, rows):
        """The same of some rows."""
        return self._replace(columns=tuple(column[rows] for column in self.columns))

    @property
    def varies(self):
        return any(len(column) and column.min() < column.max() for column in self.columns)


def traits(case):
    """The Traits of a findings.Case in which its pictures differ."""
    rows = case.rows
    found = [_dimensions(rows), *_file_size(rows), *_categories(rows), *_lit(case.looks)]
    return [trait for trait in found if trait.varies]


def bound(case):
    """What belongs together, (n,): groups, copies, near copies."""
    rows = case.rows
    same = [rows[name] for name in ("sha256", "fingerprint") if name in rows]
    return splits.bind(rows["group"], *same, *([] if case.near is None else [case.near.bundle]), rows=len(rows))


def _dimensions(rows):
    width, height = (np.maximum(rows[side].to_numpy(np.float64), 1) for side in ("width", "height"))
    return Trait("dimensions", TAKEN, (width * height, width / height),
                 (("smaller", "larger"), ("narrower or taller", "wider or flatter")))


def _file_size(rows):
    """Of files; an array in an .npz has none."""
    size = rows["bytes"].to_numpy(np.float64) if "bytes" in rows else np.zeros(len(rows))
    if len(size) and size.min() > 0:
        pixels = np.maximum(rows["width"].to_numpy(np.float64) * rows["height"].to_numpy(np.float64), 1)
        yield Trait("file size", STORED, (size, size / pixels),
                    (("smaller files", "larger files"), ("fewer bytes a pixel", "more bytes a pixel")))


def _categories(rows):
    """How a picture was taken and written, by names."""
    if "camera" in rows:
        yield _category("camera", rows["camera"].replace("", "no name of a camera"))
    yield _category("rotation tag", rows["note"].map(lambda note: "turned upright" if "turned upright" in note else
                                                     "not turned"))
    if "mode" in rows:
        suffix = rows["path"].map(lambda path: PurePath(path).suffix.lower())
        suffix = suffix.where(suffix.str.fullmatch(r"\.[a-z0-9]{2,5}"), "")
        yield _category("file format", (suffix + " " + rows["mode"]).str.strip())


def _category(name, values):
    from pandas import factorize

    common = values.value_counts(sort=True).index[:MOST]
    codes, names = factorize(values.where(values.isin(common), "another"), sort=True)
    return Trait(name, TAKEN, (codes.astype(int),), tuple(names))


def _lit(looks):
    if looks is not None:
        marked = (looks.letters > 0) | (looks.tint > 0)
        yield Trait("marks", DRAWN, (marked.astype(int),), ("without text or coloured marks", "with such marks"))
        yield Trait("brightness", LIT, (np.asarray(looks.brightness, np.float64),), (("darker", "brighter"),))


def apart(trait, mask):
    """How the pictures of a mask differ from the rest, in words for "those are ..."."""
    best, words = 0.0, "of a kind of their own"
    for column, of in zip(trait.columns, trait.words if trait.columns[0].dtype.kind == "f" else (trait.words,)):
        if column.dtype.kind == "i":
            inside, outside = (np.bincount(column[part], minlength=len(of)) / part.sum() for part in (mask, ~mask))
            value = int(np.argmax(inside - outside))
            return f"{inside[value]:.0%} {of[value]!r}, of the others {outside[value]:.0%}"
        shift = _area(column, mask) - 0.5
        if abs(shift) > max(best, 0.1):
            best, words = abs(shift), of[int(shift > 0)]
    return words


def _area(column, mask):
    """ROC area of a column as it stands."""
    return metrics.class_roc_auc(mask.astype(int), np.stack([-column, column], 1))[1]
