"""Grad-CAM, where a head cannot be read; against the closed form where it can. Held on both backends."""

import numpy as np
import pytest
from tests.explain import networks

from toolkit.errors import OptionError
from toolkit.explain import activation, gradients


def test_of_a_linear_head_both_ways_say_the_same():
    import keras
    from keras import layers

    keras.utils.set_random_seed(0)
    image = keras.Input((12, 12, 3))
    x = layers.Conv2D(5, 3, activation="relu")(layers.Rescaling([1 / 255] * 3, [0.0] * 3)(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(x)))
    model.layers[-1].bias.assign([3.0, -2.0, 1.0])
    pictures = networks.pixels(18, size=12)
    exact, wanted = activation.build(model)(pictures)
    found, probabilities = gradients.Gradients(model)(pictures)
    assert probabilities == pytest.approx(wanted, abs=1e-6)
    bias = (np.array([3.0, -2.0, 1.0]) - 2 / 3)[:, None, None] / 100
    assert found == pytest.approx(exact - bias, abs=1e-6) and np.abs(found).max() > 1e-3


def test_any_head_gives_maps_of_the_last_map_that_sum_to_nothing_over_the_classes():
    model = networks.with_another_head()
    explain = activation.build(model)
    maps, probabilities = explain(networks.pixels(3))
    assert explain.method == "grad-cam" and explain.grid == (7, 7) and explain.back.input.shape[1:] == (7, 7, 8)
    assert maps.shape == (3, 3, 7, 7) and np.abs(maps).max() > 0 and np.abs(maps.sum(1)).max() < 1e-5
    assert probabilities == pytest.approx(np.asarray(model.predict_on_batch(networks.pixels(3))), abs=1e-6)


def test_a_map_that_is_passed_by_is_not_the_one_that_is_asked():
    import keras
    from keras import layers

    image = keras.Input((8, 8, 3))
    low = layers.Conv2D(4, 3, padding="same", activation="relu", name="low")(image)
    high = layers.Conv2D(4, 3, padding="same", activation="relu", name="high")(low)
    both = layers.Concatenate()([layers.GlobalMaxPooling2D()(low), layers.GlobalMaxPooling2D()(high)])
    model = keras.Model(image, layers.Dense(2, activation="softmax")(both))
    front, back = gradients.cut(model)
    assert front.layers[-1].name == "low"
    pictures = networks.pixels(2, size=8)
    assert np.asarray(back.predict_on_batch(front.predict_on_batch(pictures))) == pytest.approx(
        np.asarray(model.predict_on_batch(pictures)), abs=1e-6)


def test_a_network_without_maps_is_refused_in_a_sentence():
    import keras
    from keras import layers

    image = keras.Input((4, 4, 3))
    model = keras.Model(image, layers.Dense(2, activation="softmax")(layers.Flatten()(image)))
    with pytest.raises(OptionError, match="no map that everything passes through"):
        activation.build(model)
