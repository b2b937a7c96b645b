"""The compiled step against Keras' own, in 32 and in 16 bits, and the compiled forward pass. Held on both backends."""

import numpy as np
import pytest
from tests import tiny

from toolkit.tasks import classification
from toolkit.training import forward, loop, optimizers, step, thaw

STAGES = ("head", "layer2", "layer1")
PIXELS, NUMBERS = tiny.pictures(32)
TARGETS = classification.targets(NUMBERS, tiny.CLASSES)
WEIGHTS = np.random.default_rng(5).uniform(0.2, 1.8, 32).astype(np.float32)


def made(precision="float32", statistics="still", rate=0.01, weight_decay=0.3):
    """(model, optimizer, step) of the tiny network."""
    model, stages = tiny.network()
    thaw.set_trainable(model, stages, STAGES, statistics)
    variables = model.trainable_variables
    optimizer = optimizers.build("adamw", variables, {v.path: 0.5 for v in variables[:3]}, rate, 100, 0.0, weight_decay,
                                 0.1, precision)
    head = {layer.name for layer in stages["head"]}
    below = [layer for layer in model.layers if layer.name not in head]
    return model, optimizer, step.build(model, optimizer, classification.loss(0.1), below, precision,
                                        thaw.stage_by_path(stages))


def trained(count, model, made_step, inputs=PIXELS.astype(np.float32), weights=WEIGHTS):
    """({path: array} after `count` steps of 16 rows, their losses)."""
    losses = []
    for number in range(count):
        rows = slice(number % 2 * 16, number % 2 * 16 + 16)
        losses.append(made_step(made_step.place(inputs[rows], TARGETS[rows], weights[rows])))
    losses = [loop.read(figures, 1, 1)[0] for figures in losses]
    made_step.settle()
    return tiny.values(model), losses


@pytest.mark.parametrize("statistics", ["still", "moving"])
def test_a_step_is_the_step_of_keras(statistics):
    model, _, ours = made(statistics=statistics)
    found, losses = trained(4, model, ours)
    other, optimizer, _ = made(statistics=statistics)
    other.compile(optimizer=optimizer, loss=classification.loss(0.1))
    for number in range(4):
        rows = slice(number % 2 * 16, number % 2 * 16 + 16)
        told = other.train_on_batch(PIXELS[rows].astype(np.float32), TARGETS[rows], sample_weight=WEIGHTS[rows])
        assert losses[number] == pytest.approx(float(np.ravel(told)[0]), rel=1e-5)
    wanted, before = tiny.values(other), tiny.values(tiny.network()[0])
    assert max(np.abs(found[path] - wanted[path]).max() for path in found) < 1e-5
    moved = {path for path in found if not np.array_equal(found[path], before[path])}
    assert {"layer1.0.conv1/kernel", "layer2.0.bn1/beta", "head/bias"} <= moved and "conv1/kernel" not in moved
    assert ("layer2.0.bn1/moving_mean" in moved) == (statistics == "moving")


@pytest.mark.parametrize("kind", [np.uint8, np.float16])
def test_bytes_and_half_floats_are_numbers_like_any(kind):
    found = []
    for inputs in (PIXELS.astype(np.float32), PIXELS.astype(kind)):
        model, _, ours = made()
        found.append(trained(2, model, ours, inputs))
    assert found[0][1] == found[1][1]
    assert all(np.array_equal(found[0][0][path], found[1][0][path]) for path in found[0][0])


@pytest.mark.parametrize("precision, near", [("bfloat16", 0.02), ("float16", 0.005)])
def test_16_bits_compute_near_32_on_weights_of_32(precision, near):
    wanted, wanted_losses = trained(3, *made()[::2])
    model, optimizer, ours = made(precision)
    before = model.predict_on_batch(PIXELS.astype(np.float32))
    found, losses = trained(3, model, ours)
    assert losses != wanted_losses and losses == pytest.approx(wanted_losses, rel=near)
    for path, value in found.items():
        assert value.dtype == np.float32 and np.abs(value - wanted[path]).max() < 0.05, path
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}  # what is asked of it later is exact
    for path, value in tiny.values(tiny.network()[0]).items():
        next(v for v in model.variables if v.path == path).assign(value)
    assert np.array_equal(model.predict_on_batch(PIXELS.astype(np.float32)), before)


def test_float16_leaves_out_a_step_that_overflows_and_halves_its_scale():
    model, optimizer, ours = made("float16")
    before, scale = tiny.values(model), float(optimizer.dynamic_scale)
    found, losses = trained(1, model, ours, weights=WEIGHTS * 1e6)
    assert np.isfinite(losses[0]) and float(optimizer.dynamic_scale) == scale / 2
    assert all(np.array_equal(found[path], before[path]) for path in before)
    assert int(optimizer.iterations) == 0
    found, _ = trained(1, model, ours)
    assert not np.array_equal(found["head/kernel"], before["head/kernel"]) and int(optimizer.iterations) == 1


def norms(clip, precision="float32", steps=1, weights=WEIGHTS):
    """({stage: norm of the gradients in the last of some steps}, {stage: change of its weights / rate in the last})."""
    model, stages = tiny.network()
    thaw.set_trainable(model, stages, STAGES, "still")
    by_path, head, rate = thaw.stage_by_path(stages), stages["head"], 0.01
    optimizer = optimizers.build("sgd", model.trainable_variables, {}, rate, 100, 0.0, 0.0, clip, precision)
    below = [layer for layer in model.layers if layer not in head]
    ours = step.build(model, optimizer, classification.loss(0.0), below, precision, by_path)
    for _ in range(steps):
        before = tiny.values(model)
        figures = loop.read(ours(ours.place(PIXELS.astype(np.float32), TARGETS, weights)), 1, 1)
        ours.settle()
    after, squares = tiny.values(model), dict.fromkeys(ours.stages, 0.0)
    for variable in model.trainable_variables:
        squares[by_path[variable.path]] += float(np.square(after[variable.path] - before[variable.path]).sum())
    return dict(zip(ours.stages, figures[1:])), {stage: total**0.5 / rate for stage, total in squares.items()}


def test_each_stage_tells_the_norm_of_its_gradients_before_they_are_clipped():
    found, changed = norms(1e6)
    assert set(found) == set(STAGES)
    for stage in STAGES:  # the first step of Nesterov's momentum of 0.9 is 1.9 gradients long
        assert found[stage] == pytest.approx(changed[stage] / 1.9, rel=2e-3) and found[stage] > 0
    clipped, changed = norms(0.01)
    assert clipped == pytest.approx(found, rel=1e-6)
    assert sum(length**2 for length in changed.values())**0.5 == pytest.approx(1.9 * 0.01, rel=2e-3)


@pytest.mark.parametrize("precision, near", [("bfloat16", 0.1), ("float16", 0.02)])
def test_norms_are_those_of_the_loss_itself_in_16_bits_too(precision, near):
    wanted, _ = norms(1e6, steps=2)
    found, _ = norms(1e6, precision, steps=2)
    assert found == pytest.approx(wanted, rel=near) and found != wanted


def test_a_step_that_overflows_has_no_norm():
    found, changed = norms(1.0, "float16", weights=WEIGHTS * 1e6)
    assert not np.isfinite(list(found.values())).all() and not any(changed.values())


def test_layers_are_given_back_as_they_were_after_an_error():
    model, _ = tiny.network()
    norm = model.get_layer("bn1")
    with pytest.raises(RuntimeError):
        with thaw.compute_in(model.layers, "bfloat16", synchronized=True):
            assert model.get_layer("conv1").compute_dtype == "bfloat16" and norm.synchronized
            assert model.get_layer("conv1").variable_dtype == "float32"
            raise RuntimeError
    assert {layer.compute_dtype for layer in model.layers} == {"float32"} and not norm.synchronized


def test_dropout_draws_anew_each_step():
    model, ours = dropout()
    _, losses = trained(6, model, ours)
    assert len(set(losses[::2])) == 3  # the same rows, at a rate of nothing


def dropout():
    """(model, step) of a network with dropout whose weights stay where they are."""
    import keras

    image = keras.Input((tiny.SIZE, tiny.SIZE, 3))
    x = keras.layers.Dropout(0.5, seed=1)(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Dense(tiny.CLASSES)(x))
    optimizer = optimizers.build("sgd", model.trainable_variables, {}, 1e-12, 100, 0.0, 0.0, 1.0)
    return model, step.build(model, optimizer, classification.loss(0.0))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_forward_pass_gives_what_the_model_gives(precision):
    import keras

    model, _ = tiny.network()
    several = keras.Model(model.input, [model.get_layer("layer1.0").output, model.output])
    wanted = several.predict_on_batch(PIXELS[:7].astype(np.float32))
    found = forward.build(several, precision)(PIXELS[:7])
    scale = max(np.abs(part).max() for part in wanted)
    for one, other in zip(found, wanted, strict=True):
        assert one.dtype == np.float32 and one.shape == other.shape
        difference = np.abs(one - other).max() / scale
        assert difference < 1e-6 if precision == "float32" else 1e-5 < difference < 0.02
    suffix = keras.Model([model.get_layer("layer1.0").output, model.get_layer("mean.layer1").output], model.output)
    assert np.shape(forward.build(suffix)([found[0], np.zeros((7, 6), np.float16)])) == (1, 7, 3)
