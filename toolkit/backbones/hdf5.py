"""Weights in HDF5 as Keras writes them, by "layer/part".

Three layouts: `.weights.h5` of Keras 3 (`.../vars/0`, the layer's name an attribute), the files of Keras 1 and 2 that
keras.applications publishes (`layer/layer/kernel:0`), and their 2016 forerunners (`conv1_W_1:0`). An HDF5 file can
point at other files, share or declare far more than it holds, and ask for a plug-in; so its whole tree is walked, and
each link and data set checked, before the data of any is opened.
"""

import math
import re
from pathlib import Path

import h5py

from toolkit.backbones.formats import LARGEST, bounded, widened
from toolkit.errors import UntrustedError

DEEPEST = 16                                     # groups within groups
FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
PARTS = {                                        # variables of a layer, in the order in which Keras 3 numbers them
    "conv2d": ("kernel", "bias"), "dense": ("kernel", "bias"), "p_re_lu": ("alpha",),
    "batch_normalization": ("gamma", "beta", "moving_mean", "moving_variance"),
}
OLD_PARTS = {"W": "kernel", "b": "bias", "running_mean": "moving_mean", "running_std": "moving_variance"}
ALONE = "Save its weights alone: model.save_weights('FILE.weights.h5')."


def read(path):
    """{"layer/part": float32 array} of the HDF5 file `path`; UntrustedError where anything in it is out of order."""
    with h5py.File(path, "r") as file:
        if "model_config" in file.attrs:
            raise UntrustedError(f"this is a whole model, which may carry code. {ALONE}")
        found = list(datasets(file, Path(path).stat().st_size))
        bounded(sum(4 * math.prod(data.shape) for _, data in found), len(found))
        arrays = {}
        for place, data in found:
            name = weight_name(file, place)
            if name is None:
                continue
            if name in arrays:
                raise UntrustedError(f"it holds {name} twice.")
            arrays[name] = widened(data[()], name)
        return arrays


def datasets(group, size, place=(), seen=None):
    """(names from the root, data set) of all data sets below `group`, each checked; size: of the file, bytes."""
    seen = set() if seen is None else seen
    for name in group:
        here = (*place, name)
        where = "/".join(here)
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise UntrustedError(f"{where} is a link to another place or file; links are not followed.")
        item = group[name]
        address = h5py.h5o.get_info(item.id).addr
        if address in seen or len(here) > DEEPEST:
            raise UntrustedError(f"{where} is reached twice or nested too deep.")
        seen.add(address)
        if isinstance(item, h5py.Group):
            yield from datasets(item, size, here, seen)
        elif isinstance(item, h5py.Dataset):
            check(item, where, size)
            yield here, item
        else:
            raise UntrustedError(f"{where} is neither a group nor a data set.")


def check(data, where, size):
    """Refuse a data set whose numbers lie elsewhere, need a plug-in, or are not in the file at all."""
    plan = data.id.get_create_plist()
    if data.is_virtual or data.external:
        raise UntrustedError(f"{where} takes its numbers from another file.")
    if data.dtype.kind not in "fiu" or data.shape is None:
        raise UntrustedError(f"{where} holds {data.dtype}; weights are numbers.")
    if any(plan.get_filter(i)[0] not in FILTERS for i in range(plan.get_nfilters())):
        raise UntrustedError(f"{where} is compressed by a plug-in.")
    need, held = math.prod(data.shape) * data.dtype.itemsize, data.id.get_storage_size()
    if need > LARGEST or held > size or need > held * (100 if plan.get_nfilters() else 1):
        raise UntrustedError(f"{where} declares {data.shape}, {need:,} bytes, but {held:,} are in the file.")


def weight_name(file, place):
    """"layer/part" of the data set at `place`; None for what belongs to an optimizer or is a counter of Keras."""
    if place[0] in ("optimizer", "optimizer_weights"):
        return None
    if len(place) > 1 and place[-2] == "vars":
        return numbered(file, place)
    layer, part = place[0], place[-1].split(":")[0]
    if len(place) > 2:                           # layer/layer/kernel:0
        layer = place[-2]
    part = re.sub(r"_\d+$", "", part.removeprefix(f"{layer}_"))  # conv1_W_1 of 2016
    return f"{layer}/{OLD_PARTS.get(part, part)}"


def numbered(file, place):
    """Name of variable `place[-1]` of a layer that Keras 3 saved under the name of its class."""
    where = "/".join(place[:-1])
    layer = file[where].attrs.get("name")
    kind = re.sub(r"_\d+$", "", place[-3]) if len(place) > 2 else ""
    if not isinstance(layer, str):
        raise UntrustedError(f"{where} does not say which layer it is, as an older Keras left that out. Load the file "
                             f"into the model that it came from and save it with today's Keras.")
    parts = PARTS.get(kind, ())
    if not place[-1].isdecimal() or int(place[-1]) >= len(parts):
        raise UntrustedError(f"{layer} ({kind or 'a model'}) has a variable {place[-1]}, which no layer of a network "
                             f"here has.")
    return f"{layer}/{parts[int(place[-1])]}"
