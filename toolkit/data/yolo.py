"""YOLO text: a file of boxes a picture, in labels/ where the picture stands in images/, or beside it. For example

    data.yaml                names: [cell, dust]
    images/train/a.png
    images/val/b.png
    labels/train/a.txt       0 0.5 0.5 0.2 0.3
                             1 0.1 0.1 0.9 0.1 0.9 0.9
    labels/val/b.txt

A line is a class number and a box, centre and size in shares of the picture; or a polygon, whose box stands for it. An
empty file, or none, says that a picture shows nothing. Names stand in data.yaml or classes.txt, else numbers do.
"""

import math
from pathlib import PurePosixPath

from toolkit.data import annotated
from toolkit.data.reading import Box, Reading, count, listed
from toolkit.pixels.decode import read_bytes

KIND = "YOLO"
NAMES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")


def is_one(files):
    """Whether the folder holds pictures with text files of numbers."""
    found = [path for path in files.suffixed(".txt") if PurePosixPath(path).name not in NAMES]
    pictures = files.by_stem()
    paired = [path for path in found if PurePosixPath(path).stem in pictures]
    read = [lines_of((files.root / path).read_text("utf-8", "replace")) for path in paired[:20]]
    return sum(len(found) for found, _ in read) > sum(len(wrong) for _, wrong in read)


def read(files):
    """`files`: annotated.Files of the folder -> Reading."""
    names, boxes, broken, used = names_of(files), {}, [], set()
    for path in files.pictures:
        label = label_of(files, path)
        boxes[path] = ()
        if label is None:
            continue
        used.add(label)
        found, wrong = lines_of((files.root / label).read_text("utf-8", "replace"))
        broken += [f"{label}, line {line}" for line in wrong]
        strange = sorted({number for number, *_ in found if names and number not in names})
        broken += [f"{label}: class {number} has no name" for number in strange]
        boxes[path] = tuple(Box(names.get(number, str(number)), *edges, relative=True) for number, *edges in found)
    alone = [path for path in files.suffixed(".txt") if path not in used and "labels" in PurePosixPath(path).parts]
    faults = annotated.missing(alone, "labels/: pictures for these")
    if broken:
        faults.append(f"{count(len(broken), 'line')} that cannot be read as a box or polygon:{listed(broken)}")
    parts = annotated.split_table(files) or {path: annotated.part_of(path) for path in files.pictures}
    return Reading(annotated.rows_of(files.pictures, parts), lambda path: read_bytes(files.root / path), KIND,
                   files.root, tuple(files.left_out), tuple(faults), task="detection", boxes=boxes)


def label_of(files, picture):
    """The text file of a picture, or None."""
    place = PurePosixPath(picture).with_suffix(".txt")
    parts = list(place.parts)
    images = [i for i, part in enumerate(parts[:-1]) if part.casefold() in annotated.PICTURES]
    tried = [place, *(PurePosixPath(*parts[:i], "labels", *parts[i + 1:]) for i in images)]
    return next((str(path) for path in tried if (files.root / path).is_file()), None)


def lines_of(text):
    """([(class number, left, top, right, bottom)], numbers of the lines that are neither box nor polygon)."""
    found, wrong = [], []
    for number, line in enumerate(text.splitlines(), 1):
        cells = line.split()
        try:
            kind, values = int(cells[0]), [float(cell) for cell in cells[1:]]
            if kind < 0 or not all(math.isfinite(value) for value in values):
                raise ValueError("a negative class, or a number that is none")
        except (ValueError, IndexError):
            wrong += [number] if cells else []
            continue
        if len(values) in (4, 5):  # a fifth is how sure a model was
            x, y, width, height = values[:4]
            found.append((kind, x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        elif len(values) >= 6 and len(values) % 2 == 0:
            found.append((kind, min(values[::2]), min(values[1::2]), max(values[::2]), max(values[1::2])))
        else:
            wrong.append(number)
    return found, wrong


def names_of(files):
    """{number: name} of data.yaml or classes.txt; {} without."""
    import yaml

    for name in NAMES:
        place = files.root / name
        if not place.is_file():
            continue
        text = place.read_text("utf-8", "replace")
        if place.suffix in (".yaml", ".yml"):
            try:
                found = (yaml.safe_load(text) or {}).get("names") or {}
            except (yaml.YAMLError, AttributeError):
                continue
            pairs = found.items() if isinstance(found, dict) else enumerate(found)
            return {int(number): str(value) for number, value in pairs}
        return dict(enumerate(line.strip() for line in text.splitlines() if line.strip()))
    return {}
