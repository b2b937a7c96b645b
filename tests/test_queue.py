"""The queue of a device: first come, first served, over processes that may die at any moment."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.acceptance import runs
from toolkit import queue
from toolkit.errors import OptionError
from toolkit.progress import Progress
from toolkit.queue import Ticket
from toolkit.run import Run

ROOT = Path(__file__).resolve().parents[1]
WORKER = """
import sys
from toolkit.queue import Ticket
with Ticket(sys.argv[2].split(","), wait=True) as ticket:
    ticket.sign(sys.argv[1])
    print("came", flush=True)
    ticket.wait(lambda number, words: print(words, flush=True), poll=0.02)
    print("works", flush=True)
    sys.stdin.readline()
"""
RUN = """
import sys
from toolkit import errors
from toolkit.progress import Progress
from toolkit.queue import Ticket
from toolkit.run import Run

def main(arguments):
    with Ticket(["cpu"]) as ticket, Run.create(sys.argv[1], "finetune", {}) as run, errors.Interrupts(run.say) as stop:
        Progress(run, {}, stop).queued(ticket)

sys.exit(errors.guarded(main))
"""


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """The folder of the queues, of this test alone."""
    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path / "queue"))
    return tmp_path / "queue"


@pytest.fixture
def worker():
    """Starts a process that takes a ticket, and returns it once it has."""
    with contextlib.ExitStack() as ended:
        def start(name, devices="cpu"):
            process = subprocess.Popen([sys.executable, "-c", WORKER, name, devices], cwd=ROOT, text=True,
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            ended.callback(end, process)
            assert process.stdout.readline() == "came\n"
            return process
        yield start


def end(process):
    process.kill()
    process.communicate()


def says(process):
    return process.stdout.readline().strip()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_D8_three_come_and_are_served_in_their_order(worker):
    first, second, third = (worker(name) for name in ("first", "second", "third"))
    assert [says(one) for one in (first, second, third)] == ["works", "queued, 1 before you", "queued, 2 before you"]
    first.communicate("done\n")
    assert (says(second), says(third)) == ("works", "queued, 1 before you")
    second.communicate("done\n")
    assert says(third) == "works"


def test_D8_whoever_gives_up_in_the_middle_frees_the_place(worker):
    first, second, third = (worker(name) for name in ("first", "second", "third"))
    assert says(third) == "queued, 2 before you"
    end(second)
    assert says(third) == "queued, 1 before you" and says(first) == "works"


def test_D8_kill_9_of_the_one_that_works_lets_the_next_begin(worker, place):
    first, second = worker("first"), worker("second")
    assert (says(first), says(second)) == ("works", "queued, 1 before you")
    began = time.monotonic()
    first.send_signal(signal.SIGKILL)
    assert says(second) == "works" and time.monotonic() - began < 2
    assert names(place / "cpu") == ["000000000002", "counter"]


def test_D8_one_that_is_suspended_keeps_its_place(worker):
    first, second = worker("first"), worker("second")
    assert says(second) == "queued, 1 before you"
    first.send_signal(signal.SIGSTOP)
    with Ticket(["cpu"]) as ticket:
        assert list(ticket.before().values()) == ["first", "second"]


def test_another_device_does_not_wait(worker):
    assert (says(worker("one", "cpu")), says(worker("other", "gpu0"))) == ("works", "works")


def test_D8_several_devices_are_taken_at_once_and_nobody_waits_for_ever(worker):
    pairs = [worker("a", "gpu0,gpu1"), worker("b", "gpu2,gpu1"), worker("c", "gpu2,gpu0")]
    assert [says(one) for one in pairs] == ["works", "queued, 1 before you", "queued, 2 before you"]
    pairs[0].communicate("done\n")
    assert (says(pairs[1]), says(pairs[2])) == ("works", "queued, 1 before you")
    pairs[1].communicate("done\n")
    assert says(pairs[2]) == "works"


def test_a_process_on_both_devices_counts_once(worker):
    worker("first", "gpu0,gpu1")
    with Ticket(["gpu1", "gpu0"]) as ticket:
        assert list(ticket.before().values()) == ["first"]


def test_D8_no_wait_is_refused_with_the_name_of_the_owner_and_takes_no_place(worker, place):
    worker("runs/first\x1b[31m")
    before = names(place / "cpu")
    with pytest.raises(OptionError, match=r"^the processor is busy with runs/first\\x1b\[31m; leave --no-wait out"):
        Ticket(["cpu"], wait=False)
    assert names(place / "cpu") == before
    with Ticket(["gpu1"], wait=False), pytest.raises(OptionError, match="gpu1 is busy with process"):
        Ticket(["gpu0", "gpu1"], wait=False)
    Ticket(["gpu0"], wait=False).close()  # the refused one holds none of its devices


def test_a_ticket_of_the_dead_is_removed_by_whoever_sees_it(place):
    Ticket(["cpu"]).close()
    (place / "cpu" / "000000000001").write_text("1-1\na run that was killed\n")
    (place / "cpu" / ".new").write_text("half a ticket")
    with Ticket(["cpu"], wait=False) as ticket:
        assert ticket.before() == {}
        assert names(place / "cpu") == ["000000000002", "counter"]
    assert names(place / "cpu") == ["counter"]


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"000000000002", None])
def test_E10_numbers_grow_whatever_became_of_the_counter(place, content):
    with Ticket(["cpu"]), Ticket(["cpu"]), Ticket(["cpu"]):
        counter = place / "cpu" / "counter"
        counter.unlink() if content is None else counter.write_bytes(content)
        with Ticket(["cpu"]) as last:
            assert len(last.before()) == 3


def test_E10_a_clock_that_jumps_changes_no_order(monkeypatch):
    with Ticket(["cpu"]) as first:
        monkeypatch.setattr(time, "time", lambda: 0.0)
        monkeypatch.setattr(time, "time_ns", lambda: 0)
        with Ticket(["cpu"]) as second:
            assert (len(first.before()), len(second.before())) == (0, 1)


def test_files_that_are_no_tickets_hold_nobody_up(place):
    (place / "cpu").mkdir(parents=True)
    for name in ("notes.txt", "000000000000.bak", "-00000000001"):
        (place / "cpu" / name).write_text("x")
    with Ticket(["cpu"], wait=False) as ticket:
        assert ticket.before() == {}


def test_tickets_that_cannot_be_read_hold_nobody_up(place, monkeypatch):
    (place / "cpu" / "000000000001").mkdir(parents=True)  # stands for one of another user
    with Ticket(["cpu"]) as ticket:
        assert ticket.before() == {}
    monkeypatch.setattr(os, "open", lambda *given: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    assert queue.owner_of(place / "cpu" / "000000000001") is None


def test_a_queue_that_is_cleared_away_lets_go(worker, place):
    worker("first")
    with Ticket(["cpu"]) as ticket:
        assert len(ticket.before()) == 1
        shutil.rmtree(place)
        assert ticket.before() == {}
        with Ticket(["cpu"]) as later:
            assert later.before() == {} and later.fault is None


def test_where_the_folder_cannot_be_used_nobody_waits_and_it_is_said(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path / "file"))
    with Run.create(tmp_path / "run", "finetune", {}) as run, Ticket(["cpu"], wait=False) as ticket:
        assert Progress(run, {}).queued(ticket) == 0.0
    assert "No queue: " in (said := capsys.readouterr().out) and "Not a directory" in said


@pytest.mark.parametrize("device, count, cards, visible, wanted", [
    ("auto", 1, 0, None, ["cpu"]), ("cpu", 1, 2, None, ["cpu"]), ("auto", 1, 2, None, ["gpu0"]),
    ("auto", 2, 2, None, ["gpu0", "gpu1"]), ("gpu", 1, 2, "1,0", ["gpu1"]), ("gpu:1", 1, 2, None, ["gpu1"]),
    ("gpu:1", 1, 0, None, ["cpu"]), ("auto", 2, 4, " 3, 2,1", ["gpu3", "gpu2"]), ("auto", 1, 2, "-1", ["cpu"]),
    ("gpu:1", 1, 8, "4, 5", ["gpu5"]), ("gpu:0", 1, 2, "GPU-1f/2", ["gpuGPU-1f-2"]), ("gpu:9", 1, 0, "4,5", ["cpu"]),
    ("auto", 1, 2, "", ["cpu"]), ("auto", 2, 2, "0,-1,1", ["gpu0"]), ("auto", 1, 1, "MIG-a/../b", ["gpuMIG-a----b"])])
def test_the_device_is_told_without_asking_a_library(tmp_path, monkeypatch, device, count, cards, visible, wanted):
    for number in range(cards):
        (tmp_path / f"nvidia{number}").touch()
    monkeypatch.setattr(queue, "CARDS", (str(tmp_path / "nvidia[0-9]*"),))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert queue.devices(device, count) == wanted


@pytest.mark.parametrize("device, seen", [("gpu:2", "4,5"), ("gpu:1", "4,-1,5"), ("gpu:0", ""), ("gpu:0", "-1")])
def test_a_card_that_is_not_visible_is_refused(tmp_path, monkeypatch, device, seen):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(queue, "CARDS", (str(tmp_path / "nvidia[0-9]*"),))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", seen)
    for ask in (queue.devices, queue.narrow):
        with pytest.raises(OptionError, match=f"^--device {device}: CUDA_VISIBLE_DEVICES shows"):
            ask(device)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == seen and queue.NARROWED == {}


def test_E13_the_folder_without_a_word_and_without_a_home(tmp_path, monkeypatch):
    monkeypatch.delenv("TOOLKIT_QUEUE")
    monkeypatch.delenv("TOOLKIT_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert queue.usual_folder().parent == tmp_path / ".cache" / "toolkit" / "queue"

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert str(os.getuid()) in queue.usual_folder().name


@pytest.fixture
def queued(tmp_path, worker):
    """A run in a process of its own that waits for another."""
    ahead = worker("first")
    process = subprocess.Popen([sys.executable, "-c", RUN, str(tmp_path / "run")], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert says(process) == "queued, 1 before you"
    status = runs.read(tmp_path / "run" / "status.json")
    assert (status["state"], status["phase"], status["message"], status["queued_as"]) == (
        "queued", "queue", "queued, 1 before you", 1)
    yield process, tmp_path / "run", ahead
    end(process)


@pytest.mark.parametrize("ask, code, state, message", [
    (lambda process, folder: (folder / "stop").touch(), 0, "stopped", "stopped while queued"),
    (lambda process, folder: process.send_signal(signal.SIGINT), 130, "stopped", "stopped by hand"),
    (lambda process, folder: process.send_signal(signal.SIGTERM), 143, "stopped", "stopped by hand")])
def test_D8_a_queued_run_is_stopped_and_frees_its_place(queued, worker, ask, code, state, message):
    process, folder, ahead = queued
    behind = worker("third")
    assert says(behind) == "queued, 2 before you"
    ask(process, folder)
    _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (code, "")
    status = runs.read(folder / "status.json")
    assert (status["state"], status["message"]) == (state, message)
    assert says(behind) == "queued, 1 before you"


def test_E7_a_queued_run_has_its_folder_and_frees_it_after_kill_9(queued):
    process, folder, _ = queued
    for start in (lambda: Run.create(folder, "finetune", {}), lambda: Run.resume(folder)):
        with pytest.raises(OptionError, match=f"in use by process {process.pid}"):
            start()
    end(process)
    again = Run.resume(folder)
    assert again.facts["state"] == "running" and "queued_as" not in runs.read(folder / "status.json")
    again.finish("stopped", "enough")


def test_D8_a_queued_run_begins_in_its_turn_and_its_clock_did_not_run(queued):
    process, folder, ahead = queued
    time.sleep(0.6)
    ahead.communicate("done\n")
    assert process.wait(20) == 0
    facts, events = runs.read(folder / "run.json"), (folder / "events.jsonl").read_text()
    assert facts["state"] == "finished" and facts["times"]["queued"] >= 0.6 > facts["times"]["seconds"]
    assert '"phase": "queue", "name": "before", "value": 1' in events.splitlines()[0]
    assert (folder / "log.txt").read_text().count("queued, 1 before you") == 1


