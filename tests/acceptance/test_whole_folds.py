"""Scores over all pictures by folds, beside those of the test part."""

import re

import numpy as np
import pandas

from tests.acceptance import runs


def test_folds_answer_every_picture_and_stand_everywhere(tmp_path, data, fast):
    run = tmp_path / "run"
    assert runs.tune(data, *fast, "--run-dir", run, "--folds", 4, "--fold-repeats", 2) == 0
    block, table = runs.read(run / "metrics.json")["folds"], pandas.read_csv(run / "folds.csv")
    assert (block["folds"], block["repeats"], block["n"], block["model"]) == (4, 2, 48, "probe")
    assert len(table) == 48 and set(table["split"]) == {"train", "validation", "test"}
    names = [f"p_{name}" for name in runs.CLASSES]
    assert np.allclose(table[names].sum(axis=1), 1, atol=1e-5)
    right = (table["predicted"] == table["label"]).mean()
    assert block["accuracy"]["value"] == right and block["accuracy"]["low"] < right
    assert "Over 4 folds, drawn 2 times, of all 48 pictures" in runs.told(run)
    assert "over 4 folds of all 48 pictures" in (run / "log.txt").read_text("utf-8")


def test_without_folds_nothing_is_said_of_them(tuned):
    assert runs.read(tuned / "metrics.json")["folds"] is None and not (tuned / "folds.csv").exists()
    assert not re.search(r"[Oo]ver \d+ folds", runs.told(tuned))


def test_B2_one_fold_is_none(tmp_path, data, fast, capfd):
    assert runs.tune(data, *fast, "--run-dir", tmp_path / "run", "--folds", 1) == 2
    assert "--folds 1: one fold leaves nothing to fit" in capfd.readouterr().err
