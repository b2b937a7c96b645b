"""Runs that many tests look at, made once."""

import contextlib
import io
import os
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.acceptance import runs

ODD_CLASSES = ("-Zellen größe 😀", "<img src=x onerror=y>", "=cmd()", "\x1b[31mred\u202e\nnl")


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    return runs.weight_file(tmp_path_factory.mktemp("weights") / "mine.safetensors")


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return runs.draw(tmp_path_factory.mktemp("data") / "pictures", dict.fromkeys(runs.CLASSES, 16))


@pytest.fixture(scope="session")
def fast(weights):
    """Options of a run of a few seconds that tunes nothing."""
    return (*runs.SMALL, "--weights", weights, "--train-from", "head")


@pytest.fixture(scope="session")
def deep(weights):
    """Options of a run that tunes layer3 for three epochs, at rates that learn something."""
    return (*runs.SMALL, "--weights", weights, "--train-from", "layer3", "--epochs", 3, "--learning-rate", 3e-3)


@pytest.fixture
def blind(monkeypatch):
    """A probe that knows nothing: what tuning learns is better, and is kept."""
    blindfold(monkeypatch)


def blindfold(patch):
    from toolkit.features import probe

    def fit(features, rows, numbers, classes, *rest):
        kernel = np.random.default_rng(0).normal(0, 0.1, (features.shape[1], classes)).astype(np.float32)
        return probe.Probe(kernel, np.zeros(classes, np.float32), 1.0, {}, 0.0)

    patch.setattr(probe, "fit", fit)


@pytest.fixture(scope="session")
def tuned(tmp_path_factory, data, deep):
    """Folder of a finished run that kept a tuned model."""
    folder = tmp_path_factory.mktemp("tuned") / "run"
    with pytest.MonkeyPatch.context() as patch:
        blindfold(patch)
        assert runs.tune(data, *deep, "--workers", 1, "--run-dir", folder) == 0
    return folder


@pytest.fixture(scope="session")
def trouble(tmp_path_factory, fast):
    """A run on a folder in which everything is odd: names, kinds of pictures, broken files, links, copies."""
    place = tmp_path_factory.mktemp("trouble")
    root = place / "odd data"
    for part, count in (("train", 8), ("val", 3), ("test", 3)):
        for kind, name in enumerate(ODD_CLASSES):
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                suffix = (".png", ".jpg", ".tif", ".bmp", ".webp")[i % 5]
                seed = 10_000 * len(part) + 100 * kind + i
                Image.fromarray(runs.picture(kind % 3, seed)).save(root / part / name / f"{i}{suffix}")
    test = root / "test" / ODD_CLASSES[0]
    odd_pictures(test)
    bad_pictures(root / "train" / ODD_CLASSES[1])
    copy = (root / "train" / ODD_CLASSES[2] / "0.png").read_bytes()
    for target in (root / "train" / ODD_CLASSES[2] / "again.png", root / "train" / ODD_CLASSES[1] / "conflict.png",
                   root / "test" / ODD_CLASSES[2] / "leak.png"):
        target.write_bytes(copy)
    (root / "Thumbs.db").write_bytes(b"x")
    (root / "__MACOSX").mkdir()
    (test / ".hidden.png").write_bytes(copy)
    runs.draw(place / "outside", {"blue": 2})
    os.symlink(place / "outside" / "blue" / "0.png", test / "link.png")
    os.symlink(place / "outside", root / "train" / "linked")
    with contextlib.redirect_stdout(io.StringIO()) as screen:
        code = runs.tune(root, *fast, "--run-dir", place / "run")
    return SimpleNamespace(code=code, folder=place / "run", data=root, screen=screen.getvalue())


def odd_pictures(folder):
    """Kinds of files that one policy reads."""
    pixels = runs.picture(0, 1)
    colour, grey = Image.fromarray(pixels), Image.fromarray(pixels[..., 2])
    Image.fromarray(pixels[..., 2].astype(np.uint16) * 257).save(folder / "16 bit.png")
    colour.convert("CMYK").save(folder / "cmyk.jpg")
    colour.quantize(16).save(folder / "palette.png", transparency=3)
    Image.merge("LA", (grey, grey)).save(folder / "la.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    colour.crop((0, 0, 36, 20)).save(folder / "turned.jpg", exif=exif)
    Image.new("RGB", (1, 1), "blue").save(folder / "one pixel.png")
    Image.new("RGB", (20_000, 8), "blue").save(folder / "long.png")


def bad_pictures(folder):
    """Four files that cannot be read."""
    whole = (folder / "0.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[:300])
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "drawing.jpg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    bomb = Image.new("1", (30_000, 30_000))
    bomb.save(folder / "bomb.png")
