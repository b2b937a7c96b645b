"""Large matrix products by whatever library is installed: what this machine can reach."""

import json
import sys
import time
from itertools import islice
from pathlib import Path

SIDE, REPEATS = 4096, 4  # of the matrices, and how often they are multiplied


def measured(peers_env, precision):
    """The faster of our environment's libraries and, where there is one, the peers' PyTorch."""
    from harness import child

    pythons = [sys.executable, *([Path(peers_env) / "torch" / "bin" / "python"] if peers_env else [])]
    found = [child(__file__, python, precision=precision) for python in pythons]
    return max(found, key=lambda row: row["gflops"])


def peak(precision):
    """Billions of operations a second of the fastest library in this environment, float32 or bfloat16."""
    found = {}
    for name, make in LIBRARIES.items():
        try:
            work = make(SIDE, precision)
        except ImportError:
            continue
        if work:
            found[name] = round(2 * SIDE ** 3 / 1e9 / min(islice(seconds(work), 1, 1 + REPEATS)), 1)
    best = max(found, key=found.get)
    return {"gflops": found[best], "library": best, "all": found}


def seconds(work):
    """Wall seconds of one call after the other."""
    while True:
        began = time.perf_counter()
        work()
        yield time.perf_counter() - began


def by_numpy(side, precision):
    """NumPy, which knows no bfloat16."""
    import numpy as np

    a, b = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    return None if precision == "bfloat16" else lambda: a @ b


def by_tensorflow(side, precision):
    """TensorFlow with oneDNN."""
    import tensorflow as tf

    a, b = tf.cast(tf.random.normal((2, side, side)), precision)
    return lambda: tf.linalg.matmul(a, b).numpy()


def by_torch(side, precision):
    """PyTorch."""
    import torch

    a, b = torch.randn(2, side, side).to(getattr(torch, precision))
    return lambda: a @ b


def by_openvino(side, precision):
    """OpenVINO with one matrix constant, as weights are."""
    import numpy as np

    sys.modules.setdefault("openvino_telemetry", None)  # which tells its maker of each import
    import openvino
    from openvino import opset13 as ops

    a, b = np.random.default_rng(0).normal(size=(2, side, side)).astype(np.float32)
    entry = ops.parameter([side, side], np.float32)
    graph = openvino.Model([ops.matmul(entry, ops.constant(b), False, False)], [entry])
    hint = {"float32": "f32", "bfloat16": "bf16"}[precision]
    compiled = openvino.Core().compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    return lambda: compiled(a, share_inputs=True, share_outputs=True)


LIBRARIES = {"numpy": by_numpy, "tensorflow": by_tensorflow, "torch": by_torch, "openvino": by_openvino}

if __name__ == "__main__":
    print(json.dumps(peak(**json.loads(sys.argv[2]))))
