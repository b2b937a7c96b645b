"""The runs of a folder, each in a line."""

import json
import os
import time
from datetime import datetime, timezone

import pytest

from tests.apps import make_runs
from toolkit.files import write_atomic
from toolkit.runs import folders, launch, listing


def changed(folder, file, **values):
    path = folder / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_a_run_in_a_line(tmp_path):
    make_runs.finished(tmp_path, "one", data="/data/cells/")
    found = listing.entry(tmp_path, "one")
    measured = json.loads((tmp_path / "one" / "metrics.json").read_text())["test"]["roc_auc"]
    assert (found.id, found.command, found.data, found.chosen) == ("one", "finetune", "cells", "layer4")
    assert found.scores["roc_auc"] == measured and found.seconds == 110.4
    assert found.started.tzinfo and found.options["backbone"] == "resnet50" and found.state.name == "finished"


@pytest.mark.parametrize("data, shown", [
    ("sample:cells", "cells"), ("/a/b/", "b"), ("C:\\pictures\\tiles", "tiles"), ("x", "x"), ("", ""), (3, ""),
    ("/a/\x1b[31mred", "\\x1b[31mred")])
def test_data_are_named_by_the_last_part(data, shown):
    assert listing.short(data) == shown


def test_H7_the_newest_run_is_first_whoever_started_it(tmp_path):
    for day in (3, 1, 2):
        make_runs.finished(tmp_path, f"run-{day}", times={"started": f"2026-03-0{day}T10:00:00+00:00"})
    with make_runs.running(tmp_path, "at work") as live:
        assert [run.id for run in listing.runs(tmp_path)] == ["at work", "run-3", "run-2", "run-1"]
        assert listing.runs(tmp_path)[0].state.name == "running"
        live.tell("tune", 0.9, 3.0, "Tuning.")
        assert listing.runs(tmp_path)[0].state.progress == 0.9


def test_folders_that_are_no_runs_are_not_listed(tmp_path):
    make_runs.finished(tmp_path, "one")
    (tmp_path / "empty").mkdir()
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "a.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "one")
    (tmp_path / "note.txt").touch()
    folders.own(tmp_path, "trash")
    assert [run.id for run in listing.runs(tmp_path)] == ["one"]


def test_a_damaged_run_is_listed_and_hides_no_other(tmp_path):
    make_runs.finished(tmp_path, "one")
    make_runs.damaged(tmp_path, "two", "run.json is cut")
    assert {run.id: run.state.name for run in listing.runs(tmp_path)} == {"one": "finished", "two": "damaged"}
    assert listing.entry(tmp_path, "two").scores is None


def test_only_runs_of_the_commands_wanted(tmp_path):
    make_runs.finished(tmp_path, "one")
    make_runs.finished(tmp_path, "look", command="check")
    make_runs.finished(tmp_path, "measured", command="evaluate")
    assert {run.id for run in listing.runs(tmp_path)} == {"one", "measured"}
    assert {run.id for run in listing.runs(tmp_path, ("check",))} == {"look"}


def test_what_was_started_is_there_before_its_folder(tmp_path):
    home = folders.own(tmp_path, "starts")
    write_atomic(home / "runs-new.json", json.dumps({"module": "finetune", "data": "/data/cells", "began": time.time(),
                                                     "time": "2026-03-01T10:00:00+00:00", "command": ["finetune"]}))
    with folders.alone(home / "runs-new.lock"):
        found = listing.entry(tmp_path, "new")
        assert (found.state.name, found.data, found.command) == ("starting", "cells", "finetune")
        assert [run.id for run in listing.runs(tmp_path)] == ["new"]
        (tmp_path / "new").mkdir()  # the run has made its folder, and no more yet
        assert listing.entry(tmp_path, "new").state.name == "starting"
    (home / "runs-new.log").write_text("Reading.\nerror: /data/cells does not exist; check its name.\n")
    found = listing.entry(tmp_path, "new")
    assert (found.state.name, found.state.message) == ("failed", "/data/cells does not exist; check its name.")
    assert listing.runs(tmp_path)[0].state.name == "failed"


def test_a_start_that_left_no_word_was_ended_from_outside(tmp_path):
    write_atomic(folders.own(tmp_path, "starts") / "runs-new.json", "{}")
    found = listing.entry(tmp_path, "new")
    assert found.state.name == "failed" and "out of memory" in found.state.message


@pytest.mark.parametrize("value", ["yesterday", 5, None, [], "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-12:00",
                                   "2026-03-01T10:00:00"])
def test_E10_a_time_that_is_none_is_left_out(tmp_path, value):
    folder = make_runs.finished(tmp_path, "one", times={"started": value, "seconds": -5})
    found = listing.entry(tmp_path, "one")
    assert found.started is None and listing.runs(tmp_path)[0].id == "one"
    (folder / "status.json").unlink()
    assert listing.entry(tmp_path, "one").seconds is None


def test_times_are_moments_whatever_their_zone(tmp_path):
    assert listing.moment("2026-03-01T12:00:00+02:00") == datetime(2026, 3, 1, 10, tzinfo=timezone.utc)


def test_scores_are_read_anew_when_they_change(tmp_path):
    folder = make_runs.finished(tmp_path, "one")
    assert listing.entry(tmp_path, "one").chosen == "layer4"
    changed(folder, "metrics.json", chosen="probe")
    assert listing.entry(tmp_path, "one").chosen == "probe"
    (folder / "metrics.json").unlink()
    found = listing.entry(tmp_path, "one")
    assert found.scores == {} and found.chosen == "" and found.state.name == "finished"


def test_I9_scores_of_wrong_types_are_none(tmp_path):
    folder = make_runs.finished(tmp_path, "one")
    changed(folder, "metrics.json", chosen=["x"], test={"n": 3, "roc_auc": {"value": "high", "low": [], "high": None},
                                                        "accuracy": 7, "ece": {"value": float("nan")}})
    found = listing.entry(tmp_path, "one")
    assert found.scores == {name: {"value": None, "low": None, "high": None} for name in ("roc_auc", "ece")}
    assert found.chosen == ""


def test_H2_an_unknown_run_is_none(tmp_path):
    assert listing.entry(tmp_path, "nothing") is None and launch.record(tmp_path, "runs", "nothing") is None


def test_five_hundred_runs_are_listed_in_half_a_second(tmp_path):
    one = make_runs.finished(tmp_path / "made", "one", n=20)
    names = ("run.json", "status.json", "metrics.json", "lock")
    for number in range(480):
        folder = tmp_path / "runs" / f"run-{number:03}"
        folder.mkdir(parents=True)
        [os.link(one / name, folder / name) for name in names]
    for number, how in enumerate(list(make_runs.DAMAGES)[:20]):
        make_runs.damaged(tmp_path / "runs", f"damaged-{number:02}", how)
    listing.runs(tmp_path / "runs")
    took = []
    for _ in range(3):
        began = time.perf_counter()
        found = listing.runs(tmp_path / "runs")
        took.append(time.perf_counter() - began)
    make_runs.readable(tmp_path)
    assert len(found) == 500 and min(took) < 0.5
