"""How the pictures look and which of them show the same scene: found once for each set of pictures, and kept."""

import hashlib

import numpy as np

LOOKS, NEAR = 2, 2  # versions of what is kept


def looks(pixels, store, progress):
    """doctor.looks.Looks of `pixels`, features.rows.Rows."""
    from toolkit.doctor.looks import Looks, measured

    keys, step = pixels.keys, progress.start("look", "Comparing how the pictures look.")
    shelf = looks_of(pixels.shelf, store, len(keys))
    missing = np.array([row for row, key in enumerate(keys) if key not in shelf], int)
    if len(missing):
        found = measured(pixels, step, missing)
        numbers = np.stack(found[:-1], 1).astype(float).tolist()
        shelf.put(keys[missing], [found.thumbnails], numbers)
        shelf.flush()
    rows = [shelf.row(key) for key in keys]
    if any(row is None for row in rows):  # damaged, or deleted by another run meanwhile
        return measured(pixels, step)
    thumbnails = shelf.arrays(rows)[0]
    return Looks(*np.array([shelf.facts(key) for key in keys], np.float32).T, thumbnails)


def looks_of(pictures, store, rows):
    """The shelf of the looks of what the shelf `pictures` holds."""
    from toolkit.doctor.looks import SIDE, Looks

    depends = {"looks": LOOKS, "of": Looks._fields, "pictures": pictures.what["depends"]}
    return store.shelf("looks", depends, [(SIDE, SIDE)], "uint8", rows)


def remembered(keys, pictures, store):
    """(those of `keys` of which the store still has a picture or its looks, their thumbnails uint8 (n, SIDE, SIDE))."""
    from toolkit.doctor.looks import SIDE, look

    shelf, found = looks_of(pictures, store, len(keys)), {}
    for key in keys:
        if (row := shelf.row(key)) is not None:
            found[key] = shelf.arrays([row])[0][0]
        elif (row := pictures.row(key)) is not None:
            found[key] = look(pictures.arrays([row])[0][0])[1]
    return np.array(list(found), object), np.array(list(found.values()), np.uint8).reshape(-1, SIDE, SIDE)


def near(thumbnails, keys, pictures, store, workers, progress, before=0, phase="near"):
    """doctor.near.Near of `thumbnails` of the pictures `keys` of the shelf `pictures`; before: as near.found has it."""
    from toolkit.doctor import near

    step = progress.start(phase, "Laying pictures that are alike one upon the other" + (
        ", and upon those that the model learnt from." if before else "."))
    whole = hashlib.sha256("\n".join([*keys, *([str(before)] if before else [])]).encode()).hexdigest()
    shelf = near_of(pictures, store, len(keys))
    row = shelf.row(whole) if whole in shelf else None
    if row is not None:
        bundle, likeness = shelf.arrays([row])[0][0]
        return near.Near(bundle.astype(int), likeness)
    found = near.found(thumbnails, workers, step, before)
    shelf.put([whole], [np.stack(found)[None].astype(np.float32)])
    shelf.flush()
    return found


def near_of(pictures, store, count):
    """The shelf of what is near in sets of `count` pictures of the shelf `pictures`."""
    depends = {"near": NEAR, "looks": LOOKS, "pictures": pictures.what["depends"]}
    return store.shelf("near", depends, [(2, count)], "float32", 1)
