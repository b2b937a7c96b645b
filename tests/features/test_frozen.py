"""The frozen network computed once: features of stages, and what makes them other features. Held on both backends."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny
from tests.features.conftest import PIXELS, counting

from toolkit.features import executor, frozen, views
from toolkit.features.rows import Rows

EVERY = np.arange(21)
needs_openvino = pytest.mark.skipif(not executor.has_openvino(), reason="OpenVINO is not installed")
every_executor = pytest.mark.parametrize("which", ["keras", pytest.param("openvino", marks=needs_openvino)])


def output(net, *names):
    import keras

    return keras.Model(net.model.input, [net.model.get_layer(name).output for name in names])


def close(found, wanted, share=1e-3):
    """Whether arrays differ by no more than a share of the largest number: float16 keeps 11 bits."""
    return found.shape == wanted.shape and np.abs(found.astype(np.float64) - wanted).max() <= share * abs(wanted).max()


@every_executor
@pytest.mark.parametrize("dtype, share", [("float32", 1e-5), ("float16", 1e-3), ("bfloat16", 8e-3)])
def test_pooled_is_the_means_of_all_stages(net, features, which, dtype, share):
    low, high = output(net, "layer1.0", "layer2.0").predict(PIXELS.astype("float32"), verbose=0)
    means = np.concatenate([low.mean((1, 2)), high.mean((1, 2))], axis=1)
    whole = output(net, "pooled").predict(PIXELS.astype("float32"), verbose=0)
    with features(net.model, which=which, dtype=dtype) as seen:
        assert str(seen.pooled.dtype) == dtype and len(seen.pooled) == 21
        assert close(seen.pooled[:][:, :14], means, share) and close(seen.pooled[:], np.reshape(whole, (21, -1)), share)
        assert np.array_equal(seen.pooled[EVERY[::-2]], seen.pooled[:][::-2])


@every_executor
def test_maps_of_a_view_are_the_maps_of_its_pictures(net, features, which):
    tensors = views.boundary(net.model, net.stages, "layer2")
    with features(net.model, which=which, dtype="float32") as seen:
        rows = np.array([20, 3, 8, 1])
        for view in (0, 2):
            pixels = seen.view(view, rows) if view else PIXELS[rows]
            wanted = output(net, "layer1.0").predict(pixels.astype("float32"), verbose=0)
            assert close(seen.maps(tensors[:1], rows, view)[:], wanted, 1e-5)
        assert not np.array_equal(seen.view(2, rows), PIXELS[rows])


def test_a_second_run_computes_nothing_and_more_pictures_only_those(net, features):
    tensors = views.boundary(net.model, net.stages, "layer2")
    with features(net.model, rows=slice(0, 15)) as seen:
        first = seen.pooled[:], *seen.maps(tensors, np.arange(15), 3).read(np.arange(15))
        assert sum(seen.counted) == 30
    with features(net.model, rows=slice(0, 15)) as seen:
        again = seen.pooled[:], *seen.maps(tensors, np.arange(15), 3).read(np.arange(15))
        assert seen.counted == [] and all(np.array_equal(one, other) for one, other in zip(first, again))
    with features(net.model) as seen:
        assert seen.counted == [6] and np.array_equal(seen.pooled[:15], first[0])
        seen.maps(tensors, np.array([20, 2]), 3)
        assert seen.counted == [6, 1]
    with features(net.model, rows=np.random.default_rng(0).permutation(21)) as seen:
        assert seen.counted == []


@needs_openvino
def test_maps_that_features_are_computed_by_way_of_are_kept_with_them(net, features, tmp_path):
    tensors, wanted, found = views.boundary(net.model, net.stages, "layer2"), EVERY[::2], []
    for limit, ahead, counted in ((10**9, [wanted[:4], wanted[4:]], [16, 5]), (0, [wanted], [16, 5, 11]),
                                  (10**9, (), [16, 5, 11])):
        with features(net.model, which="openvino", passed=tensors, wanted=ahead, limit=limit) as seen:
            found.append([seen.pooled[:], *seen.maps(tensors, wanted, 0).read(np.arange(11))])
            assert seen.counted == counted
            seen.maps(tensors, EVERY[1::2], 0)
            assert seen.counted == [*counted, 10]  # those of others only when asked for
        shutil.rmtree(tmp_path / "store", ignore_errors=True)
    for other in found[1:]:
        assert all(map(np.array_equal, found[0], other))


def test_what_keras_passes_is_computed_for_itself(net, features):
    tensors = views.boundary(net.model, net.stages, "layer2")
    with features(net.model) as seen:
        names = shelves(seen, net)
    with features(net.model, passed=tensors, wanted=[EVERY]) as seen:
        assert seen.counted == [] and shelves(seen, net) == names
        seen.maps(tensors, EVERY, 0)
        assert seen.counted == [16, 5]


def test_the_pace_is_that_of_all_pictures_or_of_a_batch_where_few_were_computed(net, features, monkeypatch):
    with features(net.model) as seen:
        assert seen.counted == [16, 5] and seen.spent[0] > 0 and seen.spent[1] == 21
        monkeypatch.setattr(frozen, "ENOUGH", 1)
        seen.spent = [4.2, 21]
        assert seen.pace() == pytest.approx(0.2) and seen.counted == [16, 5]
    with features(net.model) as seen:
        assert seen.counted == [] and seen.pace() > 0 and seen.counted == [16, 16]


def test_the_same_features_whatever_pictures_there_are(net, features):
    with features(net.model, limit=0) as seen:
        every = seen.pooled[:]
    for rows in (slice(20, 21), np.array([7, 0, 13, 20])):
        with features(net.model, rows=rows, limit=0) as seen:
            assert np.array_equal(seen.pooled[:], every[rows])


def shelves(seen, net):
    """Names of the shelves of pooled features, of maps of view 0, and of an augmented view."""
    tensors = views.boundary(net.model, net.stages, "layer2")
    return [seen.pooled.shelf.name, *(seen.rows("maps", tensors, EVERY, view).shelf.name for view in (0, 1, 2))]


@pytest.fixture
def usual(net, features):
    with features(net.model) as seen:
        return shelves(seen, net)


def test_every_view_has_a_shelf_of_its_own(usual):
    assert len(set(usual)) == 4


@pytest.mark.parametrize("changed", [
    {"pictures": "pad"}, {"dtype": "float32"}, {"dtype": "bfloat16"},
    pytest.param({"which": "openvino"}, marks=needs_openvino),
    pytest.param({"which": "openvino", "precision": "bfloat16"}, marks=needs_openvino)], ids=str)
def test_what_changes_features_has_other_shelves(net, features, usual, changed):
    if changed.get("precision") == "bfloat16" and not executor.has_bfloat16():
        pytest.skip("the processor does not multiply bfloat16")
    with features(net.model, **changed) as seen:
        assert not set(shelves(seen, net)) & set(usual)
    if changed.get("precision"):
        with features(net.model, which="openvino") as seen:
            other = shelves(seen, net)
        with features(net.model, **changed) as seen:
            assert not set(shelves(seen, net)) & set(other)


@pytest.mark.parametrize("changed", [{"policy": "strong"}, {"seed": 8}], ids=str)
def test_augmentation_and_seed_change_augmented_views_alone(net, features, usual, changed):
    with features(net.model, **changed) as seen:
        found = shelves(seen, net)
    assert found[:2] == usual[:2] and not set(found[2:]) & set(usual)


def test_other_weights_have_other_shelves(net, features, usual):
    for path in ("conv1/kernel", "bn1/moving_mean", "layer1.0.bn1/gamma"):
        model, stages = tiny.network()
        (variable,) = [v for v in model.variables if v.path == path]
        variable.assign(variable.value * (1 + 1e-6))
        with features(model) as seen:
            assert not set(shelves(seen, SimpleNamespace(model=model, stages=stages))) & set(usual)


def test_neither_what_may_learn_nor_names_nor_what_stands_above_matters(net, features, usual):
    import keras

    model, stages = tiny.network()  # built later, so that Keras numbers its tensors otherwise
    renamed = keras.Model(model.input, model.output, name="another_name")
    for layer in renamed.layers[:5]:
        layer.trainable = False
    renamed.get_layer("head").kernel.assign(renamed.get_layer("head").kernel.value + 1)
    with features(renamed) as seen:
        assert shelves(seen, SimpleNamespace(model=renamed, stages=stages)) == usual and seen.counted == []


def test_the_size_of_the_input_changes_the_fingerprint(net):
    import keras
    from keras import layers

    def sized(side):
        image = keras.Input((side, side, 3), name="image")
        return keras.Model(image, layers.Rescaling(2.0, name="scale")(image))

    assert frozen.fingerprint(sized(8)) == frozen.fingerprint(sized(8)) != frozen.fingerprint(sized(9))


def test_a_damaged_shelf_gives_what_a_fresh_one_gives(net, features, tmp_path):
    tensors = views.boundary(net.model, net.stages, "layer2")
    with features(net.model) as seen:
        wanted = seen.pooled[:], seen.maps(tensors, EVERY, 1).read(EVERY)
    for path in (tmp_path / "store").rglob("*.shard"):
        whole = bytearray(path.read_bytes())
        whole[-40] ^= 1
        path.write_bytes(whole)
    with features(net.model) as seen:
        found = seen.pooled[:], seen.maps(tensors, EVERY, 1).read(EVERY)
        assert seen.counted == [1, 1] and len(seen.store.said) == 1
    assert np.array_equal(found[0], wanted[0]) and all(map(np.array_equal, found[1], wanted[1]))


@pytest.mark.parametrize("batch, wanted", [(64, [64, 16]), (16, [16] * 5), (40, [40, 40]), (7, [7] * 11 + [3])])
def test_no_batch_is_filled_up_but_the_last(net, open_store, batch, wanted):
    sizes, pixels = [], tiny.pictures(80)[0]

    def build(prefix):
        compute = executor.Keras(prefix, batch=batch)
        return counting(compute, compute, sizes)

    with open_store() as store:
        shelf = store.shelf("pictures", {}, [PIXELS.shape[1:]], "uint8", 80)
        pictures = Rows(shelf, list(map(str, range(80))), lambda numbers: [pixels[numbers]])
        seen = frozen.Frozen(net.model, pictures, store, build, None, {})
        assert sizes == wanted and len(seen.pooled) == 80


def test_a_run_that_shares_nothing_leaves_nothing(net, features, tmp_path):
    with features(net.model, limit=0, scratch=tmp_path / "mine" / "scratch") as seen:
        seen.maps(views.boundary(net.model, net.stages, "layer2"), EVERY, 2)
        assert len(list((tmp_path / "mine").rglob("*.shard"))) == 2
    assert list((tmp_path / "mine").iterdir()) == [] and not (tmp_path / "store").exists()
