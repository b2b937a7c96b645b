"""Commands as processes of their own: one for one wish, alive when the server is not, ended on request."""

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.apps import make_runs
from tests.runs import worker
from toolkit import queue
from toolkit.errors import OptionError
from toolkit.runs import folders, launch, listing, state

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {  # in a package of their own, so that a start costs no second
    "sleeps": "import sys, time, pathlib\npathlib.Path(sys.argv[1]).open('a').write('began\\n')\n"
              "print('at work', flush=True)\ntime.sleep(60)\n",
    "fails": "import sys\nprint('Reading.')\nsys.exit('error: no such data; check the name.\\n  - one\\n  - two')\n",
    "finetune": "import sys, time\nprint(sys.argv[1:], flush=True)\ntime.sleep(60)\n",
}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A folder of runs; COMMANDS stand for the toolkit's, and end with the test."""
    package = tmp_path / "project" / "toolkit"
    package.mkdir(parents=True)
    for name, code in {"__init__": "", **COMMANDS}.items():
        (package / f"{name}.py").write_text(code)
    monkeypatch.setattr(launch, "PROJECT", package.parent)
    monkeypatch.chdir(tmp_path)
    runs = tmp_path / "runs"
    yield runs
    for lock in (runs / ".dashboard" / "starts").glob("*-*.lock"):
        launch.signal_holder(lock, signal.SIGKILL)


def until(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


def began(path):
    """How many processes have begun."""
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_command_is_what_a_person_types():
    line = launch.command("finetune", ["/data/my pictures", "--epochs", 3])
    assert shlex.split(line) == ["python", "-m", "toolkit.finetune", "/data/my pictures", "--epochs", "3"]


def test_what_was_started_can_be_found_again(root, tmp_path):
    started = launch.start(root, "runs", "one", "sleeps", [tmp_path / "count"], data="/data/cells")
    assert started == launch.Started("one", False) and launch.alive(root, "runs", "one")
    until(lambda: launch.log(root, "runs", "one") == ["at work"])
    told = launch.record(root, "runs", "one")
    assert told["command"] == ["sleeps", str(tmp_path / "count")] and told["data"] == "/data/cells"
    assert abs(launch.begun(root, "runs", "one") - time.time()) < 30
    assert launch.waiting(root, "runs") == ["one"] and launch.waiting(root, "checks") == []
    assert launch.end(root, "runs", "one")
    until(lambda: not launch.alive(root, "runs", "one"))
    until(lambda: launch.code(root, "runs", "one") == -signal.SIGTERM)
    assert launch.begun(root, "runs", "one") is None and not launch.end(root, "runs", "one")


def test_what_it_keeps_is_for_its_user_alone(root, tmp_path):
    launch.start(root, "runs", "one", "sleeps", [tmp_path / "count"])
    assert (root / ".dashboard").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("names", [["one"] * 8, [f"run-{n}" for n in range(8)]], ids=["one name", "a name each"])
def test_H3_eight_threads_at_once_start_one(root, tmp_path, names):
    gate, found = threading.Barrier(len(names)), []

    def press(name):
        gate.wait()
        found.append(launch.start(root, "runs", name, "sleeps", [tmp_path / "count", root / name]))

    threads = [threading.Thread(target=press, args=(name,)) for name in names]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert sorted(one.already for one in found) == [False] + [True] * 7 and len({one.id for one in found}) == 1
    until(lambda: began(tmp_path / "count") == 1)
    time.sleep(0.2)
    assert began(tmp_path / "count") == 1


def test_H3_four_processes_at_once_start_one(root, tmp_path):
    code = ("import sys\nfrom pathlib import Path\nfrom toolkit.runs import launch\n"
            "launch.PROJECT = Path(sys.argv[3])\n"
            "print(launch.start(sys.argv[1], 'runs', sys.argv[4], 'sleeps', [sys.argv[2]], wish=['w']).already)")
    line = [sys.executable, "-c", code, root, tmp_path / "count", launch.PROJECT]
    processes = [subprocess.Popen([*line, f"run-{n}"], stdout=subprocess.PIPE, text=True,
                                  env={**os.environ, "PYTHONPATH": str(ROOT)}) for n in range(4)]
    assert sorted(process.communicate()[0].strip() for process in processes) == ["False", "True", "True", "True"]
    until(lambda: began(tmp_path / "count") == 1)


def test_H3_another_wish_is_another_run(root, tmp_path):
    first = launch.start(root, "runs", "one", "sleeps", [tmp_path / "count", "--epochs", 1, root / "one"])
    second = launch.start(root, "runs", "two", "sleeps", [tmp_path / "count", "--epochs", 2, root / "two"])
    assert (first.id, second.id, second.already) == ("one", "two", False)
    with pytest.raises(OptionError, match="start again"):
        launch.start(root, "runs", "one", "sleeps", [tmp_path / "count", "--epochs", 3, root / "one"])


def test_the_same_wish_may_come_again_once_the_first_is_gone(root, tmp_path):
    launch.start(root, "runs", "one", "fails", [])
    until(lambda: not launch.alive(root, "runs", "one"))
    assert not launch.start(root, "runs", "two", "fails", []).already


def test_the_same_wish_is_another_one_after_a_while(root, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "SAME_WISH", 0.0)
    launch.start(root, "runs", "one", "sleeps", [tmp_path / "count"])
    assert launch.start(root, "runs", "two", "sleeps", [tmp_path / "count"]) == launch.Started("two", False)


def test_an_error_before_there_was_a_run_is_told_in_its_own_words(root):
    launch.start(root, "runs", "one", "fails", [])
    until(lambda: not launch.alive(root, "runs", "one"))
    assert launch.complaint(root, "runs", "one") == "no such data; check the name.\n  - one\n  - two"
    assert listing.entry(root, "one").state.name == "failed"
    until(lambda: launch.code(root, "runs", "one") == 1)
    launch.forget(root, "runs", "one")
    assert listing.entry(root, "one") is None and launch.waiting(root, "runs") == []


def test_E6_a_process_that_cannot_be_started_leaves_nothing(root, tmp_path):
    for arguments in (["a\0b"], ["x" * 10_000_000]):
        with pytest.raises(OptionError, match="No process could be started"):
            launch.start(root, "runs", "one", "sleeps", arguments)
        assert launch.record(root, "runs", "one") is None and not launch.alive(root, "runs", "one")


@pytest.mark.parametrize("name", ["../one", "", ".hidden", "a/b", "\0"])
def test_I6_a_name_that_is_none_starts_nothing(root, name):
    with pytest.raises(OptionError):
        launch.start(root, "runs", name, "sleeps", [])
    assert not list((root / ".dashboard" / "starts").glob("*.json"))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGHUP])
def test_E4_what_was_started_outlives_its_server(root, tmp_path, number):
    code = ("import signal, sys, time\nfrom pathlib import Path\nfrom toolkit.runs import launch\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # which a shell's background jobs ignore
            "launch.PROJECT = Path(sys.argv[3])\nlaunch.start(sys.argv[1], 'runs', 'one', 'sleeps', [sys.argv[2]])\n"
            "print('started', flush=True)\ntime.sleep(60)")
    server = subprocess.Popen([sys.executable, "-c", code, root, tmp_path / "count", launch.PROJECT], text=True,
                              env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, start_new_session=True)
    server.stdout.readline()
    until(lambda: began(tmp_path / "count") == 1)
    os.killpg(server.pid, number)
    server.wait()
    assert launch.alive(root, "runs", "one") and listing.entry(root, "one").state.name == "starting"
    assert launch.end(root, "runs", "one")
    until(lambda: not launch.alive(root, "runs", "one"))


def test_what_is_started_holds_nothing_of_the_server(root, tmp_path):
    with open(tmp_path / "secret", "w") as file:
        os.set_inheritable(file.fileno(), True)
        launch.start(root, "runs", "one", "sleeps", [tmp_path / "count"])
        until(lambda: began(tmp_path / "count") == 1)
    pid = int((root / ".dashboard" / "starts" / "runs-one.lock").read_text().split()[1].rstrip(","))
    held = [os.readlink(f"/proc/{pid}/fd/{number}") for number in os.listdir(f"/proc/{pid}/fd")]
    assert str(tmp_path / "secret") not in held and held.count("/dev/null") == 1
    assert os.getsid(pid) == pid


def test_E10_names_of_runs_are_unique_within_a_second(root, tmp_path):
    names = set()
    for _ in range(5):
        name = launch.new_id("/data/my cells!.zip", root)
        (root / name).mkdir(parents=True)
        names.add(name)
    home = folders.own(root, "starts")
    (home / f"runs-{(name := launch.new_id('sample:cells', root))}.json").write_text("{}")
    assert len(names) == 5 and launch.new_id("sample:cells", root) != name
    assert all(folders.proper(one) and "my-cells-zip" in one for one in names)
    assert folders.proper(launch.new_id("/", root)) and folders.proper(launch.new_id("\u202e\n", root))


def test_H4_a_run_that_is_asked_ends_by_itself(tmp_path):
    process = worker.begin(tmp_path / "one", "hears")
    assert launch.stop(tmp_path / "one")
    launch.stop(tmp_path / "one")
    assert state.of(tmp_path / "one").name in ("stopping", "finished")
    assert process.wait(10) == 0 and state.of(tmp_path / "one").name == "finished"


def test_H4_one_that_does_not_hear_is_ended_and_that_is_said(tmp_path):
    for how, code in (("deaf", -signal.SIGTERM), ("stubborn", -signal.SIGKILL)):
        process = worker.begin(tmp_path / how, how)
        (tmp_path / how / "stop").touch()
        assert state.of(tmp_path / how).name == "stopping"
        began = time.monotonic()
        launch.insist(tmp_path / how, 0.1, 0.4, poll=0.02)
        assert process.wait(10) == code and time.monotonic() - began < 5
    assert "by force" in state.of(tmp_path / "stubborn").message
    assert "by force" not in state.of(tmp_path / "deaf").message


def test_H4_one_that_says_it_is_stopping_is_let_be(tmp_path):
    with make_runs.stopping(tmp_path, "one") as live:
        live.tell("score", 0.9, None, "Measuring.", "stopping")
        launch.insist(live.folder, 0.05, 0.05, poll=0.01)
        assert folders.held(live.run.lock)


def test_H4_stop_is_harmless_where_nothing_lives(tmp_path):
    for folder in (make_runs.finished(tmp_path, "one"), make_runs.killed(tmp_path, "two"), tmp_path / "nowhere"):
        before = sorted(folder.glob("*"))
        assert launch.stop(folder) is False and launch.cancel(folder) is False
        assert sorted(folder.glob("*")) == before


def test_cancel_ends_a_run_that_can_be_gone_on_with(tmp_path):
    process = worker.begin(tmp_path / "one", "hears")
    assert launch.cancel(tmp_path / "one")
    process.wait(10)
    assert state.of(tmp_path / "one").resumable and not launch.cancel(tmp_path / "one")


def test_no_process_is_signalled_that_is_not_ours(tmp_path):
    code = "import fcntl, sys, time; f = open(sys.argv[1]); fcntl.flock(f, 2); print(1, flush=True); time.sleep(30)"
    lock = tmp_path / "lock"
    for text in (f"process {os.getpid()}, since now", "process 1, since now", "process 0", "process -1", "nobody", ""):
        lock.write_text(text)
        with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE) as holder:
            holder.stdout.readline()
            wanted = b"toolkit." in Path(f"/proc/{os.getpid()}/cmdline").read_bytes()
            assert wanted or not launch.signal_holder(lock, signal.SIGTERM), text
            assert holder.poll() is None
            holder.kill()


def test_D4_a_killed_run_is_gone_on_with(root):
    process = worker.begin(root / "one")
    process.kill()
    process.wait()
    assert listing.entry(root, "one").state.name == "killed"
    started = launch.resume(root, "one")
    assert started == launch.Started("one", False) and listing.entry(root, "one").state.name == "starting"
    assert launch.record(root, "runs", "one")["command"] == ["finetune", "--resume", "--run-dir", str(root / "one")]
    until(lambda: launch.log(root, "runs", "one"))
    assert launch.resume(root, "one").already
    launch.end(root, "runs", "one")
    until(lambda: not launch.alive(root, "runs", "one"))
    assert listing.entry(root, "one").state.name == "killed"


def test_E7_a_run_at_work_is_not_resumed_twice(root):
    with make_runs.running(root, "one"):
        assert launch.resume(root, "one") == launch.Started("one", True)
    assert launch.record(root, "runs", "one") is None
    with pytest.raises(OptionError, match="not there"):
        launch.resume(root, "two")


def test_what_is_before_a_queued_run(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with queue.Ticket(["cpu"]) as first, queue.Ticket(["cpu"]) as mine, queue.Ticket(["cpu"]) as last:
        first.sign(f"{tmp_path / 'runs' / 'first'} (process 1)")
        mine.sign(f"{tmp_path / 'runs' / 'mine'} (process 2)")
        last.sign(f"{tmp_path / 'runs' / 'last'} (process 3)")
        assert launch.ahead(tmp_path / "runs" / "mine", {"device": "auto"}) == ["first"]
        assert launch.ahead(tmp_path / "runs" / "first", {}) == []
        for odd in ({"device": 3}, {"device": "gpu:x"}, {"devices": "many"}, {"devices": 1e9}):
            assert isinstance(launch.ahead(tmp_path / "runs" / "mine", odd), list)


def test_records_of_wrong_types_do_no_harm(root):
    home = folders.own(root, "starts")
    for number, text in enumerate(("[]", '{"began": "x", "wish": []}', '{"time": 5, "data": {}, "module": 3}', "{")):
        (home / f"runs-odd{number}.json").write_text(text)
        (home / f"runs-odd{number}.code").write_text("many")
        assert launch.code(root, "runs", f"odd{number}") is None
    assert all(run.state.name == "failed" for run in listing.runs(root))
    assert not launch.start(root, "runs", "one", "fails", []).already


def test_wishes_are_kept_as_a_mark_only(root, tmp_path):
    launch.start(root, "runs", "one", "sleeps", [tmp_path / "count"], wish=["secret"])
    assert "secret" not in json.dumps(launch.record(root, "runs", "one"))
