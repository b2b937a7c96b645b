"""What a layer's name says: its stage. Names are those of torchvision (of timm for D, SE and Res2Net).

`conv1`, `bn1`, `act1`, `maxpool` are the stem; `layer3.5.conv2` lies in `layer3`, whose sixth block puts out at the
layer `layer3.5`; all else, `avgpool` and `fc` foremost, is the head.
"""

import re

STEM = {"image", "conv1", "bn1", "act1", "maxpool"}


def stage_of(layer_name):
    """`stem`, `layer1`, `layer2` ... or `head`, by the first part of the name."""
    first = layer_name.split(".")[0]
    if first in STEM:
        return "stem"
    return first if re.fullmatch(r"layer\d+", first) else "head"


def stages(model):
    """{stage: its layers}, in the order in which a picture passes them."""
    found = {}
    for layer in model.layers:
        found.setdefault(stage_of(layer.name), []).append(layer)
    return found


def boundaries(model):
    """{stage: name of the layer that puts out what the next stage takes}."""
    return {stage: layers[-1].name for stage, layers in stages(model).items()}
