"""A MedMNIST-style .npz: train_images, train_labels, the same for val and test, or just images and labels. For example

    breast.npz           train_images (6, 28, 28), train_labels (6, 1),
                         val_images (3, 28, 28), val_labels (3, 1),
                         test_images (3, 28, 28), test_labels (3, 1)

Images are (n, height, width) or (n, height, width, 1 or 3), of 28, 224 or any number of pixels; labels (n,) or (n, 1).
Several labels a picture are (n, k) of 0 and 1, and their names are 0 to k - 1:

    chest.npz            train_images (8, 224, 224), train_labels (8, 14),
                         val_images (4, 224, 224), val_labels (4, 14)

Classes that are grades, as in RetinaMNIST, are told by --task ordinal. A row's path is `train_images[12]`.
"""

import os
import zipfile

import numpy as np

from toolkit.data.reading import PARTS, Reading
from toolkit.errors import DataError, ResourceError

BETWEEN = ";"  # several labels of one picture


def read(path):
    """`path`: Path of an .npz file -> Reading; nothing pickled is ever opened. Raises DataError, ResourceError."""
    import pandas

    arrays = _arrays(path)
    faults, rows, pictures, widths = [], [], {}, set()
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
        widths.add(labels.shape[1] if labels.ndim == 2 else 1)
        rows += [(f"{prefix}images[{i}]", name, part, "") for i, name in enumerate(_names(labels))]
    if len(widths) > 1:
        faults.append(f"the parts have other numbers of labels a picture: {', '.join(map(str, sorted(widths)))}")
    several = max(widths, default=1) > 1
    table = pandas.DataFrame(rows, columns=["path", "label", "split", "group"], dtype=object)

    def source(key):
        name, _, number = key.rstrip("]").partition("[")
        return pictures[name][int(number)]

    return Reading(table, source, "npz", faults=tuple(faults), task="multi-label" if several else "classification",
                   classes=tuple(map(str, range(max(widths)))) if several else (), delimiter=BETWEEN if several else "")


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
    if labels.ndim not in (1, 2) or len(labels) != len(images) or not labels.size:
        return (f"{prefix}labels is {labels.shape} for {len(images)} pictures; wanted (n,) or (n, 1), or (n, k) of 0"
                " and 1.")
    if labels.dtype.kind not in "buifU":
        return f"{prefix}labels is of {labels.dtype}; wanted numbers or names of classes."
    if labels.ndim == 2 and labels.shape[1] > 1 and (labels.dtype.kind == "U" or not np.isin(labels, (0, 1)).all()):
        return (f"{prefix}labels is {labels.shape} with other values than 0 and 1; wanted (n,) or (n, 1), or (n, k) of"
                " 0 and 1 for several labels a picture (multi-label).")
    return None


def _names(labels):
    """The label of each picture as text; of several, the numbers of those that are 1."""
    if labels.ndim == 2 and labels.shape[1] > 1:
        return [BETWEEN.join(map(str, np.flatnonzero(row))) for row in labels]
    labels = labels.reshape(-1)
    if labels.dtype.kind == "U":
        return [str(name) for name in labels]
    return [str(int(number)) if number == np.rint(number) and np.isfinite(number) else f"{number:.9g}"
            for number in labels]
