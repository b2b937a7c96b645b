"""CSV tables of pictures that both sides read."""

import csv
from collections import Counter

PARTS = {"train": "train", "val": "val", "validation": "val", "test": "test"}


def rows_of(path):
    """The rows of a CSV file as dicts."""
    with open(path, newline="", encoding="utf-8-sig") as file:
        return list(csv.DictReader(file))


def write(path, head, rows):
    """A CSV file, its folder with it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *rows])


def first(rows, limit):
    """(path, file, label, split) of rows (file, label, split), at most `limit` of each class and part, 0 for all."""
    seen, out = Counter(), []
    for file, label, part in rows:
        seen[label, part] += 1
        if not limit or seen[label, part] <= limit:
            out.append((file, file, label, PARTS[part]))
    return out
