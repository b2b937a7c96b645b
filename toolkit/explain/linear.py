"""What a head reads, where it is linear in means over parts of the network's maps, as the one of our models is.

Then each logit is a sum over the positions of the maps, and what every position adds to it is known exactly.
"""

from typing import NamedTuple

import numpy as np

from toolkit.portable import sources
from toolkit.training.thaw import numpy

SILENT = ("Identity", "Dropout", "SpatialDropout2D")  # layers that change nothing in a finished model


class Unreadable(Exception):
    """The head is another one."""


class Reading(NamedTuple):
    """What a head reads off one map: `tensor` (n, height, width, channels), by cells.

    cells: (slice of rows, slice of columns, kernel (channels, classes)) of each mean that enters the logits.
    """

    tensor: object
    cells: list


class Head(NamedTuple):
    """A linear head: logits = bias + what it reads."""

    readings: list          # a Reading a map
    bias: np.ndarray        # (classes,)


def read(model):
    """The Head of a functional Keras model of pixels to probabilities. Raises Unreadable where it is another kind.

    Known are Dense, under a softmax, on global average pools and on average pools laid flat, of any maps.
    """
    layers = {layer["name"]: layer for layer in model.get_config()["layers"]}
    (name,) = outputs(model)
    softmax = is_softmax(layers[name], model)
    if softmax and layers[name]["class_name"] != "Dense":
        (name,) = sources(layers[name])
        name = below(name, layers)
    dense = layer(model, layers, name, "Dense")
    if not softmax or dense.activation.__name__ not in ("softmax", "linear"):
        raise Unreadable("no softmax of a linear layer")
    kernel, found, start = numpy(dense.kernel), {}, 0
    for part in parts(below(sources(layers[name])[0], layers), layers):
        tensor, cells = means(model, layers, part)
        reading = found.setdefault(id(tensor), Reading(tensor, []))
        for rows, columns in cells:
            end = start + tensor.shape[-1]
            reading.cells.append((rows, columns, kernel[start:end]))
            start = end
    if start != len(kernel):
        raise Unreadable("the head reads more than means")
    return Head(list(found.values()), numpy(dense.bias) if dense.use_bias else np.zeros(kernel.shape[1], np.float32))


def outputs(model):
    """Names of the layers that give the outputs."""
    names = model.get_config()["output_layers"]
    return [names[0]] if isinstance(names[0], str) else [name for name, _, _ in names]


def is_softmax(known, model):
    """Whether a layer of the configuration ends in a softmax over the classes."""
    if known["class_name"] == "Softmax":
        return known["config"]["axis"] in (-1, 1)
    found = model.get_layer(known["name"])
    return known["class_name"] in ("Activation", "Dense") and found.activation.__name__ == "softmax"


def layer(model, layers, name, kind):
    """The layer `name`, of that kind and called once."""
    known = layers[name]
    if known["class_name"] != kind or len(known["inbound_nodes"]) != 1:
        raise Unreadable(f"{name} is no {kind} that is called once")
    return model.get_layer(name)


def below(name, layers):
    """`name`, or the layer under it where it changes nothing."""
    while layers[name]["class_name"] in SILENT:
        (name,) = sources(layers[name])
    return name


def parts(name, layers):
    """Names of the layers whose vectors are joined into `name`, in order."""
    if layers[name]["class_name"] != "Concatenate":
        return [name]
    if layers[name]["config"]["axis"] not in (-1, 1):
        raise Unreadable(f"{name} joins no vectors")
    return [part for source in sources(layers[name]) for part in parts(below(source, layers), layers)]


def means(model, layers, name):
    """(map, [(rows, columns) of each cell]) of a layer that gives means of a map, all channels of a cell together."""
    if layers[name]["class_name"] == "GlobalAveragePooling2D":
        pool = layer(model, layers, name, "GlobalAveragePooling2D")
        height, width = pool.input.shape[1:3]
        cells = [(slice(0, height), slice(0, width))]
    else:
        layer(model, layers, name, "Flatten")
        pool = layer(model, layers, sources(layers[name])[0], "AveragePooling2D")
        if pool.padding != "valid":
            raise Unreadable(f"{pool.name} counts what is not there")
        height, width = pool.input.shape[1:3]
        cells = [(rows, columns) for rows in windows(height, pool.pool_size[0], pool.strides[0])
                 for columns in windows(width, pool.pool_size[1], pool.strides[1])]
    if pool.data_format != "channels_last" or None in (height, width):
        raise Unreadable(f"{pool.name} takes maps of no known size, or channels first")
    return pool.input, cells


def windows(size, pool, stride):
    """Slices of `size` positions over which a pooling layer means."""
    return [slice(start, start + pool) for start in range(0, size - pool + 1, stride)]
