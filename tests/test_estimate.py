"""What each preset will take, told by a short dry run that leaves nothing but the store a little fuller."""

import json
import os

import pandas
import pytest

from tests.acceptance import runs
from toolkit import errors, estimate, options, queue
from toolkit.commandline import parse
from toolkit.data import manifest
from toolkit.features import shards
from toolkit.pixels import decode
from toolkit.steps import trial

KNOWN = ("pictures", "pooled", "maps", "looks", "near", "views")
TINY = ("--backbone", "cifar_resnet20", "--size", 32, "--batch-size", 4)


def ask(*arguments):
    """Exit code of `python -m toolkit.estimate` with `arguments`, run here."""
    return errors.guarded(estimate.main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return runs.draw(tmp_path_factory.mktemp("estimate") / "pictures", dict.fromkeys(runs.CLASSES, 16))


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return runs.weight_file(tmp_path_factory.mktemp("weights") / "mine.safetensors")


def test_every_preset_gets_its_seconds_memory_and_disk(data, weights, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ask(data, *TINY, "--weights", weights, "--out", "e.json", "--cache-dir", tmp_path / "store") == 0
    found = runs.read(tmp_path / "e.json")
    assert found["schema"] == 1 and found["pictures"] == 48 and set(found["presets"]) == set(options.PRESETS)
    for one in found["presets"].values():
        assert set(one) == {"seconds", "low", "high", "memory", "disk"}
        assert 0 < one["low"] < one["seconds"] < one["high"] and one["memory"] > 1e8 and one["disk"] > 1e6
    order = [found["presets"][name]["seconds"] for name in ("fast", "balanced", "best")]
    assert order == sorted(order)
    assert all(found["measured"][name] > 0 for name in ("look", "glance", "lay"))
    assert found["measured"]["step"] > 0 and found["measured"]["stage"] == "layer3"
    assert found["machine"]["device"] == "cpu" and found["machine"]["memory"] > 1e8
    said = capsys.readouterr().out
    assert all(f"  {name}" in said for name in options.PRESETS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.json", "store"]  # no run, nothing half done


def test_what_it_computes_is_there_for_the_run(data, weights, tmp_path, monkeypatch):
    assert ask(data, *TINY, "--weights", weights, "--cache-dir", tmp_path, "--out", tmp_path / "first.json") == 0

    def again(*arguments):
        raise AssertionError("a picture was decoded again")

    assert runs.read(tmp_path / "first.json")["measured"]["known"] == dict.fromkeys(KNOWN, 0)
    assert ask(data, *TINY, "--weights", weights, "--cache-dir", tmp_path, "--out", tmp_path / "second.json") == 0
    known = runs.read(tmp_path / "second.json")["measured"]["known"]
    assert (known["pooled"], known["looks"], known["near"]) == (1, 1, 0)
    monkeypatch.setattr(decode, "decode", again)
    assert runs.tune(data, *TINY, "--weights", weights, "--probe-only", "--resamples", 100, "--cache-dir", tmp_path,
                     "--run-dir", tmp_path / "run") == 0
    monkeypatch.undo()
    assert ask(data, *TINY, "--weights", weights, "--cache-dir", tmp_path, "--out", tmp_path / "third.json") == 0
    assert runs.read(tmp_path / "third.json")["measured"]["known"]["near"] == 1


def test_maps_are_given_the_room_that_all_pictures_will_leave_them(tmp_path):
    with trial.Remembering(tmp_path / "store", 10**6, tmp_path / "scratch", print, pictures=100) as store:
        for kind in ("pictures", "looks", "pooled", "maps"):
            store.shelf(kind, {}, [(500,)], "uint8", 8)
        assert store.room(0) == 10**6 - shards.taken([(500,)], "uint8", 3 * 100 + 8)


def test_a_preset_that_the_options_exclude_says_why(data, tmp_path, capsys):
    assert ask(data, *TINY, "--weights", "none", "--out", tmp_path / "e.json") == 0
    found = runs.read(tmp_path / "e.json")
    assert set(found["presets"]) == {"balanced", "best"} and "random features" in found["refused"]["fast"]
    assert found["measured"]["stage"] == "stem"  # without weights everything is trained
    assert "not with these options" in capsys.readouterr().out


def test_options_that_are_given_replace_those_of_every_preset():
    plans, refused = estimate.presets(["x", "--epochs", "2", "--preset", "fast"])
    assert not refused and {name: one.epochs for name, one in plans.items()} == dict.fromkeys(options.PRESETS, 2)
    assert plans["fast"].train_from == "head" and plans["best"].augment == "medium"


@pytest.mark.parametrize("given, wanted", [
    ({}, (70, 15, 15)), ({"train": 60, "validation": 20, "test": 20}, (60, 20, 20)),
    ({"train": 80, "test": 20}, (66, 14, 20))])
def test_the_parts_are_those_of_the_split(given, wanted):
    split = [part for part, number in given.items() for _ in range(number)] or [""] * 100
    samples = manifest.Samples(pandas.DataFrame({"split": split}), None, "table", None)
    counts = estimate.counted(samples, parse(options.Estimate, "estimate", ["x"]))
    assert counts == (100, *wanted)


@pytest.mark.parametrize("arguments, code, words", [
    (("nowhere",), 3, "does not exist"), ((), 2, "DATA is missing"),
    (("x", "--resume", "--run-dir", "r"), 2, "--resume"), (("DATA", "--offline"), 3, "resnet"),
    (("DATA", "--backbone", "resnet5"), 2, "resnet50"),
    (("DATA", "--out", "none/e.json"), 2, "no such folder")])
def test_errors_are_those_of_a_run(data, tmp_path, monkeypatch, capsys, arguments, code, words):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    assert ask(*(str(data) if argument == "DATA" else argument for argument in arguments)) == code
    runs.refused(capsys, words)
    assert not list(tmp_path.glob("*.json"))


def test_G6_only_an_earlier_estimate_is_replaced(data, tmp_path, capsys):
    mine, earlier = tmp_path / "mine.json", tmp_path / "earlier.json"
    mine.write_text("[1, 2]")
    assert ask(data, "--out", mine) == 2
    runs.refused(capsys, "exists and is no estimate")
    assert mine.read_text() == "[1, 2]"
    earlier.write_text(json.dumps({"schema": 1, "presets": {}}))
    estimate.check_out(earlier)


def test_other_work_is_noticed_a_run_on_the_device_or_anything_on_the_processor(monkeypatch, tmp_path):
    chosen = parse(options.Estimate, "estimate", ["sample:cells", "--device", "cpu"])
    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path))
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.4, 9.0, 9.0))
    assert not estimate.is_busy(chosen) and not queue.tickets(tmp_path / "cpu")
    with queue.Ticket(["cpu"]):
        assert estimate.is_busy(chosen)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.6, 0.0, 0.0))
    assert estimate.is_busy(chosen)
