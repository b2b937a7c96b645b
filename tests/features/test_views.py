"""What enters below a thawed stage: kept maps, view by view, or fresh pictures. Held on both backends."""

from contextlib import contextmanager

import numpy as np
import pytest
from tests import tiny
from tests.features.conftest import NUMBERS, PIXELS
from tests.features.test_frozen import every_executor

from toolkit.features import executor, shards, views

TRAIN, HELD = np.arange(0, 15), np.arange(15, 21)
PLENTY = 10**9


@pytest.fixture
def opened(net, features):
    """Opens what enters below a stage."""
    @contextmanager
    def opener(stage, kept, limit=PLENTY, step=None, train=TRAIN, share=PLENTY, **how):
        with features(net.model, limit=share, **how) as seen:
            with views.source(net.model, seen, net.stages, train, HELD, kept, limit, step)(stage) as inputs:
                inputs.seen = seen
                yield inputs

    return opener


def every(maps):
    """All views that are kept."""
    return [maps.view(number) for number in range(maps.views)]


@pytest.fixture
def wanted(net):
    return net.model.predict(PIXELS.astype("float32"), verbose=0)


@pytest.mark.parametrize("stage", ["layer1", "layer2", "head"])
def test_a_suffix_on_kept_maps_is_the_whole_network(net, opened, wanted, stage):
    import keras

    tensors = views.boundary(net.model, net.stages, stage)
    prefix = executor.Keras(keras.Model(net.model.input, tensors))
    exact = [np.concatenate(parts) for parts in zip(*(
        [part.copy() for part in found] for _, found in executor.forward(prefix, 21, lambda rows: [PIXELS[rows]])))]
    suffix = executor.Keras(keras.Model(tensors, net.model.get_layer("head").output))
    assert executor.collect(suffix, 21, lambda rows: [part[rows] for part in exact]) == pytest.approx(wanted, abs=1e-6)
    with opened(stage, 1, policy="none") as inputs:
        assert isinstance(inputs, views.Maps) and inputs.view(0).dtype == np.float16
        assert inputs.held(inputs.model) == pytest.approx(wanted[HELD], abs=5e-3)
        for rows, arrays in inputs.train(TRAIN[::-1], 0, 4):
            assert np.asarray(inputs.model.predict_on_batch(arrays)) == pytest.approx(wanted[TRAIN[rows]], abs=5e-3)


@pytest.mark.parametrize("share", [PLENTY, 0])
def test_logits_of_kept_maps_are_those_that_training_saw(net, features, wanted, share):
    with features(net.model, limit=share) as seen:
        with views.source(net.model, seen, net.stages, TRAIN, HELD, 1, PLENTY)("layer2") as inputs:
            trained = inputs.held(inputs.model)
        seen.counted.clear()
        found = views.logits(net.model, seen, net.stages, "layer2", HELD)
        assert np.array_equal(found, trained) and found == pytest.approx(wanted[HELD], abs=5e-3)
        assert seen.counted == []


@pytest.mark.parametrize("kept, limit", [(0, PLENTY), (2, 5000)])
def test_where_pictures_entered_no_logits_are_computed_afterwards(net, features, tmp_path, kept, limit):
    with features(net.model) as seen:
        with views.source(net.model, seen, net.stages, TRAIN, HELD, kept, limit)("layer2") as inputs:
            assert isinstance(inputs, views.Pictures)
        seen.counted.clear()
        assert views.logits(net.model, seen, net.stages, "layer2", HELD) is None
        assert seen.counted == [] and not list((tmp_path / "store").glob("maps-*"))


def test_a_later_sitting_reads_the_maps_of_an_earlier_one_and_writes_none(net, features, tmp_path):
    def sitting(trained):
        with features(net.model) as seen:
            source = views.source(net.model, seen, net.stages, TRAIN, HELD, 1, PLENTY)
            if trained:
                with source("layer2") as inputs:
                    return inputs.held(inputs.model)
            seen.counted.clear()
            found = views.logits(net.model, seen, net.stages, "layer2", HELD)
            assert seen.counted == []
            return found

    assert np.array_equal(sitting(True), sitting(False))
    for path in (tmp_path / "store").glob("maps-*/*.shard"):
        path.unlink()
    assert sitting(False) is None and not list((tmp_path / "store").glob("maps-*/*.shard"))


@every_executor
def test_the_maps_of_one_round_make_room_for_the_next_and_what_it_measured_itself_by_stays(net, features, tmp_path,
                                                                                           which):
    count, each = len(HELD), {}
    ahead = {"which": which, "passed": views.boundary(net.model, net.stages, "layer2")}
    with features(net.model, **ahead) as seen:
        for stage in ("layer1", "layer2"):
            each[stage] = seen.bytes(views.boundary(net.model, net.stages, stage), 1)
        other = seen.store.claimed()
    room = len(TRAIN) * each["layer1"] + count * (each["layer1"] + each["layer2"])
    with features(net.model, limit=other + room, wanted=[TRAIN, HELD], **ahead) as seen:
        assert seen.store.room(0) == room
        source = views.source(net.model, seen, net.stages, TRAIN, HELD, 3, room)
        for stage in ("layer2", "layer1"):
            with source(stage) as inputs:
                assert isinstance(inputs, views.Maps) and all(view.shelf.shared for view in every(inputs))
        assert all(views.logits(net.model, seen, net.stages, stage, HELD) is not None for stage in each)
        assert not seen.store.scratch.exists()
        assert sum(path.stat().st_size for path in (tmp_path / "store").rglob("*.shard")) <= other + room
    with features(net.model, limit=other + room - 1, **ahead) as seen:
        with views.source(net.model, seen, net.stages, TRAIN, HELD, 3, room - 1)("layer1") as inputs:
            assert isinstance(inputs, views.Pictures)


@pytest.mark.parametrize("stage, kept", [("stem", 3), ("layer2", 0), ("head", 0)])
def test_below_the_lowest_stage_and_without_kept_views_pictures_enter(net, opened, wanted, stage, kept):
    assert views.boundary(net.model, net.stages, "stem") is None
    with opened(stage, kept, workers=2) as inputs:
        assert isinstance(inputs, views.Pictures)
        assert inputs.held(inputs.model) == pytest.approx(wanted[HELD], abs=1e-5)
        epochs = [list(inputs.train(np.arange(15), epoch, 4)) for epoch in range(3)]
        for epoch, batches in enumerate(epochs):
            for rows, pixels in batches:
                assert pixels.dtype == np.uint8  # the step casts them
                assert np.array_equal(pixels, inputs.seen.view(epoch + 1, TRAIN[rows]))
        assert not np.array_equal(epochs[0][0][1], epochs[2][0][1])


def test_an_epoch_reads_its_view_in_the_given_order(net, opened):
    import keras

    prefix = executor.Keras(keras.Model(net.model.input, views.boundary(net.model, net.stages, "head")))
    order = np.random.default_rng(0).permutation(15)
    with opened("head", 3, dtype="float32") as inputs:
        assert inputs.steps(4) == 3 and inputs.steps(64) == 1 and inputs.views == 3
        for epoch in range(7):
            batches = list(inputs.train(order, epoch, 4))
            assert np.array_equal(np.concatenate([rows for rows, _ in batches]), order[:12])
            for rows, arrays in batches:
                number = epoch % 3
                pixels = inputs.seen.view(number, TRAIN[rows]) if number else PIXELS[TRAIN[rows]]
                fresh = prefix(executor.filled(pixels))
                assert len(rows) == 4
                for one, other in zip(arrays, fresh, strict=True):
                    assert one.dtype == np.float32 and np.allclose(one, other[:4], atol=1e-5)


def test_as_many_views_are_kept_as_the_limit_holds(net, opened):
    tensors = views.boundary(net.model, net.stages, "layer2")
    with opened("layer2", 1) as inputs:
        each, beside = inputs.seen.bytes(tensors, len(TRAIN)), inputs.seen.bytes(tensors, len(HELD))
        assert each == 15 * (2 * sum(int(np.prod(tensor.shape[1:])) for tensor in tensors) + shards.HEADER_BYTES)
    for limit, kept in ((PLENTY, 4), (beside + 4 * each, 4), (beside + 4 * each - 1, 3), (beside + each, 1)):
        with opened("layer2", 4, limit) as inputs:
            assert isinstance(inputs, views.Maps) and inputs.views == kept
            said = inputs.seen.store.said
            assert [f"{kept} of 4 views" in line for line in said] == [True] * (kept < 4)
            assert any("not varied; --cache-views 0 varies them" in line for line in said) == (kept == 1)
    with opened("layer2", 4, beside + each - 1) as inputs:
        assert isinstance(inputs, views.Pictures) and inputs.views == 0
        assert any("varied afresh" in line for line in inputs.seen.store.said)
    with opened("layer2", 1, beside + each - 1, policy="none") as inputs:
        assert isinstance(inputs, views.Pictures) and not any("varied" in line for line in inputs.seen.store.said)
    with opened("layer2", 4, beside + 3 * each, dtype="float32") as inputs:
        assert inputs.views == 1


@pytest.mark.parametrize("kept", [1, 0])
def test_an_epoch_is_measured_in_the_precision_of_training_and_the_head_in_32_bits(net, features, wanted, kept):
    with features(net.model, dtype="float32") as seen:
        for precision, least, most in (("float32", 0, 1e-5), ("bfloat16", 1e-5, 0.2)):
            source = views.source(net.model, seen, net.stages, TRAIN, HELD, kept, PLENTY, precision=precision)
            with source("layer2") as inputs:
                found = inputs.held(inputs.model)
            assert least <= np.abs(found - wanted[HELD]).max() < most
            assert (found.view(np.uint32) & 0xFFFF).any()  # digits that bfloat16 has not
    assert {layer.compute_dtype for layer in net.model.layers} == {"float32"}


def test_a_view_is_computed_when_an_epoch_first_reads_it(opened):
    told = []
    with opened("layer2", 2, step=lambda *how: told.append(how)) as inputs:
        assert told == [(6, 6, views.MEASURING)]
        for epoch, computed in ((0, 1), (1, 2), (2, 2), (3, 2)):
            batches = inputs.train(np.arange(15), epoch, 4)
            assert told[1:] == [(15, 15, views.KEEPING)] * computed
            assert len(list(batches)) == 3


def test_pictures_are_measured_with_a_safe_point_each_batch_and_after_an_epoch_in_any_case(opened):
    told = []
    with opened("layer2", 0, step=lambda *how: told.append(how)) as inputs:
        inputs.held(inputs.model)
        inputs.held(inputs.model)
    assert told == [(6, 6, views.MEASURING, True), (6, 6, views.MEASURING, False)]


@pytest.mark.parametrize("kept", [0, 2])
def test_a_step_that_raises_stops_before_validation_is_seen(opened, kept):
    class Enough(Exception):
        pass

    def stop(done, of, what, may_end=True):
        assert done == 6 and may_end
        raise Enough

    with pytest.raises(Enough), opened("layer2", kept, step=stop) as inputs:
        inputs.held(inputs.model)


def test_a_view_of_a_picture_does_not_depend_on_the_others(net, opened):
    with opened("layer2", 3, policy="strong") as inputs:
        whole = [[part.copy() for part in view.read(np.arange(15))] for view in every(inputs)]
    few = TRAIN[[11, 4, 7]]
    with opened("layer2", 3, policy="strong", train=few) as inputs:
        assert sum(inputs.seen.counted) == 0
    for part in (few, few[::-1]):  # and by runs that share nothing
        with opened("layer2", 3, policy="strong", train=part, share=0) as inputs:
            for view, others in zip(every(inputs), whole):
                for one, other in zip(view.read(np.arange(3)), others):
                    assert np.array_equal(one, other[part])


def test_B6_the_same_batches_for_any_number_of_workers(opened):
    kept = []
    for workers in (1, 4):
        with opened("layer2", 3, policy="strong", workers=workers, share=0) as maps:
            kept.append([array for epoch in range(3) for _, arrays in maps.train(np.arange(15), epoch, 4)
                         for array in arrays])
        with opened("stem", 3, policy="strong", workers=workers, share=0) as pictures:
            kept[-1] += [array for _, array in pictures.train(np.arange(15), 1, 4)]
    assert len(kept[0]) == len(kept[1]) and all(np.array_equal(one, other) for one, other in zip(*kept))


@pytest.mark.parametrize("count, size, wanted", [(10, 4, [4, 4]), (8, 4, [4, 4]), (3, 4, [3]), (4, 4, [4]),
                                                 (5, 1, [1] * 5)])
def test_batches_are_full_and_in_order(count, size, wanted):
    order = np.arange(count)[::-1]
    found = views.batches_of(order, size)
    assert [len(part) for part in found] == wanted
    assert np.array_equal(np.concatenate(found), order[:sum(wanted)])


def test_tuning_on_kept_maps_leaves_every_frozen_weight_as_it_was(features):
    import keras

    from toolkit.tasks import classification
    from toolkit.training.stages import Plan, Tuned, tune

    model, stages = tiny.network(seed=3)
    before = tiny.values(model)
    plan = Plan((("head", "layer2"),), 2, 2, 0.05, 0.5, None, "adamw", 0.01, 1.0, 0.1, 5, 2, "still", 0)
    with features(model) as seen:
        tuned = Tuned()
        left = iter((1.0, 0.9, 0.8))
        tune(model, stages, views.source(model, seen, stages, TRAIN, HELD, 2, PLENTY),
             keras.losses.CategoricalCrossentropy(from_logits=True), classification.targets(NUMBERS[TRAIN], 3),
             np.ones(15, np.float32), lambda logits: {"validation_loss": next(left)}, plan, tuned)
    after = tiny.values(model)
    assert {path for path in after if not np.array_equal(after[path], before[path])} == {
        "layer2.0.conv1/kernel", "layer2.0.bn1/gamma", "layer2.0.bn1/beta", "head/kernel", "head/bias"}
    assert tuned.stage == "layer2" and tuned.moved == []
