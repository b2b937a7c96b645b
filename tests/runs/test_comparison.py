"""Runs beside each other: options that differ, and differences on the same test pictures only."""

import json
import shutil

import numpy as np
import pytest

from tests.apps import make_runs
from toolkit.evaluation import comparison as statistics
from toolkit.evaluation import metrics
from toolkit.runs import comparison, listing


@pytest.fixture(autouse=True)
def fewer(monkeypatch):
    monkeypatch.setattr(comparison, "RESAMPLES", 200)


def rewritten(folder, file, old, new):
    path = folder / file
    text = path.read_text("utf-8-sig")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_F4_the_same_test_pictures_are_compared_with_an_interval(tmp_path):
    one, two = (make_runs.finished(tmp_path, f"run-{n}", n=120, seed=n) for n in (1, 2))
    found = comparison.difference(two, one)
    assert found.reason == "" and found.pictures == 24
    for name in ("roc_auc", "balanced_accuracy"):
        first, second = (json.loads((run / "metrics.json").read_text())["test"][name]["value"] for run in (one, two))
        score = found.scores[name]
        assert score["value"] == pytest.approx(second - first) and score["low"] <= score["value"] <= score["high"]


def test_F4_the_difference_is_that_of_the_arrays_themselves(tmp_path):
    one, two = (make_runs.finished(tmp_path, f"run-{n}", n=120, seed=n) for n in (1, 2))
    table = make_runs.rows(120)
    rows = [i for i, row in enumerate(table) if row["split"] == "test"]
    truth = np.array([make_runs.CLASSES.index(table[i]["label"]) for i in rows])
    first, second = (make_runs.answers(table, make_runs.CLASSES, seed)[rows] for seed in (1, 2))
    wanted = statistics.difference(truth, second, first, "balanced_accuracy",
                                   np.array([table[i]["group"] for i in rows]), 200)
    got = comparison.difference(two, one).scores["balanced_accuracy"]
    assert got["value"] == pytest.approx(wanted["value"])
    assert (got["high"] - got["low"]) == pytest.approx(wanted["high"] - wanted["low"], rel=0.5)
    assert wanted["value"] == pytest.approx(metrics.balanced_accuracy(truth, second) - metrics.balanced_accuracy(
        truth, first))


def test_F4_a_run_does_not_differ_from_itself(tmp_path):
    one = make_runs.finished(tmp_path, "one", n=120)
    for score in comparison.difference(one, one).scores.values():
        assert (score["value"], score["low"], score["high"]) == (0, 0, 0)


def test_F4_the_order_of_pictures_and_classes_does_not_matter(tmp_path):
    one = make_runs.finished(tmp_path, "one", n=120)
    two = shutil.copytree(one, tmp_path / "two")
    lines = (two / "predictions.csv").read_text().splitlines()
    moved = [line.split(",") for line in (lines[0], *lines[:0:-1])]
    (two / "predictions.csv").write_text("".join(",".join([*row[:4], row[6], row[4], row[5]]) + "\n" for row in moved))
    measured = json.loads((two / "metrics.json").read_text())
    (two / "metrics.json").write_text(json.dumps(measured | {"classes": ["c", "a", "b"]}))
    for score in comparison.difference(two, one).scores.values():
        assert (score["value"], score["low"], score["high"]) == (0, 0, 0)


def test_F4_other_test_pictures_are_not_comparable(tmp_path):
    one = make_runs.finished(tmp_path, "one")
    for name, more in (("two", {"pictures": 1}), ("three", {"n": 80})):
        found = comparison.difference(make_runs.finished(tmp_path, name, **more), one)
        assert found.scores == {} and found.reason == "not comparable: the test pictures differ"


def test_F4_other_labels_are_not_comparable(tmp_path):
    one = make_runs.finished(tmp_path, "one")
    two = make_runs.finished(tmp_path, "two", classes=("a", "b", "d"))
    assert comparison.difference(two, one).reason == "not comparable: the labels of the test pictures differ"


def test_F4_what_is_missing_or_damaged_is_not_comparable(tmp_path):
    one = make_runs.finished(tmp_path, "one")
    assert comparison.difference(make_runs.stopped(tmp_path, "two"), one).reason.endswith("no scores")
    for number, how in enumerate(("predictions.csv has odd numbers", "manifest.csv is missing", "manifest.csv is cut",
                                  "metrics.json has wrong types", "predictions.csv is binary")):
        found = comparison.difference(make_runs.damaged(tmp_path, f"odd-{number}", how), one)
        assert found.scores == {} and found.reason.startswith("not comparable: "), how
    three = make_runs.finished(tmp_path, "three")
    rewritten(three, "manifest.csv", "sha256", "sha")
    assert "manifest.csv" in comparison.difference(three, one).reason


def test_a_difference_is_taken_anew_when_a_file_has_changed(tmp_path):
    one, two = (make_runs.finished(tmp_path, f"run-{n}", n=120, seed=n) for n in (1, 2))
    first = comparison.difference(two, one)
    shutil.copy(one / "predictions.csv", two / "predictions.csv")
    assert comparison.difference(two, one) != first


def test_only_options_that_differ_are_told(tmp_path):
    make_runs.finished(tmp_path, "one", options={"epochs": 3, "rates": None})
    make_runs.finished(tmp_path, "two", options={"epochs": 5, "cache_dir": "/elsewhere", "new": 1})
    found = comparison.options([listing.entry(tmp_path, name) for name in ("one", "two")])
    assert found == {"epochs": (3, 5), "new": (None, 1)}
    make_runs.damaged(tmp_path, "three", "run.json is cut")
    found = comparison.options([listing.entry(tmp_path, name) for name in ("one", "three")])
    assert found["epochs"] == (3, None)


def test_options_that_are_not_the_defaults(tmp_path):
    usual = {"epochs": None, "seed": 0, "data": "", "run_dir": None}
    chosen = {"epochs": 3, "seed": 0, "data": "/data", "run_dir": "/runs/one", "unknown": 1}
    assert comparison.changed(chosen, usual) == {"epochs": 3} and comparison.changed(None, usual) == {}
