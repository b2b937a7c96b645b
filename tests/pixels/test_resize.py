import numpy as np
import pytest
from PIL import Image

from toolkit.pixels import resize

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("rule", resize.RULES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 2000), (8, 20000), (20000, 8), (31, 57), (32, 32)])
@pytest.mark.parametrize("channels", [1, 3])
def test_A8_any_shape_becomes_the_square(rule, shape, channels):
    pixels = RNG.integers(0, 256, (*shape, channels), dtype=np.uint8)
    result = resize.resize(pixels, 32, rule)
    assert result.shape == (32, 32, channels) and result.dtype == np.uint8
    flat = resize.resize(np.full((*shape, channels), 77, np.uint8), 32, rule)
    assert (flat == 77).all()


def test_crop_is_the_centred_square_and_pillows_bilinear():
    pixels = RNG.integers(0, 256, (40, 71, 3), dtype=np.uint8)
    wanted = Image.fromarray(pixels[:, 15:55]).resize((24, 24), Image.Resampling.BILINEAR)
    assert np.array_equal(resize.resize(pixels, 24, "crop"), np.asarray(wanted))


def test_a_picture_of_the_right_size_is_unchanged():
    pixels = RNG.integers(0, 256, (24, 24, 1), dtype=np.uint8)
    for rule in resize.RULES:
        assert np.array_equal(resize.resize(pixels, 24, rule), pixels)


def test_small_things_are_averaged_not_skipped():
    lines = np.zeros((64, 64, 1), np.uint8)
    lines[:, ::2] = 255
    assert np.abs(resize.resize(lines, 8, "squash").astype(int) - 127).max() < 12


def test_pad_keeps_the_shape_and_repeats_the_border():
    pixels = np.zeros((16, 32, 1), np.uint8)
    pixels[0] = 200
    padded = resize.resize(pixels, 32, "pad")
    assert (padded[:9] == 200).all() and (padded[9:] == 0).all()


def test_channels():
    colour = RNG.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    assert np.array_equal(resize.to_channels(colour, 1)[..., 0], np.asarray(Image.fromarray(colour).convert("L")))
    grey = colour[..., :1]
    tripled = resize.to_channels(grey, 3)
    assert tripled.shape == (5, 6, 3) and (tripled == grey).all()
    assert np.array_equal(resize.to_channels(tripled, 1), grey)
    with pytest.raises(ValueError, match="2 channels"):
        resize.to_channels(grey, 2)
    with pytest.raises(ValueError, match="crop, squash, pad"):
        resize.resize(grey, 8, "stretch")


@pytest.mark.parametrize("width, height", [(200, 100), (60, 150), (33, 33), (101, 40)])
def test_the_square_lies_on_the_picture_where_it_was_cut(width, height):
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    pixels = np.stack([x, y, x], -1).astype(np.uint8)
    for rule in resize.RULES:
        left, top, right, bottom = resize.place(width, height, 96, rule)
        seen = resize.resize(pixels, 96, rule)[48 - 24:48 + 24, 48 - 24:48 + 24].astype(float) / 255
        inner = np.abs(seen - 0.5).max(-1) < 0.4  # what was not filled up
        assert inner.any()
        columns, rows = np.meshgrid((np.arange(24, 72) + 0.5) / 96, (np.arange(24, 72) + 0.5) / 96)
        assert np.abs(left + columns * (right - left) - seen[..., 0])[inner].max() < 0.04, rule
        assert np.abs(top + rows * (bottom - top) - seen[..., 1])[inner].max() < 0.04, rule
    assert resize.place(200, 100, 50, "crop") == (0.25, 0, 0.75, 1)
    assert resize.place(100, 200, 50, "pad") == (-0.48, 0, 1.52, 1)
    assert resize.place(9, 5, 50, "squash") == (0, 0, 1, 1)
