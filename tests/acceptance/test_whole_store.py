"""What runs share, and runs that were killed: nothing is computed twice, and nothing differs for it."""

import inspect
import shutil
import signal
import subprocess
import time

import pytest

from tests.acceptance import runs
from toolkit.quantities import size

SAME = ("model.keras", "predictions.csv", "manifest.csv")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data, deep):
    """A finished run that nothing broke, with a store of its own."""
    place = tmp_path_factory.mktemp("whole")
    assert runs.tune(data, *deep, "--cache-dir", place / "store", "--run-dir", place / "run") == 0
    return place / "run"


def contents(folder):
    return {name: (folder / name).read_bytes() for name in SAME}


@pytest.mark.parametrize("limit, said", [("20GB", "2 views of a picture"), ("1500kB", "1 of 2 views")])
def test_a_second_run_decodes_nothing_and_computes_no_feature_and_ends_alike(tmp_path, capsys, monkeypatch, data, deep,
                                                                             limit, said):
    from toolkit.features import frozen
    from toolkit.pixels import decode

    shared = ("--cache-dir", tmp_path / "store", "--cache-views", 2, "--cache-limit", limit)
    assert runs.tune(data, *deep, *shared, "--run-dir", tmp_path / "first") == 0
    assert said in capsys.readouterr().out and not (tmp_path / "first" / "scratch").exists()
    monkeypatch.setattr(decode, "decode", lambda *_: pytest.fail("a picture was decoded"))
    monkeypatch.setattr(frozen.executor, "forward", forbidden(frozen.executor.forward))
    assert runs.tune(data, *deep, *shared, "--run-dir", tmp_path / "second") == 0
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert sum(path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file()) < 1.05 * size(limit)


def forbidden(forward):
    """`forward`, which fails where it is asked for frozen features (by `frozen.Frozen.rows`' make)."""
    def checked(compute, count, read, step=None):
        frames = {frame.function for frame in inspect.stack()}
        assert "make" not in frames, "a feature was computed"
        return forward(compute, count, read, step)

    return checked


def test_the_store_changes_no_result(tmp_path, data, deep, whole):
    for name, options in {"own": ("--cache-limit", "0"),
                          "small": ("--cache-dir", tmp_path / "little", "--cache-limit", "100kB")}.items():
        assert runs.tune(data, *deep, *options, "--run-dir", tmp_path / name) == 0
        assert not (tmp_path / name / "scratch").exists()
    assert not (whole / "scratch").exists()
    assert contents(whole) == contents(tmp_path / "own") == contents(tmp_path / "small")
    assert sum(path.stat().st_size for path in (tmp_path / "little").rglob("*")) < 105_000


def test_A13_changed_data_make_a_new_run_where_that_is_accepted(tmp_path, capsys, monkeypatch, data, fast):
    mine, folder = shutil.copytree(data, tmp_path / "pictures"), tmp_path / "run"

    def stopped(run, *arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("toolkit.steps.learn.probe", stopped)
        assert runs.tune(mine, *fast, "--run-dir", folder) == 130
    next((mine / "red").iterdir()).unlink()
    before = (folder / "manifest.csv").read_bytes()
    assert runs.tune("--resume", "--run-dir", folder) == 3
    runs.refused(capsys, "gone", "--accept-changed-data")
    assert runs.tune("--resume", "--run-dir", folder, "--accept-changed-data") == 0
    new = tmp_path / "run-2"
    assert runs.read(new / "status.json")["state"] == "finished" and len(runs.rows(new / "manifest.csv")) == 47
    assert (folder / "manifest.csv").read_bytes() == before and not (folder / "model.keras").exists()


@pytest.mark.slow
def test_E3_a_run_killed_in_any_phase_ends_as_an_unbroken_one(tmp_path, data, deep, whole):
    folder = tmp_path / "broken"
    line = runs.command("finetune", data, *deep, "--cache-dir", tmp_path / "store", "--run-dir", folder)
    for phase in ("features", "tune"):
        process = subprocess.Popen(line, env=runs.environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        while process.poll() is None and not (phase_of(folder) == phase):
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL, phase
        line = runs.command("finetune", "--resume", "--run-dir", folder)
    assert runs.tune("--resume", "--run-dir", folder) == 0
    assert contents(folder) == contents(whole)
    assert not (folder / "scratch").exists() and not [path for path in folder.iterdir() if path.name.startswith(".")]


def phase_of(folder):
    """The phase that a run is in; None where none can be read."""
    try:
        return runs.read(folder / "status.json")["phase"]
    except (OSError, ValueError):
        return None
