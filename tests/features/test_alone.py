"""A process that trains nothing: Keras on OpenVINO, without TensorFlow, without a word to anybody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from toolkit import artifact
from toolkit.features import executor

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(not executor.has_openvino(), reason="OpenVINO is not installed")
PROGRAMME = """
import json, os, sys
from pathlib import Path
from toolkit.features import executor
folder = Path(sys.argv[1])
executor.alone("auto", "cpu")
import keras, numpy as np
from tests import tiny
from toolkit import artifact
network, _ = tiny.network(seed=5)
model = keras.Model(network.input, keras.layers.Activation("softmax", name="probabilities")(network.output))
pixels, _ = tiny.pictures(40)
artifact.write(folder, model, {"task": "classification", "classes": ["a", "b", "c"], "input": {
    "height": 8, "width": 8, "channels": 3, "resize": "crop", "decoder": "1"}}, pixels[:4])
exact = executor.collect(executor.build(network, "openvino", "float32"), 40, lambda rows: [pixels[rows]])
np.savez(folder / "kept.npz", pixels=pixels, probabilities=model.predict_on_batch(pixels), exact=exact,
         **{variable.path.replace("/", "|"): np.asarray(variable) for variable in model.variables})
print(json.dumps({"backend": keras.backend.backend(), "loaded": [name for name in (
    "tensorflow", "jax", "sklearn", "openvino_telemetry") if sys.modules.get(name)]}))
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder of model.keras and what it gave, facts of the process that wrote it)."""
    folder = tmp_path_factory.mktemp("alone")
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", PROGRAMME, folder], cwd=ROOT, capture_output=True, text=True,
                          env={**environment, "HOME": str(folder / "home")})
    assert done.returncode == 0, done.stderr[-3000:]
    return folder, json.loads(done.stdout.splitlines()[-1])


def test_keras_runs_on_openvino_and_loads_no_other(made):
    folder, facts = made
    assert facts == {"backend": "openvino", "loaded": []}
    assert not (folder / "home" / "intel").exists(), "OpenVINO's telemetry was at work"


def test_its_model_file_is_the_same_model_elsewhere(made):
    import keras

    folder, _ = made
    kept = np.load(folder / "kept.npz")
    model, facts = artifact.load(folder)
    assert keras.backend.backend() != "openvino" and facts["classes"] == ["a", "b", "c"]
    assert len(model.variables) == len(kept.files) - 3
    for variable in model.variables:
        wanted = kept[variable.path.replace("/", "|")]
        assert keras.ops.convert_to_numpy(variable.value).tobytes() == wanted.tobytes(), variable.path
    came = model.predict_on_batch(kept["pixels"])
    logits = keras.Model(model.input, model.get_layer("head").output).predict_on_batch(kept["pixels"])
    assert np.abs(logits - kept["exact"]).max() < 1e-5 * np.abs(logits).max()
    assert np.ptp(came) > 0.3 and np.abs(came - kept["probabilities"]).max() < 1e-5
