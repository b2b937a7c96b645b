"""Data of every task are read, checked and summed up by a check; training refuses what is not one class a picture."""

import csv
import html

import numpy as np
import pandas
import pytest
from PIL import Image

from tests.acceptance import runs
from tests.test_check import found, look
from toolkit import errors, estimate, finetune

COUNT = 48
SMALL = ("--size", 32, "--no-features")


def table(folder, header, row, name="table.csv", count=COUNT):
    """A table of noisy pictures, with row(number) behind each path."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    with open(folder / name, "w", newline="") as file:
        csv.writer(file).writerows([("path", *header), *((f"{n}.png", *row(n)) for n in range(count))])
    return folder / name


def several(folder):
    return table(folder, ("patient", "oedema", "nodule"), lambda n: (n // 2, n % 2, int(n % 3 == 0))), (
        "--label-column", "oedema,nodule", "--group-column", "patient")


def joined(folder):
    return table(folder, ("label",), lambda n: ("|".join(["oedema"] * (n % 2) + ["nodule"] * (n % 3 == 0)),)), (
        "--label-delimiter", "|")


def amounts(folder):
    return table(folder, ("age",), lambda n: (f"{20 + 1.5 * n:.1f}",)), ("--label-column", "age")


def grades(folder):
    names = ("low", "medium", "high")
    return table(folder, ("label",), lambda n: (names[n % 3],)), ("--label-order", ",".join(names))


TASKS = {"multi-label": several, "multi-label by delimiter": joined, "regression": amounts, "ordinal": grades}


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
def test_a_table_of_any_task_is_summed_up(tmp_path, make, capsys):
    data, options = make(tmp_path / "data")
    assert look(data, *SMALL, *options, "--out", tmp_path / "out") == 0
    doctor, said = runs.read(tmp_path / "out" / "doctor.json"), capsys.readouterr().out
    summary = doctor["summary"]
    assert doctor["task"] == summary["task"] and summary["pictures"] == COUNT and doctor["task"] in said
    assert all(line in said for line in summary["lines"]) and all(len(row) == len(summary["columns"])
                                                                  for row in summary["rows"])
    rows = pandas.read_csv(tmp_path / "out" / "manifest.csv", keep_default_na=False, dtype=str)
    assert rows["split"].value_counts()["train"] in range(30, 38) and set(rows["split"]) == {
        "train", "validation", "test"}
    said = {finding["check"] for finding in doctor["findings"]}
    assert not said - {"reading", "no label", "few pictures", "shortcut"}
    page = html.unescape((tmp_path / "out" / "check.html").read_text())
    assert f"{COUNT} pictures for {doctor['task']}" in page and summary["lines"][0].split(":")[0] in page
    if "--group-column" in options:
        assert rows.groupby("group")["split"].nunique().max() == 1
    wanted = {"multi-label": {"labels": {"oedema": 24, "nodule": 16}}, "ordinal": {"grades": dict.fromkeys(
        ("low", "medium", "high"), 16)}, "regression": {"targets": {"min": 20.0, "q1": 37.625, "median": 55.25,
                                                                    "q3": 72.875, "max": 90.5}}}
    assert {key: summary[key] for key in wanted[doctor["task"]]} == wanted[doctor["task"]]


def test_the_same_labels_in_columns_and_by_a_delimiter_are_one(tmp_path):
    counts = []
    for name, make in (("columns", several), ("delimiter", joined)):
        data, options = make(tmp_path / name)
        assert look(data, *SMALL, *options, "--out", tmp_path / name / "out") == 0
        counts.append(runs.read(tmp_path / name / "out" / "doctor.json")["summary"]["labels"])
    assert counts[0] == counts[1]
    data, _ = several(tmp_path / "again")
    assert look(data, *SMALL, "--label-column", "oedema", "--label-column=nodule", "--out", tmp_path / "more") == 0
    assert runs.read(tmp_path / "more" / "doctor.json")["summary"]["labels"] == counts[0]


def test_a_picture_with_two_targets_is_a_conflict(tmp_path):
    data, options = amounts(tmp_path / "data")
    (tmp_path / "data" / "9.png").write_bytes((tmp_path / "data" / "30.png").read_bytes())
    assert look(data, *SMALL, *options, "--out", tmp_path / "out") == 0
    (conflict,) = found(tmp_path / "out", "label conflicts")
    assert conflict["pictures"] == ["9.png", "30.png"] and "different targets" in conflict["sentence"]


COMMANDS = {"finetune": finetune.main, "estimate": estimate.main}


@pytest.mark.parametrize("make", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("command", ["finetune", "estimate"])
def test_training_refuses_before_any_picture_is_opened(tmp_path, capsys, monkeypatch, make, command):
    from toolkit.pixels import decode

    data, options = make(tmp_path / "data")
    monkeypatch.setattr(decode, "decode", lambda *_: pytest.fail("a picture was decoded"))
    monkeypatch.chdir(tmp_path)
    network = ("--backbone", "cifar_resnet20", "--weights", "none", "--size", "32")
    assert errors.guarded(COMMANDS[command], [str(data), *options, *network]) == 3
    runs.refused(capsys, "training on that comes later", "python -m toolkit.check")
    assert not (tmp_path / "runs").exists()


def test_numbers_are_never_silently_amounts(tmp_path, capsys):
    data, options = amounts(tmp_path / "data")
    assert look(data, *SMALL, *options, "--out", tmp_path / "out") == 0
    (note,) = found(tmp_path / "out", "reading")
    assert "48 different numbers for 48 pictures: taken as amounts" in note["sentence"]
    assert "--task classification" in note["sentence"]
    assert look(data, *SMALL, *options, "--task", "classification", "--out", tmp_path / "classes") == 3
    data = table(tmp_path / "few", ("label",), lambda n: (n % 4,))
    assert look(data, *SMALL, "--out", tmp_path / "four") == 0
    assert runs.read(tmp_path / "four" / "doctor.json")["task"] == "classification" and not found(
        tmp_path / "four", "reading")


@pytest.mark.parametrize("arguments, code, words", [
    (("--label-column", "oedema,nodul"), 3, "no column 'nodul' for the label"),
    (("--label-column", "patient,nodule"), 3, "with neither 0 nor 1 in column 'patient'"),
    (("--label-column", "oedema", "--task", "multi-label"), 2, "--task multi-label wants several columns"),
    (("--label-column", "oedema,nodule", "--task", "regression"), 2, "Several labels a picture are multi-label"),
    (("--label-column", "oedema,nodule", "--label-delimiter", ";"), 2, "leave it out"),
    (("--label-column", "path", "--task", "regression"), 3, "one column cannot be two"),
    (("--label-column", "text", "--task", "regression"), 3, "48 labels that are no numbers"),
    (("--label-column", "text", "--task", "ordinal"), 3, "say their order"),
    (("--label-column", "text", "--label-order", "a,c"), 3, "1 grade that --label-order does not have: 'b'"),
    (("--label-column", "text", "--label-order", "a,b", "--task", "regression"), 2, "--label-order is for"),
    (("--label-column", "one", "--task", "regression"), 3, "all targets are the same number"),
    (("--label-column", "text", "--task", "regresion"), 2, "did you mean regression")])
def test_what_does_not_fit_is_said(tmp_path, capsys, arguments, code, words):
    data = table(tmp_path / "data", ("patient", "oedema", "nodule", "text", "one"),
                 lambda n: (n // 2 + 2, n % 2, int(n % 3 == 0), "ab"[n % 2], 7))
    assert look(data, *SMALL, *arguments, "--out", tmp_path / "out") == code
    runs.refused(capsys, words)


def test_class_folders_can_be_grades_and_boxes_cannot(tmp_path, shared, capsys):
    data = runs.draw(tmp_path / "data", dict.fromkeys(("low", "medium", "high"), 6))
    assert look(data, *SMALL, "--label-order", "low,medium,high", "--out", tmp_path / "out") == 0
    rows = runs.read(tmp_path / "out" / "doctor.json")["summary"]["rows"]
    assert [row[0] for row in rows] == ["low", "medium", "high"]
    assert look(shared / "data" / "bccd", "--task", "ordinal", "--out", tmp_path / "boxes") == 2
    runs.refused(capsys, "Pascal VOC for detection")


def test_bccd_is_read_checked_and_summed_up(tmp_path, shared, capsys):
    assert look(shared / "data" / "bccd", *SMALL, "--out", tmp_path / "out") == 0
    doctor, said = runs.read(tmp_path / "out" / "doctor.json"), capsys.readouterr().out
    assert doctor["summary"]["boxes"] == {"RBC": 2301, "WBC": 203, "Platelets": 194}
    assert doctor["summary"]["rows"][-1][1:5] == [112, 44, 44, 200]
    assert not [one for one in doctor["findings"] if "box" in one["check"] or one["severity"] != "note"]
    assert "2698 boxes of 3 classes in 200 pictures; 0 without any box." in said


def test_nuclei_are_read_checked_and_summed_up(tmp_path, shared):
    assert look(shared / "data" / "nuclei", *SMALL, "--out", tmp_path / "out") == 0
    doctor = runs.read(tmp_path / "out" / "doctor.json")
    summary = doctor["summary"]
    assert (summary["instances"], summary["with_mask"], summary["meaning"]) == (4378, 92, "instances")
    index = pandas.read_csv(shared / "data" / "nuclei" / "index.csv")
    assert summary["instances_a_picture"] == {"min": index["nuclei"].min(), "max": index["nuclei"].max(), **{
        name: index["nuclei"].quantile(share) for name, share in (("q1", .25), ("median", .5), ("q3", .75))}}
    assert [row[1] for row in summary["rows"]] == [*index["split"].value_counts()[["train", "val", "test"]], 92]
    assert not [one for one in doctor["findings"] if "mask" in one["check"] or "instance" in one["check"]]


def test_pictures_and_masks_of_two_folders_deep(tmp_path, shared):
    assert look(shared / "data" / "busi", *SMALL, "--out", tmp_path / "out") == 0
    doctor = runs.read(tmp_path / "out" / "doctor.json")
    assert doctor["summary"]["with_mask"] == 647 and doctor["summary"]["pictures"] == 780
    assert {one["check"] for one in doctor["findings"] if "mask" in one["check"]} == {"no mask"}
    assert len(found(tmp_path / "out", "no mask")[0]["pictures"]) == 133
    (conflict,) = found(tmp_path / "out", "label conflicts")
    assert {path.split("/")[-1] for path in conflict["pictures"]} == {"benign (433).jpg", "malignant (145).jpg"}


def test_edits_of_amounts_are_amounts(tmp_path, capsys):
    data, options = amounts(tmp_path / "data")
    edits = tmp_path / "edits.jsonl"
    edits.write_text('{"path": "3.png", "action": "relabel", "value": "old"}\n')
    assert look(data, *SMALL, *options, "--edits", edits, "--out", tmp_path / "out") == 3
    runs.refused(capsys, "give the target 'old', which is no number")
    edits.write_text('{"path": "3.png", "action": "relabel", "value": "33"}\n')
    assert look(data, *SMALL, *options, "--edits", edits, "--out", tmp_path / "more") == 0
