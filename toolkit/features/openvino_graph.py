"""A Keras functional network as an OpenVINO graph, which a processor with AVX-512 BF16 runs twice as fast.

One function a kind of layer; the graph is laid out channels first, as OpenVINO wants it, between a first and a last
transposition. OpenVINO folds the batch norms into the convolutions. Whatever stands in no row of LAYERS, or is called
more than once, raises Untranslatable, and Keras computes instead.
"""

import numpy as np
import openvino as ov
from openvino import opset13 as op

from toolkit.features.executor import Untranslatable
from toolkit.portable import sources

AXIS = {1: 2, 2: 3, 3: 1}  # of height, width and channels: Keras' channels last -> channels first


def translate(model, batch):
    """openvino.Model of `model`, a functional Keras model, for uint8 pixels (batch, height, width, channels)."""
    config = model.get_config()
    shape = [batch, *model.input.shape[1:]]
    pixels, nodes = op.parameter(shape, np.uint8, name="pixels"), {}
    for known in config["layers"]:
        name, kind = known["name"], known["class_name"]
        if kind == "InputLayer":
            nodes[name] = first(op.convert(pixels, np.float32)).output(0)
            continue
        if kind not in LAYERS or len(known["inbound_nodes"]) != 1:
            raise Untranslatable(f"{name} is a {kind}" + ", called more than once" * (kind in LAYERS))
        layer = model.get_layer(name)
        if kind in SPATIAL and layer.data_format != "channels_last":
            raise Untranslatable(f"{name} is channels first")
        nodes[name] = LAYERS[kind](layer, *[nodes[source] for source in sources(known)])
        nodes[name] = nodes[name].output(0) if isinstance(nodes[name], ov.Node) else nodes[name]
    names = config["output_layers"]
    names = [names[0]] if isinstance(names[0], str) else [name for name, _, _ in names]
    return ov.Model([op.result(last(nodes[name])) for name in names], [pixels])


def first(node):
    return op.transpose(node, np.array([0, 3, 1, 2]))


def last(node):
    return op.transpose(node, np.array([0, 2, 3, 1])) if rank(node) == 4 else node


def values(variable):
    """A variable's float32 array."""
    from keras import ops

    return np.asarray(ops.convert_to_numpy(variable.value), np.float32)


def rank(x):
    """Number of axes."""
    return len(x.get_partial_shape())


def by_channel(array, x):
    """A constant of a number a channel that broadcasts over `x`, whose channels are axis 1."""
    return op.constant(np.asarray(array, np.float32).reshape(-1, *[1] * (rank(x) - 2)))


def convolution(layer, x):
    kernel = values(layer.kernel).transpose(3, 2, 0, 1)
    auto = "same_upper" if layer.padding == "same" else "valid"
    strides, dilations = list(layer.strides), list(layer.dilation_rate)
    if layer.groups == 1:
        y = op.convolution(x, op.constant(kernel), strides, [0, 0], [0, 0], dilations, auto)
    else:
        kernel = kernel.reshape(layer.groups, -1, *kernel.shape[1:])
        y = op.group_convolution(x, op.constant(kernel), strides, [0, 0], [0, 0], dilations, auto)
    if layer.use_bias:
        y = op.add(y, by_channel(values(layer.bias), x))
    return activated(layer.activation.__name__, y)


def normalization(layer, x):
    if layer.axis not in (-1, rank(x) - 1):
        raise Untranslatable(f"{layer.name} is channels first")
    scale = 1 / np.sqrt(values(layer.moving_variance) + layer.epsilon)
    if layer.scale:
        scale = scale * values(layer.gamma)
    shift = (values(layer.beta) if layer.center else 0) - values(layer.moving_mean) * scale
    return op.add(op.multiply(x, by_channel(scale, x)), by_channel(shift, x))


def rescaling(layer, x):
    return op.add(op.multiply(x, by_channel(layer.scale, x)), by_channel(layer.offset, x))


def activation(layer, x):
    return activated(layer.activation.__name__, x)


def activated(name, x):
    known = {"linear": lambda x: x, "relu": op.relu, "sigmoid": op.sigmoid}
    if name not in known:
        raise Untranslatable(f"activation {name}")
    return known[name](x)


def relu(layer, x):
    if layer.max_value is not None or layer.negative_slope or layer.threshold:
        raise Untranslatable(f"{layer.name} is more than max(x, 0)")
    return op.relu(x)


def prelu(layer, x):
    slopes = values(layer.alpha)
    if slopes.size != slopes.shape[-1]:
        raise Untranslatable(f"{layer.name} has slopes of its own at each place")
    return op.prelu(x, op.constant(slopes.ravel()))


def padded(layer, x):
    begin, end = [0] * 4, [0] * 4
    for axis, (before, after) in zip(spatial(layer), layer.padding):
        begin[axis], end[axis] = before, after
    return op.pad(x, np.array(begin), np.array(end), "constant", op.constant(np.float32(0)))


def cropped(layer, x):
    for axis, (before, after) in zip(spatial(layer), layer.cropping):
        if before or after:
            stop = -after if after else np.iinfo(np.int64).max
            x = op.slice(x, np.array([before]), np.array([stop]), np.array([1]), np.array([axis]))
    return x


def spatial(layer):
    """Axes, channels first, of what the layer takes for height and width ("channels_first": axes 2 and 3)."""
    return [AXIS[axis] for axis in ((1, 2) if layer.data_format == "channels_last" else (2, 3))]


def max_pooling(layer, x):
    bare = unpadded(x, layer.pool_size) if layer.padding == "valid" else None
    auto, (x, begin, end) = "same_upper" if layer.padding == "same" else "explicit", bare or (x, [0, 0], [0, 0])
    return op.max_pool(x, list(layer.strides), [1, 1], begin, end, list(layer.pool_size), "floor", auto).output(0)


def unpadded(x, window):
    """(x without its border of zeros, the border's begin, its end), for maxima; None where they would be others.

    Zeros around what is never below them change no maximum, and a layer that pads takes as long as one that computes.
    """
    node = x.get_node()
    if node.get_type_name() != "Pad" or node.input_value(0).get_node().get_type_name() != "Relu":
        return None
    begin, end = (node.input_value(side).get_node().data.tolist() for side in (1, 2))
    beyond = [*begin[:2], *end[:2], *(max(sides) >= size for *sides, size in zip(begin[2:], end[2:], window))]
    return None if any(beyond) else (node.input_value(0), begin[2:], end[2:])


def average_pooling(layer, x):
    auto = "same_upper" if layer.padding == "same" else "valid"
    return op.avg_pool(x, list(layer.strides), [0, 0], [0, 0], list(layer.pool_size), True, "floor", auto)


def means(layer, x):
    return op.reduce_mean(x, np.array([2, 3]), keep_dims=bool(layer.keepdims))


def flat(layer, x):
    return op.reshape(last(x), np.array([0, -1]), True)


def joined(layer, *xs):
    axis = layer.axis % rank(xs[0])
    return op.concat(list(xs), AXIS[axis] if rank(xs[0]) == 4 else axis)


def summed(layer, *xs):
    total = xs[0]
    for x in xs[1:]:
        total = op.add(total, x)
    return total


def multiplied(layer, *xs):
    total = xs[0]
    for x in xs[1:]:
        total = op.multiply(total, x)
    return total


def dense(layer, x):
    if rank(x) != 2:
        raise Untranslatable(f"{layer.name} reads maps")
    y = op.matmul(x, op.constant(values(layer.kernel)), False, False)
    return activated(layer.activation.__name__, op.add(y, op.constant(values(layer.bias))) if layer.use_bias else y)


LAYERS = {
    "Rescaling": rescaling, "Conv2D": convolution, "BatchNormalization": normalization, "Activation": activation,
    "ReLU": relu, "PReLU": prelu, "ZeroPadding2D": padded, "Cropping2D": cropped,
    "MaxPooling2D": max_pooling, "AveragePooling2D": average_pooling, "GlobalAveragePooling2D": means, "Flatten": flat,
    "Concatenate": joined, "Add": summed, "Multiply": multiplied, "Dense": dense,
    "Identity": lambda layer, x: x, "Dropout": lambda layer, x: x,
}
SPATIAL = ("Conv2D", "MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "Flatten")  # read channels last
