"""Which variables learn and how fast."""

import numpy as np
import pytest
from tests import tiny

from toolkit.training import thaw


def kinds(model):
    return {v.path for v in model.trainable_variables}


def test_thawed_stages_learn_and_no_other():
    model, stages = tiny.network()
    thaw.set_trainable(model, stages, ("head", "layer2"), "still")
    assert kinds(model) == {"layer2.0.conv1/kernel", "layer2.0.bn1/gamma", "layer2.0.bn1/beta", "head/kernel",
                            "head/bias"}
    thaw.set_trainable(model, stages, ("head",), "still")  # and back: nothing stays thawed
    assert kinds(model) == {"head/kernel", "head/bias"}


@pytest.mark.parametrize("batch_statistics, moves", [("still", False), ("moving", True)])
def test_still_norms_keep_their_statistics_while_scale_and_shift_learn(batch_statistics, moves):
    import keras

    model, stages = tiny.network()
    thaw.set_trainable(model, stages, ("head", "layer2"), batch_statistics)
    model.compile(keras.optimizers.SGD(0.01), keras.losses.CategoricalCrossentropy(from_logits=True))
    pixels, numbers = tiny.pictures(16)
    before = tiny.values(model)
    model.train_on_batch(pixels.astype("float32"), np.eye(3, dtype="float32")[numbers])
    after = tiny.values(model)
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    statistics = {"layer2.0.bn1/moving_mean", "layer2.0.bn1/moving_variance"}
    assert changed == kinds(model) | (statistics if moves else set())
    assert {"layer2.0.bn1/gamma", "layer2.0.bn1/beta"} <= changed


def test_rates_fall_by_depth_or_are_given():
    assert thaw.rates(("head", "layer4", "layer3"), 0.1, 0.5) == pytest.approx({"head": 0.1, "layer4": 0.05,
                                                                               "layer3": 0.025})
    assert thaw.rates(("head", "layer4"), 0.1, 0.5, {"layer4": 1e-4, "layer1": 9.0}) == {"head": 0.1, "layer4": 1e-4}


def test_every_variable_has_its_stage():
    model, stages = tiny.network()
    found = thaw.stage_by_path(stages)
    assert set(found) == {v.path for v in model.variables}
    assert (found["conv1/kernel"], found["layer1.0.bn1/gamma"], found["head/bias"]) == ("stem", "layer1", "head")


def test_a_single_changed_bit_is_noticed():
    model, _ = tiny.network()
    before = thaw.fingerprint(model.variables)
    assert thaw.moved(before, model.variables) == []
    kernel = next(v for v in model.variables if v.path == "conv1/kernel")
    value = np.array(thaw.numpy(kernel))
    value.flat[5] = np.nextafter(value.flat[5], np.float32(9))
    kernel.assign(value)
    assert thaw.moved(before, model.variables) == ["conv1/kernel"]
