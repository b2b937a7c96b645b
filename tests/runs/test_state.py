"""What a run is doing, told from its files and its lock alone."""

import json
import os
import time

import pytest

from tests.apps import make_runs
from tests.runs import worker
from toolkit.files import to_json
from toolkit.runs import state


def test_every_state_of_a_run(tmp_path):
    assert state.of(make_runs.finished(tmp_path, "finished")).name == "finished"
    assert state.of(make_runs.failed(tmp_path, "failed")).name == "failed"
    assert state.of(make_runs.stopped(tmp_path, "stopped")).name == "stopped"
    assert state.of(make_runs.killed(tmp_path, "killed")).name == "killed"
    for made, name in ((make_runs.running, "running"), (make_runs.queued, "queued"), (make_runs.stopping, "stopping")):
        with made(tmp_path, name) as live:
            assert state.of(live.folder).name == name
        assert state.of(live.folder).name == "killed"


def test_what_is_told_of_a_run_at_work(tmp_path):
    with make_runs.running(tmp_path, "one", epochs=3) as live:
        found = state.of(live.folder)
    assert (found.phase, found.seconds_left, found.queued_as) == ("tune", 40.0, None)
    assert found.progress == pytest.approx(0.5) and 0 <= found.age < 5 and found.live and not found.resumable
    assert found.message == "Tuning layer4. epoch 3 of at most 12"


def test_a_finished_run_is_done_and_says_so(tmp_path):
    found = state.of(make_runs.finished(tmp_path, "one"))
    assert (found.message, found.progress, found.seconds_left) == ("done", 1.0, None)
    assert not found.live and not found.resumable


def test_a_failed_run_gives_its_reason(tmp_path):
    found = state.of(make_runs.failed(tmp_path, "one", "The disk is full."))
    assert found.message == "The disk is full." and found.resumable and found.seconds_left is None


def test_a_queued_run_tells_how_many_are_before_it(tmp_path):
    with make_runs.queued(tmp_path, "one", 2) as live:
        assert state.of(live.folder).queued_as == 2
        live.run.stop.touch()
        assert state.of(live.folder).name == "stopping"


def test_D4_a_process_that_was_killed_is_told_at_once(tmp_path):
    process = worker.begin(tmp_path / "one")
    assert state.of(tmp_path / "one").name == "running"
    process.kill()
    process.wait()
    found = state.of(tmp_path / "one")
    assert found.name == "killed" and "out of memory" in found.message and found.resumable
    assert found.phase == "tune" and found.progress == 0.5 and found.seconds_left is None


def test_D4_a_dead_child_that_nobody_has_waited_for_is_dead(tmp_path):
    process = worker.begin(tmp_path / "one")
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie: its number is still there
    os.kill(process.pid, 0)
    assert state.of(tmp_path / "one").name == "killed"
    process.wait()


def test_a_run_that_was_ended_by_force_says_so(tmp_path):
    folder = make_runs.killed(tmp_path, "one")
    (folder / "stop").write_text("forced\n")
    assert "by force" in state.of(folder).message and "memory" not in state.of(folder).message
    (folder / "stop").write_text("")
    assert "memory" in state.of(folder).message


def test_a_run_that_is_begun_and_has_no_folder_is_starting(tmp_path):
    assert state.of(tmp_path, begun=time.time()).name == "starting"
    assert state.of(tmp_path).name == "damaged"


def test_a_resumed_run_is_starting_until_it_says_more(tmp_path):
    for folder in (make_runs.stopped(tmp_path, "stopped"), make_runs.killed(tmp_path, "killed")):
        assert state.of(folder, begun=time.time() + 1).name == "starting"
        assert not state.of(folder, begun=None).live


def test_a_run_that_ended_after_it_was_begun_has_ended(tmp_path):
    folder = make_runs.stopped(tmp_path, "one")
    assert state.of(folder, begun=time.time() - 60).name == "stopped"
    assert state.of(make_runs.finished(tmp_path, "two"), begun=time.time() + 60).name == "finished"


def test_E10_a_clock_that_was_set_back_makes_no_negative_age(tmp_path):
    with make_runs.running(tmp_path, "one") as live:
        day = time.time() + 86_400
        os.utime(live.run.status, (day, day))
        assert state.of(live.folder).age == 0
        os.utime(live.run.status, (day - 172_800, day - 172_800))
        assert state.of(live.folder).age == pytest.approx(86_400, abs=60)
        assert state.of(live.folder).name == "running"


def test_E12_without_a_lock_nothing_is_alive(tmp_path):
    folder = make_runs.killed(tmp_path, "one")
    (folder / "lock").unlink()
    assert state.of(folder).name == "killed"


@pytest.mark.parametrize("changes", [
    {"schema": 2}, {"schema": None}, {"state": "exploded"}, {"state": None}, {"state": ["finished"]}, {"state": {}},
    {"options": "none"}, {"options": None}])
def test_I9_facts_that_are_none_are_damaged(tmp_path, changes):
    folder = make_runs.finished(tmp_path, "one")
    (folder / "run.json").write_text(json.dumps(json.loads((folder / "run.json").read_text()) | changes))
    found = state.of(folder)
    assert found.name == "damaged" and found.message.startswith("run.json") and not found.resumable


def test_I9_a_status_of_wrong_types_tells_nothing(tmp_path):
    with make_runs.running(tmp_path, "one") as live:
        live.run.status.write_text('{"state": 5, "phase": [], "progress": "half", "seconds_left": NaN, "message": {}, '
                                   '"seconds": -3, "queued_as": 1e9}')
        found = state.of(live.folder)
    assert (found.name, found.phase, found.progress, found.seconds_left) == ("running", "", 0.0, None)
    assert (found.message, found.seconds, found.queued_as) == ("", None, None)


def test_a_run_without_a_status_is_running(tmp_path):
    with make_runs.running(tmp_path, "one") as live:
        live.run.status.unlink()
        assert state.of(live.folder).name == "running" and state.of(live.folder).age is None


def test_messages_are_safe(tmp_path):
    found = state.of(make_runs.hostile(tmp_path, "one"))
    assert found.message.isprintable() and found.phase.isprintable() and "\\x1b" in found.message


@pytest.mark.parametrize("begun", [None, time.time()], ids=["by hand", "by the dashboard"])
def test_a_run_that_ends_between_two_looks_has_ended(tmp_path, monkeypatch, begun):
    folder = make_runs.killed(tmp_path, "one")

    def ends(path):
        facts = json.loads((folder / "run.json").read_text())
        (folder / "run.json").write_text(to_json(facts | {"state": "finished", "message": "done"}))
        return False

    monkeypatch.setattr(state.folders, "held", ends)
    assert state.of(folder, begun).name == "finished"
