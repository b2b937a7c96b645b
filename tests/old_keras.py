"""Run by test_old_keras.py in a process of its own, where toolkit cannot be imported: VERSION, then .keras files.

Beside each NAME.keras lies NAME.npz with pixels (uint8), floats (float32) and the outputs expected of both. Prints one
JSON object: the Keras that ran, and the largest difference of each file.
"""

import json
import sys

sys.modules["toolkit"] = None  # even where it is installed

import keras  # noqa: E402
import numpy as np  # noqa: E402


def difference(path):
    """Largest difference of the file's outputs from the expected ones: uint8 by `predict`, floats by a plain call."""
    model = keras.saving.load_model(path, compile=False)
    expected = np.load(path.removesuffix(".keras") + ".npz")
    came = {"pixels": model.predict(expected["pixels"], verbose=0),
            "floats": keras.ops.convert_to_numpy(model(expected["floats"], training=False))}
    return max(float(np.max(np.abs(came[kind] - expected[f"{kind}_outputs"]))) for kind in came)


if __name__ == "__main__":
    version, *files = sys.argv[1:]
    assert keras.__version__ == version, f"{keras.__version__} runs, {version} is wanted"
    print(json.dumps({"keras": keras.__version__, "differences": {file: difference(file) for file in files}}))
