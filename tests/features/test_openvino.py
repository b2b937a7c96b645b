"""Every kind of network of the table as an OpenVINO graph, against Keras itself. Held on both backends."""

from dataclasses import replace

import numpy as np
import pytest

from toolkit.backbones.resnet_table import RESNETS
from toolkit.features import executor
from toolkit.features.executor import Untranslatable

pytestmark = pytest.mark.skipif(not executor.has_openvino(), reason="OpenVINO is not installed")
SIDE, BATCH = 20, 3


def kinds():
    """{name: row, small} of one network of each kind of block, stem and shortcut that the table has."""
    found = {}
    for name, row in [*RESNETS.items(), ("resnet18 with prelu", replace(RESNETS["resnet18"], activation="prelu"))]:
        kind = (row.block, row.groups > 1, row.preact, row.stem, row.pool, row.shortcut, row.stride_on, row.stride_at,
                row.squeeze > 0, row.activation, row.conv_bias)
        found.setdefault(kind, (name, replace(row, depths=(2, 1)[:len(row.depths)], widths=row.widths[:2])))
    return dict(found.values())


def drawn(model, seed=0):
    """`model` with random norms, slopes and biases, so that a swap of any two would show."""
    draw = np.random.default_rng(seed)
    ranges = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 1.5), "alpha": (0.1, 0.4), "beta": (-0.3, 0.3),
              "moving_mean": (-0.3, 0.3), "bias": (-0.3, 0.3)}
    for weight in model.variables:
        if low_high := ranges.get(weight.path.split("/")[-1]):
            weight.assign(draw.uniform(*low_high, weight.shape))
    return model


def differences(model, shape, precision="float32"):
    """Largest difference of each output between OpenVINO and Keras, over its largest number."""
    pixels = np.random.default_rng(1).integers(0, 256, (BATCH, *shape), dtype=np.uint8)
    outputs = executor.OpenVINO(model, precision)(executor.filled(pixels))
    found = []
    for wanted, came in zip(executor.Keras(model)(pixels), [output[:BATCH] for output in outputs], strict=True):
        assert wanted.shape == came.shape and wanted.dtype == came.dtype and np.ptp(wanted) > 1e-3
        found.append(np.max(np.abs(wanted - came)) / np.max(np.abs(wanted)))
    return found


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_network_computes_the_same(kind):
    """Maps of the lowest and highest stage, and the means and quarters of both, of colour pictures and of grey ones."""
    import keras

    from toolkit import backbones
    from toolkit.backbones import resnet
    from toolkit.tasks import classification

    channels = 1 if kind == "resnet50d" else 3
    trunk = drawn(resnet.build(kinds()[kind], shape=(SIDE, SIDE, channels),
                               rescaling=([1 / 58, 1 / 57, 1 / 59], [-2.1, -2.0, -1.8])))
    ends = {name: layers[-1].output for name, layers in backbones.stages(trunk).items() if name != "stem"}
    whole = keras.Model(trunk.input, classification.head(ends, 3))
    model = keras.Model(trunk.input, [whole.get_layer("pooled").output, *ends.values()])
    assert max(differences(model, (SIDE, SIDE, channels))) < 1e-5
    if executor.has_bfloat16():
        assert max(differences(model, (SIDE, SIDE, channels), "bfloat16")) < 3e-2


def layers_that_compute():
    from keras import layers

    return {
        "same, stride 2": lambda x: layers.Conv2D(4, 3, 2, "same", activation="relu")(x),
        "dilated": lambda x: layers.Conv2D(4, 3, dilation_rate=2)(x),
        "even kernel": lambda x: layers.Conv2D(4, 4, 3, "same", activation="sigmoid")(x),
        "norm without scale": lambda x: layers.BatchNormalization(scale=False, center=False, epsilon=0.1)(x),
        "max same": lambda x: layers.MaxPooling2D(3, 2, "same")(layers.ReLU()(x)),
        "max padded": lambda x: layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(((1, 2), (0, 1)))(layers.ReLU()(x))),
        "max padded far": lambda x: layers.MaxPooling2D(2)(layers.ZeroPadding2D(((0, 0), (3, 0)))(layers.ReLU()(x))),
        "max padded, below zero": lambda x: layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(1)(x)),
        "max of more channels": lambda x: layers.MaxPooling2D(2)(layers.ZeroPadding2D(
            ((0, 0), (1, 1)), data_format="channels_first")(layers.ReLU()(x))),
        "average same": lambda x: layers.AveragePooling2D(3, 2, "same")(x),
        "cropped": lambda x: layers.Cropping2D(((1, 2), (3, 0)))(x),
        "padded": lambda x: layers.ZeroPadding2D(((1, 2), (3, 0)))(x),
        "channels cropped": lambda x: layers.Cropping2D(((0, 0), (1, 1)), data_format="channels_first")(x),
        "joined by height": lambda x: layers.Concatenate(1)([x, layers.Rescaling(2.0, 1.0)(x)]),
        "flat": lambda x: layers.Flatten()(x),
        "means": lambda x: layers.Rescaling(0.5, [1.0, 2.0, 3.0])(layers.GlobalAveragePooling2D()(x)),
        "norm of means": lambda x: layers.BatchNormalization()(layers.GlobalAveragePooling2D()(x)),
        "flat means": lambda x: layers.Flatten()(layers.GlobalAveragePooling2D()(x)),
        "dense": lambda x: layers.Dense(5, activation="relu")(layers.Flatten()(x)),
        "sum of three": lambda x: layers.Add()([x, layers.Dropout(0.5)(x), layers.Identity()(x)]),
        "product by channel": lambda x: layers.Multiply()([x, layers.GlobalAveragePooling2D(keepdims=True)(x)]),
    }


@pytest.mark.parametrize("name", layers_that_compute())
def test_every_layer_computes_the_same(name):
    import keras

    image = keras.Input((9, 11, 3))
    model = drawn(keras.Model(image, layers_that_compute()[name](keras.layers.Rescaling(1 / 255, -0.5)(image))))
    assert max(differences(model, (9, 11, 3))) < 1e-5


def layers_that_are_refused():
    from keras import layers

    shared = layers.ReLU(name="twice")
    return {
        "Softmax": lambda x: layers.Softmax()(x), "gelu": lambda x: layers.Conv2D(2, 1, activation="gelu")(x),
        "twice": lambda x: shared(layers.Conv2D(2, 1)(shared(x))),
        "more than": lambda x: layers.ReLU(max_value=6.0)(x), "leaky is more than": lambda x: layers.ReLU(
            negative_slope=0.1, name="leaky")(x),
        "slopes of its own": lambda x: layers.PReLU()(x), "reads maps": lambda x: layers.Dense(2)(x),
        "channels first": lambda x: layers.BatchNormalization(axis=1)(x),
        "pool is channels first": lambda x: layers.MaxPooling2D(2, data_format="channels_first", name="pool")(x),
    }


@pytest.mark.parametrize("reason", layers_that_are_refused())
def test_what_would_compute_otherwise_is_refused(reason):
    import keras

    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers_that_are_refused()[reason](image))
    with pytest.raises(Untranslatable, match=reason):
        executor.OpenVINO(model, "float32")
