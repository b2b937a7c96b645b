"""Numbers of a picture move with what they are named after, and with little else."""

import numpy as np
import pytest

from toolkit.doctor import looks

NOISE = np.random.default_rng(0).integers(60, 190, (80, 96, 1), np.uint8)


def look(picture):
    return dict(zip(looks.Looks._fields, looks.look(np.ascontiguousarray(picture, np.uint8))[0]))


def test_brightness_contrast_entropy_and_colour():
    black, white, half = (look(np.full((40, 40, 1), value)) for value in (0, 255, 128))
    assert (black["brightness"], white["brightness"]) == (0, 1) and half["brightness"] == pytest.approx(0.5, abs=0.01)
    assert black["contrast"] == black["entropy"] == black["sharpness"] == 0
    ramp = look(np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (40, 1, 1)))
    assert ramp["entropy"] == pytest.approx(6) and ramp["contrast"] == pytest.approx(0.29, abs=0.01)
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 255
    assert look(red)["colour"] == 1 and look(np.repeat(NOISE, 3, 2))["colour"] == 0


def test_sharpness_falls_with_blur_and_not_with_darkness():
    import cv2

    blurred = cv2.GaussianBlur(NOISE, (0, 0), 2)[..., None]
    assert look(blurred)["sharpness"] < 0.2 * look(NOISE)["sharpness"]
    assert look(NOISE // 2)["sharpness"] == pytest.approx(look(NOISE)["sharpness"], rel=0.1)
    flat = np.full((80, 96, 1), 100) + np.random.default_rng(1).integers(0, 2, (80, 96, 1))
    assert look(flat)["sharpness"] < 0.5 * look(NOISE)["sharpness"]


def test_all_pictures_are_measured_block_by_block():
    pictures = np.random.default_rng(0).integers(0, 256, (150, 20, 20, 3), np.uint8)
    told, asked = [], []

    class Rows:
        def __len__(self):
            return len(pictures)

        def __getitem__(self, rows):
            asked.append(len(rows))
            return pictures[rows]

    found = looks.measured(Rows(), lambda *done: told.append(done))
    assert max(asked) <= looks.BLOCK and told[-1] == (150, 150) and found.thumbnails.shape == (150, 64, 64)
    for row in (0, 77, 149):
        numbers, thumbnail = looks.look(pictures[row])
        assert [array[row] for array in found[:-1]] == pytest.approx(numbers, rel=1e-6)
        assert np.array_equal(found.thumbnails[row], thumbnail)
