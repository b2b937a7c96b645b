"""Several devices: two virtual ones, in a process of their own, end where one does; held on both backends."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit import queue
from toolkit.errors import OptionError
from toolkit.training import device, forward, step

ROOT = Path(__file__).parents[2]
CASES = {  # what differs from the plan below, whose norm of 0.05 clips every step
    "AdamW": {}, "SGD, odd batch": {"optimizer": "sgd", "batch_size": 13},
    "moving statistics": {"batch_statistics": "moving", "rounds": (("head", "layer2", "layer1", "stem"),)},
}
HALF = {"float16": {"precision": "float16"}}


def tuned(devices, **changes):
    """A tiny network after two epochs on `devices` devices -> SimpleNamespace(values, history, part of its paths)."""
    from contextlib import contextmanager

    import keras
    from tests import tiny

    from toolkit.tasks import classification
    from toolkit.training.stages import Plan, Tuned, tune

    plan = replace(Plan((("head", "layer2"),), epochs=2, views=1, learning_rate=0.01, layer_decay=0.5, rates=None,
                        optimizer="adamw", weight_decay=0.3, clip_norm=0.05, warmup=0.1, batch_size=16, patience=2,
                        batch_statistics="still", seed=0), **changes)
    pixels, numbers = tiny.pictures(64)
    weights = classification.sample_weights(numbers[:48], np.bincount(numbers[:48]) * np.array([1, 3, 9]), True)
    with device.spread(devices):
        model, stages = tiny.network()

    class Whole:
        def __init__(self, part):
            self.model, self.views = part, 1

        def steps(self, batch_size):
            return 48 // batch_size

        def train(self, order, epoch, batch_size):
            for at in range(0, 48 - batch_size + 1, batch_size):
                yield order[at:at + batch_size], pixels[order[at:at + batch_size]]

        def held(self, part):
            return np.asarray(part.predict_on_batch(pixels[48:].astype(np.float32)))

    @contextmanager
    def source(stage):
        yield Whole(keras.Model(model.input, model.output))  # as a round makes its part: outside of any scope

    def judged(logits):  # always better, so that the last weights are kept
        assert logits.shape == (16, 3)
        judged.best -= 0.1
        return {"validation_loss": judged.best, "logits": np.asarray(logits, np.float64).tolist()}

    judged.best, found = 1.0, Tuned()
    tune(model, stages, source, classification.loss(0.1), classification.targets(numbers[:48], 3), weights, judged,
         plan, found)
    assert found.moved == [] and len(found.history) == 2
    return SimpleNamespace(values=tiny.values(model), history=found.history, first=found.first_steps["0"])


def furthest(one, other):
    """Largest difference of two dicts of arrays."""
    assert set(one) == set(other)
    return max(float(np.abs(one[name] - other[name]).max()) for name in one)


def child():
    """What the tests below ask of a process that has two virtual devices, printed as JSON."""
    device.before_import("cpu")
    told = {"named": device.use("cpu", 2), "weights": {}, "losses": {}, "logits": {}, "first": {}, "norms": {},
            "refused": []}
    for case, changes in (CASES | HALF).items():
        one, two = (tuned(devices, **changes) for devices in (1, 2))
        told["weights"][case] = furthest(one.values, two.values)
        told["losses"][case] = [abs(a["train_loss"] - b["train_loss"]) for a, b in zip(one.history, two.history)]
        told["logits"][case] = max(float(np.abs(np.subtract(a["logits"], b["logits"])).max())
                                   for a, b in zip(one.history, two.history))
        told["norms"][case] = max(abs(a[name][stage] / b[name][stage] - 1) for a, b in zip(one.history, two.history)
                                  for name in ("gradient_norms", "update_norms") for stage in a[name])
        told["first"][case] = max(abs(one.first[stage] / two.first[stage] - 1) for stage in one.first)
    told["shares"], told["forward"] = shares(), forwards()
    for ask in (lambda: device.use("cpu", 3), lambda: device.spread(3).__enter__()):
        try:
            ask()
        except OptionError as error:
            told["refused"].append(str(error))
    print(json.dumps(told))


def shares():
    """[place, rows] of each share of a batch of 6, 7 rows."""
    from tests import tiny

    from toolkit.tasks import classification
    from toolkit.training import optimizers

    with device.spread(2):
        model, _ = tiny.network()
    optimizer = optimizers.build("sgd", model.trainable_variables, {}, 0.1, 10, 0.0, 0.0, 1.0)
    made = step.build(model, optimizer, classification.loss(0.0))
    found = []
    for rows in (6, 7):
        pixels, numbers = tiny.pictures(rows)
        inputs = made.place(pixels, classification.targets(numbers, 3), np.ones(rows, np.float32))[0]
        if hasattr(inputs, "addressable_shards"):
            found.append(sorted([str(part.device), part.data.shape[0]] for part in inputs.addressable_shards))
        else:
            parts = made.shares.strategy.experimental_local_results(inputs)
            found.append(sorted([part.device[-5:], part.shape[0]] for part in parts))
    return found


def forwards():
    """Largest difference between the outputs of one device and of two, of a batch of 7."""
    import keras
    from tests import tiny

    found = []
    for devices in (1, 2):
        with device.spread(devices):
            model, _ = tiny.network()
        several = keras.Model(model.input, [model.get_layer("layer1.0").output, model.output])
        found.append(forward.build(several)(tiny.pictures(7)[0]))
        assert [output.shape for output in found[-1]] == [(7, 8, 8, 6), (7, 3)]
    return max(float(np.abs(one - two).max()) for one, two in zip(*found))


@pytest.fixture(scope="module", params=["tensorflow", "jax"])
def told(request):
    known = {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
    done = subprocess.run([sys.executable, "-c", "from tests.training import test_devices; test_devices.child()"],
                          capture_output=True, text=True, cwd=ROOT,
                          env=known | {"KERAS_BACKEND": request.param, "TOOLKIT_VIRTUAL_DEVICES": "2"})
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("case", CASES)
def test_two_devices_end_where_one_does(told, case):
    assert told["weights"][case] < 1e-5 and max(told["losses"][case]) < 1e-5 and told["logits"][case] < 1e-5
    assert told["first"][case] < 1e-3 and told["norms"][case] < 1e-3


@pytest.mark.parametrize("case", HALF)
def test_in_16_bits_they_end_near_it(told, case):
    assert told["weights"][case] < 0.05 and max(told["losses"][case]) < 0.02 and told["norms"][case] < 0.2


def test_each_device_has_its_share_of_the_rows(told):
    for shares, rows in zip(told["shares"], (3, 4)):  # seven rows are filled up to eight
        assert [count for _, count in shares] == [rows, rows] and len({place for place, _ in shares}) == 2


def test_outputs_are_those_of_one_device_in_order(told):
    assert told["forward"] < 1e-5


def test_more_devices_than_there_are_are_refused_in_a_sentence(told):
    assert len(told["refused"]) == 2 and told["named"] == "cpu"
    for text in told["refused"]:
        assert text.startswith("--devices 3: ") and " sees 2 here (" in text and text.endswith("; ask for no more.")


def test_one_device_needs_no_backend(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras", None)
    with device.spread(1):
        pass


def test_a_batch_filled_up_has_the_mean_it_had():
    rng = np.random.default_rng(0)
    inputs, targets, weights = [rng.random((5, 2)), rng.random((5, 3))], rng.random((5, 4)), rng.random(5, np.float32)
    wide, wanted, heavy = step.even(inputs, targets, weights, 4)
    assert [len(part) for part in (*wide, wanted, heavy)] == [8] * 4 and heavy.dtype == np.float32
    assert np.array_equal(wide[1][5:], inputs[1][[4, 4, 4]]) and np.array_equal(wanted[:5], targets)
    each = wanted.sum(1)
    assert (heavy * each).sum() / 8 == pytest.approx((weights * each[:5]).sum() / 5) and not heavy[5:].any()
    for devices in (1, 5):
        assert all(one is other for one, other in zip(step.even(inputs, targets, weights, devices),
                                                      (inputs, targets, weights)))


@pytest.mark.parametrize("able, wanted", [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"),
                                          (None, "float32")])
def test_auto_precision_is_what_the_card_multiplies(monkeypatch, able, wanted):
    monkeypatch.setattr(device, "capability", lambda: able)
    monkeypatch.setattr(device, "processor_multiplies_bfloat16", lambda: False)
    assert device.precision("auto") == wanted
    for asked in ("float32", "bfloat16", "float16"):
        assert device.precision(asked) == asked


@pytest.mark.parametrize("asked, seen, wanted", [
    ("gpu:0", "4,5", "4"), ("gpu:1", "4,5", "5"), ("gpu:0", "GPU-1f", "GPU-1f"), ("gpu:3", None, "3"),
    ("gpu", "4,5", "4,5"), ("auto", "4,5", "4,5")])
def test_a_card_is_the_nth_of_those_that_the_user_lets_be_seen(monkeypatch, tmp_path, asked, seen, wanted):
    (tmp_path / "nvidia0").touch()
    monkeypatch.setattr(queue, "CARDS", (str(tmp_path / "nvidia0"),))
    monkeypatch.setattr(queue, "NARROWED", {})
    monkeypatch.setattr(os, "environ", {"CUDA_VISIBLE_DEVICES": seen} if seen else {})
    place = queue.devices(asked)
    for _ in range(2):  # the second time it finds what the first one left
        device.before_import(asked)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == wanted and queue.devices(asked) == place
    assert place == [f"gpu{wanted.split(',')[0]}"]


def test_the_card_is_named_by_the_number_that_was_asked_for(monkeypatch):
    monkeypatch.setattr(device, "found", lambda: ["gpu:0 (NVIDIA H200)"])
    assert device.use("gpu:3") == "gpu:3 (NVIDIA H200)" and device.use("auto") == "gpu:0 (NVIDIA H200)"


def test_a_processor_has_no_capability():
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    else:
        import jax

        gpus = [d for d in jax.devices() if d.platform != "cpu"]
    if gpus:
        pytest.skip("there is a GPU here")
    assert device.capability() is None


@pytest.mark.parametrize("flags, processors, wanted", [
    ("fpu avx2 avx512_bf16", 1, "bfloat16"), ("fpu amx_bf16", 1, "bfloat16"), ("fpu avx2 avx512f", 1, "float32"),
    ("", 1, "float32"), ("fpu avx512_bf16", 2, "float32")])
def test_auto_precision_is_what_a_processor_multiplies(monkeypatch, tmp_path, flags, processors, wanted):
    import keras

    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags\t\t: {flags}\n" if flags else "")
    monkeypatch.setattr(device, "CPU_FACTS", str(tmp_path / "cpuinfo"))
    monkeypatch.setattr(device, "capability", lambda: None)
    monkeypatch.setattr(device, "found", lambda: [])
    monkeypatch.setattr(device, "processors", lambda: processors)
    assert device.precision("auto") == (wanted if keras.backend.backend() == "tensorflow" else "float32")
    monkeypatch.setattr(device, "found", lambda: ["gpu:0 (of another maker)"])
    assert device.precision("auto") == "float32"
    monkeypatch.setattr(device, "CPU_FACTS", str(tmp_path / "none"))  # not Linux
    assert device.precision("auto") == "float32"
