"""The frozen network computed once: executor, kept means and maps, and what enters below a thawed stage.

Held on both backends.
"""

from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny

from toolkit.errors import ResourceError
from toolkit.features import executor, store, views
from toolkit.pixels import batches

PIXELS, NUMBERS = tiny.pictures(21)
TRAIN, HELD = np.arange(0, 15), np.arange(15, 21)


@pytest.fixture(scope="module")
def net():
    model, stages = tiny.network()
    return SimpleNamespace(model=model, stages=stages)


def features(net, folder, workers=1, policy="light"):
    def view(number, rows):
        return batches.augmented(PIXELS, policy, 7, number, rows, workers)

    return store.Features(net.model, PIXELS, view, folder, batch_size=4)


@pytest.fixture
def seen(net, tmp_path):
    with features(net, tmp_path) as found:
        yield found


def output(net, *names):
    import keras

    return keras.Model(net.model.input, [net.model.get_layer(name).output for name in names])


def test_all_batches_have_one_shape_and_no_row_is_lost():
    shapes, told = [], []

    def predict(batch):
        shapes.append(batch.shape)
        return batch.sum((1, 2, 3))[:, None]

    model = SimpleNamespace(predict_on_batch=predict)
    found = executor.collect(model, [PIXELS], 8, lambda done, of: told.append((done, of)))
    assert set(shapes) == {(8, 8, 8, 3)} and told == [(8, 21), (16, 21), (21, 21)]
    assert np.array_equal(found[:, 0], PIXELS.sum((1, 2, 3)))


def test_the_executor_gives_what_the_model_gives(net):
    wanted = net.model.predict(PIXELS.astype("float32"), verbose=0)
    assert executor.collect(net.model, [PIXELS], 8) == pytest.approx(wanted, abs=1e-5)
    assert executor.collect(net.model, [PIXELS[:3]], 8) == pytest.approx(wanted[:3], abs=1e-5)
    rows, outputs = zip(*executor.forward(output(net, "layer1.0", "layer2.0"), [PIXELS], 8))
    assert [len(part[1]) for part in outputs] == [8, 8, 5] and rows[-1] == slice(16, 21)
    assert outputs[0][0].shape == (8, 8, 8, 6) and outputs[0][1].shape == (8, 4, 4, 8)


def test_pooled_is_the_means_of_all_stages(net, seen):
    low, high = output(net, "layer1.0", "layer2.0").predict(PIXELS.astype("float32"), verbose=0)
    means = np.concatenate([low.mean((1, 2)), high.mean((1, 2))], axis=1)
    whole = output(net, "pooled").predict(PIXELS.astype("float32"), verbose=0)
    assert seen.pooled.dtype == np.float32 and seen.pooled[:, :14] == pytest.approx(means, abs=1e-5)
    assert seen.pooled == pytest.approx(np.reshape(whole, (21, -1)), abs=1e-5)


@pytest.mark.parametrize("stage", ["layer1", "layer2", "head"])
def test_a_suffix_on_kept_maps_is_the_whole_network(net, seen, stage):
    import keras

    tensors = views.boundary(net.model, net.stages, stage)
    wanted = net.model.predict(PIXELS.astype("float32"), verbose=0)
    prefix = keras.Model(net.model.input, tensors)
    exact = [np.concatenate(parts) for parts in zip(*(part for _, part in executor.forward(prefix, [PIXELS], 7)))]
    suffix = keras.Model(tensors, net.model.get_layer("head").output)
    assert executor.collect(suffix, exact, 8) == pytest.approx(wanted, abs=1e-6)
    with views.source(net.model, seen, net.stages, TRAIN, HELD, 1)(stage) as inputs:
        assert isinstance(inputs, views.Maps) and inputs.fit[0].dtype == np.float16
        assert inputs.held(inputs.model) == pytest.approx(wanted[HELD], abs=5e-3)
        for rows, arrays in inputs.train(TRAIN[::-1], 0, 4):
            assert np.asarray(inputs.model.predict_on_batch(arrays)) == pytest.approx(wanted[TRAIN[rows]], abs=5e-3)


def test_below_the_lowest_stage_pictures_enter(net, seen):
    assert views.boundary(net.model, net.stages, "stem") is None
    with views.source(net.model, seen, net.stages, TRAIN, HELD, 3)("stem") as inputs:
        assert isinstance(inputs, views.Pictures)
        assert inputs.held(inputs.model) == pytest.approx(
            net.model.predict(PIXELS[HELD].astype("float32"), verbose=0), abs=1e-5)
        (rows, first), *_ = inputs.train(np.arange(15), 0, 4)
        assert first.dtype == np.float32 and np.array_equal(first, seen.view(1, TRAIN[rows]))


def test_maps_too_large_to_keep_make_way_for_pictures(net, seen):
    with views.source(net.model, seen, net.stages, TRAIN, HELD, 10**9)("layer2") as inputs:
        assert isinstance(inputs, views.Pictures)


def test_E5_a_disk_too_small_is_said_before_it_is_full(seen):
    with pytest.raises(ResourceError, match="GB are needed for kept features.*--views"):
        seen.room((10**9, 10**9))


def test_kept_maps_vanish_with_their_folder(net, tmp_path):
    with features(net, tmp_path) as found:
        found.maps(views.boundary(net.model, net.stages, "layer2"), TRAIN, 2)
        assert len(list(tmp_path.rglob("*.npy"))) == 1
    assert list(tmp_path.iterdir()) == []


def test_epochs_take_the_views_in_turn_and_rows_in_the_given_order(net, seen):
    order = np.random.default_rng(0).permutation(15)
    with views.source(net.model, seen, net.stages, TRAIN, HELD, 2)("layer2") as inputs:
        assert inputs.steps(4) == 3 and inputs.steps(64) == 1
        epochs = [list(inputs.train(order, epoch, 4)) for epoch in range(3)]
    assert np.array_equal(np.concatenate([rows for rows, _ in epochs[0]]), order[:12])
    for (rows, first), (_, second), (_, third) in zip(*epochs):
        assert len(rows) == 4 and np.array_equal(first, third) and not np.array_equal(first, second)


def test_B6_the_same_batches_for_any_number_of_workers(net, tmp_path):
    kept = []
    for workers in (1, 4):
        with features(net, tmp_path, workers, "strong") as found:
            maps = found.maps(views.boundary(net.model, net.stages, "layer2"), TRAIN, 3)
            with views.source(net.model, found, net.stages, TRAIN, HELD, 3)("stem") as inputs:
                fresh = [array for _, array in inputs.train(np.arange(15), 1, 4)]
        kept.append([np.array(maps[0]), *fresh])
    assert all(np.array_equal(one, other) for one, other in zip(*kept))


@pytest.mark.parametrize("count, size, wanted", [(10, 4, [4, 4]), (8, 4, [4, 4]), (3, 4, [3]), (4, 4, [4]),
                                                 (5, 1, [1] * 5)])
def test_batches_are_full_and_in_order(count, size, wanted):
    order = np.arange(count)[::-1]
    found = views.batches_of(order, size)
    assert [len(part) for part in found] == wanted
    assert np.array_equal(np.concatenate(found), order[:sum(wanted)])


def test_tuning_on_kept_maps_leaves_every_frozen_weight_as_it_was(net, tmp_path):
    import keras

    from toolkit.tasks import classification
    from toolkit.training.stages import Plan, Tuned, tune

    model, stages = tiny.network(seed=3)
    before = tiny.values(model)
    plan = Plan((("head", "layer2"),), 2, 2, 0.05, 0.5, None, "adamw", 0.01, 1.0, 0.1, 5, 2, "still", 0)
    with features(SimpleNamespace(model=model), tmp_path) as found:
        tuned = Tuned()
        left = iter((1.0, 0.9, 0.8))
        tune(model, stages, views.source(model, found, stages, TRAIN, HELD, 2), keras.losses.CategoricalCrossentropy(
            from_logits=True), classification.targets(NUMBERS[TRAIN], 3), np.ones(15, np.float32),
            lambda logits: {"validation_loss": next(left)}, plan, tuned)
    after = tiny.values(model)
    assert {path for path in after if not np.array_equal(after[path], before[path])} == {
        "layer2.0.conv1/kernel", "layer2.0.bn1/gamma", "layer2.0.bn1/beta", "head/kernel", "head/bias"}
    assert tuned.stage == "layer2" and tuned.moved == []
