"""What computes a frozen network: which of them, in batches of one shape, each picture alone. Held on both backends."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny

from toolkit.errors import OptionError
from toolkit.features import executor

ROOT = Path(__file__).resolve().parents[2]
PIXELS, _ = tiny.pictures(75)


def output(net, *names):
    import keras

    return keras.Model(net.model.input, [net.model.get_layer(name).output for name in names])


def executors():
    """Every executor that can be had here, and its precision."""
    yield pytest.param("keras", "auto", id="keras")
    without = pytest.mark.skipif(not executor.has_openvino(), reason="OpenVINO is not installed")
    yield pytest.param("openvino", "float32", id="openvino", marks=without)
    plain = pytest.mark.skipif(executor.has_openvino() and not executor.has_bfloat16(),
                               reason="the processor does not multiply bfloat16")
    yield pytest.param("openvino", "bfloat16", id="openvino-bfloat16", marks=[without, plain])


every_executor = pytest.mark.parametrize("which, precision", list(executors()))
openvino = pytest.mark.skipif(not executor.has_openvino(), reason="OpenVINO is not installed")


def test_all_batches_have_one_shape_and_no_row_is_lost():
    shapes, told = [], []

    def compute(batch):
        shapes.append(batch.shape)
        return [batch.sum((1, 2, 3))[:, None]]

    found = executor.collect(compute, 75, lambda rows: [PIXELS[rows]], lambda done, of: told.append((done, of)))
    assert set(shapes) == {(executor.BATCH, 8, 8, 3)} and told == [(done, 75) for done in (16, 32, 48, 64, 75)]
    assert found.dtype == np.float32 and np.array_equal(found[:, 0], PIXELS.sum((1, 2, 3)))


@every_executor
def test_it_gives_what_the_model_gives(net, which, precision):
    compute = executor.build(net.model, which, precision)
    wanted = net.model.predict(PIXELS.astype("float32"), verbose=0)
    near = dict(abs=1e-5 if compute.identity.endswith("float32") else 3e-2 * float(abs(wanted).max()))
    for count in (75, 16, 3, 1):
        found = executor.collect(compute, count, lambda rows: [PIXELS[:count][rows]])
        assert found.dtype == np.float32 and found == pytest.approx(wanted[:count], **near)


@every_executor
def test_several_outputs_come_in_order_and_whole(net, which, precision):
    compute = executor.build(output(net, "layer1.0", "pooled", "layer2.0"), which, precision)
    rows, shapes = [], []
    for part, arrays in executor.forward(compute, 75, lambda part: [PIXELS[part]]):
        rows.append(part)
        shapes.append([array.shape for array in arrays])
        assert [array.dtype for array in arrays] == [np.float32] * 3
    assert rows == [slice(start, min(start + 16, 75)) for start in range(0, 75, 16)]
    pooled = compute(PIXELS[:16])[1].shape[1]
    assert shapes[-1] == [(11, 8, 8, 6), (11, pooled), (11, 4, 4, 8)]


@every_executor
def test_a_pictures_answer_does_not_depend_on_what_stands_beside_it(net, which, precision):
    compute = executor.build(output(net, "layer2.0", "pooled"), which, precision)

    def answers(order):
        parts = [[part.copy() for part in found] for _, found in
                 executor.forward(compute, len(order), lambda rows: [PIXELS[order[rows]]])]
        return [np.concatenate(part) for part in zip(*parts)]

    everything = answers(np.arange(75))
    for order in (np.arange(75)[::-1], np.random.default_rng(0).permutation(75)[:40], np.array([70]),
                  np.array([5, 5, 74, 5])):
        for one, other in zip(answers(order), everything):
            assert np.array_equal(one, other[order])


@pytest.mark.parametrize("asked, on_gpu, wanted", [
    (("auto", "float32"), False, "openvino"), (("auto", "float32"), True, "keras"), (("auto", "auto"), True, "keras"),
    (("keras", "auto"), False, "keras"), (("openvino", "float32"), True, "openvino")])
@openvino
def test_which_one_is_taken(net, asked, on_gpu, wanted):
    assert executor.build(net.model, *asked, on_gpu).identity.startswith(wanted)


@pytest.mark.parametrize("has", [True, False])
@openvino
def test_auto_computes_in_the_processors_fastest_precision(net, monkeypatch, has):
    built = []
    monkeypatch.setattr(executor, "has_bfloat16", lambda: has)
    monkeypatch.setattr(executor, "OpenVINO", lambda model, precision: built.append(precision))
    executor.build(net.model)
    executor.build(net.model, precision="float32")
    assert built == ["bfloat16" if has else "float32", "float32"]
    if not has:
        with pytest.raises(OptionError, match="--feature-precision bfloat16: this processor"):
            executor.build(net.model, "openvino", "bfloat16")


@pytest.mark.parametrize("which", ["auto", "keras"])
def test_bfloat16_is_refused_where_keras_computes(net, which):
    with pytest.raises(OptionError, match="--feature-precision bfloat16 wants --executor openvino"):
        executor.build(net.model, which, "bfloat16", on_gpu=True)


def test_without_openvino_keras_computes(net, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "openvino"
                        else real(name, *more))
    compute = executor.build(net.model)
    wanted = net.model.predict(PIXELS.astype("float32"), verbose=0)
    assert executor.collect(compute, 75, lambda rows: [PIXELS[rows]]) == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(OptionError, match="not installed"):
        executor.build(net.model, "openvino")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    executor.alone("auto", "cpu")
    assert "KERAS_BACKEND" not in executor.os.environ


def test_a_layer_that_is_not_translated_leaves_keras(net):
    import keras

    odd = keras.Model(net.model.input, keras.layers.Softmax(name="odd")(net.model.get_layer("pooled").output))
    compute = executor.build(odd)
    assert compute.identity.startswith("keras")
    assert executor.collect(compute, 5, lambda rows: [PIXELS[:5][rows]]).sum(1) == pytest.approx(1, abs=1e-5)
    if executor.has_openvino():
        with pytest.raises(OptionError, match="--executor openvino: odd is a Softmax"):
            executor.build(odd, "openvino")


def test_the_identity_tells_what_may_change_the_numbers(net):
    import keras

    backend = keras.backend.backend()
    assert executor.build(net.model, "keras").identity == f"keras {keras.__version__} {backend} float32"
    if executor.has_openvino():
        found = {executor.OpenVINO(net.model, precision).identity for precision in ("float32", "bfloat16")}
        assert len(found) == 2 and all(executor.metadata.version("openvino") in name for name in found)


@pytest.mark.parametrize("asked", [
    {"backend": "tensorflow"}, {"backend": "jax"}, {"executor": "keras"}, {"device": "gpu"}, {"device": "gpu:0"},
    {"card": True}])
def test_keras_is_left_alone_where_another_is_asked_for_or_a_gpu_may_compute(monkeypatch, asked):
    environment = {"KERAS_BACKEND": asked["backend"]} if "backend" in asked else {}
    found = SimpleNamespace(environ=environment, path=SimpleNamespace(exists=lambda path: "card" in asked))
    monkeypatch.setattr(executor, "os", found)
    monkeypatch.setattr(executor, "sys", SimpleNamespace(meta_path=[], modules={}))
    executor.alone(asked.get("executor", "auto"), asked.get("device", "auto"))
    assert environment.get("KERAS_BACKEND") == asked.get("backend") and executor.sys.meta_path == []


SIGNALLED = """
import gc, os, signal, time
import numpy as np
from toolkit.features import executor
if {alone}:
    executor.alone("auto", "cpu")
import keras

def network(channels):
    pixels = keras.Input((16, 16, 3))
    return keras.Model(pixels, keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(channels, 3)(pixels)))

batch, kept = np.zeros((executor.BATCH, 16, 16, 3), np.float32), []
for channels in (4, 5, 6):
    model = network(channels)
    compute = executor.build(model, "openvino", "float32")
    compute(batch)
    if {alone}:
        model.predict_on_batch(batch)
    kept.append((model, compute))
while kept:  # the first made goes first
    kept.pop(0)
    del model, compute
    gc.collect()
    model = compute = None
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(60)
except KeyboardInterrupt:
    print("stopped by hand")
"""


@openvino
@pytest.mark.parametrize("alone", [False, True])
def test_E1_ctrl_c_still_arrives_after_several_networks_have_come_and_gone(alone):
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    done = subprocess.run([sys.executable, "-c", SIGNALLED.replace("{alone}", str(alone))], text=True,
                          capture_output=True, cwd=ROOT, env=environment)
    assert (done.returncode, done.stdout.strip()) == (0, "stopped by hand"), done.stderr[-500:]
