"""Small finished models with the head of ours, random weights in all of it, as they are loaded from disk."""

import numpy as np
from tests import tiny

from toolkit.tasks import classification

SIZE = 14  # pixels: maps of 14, 7 and 4, so that quarters overlap and do not


def finished(folder, classes=3, channels=3, seed=0, size=SIZE, temperature=1.7, **written):
    """(keras.Model as loaded from `folder`, keras.Model of its logits, facts)."""
    import keras
    from keras import layers
    from types import SimpleNamespace

    from toolkit import artifact
    from toolkit.pixels.decode import DECODER
    from toolkit.steps import tell

    x = image = keras.Input((size, size, channels), name="image")
    x, maps = layers.Rescaling([1 / 127.5] * channels, [-1.0] * channels)(x), {}
    for number, (filters, strides) in enumerate([(4, 1), (6, 2), (8, 2)], 1):
        x = maps[f"layer{number}"] = layers.Conv2D(filters, 3, strides, "same", activation="relu",
                                                   name=f"layer{number}.0")(x)
    model, rng = keras.Model(image, classification.head(maps, classes)), np.random.default_rng(seed)
    for variable in model.variables:
        variable.assign(rng.normal(0, 0.4, variable.shape))
    net = SimpleNamespace(model=model, recipe=SimpleNamespace(architecture="small"))
    facts = {"task": "classification", "classes": [f"class {number}" for number in range(classes)],
             "input": {"height": size, "width": size, "channels": channels, "resize": "squash", "decoder": DECODER,
                       **written}}
    artifact.write(folder, tell.calibrated(net, temperature), facts, pixels(2, channels, size))
    return artifact.load(folder)[0], model, facts  # whose head holds the temperature by now


def pixels(n, channels=3, size=SIZE, seed=1):
    """uint8 (n, size, size, channels), bright in one corner."""
    rng = np.random.default_rng(seed)
    found = rng.integers(0, 200, (n, size, size, channels))
    found[:, :size // 2, :size // 2] += 55
    return found.astype(np.uint8)


def logits(model, pictures):
    """float64 (n, classes)."""
    return np.asarray(model.predict_on_batch(pictures.astype(np.float32))).astype(np.float64)


def with_another_head(classes=tiny.CLASSES):
    """A model whose logits are no sums over positions: two layers upon a largest value."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, 2, "same", activation="relu")(layers.Rescaling([1 / 255] * 3, [0.0] * 3)(image))
    x = layers.GlobalMaxPooling2D()(layers.Conv2D(8, 3, 1, "same", activation="relu")(x))
    x = layers.Dense(5, activation="relu")(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(x))
