"""Pictures of more than 8 bits from the file to the answer: one rule, kept with the model."""

import numpy as np
import pandas
from PIL import Image

from tests.acceptance import runs


def deep(folder, count=14):
    """Class folders of 12-bit pictures: one class is brighter, some pictures hold small numbers alone."""
    for kind, name in enumerate(("bright", "dim")):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng(100 * kind + i).normal((1500, 300)[kind], 120, (36, 36)).clip(0, 4095)
            Image.fromarray(pixels.astype(np.uint16)).save(folder / name / f"{i}.png")
    return folder


def test_A8_one_depth_rule_goes_from_training_into_prediction(tmp_path, fast):
    data, run = deep(tmp_path / "data"), tmp_path / "run"
    assert runs.tune(data, *fast, "--run-dir", run) == 0
    assert runs.read(run / "model.json")["input"]["depth"] == {"rule": "auto", "low": 0.0, "high": 4095.0}
    assert runs.read(run / "metrics.json")["test"]["roc_auc"]["value"] == 1  # each by its own range they would be alike
    assert "0 to 4095 become black to white" in (run / "log.txt").read_text("utf-8")
    manifest = pandas.read_csv(run / "manifest.csv")
    assert "span" not in manifest and set(manifest["note"]) == {"0..4095 scaled to 0..255"}
    assert runs.ask(run, data, "--out", tmp_path / "new.csv") == 0
    again = pandas.read_csv(tmp_path / "new.csv")
    measured = pandas.read_csv(run / "predictions.csv").set_index("path")
    again["path"] = again["path"].map(lambda path: "/".join(path.split("/")[-2:]))
    both = again.set_index("path").loc[measured.index]
    assert np.allclose(both["p_dim"], measured["p_dim"], atol=1e-5)


def test_B2_a_wrong_depth_rule_makes_nothing(tmp_path, fast, capfd):
    assert runs.tune(tmp_path, *fast, "--run-dir", tmp_path / "run", "--depth", "windowed") == 2
    assert "--depth 'windowed': a depth rule is one of auto, full, percentiles, or LOW..HIGH" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_users_window_stands(tmp_path, fast):
    data, run = deep(tmp_path / "data"), tmp_path / "run"
    assert runs.tune(data, *fast, "--run-dir", run, "--depth", "0..3000") == 0
    assert runs.read(run / "model.json")["input"]["depth"] == {"rule": "0..3000", "low": 0.0, "high": 3000.0}
