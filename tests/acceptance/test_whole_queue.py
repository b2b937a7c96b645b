"""Runs that wait for each other, and runs that are asked to end by a file."""

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.acceptance import runs
from tests.acceptance.test_whole_interruption import signalled_at
from toolkit import run as room

STOPPED = "Stopped. To go on: "


def started(*arguments):
    """A finetune of its own process, and a reader of its lines."""
    process = subprocess.Popen(runs.command("finetune", *arguments), env=runs.environment(), text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def until(words):
        for line in process.stdout:
            if words in line:
                return line
        raise AssertionError(f"it ended without saying {words!r}")

    return process, until


def asked_at(monkeypatch, folder, words):
    """Put the stop file into `folder` once, as the run says `words`."""
    honest = room.Run.say

    def say(run, text):
        honest(run, text)
        if words in text:
            monkeypatch.setattr(room.Run, "say", honest)
            (folder / "stop").touch()

    monkeypatch.setattr(room.Run, "say", say)


def states(monkeypatch):
    """(state, phase) that runs write from now on."""
    found, honest = [], room.Run.progress

    def progress(run, state, phase, *rest, **more):
        found.append((state, phase))
        honest(run, state, phase, *rest, **more)

    monkeypatch.setattr(room.Run, "progress", progress)
    return found


@pytest.mark.slow
def test_D7_D8_a_second_run_waits_a_third_is_refused_and_the_first_is_asked_to_end(tmp_path, capsys, data, fast, deep):
    first, second = tmp_path / "first", tmp_path / "second"
    running, heard = started(data, *deep, "--epochs", 500, "--patience", 500, "--run-dir", first)
    heard("epoch 1:")
    waiting, heard_too = started(data, *fast, "--run-dir", second)
    heard_too("queued, 1 before you")
    status = runs.read(second / "status.json")
    assert (status["state"], status["message"], status["queued_as"]) == ("queued", "queued, 1 before you", 1)
    if (maps := Path(f"/proc/{waiting.pid}/maps")).exists():  # what waits holds no memory for TensorFlow
        assert "numpy" in maps.read_text() and "site-packages/tensorflow/" not in maps.read_text()

    assert runs.tune(data, *fast, "--no-wait", "--run-dir", tmp_path / "third") == 2
    runs.refused(capsys, "the processor is busy with", first, f"process {running.pid}", "leave --no-wait out to wait")
    assert not (tmp_path / "third").exists()

    began = time.monotonic()
    (first / "stop").touch()
    said = running.stdout.read()
    assert running.wait(60) == 0 and time.monotonic() - began < 60
    assert "stopping on request" in said and "Traceback" not in said
    status, measured = runs.read(first / "status.json"), runs.read(first / "metrics.json")
    assert (status["state"], status["message"]) == ("finished", "done; tuning ended: stopped on request")
    assert measured["tuning_ended"] == "stopped on request" and "Tuning ended early: stopped on" in runs.told(first)
    assert (first / "model.keras").exists() and not (first / "checkpoints" / "last.npz").exists()

    heard_too("Reading 48 pictures")
    waiting.stdout.read()
    assert waiting.wait(120) == 0
    facts = runs.read(second / "run.json")
    assert facts["state"] == "finished" and facts["times"]["queued"] > 0 and facts["options"]["no_wait"] is False
    assert (second / "log.txt").read_text("utf-8").count("queued") == 1


def test_D7_before_there_is_a_model_a_stop_file_ends_the_run_and_it_can_be_gone_on_with(
        tmp_path, capsys, monkeypatch, data, fast):
    folder = tmp_path / "run"
    asked_at(monkeypatch, folder, "Looking at")
    shown = states(monkeypatch)
    assert runs.tune(data, *fast, "--cache-dir", tmp_path / "store", "--run-dir", folder) == 0
    assert STOPPED in capsys.readouterr().out and not (folder / "model.keras").exists()
    for name in ("run.json", "status.json"):
        found = runs.read(folder / name)
        assert (found["state"], found["message"]) == ("stopped", "stopped on request before there was a model")
    assert shown[-2:] == [("stopping", "features"), ("stopped", "features")]
    assert runs.tune("--resume", "--run-dir", folder) == 0
    assert runs.read(folder / "status.json")["message"] == "done"


@pytest.mark.parametrize("words", ["Measuring the probe", "Tuning layer3"])
def test_D7_with_a_probe_alone_a_stop_file_keeps_the_probe(tmp_path, monkeypatch, data, deep, words):
    folder = tmp_path / "run"
    asked_at(monkeypatch, folder, words)
    assert runs.tune(data, *deep, "--folds", 3, "--cache-dir", tmp_path / "store", "--run-dir", folder) == 0
    measured, status = runs.read(folder / "metrics.json"), runs.read(folder / "status.json")
    assert (measured["chosen"], measured["tuning_ended"], measured["folds"]) == ("probe", "stopped on request", None)
    assert "nothing was tuned" in measured["why"] and runs.events(folder, "validation_loss") == []
    assert (status["state"], status["message"]) == ("finished", "done; tuning ended: stopped on request")
    assert (folder / "report.html").exists() and (folder / "predictions.csv").exists()


def test_D7_a_run_that_goes_on_keeps_the_best_of_its_earlier_sitting(tmp_path, monkeypatch, data, deep, blind):
    folder = tmp_path / "run"
    signalled_at(monkeypatch, signal.SIGINT, "layer3, epoch 2:")
    assert runs.tune(data, *deep, "--run-dir", folder) == 130
    asked_at(monkeypatch, folder, "Measuring the probe")
    assert runs.tune("--resume", "--run-dir", folder) == 0
    measured = runs.read(folder / "metrics.json")
    assert (measured["chosen"], measured["tuning_ended"]) == ("layer3", "stopped on request")


def test_D7_of_the_folds_a_stop_file_leaves_the_rest_out(tmp_path, monkeypatch, data, fast):
    folder = tmp_path / "run"
    asked_at(monkeypatch, folder, "Fitting the probe without")
    assert runs.tune(data, *fast, "--folds", 3, "--run-dir", folder) == 0
    assert runs.read(folder / "metrics.json")["folds"] is None and not (folder / "folds.csv").exists()
    assert runs.read(folder / "status.json")["state"] == "finished"


def test_D7_a_time_budget_that_is_spent_is_told(tmp_path, data, deep):
    assert runs.tune(data, *deep, "--time-budget", "0.1s", "--run-dir", tmp_path / "run") == 0
    assert runs.read(tmp_path / "run" / "metrics.json")["tuning_ended"] == "time budget spent"
    assert "Tuning ended early: time budget spent." in runs.told(tmp_path / "run")
    assert runs.read(tmp_path / "run" / "status.json")["message"] == "done; tuning ended: time budget spent"


def test_D7_a_time_budget_counts_the_seconds_of_earlier_sittings(tmp_path, monkeypatch, data, deep, blind):
    folder = tmp_path / "run"
    signalled_at(monkeypatch, signal.SIGINT, "layer3, epoch 1:")
    assert runs.tune(data, *deep, "--time-budget", "1h", "--run-dir", folder) == 130
    status = runs.read(folder / "status.json")
    (folder / "status.json").write_text(json.dumps(status | {"seconds": status["seconds"] + 3600}))
    assert runs.tune("--resume", "--run-dir", folder) == 0
    measured, facts = runs.read(folder / "metrics.json"), runs.read(folder / "run.json")
    assert (measured["chosen"], measured["tuning_ended"]) == ("layer3", "time budget spent")
    assert len(runs.events(folder, "validation_loss")) == 2  # a step of the second epoch, and it is over
    assert 3600 < measured["seconds"]["total"] < facts["times"]["seconds"] + 60


def test_D8_going_on_is_refused_by_no_wait_and_the_run_stays_as_it_was(tmp_path, capsys, monkeypatch, data, fast):
    from toolkit import queue

    folder = tmp_path / "run"
    asked_at(monkeypatch, folder, "Looking at")
    assert runs.tune(data, *fast, "--run-dir", folder) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}
    assert "stop" in before
    with queue.Ticket(queue.devices("auto")) as ticket:
        ticket.sign("somebody else")
        capsys.readouterr()
        assert runs.tune("--resume", "--run-dir", folder, "--no-wait") == 2
    runs.refused(capsys, "busy with somebody else")
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()
                      if path.is_file() and path.name != "lock"}
    assert runs.tune("--resume", "--run-dir", folder, "--no-wait") == 0


def test_D7_evaluate_waits_and_is_stopped_too(tmp_path, monkeypatch, capsys, data, tuned):
    from tests.test_evaluate import measure
    from toolkit import queue

    with queue.Ticket(queue.devices("auto")):
        assert measure(tuned, data, "--no-wait", "--run-dir", tmp_path / "out") == 2
        assert not (tmp_path / "out").exists()
    asked_at(monkeypatch, tmp_path / "out", "Asking the model")
    assert measure(tuned, data, "--resamples", 100, "--run-dir", tmp_path / "out") == 0
    status = runs.read(tmp_path / "out" / "status.json")
    assert (status["state"], status["message"]) == ("stopped", "stopped on request")


def test_D8_a_queued_evaluation_is_ended_by_sigterm(tmp_path, data, tuned):
    from toolkit import queue

    with queue.Ticket(queue.devices("auto")):
        process = subprocess.Popen(runs.command("evaluate", tuned, data, "--run-dir", tmp_path / "out"), text=True,
                                   env=runs.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout.readline() == "queued, 1 before you\n"
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=20)
    assert (process.returncode, error) == (143, "") and not (tmp_path / "out").exists()
