"""Deleted runs: moved, not removed; put back; gone for good only when the trash is emptied."""

import os
import threading

import pytest

from tests.apps import make_runs
from tests.runs import worker
from toolkit.errors import OptionError
from toolkit.run import Run
from toolkit.runs import folders, launch, listing, trash


def contents(folder):
    """{path: bytes} of all files of a folder."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_H8_a_run_goes_to_the_trash_and_comes_back_whole(tmp_path):
    before = contents(make_runs.finished(tmp_path, "one"))
    kept = trash.delete(tmp_path, "one")
    assert listing.runs(tmp_path) == [] and not (tmp_path / "one").exists()
    assert trash.listed(tmp_path) == [kept] and trash.called(kept) == "one"
    assert trash.restore(tmp_path, kept) == "one"
    assert contents(tmp_path / "one") == before and trash.listed(tmp_path) == []


def test_H8_a_run_at_work_is_not_deleted(tmp_path):
    for made in (make_runs.running, make_runs.queued, make_runs.stopping):
        with make_runs.running(tmp_path, made.__name__) as live:
            with pytest.raises(OptionError, match="still working"):
                trash.delete(tmp_path, made.__name__)
            assert live.folder.is_dir()
    process = worker.begin(tmp_path / "process")
    with pytest.raises(OptionError, match="still working"):
        trash.delete(tmp_path, "process")
    process.kill()
    process.wait()
    assert trash.delete(tmp_path, "process")


def test_H8_a_run_that_is_starting_is_not_deleted(tmp_path):
    home = folders.own(tmp_path, "starts")
    (home / "runs-one.json").write_text("{}")
    make_runs.killed(tmp_path, "two")
    with folders.alone(home / "runs-one.lock"), folders.alone(home / "runs-two.lock"):
        for name in ("one", "two"):
            with pytest.raises(OptionError, match="still working"):
                trash.delete(tmp_path, name)
    assert launch.record(tmp_path, "runs", "one") == {} and (tmp_path / "two").is_dir()


def test_E7_no_run_begins_in_a_folder_that_is_being_deleted(tmp_path):
    folder = make_runs.stopped(tmp_path, "one")
    with trash.unused(folder), pytest.raises(OptionError, match="in use"):
        Run.resume(folder)
    Run.resume(folder).close()


def test_a_start_that_got_no_folder_is_forgotten(tmp_path):
    (folders.own(tmp_path, "starts") / "runs-one.json").write_text("{}")
    assert trash.delete(tmp_path, "one") is None and listing.runs(tmp_path) == []
    with pytest.raises(OptionError, match="not there"):
        trash.delete(tmp_path, "one")


@pytest.mark.parametrize("how", ["run.json is cut", "lock is missing", "lock is a pipe", "run.json is a folder"])
def test_a_damaged_run_can_be_deleted(tmp_path, how):
    make_runs.damaged(tmp_path, "one", how)
    assert trash.restore(tmp_path, trash.delete(tmp_path, "one")) == "one"


def test_the_last_deleted_is_first_and_twins_are_kept_apart(tmp_path):
    kept = []
    for n in range(11):
        make_runs.finished(tmp_path, "one", seed=n)
        kept.insert(0, trash.delete(tmp_path, "one"))
    assert trash.listed(tmp_path) == kept and {trash.called(name) for name in kept} == {"one"}


def test_a_run_is_not_put_back_over_another(tmp_path):
    make_runs.finished(tmp_path, "one")
    kept = trash.delete(tmp_path, "one")
    before = contents(make_runs.finished(tmp_path, "one", seed=5))
    with pytest.raises(OptionError, match="is there"):
        trash.restore(tmp_path, kept)
    assert contents(tmp_path / "one") == before and trash.listed(tmp_path) == [kept]


@pytest.mark.parametrize("kept", ["../one", "000001-../x", "000009-gone", "", "one", "000001-.hidden"])
def test_I6_only_what_is_in_the_trash_is_put_back(tmp_path, kept):
    folders.own(tmp_path, "trash", "000001-.hidden")
    with pytest.raises(OptionError):
        trash.restore(tmp_path, kept)


def test_the_trash_is_emptied_for_good_and_nothing_else(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "picture.png").write_bytes(b"x")
    folder = make_runs.finished(tmp_path / "runs", "one")
    (folder / "link").symlink_to(outside)
    make_runs.finished(tmp_path / "runs", "two")
    trash.delete(tmp_path / "runs", "one")
    os.symlink(outside, tmp_path / "runs" / ".dashboard" / "trash" / "000009-link")
    assert trash.empty(tmp_path / "runs") == 0 and trash.listed(tmp_path / "runs") == []
    assert (outside / "picture.png").exists() and (tmp_path / "runs" / "two" / "run.json").exists()


def test_two_who_delete_at_once_delete_once(tmp_path):
    make_runs.finished(tmp_path, "one")
    gate, said = threading.Barrier(4), []

    def press():
        gate.wait()
        try:
            said.append(trash.delete(tmp_path, "one"))
        except OptionError:
            said.append("refused")

    threads = [threading.Thread(target=press) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert said.count("refused") == 3 and len(trash.listed(tmp_path)) == 1
