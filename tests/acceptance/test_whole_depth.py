"""Pictures of more than 8 bits from the file to the answer: one rule, kept with the model."""

import io

import numpy as np
import pandas
import pytest
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


def ramps(folder, kind):
    """Class folders of files whose 64 x 64 pixels are all numbers of 12 bits, each begun elsewhere."""
    for name, step in (("down", -1), ("up", 1)):
        (folder / name).mkdir(parents=True)
        for i in range(10):
            pixels = np.roll(np.arange(4096)[::step], 37 * i).reshape(64, 64).astype(np.uint16)
            path = folder / name / f"{i}.{kind}"
            if kind == "dcm":
                from tests.dicom_files import made

                path.write_bytes(made(pixels, BitsStored=12, HighBit=11, PatientID=f"{name}{i}"))
            elif kind == "nii.gz":
                from tests.nifti_files import made

                path.write_bytes(made(np.stack([pixels] * 2, axis=2)))
            else:
                Image.fromarray(pixels).save(path)
    return folder


def trained_on(run):
    """(n, 64, 64, 3) pixels that the run's network learnt from, and their keys in order."""
    from toolkit import options
    from toolkit.features.store import Store
    from toolkit.pixels.depth import Depth
    from toolkit.steps import look

    chosen = options.from_dict(options.Finetune, runs.read(run / "run.json")["options"])
    samples = look.listed(chosen)
    with Store(chosen.cache_dir, 10**9, run / "again", print) as store:
        samples, pixels = look.pictures(chosen, samples, store, lambda *done: None,
                                        Depth(**runs.read(run / "model.json")["input"]["depth"]))
        return np.asarray(pixels[np.arange(len(samples))]), list(samples.rows["sha256"])


class Watch:
    """A model that remembers what it is shown."""

    def predict_on_batch(self, pixels):
        self.seen = pixels
        return np.full((len(pixels), 2), 0.5)


@pytest.mark.parametrize("kind", ["dcm", "png", "tif", "nii.gz"])
def test_A8_a_twelve_bit_ramp_keeps_250_levels_in_training_prediction_and_thumbnails(kind, tmp_path, fast):
    from toolkit import artifact, predict
    from toolkit.pixels import thumbnails
    from toolkit.steps import named

    pytest.importorskip({"dcm": "pydicom", "nii.gz": "nibabel"}.get(kind, "numpy"))
    data, run, watch = ramps(tmp_path / "data", kind), tmp_path / "run", Watch()
    assert runs.tune(data, *fast, "--run-dir", run, "--size", 64, "--probe-only") == 0
    trained, keys = trained_on(run)
    facts = artifact.read_facts(run / "model.json")
    list(predict.predictions(watch, facts, named.listed([str(data)]), 32))
    assert len(trained) == 20 and np.array_equal(watch.seen, trained)
    for pixels, key in zip(trained, keys):
        assert len(np.unique(pixels)) >= 250
        small = thumbnails.read(run / "thumbnails.zip", key[:16])
        if small is not None:  # of validation and test; a JPEG loses some levels, and keeps the grey
            shown = np.asarray(Image.open(io.BytesIO(small)).convert("L")).astype(int)
            assert np.abs(shown - pixels[..., 0]).mean() < 4 and len(np.unique(shown)) > 200
