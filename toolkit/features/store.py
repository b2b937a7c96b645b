"""What the frozen network says of each picture, computed once.

A frozen prefix with still batch statistics is a pure function of the pixels: the means of its stages feed the probe,
and its map at a boundary feeds the stages above, for every epoch that reads the same view of a picture.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np

from toolkit.errors import ResourceError
from toolkit.features import executor


class Features:
    """Means of all stages (`pooled`, float32 (n, features)) and, on demand, maps at a boundary for view 0, 1, ..."""

    def __init__(self, model, pixels, view, folder, batch_size=32, step=None):
        """`view(v, rows)` gives the pixels of a view; view 0 is `pixels` as they are. Maps lie in `folder`."""
        import keras

        self.model, self.pixels, self.view, self.batch_size = model, pixels, view, batch_size
        self.files = 0
        self.folder = tempfile.TemporaryDirectory(prefix="maps-", dir=folder)
        pooled = keras.Model(model.input, model.get_layer("pooled").output)
        self.pooled = executor.collect(pooled, [pixels], batch_size, step)

    def maps(self, tensors, rows, views, step=None):
        """Arrays (views, len(rows), ...), one a tensor of `tensors`, float16 on disk.

        float16 keeps 11 bits: maps after a ReLU stay within 0.05 % of themselves, at half the disk of float32.
        """
        import keras

        prefix = keras.Model(self.model.input, list(tensors))
        stored = [self.room((views, len(rows), *tensor.shape[1:])) for tensor in tensors]
        for view in range(views):
            pixels = self.pixels[rows] if view == 0 else self.view(view, rows)
            done = (lambda at, of, view=view: step(view * of + at, views * of)) if step else None
            for part, outputs in executor.forward(prefix, [pixels], self.batch_size, done):
                for array, output in zip(stored, outputs):
                    array[view, part] = np.clip(output, -65504, 65504)
        return stored

    def room(self, shape):
        """A float16 array of `shape` on disk; ResourceError where the disk does not hold it."""
        self.files += 1
        path, need = Path(self.folder.name) / f"{self.files}.npy", 2 * int(np.prod(shape))
        free = shutil.disk_usage(self.folder.name).free
        if need > free:
            raise ResourceError(f"{need / 1e9:.1f} GB are needed for kept features and {free / 1e9:.1f} GB are free in "
                                f"{self.folder.name}; free some space, or lower --views or --size.")
        return np.lib.format.open_memmap(path, "w+", np.float16, shape)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.folder.cleanup()
