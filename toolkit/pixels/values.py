"""What a reader of numbers (DICOM, NIfTI, TIFF) gives back, before a depth rule makes a picture of it."""

from typing import NamedTuple

import numpy as np


class Refused(Exception):
    """A file whose pixels are not to be had; the text is the reason and names nobody."""


class Values(NamedTuple):
    """Numbers of one frame (height, width[, 3]).

    mode: how they were stored. low, high: the numbers that the file itself means as black and white; None where it does
    not say. negative: whether high numbers are dark. padding: mask of what is no picture, or None. alpha: uint8
    (height, width), how much hides what is behind, or None. patient: the patient's number, "" where there is none, not
    to be shown or kept. camera: as in `cameras.name`.
    """

    array: np.ndarray
    mode: str
    notes: tuple = ()
    low: float | None = None
    high: float | None = None
    negative: bool = False
    padding: np.ndarray | None = None
    alpha: np.ndarray | None = None
    patient: str = ""
    camera: str = ""
