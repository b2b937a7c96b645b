"""A run that is stopped by hand, and goes on; odd surroundings."""

import os
import shlex
import shutil
import signal
import subprocess
import sys

import pytest

from tests.acceptance import runs
from toolkit import run as room
from toolkit.features import executor

STOPPED = "Stopped. To go on: "
BEST = ("model.keras", "model.json", "report.html", "metrics.json", "predictions.csv")


def signalled_at(monkeypatch, number, words):
    """Send this process the signal `number` once, as the run says `words`."""
    honest = room.Run.say

    def say(run, text):
        honest(run, text)
        if words in text:
            monkeypatch.setattr(room.Run, "say", honest)
            os.kill(os.getpid(), number)

    monkeypatch.setattr(room.Run, "say", say)


def test_E1_ctrl_c_keeps_the_best_so_far_and_the_run_goes_on_to_the_same_end(
        tmp_path, capsys, monkeypatch, data, deep, blind, tuned):
    folder = tmp_path / "run"
    signalled_at(monkeypatch, signal.SIGINT, "layer3, epoch 2:")
    assert runs.tune(data, *deep, "--run-dir", folder) == 130
    said = capsys.readouterr()
    assert "stopping at the next safe point" in said.out and "epoch 3:" not in said.out and "Traceback" not in said.err
    assert said.out.splitlines()[-1] == f"{STOPPED}python -m toolkit.finetune --resume --run-dir {folder}"
    assert runs.read(folder / "run.json")["state"] == runs.read(folder / "status.json")["state"] == "stopped"
    assert runs.read(folder / "metrics.json")["chosen"] == "layer3" and "stopped by hand" in runs.told(folder)
    assert runs.ask(folder, data / "red", "--out", tmp_path / "best.csv") == 0

    changed_data_are_refused(tmp_path, capsys, data, folder)
    assert runs.tune("--resume", "--run-dir", folder, "--epochs", 9) == 2
    runs.refused(capsys, "--epochs 9", "--resume")

    assert runs.tune("--resume", "--run-dir", folder) == 0
    said = capsys.readouterr().out
    assert "epoch 2:" not in said and "epoch 3:" in said
    for name in ("predictions.csv", "model.keras"):
        assert (folder / name).read_bytes() == (tuned / name).read_bytes(), name
    for name in ("validation_loss", "gradient_norms", "update_norms"):
        told = [runs.events(place, name) for place in (folder, tuned)]
        assert told[0] == told[1] and len(told[0]) == 3, name
    assert all(set(norms) == {"head", "layer3"} for norms in runs.events(tuned, "gradient_norms"))


def changed_data_are_refused(tmp_path, capsys, data, folder):
    """A13, with a copy of both the data and the run."""
    before = runs.read(folder / "run.json")["options"]["data"]
    moved, copy = shutil.copytree(data, tmp_path / "data"), shutil.copytree(folder, tmp_path / "copy")
    facts = (copy / "run.json").read_text("utf-8")
    (copy / "run.json").write_text(facts.replace(before, str(moved)), "utf-8")
    (moved / "red" / "0.png").write_bytes((moved / "red" / "1.png").read_bytes() + b" ")
    capsys.readouterr()
    assert runs.tune("--resume", "--run-dir", copy) == 3
    runs.refused(capsys, "red/0.png: changed", "new run")


def test_E1_before_the_probe_there_is_no_model_and_the_run_starts_over(tmp_path, capsys, monkeypatch, data, fast):
    folder = tmp_path / "run"
    signalled_at(monkeypatch, signal.SIGINT, "Looking at")
    assert runs.tune(data, *fast, "--run-dir", folder) == 130
    assert STOPPED in capsys.readouterr().out and not [name for name in BEST if (folder / name).exists()]
    assert not list(folder.glob("maps-*"))
    assert runs.tune("--resume", "--run-dir", folder) == 0
    assert not [name for name in BEST if not (folder / name).exists()]


@pytest.mark.skipif(not executor.has_openvino(), reason="OpenVINO is not installed")
@pytest.mark.parametrize("arguments", [("--train-from", "head"), ("--probe-only",)])
def test_a_run_that_trains_nothing_goes_on_without_tensorflow_too(tmp_path, monkeypatch, data, weights, arguments):
    folder = tmp_path / "run"
    signalled_at(monkeypatch, signal.SIGINT, "Looking at")
    asked = (*runs.SMALL, "--weights", weights, "--device", "cpu", *arguments)
    assert runs.tune(data, *asked, "--run-dir", folder) == 130
    code = ("import atexit, runpy, sys; "
            "atexit.register(lambda: print('LOADED', 'keras' in sys.modules, 'tensorflow' in sys.modules)); "
            f"sys.argv = ['x', '--resume', '--run-dir', {str(folder)!r}]; "
            "runpy.run_module('toolkit.finetune', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], env=runs.environment(KERAS_BACKEND=None), capture_output=True,
                          encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED True False"
    assert runs.read(folder / "run.json")["state"] == "finished"


@pytest.mark.parametrize("kept", [0, 1])
def test_a_budget_that_ends_while_validation_pictures_are_looked_at_is_heeded_at_once(tmp_path, monkeypatch, data, deep,
                                                                                      kept):
    from toolkit.features import shards
    from toolkit.steps import tuning

    answers = iter([None])  # as tuning begins
    monkeypatch.setattr(tuning, "lateness", lambda *given: lambda: next(answers, "time budget spent"))
    folder, store = tmp_path / "run", tmp_path / "store"
    assert runs.tune(data, *deep, "--executor", "keras", "--cache-views", kept, "--cache-dir", store, "--run-dir",
                     folder) == 0  # which does not keep their maps beforehand
    assert not runs.events(folder, "validation_loss") and "time budget spent" in runs.told(folder)
    assert runs.read(folder / "metrics.json")["chosen"] == "probe"
    measured = sum(row["split"] == "validation" for row in runs.rows(folder / "manifest.csv"))
    assert sum(len(shards.Shard(path).header["keys"]) for path in store.glob("maps-*/*.shard")) == kept * measured


def test_A13_an_edited_label_is_noticed_where_a_run_goes_on(tmp_path, capsys, monkeypatch, data, fast):
    rows = [(f"{name}/{i}.png", name) for name in runs.CLASSES for i in range(16)]
    table = runs.table(tmp_path / "t.csv", rows)
    signalled_at(monkeypatch, signal.SIGINT, "Looking at")
    assert runs.tune(table, "--root", data, *fast, "--run-dir", tmp_path / "run") == 130
    runs.table(table, [("red/0.png", "blue") if path == "red/0.png" else (path, name) for path, name in rows])
    capsys.readouterr()
    assert runs.tune("--resume", "--run-dir", tmp_path / "run") == 3
    runs.refused(capsys, "red/0.png: changed", "new run")


def test_E2_E13_sigterm_in_a_plain_locale_without_home_and_the_printed_command_goes_on(tmp_path, data, weights):
    place = tmp_path / ("Räume für Bilder " + "x" * 100) / ("日本 " * 20) / ("y" * 60)
    place.mkdir(parents=True)
    (place / "data 'link'").symlink_to(data)
    surroundings = runs.environment(LANG="C", LC_ALL="C", LC_NUMERIC="de_DE.UTF-8", HOME=None, TOOLKIT_OFFLINE="1",
                                    PYTHONUTF8=None, PYTHONIOENCODING=None)
    arguments = (place / "data 'link'", *runs.SMALL, "--weights", weights, "--train-from", "layer3", "--epochs", 25,
                 "--patience", 25, "--run-dir", place / "my run")
    said = ""
    with subprocess.Popen(runs.command("finetune", *arguments), env=surroundings, cwd=tmp_path, encoding="utf-8",
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        for line in process.stdout:
            said += line
            if "epoch 1:" in line:
                process.send_signal(signal.SIGTERM)
        error = process.stderr.read()
    assert process.returncode == 143, error
    assert "Traceback" not in error and "epoch 25:" not in said
    folder = place / "my run"
    assert runs.read(folder / "status.json")["state"] == "stopped"
    assert not [name for name in BEST if not (folder / name).exists()]
    log = (folder / "log.txt").read_text("utf-8").splitlines()[-1]
    resume = shlex.split(log.partition(STOPPED)[2])
    assert resume[:3] == ["python", "-m", "toolkit.finetune"] and resume[-1] == str(folder)
    (folder / "stop").touch()  # a stop request left behind is of the past
    done = subprocess.run(runs.command("finetune", *resume[3:]), env=surroundings, cwd=tmp_path, capture_output=True,
                          encoding="utf-8")
    assert done.returncode == 0, done.stderr
    assert runs.read(folder / "status.json")["state"] == "finished"
    assert len(runs.events(folder, "validation_loss")) == 25
    for row in runs.rows(folder / "predictions.csv"):
        assert 0 <= float(row["p_red"]) <= 1


def test_E8_E9_a_finished_run_is_never_overwritten(tmp_path, capsys, data, fast, tuned):
    before = {path: path.read_bytes() for path in tuned.rglob("*") if path.is_file()}
    assert len(before) > 14
    assert runs.tune(data, *fast, "--run-dir", tuned) == 2
    runs.refused(capsys, tuned, "a finished run", "new or empty folder")
    assert runs.tune("--resume", "--run-dir", tuned) == 0
    assert "is finished; there is nothing left to do" in capsys.readouterr().out
    after = {path: path.read_bytes() for path in tuned.rglob("*") if path.is_file()}
    changed = {path.name for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed <= {"log.txt", "lock"}

    foreign = tmp_path / "thesis"
    foreign.mkdir()
    (foreign / "chapter 1.txt").write_text("mine")
    assert runs.tune(data, *fast, "--run-dir", foreign) == 2
    runs.refused(capsys, "chapter 1.txt")
    assert [path.name for path in foreign.iterdir()] == ["chapter 1.txt"]


@pytest.mark.parametrize("folder", ["nowhere", "."])
def test_E9_there_must_be_a_run_to_resume(tmp_path, capsys, monkeypatch, folder):
    monkeypatch.chdir(tmp_path)
    assert runs.tune("--resume", "--run-dir", folder) == 2
    runs.refused(capsys, "holds no run")
    assert list(tmp_path.iterdir()) == []
