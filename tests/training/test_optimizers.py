"""One rate a stage, one schedule, one clip norm, decay of kernels alone; held on both backends."""

import numpy as np
import pytest
from tests import tiny

from toolkit.training import optimizers, thaw

DECAY = 0.3
STAGES = ("head", "layer2", "layer1", "stem")


def built(name="adamw", rate=0.01, weight_decay=0.0, clip_norm=1e6, decay=DECAY, warmup=0.0, steps=100):
    """(model, {path: stage}, optimizer over all stages)."""
    model, stages = tiny.network()
    thaw.set_trainable(model, stages, STAGES, "still")
    stage, rates = thaw.stage_by_path(stages), thaw.rates(STAGES, 1.0, decay)
    variables = model.trainable_variables
    return model, stage, optimizers.build(name, variables, {v.path: rates[stage[v.path]] for v in variables}, rate,
                                          steps, warmup, weight_decay, clip_norm)


def apply(model, optimizer, gradient):
    """{path: change} of one step with `gradient(variable)`."""
    from keras import ops

    before = tiny.values(model)
    variables = model.trainable_variables
    optimizer.apply([ops.convert_to_tensor(gradient(v), "float32") for v in variables], variables)
    after = tiny.values(model)
    return {v.path: after[v.path] - before[v.path] for v in variables}


def drawn(variable, rng=np.random.default_rng(3)):
    return rng.normal(0, 1, variable.shape)


def test_first_adamw_steps_stand_in_powers_of_the_decay():
    model, stage, optimizer = built()
    for v in model.trainable_variables:
        v.assign(np.zeros(v.shape))  # a step on zeros has all its digits
    for path, change in apply(model, optimizer, drawn).items():
        wanted = 0.01 * DECAY ** STAGES.index(stage[path])
        assert np.abs(change) == pytest.approx(wanted, rel=1e-3), path


def test_adamw_at_one_rate_is_the_adamw_of_keras():
    import keras

    model, stage, optimizer = built(weight_decay=0.2, clip_norm=0.5, decay=1.0)
    other, *_ = built()
    plain = keras.optimizers.AdamW(optimizers.WarmupCosine(0.01, 100, 0), weight_decay=0.2, global_clipnorm=0.5)
    plain.exclude_from_weight_decay(var_list=[v for v in other.trainable_variables if v.name != "kernel"])
    plain.build(other.trainable_variables)
    for number in range(6):
        for one, by in ((model, optimizer), (other, plain)):
            rng = np.random.default_rng(number)
            apply(one, by, lambda v: rng.normal(0, 0.1 * (number + 1), v.shape))
    found, wanted = tiny.values(model), tiny.values(other)
    assert max(np.abs(found[path] - wanted[path]).max() for path in found) < 1e-6
    assert len(optimizer.variables) == len(plain.variables)
    for slot, of_keras in zip(optimizer.variables, plain.variables):
        assert thaw.numpy(slot) == pytest.approx(thaw.numpy(of_keras), rel=1e-4, abs=1e-8)


def test_sgd_steps_are_scaled_by_stage_and_nesterov():
    model, stage, optimizer = built("sgd")
    for v in model.trainable_variables:
        v.assign(np.zeros(v.shape))
    for change, path in [(c, p) for p, c in apply(model, optimizer, lambda v: np.ones(v.shape)).items()]:
        assert change == pytest.approx(-1.9 * 0.01 * DECAY ** STAGES.index(stage[path]), rel=1e-3)  # 1 + momentum


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_weight_decay_is_on_kernels_alone_and_scaled_with_the_stage(name):
    model, stage, optimizer = built(name, rate=0.1, weight_decay=0.5)
    before = tiny.values(model)
    changes = apply(model, optimizer, lambda v: np.zeros(v.shape))
    kinds = {path.rsplit("/", 1)[1] for path in changes}
    assert kinds == {"kernel", "gamma", "beta", "bias"}
    for path, change in changes.items():
        wanted = -0.5 * 0.1 * DECAY ** STAGES.index(stage[path]) * before[path] if path.endswith("kernel") else 0.0
        assert change == pytest.approx(wanted, rel=1e-3, abs=1e-7), path


@pytest.mark.parametrize("length", [10.0, 0.1])
def test_one_clip_norm_holds_over_all_stages(length):
    model, _, optimizer = built("sgd", rate=1.0, clip_norm=0.5, decay=1.0)
    count = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    changes = apply(model, optimizer, lambda v: np.full(v.shape, length / count**0.5))
    taken = sum(float((change.astype(np.float64) ** 2).sum()) for change in changes.values()) ** 0.5
    assert taken == pytest.approx(1.9 * min(length, 0.5), rel=1e-3)


def test_the_schedule_rises_to_its_peak_and_falls_to_zero():
    schedule = optimizers.WarmupCosine(0.2, steps=50, warmup=10)
    rates = np.array([float(schedule(step)) for step in range(51)])
    assert rates[0] == pytest.approx(0.02) and rates[9] == rates[10] == rates.max() == pytest.approx(0.2)
    assert rates[:10] == pytest.approx(0.02 * np.arange(1, 11), rel=1e-5)
    assert rates[30] == pytest.approx(0.1, rel=1e-5) and rates[50] == pytest.approx(0.0, abs=1e-8)
    assert (np.diff(rates[10:]) < 0).all() and float(schedule(60)) == pytest.approx(0.0, abs=1e-8)
    again = optimizers.WarmupCosine(**schedule.get_config())
    assert float(again(17)) == float(schedule(17))


def test_without_warm_up_the_first_step_has_the_peak():
    assert float(optimizers.WarmupCosine(0.2, 50, 0)(0)) == pytest.approx(0.2)


def test_ratios_hold_along_the_schedule():
    model, stage, optimizer = built(warmup=0.5, steps=8)
    for step in range(7):
        for v in model.trainable_variables:
            v.assign(np.zeros(v.shape))
        changes = apply(model, optimizer, lambda v: np.ones(v.shape))
        top = np.abs(changes["head/bias"]).max()
        assert top == pytest.approx(float(optimizers.WarmupCosine(0.01, 8, 4)(step)), rel=1e-3)
        for path, change in changes.items():
            assert np.abs(change).max() == pytest.approx(top * DECAY ** STAGES.index(stage[path]), rel=1e-3)
