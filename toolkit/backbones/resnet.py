"""Functional Keras models of the rows of `resnet_table`.

Layers bear the module names of torchvision (of timm for D, SE and Res2Net), so that a layer's name is its weight key
and the output of a whole block is the layer `layer3.5`. Only layers of Keras itself are used, and no bare operation, so
that a saved model loads in older Keras and where this package is absent. The data format is always said, since a user's
keras.json may ask for another. Shapes are (batch, height, width, channels).
"""

from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import keras
from keras import initializers, layers

LAST = "channels_last"
BLANK = ContextVar("blank", default=False)  # whether kernels begin from zeros, as others are put in their place


def build(row, *, include_top=False, classes=None, shape=None, dtype=None, name=None, rescaling=None):
    """Model of `row` from pictures of `shape` to logits (n, classes), or to the last feature map without the top.

    shape: (height, width, channels), height and width may be None. dtype: a Keras dtype policy; by default the global
    one where that keeps float32 weights, else float32. rescaling: (scale, offset), a number a channel, of a layer that
    turns raw pixels into what the weights want; one channel is repeated for each number.
    """
    with precision(dtype) as policy:
        image = keras.Input(shape or (row.size, row.size, 3), dtype="float32", name="image")
        x = stem(image if rescaling is None else rescaled(image, *rescaling), row)
        for s, (depth, planes) in enumerate(zip(row.depths, row.widths)):
            for b in range(depth):
                x = block(x, row, planes, stride(row, s, b), f"layer{s + 1}.{b}")
        if row.preact:                   # of the last stage: frozen and thawed with it
            x = activate(norm(x, row, f"layer{len(row.depths)}.norm"), row, f"layer{len(row.depths)}.out")
        if include_top:
            x = layers.GlobalAveragePooling2D(data_format=LAST, name="avgpool")(x)
            x = begun(layers.Dense(classes or row.classes, dtype=policy.variable_dtype, name="fc"), x)
    return keras.Model(image, x, name=name)


def rescaled(x, scale, offset):
    """x * scale + offset by channel; a grey picture is repeated first."""
    if x.shape[-1] == 1 and len(scale) > 1:
        x = layers.Concatenate(name="image.repeated")([x] * len(scale))
    return layers.Rescaling(list(scale), list(offset), name="image.rescaled")(x)


@contextmanager
def precision(dtype):
    """The policy of the layers made inside; float64 or float16 of a user's keras.json is passed over."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype or (before if before.variable_dtype == "float32" else "float32"))
    try:
        yield keras.config.dtype_policy()
    finally:
        keras.config.set_dtype_policy(before)


def stride(row, stage, block):
    """2 once between two stages, as the later one begins or as the earlier one ends."""
    if row.stride_at == "first":
        return 2 if stage > 0 and block == 0 else 1
    return 2 if stage + 1 < len(row.depths) and block + 1 == row.depths[stage] else 1


class Conv(NamedTuple):
    filters: int
    kernel: int
    stride: int = 1
    groups: int = 1


def stem(x, row):
    if row.stem == "deep":
        x = activate(norm(convolve(x, row, Conv(32, 3, 2), "conv1.0"), row, "conv1.1"), row, "conv1.2")
        x = activate(norm(convolve(x, row, Conv(32, 3), "conv1.3"), row, "conv1.4"), row, "conv1.5")
        x = convolve(x, row, Conv(64, 3), "conv1.6")
    else:
        x = convolve(x, row, Conv(row.widths[0], 3) if row.stem == "cifar" else Conv(64, 7, 2), "conv1")
    if not row.preact:
        x = activate(norm(x, row, "bn1"), row, "act1")
    return x if row.stem == "cifar" else halve(x, row)


def halve(x, row):
    """Max-pooling 3x3 at stride 2 whose border never wins, or wins as 0 where the row says so."""
    if row.pool == "zeros" or (row.activation == "relu" and not row.preact):  # after a ReLU nothing lies below 0
        return layers.MaxPooling2D(3, 2, data_format=LAST, name="maxpool")(pad(x, 1, "maxpool.pad"))
    # No layer pads with the lowest number at torch's rows. At stride 1 "same" does; then every second row is taken.
    x = layers.MaxPooling2D(3, 1, "same", data_format=LAST, name="maxpool.widest")(x)
    return layers.MaxPooling2D(1, 2, data_format=LAST, name="maxpool")(x)


def branch(row, planes, stride):
    """The convolutions of a block's residual branch, in order."""
    if row.block == "basic":
        return Conv(planes, 3, stride), Conv(planes, 3)
    width = planes * row.base_width // 64 * row.groups
    early, late = (stride, 1) if row.stride_on == "1x1" else (1, stride)
    return Conv(width * row.scales, 1, early), Conv(width, 3, late, row.groups), Conv(4 * planes, 1)


def block(x, row, planes, stride, name):
    """x + branch(x); norm and activation follow each convolution in V1 and precede it in V2."""
    convs = branch(row, planes, stride)
    widens = x.shape[-1] != convs[-1].filters
    y = activate(norm(x, row, f"{name}.bn1"), row, f"{name}.act1") if row.preact else x
    skip = shortcut(y if widens else x, row, convs[-1].filters, stride, name)

    for i, conv in enumerate(convs, 1):
        last = i == len(convs)
        if row.block == "res2" and i == 2:
            y = sliced(y, row, conv, widens or stride > 1, name)
            continue
        y = convolve(y, row, conv, f"{name}.conv{i}", bias=last or not row.preact,
                     zero=last and row.preact and row.zero_last)
        if not (last and row.preact):    # a norm of V2 bears the number of the convolution that it precedes
            y = norm(y, row, f"{name}.bn{i + row.preact}", zero=last and row.zero_last)
        if not last:
            y = activate(y, row, f"{name}.act{i + row.preact}")
    if row.squeeze:
        y = excite(y, row, f"{name}.se")
    x = layers.Add(name=name if row.preact else f"{name}.add")([y, skip])
    return x if row.preact else activate(x, row, name)


def shortcut(x, row, filters, stride, name):
    """`x` in the shape that the branch puts out."""
    new = filters - x.shape[-1]
    if row.shortcut == "A" or not new:   # nothing to project: at most every second pixel is taken
        if stride > 1:
            x = layers.MaxPooling2D(1, stride, data_format=LAST, name=f"{name}.skip.pool")(x)
        return widen(x, new, f"{name}.skip.pad") if new else x
    at = 0                               # torch numbers the modules of a Sequential, and D's pool is number 0
    if row.shortcut == "D":
        if stride > 1:
            x = layers.AveragePooling2D(2, stride, "same", data_format=LAST, name=f"{name}.downsample.0")(x)
        stride, at = 1, 1
    x = convolve(x, row, Conv(filters, 1, stride), f"{name}.downsample.{at}")
    return x if row.preact else norm(x, row, f"{name}.downsample.{at + 1}")


def sliced(x, row, conv, reshapes, name):
    """Res2Net's middle: slices of the channels, each convolved once the one before it was added."""
    outputs = []
    for i in range(row.scales - 1):
        y = channels(x, i * conv.filters, (i + 1) * conv.filters, f"{name}.slices.{i}")
        if i and not reshapes:           # where the block reshapes, its slices stay apart
            y = layers.Add(name=f"{name}.adds.{i}")([outputs[-1], y])
        y = norm(convolve(y, row, conv, f"{name}.convs.{i}"), row, f"{name}.bns.{i}")
        outputs.append(activate(y, row, f"{name}.acts.{i}"))
    rest = channels(x, (row.scales - 1) * conv.filters, x.shape[-1], f"{name}.slices.{row.scales - 1}")
    if reshapes:                         # the zeros of the border count in the mean, as in torch
        rest = layers.AveragePooling2D(3, conv.stride, data_format=LAST, name=f"{name}.pool")(
            pad(rest, 1, f"{name}.pool.pad"))
    return layers.Concatenate(name=f"{name}.concat")([*outputs, rest])


def excite(x, row, name):
    """Each channel scaled by a weight in 0..1 read from the means of all channels."""
    count = x.shape[-1]
    y = layers.GlobalAveragePooling2D(data_format=LAST, keepdims=True, name=f"{name}.pool")(x)
    y = begun(layers.Conv2D(count // row.squeeze, 1, data_format=LAST, activation="relu", kernel_initializer=he(),
                            name=f"{name}.fc1"), y)
    y = begun(layers.Conv2D(count, 1, data_format=LAST, activation="sigmoid", name=f"{name}.fc2"), y)
    return layers.Multiply(name=f"{name}.scale")([x, y])


def convolve(x, row, conv, name, bias=True, zero=False):
    """Convolution padded alike on all sides, as torch pads; "same" pads only below and right at stride 2."""
    if conv.stride > 1 and conv.kernel > 1:
        x = pad(x, conv.kernel // 2, f"{name}.pad")
    return begun(layers.Conv2D(
        conv.filters, conv.kernel, conv.stride, "valid" if conv.stride > 1 else "same", data_format=LAST,
        groups=conv.groups, use_bias=bias and row.conv_bias, kernel_initializer="zeros" if zero else he(), name=name),
        x)


@contextmanager
def blank():
    """Kernels of the networks built inside are zeros: for weights that come next, random ones only take time."""
    token = BLANK.set(True)
    try:
        yield
    finally:
        BLANK.reset(token)


def begun(layer, x):
    """`layer` of `x`; a blank one still says which random numbers it would begin from, as its file does."""
    if not BLANK.get():
        return layer(x)
    said, layer.kernel_initializer = layer.kernel_initializer, initializers.Zeros()
    y = layer(x)
    layer.kernel_initializer = said
    return y


def he():
    """He initialisation over the outputs, arXiv:1502.01852 (a new one each time: one repeats its numbers)."""
    return initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")


def norm(x, row, name, zero=False):
    return layers.BatchNormalization(
        -1, row.momentum, row.epsilon, gamma_initializer="zeros" if zero else "ones", name=name)(x)


def activate(x, row, name):
    if row.activation == "prelu":        # one slope a channel, from 0.25 as in arXiv:1502.01852
        return layers.PReLU(initializers.Constant(0.25), shared_axes=[1, 2], name=name)(x)
    return layers.Activation(row.activation, name=name)(x)


def pad(x, pixels, name):
    return layers.ZeroPadding2D(pixels, data_format=LAST, name=name)(x)


# "channels_first" makes a layer work on axes 2 and 3, which here are width and channels: so layers of Keras slice and
# widen the channels, where ops.split and ops.pad would leave nodes that older Keras cannot read back.

def channels(x, start, end, name):
    """Channels `start` to `end` of `x`."""
    return layers.Cropping2D(((0, 0), (start, x.shape[-1] - end)), data_format="channels_first", name=name)(x)


def widen(x, new, name):
    """`x` with `new` channels of zeros, half of them in front."""
    return layers.ZeroPadding2D(((0, 0), (new // 2, new - new // 2)), data_format="channels_first", name=name)(x)
