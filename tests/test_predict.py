"""python -m toolkit.predict: a row a picture, whatever the pictures are, or one sentence why not."""

import csv
import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from toolkit import artifact, errors, predict, progress
from toolkit.pixels import thumbnails
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


def zipped(path, folder, more=()):
    """A zip of all files below a folder, and of (name, bytes)."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder))
        for name, data in more:
            archive.writestr(name, data)
    return path


def test_a_zip_is_answered_as_the_folder_it_was_made_of(finished, pictures, tmp_path, capsys):
    packed = zipped(tmp_path / "new.zip", pictures)
    for given, out in ((pictures, "folder.csv"), (packed, "zip.csv")):
        assert run(finished, given, "--out", tmp_path / out, "--cache-dir", tmp_path / "store") == 0
    folder, unpacked = (table((tmp_path / out).read_text("utf-8-sig")) for out in ("folder.csv", "zip.csv"))
    for row in folder + unpacked:
        row["path"] = row["path"].removeprefix(f"{pictures}/").removeprefix(f"{packed}/")
    assert unpacked == folder and len(folder) == 7
    assert "3 files passed over" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["unpacked"]


@pytest.mark.parametrize("case, code, says", [
    ("climbs", 6, "its entry '../out.png'"), ("no zip", 6, "is damaged or no zip"), ("empty", 3, "holds no file"),
    ("no picture", 3, "no picture in")])
def test_I1_a_zip_that_is_hostile_or_holds_nothing_is_refused(finished, tmp_path, capsys, case, code, says):
    empty, packed, out = tmp_path / "empty", tmp_path / "new.zip", tmp_path / "out.csv"
    empty.mkdir()
    zipped(packed, empty, {"climbs": [("../out.png", b"x")], "no picture": [("a.txt", b"x")]}.get(case, ()))
    if case == "no zip":
        packed.write_bytes(b"PK cut")
    assert run(finished, packed, "--out", out, "--cache-dir", tmp_path / "store") == code
    assert says in capsys.readouterr().err and not out.exists() and not (tmp_path / "out.png").exists()


def test_small_copies_lie_under_the_keys_of_the_manifest(finished, pictures, tmp_path):
    folder = tmp_path / "answer"
    folder.mkdir()
    assert run(finished, pictures, pictures / "b.png", "--out", folder / "predictions.csv", "--thumbnails",
               folder / "thumbnails.zip", "--batch-size", 2) == 0
    answers, rows = (table((folder / name).read_text("utf-8-sig")) for name in ("predictions.csv", "manifest.csv"))
    assert [row["path"] for row in rows] == [row["path"] for row in answers]
    for answer, row in zip(answers, rows):
        data = Path(row["file"]).read_bytes()
        assert row["sha256"] == (hashlib.sha256(data).hexdigest() if data else "")
        small = thumbnails.read(folder / "thumbnails.zip", row["sha256"][:16])
        assert (small is None) == bool(answer["error"])
        assert (row["width"], row["height"]) == (("", "") if answer["error"] else
                                                 ("1", "1") if "=cmd" in row["path"] else ("20", "12"))
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.csv", "predictions.csv", "thumbnails.zip"]


def test_G6_small_copies_replace_nothing_and_go_with_what_fails(finished, pictures, tmp_path, capsys):
    (tmp_path / "manifest.csv").write_text("old")
    assert run(finished, pictures, "--thumbnails", tmp_path / "thumbnails.zip") == 2
    assert "manifest.csv exists already" in capsys.readouterr().err
    (tmp_path / "manifest.csv").unlink()
    assert run(finished, pictures / "empty.png", "--thumbnails", tmp_path / "thumbnails.zip") == 3
    assert [path.name for path in tmp_path.iterdir()] == [pictures.name]


def test_how_far_it_is_is_told_now_and_then(finished, pictures, monkeypatch, capsys):
    monkeypatch.setattr(progress, "NEWS_EVERY", -1)
    assert run(finished, pictures, "--batch-size", 3) == 0
    said = capsys.readouterr().err
    assert "7 pictures to look at" in said and said.count(" of 7 pictures, about ") == 2


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
