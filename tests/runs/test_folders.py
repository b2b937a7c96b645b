"""Where runs lie: which names may point there, whose lock is held, what the dashboard keeps for itself."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from toolkit.errors import OptionError
from toolkit.runs import folders, launch, listing, trash

OUTSIDE = ("..", ".", "", "../x", "a/b", "/etc", "a\\b", "%2f", "..%2f..", "a\0b", "a\nb", ".hidden", ".dashboard",
           "x" * 256, "\udc80", "\x7f", None, 3)


@pytest.mark.parametrize("name", OUTSIDE, ids=repr)
def test_I6_no_name_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / "runs").mkdir()
    (tmp_path / "x").mkdir()
    assert folders.checked(tmp_path / "runs", name) is None
    if isinstance(name, str):
        assert listing.entry(tmp_path / "runs", name) is None and launch.record(tmp_path / "runs", "runs", name) is None
        assert not launch.alive(tmp_path / "runs", "runs", name)
        for act in (trash.delete, trash.restore, launch.resume):
            with pytest.raises(OptionError):
                act(tmp_path / "runs", name)
    assert sorted(os.listdir(tmp_path)) == ["runs", "x"]


@pytest.mark.parametrize("name", ["a", "20260101-120000-cells", "my run", "ä ö", "日本", "x" * 255, "-d", "a.b", "%41"])
def test_any_other_name_is_a_folder_of_ours(tmp_path, name):
    (tmp_path / name).mkdir()
    assert folders.checked(tmp_path, name) == tmp_path / name
    assert folders.listed(tmp_path) == [tmp_path / name]


def test_I6_a_linked_run_is_none(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "runs" / "file").touch()
    assert folders.checked(tmp_path / "runs", "link") is None and folders.checked(tmp_path / "runs", "file") is None
    assert folders.listed(tmp_path / "runs") == []


def test_a_folder_that_is_not_there_has_no_runs(tmp_path):
    assert folders.listed(tmp_path / "nowhere") == [] and listing.runs(tmp_path / "nowhere") == []
    assert trash.listed(tmp_path / "nowhere") == []


def test_what_the_dashboard_keeps_is_for_its_user_alone(tmp_path):
    made = folders.own(tmp_path / "new" / "runs", "starts", "deep")
    assert made.is_dir()
    for part in (made, made.parent, made.parent.parent):
        assert part.stat().st_mode & 0o777 == 0o700
    assert folders.own(tmp_path / "new" / "runs", "starts", "deep") == made


def test_E6_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match="file.*cannot be made.*--runs"):
        folders.own(tmp_path / "file", "starts")
    with pytest.raises(OptionError, match="cannot be written.*--runs"), folders.alone(tmp_path / "gone" / "lock"):
        pass


def test_one_after_the_other(tmp_path):
    order = []

    def work(number):
        with folders.alone(tmp_path / "lock"):
            order.append(("in", number))
            time.sleep(0.01)
            order.append(("out", number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert [word for word, _ in order] == ["in", "out"] * 6
    assert all(a == b for (_, a), (_, b) in zip(order[::2], order[1::2]))


def test_a_lock_is_held_by_a_process_and_by_nothing_else(tmp_path):
    path = tmp_path / "lock"
    assert not folders.held(path)
    path.touch()
    assert not folders.held(path)
    code = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print(1, flush=True); time.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        assert folders.held(path) and folders.held(path)
        process.kill()
        process.wait()
        assert not folders.held(path)


def test_two_who_look_do_not_take_each_other_for_the_owner(tmp_path):
    path, seen = tmp_path / "lock", []
    path.touch()
    threads = [threading.Thread(target=lambda: seen.extend(folders.held(path) for _ in range(300))) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert seen == [False] * 1200


def test_a_pipe_in_place_of_a_lock_holds_nobody_up(tmp_path):
    os.mkfifo(tmp_path / "lock")
    began = time.monotonic()
    assert not folders.held(tmp_path / "lock")
    assert time.monotonic() - began < 0.5


def test_the_size_is_what_the_disk_holds(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a").write_bytes(b"x" * 100_000)
    (tmp_path / "link").symlink_to(Path("/usr/bin/python3"))
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(1 << 30)
    assert 100_000 <= folders.size(tmp_path) < 200_000
    assert folders.size(tmp_path / "nowhere") == 0
