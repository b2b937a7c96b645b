"""What stands out of its own set is found, and what a set has in common is no fault."""

import numpy as np
import pytest

from tests.doctor.test_checks import clean
from toolkit.doctor import looks, quality
from toolkit.doctor.findings import Case

COUNT = 60


def pictures(low=60, high=190, channels=1):
    """Textured pictures, no two alike."""
    rng = np.random.default_rng(0)
    return [np.repeat(rng.integers(low, high + rng.integers(0, 30), (48, 48, 1), np.uint8), channels, 2)
            for _ in range(COUNT)]


def case(drawn, **columns):
    rows = clean(COUNT)
    for column, values in columns.items():
        rows[column] = values
    return Case(rows, looks=looks.measured(np.stack(drawn)))


def found(drawn, **columns):
    seen = case(drawn, **columns)
    return {f.check: set(f.pictures) for check in quality.CHECKS.values() for f in check(seen)}


def blurred(picture):
    import cv2

    return np.repeat(cv2.GaussianBlur(picture[..., 0], (0, 0), 3)[..., None] * 3 // 2, picture.shape[2], 2)


PLANTED = {"dark": lambda picture: picture // 40, "white": lambda picture: 250 + picture // 64,
           "blurred": blurred, "low information": lambda picture: np.full_like(picture, 120),
           "mixed colour": lambda picture: picture * np.array([1, 0, 0], np.uint8)}


def planted(check):
    """The pictures, with the fault in two of them."""
    drawn = pictures(channels=3)
    for row in (7, 31):
        drawn[row] = PLANTED[check](drawn[row]).astype(np.uint8)
    return drawn


def sizes():
    widths, heights = np.full(COUNT, 640), np.full(COUNT, 480)
    widths[5], heights[5] = 64, 48
    widths[9], heights[9] = 1500, 200
    return {"width": widths, "height": heights}


CONTRACT = {  # for test_every_check
    **{check: (lambda check=check: vars(case(planted(check))), check,
               "note" if check == "mixed colour" else "warning", {"7.png", "31.png"}) for check in quality.CHECKS
       if check in PLANTED},
    "odd sizes": (lambda: vars(case(pictures(), **sizes())), "odd sizes", "warning", {"5.png", "9.png"})}


@pytest.mark.parametrize("check", PLANTED)
def test_a_picture_that_stands_out_is_found_and_no_other(check):
    assert found(planted(check))[check] == {"7.png", "31.png"}


def test_clean_pictures_have_no_finding():
    assert found(pictures()) == found(pictures(channels=3)) == {}


@pytest.mark.parametrize("change", [lambda p: p // 40, blurred, lambda p: 250 + p // 64])
def test_what_all_have_in_common_is_no_fault(change):
    assert not found([change(picture).astype(np.uint8) for picture in pictures()])


def test_odd_sizes_are_found_by_area_and_by_shape():
    assert found(pictures(), **sizes())["odd sizes"] == {"5.png", "9.png"}
    rng = np.random.default_rng(0)
    varied = {side: rng.integers(300, 900, COUNT) for side in ("width", "height")}
    assert "odd sizes" not in found(pictures(), **varied)
