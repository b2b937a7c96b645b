"""Thresholds that a person chose, kept with a run."""

import json

import pytest

from tests.apps import make_runs
from toolkit.errors import OptionError, UntrustedError
from toolkit.runs import thresholds

CLASSES = make_runs.CLASSES


@pytest.fixture
def run(tmp_path):
    return make_runs.finished(tmp_path, "one")


def test_what_is_kept_is_read_back(run):
    assert thresholds.read(run, CLASSES) == {}
    thresholds.keep(run, CLASSES, "b", 0.215, "validation", 0.95, 0.8, 0.02)
    found = thresholds.read(run, CLASSES)["b"]
    assert [found[name] for name in ("threshold", "part", "sensitivity", "specificity", "prevalence")] == [
        0.215, "validation", 0.95, 0.8, 0.02]
    assert found["time"].endswith("+00:00") and json.loads((run / "thresholds.json").read_text())["schema"] == 1


def test_each_class_has_its_own_and_the_last_word_stands(run):
    for name, value in (("a", 0.3), ("b", 0.4), ("a", 0.5)):
        thresholds.keep(run, CLASSES, name, value)
    assert {name: one["threshold"] for name, one in thresholds.read(run, CLASSES).items()} == {"a": 0.5, "b": 0.4}
    thresholds.keep(run, CLASSES, "a", None)
    assert set(thresholds.read(run, CLASSES)) == {"b"}


@pytest.mark.parametrize("given", [("q", 0.5), ("a", 1.5), ("a", -0.1), ("a", float("nan"))])
def test_what_is_no_threshold_is_refused(run, given):
    with pytest.raises(OptionError):
        thresholds.keep(run, CLASSES, *given)
    assert not (run / "thresholds.json").exists()


def test_a_run_at_work_is_left_alone(tmp_path):
    with make_runs.running(tmp_path, "live") as live:
        with pytest.raises(OptionError, match="still at work"):
            thresholds.keep(live.folder, CLASSES, "a", 0.5)


@pytest.mark.parametrize("text", ["", "[]", '{"schema": 2, "thresholds": {}}', '{"schema": 1, "thresholds": [1]}'])
def test_I9_a_damaged_file_is_told_and_can_be_replaced(run, text):
    (run / "thresholds.json").write_text(text)
    with pytest.raises(UntrustedError):
        thresholds.read(run, CLASSES)
    thresholds.keep(run, CLASSES, "a", 0.5)
    assert thresholds.read(run, CLASSES)["a"]["threshold"] == 0.5


def test_I9_odd_entries_are_left_out(run):
    (run / "thresholds.json").write_text(json.dumps({"schema": 1, "thresholds": {
        "a": {"threshold": "half"}, "b": 0.5, "c": {"threshold": 0.2, "part": ["x"], "sensitivity": 7}, "q": {}}}))
    assert thresholds.read(run, CLASSES) == {"c": {"threshold": 0.2, "part": "", "sensitivity": None,
                                                   "specificity": None, "prevalence": None, "time": ""}}


def test_I9_a_link_is_not_followed(run, tmp_path):
    (tmp_path / "outside.json").write_text('{"schema": 1, "thresholds": {"a": {"threshold": 0.5}}}')
    (run / "thresholds.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(UntrustedError):
        thresholds.read(run, CLASSES)
    thresholds.keep(run, CLASSES, "b", 0.25)
    assert "0.25" not in (tmp_path / "outside.json").read_text()
