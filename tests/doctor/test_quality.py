"""What stands out of its own set is found, and what a set has in common is no fault."""

import numpy as np
import pytest

from tests.doctor.test_checks import clean
from toolkit.doctor import looks
from toolkit.doctor.checks import examine

COUNT = 60


def pictures(low=60, high=190, channels=1):
    """Textured pictures, no two alike."""
    rng = np.random.default_rng(0)
    return [np.repeat(rng.integers(low, high + rng.integers(0, 30), (48, 48, 1), np.uint8), channels, 2)
            for _ in range(COUNT)]


def found(drawn, **columns):
    rows = clean(COUNT)
    for column, values in columns.items():
        rows[column] = values
    seen = looks.measured(np.stack(drawn))
    return {f.check: set(f.pictures) for f in examine(rows, looks=seen)}


def blurred(picture):
    import cv2

    return np.repeat(cv2.GaussianBlur(picture[..., 0], (0, 0), 3)[..., None] * 3 // 2, picture.shape[2], 2)


PLANTED = {"dark": lambda picture: picture // 40, "white": lambda picture: 250 + picture // 64,
           "blurred": blurred, "low information": lambda picture: np.full_like(picture, 120),
           "mixed colour": lambda picture: picture * np.array([1, 0, 0], np.uint8)}


@pytest.mark.parametrize("check", PLANTED)
def test_a_picture_that_stands_out_is_found_and_no_other(check):
    drawn = pictures(channels=3)
    for row in (7, 31):
        drawn[row] = PLANTED[check](drawn[row]).astype(np.uint8)
    assert found(drawn)[check] == {"7.png", "31.png"}


def test_clean_pictures_have_no_finding():
    assert found(pictures()) == found(pictures(channels=3)) == {}


@pytest.mark.parametrize("change", [lambda p: p // 40, blurred, lambda p: 250 + p // 64])
def test_what_all_have_in_common_is_no_fault(change):
    assert not found([change(picture).astype(np.uint8) for picture in pictures()])


def test_odd_sizes_are_found_by_area_and_by_shape():
    widths, heights = np.full(COUNT, 640), np.full(COUNT, 480)
    widths[5], heights[5] = 64, 48
    widths[9], heights[9] = 1500, 200
    assert found(pictures(), width=widths, height=heights)["odd sizes"] == {"5.png", "9.png"}
    rng = np.random.default_rng(0)
    varied = {side: rng.integers(300, 900, COUNT) for side in ("width", "height")}
    assert "odd sizes" not in found(pictures(), **varied)
