"""A network's outputs, compiled once; on one device or several, in 32 bits or in 16."""

import functools

import numpy as np

from toolkit.training import shares, thaw


def build(model, precision="float32", layers=None):
    """A function of a batch, an array or a list of them (n, ...), to the model's outputs, float32 arrays (n, ...).

    Every batch should have one shape: others are compiled anew. precision: float32, bfloat16 or float16, of `layers`;
    of all without. Where the weights lie on several devices, each computes an equal share of the rows.
    """
    import keras

    placed = shares.build(model.variables)
    precise = functools.partial(thaw.compute_in, model.layers if layers is None else layers, precision)
    run = (jitted if keras.backend.backend() == "jax" else traced)(model, placed, precise)

    def outputs(batch):
        rows = len(batch[0] if isinstance(batch, list) else batch)
        found = run(placed.place(shares.filled(batch, placed.devices)))
        found = found if isinstance(found, (list, tuple)) else [found]
        return [placed.gathered(output)[:rows].astype(np.float32, copy=False) for output in found]

    return outputs


def traced(model, placed, precise):
    """The pass as a tf.function; under XLA where Keras would take it."""
    import tensorflow as tf

    def share(batch):
        with precise():
            return model(shares.as_float(batch), training=False)

    return tf.function(lambda batch: placed.run(share, (batch,)), autograph=False,
                       jit_compile=model.jit_compile and placed.devices == 1)


def jitted(model, placed, precise):
    """The pass as a jitted function of the variables and a batch."""
    import jax

    def outputs(variables, batch):
        with precise():
            return model.stateless_call(*variables, shares.as_float(batch), training=False)[0]

    compiled = jax.jit(outputs)

    def run(batch):
        kept = [[v.value for v in part] for part in (model.trainable_variables, model.non_trainable_variables)]
        return compiled(kept, batch)

    return run
