"""Names and layouts that others give to the weights of a ResNet, turned into ours: "layer3.5.conv2/kernel".

torch   layer3.5.conv2.weight, layer3.5.bn2.running_mean; timm's V2: stages.2.blocks.5.conv2.weight
keras   conv4_block6_2_conv/kernel (keras.applications), res4f_branch2b/kernel (its 2015 names)
hub     stack2_block5_2_conv/kernel (keras-hub)
own     layer3.5.conv2/kernel (Keras' `.weights.h5` of a network built here)

Kernels come out as Keras has them: (height, width, input channels of one group, output channels), dense (inputs,
outputs). torch has (outputs, inputs, height, width) and (outputs, inputs).
"""

import re
from typing import NamedTuple

TORCH = re.compile(r"(?P<layer>[^/]+)\.(?P<part>weight|bias|running_mean|running_var|num_batches_tracked)")
NORM = ("running_mean", "running_var", "num_batches_tracked")
TORCH_PARTS = {"running_mean": "moving_mean", "running_var": "moving_variance"}
TIMM_V2 = re.compile(r"stages\.(\d+)\.blocks\.(\d+)\.(?:(conv|norm)(\d)|downsample\.(conv))")
BLOCK = re.compile(r"(conv|stack)(\d+)_block(\d+)_(?:(\d)_(conv|bn)|(?:preact|pre_activation)_(bn))")
BLOCK_2015 = re.compile(r"(res|bn)(\d)([a-z])(\d*)_branch(1|2[abc])")
DEEP_STEM = {"conv1_conv": "conv1.0", "conv1_bn": "conv1.1", "conv2_conv": "conv1.3", "conv2_bn": "conv1.4",
             "conv3_conv": "conv1.6", "conv3_bn": "bn1"}
ENDS = {"conv1_conv": "conv1", "conv1_bn": "bn1", "bn_conv1": "bn1", "post_bn": "layer4.norm", "predictions": "fc",
        "fc1000": "fc"}
TIMM_V2_ENDS = {"stem.conv": "conv1", "norm": "layer4.norm", "head.fc": "fc"}


class Translation(NamedTuple):
    """style: torch | keras | hub | own; arrays: {our name: array in Keras' layout}; said: {our name: the file's}."""

    style: str
    arrays: dict
    said: dict


def translate(arrays):
    """Translation of `arrays` ({name in the file: array}); names that mean nothing here are kept as they are."""
    style = style_of(arrays)
    found, said = {}, {}
    deep = "conv2_conv/kernel" in arrays
    v2 = any("preact" in name or "pre_activation" in name for name in arrays)
    for name, array in arrays.items():
        if style == "torch":
            ours, array = from_torch(name, array, arrays)
        else:
            layer, _, part = name.rpartition("/")
            ours = f"{from_keras(layer, deep, v2)}/{part}"
        if ours is None:
            continue
        if ours in found:                # the second stays unknown, so that it is not silently dropped
            ours = name
        found[ours], said[ours] = array, name
    return Translation(style, found, said)


def style_of(names):
    if any("/" not in name for name in names):
        return "torch"
    layers = [name.split("/")[0] for name in names]
    if any(layer.startswith("stack") for layer in layers):
        return "hub"
    return "keras" if any(BLOCK.fullmatch(layer) or BLOCK_2015.fullmatch(layer) for layer in layers) else "own"


def from_torch(name, array, arrays):
    """(our name, array in Keras' layout); None for the counter of a batch norm."""
    match = TORCH.fullmatch(name)
    if not match:
        return name, array
    layer, part = match["layer"], match["part"]
    if part == "num_batches_tracked":
        return None, array
    normalises = any(f"{layer}.{sign}" in arrays for sign in NORM)
    layer = from_timm_v2(layer)
    if part == "weight":
        if array.ndim == 4:              # a head that timm writes as a 1x1 convolution is a dense layer here
            array = array.transpose(2, 3, 1, 0)
            array = array[0, 0] if layer == "fc" and array.shape[:2] == (1, 1) else array
        elif array.ndim == 2:
            array = array.T
        elif not normalises:             # PReLU, one slope a channel
            return f"{layer}/alpha", array.reshape(1, 1, -1)
        return f"{layer}/{'gamma' if normalises else 'kernel'}", array
    if part == "bias":
        return f"{layer}/{'beta' if normalises else 'bias'}", array
    return f"{layer}/{TORCH_PARTS[part]}", array


def from_timm_v2(layer):
    match = TIMM_V2.fullmatch(layer)
    if not match:
        return TIMM_V2_ENDS.get(layer, layer)
    stage, block, kind, number, shortcut = match.groups()
    step = "downsample.0" if shortcut else f"{'conv' if kind == 'conv' else 'bn'}{number}"
    return f"layer{int(stage) + 1}.{block}.{step}"


def from_keras(layer, deep, v2):
    """Our name of a layer; deep: of a D network; v2: of a pre-activated one, whose norms precede the convolutions."""
    match = BLOCK.fullmatch(layer)
    if match:
        family, stage, block, number, kind, first = match.groups()
        stage, block = (int(stage) - 1, int(block) - 1) if family == "conv" else (int(stage) + 1, int(block))
        return f"layer{stage}.{block}.{step(first or kind, 0 if first else int(number), deep, v2, bool(first))}"
    match = BLOCK_2015.fullmatch(layer)
    if match:                            # blocks a b c ..., or a b1 b2 ... in the deeper networks
        kind, stage, letter, number, branch = match.groups()
        block = int(number) if number else ord(letter) - ord("a")
        number = 0 if branch == "1" else "abc".index(branch[1]) + 1
        return f"layer{int(stage) - 1}.{block}.{step('conv' if kind == 'res' else 'bn', number, False, False, False)}"
    return (DEEP_STEM if deep else {}).get(layer) or ENDS.get(layer, layer)


def step(kind, number, deep, v2, first):
    """conv2, bn2, downsample.0 ... of the layer `number` of a block; 0 is the shortcut, which D starts with a pool."""
    if number == 0 and not first:
        return f"downsample.{(kind == 'bn') + deep}"
    return f"{kind}{number + (kind == 'bn' and v2)}"
