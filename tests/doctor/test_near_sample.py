"""Copies planted among the sample's cells, which look alike: found all but a percent, and next to nothing else."""

import io

import numpy as np
import pandas
import pytest
from PIL import Image

from toolkit.data.samples import cells
from toolkit.doctor import looks, near
from toolkit.pixels import decode, resize


def encoded(picture, rng):
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(30, 96)))
    return Image.open(file)


def resized(picture, rng):
    share = rng.uniform(0.4, 2.0)
    return picture.resize([max(1, round(side * share)) for side in picture.size], Image.Resampling.BICUBIC)


def cut(picture, rng):
    width, height = picture.size
    left, top, right, bottom = rng.uniform(0, 0.08, 4)
    return picture.crop((round(left * width), round(top * height), round((1 - right) * width),
                         round((1 - bottom) * height)))


@pytest.fixture(scope="module")
def pictures():
    """The readable pictures of the sample, each once."""
    table = cells.make()
    rows, found = pandas.read_csv(table), {}
    for path in rows["path"]:
        try:
            pixels = decode.decode((table.parent / path).read_bytes()).pixels
        except decode.Unreadable:
            continue
        found.setdefault(pixels.tobytes(), pixels)
    return [Image.fromarray(pixels) for pixels in found.values()]


def thumbnails(pictures):
    return np.stack([looks.look(resize.fit(np.asarray(picture.convert("RGB")), 224, 3, "squash"))[1]
                     for picture in pictures])


@pytest.fixture(scope="module")
def originals(pictures):
    return thumbnails(pictures)


@pytest.mark.parametrize("change", [encoded, resized, cut])
def test_planted_copies_are_found_and_hardly_anything_else(pictures, originals, change):
    rng, count = np.random.default_rng(11), len(pictures)
    found = near.found(np.concatenate([originals, thumbnails(change(picture, rng) for picture in pictures)]))
    missed = (found.bundle[:count] != found.bundle[count:]).sum()
    false = count - len(set(found.bundle[:count]))
    assert count > 300 and missed <= count // 100 and false <= 2 * count / 1000
