"""One training step, compiled once: forward, backward, update; on one device or several, in 32 bits or in 16.

It does what Keras' train_on_batch does, without its metrics, and without waiting for the loss, so that a GPU never
waits for Python. Where the weights lie on several devices, each takes an equal share of the rows; the sum of their
gradients, which is the gradient of the whole batch, is formed before it is clipped, so the result is one device's.
"""

import functools

from toolkit.training import products, shares, thaw


def build(model, optimizer, loss, layers=(), precision="float32", stages=None):
    """What trains `model` by one step: `step(step.place(inputs, targets, sample weights))` -> its figures.

    The figures are one array of the backend: the loss, then the L2 norm of the gradients of each of `step.stages`,
    before they are clipped; not finite in a step that float16 leaves out. Reading them waits for the step. `place` puts
    a batch of NumPy arrays, inputs of any number type, on the devices, in any thread. After `settle()` the variables of
    model and optimizer hold what was learnt; between steps they may not be read before it. loss: a keras.losses.Loss
    that means over the rows. layers: those that compute in `precision`; the others compute as the model has it.
    stages: {path of a trainable variable: its stage}; no norms without.
    """
    import keras

    kind = Jax if keras.backend.backend() == "jax" else TensorFlow
    norms = Norms(model.trainable_variables, stages or {}, optimizer)
    return kind(model, optimizer, loss, layers, precision, norms)


class Norms:
    """The norm of each stage's gradients, as a part of the step.

    Clipping squares and sums the same gradients, and what is computed twice in a step is computed once.
    """

    def __init__(self, variables, stages, optimizer):
        self.places, self.optimizer = {}, optimizer
        for place, variable in enumerate(variables):
            if variable.path in stages:
                self.places.setdefault(stages[variable.path], []).append(place)

    def __call__(self, gradients):
        """Scalars, one a stage; the scale that float16 puts on the loss is taken off."""
        from keras import ops

        squares = {stage: [ops.sum(ops.square(gradients[place])) for place in places]
                   for stage, places in self.places.items()}
        scale = self.optimizer.scale_loss(1.0)
        return [ops.sqrt(ops.sum(ops.stack(some))) / scale for some in squares.values()]


def even(inputs, targets, weights, devices):
    """The batch in rows that `devices` can share evenly, of the same mean weighted loss.

    The last row is repeated at weight 0 for what is missing. (Moving batch statistics count it nevertheless: with them
    the batch size should be a multiple of the devices.)
    """
    rows = len(weights)
    inputs, targets, spread = shares.filled((inputs, targets, weights), devices)
    if len(spread) > rows:
        spread = spread * weights.dtype.type(len(spread) / rows)
        spread[rows:] = 0
    return inputs, targets, spread


class TensorFlow:
    """The step as a tf.function; under XLA where Keras would take it."""

    def __init__(self, model, optimizer, loss, layers, precision, norms):
        import tensorflow as tf

        variables, self.stages = model.trainable_variables, tuple(norms.places)
        self.shares = shares.build(variables)
        several = self.shares.devices > 1
        products_of = layers if products.faster(precision) else ()

        def share(inputs, targets, weights):  # under a strategy Keras' loss is already divided by the devices
            with tf.GradientTape() as tape:
                with thaw.compute_in(layers, precision, synchronized=several), products.instead(products_of):
                    logits = model(shares.as_float(inputs), training=True)
                value = loss(targets, logits, sample_weight=weights)
                scaled = optimizer.scale_loss(value)
            gradients = tape.gradient(scaled, [variable.value for variable in variables])
            if several:
                gradients = tf.distribute.get_replica_context().all_reduce("sum", gradients)
            each = norms(gradients)  # of the whole batch on every device, by the scale that they were formed with
            optimizer.apply(gradients, variables)
            return value, each

        def step(*batch):
            value, each = self.shares.run(share, batch)
            if several:
                value = self.shares.strategy.reduce("sum", value, axis=None)
                each = [self.shares.strategy.experimental_local_results(norm)[0] for norm in each]
            return tf.stack([value, *each])

        self.step = tf.function(step, autograph=False, jit_compile=model.jit_compile and not several)

    def place(self, *batch):
        return self.shares.place(even(*batch, self.shares.devices))

    def __call__(self, batch):
        return self.step(*batch)

    def settle(self):
        """Nothing to do: variables are changed in place."""


class Jax:
    """The step as a jitted function of state; the variables lend it their values until `settle`."""

    def __init__(self, model, optimizer, loss, layers, precision, norms):
        import jax
        import keras

        self.variables = [model.trainable_variables, model.non_trainable_variables, optimizer.variables]
        self.shares, self.stages = shares.build(self.variables[0]), tuple(norms.places)
        self.state = None

        def scaled(trainable, fixed, slots, inputs, targets, weights):
            with thaw.compute_in(layers, precision):
                logits, fixed = model.stateless_call(trainable, fixed, shares.as_float(inputs), training=True)
            value = loss(targets, logits, sample_weight=weights)
            with keras.StatelessScope(zip(optimizer.variables, slots)):
                return optimizer.scale_loss(value), (value, fixed)

        @functools.partial(jax.jit, donate_argnums=0, out_shardings=(None, self.shares.whole))
        def step(state, batch):
            trainable, fixed, slots = state
            gradients, (value, fixed) = jax.grad(scaled, has_aux=True)(trainable, fixed, slots, *batch)
            with keras.StatelessScope(zip(optimizer.variables, slots)):
                figures = keras.ops.stack([value, *norms(gradients)])
            trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
            return figures, [trainable, fixed, slots]

        self.step = step

    def place(self, *batch):
        return self.shares.place(even(*batch, self.shares.devices))

    def __call__(self, batch):
        import jax

        if self.state is None:
            self.state = jax.device_put([[v.value for v in part] for part in self.variables], self.shares.whole)
        figures, self.state = self.step(self.state, batch)
        return figures

    def settle(self):
        """Give the variables what was learnt."""
        for variables, values in zip(self.variables, self.state or ()):
            for variable, value in zip(variables, values):
                variable.assign(value)
        self.state = None
