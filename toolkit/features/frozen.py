"""What the frozen network says of each picture, computed once.

A frozen prefix with still batch statistics is a pure function of the pixels: the means of its stages feed the probe,
and its map at a boundary feeds the stages above, for every epoch that reads the same view of a picture.
"""

import hashlib
import json
import time

import numpy as np

from toolkit.features import executor, shards
from toolkit.features.rows import BATCH, Rows

CODE = 2  # raised whenever the same network would give other features
ENOUGH = 10  # batches over which compiling and a last one that is not full no longer count


class Frozen:
    """The features of pictures: `pooled`, Rows (n, features), and `maps` at a boundary for view 0, 1, ...

    model: raw pixels to logits. pictures: Rows (n, height, width, channels) uint8. build(model): what computes it (see
    `executor.build`). view(number, rows): pixels of a view; `varied`: what a view depends on beside its number. dtype:
    how features are kept: float16 has 11 bits, so that maps after a ReLU stay within 0.05 % of themselves.
    """

    def __init__(self, model, pictures, store, build, view, varied, dtype="float16", step=None):
        self.model, self.pictures, self.store, self.build, self.dtype = model, pictures, store, build, dtype
        self.view, self.varied, self.computes = view, varied, {}
        self.spent = [0.0, 0]  # seconds and pictures that had to be computed
        self.checks = {}  # maps that training measured itself by, see features.views
        self.pooled = self.rows("pooled", [model.get_layer("pooled").output], np.arange(len(pictures)), 0).fill(step)

    def maps(self, tensors, rows, view, step=None):
        """Rows (len(rows), ...) of the tensors in a view, all computed."""
        return self.rows("maps", tensors, rows, view).fill(step)

    def rows(self, kind, tensors, rows, view):
        """Rows of `tensors` for the pictures `rows` in a view, computed where they are read."""
        import keras

        names = tuple(tensor.name for tensor in tensors)
        if names not in self.computes:
            prefix = keras.Model(self.model.input, list(tensors))
            self.computes[names] = self.build(prefix), fingerprint(prefix)
        compute, network = self.computes[names]
        self.identity = compute.identity  # what computes, and in which precision
        depends = {"code": CODE, "network": network, "computed": compute.identity,
                   "pictures": self.pictures.shelf.name, "view": {"number": view, **self.varied} if view else None}
        shapes = [tuple(tensor.shape[1:]) for tensor in tensors]
        shelf = self.store.shelf(kind, depends, shapes, self.dtype, len(rows))

        def make(numbers):
            chosen = rows[numbers]
            pixels = self.view(view, chosen) if view else self.pictures[chosen]
            began = time.monotonic()
            parts = [[part.copy() for part in outputs] for _, outputs in
                     executor.forward(compute, len(numbers), lambda part: [pixels[part]])]
            self.spent = [self.spent[0] + time.monotonic() - began, self.spent[1] + len(numbers)]
            return [np.concatenate(part) for part in zip(*parts)]

        size = getattr(compute, "batch", executor.BATCH)
        whole = size * max(1, BATCH // size)  # so that no batch is filled up but the last
        return Rows(shelf, self.pictures.keys[rows], make, whole)

    def pace(self):
        """Seconds that the network takes for a picture: by what was computed, or by a batch where that was little."""
        compute, _ = next(iter(self.computes.values()))
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
