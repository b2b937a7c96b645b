"""The run folder: claimed, written whole, kept after any death, and freed."""

import errno
import json
import os
import signal
import stat
import subprocess
import sys
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from toolkit import files, run
from toolkit.errors import OptionError, ResourceError, Stopped, Terminated, UntrustedError
from toolkit.run import Run

ROOT = Path(__file__).resolve().parent.parent
OPTIONS = {"data": "sample:cells", "seed": 3, "root": None}
HOLDER = ("import sys, time; from toolkit.run import Run; r = Run.create(sys.argv[1], 'finetune', {}); "
          "r.event('tune', step=1, of=2); print('held', flush=True); time.sleep(60)")


def lines(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def hold(folder, script=HOLDER, **environment):
    """A second process that holds the run folder, once it holds it."""
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True, cwd=ROOT,
                               env={**os.environ, **environment})
    assert process.stdout.readline() == "held\n"
    return process


def test_a_run_leaves_what_the_contract_says(tmp_path):
    with Run.create(tmp_path / "run", "finetune", OPTIONS) as made:
        made.event("tune", name="loss", value=0.5, step=1, of=10)
        made.say("half way\nthere")
        made.note(times={"probe": 2.5}, data={"sha256": "ab"})
    assert stat.S_IMODE((tmp_path / "run").stat().st_mode) == 0o700
    kept = json.loads(made.run.read_text())
    assert kept["schema"] == 1 and kept["command"] == "finetune" and kept["seed"] == 3 and kept["options"] == OPTIONS
    assert kept["state"] == "finished" and kept["data"] == {"sha256": "ab"}
    assert kept["versions"]["keras"] and kept["versions"]["toolkit"] and kept["machine"]["cores"] >= 1
    assert kept["times"]["probe"] == 2.5 and kept["times"]["seconds"] >= 0
    assert datetime.fromisoformat(kept["times"]["started"]).utcoffset() is not None
    status = json.loads(made.status.read_text())
    assert status["state"] == "finished" and status["progress"] == 1.0 and status["pid"] == os.getpid()
    first, last = lines(made.events)
    assert (first["phase"], first["name"], first["value"], first["step"], first["of"]) == ("tune", "loss", 0.5, 1, 10)
    assert (last["phase"], last["state"]) == ("end", "finished")
    assert "half way\nthere" in made.log.read_text()
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "events.jsonl", "lock", "log.txt", "run.json", "status.json"]  # no rest of a temporary file


def test_only_this_module_names_the_files_of_a_run():
    here = run.paths("folder")
    assert here.metrics == Path("folder/metrics.json") and here.model == Path("folder/model.keras")
    assert here.predictions == Path("folder/predictions.csv") and here.figures == Path("folder/figures")


def test_ids_are_unique_and_sort_by_time(tmp_path):
    made = [Run.create(None, "finetune", {"data": data}, root=tmp_path) for data in (
        "sample:cells", "/nowhere/Ünï code/lab 7/", "", "a/../../-x;rm")]
    again = Run.create(None, "finetune", {"data": "sample:cells"}, root=tmp_path)
    names = [one.folder.name for one in (*made, again)]
    assert len(set(names)) == 5 and all(one.folder.parent == tmp_path for one in made)
    assert names[0].endswith("-cells") and names[2].endswith("-finetune")
    for name in names:
        assert set(name) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") and len(name) <= 64
        datetime.strptime(name[:15], "%Y%m%d-%H%M%S")


def test_E7_a_second_process_is_refused_and_kill_9_frees_the_folder(tmp_path):
    folder = tmp_path / "run"
    process = hold(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for start in (lambda: Run.create(folder, "finetune", {}), lambda: Run.resume(folder)):
        with pytest.raises(OptionError, match=f"in use by process {process.pid}"):
            start()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    process.kill()
    process.wait()
    again = Run.resume(folder)
    assert again.facts["state"] == "running" and (folder / "lock").exists()
    again.finish("stopped", "enough")


def test_a_run_that_goes_on_says_so_and_counts_all_its_seconds(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", OPTIONS)
    made._began -= 100
    made.finish("stopped", "by hand")
    again = Run.resume(made.folder)
    kept = json.loads(again.run.read_text())
    assert (kept["state"], kept["message"], kept["seed"]) == ("running", None, 3)
    assert json.loads(again.status.read_text())["state"] == "running"
    assert 100 <= again.seconds < 200
    again.finish("finished", "done")
    seconds = [event["seconds"] for event in lines(again.events)]
    assert seconds == sorted(seconds) and len(seconds) == 2


def test_E9_a_finished_run_is_left_as_it_is(tmp_path):
    with Run.create(tmp_path / "run", "finetune", {}) as made:
        pass
    before = {path.name: path.read_bytes() for path in made.folder.iterdir() if path.name != "lock"}
    again = Run.resume(made.folder)
    assert again.facts["state"] == "finished"
    again.close()
    assert {path.name: path.read_bytes() for path in made.folder.iterdir() if path.name != "lock"} == before
    Run.resume(made.folder).close()  # free again


def test_E8_a_folder_that_holds_anything_is_refused_and_left_as_it_was(tmp_path):
    with Run.create(tmp_path / "done", "finetune", {}) as done:
        pass
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("mine")
    stopped = Run.create(tmp_path / "stopped", "finetune", {})
    stopped.finish("stopped", "by hand")
    for folder, holds in ((done.folder, "a finished run"), (foreign, "thesis.txt"), (stopped.folder, "--resume")):
        before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
        with pytest.raises(OptionError, match=holds):
            Run.create(folder, "finetune", {})
        assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_an_empty_folder_may_be_given(tmp_path):
    with Run.create(tmp_path, "finetune", {}) as made:
        assert made.folder == tmp_path


@pytest.mark.parametrize("place", ["a file", "below a file", "system"])
def test_E6_a_folder_that_cannot_be_made_is_an_option_error_with_the_reason(tmp_path, place):
    (tmp_path / "file").write_text("")
    folder = {"a file": tmp_path / "file", "below a file": tmp_path / "file" / "run",
              "system": Path("/proc/run")}[place]
    with pytest.raises(OptionError, match=r"(File exists|Not a directory|No such file|Operation not permitted)"):
        Run.create(folder, "finetune", {})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_E6_a_read_only_folder_is_an_option_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OptionError, match="Permission denied"):
        Run.create(tmp_path / "run", "finetune", {})


def test_E6_a_folder_that_vanishes_is_a_resource_error(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", {})
    for path in made.folder.iterdir():
        path.unlink()
    made.folder.rmdir()
    with pytest.raises(ResourceError, match="metrics.json cannot be written: No such file"):
        made.json(made.metrics, {})


def test_E5_a_full_disk_names_path_and_need_and_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "metrics.json"
    files.write_atomic(path, "old")

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match=r"metrics.json needs 1,000 bytes and [\d,]+ are free"):
        files.write_atomic(path, b"x" * 1000)
    assert path.read_text() == "old" and [one.name for one in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_E5_a_full_disk_at_an_event_is_a_resource_error_and_the_first_reason_stands(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", {})
    made.events.symlink_to("/dev/full")
    with pytest.raises(ResourceError, match="events.jsonl needs"), made:
        made.event("tune")
    with pytest.raises(OptionError, match="holds a run"):  # not "in use": the lock is free
        Run.create(made.folder, "finetune", {})


def test_E3_kill_9_leaves_no_half_file(tmp_path):
    folder = tmp_path / "run"
    script = ("import sys; from toolkit.run import Run; r = Run.create(sys.argv[1], 'finetune', {}); print('held', "
              "flush=True)\nfor i in range(10**9): r.note(step=i, pad='x' * 50_000); r.event('tune', step=i)")
    process = hold(folder, script)
    time.sleep(0.3)
    process.kill()
    process.wait()
    assert json.loads((folder / "run.json").read_text())["pad"] == "x" * 50_000
    assert [line["step"] for line in lines(folder / "events.jsonl")][0] == 0


def test_E3_what_a_killed_process_left_half_written_goes_where_the_run_goes_on(tmp_path):
    folder = tmp_path / "run"
    script = ("import os, sys; from pathlib import Path; from toolkit import files; from toolkit.run import Run\n"
              "r = Run.create(sys.argv[1], 'finetune', {}); r.checkpoints.mkdir()\n"
              "os.fsync = lambda handle: (print('held', flush=True), os.kill(os.getpid(), 9))\n"
              "files.write_atomic(r.checkpoint, b'x' * 1000)")
    hold(folder, script).wait()
    (rest,) = (folder / "checkpoints").iterdir()
    others = [folder / ".mine", folder / f".notes.{os.getppid()}-0a1b2c3d", folder / ".hidden.npz"]
    for path in others:  # ours to delete is only what no living process will finish
        path.write_text("x")
    again = Run.resume(folder)
    assert rest.name.startswith(".last.npz.") and not rest.exists() and all(path.exists() for path in others)
    again.finish("finished", "done")


def test_E11_events_go_on_behind_a_half_line(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", {})
    made.event("tune", step=1)
    made.finish("stopped", "by hand")
    with open(made.events, "a") as file:
        file.write('{"phase": "tu')
    again = Run.resume(made.folder)
    again.event("tune", step=2)
    raw = made.events.read_text().splitlines()
    assert raw[-2] == '{"phase": "tu' and json.loads(raw[-1])["step"] == 2
    again.finish("finished", "done")


def test_E9_a_damaged_or_other_version_run_is_refused(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", {})
    made.finish("stopped", "by hand")
    made.json(made.run, {**made.facts, "schema": 2})
    with pytest.raises(OptionError, match="schema 2"):
        Run.resume(made.folder)
    made.run.write_text('{"schema": 1, ')
    with pytest.raises(UntrustedError, match="run.json is damaged"):
        Run.resume(made.folder)
    with pytest.raises(OptionError, match="a damaged run"):
        Run.create(made.folder, "finetune", {})
    with pytest.raises(OptionError, match="holds no run"):
        Run.resume(tmp_path)


@pytest.mark.parametrize("thrown, state", [(KeyboardInterrupt, "stopped"), (Terminated, "stopped"),
                                           (Stopped("as asked"), "stopped"),
                                           (ValueError("no such layer"), "failed"), (MemoryError, "failed")])
def test_every_path_ends_the_run_and_frees_it(tmp_path, thrown, state):
    with pytest.raises(BaseException) as caught, Run.create(tmp_path / "run", "finetune", {}) as made:
        made.progress("running", "tune", 0.4, 60, "epoch 2")
        raise thrown
    assert isinstance(caught.value, thrown if isinstance(thrown, type) else type(thrown))
    status = json.loads(made.status.read_text())
    assert status["state"] == state and status["phase"] == "tune" and status["progress"] == 0.4
    assert json.loads(made.run.read_text())["state"] == state
    assert status["message"] in ("no such layer", "MemoryError", "stopped by hand", "as asked")
    Run.resume(made.folder).finish("stopped", "free")


def test_E2_sigterm_ends_the_run(tmp_path):
    script = ("import sys, time; from toolkit import errors; from toolkit.run import Run\n"
              "def main(arguments):\n"
              "    with errors.Interrupts() as safe_point, Run.create(sys.argv[1], 'finetune', {}):\n"
              "        print('held', flush=True)\n"
              "        while True: safe_point(); time.sleep(0.01)\n"
              "sys.exit(errors.guarded(main))")
    process = hold(tmp_path / "run", script)
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 143
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "stopped"


def test_a_file_asks_the_run_to_stop(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", {})
    assert not made.stop_requested()
    made.stop.touch()
    assert made.stop_requested()
    made.finish("stopped", "asked")
    assert not Run.resume(made.folder).stop_requested()


def test_status_is_written_at_once_where_the_phase_changes_and_rarely_within_one(tmp_path):
    with Run.create(tmp_path / "run", "finetune", {}) as made:
        made.progress("running", "probe", 0.1, None, "first")
        made.progress("running", "probe", 0.2, None, "second")
        assert json.loads(made.status.read_text())["message"] == "first"
        made.progress("running", "tune", 0.3, 12.0, "third")
        shown = json.loads(made.status.read_text())
        assert (shown["message"], shown["progress"], shown["seconds_left"]) == ("third", 0.3, 12.0)


def test_E10_durations_do_not_run_backwards_with_the_clock(tmp_path, monkeypatch):
    made = Run.create(tmp_path / "run", "finetune", {})
    monkeypatch.setattr(run, "now", lambda: "1970-01-01T00:00:00.000+00:00")
    made.event("tune")
    made.finish("finished", "done")
    seconds = [event["seconds"] for event in lines(made.events)]
    assert seconds == sorted(seconds) and seconds[0] >= 0
    assert json.loads(made.run.read_text())["times"]["seconds"] >= 0


def test_E10_a_clock_that_jumps_back_a_day_mixes_up_nothing(tmp_path, monkeypatch):
    class Clock(datetime):
        moment = datetime(2026, 10, 25, 2, 30, 0, tzinfo=timezone.utc)

        @classmethod
        def now(cls, zone=None):
            return cls.moment if zone else cls.moment.replace(tzinfo=None)

    monkeypatch.setattr(run, "datetime", Clock)
    first = Run.create(None, "finetune", {"data": "x"}, root=tmp_path)
    first.event("tune", step=1)
    Clock.moment -= timedelta(days=1)
    first.event("tune", step=2)
    first.finish("stopped", "by hand")
    again = Run.resume(first.folder)
    again.event("tune", step=3)
    Clock.moment += timedelta(days=1)
    second = Run.create(None, "finetune", {"data": "x"}, root=tmp_path)  # the same second, the same data
    assert second.folder.name == f"{first.folder.name}-2"
    again.finish("finished", "done")
    told = lines(again.events)
    assert [event.get("step") for event in told] == [1, 2, None, 3, None]
    seconds = [event["seconds"] for event in told]
    assert seconds == sorted(seconds) and seconds[0] >= 0


@pytest.mark.parametrize("before", [-1e9, float("nan"), float("inf"), "many", None])
def test_E10_what_was_worked_before_is_never_less_than_nothing(tmp_path, before):
    made = Run.create(tmp_path / "run", "finetune", {})
    made.finish("stopped", "by hand")
    made.status.write_text(json.dumps({"seconds": before}))
    again = Run.resume(made.folder)
    assert 0 <= again.seconds < 60
    again.finish("finished", "done")


def test_E10_waiting_is_no_work(tmp_path):
    with Run.create(tmp_path / "run", "finetune", {}) as made:
        with made.paused():
            began = made.seconds
            time.sleep(0.05)
            assert made.seconds == began
        assert began <= made.seconds < began + 0.05
    assert json.loads(made.run.read_text())["times"]["seconds"] < 0.5


def test_a_queued_run_tells_every_change_at_once(tmp_path):
    with Run.create(tmp_path / "run", "finetune", {}) as made:
        for before in (3, 2):
            made.progress("queued", "queue", 0.0, None, "", queued_as=before)
            assert json.loads(made.status.read_text())["queued_as"] == before
        made.progress("running", "read", 0.0, None, "Reading.")
        assert "queued_as" not in json.loads(made.status.read_text())


def test_E9_a_run_that_holds_no_options_is_damaged_and_a_refusal_changes_nothing(tmp_path):
    made = Run.create(tmp_path / "run", "finetune", {"size": 32})
    made.finish("stopped", "by hand")
    before = {path.name: path.read_bytes() for path in made.folder.iterdir() if path.name != "lock"}

    def refuse(facts):
        raise OptionError(f"no size {facts['options']['size']} here")

    with pytest.raises(OptionError, match="no size 32"):
        Run.resume(made.folder, refuse)
    assert {path.name: path.read_bytes() for path in made.folder.iterdir() if path.name != "lock"} == before
    made.json(made.run, {"schema": 1, "state": "stopped"})
    with pytest.raises(UntrustedError, match="run.json is damaged"):
        Run.resume(made.folder, refuse)


def test_json_holds_null_for_what_is_not_finite_and_plain_numbers_of_numpy(tmp_path):
    import numpy as np

    path = tmp_path / "metrics.json"
    files.write_atomic(path, files.to_json({
        "auc": float("nan"), "loss": np.float32("inf"), "n": np.int64(3), "row": np.array([0.5, np.nan]),
        "b": np.bool_(1), "classes": ("ä", "b"), "path": Path("x/y"), 7: None}))
    assert json.loads(path.read_text("utf-8"), parse_constant=pytest.fail) == {
        "auc": None, "loss": None, "n": 3, "row": [0.5, None], "b": True, "classes": ["ä", "b"], "path": "x/y",
        "7": None}


def test_E13_utf_8_and_dots_in_a_plain_locale_without_home(tmp_path):
    folder = tmp_path / ("Räume für Bilder " + "x" * 120) / ("日本 " * 30)
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nfrom toolkit.run import Run\n"
        "with Run.create(sys.argv[1], 'finetune', {'data': 'a\\udcff'}) as r:\n"
        "    r.say('größe 0.5 日本 \\x1b[31m'); r.event('tune', name='ä', value=0.5)", "utf-8")
    environment = {**os.environ, "LANG": "C", "LC_ALL": "C", "LC_NUMERIC": "de_DE.UTF-8", "PYTHONUTF8": "0",
                   "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    environment.pop("HOME", None)
    done = subprocess.run([sys.executable, str(script), os.fsencode(folder)], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert "größe 0.5 日本 \\x1b[31m" in (folder / "log.txt").read_text("utf-8")
    assert lines(folder / "events.jsonl")[0]["value"] == 0.5
    assert json.loads((folder / "run.json").read_text("utf-8"))["options"]["data"] == "a\udcff"
    assert b"\x1b" not in done.stdout


def test_a_reader_that_goes_away_does_not_end_the_run(tmp_path):
    script = ("import sys\nfrom toolkit.run import Run\nwith Run.create(sys.argv[1], 'finetune', {}) as r:\n"
              "    for i in range(2000): r.say('line %d' % i)")
    done = subprocess.run(f'"{sys.executable}" -c "{script}" "{tmp_path / "run"}" | head -1; exit ${{PIPESTATUS[0]}}',
                          shell=True, executable="/bin/bash", cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "run" / "log.txt").read_text().splitlines()[-1].endswith("line 1999")
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "finished"


def test_F5_nothing_in_a_run_names_its_place(tmp_path):
    with Run.create(tmp_path / "secret-place", "finetune", OPTIONS) as made:
        made.event("tune", step=1)
    assert not [path for path in made.folder.iterdir() if b"secret-place" in path.read_bytes()]


def test_a_damaged_or_huge_json_file_is_named(tmp_path):
    path = tmp_path / "model.json"
    for text in ("[1]", "{", "\xff", "[" * 100_000):
        path.write_text(text)
        with pytest.raises(UntrustedError, match="model.json is damaged"):
            files.read_json(path)
    with open(path, "wb") as file:
        file.truncate(files.LARGEST_JSON + 1)
    with pytest.raises(UntrustedError, match="longer than"):
        files.read_json(path)
