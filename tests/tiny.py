"""A network of a thousand weights with our layer names, and pictures that it can tell apart."""

import numpy as np

CLASSES = 3
SIZE = 8  # pixels


def network(seed=0):
    """(model of raw pixels (n, 8, 8, 3) to 3 logits, {stage: layers}): stem, layer1, layer2, head; weights by seed."""
    import keras
    from keras import layers

    from toolkit.backbones import naming
    from toolkit.tasks import classification

    def block(x, name, filters, strides):
        x = layers.Conv2D(filters, 3, strides, "same", use_bias=False, name=f"{name}.conv1")(x)
        x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}.bn1")(x)
        return layers.ReLU(name=name)(x)

    image = keras.Input((SIZE, SIZE, 3), name="image")
    x = layers.Rescaling(1 / 127.5, -1.0, name="conv1.scale")(image)
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="conv1")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="bn1")(x)
    x = layers.ReLU(name="act1")(x)
    low = block(x, "layer1.0", 6, 1)
    high = block(low, "layer2.0", 8, 2)
    model = keras.Model(image, classification.head({"layer1": low, "layer2": high}, CLASSES))
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        draw = rng.normal(0, 0.2, variable.shape)
        variable.assign((1 + abs(draw)) if variable.name in ("gamma", "moving_variance") else draw)
    return model, {"stem": [], **naming.stages(model)}


def pictures(n=48, seed=0):
    """uint8 (n, 8, 8, 3) and class numbers (n,): the class is the brightest channel, under noise."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, CLASSES, n)
    pixels = rng.integers(0, 160, (n, SIZE, SIZE, 3))
    pixels[np.arange(n), :, :, numbers] += 90
    return pixels.astype(np.uint8), numbers


def values(model):
    """{path: array} of all variables."""
    from toolkit.training import thaw

    return {v.path: np.array(thaw.numpy(v)) for v in model.variables}
