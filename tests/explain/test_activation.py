"""Heat maps that are exact: their sums are the logits. Held on both backends."""

import numpy as np
import pytest
from tests.explain import networks

from toolkit.explain import activation, gradients, linear


def explained(model, pictures):
    explain = activation.build(model)
    assert explain.method == "class activation"
    return explain, *explain(pictures)


@pytest.mark.parametrize("classes, channels", [(2, 3), (3, 1), (3, 3)])
def test_the_sum_of_a_map_is_the_logit_of_the_model_on_disk(tmp_path, classes, channels):
    model, known, _ = networks.finished(tmp_path, classes, channels, seed=classes + channels)
    pictures = networks.pixels(20, channels)
    explain, maps, probabilities = explained(model, pictures)
    wanted = networks.logits(known, pictures)
    raw, _ = explain.of_batch(pictures[:16])  # the bias is spread over all of it
    assert raw.sum((2, 3)) == pytest.approx(wanted[:16], rel=1e-4, abs=1e-4)
    assert (raw.sum((2, 3)) - explain.bias)[:, 0].std() > 0.01
    assert maps.shape == (20, classes, 14, 14) and maps.dtype == probabilities.dtype == np.float32
    assert maps.sum((2, 3)) == pytest.approx(wanted - wanted.mean(1, keepdims=True), rel=1e-4, abs=1e-4)
    assert probabilities == pytest.approx(np.asarray(model.predict_on_batch(pictures)), abs=1e-6)
    told = np.log(probabilities.astype(float))
    assert maps.sum((2, 3)) == pytest.approx(told - told.mean(1, keepdims=True), abs=1e-4)


@pytest.mark.parametrize("pictures", [1, 16, 17])
def test_a_picture_has_one_map_whatever_stands_beside_it(tmp_path, pictures):
    model, *_ = networks.finished(tmp_path)
    explain, maps, _ = explained(model, networks.pixels(pictures))
    assert maps[-1:] == pytest.approx(explain(networks.pixels(pictures)[-1:])[0], abs=1e-6)


def test_by_a_network_of_ours(tmp_path):
    import keras

    from toolkit import backbones
    from toolkit.tasks import classification

    trunk = backbones.build("cifar_resnet20", shape=(28, 28, 3))
    maps = {name: layers[-1].output for name, layers in backbones.stages(trunk).items() if name != "stem"}
    model, rng = keras.Model(trunk.input, classification.head(maps, 2)), np.random.default_rng(0)
    head = model.get_layer("head")
    head.set_weights([rng.normal(0, 0.3, weight.shape) for weight in head.get_weights()])
    whole = keras.Model(model.input, keras.layers.Activation("softmax")(model.output))
    pictures = networks.pixels(3, size=28)
    explain, maps, _ = explained(whole, pictures)
    wanted = networks.logits(model, pictures)
    assert explain.grid == (28, 28) and len(explain.readings) == 3
    assert [len(reading.cells) for reading in explain.readings] == [1, 5, 5]
    assert maps.sum((2, 3)) == pytest.approx(wanted - wanted.mean(1, keepdims=True), rel=1e-4, abs=1e-4)


def test_what_speaks_for_a_class_lies_where_it_is_seen(tmp_path):
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3))
    means = layers.GlobalAveragePooling2D()(layers.Rescaling([1 / 255] * 3, [0.0] * 3)(image))
    model = keras.Model(image, layers.Softmax()(layers.Dense(3)(means)))
    model.layers[-2].set_weights([9 * np.eye(3), np.zeros(3)])
    pictures = np.zeros((1, 8, 8, 3), np.uint8)
    pictures[0, 1:3, 4:6, 0] = 255  # red speaks for class 0 and for no other
    _, maps, _ = explained(model, pictures)
    strong = maps[0, 0] > 0.5 * maps[0, 0].max()
    assert strong[1:3, 4:6].all() and strong.sum() == 4 and (maps[0, 1:, 1:3, 4:6] < 0).all()


def test_a_quarter_counts_by_how_far_it_lies_from_the_mean_of_the_picture():
    told = np.zeros((1, 4, 4, 2))
    told[..., 1] = 3.0                  # what the quarter's mean adds is even over the picture,
    cells = [(slice(0, 4), slice(0, 4), None), (slice(0, 2), slice(0, 2), None)]
    found = activation.contributions(told, cells)
    assert found == pytest.approx(np.full((1, 1, 4, 4), 3 / 16))
    told[0, 0, 0, 1] = 7.0              # and this is not
    found = activation.contributions(told, cells)[0, 0]
    assert found.sum() == pytest.approx((7 + 3 * 3) / 4) and found.argmax() == 0
    assert found[2:] == pytest.approx(np.full((2, 4), 3.25 / 16))


@pytest.mark.parametrize("kind", ["largest value", "two layers", "sigmoid", "no softmax", "flat map", "same padding"])
def test_another_head_is_not_read(kind):
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    pooled = {"largest value": lambda: layers.GlobalMaxPooling2D()(x), "flat map": lambda: layers.Flatten()(x),
              "same padding": lambda: layers.Flatten()(layers.AveragePooling2D(3, padding="same")(x))}.get(
        kind, lambda: layers.GlobalAveragePooling2D()(x))()
    if kind == "two layers":
        pooled = layers.Dense(4, activation="relu")(pooled)
    last = {"sigmoid": "sigmoid", "no softmax": None}.get(kind, "softmax")
    model = keras.Model(image, layers.Dense(3, activation=last)(pooled))
    with pytest.raises(linear.Unreadable):
        linear.read(model)
    assert activation.build(model).method == gradients.METHOD
