"""Weights into networks: strict, by name, whatever the names; the same function as where they came from."""

import subprocess
import sys
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from toolkit.backbones import formats, identify, load, resnet, translate
from toolkit.backbones.resnet_table import RESNETS
from toolkit.errors import OptionError, UntrustedError

PICTURES = np.random.default_rng(0).uniform(0, 255, (2, 65, 70, 3)).astype("float32")
OLD = {"1": "branch2a", "2": "branch2b", "3": "branch2c", "0": "branch1"}


def drawn(model, seed=0):
    """`model` with weights that keep signals alive and make every norm do something."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        values = rng.standard_normal(shape)
        if variable.name == "moving_variance":
            values = rng.uniform(0.5, 2, shape)
        elif variable.name == "kernel":
            values *= np.sqrt(2 / np.prod(shape[:-1]))
        else:
            values = 0.1 * values + (0.8 if variable.name == "gamma" else 0)
        variable.assign(values.astype("float32"))
    return model


def output(model, pictures):
    return keras.ops.convert_to_numpy(model(pictures, training=False))


def assert_alike(given, expected):
    assert expected.std() > 1e-3 * np.abs(expected).max()
    assert np.abs(given - expected).max() <= 1e-5 * np.abs(expected).max()


def variables(model):
    return {f"{layer.name}/{v.name}": np.asarray(v.numpy()) for layer in model.layers for v in layer.weights}


def as_torch(model):
    """The weights of `model` under torch's names and in its layout."""
    parts = {"kernel": "weight", "gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
             "moving_variance": "running_var", "bias": "bias", "alpha": "weight"}
    state = {}
    for name, array in variables(model).items():
        layer, part = name.split("/")
        array = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T if part == "kernel" else array
        state[f"{layer}.{parts[part]}"] = np.ascontiguousarray(array.reshape(-1) if part == "alpha" else array)
        if part == "moving_mean":
            state[f"{layer}.num_batches_tracked"] = np.array(7)
    return state


@pytest.fixture(scope="module")
def small():
    """A drawn network with its head, and its weights under torch's names."""
    model = drawn(resnet.build(RESNETS["cifar_resnet20"], include_top=True))
    return model, as_torch(model)


def saved(folder, arrays, name="w.safetensors", **facts):
    formats.save(folder / name, arrays, facts)
    return folder / name


def test_C4_own_files_of_every_kind_give_the_same_function(tmp_path, small):
    model, state = small
    model.save_weights(tmp_path / "w.weights.h5")
    np.savez(tmp_path / "w.npz", **state)
    pictures = PICTURES[:, :32, :32]
    for path in (tmp_path / "w.weights.h5", tmp_path / "w.npz", saved(tmp_path, state)):
        loaded, recipe = load.load("cifar_resnet20", path, shape=(32, 32, 3), include_top=True)
        assert np.array_equal(output(loaded, pictures), output(model, pictures))
        assert recipe.tag == path.name and recipe.licence == "given by the user's file" and len(recipe.sha256) == 64


def test_C4_prelu_and_half_precision(tmp_path):
    model = drawn(resnet.build(RESNETS["plain_prelu10"], include_top=True))
    state = {name: array.astype("float16") if array.dtype.kind == "f" else array
             for name, array in as_torch(model).items()}
    loaded, _ = load.load("plain_prelu10", saved(tmp_path, state), shape=(32, 32, 3), include_top=True)
    pictures = PICTURES[:, :32, :32] / 255
    assert np.allclose(output(loaded, pictures), output(model, pictures), rtol=1e-2, atol=1e-2)
    assert np.array_equal(variables(loaded)["layer1.0/alpha"].ravel(), state["layer1.0.weight"].astype("float32"))


def legacy(path, model, names):
    """The weights of `model` as Keras 2 wrote them, each layer renamed by `names`."""
    with h5py.File(path, "w") as file:
        for name, array in variables(model).items():
            layer, part = name.split("/")
            file.create_dataset(f"{names(layer)}/{names(layer)}/{part}:0", data=array)


def of_2015(layer):
    """conv2_block1_1_conv -> res2a_branch2a, as keras.applications' files of 2015 call it."""
    ends = {"conv1_conv": "conv1", "conv1_bn": "bn_conv1", "predictions": "fc1000"}
    if layer in ends:
        return ends[layer]
    stage, block, number, kind = layer.replace("conv", "", 1).replace("block", "").split("_")
    return f"{'res' if kind == 'conv' else 'bn'}{stage}{'abcdef'[int(block) - 1]}_{OLD[number]}"


@pytest.mark.parametrize("origin", ["weights.h5", "keras 2", "2015"])
def test_C4_keras_applications_resnet50(tmp_path, origin):
    from keras.applications import resnet as applications

    reference = drawn(applications.ResNet50(weights=None, classifier_activation=None))
    path = tmp_path / ("w.weights.h5" if origin == "weights.h5" else "w.h5")
    if origin == "weights.h5":
        reference.save_weights(path)
    else:
        legacy(path, reference, of_2015 if origin == "2015" else str)
    model, recipe = load.load("resnet50", path, shape=(None, None, 3), include_top=True)
    assert recipe.architecture == "keras_resnet50" and recipe.scale == [1.0, 1.0, 1.0]
    raw = np.pad(PICTURES, [(0, 0), (0, 159), (0, 154), (0, 0)], mode="wrap")
    given = output(model, keras.layers.Rescaling(recipe.scale, recipe.offset)(raw))
    assert_alike(given, output(reference, applications.preprocess_input(raw.copy())))


def test_C4_keras_applications_resnet50v2(tmp_path):
    from keras.applications import resnet_v2 as applications

    reference = drawn(applications.ResNet50V2(weights=None, include_top=False, input_shape=(96, 80, 3)))
    reference.save_weights(tmp_path / "w.weights.h5")
    model, recipe = load.load("resnet50v2", tmp_path / "w.weights.h5", shape=(96, 80, 3))
    assert recipe.architecture == "keras_resnet50v2"
    raw = np.pad(PICTURES, [(0, 0), (0, 31), (0, 10), (0, 0)], mode="wrap")
    given = output(model, keras.layers.Rescaling(recipe.scale, recipe.offset)(raw))
    assert_alike(given, output(reference, applications.preprocess_input(raw.copy())))


def test_C4_real_imagenet_weights_of_resnet18(shared, tmp_path):
    folder = shared / "data" / "weights"
    subprocess.run([sys.executable, str(folder / "decode.py"), str(folder / "resnet18_imagenet_pqf.npz"), "--out",
                    str(tmp_path)], check=True)
    path = tmp_path / "resnet18_imagenet_pqf.safetensors"
    model, recipe = load.load("resnet18", path, include_top=True)
    given, held = formats.read(path).arrays, variables(model)
    assert len(held) == sum(not name.endswith("tracked") for name in given)
    assert np.array_equal(held["layer4.0.downsample.0/kernel"],
                          given["layer4.0.downsample.0.weight"].transpose(2, 3, 1, 0))
    assert "Uber Non-Commercial" in recipe.licence and recipe.architecture == "resnet18"
    assert np.allclose(np.array(recipe.offset) / recipe.scale, [-255 * mean for mean in (0.485, 0.456, 0.406)])


@pytest.mark.parametrize("name", ["cifar_resnet20", "resnet18", "resnet18d"])
def test_the_function_on_replicated_grey_stays(tmp_path, name):
    model = drawn(resnet.build(RESNETS[name], shape=(48, 40, 3)))
    path = saved(tmp_path, as_torch(model))
    grey = PICTURES[:, :48, :40, :1] / 255
    expected = output(model, np.repeat(grey, 3, axis=-1))
    for channels in (1, 2, 4, 7) if name == "cifar_resnet20" else (1, 5):
        adapted, recipe = load.load(name, path, shape=(48, 40, channels))
        assert_alike(output(adapted, np.repeat(grey, channels, axis=-1)), expected)
        assert len(recipe.scale) == len(recipe.offset) == channels


def test_each_channel_takes_its_own_part_and_bgr_is_turned():
    kernel = np.random.default_rng(0).standard_normal((7, 7, 3, 4)).astype("float32")
    six = load.adapted(kernel, 6)
    assert np.allclose(six[:, :, :3], kernel / 2) and np.allclose(six[:, :, 3:], kernel / 2)
    four = load.adapted(kernel, 4)
    assert np.allclose(four[:, :, [1, 2]], kernel[:, :, 1:]) and np.allclose(four[:, :, 3], kernel[:, :, 0] / 2)
    assert np.array_equal(load.adapted(kernel, 3, "BGR"), kernel[:, :, ::-1])
    assert np.allclose(load.adapted(kernel, 4, "BGR")[:, :, 1], kernel[:, :, 1])


def renamed(state):
    state["layer1.0.conv9.weight"] = state.pop("layer1.0.conv1.weight")


def cut(state):
    state["layer2.0.conv1.weight"] = state["layer2.0.conv1.weight"][:, :-1].copy()


@pytest.mark.parametrize("harm, told", [
    (lambda state: state.pop("layer3.1.bn2.running_mean"), ["lacks", "layer3.1.bn2/moving_mean"]),
    (lambda state: state.update({"extra.weight": np.ones((2, 2), "float32")}), ["network lacks", "extra.weight"]),
    (renamed, ["layer1.0.conv1/kernel", "layer1.0.conv9.weight"]),
    (cut, ["Shapes differ", "layer2.0.conv1.weight (3, 3, 15, 32) for (3, 3, 16, 32)"]),
], ids=["missing", "extra", "renamed", "shape"])
def test_C3_a_file_that_does_not_fit_is_named_with_both_sides(tmp_path, small, harm, told):
    state = dict(small[1])
    harm(state)
    path = saved(tmp_path, state)
    with pytest.raises(UntrustedError) as refused:
        load.load("cifar_resnet20", path, shape=(32, 32, 3), include_top=True)
    assert refused.value.code == 6
    for text in (str(path), "nothing was loaded", *told):
        assert text in str(refused.value)
    assert str(refused.value).endswith((" weights of cifar_resnet20.", "the nearest is cifar_resnet20."))


def test_C3_nothing_is_half_loaded(small):
    state = dict(small[1])
    cut(state)
    model = resnet.build(RESNETS["cifar_resnet20"], include_top=True)
    before = variables(model)
    translation = translate.translate(state)
    row = load.made_up("cifar_resnet20", "w", "", own=False)
    chosen = load.Chosen(row, translation.arrays, translation.said, "w.npz", "", "")
    with pytest.raises(UntrustedError):
        load.place(model, chosen, include_top=True)
    assert all(np.array_equal(array, before[name]) for name, array in variables(model).items())


def test_C3_the_head_may_be_left_out_but_not_missing(tmp_path, small):
    model, state = small
    path = saved(tmp_path, state)
    trunk, _ = load.load("cifar_resnet20", path, shape=(32, 32, 3))
    assert trunk.output_shape == (None, 8, 8, 64)
    headless = {name: array for name, array in state.items() if not name.startswith("fc.")}
    with pytest.raises(UntrustedError, match="fc/kernel"):
        load.load("cifar_resnet20", saved(tmp_path, headless), shape=(32, 32, 3), include_top=True)


@pytest.mark.parametrize("name", ["resnet34", "resnet18d", "resnet18v2", "res2net50_26w_4s"])
def test_C3_the_network_is_guessed(name):
    arrays = variables(resnet.build(RESNETS[name], shape=(None, None, 3)))
    assert identify.guess(arrays) == f"It looks like weights of {name}."
    arrays.pop(next(key for key in arrays if key.startswith("layer4.1")))
    assert name in identify.guess(arrays)


def test_C3_networks_can_be_told_apart():
    told = [tuple(sorted(identify.told_by(row).items())) for row in RESNETS.values()]
    assert len(set(told)) == len(told)
    assert "no ResNet" in identify.guess({"encoder/kernel": np.ones((3, 3))})


@pytest.mark.parametrize("squeeze", [0, 4])
def test_no_random_number_is_drawn_for_weights_that_are_placed(tmp_path, monkeypatch, squeeze):
    name, row = "cifar_resnet20", replace(RESNETS["cifar_resnet20"], squeeze=squeeze)
    usual = drawn(resnet.build(row, include_top=True, shape=(32, 32, 3), name=name))
    monkeypatch.setitem(RESNETS, name, row)
    path = saved(tmp_path, as_torch(usual))
    monkeypatch.setattr(keras.initializers.VarianceScaling, "__call__", None)  # calling it raises TypeError
    loaded, _ = load.load(name, path, shape=(32, 32, 3), include_top=True)
    assert [layer["config"] for layer in loaded.get_config()["layers"]] == [
        layer["config"] for layer in usual.get_config()["layers"]]
    pictures = PICTURES[:, :32, :32]
    assert np.array_equal(output(loaded, pictures), output(usual, pictures))
    with pytest.raises(TypeError):
        resnet.build(row, shape=(32, 32, 3))


def test_random_weights_come_with_a_recipe():
    for weights in (None, "none"):
        model, recipe = load.load("cifar_resnet20", weights, shape=(32, 32, 3))
        assert recipe.tag == "none" and recipe.sha256 == "" and model.name == "cifar_resnet20"
        assert np.allclose(recipe.scale, [1 / (255 * std) for std in (0.229, 0.224, 0.225)])


def test_a_wrong_name_of_weights_is_an_option_error(tmp_path):
    with pytest.raises(OptionError, match="no file and no tag"):
        load.load("resnet18", tmp_path / "no.safetensors")
    with pytest.raises(OptionError, match="did you mean gluon_in1k"):
        load.load("resnet18", "gluon_in1")
    with pytest.raises(UntrustedError, match="pickle"):
        (tmp_path / "w.pkl").write_bytes(b"")
        load.load("resnet18", str(tmp_path / "w.pkl"))


def test_names_of_timm_v2_and_keras_hub():
    ones = np.ones((1, 1, 2, 2), "float32")
    timm = translate.translate({"stem.conv.weight": ones, "stages.2.blocks.10.conv3.weight": ones,
                                "stages.0.blocks.0.norm1.weight": ones[0, 0, 0],
                                "stages.0.blocks.0.norm1.running_mean": ones[0, 0, 0],
                                "stages.1.blocks.0.downsample.conv.weight": ones,
                                "head.fc.weight": np.ones((5, 2, 1, 1), "float32")})
    assert set(timm.arrays) == {"conv1/kernel", "layer3.10.conv3/kernel", "layer1.0.bn1/gamma",
                                "layer1.0.bn1/moving_mean", "layer2.0.downsample.0/kernel", "fc/kernel"}
    assert timm.arrays["fc/kernel"].shape == (2, 5)
    hub = translate.translate({"conv1_conv/kernel": ones, "conv2_conv/kernel": ones, "conv3_bn/gamma": ones,
                               "stack1_block0_0_conv/kernel": ones, "stack1_block0_0_bn/beta": ones,
                               "stack3_block2_2_bn/beta": ones})
    assert hub.style == "hub"
    assert set(hub.arrays) == {"conv1.0/kernel", "conv1.3/kernel", "bn1/gamma", "layer2.0.downsample.1/kernel",
                               "layer2.0.downsample.2/beta", "layer4.2.bn2/beta"}
    v2 = translate.translate({"stack1_block0_pre_activation_bn/beta": ones, "stack1_block0_1_bn/beta": ones,
                              "post_bn/beta": ones})
    assert set(v2.arrays) == {"layer2.0.bn1/beta", "layer2.0.bn2/beta", "layer4.norm/beta"}


def test_two_names_of_one_weight_are_refused(tmp_path, small):
    arrays = variables(small[0])
    twice = {**arrays, "conv1_conv/kernel": arrays["conv1/kernel"]}
    with pytest.raises(UntrustedError, match="conv1_conv/kernel"):
        load.load("cifar_resnet20", saved(tmp_path, twice), shape=(32, 32, 3), include_top=True)


def test_weights_of_an_own_keras_network_are_not_turned_twice(tmp_path):
    """A network loaded from BGR weights takes RGB; so do the weights saved from it."""
    row = load.made_up("keras_resnet50", "w", "", own=True)
    assert row.channels == "RGB" and load.made_up("keras_resnet50", "w", "", own=False).channels == "BGR"
    assert row.mean == (123.68, 116.779, 103.939)
