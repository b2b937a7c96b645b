"""The contract of every network of the table."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest

from toolkit import backbones
from toolkit.backbones import resnet
from toolkit.backbones.resnet_table import RESNETS
from toolkit.errors import OptionError

# Trained parameters as torchvision states them (`Weights.meta["num_params"]`), and timm's for D, SE, Res2Net and V2;
# in all, as keras.applications counts; CIFAR as counted for the paper, which rounds to 0.27, 0.46, 0.66, 0.85, 1.7 M.
PUBLISHED = {
    "resnet18": 11_689_512, "resnet34": 21_797_672, "resnet50": 25_557_032, "resnet101": 44_549_160,
    "resnet152": 60_192_808, "resnext50_32x4d": 25_028_904, "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272, "wide_resnet50_2": 68_883_240, "wide_resnet101_2": 126_886_696,
    "resnet18d": 11_708_744, "resnet34d": 21_816_904, "resnet50d": 25_576_264, "resnet101d": 44_568_392,
    "resnet152d": 60_212_040, "seresnet50": 28_088_024, "seresnext50_32x4d": 27_559_896,
    "res2net50_26w_4s": 25_699_120, "resnet18v2": 11_687_720, "resnet34v2": 21_795_880, "resnet50v2": 25_549_352,
    "resnet101v2": 44_541_480, "resnet152v2": 60_185_128, "cifar_resnet20": 269_722, "cifar_resnet32": 464_154,
    "cifar_resnet44": 658_586, "cifar_resnet56": 853_018, "cifar_resnet110": 1_727_962}
PUBLISHED_IN_ALL = {
    "keras_resnet50": 25_636_712, "keras_resnet101": 44_707_176, "keras_resnet152": 60_419_944,
    "keras_resnet50v2": 25_613_800, "keras_resnet101v2": 44_675_560, "keras_resnet152v2": 60_380_648}
# Multiply-adds in units of 1e9 at 224 pixels, as torchvision states them (`Weights.meta["_ops"]`).
OPERATIONS = {
    "resnet18": 1.814, "resnet34": 3.664, "resnet50": 4.089, "resnet101": 7.801, "resnet152": 11.514,
    "resnext50_32x4d": 4.230, "resnext101_32x8d": 16.414, "resnext101_64x4d": 15.460, "wide_resnet50_2": 11.398,
    "wide_resnet101_2": 22.753}
# One of every kind of block, stem, shortcut and stride.
KINDS = ["resnet18", "keras_resnet50", "resnet18d", "resnet18v2", "keras_resnet50v2", "resnext50_32x4d", "seresnet50",
         "res2net50_26w_4s", "cifar_resnet20", "plain_prelu10"]


def count(weights):
    return sum(int(np.prod(weight.shape)) for weight in weights)


def multiply_adds(model):
    """Of one picture: a kernel at each place of a convolution's output, and the head."""
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    heads = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
    return (sum(count([layer.kernel]) * int(np.prod(layer.output.shape[1:3])) for layer in convolutions)
            + sum(count([layer.kernel]) for layer in heads))


def small(name, **how):
    """A network of the same kind of blocks, thin and shallow; of all its stages, or of the first few."""
    row = RESNETS[name]
    stages = min(how.pop("stages", 4), len(row.depths))
    row = replace(row, depths=(3, 2, 2, 2)[:stages], widths=(16, 32, 64, 128)[:stages],
                  zero_last=how.pop("zero_last", row.zero_last))
    return resnet.build(row, **{"shape": (32, 40, 3), **how})


def drawn(shape, low=-1.0):
    return np.random.default_rng(0).uniform(low, 1, shape).astype("float32")


def outputs(model, pictures, *names):
    """Of the layers called `names`, or of the model."""
    probe = keras.Model(model.input, [model.get_layer(name).output for name in names] or model.output)
    found = [keras.ops.convert_to_numpy(y) for y in keras.tree.flatten(probe(pictures))]
    return found if len(names) > 1 else found[0]


def draw_norms(model):
    """Random norms, so that no block is the identity and no batch statistic is 0 or 1."""
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in layer.weights])
    return model


@pytest.mark.parametrize("name", RESNETS)
def test_facts_equal_the_built_network(name, monkeypatch):
    monkeypatch.setattr(resnet, "he", lambda: "zeros")  # none is counted by its value
    row = RESNETS[name]
    model = backbones.build(name, include_top=True)

    assert count(model.trainable_weights) == row.parameters
    assert count(model.non_trainable_weights) == row.statistics
    assert multiply_adds(model) == row.multiply_adds
    assert row.parameters == PUBLISHED.get(name, row.parameters)
    assert row.parameters + row.statistics == PUBLISHED_IN_ALL.get(name, row.parameters + row.statistics)
    assert round(row.multiply_adds / 1e9, 3) == OPERATIONS.get(name, round(row.multiply_adds / 1e9, 3))
    assert name in {**PUBLISHED, **PUBLISHED_IN_ALL, "plain_prelu10": None}

    stages = backbones.stages(model)
    assert list(stages) == ["stem", *(f"layer{s + 1}" for s in range(len(row.depths))), "head"]
    assert sum(map(len, stages.values())) == len(model.layers)
    for s, (depth, planes) in enumerate(zip(row.depths, row.widths)):
        for b in range(depth):
            output = model.get_layer(f"layer{s + 1}.{b}").output
            assert output.shape[-1] == planes * (1 if row.block == "basic" else 4)
    assert model.output_shape == (None, row.classes)


@pytest.mark.parametrize("name", KINDS)
def test_boundaries_part_the_network(name):
    """Only the boundary's output passes from a stage to the next: what lies above can be computed from it alone."""
    model = draw_norms(small(name, include_top=True))
    ends = backbones.boundaries(model)
    assert list(ends) == list(backbones.stages(model)) and ends["head"] == "fc"
    assert list(ends.values())[-2] == small(name).layers[-1].name  # what is put out without the top
    pictures = drawn((2, 32, 40, 3))
    expected = outputs(model, pictures)
    for end in list(ends.values())[:-1]:
        middle = outputs(model, pictures, end)
        given = outputs(keras.Model(model.get_layer(end).output, model.output), middle)
        assert np.allclose(given, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shape", [(33, 50, 3), (47, 31, 1), (40, 40, 5), (1, 2, 3)])
def test_any_size_and_any_channels(name, shape):
    """A network built for one size, and one for any size, put out the same."""
    fixed, free = draw_norms(small(name, shape=shape)), small(name, shape=(None, None, shape[-1]))
    free.set_weights(fixed.get_weights())
    pictures = drawn((2, *shape))
    given = outputs(fixed, pictures)
    assert np.isfinite(given).all() and given.std() > 0
    assert np.allclose(given, outputs(free, pictures), atol=1e-5 * np.abs(given).max())
    assert given.shape[1:] == fixed.output_shape[1:]


@pytest.mark.parametrize("name", KINDS)
def test_G1_saved_and_loaded_again(name, tmp_path):
    model = draw_norms(small(name, include_top=True, classes=3))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    pictures = drawn((2, 32, 40, 3))
    assert np.array_equal(outputs(model, pictures), outputs(again, pictures))
    kinds = {type(operation) for operation in again.operations}  # older Keras reads no bare operation back
    assert all(kind is getattr(keras.layers, kind.__name__, None) for kind in kinds)
    assert keras.layers.Lambda not in kinds


@pytest.mark.parametrize("name", KINDS)
def test_a_new_block_is_the_identity(name):
    """Behind a ReLU nothing lies below 0, so that a new block passes its input on unchanged."""
    blocks, pictures = ("layer1.0", "layer1.1"), drawn((2, 32, 40, 3))
    x, y = outputs(small(name), pictures, *blocks)
    if name == "plain_prelu10":
        x = np.where(x > 0, x, 0.25 * x)
    assert x.std() > 0 and np.allclose(x, y, atol=1e-6)
    x, y = outputs(small(name, zero_last=False), pictures, *blocks)
    assert not np.allclose(x, y, atol=1e-2)


def test_shortcut_A_adds_channels_of_zeros():
    """The block that widens puts out every second pixel of its input, between two halves of new channels of zeros."""
    x, y = outputs(backbones.build("cifar_resnet20", shape=(11, 16, 3)), drawn((2, 11, 16, 3)), "layer1.2", "layer2.0")
    assert y.shape == (2, 6, 8, 32)
    assert np.array_equal(y[..., 8:24], x[:, ::2, ::2]) and not y[..., :8].any() and not y[..., 24:].any()


def test_shortcuts_differ_by_their_projections():
    size = {kind: count(backbones.build("cifar_resnet20", include_top=True, shortcut=kind).trainable_weights)
            for kind in "ABD"}
    projections = 16 * 32 + 32 * 64 + 2 * (32 + 64)
    assert size["A"] + projections == size["B"] == size["D"]


def test_pooling_of_raw_values_never_lets_the_border_win():
    """The stem of a V2 pools values of either sign: padding is as if nothing lay outside, at torch's rows."""
    x, y = outputs(small("resnet18v2", shape=(30, 45, 3)), drawn((1, 30, 45, 3), -3), "conv1", "maxpool")
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=-np.inf)
    rows, columns = y.shape[1:3]
    expected = np.max([padded[:, i:i + 2 * rows:2, j:j + 2 * columns:2][:, :rows, :columns]
                       for i in range(3) for j in range(3)], axis=0)
    assert np.array_equal(y, expected) and (y < 0).any()


def test_prelu_has_one_slope_a_channel():
    model = backbones.build("plain_prelu10", include_top=True)
    slopes = [layer for layer in model.layers if isinstance(layer, keras.layers.PReLU)]
    assert [layer.name for layer in slopes] == [
        "act1", *(f"layer1.{b}{end}" for b in range(4) for end in (".act1", ""))]
    assert all(np.array_equal(layer.get_weights()[0], np.full((1, 1, 64), 0.25)) for layer in slopes)
    assert not any(isinstance(layer, keras.layers.Activation) for layer in model.layers)
    relu, prelu = (backbones.build("resnet18", shape=(32, 32, 3), activation=kind) for kind in ("relu", "prelu"))
    assert count(prelu.weights) - count(relu.weights) == 64 + 2 * 2 * (64 + 128 + 256 + 512)


def test_he_initialisation_over_the_outputs():
    for name, layer, filters in (("resnet18", "layer3.1.conv1", 256), ("resnext50_32x4d", "layer3.1.conv2", 512)):
        kernel = backbones.build(name, shape=(32, 32, 3)).get_layer(layer).get_weights()[0]
        assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * filters)), rel=0.02)
        assert abs(kernel).max() > 3 * kernel.std()  # not truncated
    layers = [layer for layer in backbones.build("plain_prelu10").layers if ".conv" in layer.name]
    assert len({layer.get_weights()[0].std() for layer in layers}) == len(layers) == 8  # each draws its own


@pytest.mark.parametrize("name", KINDS)
def test_a_keras_json_of_another_project_changes_nothing(name):
    expected = [(type(layer), layer.get_config()) for layer in small(name, include_top=True).layers]
    keras.config.set_image_data_format("channels_first")
    keras.config.set_dtype_policy("float64")
    try:
        model = small(name, include_top=True)
        assert keras.config.dtype_policy().name == "float64"
    finally:
        keras.config.set_image_data_format("channels_last")
        keras.config.set_dtype_policy("float32")
    assert [(type(layer), layer.get_config()) for layer in model.layers] == expected
    assert {weight.dtype for weight in model.weights} == {"float32"}


@pytest.mark.parametrize("name", ["res2net50_26w_4s", "cifar_resnet20", "plain_prelu10", "resnet18v2"])
def test_a_step_of_training_reaches_every_weight(name):
    model = small(name, include_top=True, classes=3, zero_last=False, stages=2)
    before = {weight.path: keras.ops.convert_to_numpy(weight).copy() for weight in model.trainable_weights}
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  jit_compile=keras.backend.backend() == "jax")  # XLA would take longer to compile than all the rest
    model.train_on_batch(drawn((3, 32, 40, 3)), np.array([0, 1, 2]))
    for weight in model.trainable_weights:
        after = keras.ops.convert_to_numpy(weight)
        assert np.isfinite(after).all() and (after != before[weight.path]).any(), weight.path


def test_mixed_precision_keeps_weights_and_logits_in_float32():
    model = small("resnet18", include_top=True, dtype="mixed_bfloat16")
    assert {weight.dtype for weight in model.weights} == {"float32"}
    assert model.get_layer("layer4.1").output.dtype == "bfloat16" and model.output.dtype == "float32"


@pytest.mark.parametrize("arguments, said", [
    (dict(name="resnet5O"), "resnet50"),
    (dict(name="vgg"), "python -m toolkit.backbones"),
    (dict(name="resnet18", activation="rellu"), "relu, prelu"),
    (dict(name="resnet18", shortcut="C"), "A, B, D"),
    (dict(name="resnet18", classes=0, include_top=True), "at least 1"),
    (dict(name="resnet18", shape=(224, 224)), "height, width, channels"),
    (dict(name="resnet18", shape=(224, 224, None)), "height, width, channels"),
    (dict(name="resnet18", shape=(224, 0, 3)), "height, width, channels"),
    (dict(name="resnet18", classes=5), "include_top=True"),
    (dict(name="resnet18", weights="imagenet", activation="prelu"), "weights=None"),
    (dict(name="cifar_resnet20", weights="imagenet"), "No pretrained weights"),
    (dict(name="resnet18", weights="imagenet", classes=10, include_top=True), "weights=None"),
])
def test_B2_what_cannot_be_built_is_refused_by_name(arguments, said):
    with pytest.raises(OptionError, match=re.escape(said)):
        backbones.build(**arguments)


def test_stage_of_a_name():
    told = {"image": "stem", "conv1.3": "stem", "bn1": "stem", "maxpool.pad": "stem", "layer3.5": "layer3",
            "layer3.5.conv2": "layer3", "layer4.norm": "layer4", "avgpool": "head", "fc": "head", "layers": "head"}
    assert {name: backbones.stage_of(name) for name in told} == told


def test_weights_of_a_file_are_loaded(tmp_path):
    random = draw_norms(backbones.build("cifar_resnet20", weights="none"))
    np.savez(tmp_path / "own.npz", **{
        f"{layer.name}/{weight.name}": keras.ops.convert_to_numpy(weight)
        for layer in random.layers for weight in layer.weights})
    loaded = backbones.build("cifar_resnet20", weights=tmp_path / "own.npz", shape=(24, 40, 3))
    assert loaded.input_shape == (None, 24, 40, 3)
    assert all(np.array_equal(a, b) for a, b in zip(random.get_weights(), loaded.get_weights(), strict=True))
