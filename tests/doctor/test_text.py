"""Text drawn into pictures is hinted at; what is no text is left in peace."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from toolkit.doctor import looks, text

WORDS = ("LEFT BREAST", "RT 12 UOQ", "Sample 0471", "Patient 17", "LOT 2231 B")


def ground(seed, side=224):
    """Smooth noise, as tissue or metal might look; uint8 (side, side)."""
    import cv2

    rough = np.random.default_rng(seed).normal(0, 1, (side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(rough, (0, 0), 2) * 60 + cv2.GaussianBlur(rough, (0, 0), 12) * 400
    return np.clip(90 + smooth, 0, 255).astype(np.uint8)


def written(word, value=255, size=14, seed=0, side=224):
    image = Image.fromarray(ground(seed, side))
    ImageDraw.Draw(image).text((side // 8, side // 2), word, fill=value, font=ImageFont.load_default(size))
    return np.asarray(image)


@pytest.mark.parametrize("size", [11, 14, 18, 22])
def test_words_of_several_sizes_are_found(size):
    assert all(text.letters(written(word, size=size, seed=seed)) >= 5 for seed, word in enumerate(WORDS))


def test_dark_words_and_those_of_opencv_are_found_too():
    import cv2

    assert text.letters(255 - written("LEFT BREAST")) >= 5
    picture = ground(1)
    cv2.putText(picture, "RT 12 UOQ", (40, 100), cv2.FONT_HERSHEY_SIMPLEX, 0.5, 255, 1, cv2.LINE_AA)
    assert text.letters(picture) >= 5


def test_words_that_were_made_smaller_with_their_picture_are_found():
    large = Image.fromarray(written("LEFT BREAST", size=30, side=448))
    assert text.letters(np.asarray(large.resize((224, 224), Image.BILINEAR))) >= 5


def checks(step):
    return np.kron(np.indices((224 // step, 224 // step)).sum(0) % 2, np.ones((step, step))).astype(np.uint8) * 255


@pytest.mark.parametrize("picture", [
    *(ground(seed) for seed in range(20)), np.zeros((224, 224), np.uint8), np.full((1, 1), 7, np.uint8), checks(4),
    checks(8), np.random.default_rng(0).integers(0, 256, (224, 224), np.uint8), np.zeros((3, 300), np.uint8)])
def test_what_is_no_text_is_left_in_peace(picture):
    assert text.letters(picture) == 0


def test_spots_and_bars_in_a_row_are_no_text():
    import cv2

    spots, bars = ground(3), ground(4)
    for place in range(20, 200, 16):
        cv2.circle(spots, (place, 100), 5, 255, -1)
        bars[60:80, place:place + 4] = 255
    assert text.letters(spots) == text.letters(bars) == 0


def test_parts_are_those_of_opencv():
    import cv2

    strokes = (np.random.default_rng(0).random((60, 90)) < 0.2).astype(np.uint8)
    left, top, width, height, area = cv2.connectedComponentsWithStats(strokes)[2][1:].T
    boxes, found = text._parts(strokes)
    assert sorted(zip(*boxes, found)) == sorted(zip(left, top, left + width, top + height, area))


def test_words_in_real_pictures_and_none_where_there_is_none(shared):
    def found(folder):
        pictures = (np.asarray(Image.open(path).convert("L").resize((224, 224))) for path in sorted(folder.glob("*")))
        return [text.letters(picture) > 0 for picture in pictures]

    assert sum(found(shared / "data" / "magnetic_tile" / "images" / "Free")) == 0
    normal, benign = (found(shared / "data" / "busi" / "images" / name) for name in ("normal", "benign"))
    assert sum(normal) <= 2 and sum(benign) >= 10  # one of the normal ones shows RIGHT BREAST


def test_coloured_marks_on_grey_are_found_and_coloured_pictures_are_not():
    grey = np.repeat(ground(0)[..., None], 3, 2)
    marked = grey.copy()
    marked[20:26, 30:60] = (250, 220, 0)
    tint = looks.Looks._fields.index("tint")
    assert looks.look(marked)[0][tint] == pytest.approx(180 / 224**2)
    assert looks.look(grey)[0][tint] == looks.look(marked // np.array([1, 2, 3], np.uint8))[0][tint] == 0


def test_channels_with_one_value_are_counted():
    still = looks.Looks._fields.index("still")
    green = np.zeros((40, 40, 3), np.uint8)
    green[..., 1] = ground(0, 40)
    cyan = green.copy()
    cyan[..., 2] = ground(1, 40)
    assert [looks.look(one)[0][still] for one in (green, cyan, green[..., 1:2], np.repeat(green[..., 1:2], 3, 2))] \
        == [2, 1, 0, 0]
