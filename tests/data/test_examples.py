"""Every format is read as the example in its module shows it: the files of the example are made, and all are found."""

import importlib
import re
import shutil
from pathlib import PurePosixPath

import numpy as np
import pytest
from PIL import Image

from toolkit.data import manifest
from toolkit.data.reading import SUFFIXES

FORMATS = manifest.ANNOTATED


def example(module):
    """{path: content} of the indented lines of a module's docstring; what stands deeper goes on with a content."""
    found = {}
    for line in module.__doc__.splitlines():
        if line.startswith("    ") and line[4] != " ":
            path, _, content = line.strip().partition("  ")
            found[path] = content.strip()
        elif line.startswith("     "):
            found[path] += "\n" + line.strip()
    return found


def build(folder, files):
    """The files of an example; pictures are drawn."""
    for number, (path, content) in enumerate(files.items()):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if PurePosixPath(path).suffix.lower() in SUFFIXES:
            pixels = np.random.default_rng(number).integers(0, 256, (48, 64), np.uint8)
            Image.fromarray(pixels * (pixels > 200) if "mask" in path else pixels).save(place)
        else:
            place.write_text(content)
    return folder


@pytest.mark.parametrize("name", FORMATS)
def test_the_example_of_a_format_is_read_whole(tmp_path, name):
    module = importlib.import_module(f"toolkit.data.{name}")
    files = example(module)
    samples = manifest.read(build(tmp_path / "data", files))
    pictures = [path for path in files if PurePosixPath(path).suffix in (".png", ".jpg") and "masks/" not in path]
    assert sorted(samples.rows["path"]) == sorted(pictures) and samples.kind == module.KIND
    assert not samples.left_out and not samples.problems
    if samples.task == "detection":
        assert set(samples.boxes) == set(pictures) and any(samples.boxes.values())
        assert sorted(samples.rows["split"]) == ["train", "validation"]
        assert {box.name for boxes in samples.boxes.values() for box in boxes} <= {"cell", "dust"}
    else:
        assert set(samples.masks) == set(pictures) and all(path.is_file() for path in samples.masks.values())


def test_boxes_have_their_edges(tmp_path):
    wanted = {"coco": (4, 5, 24, 15, False), "voc": (4, 5, 24, 15, False), "yolo": (0.4, 0.35, 0.6, 0.65, True)}
    for name, edges in wanted.items():
        module = importlib.import_module(f"toolkit.data.{name}")
        samples = manifest.read(build(tmp_path / name, example(module)))
        box = next(boxes for boxes in samples.boxes.values() if boxes)[0]
        assert (box.left, box.top, box.right, box.bottom, box.relative) == pytest.approx(edges)


def test_a_polygon_stands_as_its_box(tmp_path):
    samples = manifest.read(build(tmp_path, example(importlib.import_module("toolkit.data.yolo"))))
    polygon = samples.boxes["images/train/a.png"][1]
    assert polygon.name == "dust" and (polygon.left, polygon.bottom) == (0.1, 0.9)


def test_the_real_sets_are_read(shared):
    cells = manifest.read(shared / "data" / "bccd")
    counts = {}
    for boxes in cells.boxes.values():
        for box in boxes:
            counts[box.name] = counts.get(box.name, 0) + 1
    assert counts == {"RBC": 2301, "WBC": 203, "Platelets": 194} and len(cells) == 200
    assert cells.rows["split"].value_counts().to_dict() == {"train": 112, "validation": 44, "test": 44}
    nuclei = manifest.read(shared / "data" / "nuclei")
    assert len(nuclei) == len(nuclei.masks) == 92 and nuclei.task == "segmentation"
    assert set(nuclei.rows["split"]) == {"train", "validation", "test"}
    breast = manifest.read(shared / "data" / "busi")
    assert len(breast) == 780 and len(breast.masks) == 647


@pytest.mark.parametrize("name", FORMATS)
def test_I1_a_zip_of_an_example_is_read_alike(tmp_path, name):
    files = example(importlib.import_module(f"toolkit.data.{name}"))
    plain = manifest.read(build(tmp_path / "data", files))
    shutil.make_archive(tmp_path / "data", "zip", tmp_path / "data")
    zipped = manifest.read(tmp_path / "data.zip", cache=tmp_path / "cache")
    assert zipped.rows.equals(plain.rows) and zipped.kind == plain.kind and zipped.boxes == plain.boxes
    assert zipped.read(0) == plain.read(0)


def test_I1_a_zip_of_class_folders_or_of_a_table(tmp_path):
    for name in ("cat", "dog"):
        build(tmp_path / "data" / "set", {f"{name}/{i}.png": "" for i in range(2)})
    shutil.make_archive(tmp_path / "folders", "zip", tmp_path / "data")
    assert manifest.read(tmp_path / "folders.zip", cache=tmp_path / "cache").counts == {"cat": 2, "dog": 2}
    (tmp_path / "data" / "set" / "table.csv").write_text("path,label\ncat/0.png,x\ndog/1.png,y\n")
    shutil.make_archive(tmp_path / "table", "zip", tmp_path / "data")
    assert manifest.read(tmp_path / "table.zip", cache=tmp_path / "cache").counts == {"x": 1, "y": 1}


def test_class_folders_remain_class_folders(tmp_path):
    for name in ("cat", "dog"):
        build(tmp_path, {f"{name}/{i}.png": "" for i in range(2)} | {f"{name}/notes.txt": "9 lives", "info.json": "{}"})
    samples = manifest.read(tmp_path)
    assert samples.kind == "folder" and samples.counts == {"cat": 2, "dog": 2}


@pytest.mark.parametrize("name, change, word", [
    ("coco", ("annotations/instances_train.json", lambda text: text[:-30]), "cannot be read as COCO JSON"),
    ("coco", ("annotations/instances_train.json", lambda text: text.replace('"category_id": 7', '"category_id": 8')),
     "annotation 1"),
    ("coco", ("annotations/instances_train.json", lambda text: text.replace("a.png", "gone.png")), "gone.png"),
    ("voc", ("Annotations/a.xml", lambda text: text.replace("<xmin>5", "<xmin>five")), "Annotations/a.xml"),
    ("voc", ("Annotations/a.xml", lambda text: "<!DOCTYPE x [<!ENTITY a 'b'>]>" + text), "declarations of its own"),
    ("yolo", ("labels/train/a.txt", lambda text: text + "\n0 0.5 0.5"), "labels/train/a.txt, line 3"),
    ("yolo", ("labels/train/a.txt", lambda text: text.replace("1 0.1", "7 0.1")), "class 7 has no name")])
def test_A7_damaged_annotations_are_named(tmp_path, name, change, word):
    files = example(importlib.import_module(f"toolkit.data.{name}"))
    path, edit = change
    build(tmp_path, files | {path: edit(files[path])})
    with pytest.raises(manifest.DataError, match=re.escape(word)):
        manifest.read(tmp_path)
