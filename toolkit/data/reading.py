"""What every reader of a format gives back, and what several of them need."""

import unicodedata
from pathlib import Path, PurePath
from typing import Callable, NamedTuple

TASKS = ("classification", "multi-label", "regression", "ordinal", "detection", "segmentation")
LISTED = 20  # names shown in a message, the rest as a count
SUFFIXES = frozenset(
    ".png .apng .jpg .jpeg .jpe .jfif .mpo .tif .tiff .bmp .dib .gif .webp .avif .jp2 .j2k .jpx .ppm .pgm .pbm .pnm"
    " .dcm .dicom .ima .nii .nii.gz".split())
PARTS = {"train": "train", "training": "train", "val": "validation", "valid": "validation",
         "validation": "validation", "dev": "validation", "test": "test", "testing": "test"}


def is_picture(name):
    """Whether the name of a file ends as a picture's does."""
    ends = [suffix.lower() for suffix in PurePath(name).suffixes[-2:]]
    return "".join(ends[-1:]) in SUFFIXES or "".join(ends) in SUFFIXES


class Box(NamedTuple):
    """A box around a thing of class `name`: its edges, in pixels or, where `relative`, in shares of the picture.

    `kind`: "" or what the format says of it: crowd, difficult.
    """

    name: str
    left: float
    top: float
    right: float
    bottom: float
    relative: bool = False
    kind: str = ""


class Reading(NamedTuple):
    """`rows`: DataFrame with path, label, split ("" or train, validation, test), group, and the user's columns.

    `source(path)` -> bytes or array; `left_out`: (path, reason) of files passed over; `faults`: sentences that make the
    data unusable; `notes`: sentences worth knowing; `empty`: classes without any picture. `task`: one of TASKS;
    `boxes`: {path: tuple of Box}, a picture without a thing included; `masks`: {path: Path of its mask}; labels are ""
    where a task has none. `classes`: names of the grades, or of several labels a picture, in order; `delimiter` between
    the latter.
    """

    rows: object
    source: Callable
    kind: str
    root: Path | None = None
    left_out: tuple = ()
    faults: tuple = ()
    notes: tuple = ()
    empty: tuple = ()
    task: str = "classification"
    boxes: dict | None = None
    masks: dict | None = None
    classes: tuple = ()
    delimiter: str = ""


def listed(names):
    """The first names and the count of the rest, one to a line."""
    names = [str(name) for name in names]
    rest = len(names) - LISTED
    return "".join(f"\n    {name}" for name in names[:LISTED]) + (f"\n    ... and {rest} more" if rest > 0 else "")


def same(label):
    """Labels for which this is equal are one class to a reader's eye: NFC and NFD, upper and lower case, blanks."""
    return unicodedata.normalize("NFC", " ".join(str(label).split())).casefold()


def count(number, noun):
    """"1 picture", "2 pictures", "2 classes"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith(('s', 'x')) else 's'}"
