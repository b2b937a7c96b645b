"""Splits that leak: what belongs together stands on one side, and the run says what it moved."""

import pytest

from tests.acceptance import runs
from toolkit import check, errors


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A table with a split: an exact copy and a patient on both sides, and a patient in train and validation."""
    place = tmp_path_factory.mktemp("given")
    root = runs.draw(place / "pictures", dict.fromkeys(runs.CLASSES, 16))
    (root / "blue" / "15.png").write_bytes((root / "blue" / "0.png").read_bytes())
    rows = [[f"{name}/{i}.png", name, "train" if i < 9 else "val" if i < 12 else "test", f"{name} {i}"]
            for name in runs.CLASSES for i in range(16)]
    for row in rows:
        if row[0] in ("green/1.png", "green/14.png", "red/2.png"):
            row[3] = "one patient"
        if row[0] in ("red/3.png", "red/10.png"):
            row[3] = "another"
    return runs.table(place / "table.csv", rows, ("path", "label", "split", "group")), root


def by_path(folder):
    return {row["path"]: row["split"] for row in runs.rows(folder / "manifest.csv")}


def test_A9_A10_what_leaks_in_a_given_split_is_moved_and_said(given, tmp_path, capsys, fast):
    folder = tmp_path / "run"
    assert runs.tune(given[0], "--root", given[1], *fast, "--run-dir", folder) == 0
    said, parts = capsys.readouterr().out, by_path(folder)
    moved = {"blue/0.png": "test", "green/1.png": "test", "red/2.png": "test", "red/3.png": "validation"}
    assert {path: part for path, part in parts.items() if path in moved} == moved
    assert sum(part == "train" for part in parts.values()) == 27 - 4
    assert "The split is the one given with the data, but for 4 pictures that leaked and moved." in said
    assert "1 picture moved: 1 from train to test; such as blue/0.png to test, for blue/15.png." in said
    assert "3 pictures moved: 2 from train to test, 1 from train to validation" in said
    doctor = runs.read(folder / "doctor.json")
    assert sorted(map(tuple, doctor["moved"])) == [(path, "train", moved[path]) for path in sorted(moved)]
    assert {one["check"] for one in doctor["findings"]} >= {"pictures across splits", "groups across splits"}
    measured = runs.read(folder / "metrics.json")
    assert measured["test"]["n"] == 15 and "test_without_copies" not in measured
    assert "blue/0.png to test" in runs.told(folder)
    assert runs.tune("--resume", "--run-dir", folder) == 0          # the same split, found again


def test_A9_A10_a_look_says_the_same(given, tmp_path, capsys):
    assert errors.guarded(check.main, [str(given[0]), "--root", str(given[1]), "--no-features", "--out",
                                       str(tmp_path / "look")]) == 0
    assert "but for 4 pictures that leaked and moved." in capsys.readouterr().out
    assert "but for 4 pictures that leaked and moved." in (tmp_path / "look" / "check.html").read_text("utf-8")
    assert by_path(tmp_path / "look")["blue/0.png"] == "test"


def test_A9_A10_a_given_split_can_be_kept_or_refused(given, tmp_path, capsys, fast):
    assert runs.tune(given[0], "--root", given[1], *fast, "--keep-split", "--run-dir", tmp_path / "kept") == 0
    said, parts = capsys.readouterr().out, by_path(tmp_path / "kept")
    assert sum(part == "train" for part in parts.values()) == 27
    assert "1 picture in more than one of train" in said and "better than the truth" in said and "moved" not in said
    clean = runs.read(tmp_path / "kept" / "metrics.json")["test_without_copies"]
    assert clean["n"] == 10 and clean["roc_auc"]["low"] is not None
    known = "share a copy, a near copy or a group with training or validation; on the other 10"
    assert f"2 of these 12 {known}: AUC" in said
    told = f"2 of the 12 pictures that were measured {known} ROC AUC"
    assert told in runs.told(tmp_path / "kept") and told in (tmp_path / "kept" / "model_card.md").read_text("utf-8")
    assert runs.tune(given[0], "--root", given[1], *fast, "--strict", "--run-dir", tmp_path / "strict") == 3
    runs.refused(capsys, "3 groups of one patient or picture on both sides", "blue/0.png = blue/15.png")
    assert runs.tune(given[0], "--strict", "--keep-split", "--run-dir", tmp_path / "both") == 2
    runs.refused(capsys, "--keep-split", "--strict", "exclude each other")
    assert not (tmp_path / "both").exists()
