"""The data looked at as a run would: the same pictures, the same split, every problem at once, and nothing trained."""

import html
import json
import re
import shlex
import subprocess
import sys
import zipfile

import numpy as np
import pandas
import pytest
from PIL import Image

from tests.acceptance import runs
from toolkit import check, errors
from toolkit.data import edits
from toolkit.features import executor
from toolkit.pixels import decode, thumbnails
from toolkit.run import Run

HEAVY = ("tensorflow", "keras", "jax", "torch", "openvino", "matplotlib", "sklearn", "albumentations")
SMALL = ("--size", 32, "--no-features")
FEW = {"shortcut", "few pictures"}  # what is found in every small set of three colours


def look(*arguments):
    """Exit code of `python -m toolkit.check` with `arguments`, run here."""
    return errors.guarded(check.main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return runs.draw(tmp_path_factory.mktemp("check") / "pictures", dict.fromkeys(runs.CLASSES, 16))


def found(folder, name):
    """The findings of a check, of doctor.json."""
    return [finding for finding in runs.read(folder / "doctor.json")["findings"] if finding["check"] == name]


def test_what_is_shown_is_what_a_run_uses_and_decodes_no_more(data, tmp_path, monkeypatch):
    weights = runs.weight_file(tmp_path / "mine.safetensors")
    options = ("--size", 32, "--seed", 3, "--validation", 0.2, "--test", 0.25, "--resize", "pad", "--cache-dir",
               tmp_path / "store", "--backbone", "cifar_resnet20", "--weights", weights)
    assert look(data, *options, "--out", tmp_path / "check") == 0
    shown = pandas.read_csv(tmp_path / "check" / "manifest.csv")

    def again(*arguments):
        raise AssertionError("a picture was decoded or looked at again")

    monkeypatch.setattr(decode, "decode", again)
    monkeypatch.setattr(executor, "forward", again)
    assert runs.tune(data, *options, "--probe-only", "--resamples", 100, "--run-dir", tmp_path / "run") == 0
    pandas.testing.assert_frame_equal(shown, pandas.read_csv(tmp_path / "run" / "manifest.csv"))
    measured = shown[shown["split"] != "train"]
    with zipfile.ZipFile(tmp_path / "run" / "thumbnails.zip") as archive:
        assert {name[:16] for name in archive.namelist()} == {sha256[:16] for sha256 in measured["sha256"]}
    counts = runs.read(tmp_path / "check" / "doctor.json")["counts"]
    assert counts == runs.read(tmp_path / "run" / "doctor.json")["counts"]
    assert counts == {part: {name: int(((shown["split"] == part) & (shown["label"] == name)).sum())
                             for name in runs.CLASSES} for part in ("train", "validation", "test")}


def test_the_folder_is_that_of_a_run(data, tmp_path, capsys):
    assert look(data, *SMALL, "--run-dir", tmp_path / "out") == 0
    facts, status = runs.read(tmp_path / "out" / "run.json"), runs.read(tmp_path / "out" / "status.json")
    assert facts["command"] == "check" and facts["state"] == status["state"] == "finished"
    assert status["progress"] == 1.0
    doctor = runs.read(tmp_path / "out" / "doctor.json")
    assert doctor["schema"] == 1 and doctor["groups"] is None and doctor["edits"] == []
    assert {finding["check"] for finding in doctor["findings"]} == FEW
    said = capsys.readouterr().out
    assert list(check.found([])) == ["Nothing is wrong with the data."] and "2 findings:" in said
    (row,) = [line.split() for line in said.splitlines() if line.startswith("  blue")]
    assert row == ["blue", "12", "2", "2", "16"]
    rows = pandas.read_csv(tmp_path / "out" / "manifest.csv")
    for sha256 in rows["sha256"]:
        assert thumbnails.read(tmp_path / "out" / "thumbnails.zip", thumbnails.key(sha256))


@pytest.mark.parametrize("option", ["--no-features", "--offline"])
def test_nothing_that_trains_is_loaded_where_no_network_looks(data, tmp_path, monkeypatch, option):
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "empty"))
    code = (f"import sys; from toolkit import check; check.main([{str(data)!r}, '--size', '32', {option!r}, '--out', "
            f"{str(tmp_path / 'out')!r}]); print('LOADED', *(n for n in {HEAVY} if n in sys.modules))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=runs.ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]


def test_wrong_labels_and_outliers_are_told_by_a_look_and_by_a_run(tmp_path, capsys):
    data = runs.draw(tmp_path / "pictures", dict.fromkeys(runs.CLASSES, 30))
    for kind, name in enumerate(runs.CLASSES):
        for number in range(30):  # clearer than usual: the network's weights are random
            bright = runs.picture(kind, 100 * kind + number).astype(int) + 40 * np.eye(3, dtype=int)[2 - kind]
            Image.fromarray(bright.clip(0, 255).astype(np.uint8)).save(data / name / f"{number}.png")
    (data / "blue" / "0.png").rename(data / "red" / "wrong.png")
    Image.fromarray(np.zeros((36, 36, 3), np.uint8) + 255).save(data / "green" / "white.png")
    network = ("--size", 32, "--backbone", "cifar_resnet20", "--weights", runs.weight_file(tmp_path / "w.safetensors"),
               "--cache-dir", tmp_path / "store")
    assert look(data, *network, "--out", tmp_path / "look") == 0
    assert runs.tune(data, *network, "--probe-only", "--resamples", 100, "--run-dir", tmp_path / "run") == 0
    said = capsys.readouterr().out
    assert said.index("the probe's validation scores") < said.rindex("in doubt, of which about")
    for folder in (tmp_path / "look", tmp_path / "run"):
        wrong, = found(folder, "label errors")
        assert (wrong["pictures"][0], wrong["suggested"][0]) == ("red/wrong.png", "blue") and wrong["scores"][0] > 0.5
        assert found(folder, "outliers")[0]["pictures"][0] == "green/white.png"
    assert "red/wrong.png (red, looks like blue)" in runs.told(tmp_path / "run")
    assert "red/wrong.png" in (tmp_path / "look" / "check.html").read_text("utf-8")


def test_without_weights_a_look_goes_on_and_says_so(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "empty"))
    monkeypatch.delenv("TOOLKIT_MIRROR", raising=False)
    assert look(data, "--size", 32, "--offline", "--out", tmp_path / "out") == 0
    note, = found(tmp_path / "out", "features")
    assert note["severity"] == "note" and "resnet50 are not here and cannot be had" in note["sentence"]
    assert "--no-features" in capsys.readouterr().out


def test_damaged_weights_are_a_note_too(data, tmp_path, monkeypatch):
    from toolkit.backbones import weights

    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path))
    row = weights.find("resnet18", "imagenet")
    (tmp_path / row.sources[0].file).write_bytes(b"none")
    assert look(data, "--size", 32, "--backbone", "resnet18", "--offline", "--out", tmp_path / "out") == 0
    assert "are damaged" in found(tmp_path / "out", "features")[0]["sentence"]


@pytest.mark.parametrize("arguments, words", [
    (("--backbone", "resnet5"), "resnet50"), (("--weights", "none"), "--no-features"),
    (("--weights", "nowhere.safetensors"), "is no file")])
def test_B2_a_network_that_is_none_is_refused_before_any_picture(data, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert look(data, *arguments) == 2
    runs.refused(capsys, words)
    assert list(tmp_path.iterdir()) == []


def test_a_zip_with_everything_odd(data, tmp_path):
    whole = tmp_path / "set.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for path in sorted(data.rglob("*.png")):
            archive.write(path, f"set/{path.relative_to(data)}")
        archive.write(data / "blue" / "0.png", "set/blue/copy.png")
        archive.writestr("set/red/empty.png", b"")
        archive.writestr("set/red/notes.txt", "by hand")
    decided = tmp_path / "edits.jsonl"
    decided.write_text(json.dumps({"path": "green/3.png", "action": "exclude"}) + "\n")
    assert look(whole, *SMALL, "--edits", decided, "--group-pattern", r"(\d+)\.", "--out", tmp_path / "out",
                "--cache-dir", tmp_path / "store") == 0
    doctor = runs.read(tmp_path / "out" / "doctor.json")
    assert doctor["unreadable"] == [["red/empty.png", "red", "empty file (0 bytes)"]]
    assert sum(doctor["skipped"].values()) == 1
    assert [path for path, _ in doctor["left_out"]] == ["red/notes.txt"]
    assert doctor["groups"] == 16 and doctor["edits"] == ["Edits applied: 1 exclude."]
    assert found(tmp_path / "out", "unreadable")[0]["pictures"] == ["red/empty.png"]
    with zipfile.ZipFile(tmp_path / "out" / "thumbnails.zip") as archive:
        assert len(archive.namelist()) == 47  # 48 pictures and a copy, one excluded


def test_pictures_that_stand_out_are_found_by_their_pixels(tmp_path):
    data = runs.draw(tmp_path / "pictures", dict.fromkeys(("a", "b"), 16))
    Image.new("RGB", (40, 40)).save(data / "a" / "black.png")
    assert look(data, *SMALL, "--out", tmp_path / "out") == 0
    assert found(tmp_path / "out", "dark")[0]["pictures"] == ["a/black.png"]


def test_every_problem_is_told_at_once_and_the_rest_is_looked_at(data, tmp_path, capsys):
    folder = runs.draw(tmp_path / "pictures", {"blue": 16, "green": 16, "red": 2})
    for number in range(6):
        (folder / "blue" / f"bad{number}.png").write_bytes(b"")
    (folder / "label_edits.jsonl").write_text("{}\n")
    assert look(folder, *SMALL, "--out", tmp_path / "out") == 3
    said = runs.refused(capsys, "6 of 40 pictures cannot be read", "label_edits.jsonl, line 1 is no edit",
                        "class 'red': 2 pictures")
    faults = found(tmp_path / "out", "refused")
    assert len(faults) == 3 and {fault["severity"] for fault in faults} == {"error"}
    assert all(fault["sentence"].splitlines()[0] in said for fault in faults)
    doctor, facts = runs.read(tmp_path / "out" / "doctor.json"), runs.read(tmp_path / "out" / "run.json")
    assert doctor["counts"]["unsplit"] == {"blue": 16, "green": 16, "red": 2} and len(doctor["unreadable"]) == 6
    assert facts["state"] == "failed" and "6 of 40 pictures" in facts["message"]
    assert len(pandas.read_csv(tmp_path / "out" / "manifest.csv")) == 34
    with zipfile.ZipFile(tmp_path / "out" / "thumbnails.zip") as archive:
        assert len(archive.namelist()) == 34
    page = (tmp_path / "out" / "check.html").read_text("utf-8")
    assert "would refuse the data" in page and "6 of 40 pictures cannot be read" in page and "unsplit" in page


def spoilt(folder):
    """Pictures with copies, one under two classes, and a file that is none."""
    runs.draw(folder, dict.fromkeys(runs.CLASSES, 16))
    for name in ("copy.png", "copy again.png"):
        (folder / "blue" / name).write_bytes((folder / "blue" / "0.png").read_bytes())
    (folder / "green" / "in two.png").write_bytes((folder / "red" / "3.png").read_bytes())
    (folder / "red" / "empty.png").write_bytes(b"")
    return folder


@pytest.mark.parametrize("by", ["clean manifest", "by the edits"])
def test_A9_what_is_suggested_leaves_no_copy_and_no_conflict(tmp_path, capsys, by):
    data = spoilt(tmp_path / "my data")
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert look(data, *SMALL, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert str(tmp_path / "out" / "check.html") in said and str(tmp_path / "out" / "clean.csv") in said
    assert "5 files left out; 47 pictures of 51 stay." in said
    page = html.unescape((tmp_path / "out" / "check.html").read_text("utf-8"))
    line = next(line for line in re.findall(r"python -m toolkit.finetune [^<]+", page)
                if ("clean.csv" in line) == (by == "clean manifest"))
    assert look(*shlex.split(line)[3:], "--no-features", "--out", tmp_path / "again") == 0
    doctor = runs.read(tmp_path / "again" / "doctor.json")
    assert {finding["check"] for finding in doctor["findings"]} <= {"reading", *FEW} and doctor["unreadable"] == []
    rows = pandas.read_csv(tmp_path / "again" / "manifest.csv")
    assert len(rows) == 47 and {"blue/0.png", "green/in two.png", "red/3.png"} - set(rows["path"]) == {
        "green/in two.png", "red/3.png"}
    assert before == {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}


def test_what_was_decided_before_stands_in_what_is_suggested(tmp_path):
    data = spoilt(tmp_path / "data")
    edits.append(data / edits.NAME, edits.Edit("green/5.png", "", "relabel", "red"))
    assert look(data, *SMALL, "--group-pattern", r"(\d+)\.", "--out", tmp_path / "out") == 0
    suggested = edits.read(tmp_path / "out" / "suggested_edits.jsonl")
    assert [edit.action for edit in suggested] == ["relabel", *["exclude"] * 5]
    rows = pandas.read_csv(tmp_path / "out" / "clean.csv", dtype=str, keep_default_na=False).set_index("path")
    assert rows.loc["green/5.png", "label"] == "red" and rows.loc["blue/7.png", "group"] == "7"


def test_a_group_decided_by_hand_stands_above_a_pattern(data, tmp_path):
    file = tmp_path / "edits.jsonl"
    file.write_text(json.dumps({"path": "blue/1.png", "action": "regroup", "value": "mine"}) + "\n")
    assert look(data, *SMALL, "--edits", file, "--group-pattern", r"(\d+)\.", "--out", tmp_path / "out") == 0
    rows = pandas.read_csv(tmp_path / "out" / "manifest.csv", dtype=str, keep_default_na=False).set_index("path")
    assert rows.loc["blue/1.png", "group"] == "mine" and rows.loc["green/1.png", "group"] == "1"


def test_a_zip_is_cleaned_by_edits_alone(tmp_path):
    data, whole = spoilt(tmp_path / "data"), tmp_path / "set.zip"
    with zipfile.ZipFile(whole, "w") as archive:
        for path in sorted(data.rglob("*.png")):
            archive.write(path, path.relative_to(data))
    assert look(whole, *SMALL, "--out", tmp_path / "out", "--cache-dir", tmp_path / "store") == 0
    page = (tmp_path / "out" / "check.html").read_text("utf-8")
    assert "--edits" in page and "finetune " + str(tmp_path / "out" / "clean.csv") not in page


def broken(folder):
    for kind in ("a", "b"):
        (folder / kind).mkdir(parents=True)
        (folder / kind / "0.png").write_bytes(b"")
    return folder


def not_a_zip(path):
    path.with_suffix(".zip").write_bytes(b"PK\3\4 no more")
    return path.with_suffix(".zip")


@pytest.mark.parametrize("make, code, words", [
    (lambda path: path, 3, "does not exist"), (broken, 3, "none is left"), (not_a_zip, 6, "damaged or no zip"),
    (lambda path: runs.draw(path, {"one": 3}), 3, "only one class")])
def test_A4_A5_I1_what_cannot_be_looked_at_at_all_is_told_in_the_folder_too(tmp_path, capsys, make, code, words):
    assert look(make(tmp_path / "data"), *SMALL, "--out", tmp_path / "out") == code
    runs.refused(capsys, words)
    (fault,) = found(tmp_path / "out", "refused")
    status = runs.read(tmp_path / "out" / "status.json")
    assert words in fault["sentence"] and words in status["message"] and status["state"] == "failed"
    assert words in (tmp_path / "out" / "check.html").read_text("utf-8").replace("&#39;", "'")


@pytest.mark.parametrize("arguments, words", [
    ((), "DATA is missing"), (("x", "--out", "a", "--run-dir", "b"), "leave one out"), (("x", "--sise", 3), "--size"),
    (("x", "--validation", 0.5, "--test", 0.5), "less than a fifth"), (("x", "--depth", "deep"), "--depth 'deep'")])
def test_B2_wrong_options_leave_nothing(tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert look(*arguments) == 2
    runs.refused(capsys, words)
    assert list(tmp_path.iterdir()) == []


def test_E8_a_folder_that_holds_anything_is_left_alone(data, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine")
    assert look(data, "--out", tmp_path) == 2
    runs.refused(capsys, "already holds other files")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_I4_hostile_names_are_plain_text_on_the_screen(tmp_path, capsys):
    names = ["-Zellen 😀", "\x1b[31mred\u202e\nnl", "x" * 200]
    data = tmp_path / "data"
    for kind, name in enumerate(names):
        (data / name).mkdir(parents=True)
        for number in range(6):
            Image.fromarray(runs.picture(kind, 100 * kind + number)).save(data / name / f"{number}.png")
    assert look(data, *SMALL, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "\u202e" not in said and "x" * 40 not in said and "\\x1b[31mred\\u202e\\nnl" in said
    assert set(runs.read(tmp_path / "out" / "doctor.json")["counts"]["train"]) == set(names)


def test_a_check_that_is_asked_to_stop_stops(data, tmp_path, monkeypatch):
    monkeypatch.setattr(Run, "stop_requested", lambda run: run.manifest.parent.joinpath("events.jsonl").exists())
    assert look(data, *SMALL, "--out", tmp_path / "out") == 0
    assert runs.read(tmp_path / "out" / "run.json")["state"] == "stopped"
    assert not (tmp_path / "out" / "manifest.csv").exists()


def test_a_given_split_and_further_test_data_are_shown_as_they_are(data, tmp_path, capsys):
    other = runs.draw(tmp_path / "other", dict.fromkeys(runs.CLASSES, 4), ".bmp")
    for path in other.rglob("*.bmp"):
        Image.fromarray(np.flipud(np.asarray(Image.open(path)))).save(path)
    assert look(data, *SMALL, "--test-data", other, "--out", tmp_path / "out") == 0
    counts = runs.read(tmp_path / "out" / "doctor.json")["counts"]
    assert counts["test"] == dict.fromkeys(runs.CLASSES, 4) and sum(counts["validation"].values()) > 0
    assert "The split is the one given with the data." in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [("pictues",), ("sample:cels",), ("sample:cells", "--test-data", "pictues")])
def test_A4_what_is_not_there_leaves_no_folder(tmp_path, capsys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pictures").mkdir()
    assert errors.guarded(check.main, list(arguments)) == 3
    assert "id you mean" in capsys.readouterr().err and [one.name for one in tmp_path.iterdir()] == ["pictures"]
