"""Splits that leak: what belongs together stands on one side, and the run says what it moved."""

import signal

import numpy as np
import pytest

from tests.acceptance import runs
from tests.acceptance.test_whole_interruption import signalled_at
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
    assert "blue/0.png to test" in runs.told(folder) and "none of 45 stands in more than one part" in runs.told(folder)
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
    assert "2 of 45 stand in more than one part, as in the split that came with" in runs.told(tmp_path / "kept")
    assert told in runs.told(tmp_path / "kept") and told in (tmp_path / "kept" / "model_card.md").read_text("utf-8")
    assert runs.tune(given[0], "--root", given[1], *fast, "--strict", "--run-dir", tmp_path / "strict") == 3
    runs.refused(capsys, "3 groups of one patient or picture on both sides", "blue/0.png = blue/15.png")
    assert runs.tune(given[0], "--strict", "--keep-split", "--run-dir", tmp_path / "both") == 2
    runs.refused(capsys, "--keep-split", "--strict", "exclude each other")
    assert not (tmp_path / "both").exists()


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Class folders in which six pictures of each class stand twice, the second time with less light."""
    root = runs.draw(tmp_path_factory.mktemp("scenes") / "pictures", dict.fromkeys(runs.CLASSES, 16))
    for path in [root / name / f"{i}.png" for name in runs.CLASSES for i in range(6)]:
        runs.Image.fromarray((np.asarray(runs.Image.open(path)) * 0.85).astype(np.uint8)).save(
            path.with_name(f"{path.stem} darker.png"))
    return root


def test_E1_A9_a_run_that_goes_on_parts_no_scene_and_splits_as_it_did(scenes, tmp_path, capsys, monkeypatch, fast):
    folder, store = tmp_path / "run", tmp_path / "store"
    signalled_at(monkeypatch, signal.SIGINT, "Looking at")
    assert runs.tune(scenes, *fast, "--cache-dir", store, "--run-dir", folder) == 130
    before = by_path(folder)
    assert all(before[f"{name}/{i}.png"] == before[f"{name}/{i} darker.png"]
               for name in runs.CLASSES for i in range(6))
    runs.shutil.rmtree(store)               # what is near must be found again
    assert runs.tune("--resume", "--run-dir", folder) == 0
    assert by_path(folder) == before and capsys.readouterr().out.count("Laying pictures that are alike") == 2
    near = [one for one in runs.read(folder / "doctor.json")["findings"] if one["check"] == "near duplicates"]
    assert len(near[0]["bundles"]) == 18 and "test_without_copies" not in runs.read(folder / "metrics.json")


def test_A9_nobody_looks_for_near_duplicates_that_are_to_be_ignored(scenes, tmp_path, capsys, fast):
    folder = tmp_path / "run"
    assert runs.tune(scenes, *fast, "--near-duplicates", "ignore", "--run-dir", folder) == 0
    assert "Laying pictures" not in capsys.readouterr().out
    assert '"near"' not in (folder / "events.jsonl").read_text("utf-8")
    assert not [one for one in runs.read(folder / "doctor.json")["findings"] if "near duplicates" in one["check"]]
    parts = by_path(folder)
    assert any(parts[f"{name}/{i}.png"] != parts[f"{name}/{i} darker.png"] for name in runs.CLASSES for i in range(6))
    assert "test_without_copies" not in runs.read(folder / "metrics.json")
