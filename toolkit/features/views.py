"""What enters the network below a thawed stage: kept maps where they fit the store, else fresh pictures."""

from contextlib import closing, contextmanager
from functools import partial

import numpy as np

from toolkit.features import executor
from toolkit.features.frozen import names_of

FEW = {0: ": pictures are varied afresh each epoch.", 1: ": pictures are not varied; --cache-views 0 varies them."}
KEEPING, MEASURING = "keeping augmented views", "looking at the validation pictures"


class Maps:
    """Maps at a boundary, computed once for each view; epoch e reads view e mod views, in a new order.

    A view is computed when an epoch first reads it: tuning that ends early never wants the others.
    """

    def __init__(self, model, frozen, tensors, train, held, views, step, judge):
        self.model, self.rows, self.views, self.judge, self.compute = model, train, views, judge, None
        self.step = step and (lambda done, of: step(done, of, KEEPING))
        self.check = frozen.checks[names_of(tensors)] = frozen.maps(
            tensors, held, 0, step and (lambda done, of: step(done, of, MEASURING)))
        self.fit = [frozen.rows("maps", tensors, train, number) for number in range(views)]  # so that they stay

    def view(self, number):
        """Rows of the training pictures in a view, all computed."""
        return self.fit[number].fill(self.step)

    def steps(self, batch_size):
        """Steps an epoch; pictures that do not fill a last batch sit an epoch out."""
        return max(1, len(self.rows) // batch_size)

    def train(self, order, epoch, batch_size):
        """(rows, inputs) of each step of an epoch."""
        view = self.view(epoch % self.views)  # at once, not when the first step is asked for
        return ((rows, one_or_list(view.read(rows))) for rows in batches_of(order, batch_size))

    def held(self, model):
        """Logits of the held-out pictures."""
        if self.compute is None or self.compute.model is not model:
            self.compute = self.judge(model)  # compiled once
        return of_maps(self.compute, len(self.check), self.check.read)

    def close(self):
        """Let the maps of training pictures make room for the next stage's."""
        for view in self.fit:
            view.shelf.store.let_go(view.shelf)


class Pictures:
    """Pictures themselves, augmented afresh each epoch."""

    views = 0  # kept

    def __init__(self, model, frozen, train, held, step, judge):
        self.model, self.frozen, self.rows, self.check, self.step = model, frozen, train, held, step
        self.judge, self.compute, self.measured = judge, None, False

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
            self.compute = self.judge(model)  # compiled once
        began, self.measured = self.measured, True  # what an epoch has brought is measured, though it is late
        return executor.collect(self.compute, len(self.check),
                                lambda rows: [self.frozen.pictures[self.check[rows]]],
                                self.step and (lambda done, of: self.step(done, of, MEASURING, not began)))


def judged_in(stages, precision, model):
    """What computes the logits of a `model` after an epoch: below the head in the precision that it trains in."""
    from toolkit.training import thaw

    return executor.Keras(model, precision, layers=thaw.below_head(model, stages))


def batches_of(order, batch_size):
    """Full batches of `order`; all of it where it does not fill one."""
    if len(order) < batch_size:
        return [order]
    return np.array_split(order[:len(order) // batch_size * batch_size], len(order) // batch_size)


def one_or_list(parts):
    """A model of one input takes an array, not a list of one."""
    return parts if len(parts) > 1 else parts[0]


def source(model, frozen, stages, train, held, views, limit, step=None, precision="float32"):
    """A function of the deepest thawed stage that opens what enters below it, as `stages.tune` wants it.

    views: how many are kept of each training picture; fewer where they would exceed `limit` bytes, and where not one
    fits, or `views` is 0, pictures enter. step(done, of, what, may_end): told of what is done before and between the
    epochs, and may raise to stop; may_end: whether training may end here for a reason that can wait.
    precision: that training has below the head, in which an epoch is measured too.
    """
    import keras

    judge = partial(judged_in, stages, precision)

    def fitting(stage):
        tensors, names = boundary(model, stages, stage), list(stages)
        if tensors is None:
            return 0
        earlier = [boundary(model, stages, name) for name in names[names.index(stage) + 1:-1]]  # whose checks stay
        rest = limit - sum(frozen.bytes(maps, len(held)) for maps in (tensors, *earlier))
        return min(views, max(0, rest) // max(1, frozen.bytes(tensors, len(train))))

    @contextmanager
    def opened(stage):
        tensors, logits, kept = boundary(model, stages, stage), model.get_layer("head").output, fitting(stage)
        if tensors is not None and kept < views:
            frozen.store.tell(f"{kept} of {views} views of each picture fit the store (--cache-limit, or the free disk)"
                              + (FEW.get(kept, ".") if frozen.varied["augment"] != "none" else "."))
        if kept:
            with closing(Maps(keras.Model(tensors, logits), frozen, tensors, train, held, kept, step, judge)) as maps:
                yield maps
        else:
            yield Pictures(keras.Model(model.input, logits), frozen, train, held, step, judge)

    return opened


def logits(model, frozen, stages, stage, rows):
    """Logits of held-out pictures as training from `stage` upward saw them, from the maps that it kept.

    None where the maps are there no more. Nothing is computed for the store.
    """
    import keras

    tensors = boundary(model, stages, stage)
    maps = frozen.checks.get(names_of(tensors))
    if maps is None:  # an earlier sitting kept them
        maps = frozen.rows("maps", tensors, rows, 0)
    try:
        return of_maps(executor.Keras(keras.Model(tensors, model.get_layer("head").output)), len(maps), maps.kept)
    except KeyError:
        return None


def of_maps(compute, count, read):
    """Logits for kept maps, `read` by the numbers of their rows."""
    everything = np.arange(count)
    return executor.collect(compute, count, lambda rows: [part.astype(np.float32) for part in read(everything[rows])])


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
