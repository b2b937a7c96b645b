"""Heat maps as colours: what is clear, what is strong, and where the square lies on the picture."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from toolkit.explain import overlay, stored

MAPS = np.zeros((2, 4, 4), np.float16)
MAPS[0, 0, 0], MAPS[0, 0, 1], MAPS[0, 3, 3] = 2.0, 1.0, -3.0
MAPS[1] = -MAPS[0]


def opened(data):
    return np.asarray(Image.open(io.BytesIO(data)))


def test_only_what_speaks_for_the_class_is_seen_and_the_stronger_the_more():
    found = overlay.overlay(MAPS, 0)
    assert found.shape == (4, 4, 4) and found.dtype == np.uint8
    cover = found[..., 3].astype(int)
    assert cover[0, 0] > cover[0, 1] > 0 and np.count_nonzero(cover) == 2
    assert np.count_nonzero(overlay.overlay(MAPS, 1)[..., 3]) == 1


def test_strength_is_relative_to_the_largest_value_of_the_picture():
    one, two = overlay.overlay(MAPS, 0), overlay.overlay(MAPS * 2, 0)
    assert np.array_equal(one, two) and one[0, 0, 3] < overlay.overlay(MAPS, 1)[3, 3, 3]
    for clear in (np.zeros((2, 3, 3), np.float16), -np.ones((2, 3, 3), np.float16)):
        assert not overlay.overlay(clear, 1)[..., 3].any()


def test_colours_rise_in_lightness_so_that_any_eyes_can_order_them():
    colours = overlay.painted(np.linspace(0, 1, 50))
    lightness = colours[:, :3] @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(lightness) > 0).all() and lightness[-1] - lightness[0] > 150
    assert (np.diff(colours[:, 3].astype(int)) >= 0).all()


def test_a_png_holds_the_overlay():
    assert np.array_equal(opened(overlay.png(MAPS, 0)), overlay.overlay(MAPS, 0))


def written(folder, place):
    (folder / "heatmaps").mkdir()
    even = np.ones((2, 8, 8), np.float16)
    stored.write(folder / "heatmaps", "0" * 16, even, np.array([0.5, 0.5]), "class activation", place, "m" * 16)
    return opened(overlay.laid(folder, "0" * 16, 1))


@pytest.mark.parametrize("place, size, seen", [
    ((0, 0, 1, 1), (448, 448), (0, 448, 0, 448)),                        # squashed: all of it
    ((0.25, 0, 0.75, 1), (448, 224), (112, 336, 0, 224)),                # the middle of a wide picture
    ((0, -0.5, 1, 1.5), (448, 224), (0, 448, 0, 224)),                   # padded above and below
])
def test_it_lies_where_the_model_looked(tmp_path, place, size, seen):
    cover = written(tmp_path, place)[..., 3]
    left, right, top, bottom = seen
    assert cover.shape == size[::-1] and (cover[top:bottom, left:right] > 200).all()
    outside = cover.copy()
    outside[top:bottom, left:right] = 0
    assert not outside.any()


def test_what_is_not_there_is_none(tmp_path):
    assert overlay.laid(tmp_path, "0" * 16, 0) is None
    written(tmp_path, (0, 0, 1, 1))
    assert overlay.laid(tmp_path, "0" * 16, 2) is None and overlay.laid(tmp_path, "../../etc", 0) is None


def test_a_page_needs_no_tensorflow_for_it():
    code = ("import sys; from toolkit.explain import overlay, stored; import numpy as np; "
            "overlay.png(np.ones((2, 3, 3)), 0); print([name for name in ('tensorflow', 'keras', 'jax', 'pandas') "
            "if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
