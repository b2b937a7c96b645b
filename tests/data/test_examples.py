"""Every format is read as the example in its module shows it: the files of the example are made, and all are found."""

import importlib
import re
import shutil
from pathlib import PurePosixPath

import numpy as np
import pandas
import pytest
from PIL import Image

from toolkit.data import manifest, targets
from toolkit.data.reading import SUFFIXES

FORMATS = manifest.ANNOTATED
EXAMPLES = {  # module, example -> task, numbers of pictures in its parts
    ("folders", 0): ("classification", {"": 3}),
    ("folders", 1): ("classification", {"train": 2, "validation": 2, "test": 2}),
    ("table", 0): ("classification", {"train": 1, "test": 1}), ("table", 1): ("multi-label", {"": 2}),
    ("table", 2): ("multi-label", {"": 2}), ("table", 3): ("regression", {"": 2}), ("table", 4): ("ordinal", {"": 2}),
    ("npz", 0): ("classification", {"train": 6, "validation": 3, "test": 3}),
    ("npz", 1): ("multi-label", {"train": 8, "validation": 4}),
    ("masks", 0): ("segmentation", {"": 2}), ("coco", 0): ("detection", {"train": 1, "validation": 1}),
    ("voc", 0): ("detection", {"train": 1, "validation": 1}), ("yolo", 0): ("detection", {"train": 1, "validation": 1}),
}
every_example = pytest.mark.parametrize("name, number", EXAMPLES, ids=[f"{name} {number}" for name, number in EXAMPLES])


def examples(module):
    """[(the line before it, {path: content})] of the indented lines of a docstring; deeper ones go on with a file."""
    found, before, inside = [], "", False
    for line in module.__doc__.splitlines():
        if line.startswith("    "):
            if not inside:
                found.append((before, {}))
            files, inside = found[-1][1], True
            if line[4] == " ":
                files[path] += "\n" + line.strip()
            else:
                path, _, content = line.strip().partition("  ")
                files[path] = content.strip()
        elif line.strip():
            before, inside = line, False
    return found


def example(module, number=0):
    """The files of an example."""
    return examples(module)[number][1]


def build(folder, files):
    """The files of an example; pictures are drawn, arrays too."""
    for number, (path, content) in enumerate(files.items()):
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(number)
        if PurePosixPath(path).suffix.lower() in SUFFIXES:
            pixels = rng.integers(0, 256, (48, 64), np.uint8)
            Image.fromarray(pixels * (pixels > 200) if "mask" in path else pixels).save(place)
        elif place.suffix == ".npz":
            shapes = {name: tuple(map(int, sizes.split(",")))
                      for name, sizes in re.findall(r"(\w+) \(([\d, ]+)\)", content)}
            np.savez(place, **{name: rng.integers(0, 2 if "labels" in name else 256, shape, np.uint8)
                               for name, shape in shapes.items()})
        else:
            place.write_text(content)
    return folder


def asked(module, number):
    """The options that the line before an example names, as manifest.read takes them."""
    given = dict((name, value.rstrip(",:")) for name, value in re.findall(r"--(label-\w+|task) (\S+)",
                                                                          examples(module)[number][0])[:1])
    order = tuple(given["label-order"].split(",")) if "label-order" in given else ()
    return {"asked": targets.Asked(given.get("task", "auto"), order, given.get("label-delimiter", "")),
            **({"label_column": given["label-column"]} if "label-column" in given else {})}


def made(folder, name, number):
    """(what is given to a reader, its options, files) of an example."""
    module = importlib.import_module(f"toolkit.data.{name}")
    files = example(module, number)
    build(folder, files)
    alone = [path for path in files if path.endswith((".csv", ".npz")) and name in ("table", "npz")]
    return folder / alone[0] if alone else folder, asked(module, number), files


def test_every_example_is_named_here():
    readers = ("folders", "table", "npz", *FORMATS)
    assert [(name, number) for name in readers
            for number in range(len(examples(importlib.import_module(f"toolkit.data.{name}"))))] == sorted(
        EXAMPLES, key=lambda one: (readers.index(one[0]), one[1]))


@every_example
def test_the_example_of_a_format_is_read_whole(tmp_path, name, number):
    data, options, files = made(tmp_path / "data", name, number)
    samples = manifest.read(data, **options)
    task, parts = EXAMPLES[name, number]
    assert samples.task == task and samples.rows["split"].value_counts().to_dict() == parts
    assert not samples.left_out and not samples.problems
    pictures = [path for path in files if PurePosixPath(path).suffix in (".png", ".jpg") and "masks/" not in path]
    if name != "npz":
        assert sorted(samples.rows["path"]) == sorted(pictures)
    if task == "detection":
        assert set(samples.boxes) == set(pictures) and any(samples.boxes.values())
        assert {box.name for boxes in samples.boxes.values() for box in boxes} <= {"cell", "dust"}
    elif task == "segmentation":
        assert set(samples.masks) == set(pictures) and all(path.is_file() for path in samples.masks.values())


@pytest.mark.parametrize("number, labels, classes", [
    (0, ["cat", "dog"], ["cat", "dog"]), (1, ["oedema;nodule", ""], ["oedema", "nodule"]),
    (2, ["oedema;nodule", ""], ["nodule", "oedema"]), (3, ["1.5", "20"], []),
    (4, ["mild", "none"], ["none", "mild"])])
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_A2_tables_of_every_task_are_alike_in_every_form(tmp_path, suffix, number, labels, classes):
    data, options, _ = made(tmp_path, "table", number)
    frame = pandas.read_csv(data, dtype=str, keep_default_na=False, sep=None, engine="python")
    if suffix == ".tsv":
        frame.to_csv(tmp_path / "table.tsv", sep="\t", index=False)
    elif suffix == ".parquet":
        frame.to_parquet(tmp_path / "table.parquet")
    samples = manifest.read(data.with_suffix(suffix), **options)
    assert list(samples.rows["label"]) == labels and samples.classes == classes


def test_A2_numbers_of_a_parquet_table_are_targets(tmp_path):
    data, options, _ = made(tmp_path, "table", 1)
    frame = pandas.DataFrame({"path": ["a.png", "b.png"], "oedema": [True, False], "nodule": [1.0, 0.0],
                              "size": [1.5, 2]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert list(manifest.read(tmp_path / "t.parquet", **options).rows["label"]) == ["oedema;nodule", ""]
    samples = manifest.read(tmp_path / "t.parquet", label_column="size", asked=targets.Asked("regression"))
    assert list(samples.rows["label"]) == ["1.5", "2.0"] or list(samples.rows["label"]) == ["1.5", "2"]


@pytest.mark.parametrize("pixels", [28, 224])
def test_medmnist_of_28_and_of_224(tmp_path, pixels):
    grades = np.arange(10) % 5
    np.savez(tmp_path / "retina.npz", train_images=np.zeros((10, pixels, pixels, 3), np.uint8),
             train_labels=grades[:, None])
    assert manifest.read(tmp_path / "retina.npz").task == "classification"
    samples = manifest.read(tmp_path / "retina.npz", asked=targets.Asked("ordinal"))
    assert samples.task == "ordinal" and samples.classes == list("01234")


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


@every_example
def test_I1_a_zip_of_an_example_is_read_alike(tmp_path, name, number):
    data, options, _ = made(tmp_path / "data", name, number)
    plain = manifest.read(data, **options)
    shutil.make_archive(tmp_path / "data", "zip", tmp_path / "data")
    zipped = manifest.read(tmp_path / "data.zip", cache=tmp_path / "cache", **options)
    assert zipped.rows.equals(plain.rows) and zipped.kind == plain.kind and zipped.boxes == plain.boxes
    assert np.array_equal(zipped.read(0), plain.read(0)) and zipped.task == plain.task


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
    ("coco", ("annotations/instances_train.json", lambda text: text.replace("[4,", "[NaN,")), "annotation 1"),
    ("coco", ("annotations/instances_train.json", lambda text: text.replace("[4,", "[1e999,")), "annotation 1"),
    ("voc", ("Annotations/a.xml", lambda text: text.replace("<xmin>5", "<xmin>nan")), "no number"),
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
