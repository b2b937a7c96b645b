"""The store within its limit, on disks that are full and in folders that fail."""

import contextlib
import errno
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.features.filling import Source, fill, keys, same

from toolkit import files
from toolkit.errors import ResourceError
from toolkit.features import shards, shelves, store
from toolkit.features.rows import Rows

ROOT = Path(__file__).resolve().parents[2]


def shelf_size(folder):
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_folder_keeps_to_its_limit_and_what_was_not_used_longest_goes_first(open_store, tmp_path):
    limit, folder = 200_000, tmp_path / "store"
    sizes = []
    for number in range(12):
        run = open_store(limit)
        rows, _ = fill(run, 30, [(500,)], depends={"number": number})
        assert same(rows, 30)
        sizes.append(shelf_size(folder))
        for path in rows.shelf.folder.glob("*.shard"):
            os.utime(path, (1e9 + number, 1e9 + number))
        run.close()
    assert max(sizes) <= 1.05 * limit and sizes[-1] > 0.6 * limit

    def kept():
        return [number for number in range(20) if any((folder / open_store(limit).shelf(
            "maps", {"number": number}, [(500,)], "float32", 30).name).glob("*.shard"))]

    assert len(list(folder.iterdir())) == 4  # the lock, and three shelves: those emptied are gone
    for path in folder.rglob("*.shard"):
        os.utime(path, (1e9, 1e9))
    oldest, source = fill(open_store(limit), 30, [(500,)], depends={"number": 9})  # used again
    assert source.made == []
    fill(open_store(limit), 30, [(500,)], depends={"number": 12})
    assert {9, 12} <= set(kept()) and len(kept()) == 3


def test_files_of_others_in_the_folder_are_neither_counted_nor_deleted(open_store, tmp_path):
    folder = tmp_path / "store"
    others = [folder / "mine.shard", folder / "photos" / "a.shard", folder / "maps-old" / f"b{shards.UNFINISHED}"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(150_000))
        os.utime(path, (1, 1))
    for number in range(4):
        _, source = fill(open_store(100_000), 30, [(500,)], depends={"number": number})
    assert all(path.exists() for path in others)
    assert fill(open_store(100_000), 30, [(500,)], depends={"number": 3})[1].made == []


def test_an_evicted_shard_stays_readable_for_the_run_that_has_it_open(open_store):
    reading, _ = fill(open_store(100_000), 30, [(500,)])
    for number in range(3):
        fill(open_store(100_000), 30, [(500,)], depends={"number": number})
    assert not any(reading.shelf.folder.glob("*.shard"))
    reading.make = None
    assert same(reading, 30)


def on_disk(folder):
    """Bytes of the shards in a folder, and of those that this process holds open though they are deleted."""
    held = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if os.readlink(link).startswith(str(folder)) and os.readlink(link).endswith("(deleted)"):
                held.append(os.stat(link).st_size)
    return shelf_size(folder) + sum(held)


def test_further_rows_get_the_rest_of_the_limit_and_nothing_that_a_run_uses_makes_room(open_store, tmp_path,
                                                                                       monkeypatch):
    monkeypatch.setattr(shelves, "SHARD_BYTES", 20_000)
    limit, folder, most = 400_000, tmp_path / "store", []
    for number in range(8):
        with open_store(limit) as other:
            fill(other, 30, [(500,)], depends={"of": number})
    for sitting in range(2):
        run = open_store(limit)
        pictures, source = fill(run, 40, [(500,)], kind="pictures")
        assert source.made == ([] if sitting else list(range(40)))
        room = run.room(0)
        assert room == limit - shards.taken([(500,)], "float32", 40)
        for number in range(3):  # as rounds of training do, one after the other
            count = room // shards.taken([(500,)], "float32", 1)
            maps, _ = fill(run, count, [(500,)], depends={"round": number, "sitting": sitting})
            most.append(on_disk(folder))
            assert same(maps, count) and same(pictures, 40) and run.said == []
            run.let_go(maps.shelf)
        run.close()
    assert 0.9 * limit < max(most) <= 1.05 * limit
    assert fill(open_store(limit), 40, [(500,)], kind="pictures")[1].made == []


def test_rows_beside_which_others_do_not_fit_are_kept_and_those_are_the_runs_own(open_store, tmp_path):
    run = open_store(200_000)
    pictures, _ = fill(run, 60, [(500,)], kind="pictures")
    maps, _ = fill(run, 60, [(500,)])
    assert "--cache-limit" in run.said[0] and any(run.scratch.rglob("*.shard")) and same(maps, 60)
    assert same(pictures, 60) and any(pictures.shelf.folder.glob("*.shard"))
    run.let_go(maps.shelf)
    assert not any(run.scratch.rglob("*.shard"))


def test_rows_that_nobody_asks_for_make_room_though_their_shelf_is_open(open_store, tmp_path):
    limit, source = 300_000, Source([(500,)])
    shelf = open_store(limit).shelf("pictures", {}, [(500,)], "float32", 100)
    for half in (np.arange(60), np.arange(60, 100)):
        Rows(shelf, keys(100)[half], lambda numbers, half=half: source(half[numbers])).fill()
    shelf.close()
    run = open_store(limit)
    few = Rows(run.shelf("pictures", {}, [(500,)], "float32", 40), keys(100)[60:], None)
    assert run.room(0) == limit - shards.taken([(500,)], "float32", 40)
    maps, _ = fill(run, 70, [(500,)])
    assert same(maps, 70) and run.said == [] and on_disk(tmp_path / "store") <= limit
    assert np.array_equal(few[:], source(np.arange(60, 100))[0])
    assert keys(100)[0] not in few.shelf and few.shelf.facts(keys(100)[0]) is None


def unpacked(folder, number, size=40_000):
    """A folder as an archive leaves it in the store."""
    place = folder / "unpacked" / f"{number:024x}"
    (place / "set").mkdir(parents=True)
    (place / "set" / "a.png").write_bytes(os.urandom(size))
    os.utime(place, (1e9 + number, 1e9 + number))
    return place


def test_unpacked_archives_count_and_go_as_a_whole_but_for_those_in_use(open_store, tmp_path):
    limit, folder = 300_000, tmp_path / "store"
    mine, theirs, *others = (unpacked(folder, number) for number in range(5))
    alien = folder / "unpacked" / "mine"
    alien.mkdir()
    code = "import sys; from toolkit import files; print(files.keep(sys.argv[1]), flush=True); sys.stdin.read()"
    using = subprocess.Popen([sys.executable, "-c", code, theirs], cwd=ROOT, text=True, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    assert using.stdout.readline() == "True\n" and files.keep(mine)
    os.utime(mine, (1, 1))
    os.utime(theirs, (2, 2))
    with open_store(limit) as run:
        assert run.room(0) == limit - files.bytes_below(mine)
        rows, _ = fill(run, 60, [(500,)])  # 120 kB and their headers
        assert same(rows, 60) and run.said == [] and all(path.exists() for path in (mine, theirs, others[-1], alien))
        assert not others[0].exists() and not list(folder.rglob(f"{files.FRESH}*"))
        assert files.bytes_below(folder) <= limit
    using.communicate("")
    with open_store(limit) as run:
        rows, _ = fill(run, 50, [(500,)], depends={"other": True})
        assert same(rows, 50) and mine.exists() and not theirs.exists() and files.bytes_below(folder) <= limit
    os.close(files.KEPT.pop(mine))
    with open_store(1000) as run:  # a lower limit holds from the start
        assert files.bytes_below(folder) == 0 and alien.exists()


def test_a_shard_that_another_run_deletes_at_once_is_not_lost(open_store, monkeypatch):
    real = store.Store.make_room

    def room(self, need):
        real(self, need)
        for path in self.folder.rglob("*.shard"):
            path.unlink()

    monkeypatch.setattr(shelves, "SHARD_BYTES", 1)
    monkeypatch.setattr(store.Store, "make_room", room)
    rows, source = fill(open_store(), 20, batch=4)
    assert same(rows, 20) and len(source.made) == 20


def test_a_shelf_beyond_the_limit_is_the_runs_own_and_that_is_said(open_store, tmp_path):
    run = open_store(50_000)
    rows, source = fill(run, 30, [(500,)])
    assert same(rows, 30) and len(source.made) == 30 and shelf_size(tmp_path / "store") == 0
    assert len(run.said) == 1 and "--cache-limit" in run.said[0] and any(run.scratch.rglob("*.shard"))
    run.close()
    assert not run.scratch.exists()
    assert len(fill(open_store(50_000), 30, [(500,)])[1].made) == 30


def test_limit_0_shares_nothing(open_store, tmp_path):
    run = open_store(0)
    rows, source = fill(run, 20)
    assert same(rows, 20) and not (tmp_path / "store").exists() and any(run.scratch.rglob("*.shard")) and not run.said
    run.close()
    assert not run.scratch.exists() and len(fill(open_store(0), 20)[1].made) == 20


def test_what_a_killed_sitting_left_in_the_runs_folder_goes(open_store, tmp_path):
    (tmp_path / "left" / "scratch" / "maps-x").mkdir(parents=True)
    open_store(scratch=tmp_path / "left" / "scratch")
    assert not (tmp_path / "left" / "scratch").exists()


def test_views_may_take_the_limit_or_what_the_disk_has_to_spare(open_store, monkeypatch):
    fill(open_store(), 20, [(500,)])
    held = shelf_size(open_store().folder)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda place: SimpleNamespace(free=10**6))
    assert open_store(10**5).room(7) == 10**5 and open_store(10**9).room(7) == held + 900_000
    assert open_store(0).room(10**5) == 10**5 and open_store(0).room(10**9) == 900_000


def test_a_run_may_hold_many_shards_open(open_store):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
    try:
        open_store()
        found = resource.getrlimit(resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert found == (store.OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, store.OPEN_FILES), hard)


def full(monkeypatch, *folders):
    """Let writing into `folders` fail as on a full disk."""
    real = shards.write

    def write(folder, *what):
        if any(str(folder).startswith(str(place)) for place in folders):
            raise OSError(errno.ENOSPC, "No space left on device", str(folder))
        return real(folder, *what)

    monkeypatch.setattr(shards, "write", write)


def test_E5_a_full_store_leaves_the_run_its_own_folder(open_store, tmp_path, monkeypatch):
    full(monkeypatch, tmp_path / "store")
    run = open_store()
    rows, source = fill(run, 20)
    assert same(rows, 20) and len(source.made) == 20 and any(run.scratch.rglob("*.shard"))
    assert len(run.said) == 1 and "No space left" in run.said[0] and "keeps its own" in run.said[0]


def test_E5_where_no_disk_has_room_need_and_space_are_named(open_store, tmp_path, monkeypatch):
    full(monkeypatch, tmp_path)
    with pytest.raises(ResourceError, match=r"\d MB more are needed for maps and \d+ MB are free in .*--cache-views"):
        fill(open_store(), 20)


@pytest.fixture
def tiny_disk(tmp_path):
    """A real file system of 1 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def test_E5_a_disk_that_is_really_full(open_store, tiny_disk, monkeypatch):
    monkeypatch.setattr(shelves, "SHARD_BYTES", 200_000)
    run = open_store(folder=tiny_disk / "store")
    rows, source = fill(run, 100, [(10_000,)], batch=5)
    assert same(rows, 100) and len(source.made) == 100 and "No space left" in run.said[0]
    assert not list(tiny_disk.rglob(f"*{shards.UNFINISHED}"))
    run.close()
    run = open_store(folder=tiny_disk / "store")  # the next run makes room
    again, source = fill(run, 10, [(10_000,)], depends={"other": True}, batch=5)
    assert same(again, 10) and run.said == [] and len(list(again.shelf.folder.glob("*.shard"))) == 2
    with pytest.raises(ResourceError, match="MB are free"):
        fill(open_store(folder=tiny_disk / "other", scratch=tiny_disk / "run" / "scratch"), 100, [(10_000,)])


@pytest.mark.parametrize("folder", ["a file", "in a file"])
def test_E6_a_store_that_cannot_be_used_is_said_and_the_run_goes_on(open_store, tmp_path, folder):
    (tmp_path / "file").write_text("x")
    run = open_store(folder=tmp_path / "file" if folder == "a file" else tmp_path / "file" / "store")
    rows, source = fill(run, 20)
    assert same(rows, 20) and len(source.made) == 20
    assert len(run.said) == 1 and str(tmp_path / "file") in run.said[0] and "cannot be used" in run.said[0]


def test_a_store_that_was_deleted_meanwhile_is_made_again(open_store, tmp_path):
    run = open_store()
    early, _ = fill(run, 20)
    store.shutil.rmtree(tmp_path / "store")
    late, _ = fill(run, 20, depends={"later": True})
    early.make = None
    assert same(early, 20) and same(late, 20) and run.said == []
    assert fill(open_store(), 20, depends={"later": True})[1].made == []


@pytest.mark.parametrize("given, wanted", [
    ({}, "/nowhere/one/.cache/toolkit/store"), ({"TOOLKIT_CACHE": "/there"}, "/there/store"),
    ({"TOOLKIT_CACHE": "/there", "TOOLKIT_STORE": "/elsewhere"}, "/elsewhere")])
def test_the_folder_is_the_users_cache(monkeypatch, given, wanted):
    for name, value in {"HOME": "/nowhere/one", "TOOLKIT_CACHE": "", "TOOLKIT_STORE": "", **given}.items():
        monkeypatch.setenv(name, value)
    assert str(store.usual_folder()) == wanted


def test_E13_without_a_home_it_still_has_a_folder(monkeypatch):
    monkeypatch.setenv("TOOLKIT_CACHE", "")
    monkeypatch.setenv("TOOLKIT_STORE", "")
    monkeypatch.setattr(store.Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert "toolkit-store" in str(store.usual_folder())
