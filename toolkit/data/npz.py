"""A MedMNIST-style .npz: train_images, train_labels, the same for val and test, or just images and labels.

Images are (n, height, width) or (n, height, width, 1 or 3), labels (n,) or (n, 1). A row's path is `train_images[12]`.
"""

import os
import zipfile

import numpy as np

from toolkit.data.reading import PARTS, Reading
from toolkit.errors import DataError, ResourceError


def read(path):
    """`path`: Path of an .npz file -> Reading; nothing pickled is ever opened. Raises DataError, ResourceError."""
    import pandas

    arrays = _arrays(path)
    faults, rows, pictures = [], [], {}
    prefixes = [name[:-len("images")] for name in arrays if name == "images" or name.endswith("_images")]
    if not prefixes:
        raise DataError(f"{path} holds no train_images or images; it holds: {', '.join(sorted(arrays)) or 'nothing'}.")
    for prefix in prefixes:
        images, labels = arrays[prefix + "images"], arrays.get(prefix + "labels")
        part = PARTS.get(prefix[:-1].casefold(), "")
        wrong = _fault(prefix, part, images, labels)
        if wrong:
            faults.append(wrong)
            continue
        pictures[prefix + "images"] = images
        rows += [(f"{prefix}images[{i}]", name, part, "") for i, name in enumerate(_names(labels.reshape(-1)))]
    table = pandas.DataFrame(rows, columns=["path", "label", "split", "group"], dtype=object)

    def source(key):
        name, _, number = key.rstrip("]").partition("[")
        return pictures[name][int(number)]

    return Reading(table, source, "npz", faults=tuple(faults))


def _arrays(path):
    try:
        with zipfile.ZipFile(path) as archive:
            need = sum(entry.file_size for entry in archive.infolist())
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if need > 0.8 * memory:
            raise ResourceError(f"{path} unpacks to {need / 2**30:.1f} GB, and this machine has {memory / 2**30:.1f} GB"
                                " of memory; give a folder of pictures instead.")
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if name.endswith(("images", "labels"))}
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, SyntaxError) as error:
        pickled = "allow_pickle" in str(error)
        reason = "it holds Python objects (a pickle), which could run code" if pickled else \
            f"it is damaged or no .npz ({str(error)[:120] or type(error).__name__})"
        raise DataError(f"{path} cannot be read: {reason}.") from None


def _fault(prefix, part, images, labels):
    """What is wrong with one part, or None."""
    if prefix and not part:
        return f"{prefix}images is no known part; known: train_images, val_images, test_images, images."
    if labels is None:
        return f"{prefix}images has no {prefix}labels beside it."
    flat = images.ndim == 3 or images.ndim == 4 and images.shape[3] in (1, 3)
    if images.dtype.kind not in "buif" or not flat:
        return (f"{prefix}images is {images.shape} of {images.dtype}; wanted (n, height, width) or (n, height, width, 1"
                " or 3) of numbers. Volumes are not read.")
    if labels.ndim == 2 and labels.shape[1] > 1:
        return (f"{prefix}labels is {labels.shape}: several labels a picture (multi-label) are not supported; wanted"
                " one class a picture, (n,) or (n, 1).")
    if labels.ndim not in (1, 2) or len(labels) != len(images) or labels.size != len(images):
        return f"{prefix}labels is {labels.shape} for {len(images)} pictures; wanted one label for each."
    if labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels)):
        return f"{prefix}labels holds fractions; wanted whole numbers or names of classes."
    if labels.dtype.kind not in "buifU":
        return f"{prefix}labels is of {labels.dtype}; wanted whole numbers or names of classes."
    return None


def _names(labels):
    if labels.dtype.kind == "U":
        return [str(name) for name in labels]
    return [str(int(number)) for number in labels]
