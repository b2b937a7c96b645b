"""Which variables learn, how fast, and proof that the others did not move."""

import hashlib
from contextlib import contextmanager

import numpy as np


def rates(stages, learning_rate, layer_decay, given=None):
    """{stage: rate}, uppermost stage first: a stage learns at `layer_decay` times the rate of the one above it."""
    rates = {stage: learning_rate * layer_decay**depth for depth, stage in enumerate(stages)}
    return rates | {stage: rate for stage, rate in (given or {}).items() if stage in rates}


def set_trainable(model, stages, thawed, batch_statistics):
    """Let the stages in `thawed` learn and no other; `stages` {stage: layers}. Recompile the model afterwards.

    With "still" batch statistics a BatchNormalization learns its scale and shift, yet keeps normalising with the
    statistics it came with: the layer is frozen and two of its variables are not. (Calling a functional model with
    training=False does not keep its norms still during training.)
    """
    import keras

    for stage, layers in stages.items():
        for layer in layers:
            layer.trainable = True  # a flag that stands already is not handed on to the variables
            layer.trainable = stage in thawed
            if stage in thawed and isinstance(layer, keras.layers.BatchNormalization) and batch_statistics == "still":
                layer.trainable = False
                for variable in (layer.gamma, layer.beta):
                    if variable is not None:
                        variable.trainable = True


@contextmanager
def compute_in(layers, precision, synchronized=False):
    """Let `layers` compute in `precision`, float32, bfloat16 or float16, while a step is traced.

    What is traced inside goes on so; the layers themselves, and what is traced from them later, stay as they were.
    Weights remain float32, and BatchNormalization sums in float32. synchronized: its batch statistics are those of all
    devices together (TensorFlow).
    """
    import keras

    policy = keras.DTypePolicy("float32" if precision == "float32" else f"mixed_{precision}")
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    before = [(layer, layer.dtype_policy) for layer in layers]
    try:
        for layer in layers:
            layer.dtype_policy = policy
        for norm in norms:
            norm.synchronized = synchronized
        yield
    finally:
        for layer, kept in before:
            layer.dtype_policy = kept
        for norm in norms:
            norm.synchronized = False


def below_head(model, stages):
    """Layers of a model that may compute in fewer bits: the head's sums and logits stay float32."""
    head = {id(layer) for layer in stages["head"]}
    return [layer for layer in model.layers if id(layer) not in head]


def stage_by_path(stages):
    """{variable path: stage} of all variables."""
    return {variable.path: stage
            for stage, layers in stages.items() for layer in layers for variable in layer.variables}


def fingerprint(variables):
    """{variable path: sha256 of its bytes}."""
    return {v.path: hashlib.sha256(np.ascontiguousarray(numpy(v)).tobytes()).hexdigest() for v in variables}


def moved(before, variables):
    """Paths of the variables whose bytes differ from the fingerprint `before`."""
    return [path for path, digest in fingerprint([v for v in variables if v.path in before]).items()
            if digest != before[path]]


def numpy(variable):
    """A variable's value as an array."""
    from keras import ops

    return ops.convert_to_numpy(variable.value)
