"""Networks with pretrained weights: each tensor of the file used exactly once, by name, or nothing is loaded at all."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit.backbones import formats
from toolkit.backbones.download import fetch
from toolkit.backbones.identify import guess
from toolkit.backbones.resnet_table import RESNETS, find
from toolkit.backbones.translate import translate
from toolkit.backbones.weights import Recipe, WeightRow, find as find_row, for_network, scaling
from toolkit.errors import OptionError, UntrustedError
from toolkit.files import digests

FIRST_KERNELS = ("conv1/kernel", "conv1.0/kernel")
SHOWN = 5  # names of each kind that an error lists


class Chosen(NamedTuple):
    """A file of weights: what they are (a row, maybe made up for a user's own file), its tensors and its hash."""

    row: WeightRow
    arrays: dict     # {our name: array in Keras' layout}
    said: dict       # {our name: the file's}
    path: Path
    sha256: str
    source: str


def load(name, weights="imagenet", shape=(224, 224, 3), include_top=False, say=print, offline=None, refetch=False,
         raw=False):
    """(keras.Model, Recipe) of the network `name` with `weights`.

    weights: "imagenet" (the first row of `weights.WEIGHTS`), a tag, a file, or None or "none" for random ones. They
    decide the architecture among siblings (keras.applications' resnet50 strides elsewhere than torchvision's) and how
    pixels are scaled. shape: (height, width, channels) of the pictures; with other than 3 channels the first kernel is
    adapted (`adapted`). include_top: to the logits of the 1000 classes, else to the last feature map. say: takes a
    line a source that is tried. offline, refetch: see `download.fetch`. raw: the model takes pixels 0..255 as they
    are, a single channel standing for all three.
    Raises OptionError, DataError (no source gave the file) or UntrustedError (a file that is damaged or does not fit).
    """
    find(name)
    if weights is None or str(weights) == "none":
        row = made_up(name, "none", "random weights, no licence", own=True)
        return build(row, shape, include_top, raw), recipe(row, shape[-1], "", "random")
    if is_file(weights):
        chosen = from_file(name, Path(weights))
    else:
        chosen = from_row(name, str(weights), include_top, say, offline, refetch)
    model = build(chosen.row, shape, include_top, raw, blank=True)
    place(model, chosen, include_top)
    return model, recipe(chosen.row, shape[-1], chosen.sha256, chosen.source)


def build(row, shape, include_top, raw=False, blank=False):
    from toolkit.backbones import resnet

    channels = 3 if shape[-1] == 1 else shape[-1]
    with resnet.blank() if blank else nullcontext():
        return resnet.build(RESNETS[row.architecture], include_top=include_top, shape=tuple(shape),
                            name=row.architecture, rescaling=scaling(row, channels) if raw else None)


def is_file(weights):
    """Whether `weights` mean a file rather than a tag."""
    text = str(weights)
    known = (*formats.READERS, *formats.REFUSED)
    return isinstance(weights, Path) or Path(text).suffix.lower() in known or "/" in text or "\\" in text


def from_row(name, tag, include_top, say, offline, refetch):
    row = find_row(name, tag)
    path, source, sha256 = fetch(row, head=include_top, say=say, offline=offline, refetch=refetch)
    translation = translate(formats.read(path).arrays)
    return Chosen(row, translation.arrays, translation.said, path, sha256, source.url)


def from_file(name, path):
    """A user's own file: the names in it decide the architecture and the preprocessing."""
    if not path.exists():
        raise OptionError(f"--weights {path} is no file and no tag; give the path of a file, imagenet, a tag or none.")
    arrays, facts = formats.read(path)
    translation = translate(arrays)
    sibling = f"keras_{name.removeprefix('keras_')}"
    keras_like = translation.style == "keras" or (translation.style == "own" and "conv1/bias" in translation.arrays)
    architecture = sibling if keras_like and sibling in RESNETS else name.removeprefix("keras_")
    licence = next((facts[key] for key in ("licence", "license") if facts.get(key)), "given by the user's file")
    row = made_up(architecture, path.name, licence, own=translation.style == "own")
    return Chosen(row, translation.arrays, translation.said, path, digests(path, {"sha256"})["sha256"],
                  facts.get("source") or path.name)


def made_up(architecture, tag, licence, own):
    """Row of weights that no table lists, wanting pixels as the listed ones of that architecture do.

    own: weights saved from a network built here, which takes RGB whatever the original took.
    """
    listed = next((row for row in for_network(architecture) if row.architecture == architecture), None)
    if listed is None:
        size = RESNETS[architecture].size
        return WeightRow(architecture, tag, architecture, (), licence, size=size)
    return replace(listed, network=architecture, tag=tag, sources=(), licence=licence, top1=None,
                   channels="RGB" if own else listed.channels)


def recipe(row, channels, sha256, source):
    scale, offset = scaling(row, channels)
    return Recipe(row.architecture, row.tag, source, row.licence, sha256, scale, offset, row.size, row.interpolation,
                  row.top1)


def place(model, chosen, include_top):
    """Give each variable of `model` its tensor, after all of them were found to fit."""
    variables = {f"{layer.name}/{variable.name}": variable for layer in model.layers for variable in layer.weights}
    given = {name: array for name, array in chosen.arrays.items() if include_top or not name.startswith("fc/")}
    for name in FIRST_KERNELS:
        if name in given and name in variables and given[name].ndim == 4:
            given[name] = adapted(given[name], variables[name].shape[2], chosen.row.channels)
    wrong = mismatches(variables, given, chosen)
    if wrong:
        raise UntrustedError(f"Weights {chosen.path} do not fit {chosen.row.architecture}; nothing was loaded. "
                             f"{wrong} {guess(chosen.arrays)}")
    for name, variable in variables.items():
        variable.assign(given[name])


def mismatches(variables, given, chosen):
    """The first names that the model or the file lacks, and shapes that differ, as sentences; "" where all fits."""
    missing = [name for name in variables if name not in given]
    unknown = [chosen.said.get(name, name) for name in given if name not in variables]
    shapes = [f"{chosen.said.get(name, name)} {tuple(given[name].shape)} for {tuple(variable.shape)}"
              for name, variable in variables.items()
              if name in given and tuple(given[name].shape) != tuple(variable.shape)]
    return " ".join(f"{what} ({len(names)}): {', '.join(names[:SHOWN])}{' ...' if len(names) > SHOWN else ''}."
                    for what, names in (("The file lacks", missing), ("It holds what the network lacks", unknown),
                                        ("Shapes differ", shapes)) if names)


def adapted(kernel, channels, order="RGB"):
    """First kernel (height, width, 3, filters) for RGB of `channels` channels.

    The function on grey pictures, repeated over the channels, stays the same: channel n takes the part of n mod 3,
    shared by all that take the same; one or two channels share the sum of all three.
    """
    if kernel.shape[2] != 3:
        return kernel
    if order == "BGR":
        kernel = kernel[:, :, ::-1]
    if channels == 3:
        return kernel
    if channels < 3:
        return np.repeat(kernel.sum(2, keepdims=True) / channels, channels, axis=2)
    taken = np.arange(channels) % 3
    return kernel[:, :, taken] / np.bincount(taken)[taken][:, None].astype(kernel.dtype)
