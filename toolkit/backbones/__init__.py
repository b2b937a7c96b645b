"""NETWORKS: rows of facts, the functions that build them, and where their weights come from.

    from toolkit import backbones
    model = backbones.build("resnet50", weights="imagenet")

Nothing here imports Keras until a network is built.
"""

from dataclasses import replace

from toolkit.backbones.naming import boundaries, stage_of, stages
from toolkit.backbones.resnet_table import ACTIVATIONS, RESNETS, SHORTCUTS, find
from toolkit.errors import OptionError

__all__ = ["RESNETS", "boundaries", "build", "find", "stage_of", "stages"]


def build(name, weights=None, *, include_top=False, classes=None, shape=None, activation=None, shortcut=None,
          zero_last=None, dtype=None):
    """keras.Model of the network `name`: pictures (n, height, width, channels) to its last feature map.

    weights: None for random ones (He), else "imagenet", a tag or a file (`load.load`, which may choose a sibling's
    architecture, as the weights demand). include_top: to logits of `classes` (the row's own number by default).
    shape: (height, width, channels), by default the row's size and 3 channels; sides may be None. activation (relu,
    prelu), shortcut (A, B, D) and zero_last override the row. dtype: a Keras dtype policy. Raises OptionError.
    """
    row = find(name)
    changes = {"activation": activation, "shortcut": shortcut, "zero_last": zero_last}
    changes = {field: value for field, value in changes.items() if value is not None}
    check(name, classes, include_top, shape, changes)
    if weights is not None and str(weights) != "none":
        if changes or dtype or classes not in (None, row.classes):
            raise OptionError(f"Weights {weights!r} fit {name} as its row stands; activation, shortcut, zero_last, "
                              f"dtype and another number of classes go with weights=None only.")
        from toolkit.backbones.load import load

        return load(name, weights, shape=shape or (row.size, row.size, 3), include_top=include_top)[0]
    from toolkit.backbones import resnet

    return resnet.build(replace(row, **changes), include_top=include_top, classes=classes, shape=shape, dtype=dtype,
                        name=name)


def check(name, classes, include_top, shape, changes):
    """Refuse what no network can be made of."""
    for field, allowed in (("activation", ACTIVATIONS), ("shortcut", SHORTCUTS)):
        if changes.get(field, allowed[0]) not in allowed:
            raise OptionError(f"{field} of {name} is {changes[field]!r}; allowed are {', '.join(allowed)}.")
    if classes is not None and not include_top:
        raise OptionError(f"classes of {name} is {classes}, but only include_top=True gives it a head.")
    if classes is not None and classes < 1:
        raise OptionError(f"classes of {name} is {classes}; at least 1 is needed.")
    if shape is not None and (len(shape) != 3 or shape[2] is None or any(n is not None and n < 1 for n in shape)):
        raise OptionError(f"shape of {name} is {tuple(shape)}; (height, width, channels) is needed, each at least 1.")
