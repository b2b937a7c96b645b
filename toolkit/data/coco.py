"""COCO JSON: boxes by `images`, `categories` and `annotations`, in one file or one a part. For example

    annotations/instances_train.json  {"images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
                                       "categories": [{"id": 7, "name": "cell"}],
                                       "annotations": [{"id": 1, "image_id": 1, "category_id": 7,
                                                        "bbox": [4, 5, 20, 10], "iscrowd": 0}]}
    annotations/instances_val.json    {"images": [{"id": 2, "file_name": "b.png"}],
                                       "categories": [{"id": 7, "name": "cell"}], "annotations": []}
    images/a.png
    images/b.png

A box is left, top, width and height in pixels. Polygons and run lengths are passed over: their boxes stand for them.
"""

import json
import math
from pathlib import PurePosixPath

from toolkit.data import annotated
from toolkit.data.reading import Box, Reading, count, listed
from toolkit.errors import DataError
from toolkit.pixels.decode import read_bytes

KIND = "COCO"
LARGEST = 2**30  # bytes of a JSON file
HEAD = 4096      # bytes in which a COCO file shows one of its keys


def is_one(files):
    """Whether the folder holds COCO files."""
    return bool(annotation_files(files))


def annotation_files(files):
    """The JSON files that look like COCO's."""
    return [path for path in files.suffixed(".json") if looks(files.root / path)]


def looks(path):
    """Whether a JSON file speaks of images and annotations near its beginning or its end."""
    with open(path, "rb") as file:
        head = file.read(HEAD)
        file.seek(max(0, path.stat().st_size - HEAD))
        ends = head + file.read(HEAD)
    return head.lstrip()[:1] == b"{" and (b'"images"' in ends or b'"annotations"' in ends or b'"categories"' in ends)


def read(files):
    """`files`: annotated.Files of the folder -> Reading. Raises DataError for a file that cannot be read."""
    boxes, parts, absent, faults, notes = {}, {}, set(), [], []
    for name in annotation_files(files):
        content = loaded(files.root / name)
        names = {row["id"]: str(row["name"]) for row in content["categories"]}
        beside, pictures = str(PurePosixPath(name).parent), {}
        for row in content["images"]:
            path = files.find(str(row["file_name"]), "" if beside == "." else beside)
            if path is None:
                absent.add(str(row["file_name"]))
                continue
            pictures[row["id"]] = path
            boxes.setdefault(path, [])
            parts[path] = annotated.part_of(name) or annotated.part_of(path)
        faults += place(content["annotations"], {row["id"] for row in content["images"]}, names, pictures, boxes, name)
    unboxed = [path for path in files.pictures if path not in boxes]
    if unboxed:
        notes.append(f"{count(len(unboxed), 'picture')} in no annotation file, left out:{listed(unboxed)}")
    parts = annotated.split_table(files) or parts
    rows = annotated.rows_of(sorted(boxes), parts)
    return Reading(rows, lambda path: read_bytes(files.root / path), KIND, files.root,
                   (*files.left_out, *((path, "in no annotation file") for path in unboxed)),
                   (*annotated.missing(absent, "the annotations"), *faults), tuple(notes), task="detection",
                   boxes={path: tuple(found) for path, found in boxes.items()})


def loaded(path):
    """The content of a COCO file, its three lists there and of the right kind."""
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(f"longer than {LARGEST / 2**30:.0f} GB")
        content = json.loads(path.read_bytes())
        content = {key: content.get(key, []) for key in ("images", "categories", "annotations")}
        for key, fields in (("images", ("id", "file_name")), ("categories", ("id", "name"))):
            if not all(isinstance(row, dict) and set(fields) <= set(row) for row in content[key]):
                raise ValueError(f"each of {key!r} needs {' and '.join(fields)}")
        return content
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        raise DataError(f"{path} cannot be read as COCO JSON ({str(error)[:120]}).") from None


def place(annotations, known, names, pictures, boxes, file):
    """Put the boxes of a file to their pictures -> sentences about those that fit nowhere."""
    strange = []
    for row in annotations:
        try:
            left, top, width, height = (float(number) for number in row["bbox"])
            name, image = names[row["category_id"]], row["image_id"]
            if image not in known or not all(map(math.isfinite, (left, top, width, height))):
                raise ValueError("of no picture, or with an edge that is no number")
        except (KeyError, TypeError, ValueError):
            strange.append(f"annotation {row.get('id', '?') if isinstance(row, dict) else '?'}")
            continue
        if image in pictures:
            boxes[pictures[image]].append(Box(name, left, top, left + width, top + height,
                                              kind="crowd" if row.get("iscrowd") else ""))
    if not strange:
        return []
    return [f"{count(len(strange), 'annotation')} of {file} without a box, or of a picture or category that is not "
            f"there:{listed(strange)}"]
