"""The kernel's gradient as a matrix product against TensorFlow's own, and which convolutions form it so."""

import os

import numpy as np
import pytest
from tests import tiny

from toolkit.training import device, products, step, thaw

pytestmark = pytest.mark.skipif(os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow",
                                reason="steps of TensorFlow's alone form gradients so")


def gradients(convolve, maps, kernel):
    """Gradients of a weighted sum of what `convolve` gives, by the maps and by the kernel; and what it gives."""
    import tensorflow as tf

    maps, kernel = tf.constant(maps), tf.Variable(kernel)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        found = convolve(maps, kernel)
        total = tf.reduce_sum(tf.cast(found, "float32") * np.random.default_rng(9).normal(0, 1, found.shape))
    return (*map(np.asarray, tape.gradient(total, [maps, kernel])), np.asarray(found))


@pytest.mark.parametrize("size, stride, padding", [
    ((1, 1), 1, "SAME"), ((3, 3), 1, "SAME"), ((5, 5), 1, "SAME"), ((2, 4), 1, "SAME"), ((1, 7), 1, "SAME"),
    ((3, 3), 1, "VALID"), ((3, 3), 2, "VALID"), ((1, 1), 2, "VALID"), ((2, 3), 2, "VALID"), ((3, 2), 3, "VALID")])
def test_gradients_are_those_of_the_convolution(size, stride, padding):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    maps, kernel = rng.normal(0, 1, (3, 9, 8, 4)).astype("float32"), rng.normal(0, 1, (*size, 4, 7)).astype("float32")
    found = gradients(products.convolution(stride, padding), maps, kernel)
    wanted = gradients(lambda maps, kernel: tf.nn.conv2d(maps, kernel, stride, padding), maps, kernel)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-5, abs=1e-5)


def conv(*args, size=8, **kwargs):
    """A Conv2D that stands in a network of `size` pixels on a side."""
    import keras

    layer = keras.layers.Conv2D(*args, **kwargs)
    layer(keras.Input((size, size, 4)))
    return layer


@pytest.mark.parametrize("layer, wanted", [
    (lambda: conv(4, 3, padding="same"), True), (lambda: conv(4, 1, padding="same", size=12), True),
    (lambda: conv(4, 3), True), (lambda: conv(4, 3, 2, size=24), True), (lambda: conv(4, 3, 2, size=27), False),
    (lambda: conv(4, 3, 2, padding="same"), False), (lambda: conv(4, 3, (1, 2)), False),
    (lambda: conv(4, 3, padding="same", groups=2), False), (lambda: conv(4, 3, padding="same", size=13), False),
    (lambda: conv(4, 3, padding="same", dilation_rate=2), False)])
def test_only_plain_convolutions_of_small_maps_do_so(layer, wanted):
    assert products.plain(layer()) == wanted


def test_layers_are_given_back_after_an_error():
    layer = conv(4, 3, padding="same")
    before = layer.convolution_op
    with pytest.raises(RuntimeError):
        with products.instead([layer]):
            assert layer.convolution_op != before
            raise RuntimeError
    assert layer.convolution_op == before


def traced(monkeypatch, able):
    """(operations of a traced step in bfloat16, its figures) on a processor that does or does not multiply it."""
    from toolkit.tasks import classification
    from toolkit.training import optimizers

    monkeypatch.setattr(device, "processor_multiplies_bfloat16", lambda: able)
    model, stages = tiny.network()
    thaw.set_trainable(model, stages, ("head", "layer2", "layer1"), "still")
    optimizer = optimizers.build("sgd", model.trainable_variables, {}, 0.01, 10, 0.0, 0.0, 1.0)
    below = [layer for layer in model.layers if layer.name != "head"]
    made = step.build(model, optimizer, classification.loss(0.0), below, "bfloat16", thaw.stage_by_path(stages))
    pixels, numbers = tiny.pictures(16)
    batch = made.place(pixels, classification.targets(numbers, tiny.CLASSES), np.ones(16, "float32"))
    return [op.type for op in made.step.get_concrete_function(*batch).graph.get_operations()], np.asarray(made(batch))


def test_a_step_in_bfloat16_takes_products_where_the_processor_multiplies_it(monkeypatch):
    plain, wanted = traced(monkeypatch, able=False)
    ours, found = traced(monkeypatch, able=True)
    assert ours.count("Conv2DBackpropFilter") < plain.count("Conv2DBackpropFilter")
    assert found == pytest.approx(wanted, rel=0.02)
