"""How the pictures look and which of them show the same scene: found once for each set of pictures, and kept."""

import hashlib

import numpy as np

LOOKS, NEAR = 1, 1  # versions of what is kept


def looks(pixels, store, progress):
    """doctor.looks.Looks of `pixels`, features.rows.Rows."""
    from toolkit.doctor.looks import SIDE, Looks, measured

    keys, step = pixels.keys, progress.start("look", "Comparing how the pictures look.")
    depends = {"looks": LOOKS, "of": Looks._fields, "pictures": pixels.shelf.what["depends"]}
    shelf = store.shelf("looks", depends, [(SIDE, SIDE)], "uint8", len(keys))
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


def near(thumbnails, pixels, store, workers, progress):
    """doctor.near.Near of `thumbnails`, which are those of `pixels`."""
    from toolkit.doctor import near

    step = progress.start("near", "Laying pictures that are alike one upon the other.")
    whole = hashlib.sha256("\n".join(pixels.keys).encode()).hexdigest()
    depends = {"near": NEAR, "looks": LOOKS, "pictures": pixels.shelf.what["depends"]}
    shelf = store.shelf("near", depends, [(2, len(thumbnails))], "float32", 1)
    row = shelf.row(whole) if whole in shelf else None
    if row is not None:
        bundle, likeness = shelf.arrays([row])[0][0]
        return near.Near(bundle.astype(int), likeness)
    found = near.found(thumbnails, workers, step)
    shelf.put([whole], [np.stack(found)[None].astype(np.float32)])
    shelf.flush()
    return found
