"""Heat maps of whole runs, tuned and not: they add up to what predictions.csv says."""

import hashlib
import shutil

import numpy as np
import pytest

from tests.acceptance import runs
from toolkit import errors, heatmaps
from toolkit.explain import stored


@pytest.fixture(scope="module")
def grey(tmp_path_factory):
    """A run of random weights on grey pictures of two classes, which tunes all stages."""
    place = tmp_path_factory.mktemp("grey")
    two = runs.draw(place / "two", dict.fromkeys(runs.CLASSES[:2], 16))
    assert runs.tune(two, *runs.SMALL, "--weights", "none", "--channels", 1, "--run-dir", place / "run") == 0
    return place / "run"


@pytest.fixture(scope="module")
def probe(tmp_path_factory, data, fast):
    """A run that keeps the probe."""
    folder = tmp_path_factory.mktemp("probe") / "run"
    assert runs.tune(data, *fast, "--run-dir", folder) == 0
    return folder


@pytest.mark.parametrize("kind", ["tuned", "probe", "grey"])
def test_the_sum_of_a_map_is_what_the_run_answered(kind, request, tmp_path):
    folder = shutil.copytree(request.getfixturevalue(kind), tmp_path / "run")  # other tests look at what a run leaves
    assert errors.guarded(heatmaps.main, [str(folder)]) == 0
    sha256 = {row["path"]: row["sha256"] for row in runs.rows(folder / "manifest.csv")}
    answers = [row for row in runs.rows(folder / "predictions.csv") if row["split"] == "test"]
    classes = runs.read(folder / "model.json")["classes"]
    assert stored.available(folder) == {sha256[row["path"]][:16] for row in answers}
    for row in answers:
        maps, probabilities, method = stored.load(folder, sha256[row["path"]][:16])
        told = np.array([float(row[f"p_{name}"]) for name in classes])
        assert method == "class activation" and probabilities == pytest.approx(told, abs=1e-4)
        wanted = np.log(told) - np.log(told).mean()
        assert maps.shape[0] == len(classes) and maps.astype(float).sum((1, 2)) == pytest.approx(wanted, abs=5e-3)


def test_a_run_goes_on_being_what_it_was(tuned, tmp_path):
    tuned = shutil.copytree(tuned, tmp_path / "run")
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in tuned.iterdir() if path.is_file()}
    assert errors.guarded(heatmaps.main, [str(tuned), "--limit", "1"]) == 0
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in before} == before
    assert runs.tune("--resume", "--run-dir", tuned) == 0
