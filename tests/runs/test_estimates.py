"""What a run will cost is estimated once for the same wish, one at a time, and read with suspicion."""

import os
import sys
import time

import pytest

from toolkit.files import to_json, write_atomic
from toolkit.runs import estimates, folders, launch

COST = {"seconds": 40.0, "low": 30.0, "high": 55.0, "memory": 1.4e9, "disk": 2e8, "further": 1}


@pytest.fixture
def lines(monkeypatch):
    """What was started; processes that sleep stand for it."""
    found, spawn = [], launch.spawn
    sleeper = [sys.executable, "-c", "import time; time.sleep(30)  # toolkit.estimate"]
    monkeypatch.setattr(launch, "spawn", lambda stem, line: (found.append(line[2:]), spawn(stem, sleeper)))
    return found


def gone(root, name):
    """Whether the process of an estimate ends within a moment."""
    until = time.monotonic() + 5
    while launch.alive(root, estimates.KIND, name) and time.monotonic() < until:
        time.sleep(0.02)
    return not launch.alive(root, estimates.KIND, name)


def written(root, name, **facts):
    folders.own(root, estimates.KIND)
    write_atomic(estimates.file(root, name), to_json({"presets": {"fast": COST}, "machine": {"busy": False}} | facts))


def test_another_wish_or_other_pictures_are_another_estimate():
    same = estimates.identity(["a", "--size", "64"], ["1", "2"])
    assert same == estimates.identity(["--size", "64", "a"], ["1", "2"])
    assert len({same, estimates.identity(["a"], ["1", "2"]), estimates.identity(["a", "--size", "64"], ["1"])}) == 3


def test_it_is_begun_comes_and_is_known(tmp_path, lines):
    assert estimates.of(tmp_path, "0" * 12).state == "none"
    estimates.begin(tmp_path, "0" * 12, ["sample:cells"])
    assert estimates.of(tmp_path, "0" * 12).state == "coming"
    assert lines == [["toolkit.estimate", "sample:cells", "--out", str(estimates.file(tmp_path, "0" * 12))]]
    written(tmp_path, "0" * 12)
    found = estimates.of(tmp_path, "0" * 12)
    assert found.state == "known" and found.costs["fast"].words == "about 40 s, 1.4 GB of memory"
    assert found.costs["fast"].more == "30 s to 55 s, 0.2 GB on the disk"
    launch.end(tmp_path, estimates.KIND, "0" * 12)


def test_begun_anew_it_is_coming_and_not_what_was_known(tmp_path, lines):
    written(tmp_path, "0" * 12, machine={"busy": True})
    assert estimates.of(tmp_path, "0" * 12).busy
    estimates.begin(tmp_path, "0" * 12, ["a"])
    assert estimates.of(tmp_path, "0" * 12).state == "coming"
    launch.end(tmp_path, estimates.KIND, "0" * 12)


def test_a_newer_one_takes_the_place_of_the_one_under_way(tmp_path, lines):
    estimates.begin(tmp_path, "0" * 12, ["a"])
    estimates.begin(tmp_path, "1" * 12, ["b"])
    assert gone(tmp_path, "0" * 12) and launch.alive(tmp_path, estimates.KIND, "1" * 12) and len(lines) == 2
    launch.end(tmp_path, estimates.KIND, "1" * 12)


def test_one_that_failed_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "spawn", lambda stem, line: open(f"{stem}.log", "w").write("x\nerror: no weights.\n"))
    estimates.begin(tmp_path, "0" * 12, ["a"])
    assert estimates.of(tmp_path, "0" * 12) == estimates.Estimate("failed", {}, {}, message="no weights.")


def test_what_is_kept_long_goes(tmp_path, lines):
    written(tmp_path, "2" * 12)
    old = time.time() - estimates.LASTS - 10
    os.utime(estimates.file(tmp_path, "2" * 12), (old, old))
    estimates.begin(tmp_path, "0" * 12, ["a"])
    assert not estimates.file(tmp_path, "2" * 12).exists()
    launch.end(tmp_path, estimates.KIND, "0" * 12)


@pytest.mark.parametrize("facts", [{"presets": {"fast": {**COST, "memory": "much"}}}, {"presets": {"fast": 3}},
                                   {"presets": [1]}, {"presets": {"best": {**COST, "low": None}}, "machine": 7}])
def test_I9_odd_costs_are_left_out(tmp_path, facts):
    written(tmp_path, "0" * 12, **facts)
    assert estimates.of(tmp_path, "0" * 12) == estimates.Estimate("known", {}, {})


def test_what_cannot_be_with_these_options_says_why(tmp_path):
    written(tmp_path, "0" * 12, refused={"fast": "--weights none", "other": "x"}, machine={"busy": True})
    found = estimates.of(tmp_path, "0" * 12)
    assert (found.refused, found.busy) == ({"fast": "--weights none"}, True)
