"""What speaks for each class, position by position, of a finished model.

Where the head is linear (see explain.linear) the maps are exact: the sum of a class's map is its logit. A mean over a
whole map gives each position its own share of it. A mean over a part of the map, such as a quarter, counts within that
part by how far a position lies from the picture's own mean, and the rest, which no place within the picture has more
part in than another, is spread over all of it; so is the bias. The means of all stages meet on one grid.

Softmax sees nothing but differences between logits, so all maps are told as differences from the mean over the classes:
the sum of a class's map is log(probability) less the mean of that over the classes.

Other heads are asked by gradients (see explain.gradients).
"""

import numpy as np

from toolkit.explain import gradients, grid, linear

METHOD = "class activation"
BATCH = 16               # pictures at a time
LARGEST = 2**26          # numbers that a batch may put out


def build(model):
    """What explains a functional Keras model of pixels to probabilities: `Exact`, or gradients.Gradients.

    Called with pixels (n, height, width, channels), 0..255, of any n: maps float32 (n, classes, rows, columns) and
    probabilities float32 (n, classes). `method` says how, `grid` is (rows, columns). Raises OptionError where it is
    neither.
    """
    try:
        return Exact(model, linear.read(model))
    except linear.Unreadable:
        return gradients.Gradients(model)


class Exact:
    """The maps of a linear head, by one pass of the network, which gives the probabilities too."""

    method = METHOD

    def __init__(self, model, head):
        import keras

        self.readings, self.bias = head.readings, head.bias.astype(np.float64)
        told = [told_by(reading, f"toolkit.told.{number}") for number, reading in enumerate(head.readings)]
        self.model = keras.Model(model.input, [*told, model.output])
        self.grid = grid.size_of([reading.tensor.shape[1:3] for reading in head.readings])
        self.batch = max(1, min(BATCH, LARGEST // sum(int(np.prod(output.shape[1:])) for output in self.model.outputs)))

    def __call__(self, pixels):
        parts = [self.of_batch(pixels[start:start + self.batch]) for start in range(0, len(pixels), self.batch)]
        maps, probabilities = (np.concatenate(part) for part in zip(*parts))
        return centred(maps).astype(np.float32), probabilities

    def of_batch(self, pixels):
        """(contributions to the logits float64, probabilities) of a batch."""
        short = self.batch - len(pixels)  # all batches have one shape, so that the network is compiled once
        filled = np.concatenate([pixels, np.repeat(pixels[-1:], short, 0)]) if short else pixels
        *told, probabilities = (np.asarray(output)[:len(pixels)] for output in self.model.predict_on_batch(filled))
        maps = sum(grid.onto(contributions(one, reading.cells), self.grid) for one, reading in zip(told, self.readings))
        return maps + (self.bias / np.prod(self.grid))[:, None, None], probabilities.astype(np.float32)


def told_by(reading, name):
    """Tensor (n, height, width, cells x classes): what each position would add to the logits in each cell's mean."""
    import keras

    kernel = np.concatenate([kernel for _, _, kernel in reading.cells], axis=1)
    layer = keras.layers.Conv2D(kernel.shape[1], 1, use_bias=False, data_format="channels_last", dtype="float32",
                                name=name)
    found = layer(reading.tensor)
    layer.kernel.assign(kernel[None, None])
    return found


def contributions(told, cells):
    """(n, classes, height, width), float64, from what `told_by` gave; its sum is what the cells add to the logits."""
    n, height, width, _ = told.shape
    told = told.reshape(n, height, width, len(cells), -1).transpose(3, 0, 4, 1, 2).astype(np.float64)
    found = 0
    for one, (rows, columns, _) in zip(told, cells):
        mean = one.mean((2, 3), keepdims=True)
        apart = np.zeros_like(one)
        part = one[:, :, rows, columns]
        apart[:, :, rows, columns] = (part - mean) / np.prod(part.shape[2:])
        found = found + apart + mean / (height * width)
    return found


def centred(maps):
    """`maps` (n, classes, ...) as differences from their mean over the classes."""
    return maps - maps.mean(1, keepdims=True)
