"""What enters the network below a thawed stage: kept maps where they fit the store, else fresh pictures."""

from contextlib import contextmanager

import numpy as np

from toolkit.features import executor

FEW = {0: ": pictures are varied afresh each epoch.", 1: ": pictures are not varied; --cache-views 0 varies them."}


class Maps:
    """Maps at a boundary, computed once for each view; epoch e reads view e mod views, in a new order."""

    def __init__(self, model, frozen, tensors, train, held, views, step):
        self.model, self.compute, self.views = model, None, views
        self.check = frozen.maps(tensors, held, 0)
        self.fit = []
        for view in range(views):
            done = (lambda at, of, view=view: step(view * of + at, views * of)) if step else None
            self.fit.append(frozen.maps(tensors, train, view, done))

    def steps(self, batch_size):
        """Steps an epoch; pictures that do not fill a last batch sit an epoch out."""
        return max(1, len(self.fit[0]) // batch_size)

    def train(self, order, epoch, batch_size):
        """(rows, inputs) of each step of an epoch."""
        view = self.fit[epoch % len(self.fit)]
        for rows in batches_of(order, batch_size):
            yield rows, one_or_list(view.read(rows))

    def held(self, model):
        """Logits of the held-out pictures."""
        if self.compute is None or self.compute.model is not model:
            self.compute = executor.Keras(model)  # compiled once
        return of_maps(self.compute, self.check)


class Pictures:
    """Pictures themselves, augmented afresh each epoch."""

    views = 0  # kept

    def __init__(self, model, frozen, train, held):
        self.model, self.frozen, self.rows, self.check = model, frozen, train, held
        self.compute = None

    def steps(self, batch_size):
        """Steps an epoch; pictures that do not fill a last batch sit an epoch out."""
        return max(1, len(self.rows) // batch_size)

    def train(self, order, epoch, batch_size):
        """(rows, inputs) of each step of an epoch; view 0 is kept for looking, so epoch e reads view e + 1."""
        for rows in batches_of(order, batch_size):
            yield rows, self.frozen.view(epoch + 1, self.rows[rows])

    def held(self, model):
        """Logits of the held-out pictures."""
        if self.compute is None or self.compute.model is not model:
            self.compute = executor.Keras(model)  # compiled once
        return executor.collect(self.compute, len(self.check),
                                lambda rows: [self.frozen.pictures[self.check[rows]]])


def batches_of(order, batch_size):
    """Full batches of `order`; all of it where it does not fill one."""
    if len(order) < batch_size:
        return [order]
    return np.array_split(order[:len(order) // batch_size * batch_size], len(order) // batch_size)


def one_or_list(parts):
    """A model of one input takes an array, not a list of one."""
    return parts if len(parts) > 1 else parts[0]


def source(model, frozen, stages, train, held, views, limit, step=None):
    """A function of the deepest thawed stage that opens what enters below it, as `stages.tune` wants it.

    views: how many are kept of each training picture; fewer where they would exceed `limit` bytes, and where not one
    fits, or `views` is 0, pictures enter.
    """
    import keras

    @contextmanager
    def opened(stage):
        tensors, logits = boundary(model, stages, stage), model.get_layer("head").output
        kept = 0 if tensors is None else min(views, fitting(frozen, tensors, len(train), len(held), limit))
        if tensors is not None and kept < views:
            frozen.store.tell(f"{kept} of {views} views of each picture fit the store (--cache-limit, or the free disk)"
                              + FEW.get(kept, "."))
        if kept:
            yield Maps(keras.Model(tensors, logits), frozen, tensors, train, held, kept, step)
        else:
            yield Pictures(keras.Model(model.input, logits), frozen, train, held)

    return opened


def logits(model, frozen, stages, stage, rows):
    """Logits of pictures as training from `stage` upward saw them, from kept maps; None where pictures entered."""
    import keras

    tensors = boundary(model, stages, stage)
    if tensors is None:
        return None
    upper = keras.Model(tensors, model.get_layer("head").output)
    return of_maps(executor.Keras(upper), frozen.maps(tensors, rows, 0))


def of_maps(compute, maps):
    """Logits for kept maps."""
    everything = np.arange(len(maps))
    return executor.collect(compute, len(maps), lambda rows: [
        part.astype(np.float32) for part in maps.read(everything[rows])])


def fitting(frozen, tensors, train, held, limit):
    """Views of the training pictures that fit `limit` bytes beside the held-out ones."""
    return max(0, (limit - frozen.bytes(tensors, held)) // max(1, frozen.bytes(tensors, train)))


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
