"""Whole runs: what a finished one leaves, that it is the same again, and how one ends that goes wrong."""

import numpy as np
import pytest

from tests.acceptance import runs
from toolkit import artifact, backbones
from toolkit.features import executor
from toolkit.training import loop, thaw

FILES = {"run.json", "events.jsonl", "status.json", "log.txt", "manifest.csv", "predictions.csv", "metrics.json",
         "doctor.json", "thumbnails.zip", "report.html", "model_card.md", "figures", "model.keras", "model.json",
         "checkpoints", "lock"}
GOOD = ("metrics.json", "predictions.csv", "model.keras", "model.json", "report.html", "model_card.md")


def test_D1_a_finished_run_leaves_every_file_and_says_what_it_did(tuned):
    assert {path.name for path in tuned.iterdir()} == FILES
    assert runs.read(tuned / "run.json")["state"] == "finished"
    status = runs.read(tuned / "status.json")
    assert status["state"] == "finished" and status["progress"] == 1.0
    log = (tuned / "log.txt").read_text("utf-8")
    assert "the probe's validation scores" in log and "best so far" in log and "The model tuned down to layer3" in log
    assert runs.read(tuned / "metrics.json")["chosen"] == "layer3"
    assert len(runs.events(tuned, "validation_loss")) == 3
    assert not list(tuned.glob(".*")) and not list(tuned.glob("maps-*"))


def test_first_steps_stand_in_powers_of_the_decay(tuned):
    steps = runs.events(tuned, "first_step")[0]
    decay = runs.read(tuned / "run.json")["options"]["layer_decay"]
    assert decay != 1 and steps["layer3"] / steps["head"] == pytest.approx(decay, rel=1e-3)


def test_what_is_frozen_and_every_still_statistic_is_that_of_the_weight_file(tuned, weights):
    model, _ = artifact.load(tuned)
    before = {name: np.asarray(array) for name, array in file_of(weights).items()}
    stages, still, learned = backbones.stages(model), 0, 0
    for stage, layers in stages.items():
        for name, value in ((f"{layer.name}/{v.name}", v) for layer in layers for v in layer.variables):
            if stage == "head":
                continue
            same = np.array_equal(thaw.numpy(value), before[name])
            if stage == "layer3" and not name.endswith(("moving_mean", "moving_variance")):
                learned += not same
            else:
                still += 1
                assert same, name
    assert learned == 6 * 3  # kernel, scale and shift of the six convolutions in layer3 and their norms
    assert still == 6 * 2 + 13 * 5


def file_of(path):
    from safetensors.numpy import load_file

    return load_file(path)


def test_a_statistic_that_moved_fails_the_run(tmp_path, capsys, monkeypatch, data, deep, blind):
    honest = thaw.set_trainable

    def slipping(model, stages, thawed, batch_statistics):
        honest(model, stages, thawed, batch_statistics)
        model.get_layer("layer3.2.bn2").trainable = True

    monkeypatch.setattr(thaw, "set_trainable", slipping)
    assert runs.tune(data, *deep, "--epochs", 1, "--run-dir", tmp_path / "run") == 1
    runs.refused(capsys, "2 frozen weights moved", "layer3.2.bn2/moving_mean")
    assert runs.read(tmp_path / "run" / "run.json")["state"] == "failed"
    assert not [name for name in GOOD if (tmp_path / "run" / name).exists()]


def test_B6_the_same_seed_gives_the_same_bytes_with_one_worker_and_with_four(tmp_path, tuned, data, deep, blind):
    assert runs.tune(data, *deep, "--workers", 4, "--run-dir", tmp_path / "run") == 0
    for name in ("predictions.csv", "manifest.csv", "model.keras"):
        assert (tmp_path / "run" / name).read_bytes() == (tuned / name).read_bytes(), name
    again, before = (runs.read(folder / "metrics.json") for folder in (tmp_path / "run", tuned))
    assert again | {"seconds": 0} == before | {"seconds": 0}


def test_one_view_of_a_picture_is_said_to_vary_nothing(tmp_path, tuned, data, deep):
    words = "pictures are not varied; --cache-views 2 or more, or 0, varies them"
    assert runs.tune(data, *deep, "--cache-views", 1, "--run-dir", tmp_path / "run") == 0
    assert f"1 view of a picture: {words}." in (tmp_path / "run" / "log.txt").read_text("utf-8")
    assert f"One view of a picture was kept: {words}." in runs.told(tmp_path / "run")
    assert "not varied" not in (tuned / "log.txt").read_text("utf-8") + runs.told(tuned)


def test_D2_a_loss_that_is_not_finite_ends_with_5_and_the_best_finite_model(tmp_path, capsys, data, deep):
    folder = tmp_path / "run"
    assert runs.tune(data, *deep, "--learning-rate", 10, "--clip-norm", 1e6, "--run-dir", folder) == 5
    runs.refused(capsys, "loss became", "epoch 1", "--learning-rate")
    assert runs.read(folder / "status.json")["state"] == "failed" and not [n for n in GOOD if not (folder / n).exists()]
    model, facts = artifact.load(folder)
    assert facts["chosen"] == "probe" and all(np.isfinite(thaw.numpy(v)).all() for v in model.variables)
    assert "Tuning ended early" in runs.told(folder)
    for row in runs.rows(folder / "predictions.csv"):
        assert sum(float(row[f"p_{name}"]) for name in runs.CLASSES) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("room, name, kind, words", [
    (loop, "one_epoch", "ResourceExhaustedError", ("in tuning with --batch-size 16; try --batch-size 8",)),
    (executor, "forward", "XlaRuntimeError", ("with --size 32; try a smaller one",))])
def test_E5_a_gpu_whose_memory_runs_out_ends_the_run_with_4_and_what_takes_less(
        tmp_path, capsys, monkeypatch, data, deep, room, name, kind, words):
    def full(*given, **more):
        raise type(kind, (Exception,), {})("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.")

    monkeypatch.setattr(room, name, full)
    folder = tmp_path / "run"
    assert runs.tune(data, *deep, "--cache-dir", tmp_path / "store", "--run-dir", folder) == 4
    said = runs.refused(capsys, "memory ran out", *words)
    facts = runs.read(folder / "run.json")
    assert facts["state"] == "failed" and said == f"error: {facts['message']}\n"


def test_D5_a_class_missing_in_validation_is_a_dash_and_breaks_no_choice(tmp_path, data, deep):
    rows = [(data / name / f"{i}.png", name, part) for name in runs.CLASSES
            for i, part in enumerate(["train"] * 10 + ["test"] * 3 + ["val"] * 3) if (name, part) != ("red", "val")]
    table = runs.table(tmp_path / "t.csv", rows, ("path", "label", "split"))
    assert runs.tune(table, "--root", data, *deep, "--epochs", 1, "--run-dir", tmp_path / "run") == 0
    score = runs.read(tmp_path / "run" / "metrics.json")["validation"]["roc_auc"]
    assert score["value"] is None and "red" in score["reason"]
    assert f"ROC AUC – {score['reason']}" in runs.told(tmp_path / "run")
    assert runs.events(tmp_path / "run", "validation_roc_auc") == [None, None]


def test_D6_one_to_a_hundred_is_warned_and_measured_in_spite_of_it(tmp_path, fast):
    parts = {"train": (200, 2), "val": (100, 1), "test": (100, 1)}
    arrays = {}
    for number, (part, counts) in enumerate(parts.items()):
        arrays[f"{part}_labels"] = np.repeat([0, 1], counts)
        arrays[f"{part}_images"] = np.stack([runs.picture(kind, 1000 * number + i, 32)
                                             for i, kind in enumerate(arrays[f"{part}_labels"])])
    np.savez(tmp_path / "rare.npz", **arrays)
    assert runs.tune(tmp_path / "rare.npz", *fast, "--run-dir", tmp_path / "run") == 0
    assert "1 to 100: accuracy hides the small one" in (tmp_path / "run" / "log.txt").read_text("utf-8")
    measured, page = runs.read(tmp_path / "run" / "metrics.json"), runs.told(tmp_path / "run")
    majority = measured["baseline"]["majority"]
    assert majority["accuracy"]["value"] == pytest.approx(100 / 101) and majority["balanced_accuracy"]["value"] == 0.5
    assert measured["test"]["balanced_accuracy"]["value"] is not None
    assert "Balanced accuracy" in page and "Majority" in page and "1 to 100" in page
