"""Grad-CAM (arXiv:1610.02391): which parts of the network's last map a class's score leans on, for any head.

The score is log(probability), less its mean over the classes: that of the logits under a softmax. What a channel says
is weighed by the mean of the score's gradient over the map. The sum of a map is no score; only places compare.
"""

import numpy as np

from toolkit.errors import OptionError
from toolkit.explain import grid

METHOD = "grad-cam"
BATCH = 16
LEAST = 1e-30  # under the logarithm


class Gradients:
    """The maps of a network whose last map everything passes through."""

    method = METHOD

    def __init__(self, model):
        import keras

        self.front, self.back = cut(model)
        self.grid = grid.size_of([self.front.output.shape[1:3]])
        self.classes = model.output.shape[-1]
        backend = keras.backend.backend()
        if backend not in ("tensorflow", "jax"):
            raise OptionError(f"heat maps of this model need gradients, which KERAS_BACKEND={backend} does not give; "
                              "use tensorflow or jax.")
        self.weights = (by_jax if backend == "jax" else by_tensorflow)(self.back)

    def __call__(self, pixels):
        parts = [self.of_batch(pixels[start:start + BATCH]) for start in range(0, len(pixels), BATCH)]
        return tuple(np.concatenate(part) for part in zip(*parts))

    def of_batch(self, pixels):
        """(maps, probabilities) of a batch."""
        short = BATCH - len(pixels)
        filled = np.concatenate([pixels, np.repeat(pixels[-1:], short, 0)]) if short else pixels
        seen = np.asarray(self.front.predict_on_batch(filled), np.float32)
        probabilities = np.asarray(self.back.predict_on_batch(seen), np.float32)[:len(pixels)]
        wanted = np.eye(self.classes, dtype=np.float32) - np.float32(1 / self.classes)
        maps = [np.einsum("nhwc,nc->nhw", seen, self.weights(seen, one))[:len(pixels)] for one in wanted]
        return grid.onto(np.stack(maps, 1), self.grid).astype(np.float32), probabilities


def cut(model):
    """(keras.Model of pixels to the last map, keras.Model of it to probabilities)."""
    import keras

    for layer in reversed(model.layers):
        shape = getattr(layer.output, "shape", ())
        if len(shape) == 4 and None not in shape[1:] and min(shape[1:3]) > 1 and layer.output is not model.input:
            try:
                return keras.Model(model.input, layer.output), keras.Model(layer.output, model.output)
            except (ValueError, KeyError):  # the output has another way round this map
                continue
    raise OptionError("this model has no map that everything passes through, and no head that can be read, so there is "
                      "nothing to make heat maps of.")


def by_tensorflow(back):
    """A function of maps (n, height, width, channels), weights of scores (classes,) -> gradient means (n, channels)."""
    import tensorflow as tf

    @tf.function
    def run(seen, wanted):
        with tf.GradientTape() as tape:
            tape.watch(seen)
            score = tf.reduce_sum(tf.math.log(back(seen, training=False) + LEAST) * wanted)
        return tf.reduce_mean(tape.gradient(score, seen), (1, 2))

    return lambda seen, wanted: run(tf.constant(seen), tf.constant(wanted)).numpy()


def by_jax(back):
    """The same by JAX."""
    import jax

    @jax.jit
    def run(variables, seen, wanted):
        def score(seen):
            found, _ = back.stateless_call(*variables, seen, training=False)
            return (jax.numpy.log(found + LEAST) * wanted).sum()

        return jax.grad(score)(seen).mean((1, 2))

    def means(seen, wanted):
        kept = [[v.value for v in part] for part in (back.trainable_variables, back.non_trainable_variables)]
        return np.asarray(run(kept, seen, wanted))

    return means
