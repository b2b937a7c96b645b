"""AdamW and SGD with one rate a stage, and the one schedule that all stages share.

A factor scales a variable's whole step, decoupled decay included, after the optimizer has formed it. (Scaling the
gradient instead would do nothing under Adam, whose steps do not know the gradient's scale.) One optimizer for all
stages, unlike one each, clips the gradients of all stages by one norm.
"""

import math

import keras
from keras import ops

from toolkit.training import device


def layerwise(optimizer):
    """`optimizer`, a keras.optimizers class, with `factors`: {variable path: factor of the rate}."""

    class Layerwise(optimizer):
        def __init__(self, *args, factors=None, **kwargs):
            super().__init__(*args, **kwargs)
            self.factors = dict(factors or {})

        def build(self, variables):
            super().build(variables)
            self.scales = {self._var_key(v): self.factors.get(v.path, 1.0) for v in variables}

        def update_step(self, gradient, variable, learning_rate):
            rate = learning_rate * self.scales[self._var_key(variable)]
            if self.weight_decay and self._use_weight_decay(variable):
                self.assign_sub(variable, variable * ops.cast(self.weight_decay * rate, variable.dtype))
            super().update_step(gradient, variable, rate)

        def _apply_weight_decay(self, variables):  # Keras' own would decay every stage at the unscaled rate
            pass

        def _all_reduce_sum_gradients(self, pairs):  # Keras' own sums over devices after clipping: see training.step
            return list(pairs)

    Layerwise.__name__ = f"Layerwise{optimizer.__name__}"
    return Layerwise


class OnePass(keras.optimizers.AdamW):
    """Keras' AdamW on TensorFlow, its step one kernel there.

    Keras' own is a dozen operations that each go through all weights: a tenth of the time of tuning on a processor.
    """

    def update_step(self, gradient, variable, learning_rate):
        from tensorflow import raw_ops

        place, steps = self._get_variable_index(variable), ops.cast(self.iterations + 1, variable.dtype)
        raw_ops.ResourceApplyAdam(
            var=variable.handle, m=self._momentums[place].value.handle, v=self._velocities[place].value.handle,
            beta1_power=ops.power(self.beta_1, steps), beta2_power=ops.power(self.beta_2, steps), lr=learning_rate,
            beta1=self.beta_1, beta2=self.beta_2, epsilon=self.epsilon, grad=gradient)


class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear from peak / warmup at the first step to `peak`, then half a cosine to 0 at `steps` (arXiv:1608.03983)."""

    def __init__(self, peak, steps, warmup):
        self.peak, self.steps, self.warmup = float(peak), int(steps), max(1, int(warmup))

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        falling = 0.5 * (1 + ops.cos(math.pi * ops.clip(done, 0.0, 1.0)))
        return self.peak * ops.where(step < self.warmup, rising, falling)

    def get_config(self):
        return {"peak": self.peak, "steps": self.steps, "warmup": self.warmup}


def build(name, variables, factors, rate, steps, warmup, weight_decay, clip_norm, precision="float32"):
    """Optimizer `name` (adamw | sgd) over `variables`; kernels decay, biases and norms never do.

    `factors` {variable path: factor}; `rate` the peak of the schedule over `steps`, its first `warmup` (share) rising.
    precision: of the layers; float16 has the losses scaled, so that small gradients are not lost (arXiv:1710.03740).
    """
    schedule = WarmupCosine(rate, steps, round(warmup * steps))
    adamw = OnePass if keras.backend.backend() == "tensorflow" else keras.optimizers.AdamW
    kind, more = {"adamw": (adamw, {}),
                  "sgd": (keras.optimizers.SGD, {"momentum": 0.9, "nesterov": True})}[name]
    with device.scope_of(variables):
        optimizer = layerwise(kind)(schedule, factors=factors, weight_decay=weight_decay, global_clipnorm=clip_norm,
                                    **more)
        still = [v for v in variables if v.name != "kernel"]
        if still:
            optimizer.exclude_from_weight_decay(var_list=still)
        if precision == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
    return optimizer
