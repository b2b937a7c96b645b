"""The lines that use a model elsewhere make of a picture what the toolkit makes of it."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from toolkit.pixels import decode, resize
from toolkit.report import snippet, words

SIZE = 24


def facts(channels, rule):
    return {"classes": ["it's", "b\n\"c\""], "input": {"height": SIZE, "width": SIZE, "channels": channels,
                                                       "resize": rule}}


@pytest.fixture
def asked(monkeypatch):
    """What the model of the lines was loaded from and asked, in a list."""
    seen = []
    keras = ModuleType("keras")
    model = SimpleNamespace(predict=lambda pixels: [seen.append(pixels), np.array([[0.25, 0.75]])][1])
    keras.saving = SimpleNamespace(load_model=lambda path, compile: [seen.append(path), model][1])
    monkeypatch.setitem(sys.modules, "keras", keras)
    return seen


@pytest.mark.parametrize("rule", resize.RULES)
@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("size, mode", [((40, 25), "RGB"), ((25, 41), "L"), ((10, 13), "RGB"), ((24, 24), "P")])
def test_the_pixels_are_those_of_the_toolkit(tmp_path, asked, capsys, rule, channels, size, mode):
    pixels = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), "uint8")
    picture = tmp_path / "a 'picture'.png"
    Image.fromarray(pixels).convert(mode).save(picture)
    exec(snippet.python(facts(channels, rule), "SIZE/model.keras", str(picture)), {})
    path, given = asked
    wanted = resize.fit(decode.decode(picture).pixels, SIZE, channels, rule)
    assert path == "SIZE/model.keras" and given.shape == (1, SIZE, SIZE, channels)
    assert np.array_equal(given[0], wanted)
    assert capsys.readouterr().out == str({"it's": 0.25, "b\n\"c\"": 0.75}) + "\n"


def test_a_turned_photograph_is_turned(tmp_path, asked):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), "uint8")
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    exec(snippet.python(facts(3, "squash"), "model.keras", str(tmp_path / "a.png")), {})
    assert np.array_equal(asked[1][0], resize.fit(np.rot90(pixels, -1), SIZE, 3, "squash"))


@pytest.mark.parametrize("rule", resize.RULES)
@pytest.mark.parametrize("channels", (1, 3))
@pytest.mark.parametrize("name, turned", [("a.png", None), ("a.jpg", None), ("a.jpg", 6), ("a.jpg", 5)])
def test_the_lines_of_the_report_measure_what_the_run_did(tmp_path, monkeypatch, asked, rule, channels, name, turned):
    monkeypatch.chdir(tmp_path)
    exif, pixels = Image.Exif(), np.random.default_rng(0).integers(0, 256, (9, 14, 3), "uint8")
    exif[0x0112] = turned or 1
    Image.fromarray(pixels).resize((420, 270)).save(name, exif=exif)  # much is averaged
    Path("picture.png").write_bytes(Path(name).read_bytes())          # what a file is called says nothing
    Path("model.json").write_text('{"classes": ["é", "b"]}', "utf-8")
    network = {"size": SIZE, "channels": channels, "resize": rule}
    exec(words.usage({"network": network}), {})
    found = asked[1][0].astype(int)
    assert np.array_equal(found, resize.fit(decode.decode(Path(name)).pixels, SIZE, channels, rule))
    assert asked[0] == "model.keras"


@pytest.mark.parametrize("wrong", [{"width": 9}, {"channels": 2}, {"resize": "stretch"}])
def test_an_input_that_is_none_of_ours_is_refused(wrong):
    found = facts(3, "crop")
    found["input"].update(wrong)
    with pytest.raises(ValueError, match="an input of 24 x"):
        snippet.python(found, "model.keras")
