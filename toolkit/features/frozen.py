"""What the frozen network says of each picture, computed once.

A frozen prefix with still batch statistics is a pure function of the pixels: the means of its stages feed the probe,
and its map at a boundary feeds the stages above, for every epoch that reads the same view of a picture.
"""

import contextlib
import hashlib
import json
import time

import numpy as np

from toolkit.errors import ResourceError
from toolkit.features import executor, shards
from toolkit.features.rows import BATCH, Rows

CODE = 2  # raised whenever the same network would give other features
ENOUGH = 10  # batches over which compiling and a last one that is not full no longer count


class Frozen:
    """The features of pictures: `pooled`, Rows (n, features), and `maps` at a boundary for view 0, 1, ...

    model: raw pixels to logits. pictures: Rows (n, height, width, channels) uint8. build(model): what computes it (see
    `executor.build`). view(number, rows): pixels of a view; `varied`: what a view depends on beside its number. dtype:
    how features are kept: float16 has 11 bits, so that maps after a ReLU stay within 0.05 % of themselves.

    passed: tensors that the features are computed by way of. Where what computes gives them for nothing, it always
    does, lest a feature depend on what else was asked for, and those of the pictures `wanted`, arrays of row numbers,
    are kept with it if they can be shared: each array's in shards of its own, which may be let go alone.
    """

    def __init__(self, model, pictures, store, build, view, varied, dtype="float16", step=None, passed=(), wanted=()):
        self.model, self.pictures, self.store, self.build, self.dtype = model, pictures, store, build, dtype
        self.view, self.varied, self.computes, self.fingerprints = view, varied, {}, {}
        self.spent = [0.0, 0]  # seconds and pictures that had to be computed
        self.checks = {}  # maps that training measured itself by, see features.views
        pooled, self.beside = [model.get_layer("pooled").output], []
        self.whole = [*pooled, *passed]  # what a pass over the pictures themselves gives
        if passed and not self.computing(self.whole).gives_passed:
            self.whole, self.computes = pooled, {}
        self.pooled = self.rows("pooled", pooled, np.arange(len(pictures)), 0)
        if len(self.whole) > 1 and store.fits(sum(self.bytes(passed, len(rows)) for rows in wanted)):
            self.beside = [(self.rows("maps", passed, rows, 0).shelf, np.isin(np.arange(len(pictures)), rows))
                           for rows in wanted]
        self.pooled.fill(step)
        self.end_beside()

    def maps(self, tensors, rows, view, step=None):
        """Rows (len(rows), ...) of the tensors in a view, all computed."""
        return self.rows("maps", tensors, rows, view).fill(step)

    def rows(self, kind, tensors, rows, view):
        """Rows of `tensors` for the pictures `rows` in a view, computed where they are read."""
        names, whole = names_of(tensors), names_of(self.whole)
        passed = not view and set(names) <= set(whole)
        computed = self.whole if passed else tensors
        compute = self.computing(computed)
        self.identity = compute.identity  # what computes, and in which precision
        depends = {"code": CODE, "network": self.fingerprint(computed), "computed": compute.identity,
                   "pictures": self.pictures.shelf.name, "view": {"number": view, **self.varied} if view else None}
        shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
        shelf = self.store.shelf(kind, depends, shapes, self.dtype, len(rows))
        places = [whole.index(name) for name in names] if passed else list(range(len(names)))

        def make(numbers):
            chosen = rows[numbers]
            pixels = self.view(view, chosen) if view else self.pictures[chosen]
            others = [place for place in range(len(whole)) if place not in places] if self.beside else []
            found = self.outputs(compute, pixels, [*places, *others])
            self.keep_beside(chosen, found[len(places):])
            return found[:len(places)]

        size = getattr(compute, "batch", executor.BATCH)
        return Rows(shelf, self.pictures.keys[rows], make, size * max(1, BATCH // size))  # only the last filled up

    def keep_beside(self, chosen, arrays):
        """Keep what came with the features of the pictures `chosen`, where it is wanted and the store takes it."""
        for shelf, wanted in self.beside:
            also = wanted[chosen]
            if shelf.shared and also.any():
                with contextlib.suppress(ResourceError):  # tuning asks again, and finds another way
                    shelf.put(self.pictures.keys[chosen[also]], [array[also] for array in arrays])

    def end_beside(self):
        """Let the shelves of what came with the features go until tuning opens them."""
        for shelf, _ in self.beside:
            with contextlib.suppress(ResourceError):
                shelf.flush()
            self.store.let_go(shelf)
        self.beside = []

    def computing(self, tensors):
        """What computes tensors of raw pixels."""
        names = names_of(tensors)
        if names not in self.computes:
            self.computes[names] = self.build(self.prefix(tensors))
        return self.computes[names]

    def fingerprint(self, tensors):
        """Hash of the network that gives tensors of raw pixels."""
        names = names_of(tensors)
        if names not in self.fingerprints:
            self.fingerprints[names] = fingerprint(self.prefix(tensors))
        return self.fingerprints[names]

    def prefix(self, tensors):
        """The model of raw pixels to tensors."""
        import keras

        return keras.Model(self.model.input, list(tensors))

    def outputs(self, compute, pixels, places):
        """The outputs at `places` for all pixels, timed."""
        began = time.monotonic()
        parts = [[outputs[place].copy() for place in places] for _, outputs in
                 executor.forward(compute, len(pixels), lambda part: [pixels[part]])]
        self.spent = [self.spent[0] + time.monotonic() - began, self.spent[1] + len(pixels)]
        return [np.concatenate(part) for part in zip(*parts)]

    def pace(self):
        """Seconds that the network takes for a picture: by what was computed, or by a batch where that was little."""
        compute = self.computing(self.whole)
        size, (seconds, pictures) = getattr(compute, "batch", executor.BATCH), self.spent
        if pictures < ENOUGH * size:
            batch = self.pictures[np.arange(size) % len(self.pictures)]
            compute(batch)  # compiles it
            began = time.monotonic()
            compute(batch)
            seconds, pictures = time.monotonic() - began, size
        return seconds / pictures

    def bytes(self, tensors, pictures):
        """Bytes that maps of so many pictures in one view take on the disk."""
        return shards.taken([tensor.shape[1:] for tensor in tensors], self.dtype, pictures)


def names_of(tensors):
    """What tells tensors of one model from others."""
    return tuple(tensor.name for tensor in tensors)


def fingerprint(model):
    """Hash of what a network computes: its layers, how they are joined, its weights; not what of it may learn."""
    from keras import ops

    config = {name: value for name, value in model.get_config().items() if name != "name"}
    digest = hashlib.sha256(json.dumps(without(config, "trainable"), sort_keys=True, default=str).encode())
    for variable in model.variables:
        digest.update(np.ascontiguousarray(ops.convert_to_numpy(variable.value)))
    return digest.hexdigest()


def without(part, key):
    """A nested configuration without `key`."""
    if isinstance(part, dict):
        return {name: without(value, key) for name, value in part.items() if name != key}
    return [without(value, key) for value in part] if isinstance(part, (list, tuple)) else part
