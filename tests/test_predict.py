"""python -m toolkit.predict: a row a picture, whatever the pictures are, or one sentence why not."""

import csv
import io
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toolkit import artifact, errors, predict
from toolkit.pixels.decode import DECODER

ROOT = Path(__file__).resolve().parent.parent
CLASSES = ["=dark", "Grün", "red"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run folder of a model that tells dark, green and red pictures apart."""
    import keras
    from keras import layers

    folder = tmp_path_factory.mktemp("run")
    pixels = keras.Input((8, 8, 3))
    x = layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Rescaling([1 / 255] * 3, [0.0] * 3)(pixels)))
    model = keras.Model(pixels, layers.Activation("softmax")(x))
    kernel = [[0, 0, 9], [0, 9, 0], [0, 0, 0]]  # from red, green, blue to dark, green, red
    model.layers[-2].set_weights([np.array(kernel, "float32"), np.array([3, 0, 0], "float32")])
    facts = {"task": "classification", "classes": CLASSES,
             "input": {"height": 8, "width": 8, "channels": 3, "resize": "crop", "decoder": DECODER}}
    artifact.write(folder, model, facts, np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), "uint8"))
    return folder


def paint(path, colour, size=(20, 12)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


@pytest.fixture
def pictures(tmp_path):
    """A folder of readable and broken pictures and of what is none."""
    folder = tmp_path / "new pictures"
    paint(folder / "b.png", "red")
    paint(folder / "a.jpg", (0, 255, 0))
    paint(folder / "deeper" / "c.bmp", "black")
    paint(folder / "=cmd()|x.png", "red", (1, 1))
    paint(folder / ".hidden.png", "red")
    (folder / "Thumbs.db").write_bytes(b"x")
    (folder / "notes.txt").write_text("x")
    (folder / "empty.png").write_bytes(b"")
    (folder / "cut.jpg").write_bytes((folder / "a.jpg").read_bytes()[:200])
    (folder / "page.png").write_text("<html>")
    return folder


def run(*arguments):
    return errors.guarded(predict.main, [str(argument) for argument in arguments])


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_G2_a_row_a_picture_in_order_with_reasons_for_broken_ones(finished, pictures, tmp_path, capsys):
    out = tmp_path / "out.csv"
    assert run(finished, pictures / "b.png", pictures, "--out", out, "--batch-size", 2) == 0
    rows = table(out.read_text("utf-8-sig"))
    names = [row["path"].removeprefix(str(pictures) + "/") for row in rows]
    assert names == ["b.png", "=cmd()|x.png", "a.jpg", "b.png", "cut.jpg", "empty.png", "page.png", "deeper/c.bmp"]
    read = {name: row["predicted"] for name, row in zip(names, rows) if not row["error"]}
    assert read == {"b.png": "red", "=cmd()|x.png": "red", "a.jpg": "Grün", "deeper/c.bmp": "'=dark"}
    for row in rows:
        if row["error"]:
            assert row["predicted"] == row["confidence"] == row["p_red"] == ""
        else:
            chances = [float(row[f"p_{name}"]) for name in CLASSES]
            assert abs(sum(chances) - 1) < 1e-6 and float(row["confidence"]) == max(chances)
    assert "8 pictures: 1 =dark, 1 Grün, 3 red, 3 unreadable" in capsys.readouterr().err


def test_F3_pandas_reads_the_file_and_spreadsheets_run_nothing(finished, pictures, tmp_path, monkeypatch):
    import pandas

    monkeypatch.chdir(pictures)
    out = tmp_path / "out.csv"
    assert run(finished, "=cmd()|x.png", "b.png", "--out", out) == 0
    assert out.read_bytes().startswith(b"\xef\xbb\xbfpath,predicted,confidence,p_=dark,p_Gr\xc3\xbcn,p_red,error\n")
    rows = pandas.read_csv(out)
    assert list(rows["path"]) == ["'=cmd()|x.png", "b.png"]
    assert rows[[f"p_{name}" for name in CLASSES]].to_numpy().sum(1) == pytest.approx([1, 1], abs=1e-6)


def test_without_out_the_table_alone_goes_to_standard_output(finished, pictures, capsysbinary):
    assert run(finished, pictures / "b.png") == 0
    printed = capsysbinary.readouterr()
    assert [row["predicted"] for row in table(printed.out.decode())] == ["red"]
    assert b"1 picture: 1 red" in printed.err


def test_I4_names_are_shown_as_plain_text(finished, tmp_path, capsysbinary):
    name = "a\x1b[31m\n\u202e<b>![x](http:__evil).png"
    path = paint(tmp_path / "in" / name, "red")
    assert run(finished, path.parent) == 0
    printed = capsysbinary.readouterr()
    shown = table(printed.out.decode())[0]["path"]
    assert shown.endswith("a\\x1b[31m\\n\\u202e<b>![x](http:__evil).png")
    assert b"\x1b" not in printed.out + printed.err
    assert run(finished, tmp_path / "in" / (name + "x")) == 3
    assert b"\x1b" not in capsysbinary.readouterr().err
    out = tmp_path / "out.csv"
    assert run(finished, path, "--out", out) == 0
    assert table(out.read_text("utf-8-sig"))[0]["path"] == str(path)


@pytest.mark.parametrize("case, says", [
    ("all broken", "none of 2 pictures can be read; the first, .*empty.png: "), ("empty folder", "no picture in"),
    ("only other files", r"no picture in .* \(1 file of other kinds passed over\)"),
    ("not there", "b.pgn does not exist, did you mean .*b.png")])
def test_G2_no_picture_at_all_is_unusable_data(finished, pictures, tmp_path, capsys, case, says):
    import re

    empty, other = tmp_path / "empty", tmp_path / "other"
    empty.mkdir()
    other.mkdir()
    (other / "notes.txt").write_text("x")
    given = {"all broken": [pictures / "empty.png", pictures / "cut.jpg"], "empty folder": [empty],
             "only other files": [other], "not there": [pictures / "b.pgn"]}[case]
    out = tmp_path / "out.csv"
    assert run(finished, *given, "--out", out) == 3
    assert re.search(says, capsys.readouterr().err) and not out.exists()


@pytest.mark.parametrize("case, says", [("exists", "exists already"), ("dangling link", "exists already"),
                                        ("no folder", "No such file"), ("a folder", "exists already"),
                                        ("below a file", "Not a directory")])
def test_G6_an_output_that_cannot_be_written_is_refused_before_the_model_is_read(
        finished, pictures, tmp_path, capsys, monkeypatch, case, says):
    monkeypatch.setattr(artifact, "load", lambda path: pytest.fail("work began"))
    (tmp_path / "old.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    out = {"exists": "old.csv", "dangling link": "link.csv", "no folder": "none/out.csv", "a folder": pictures.name,
           "below a file": "old.csv/out.csv"}[case]
    assert run(finished, pictures, "--out", tmp_path / out) == 2
    assert says in capsys.readouterr().err
    assert (tmp_path / "old.csv").read_text() == "old" and not (tmp_path / "nowhere.csv").exists()


@pytest.mark.parametrize("case, code, says", [
    ("no run", 2, "does not exist"), ("empty", 2, "holds no model.keras"), ("no facts", 6, "model.json is missing"),
    ("damaged", 6, "sha256 differs"), ("pickle", 6, "neither .keras nor .json")])
def test_G5_a_model_that_is_not_right_is_said_in_one_line(finished, pictures, tmp_path, capsys, case, code, says):
    place = tmp_path / "model"
    if case != "no run":
        shutil.copytree(finished, place)
    if case == "empty":
        shutil.rmtree(place)
        place.mkdir()
    if case == "no facts":
        (place / "model.json").unlink()
    if case == "damaged":
        with open(place / "model.keras", "r+b") as file:
            file.truncate(3000)
    if case == "pickle":
        place = place / "model.pkl"
        place.write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    assert run(place, pictures) == code
    printed = capsys.readouterr()
    assert says in printed.err and printed.err.count("error:") == 1 and "Traceback" not in printed.err
    assert printed.out == ""


def test_I8_links_in_a_folder_are_not_followed(finished, pictures, tmp_path, capsys):
    outside = paint(tmp_path / "outside" / "o.png", "red")
    (pictures / "link.png").symlink_to(outside)
    (pictures / "loop").symlink_to(pictures)
    os.mkfifo(pictures / "pipe.png")
    out = tmp_path / "out.csv"
    assert run(finished, pictures, "--out", out) == 0
    rows = {Path(row["path"]).name: row["error"] for row in table(out.read_text("utf-8-sig"))}
    assert "link.png" not in rows and len(rows) == 8 and "regular file" in rows["pipe.png"]
    assert "4 files passed over" in capsys.readouterr().err  # hidden, system, text, link


def test_a_model_that_pictures_cannot_feed_is_refused(finished, pictures, tmp_path, capsys):
    import json

    place = tmp_path / "model"
    shutil.copytree(finished, place)
    facts = json.loads((place / "model.json").read_text())
    facts["input"]["resize"] = "stretch"
    (place / "model.json").write_text(json.dumps(facts))
    assert run(place, pictures) == 2
    assert "by stretch; pictures become squares" in capsys.readouterr().err


def test_the_number_of_pictures_at_a_time_changes_nothing(finished, pictures, tmp_path):
    import pandas

    tables = []
    for size in (1, 3, 100):
        assert run(finished, pictures, "--out", tmp_path / f"{size}.csv", "--batch-size", size) == 0
        tables.append(pandas.read_csv(tmp_path / f"{size}.csv"))
    for other in tables[1:]:
        pandas.testing.assert_frame_equal(tables[0], other, rtol=0, atol=1e-6)


OFFLINE = """
import socket, sys
def refuse(*arguments): raise AssertionError("the network was asked")
socket.socket.connect = socket.getaddrinfo = refuse
from toolkit import errors, predict
sys.exit(errors.guarded(predict.main))
"""


def test_G1_G3_F5_a_moved_model_predicts_in_another_process_without_network_and_data(finished, pictures, tmp_path):
    place = tmp_path / "Läufe (1)"
    place.mkdir()
    for name in ("model.keras", "model.json"):
        shutil.copy(finished / name, place)
    out = tmp_path / "out.csv"
    done = subprocess.run([sys.executable, "-c", OFFLINE, place, pictures, "--out", out], cwd=ROOT, text=True,
                          capture_output=True, env={**os.environ, "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    assert run(finished, pictures, "--out", tmp_path / "here.csv") == 0
    assert out.read_bytes() == (tmp_path / "here.csv").read_bytes()


def test_B1_help_and_refusals_load_no_keras(finished, pictures, tmp_path):
    (tmp_path / "old.csv").write_text("old")
    script = ("import sys; from toolkit import errors, predict\ntry: errors.guarded(predict.main)\n"
              "except SystemExit as done: assert not done.code\n"
              "assert not {'keras', 'tensorflow', 'jax', 'pandas', 'h5py'} & set(sys.modules), 'heavy'")
    for arguments in (["--help"], ["--version"], [finished, pictures, "--out", tmp_path / "old.csv"],
                      [tmp_path / "none", pictures], [finished, tmp_path / "none"]):
        done = subprocess.run([sys.executable, "-c", script, *map(str, arguments)],
                              cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
