"""What enters the network below a thawed stage: kept maps where they fit on the disk, else fresh pictures."""

from contextlib import contextmanager

import numpy as np

from toolkit.features import executor

LARGEST_MAPS = 8 << 30  # bytes of maps kept on disk for one round


class Maps:
    """Maps at a boundary, computed once for each view; epoch e reads view e mod views, in a new order."""

    def __init__(self, model, features, tensors, train, held, views, step):
        self.model, self.features = model, features
        self.fit = features.maps(tensors, train, views, step)
        self.check = features.maps(tensors, held, 1)

    def steps(self, batch_size):
        """Steps an epoch; pictures that do not fill a last batch sit an epoch out."""
        return max(1, self.fit[0].shape[1] // batch_size)

    def train(self, order, epoch, batch_size):
        """(rows, inputs) of each step of an epoch."""
        view = epoch % len(self.fit[0])
        for rows in batches_of(order, batch_size):
            yield rows, one_or_list([part[view][rows].astype(np.float32) for part in self.fit])

    def held(self, model):
        """Logits of the held-out pictures."""
        return executor.collect(model, [part[0] for part in self.check], self.features.batch_size)


class Pictures:
    """Pictures themselves, augmented afresh each epoch."""

    def __init__(self, model, features, train, held):
        self.model, self.features, self.rows, self.check = model, features, train, held

    def steps(self, batch_size):
        """Steps an epoch; pictures that do not fill a last batch sit an epoch out."""
        return max(1, len(self.rows) // batch_size)

    def train(self, order, epoch, batch_size):
        """(rows, inputs) of each step of an epoch; view 0 is kept for looking, so epoch e reads view e + 1."""
        for rows in batches_of(order, batch_size):
            yield rows, self.features.view(epoch + 1, self.rows[rows]).astype(np.float32)

    def held(self, model):
        """Logits of the held-out pictures."""
        return executor.collect(model, [self.features.pixels[self.check]], self.features.batch_size)


def batches_of(order, batch_size):
    """Full batches of `order`; all of it where it does not fill one."""
    if len(order) < batch_size:
        return [order]
    return np.array_split(order[:len(order) // batch_size * batch_size], len(order) // batch_size)


def one_or_list(parts):
    """A model of one input takes an array, not a list of one."""
    return parts if len(parts) > 1 else parts[0]


def source(model, features, stages, train, held, views, step=None):
    """A function of the deepest thawed stage that opens what enters below it, as `stages.tune` wants it."""
    import keras

    def bytes_of(tensors):
        return sum(2 * int(np.prod(t.shape[1:])) for t in tensors) * (views * len(train) + len(held))

    @contextmanager
    def opened(stage):
        tensors = boundary(model, stages, stage)
        logits = model.get_layer("head").output
        if tensors is None or bytes_of(tensors) > LARGEST_MAPS:
            yield Pictures(keras.Model(model.input, logits), features, train, held)
            return
        yield Maps(keras.Model(tensors, logits), features, tensors, train, held, views, step)

    return opened


def boundary(model, stages, stage):
    """Tensors that enter what stands at and above `stage`: the map below it, and what the head reads still lower.

    None where `stage` is the lowest, so that pictures themselves enter.
    """
    names = list(stages)
    below = names[:names.index(stage)]
    if not below:
        return None
    reads = [layer for layer in model.layers if layer.name.partition(".")[0] in ("mean", "quarters")]
    lower = {f"{kind}.{name}" for name in below[:-1] for kind in ("mean", "quarters")}
    return [stages[below[-1]][-1].output, *(layer.output for layer in reads if layer.name in lower)]
