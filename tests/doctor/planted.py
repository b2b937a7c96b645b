"""Clean rows and looks of a set of pictures, into which tests plant faults."""

import numpy as np
import pandas

from toolkit.doctor.looks import Looks

SEED = 0


def rows(count=240, classes=("a", "b"), seed=SEED, **columns):
    """Rows of pictures that differ by chance alone, with all columns a check may look at, and `columns` in place."""
    rng = np.random.default_rng(seed)
    width, height = rng.integers(380, 420, count), rng.integers(280, 320, count)
    found = pandas.DataFrame({
        "path": [f"{classes[i % len(classes)]}/{i}.png" for i in range(count)],
        "label": [classes[i % len(classes)] for i in range(count)], "split": "", "group": "",
        "sha256": [f"h{i}" for i in range(count)], "width": width, "height": height, "mode": "RGB", "note": "",
        "fingerprint": [f"f{i}" for i in range(count)], "span": "", "patient": "",
        "bytes": (width * height * rng.uniform(1.0, 1.3, count)).astype(int), "camera": ""})
    for name, values in columns.items():
        found[name] = values
    return found


def looks(count=240, seed=SEED, **fields):
    """Looks of pictures that differ by chance alone, and `fields` in place."""
    rng = np.random.default_rng(seed + 1)
    found = {"brightness": rng.normal(0.5, 0.05, count), "contrast": rng.normal(0.2, 0.02, count),
             "sharpness": rng.uniform(0.5, 0.8, count), "entropy": rng.normal(5, 0.2, count),
             "colour": rng.uniform(0.1, 0.2, count), "still": np.zeros(count), "letters": np.zeros(count),
             "tint": np.zeros(count), "thumbnails": rng.integers(0, 256, (count, 64, 64), np.uint8)}
    return Looks(**{**found, **fields})


def labels(case_rows):
    """Class numbers of rows."""
    return np.unique(case_rows["label"], return_inverse=True)[1]


def split(count=240, seed=SEED, shares=(0.7, 0.15, 0.15)):
    """A random split of every class."""
    return np.random.default_rng(seed + 2).choice(["train", "validation", "test"], count, p=shares).astype(object)
