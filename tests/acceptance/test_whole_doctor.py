"""Wrong labels and odd pictures planted among real ones, found by the command with a real network."""

import csv
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.acceptance import runs
from toolkit import check, errors

SETS = {"cells": 0.8, "busi": 0.5}  # least average precision of wrong labels


@pytest.fixture(scope="module")
def resnet18(shared, tmp_path_factory):
    packed, folder = shared / "data" / "weights" / "resnet18_imagenet_pqf.npz", tmp_path_factory.mktemp("weights")
    if not packed.exists():
        pytest.skip(f"no {packed}")
    subprocess.run([sys.executable, packed.with_name("decode.py"), packed, "--out", folder], check=True,
                   capture_output=True)
    return folder / "resnet18_imagenet_pqf.safetensors"


def labelled(name, shared):
    """[(path, right label, given label)] of a set; pictures in two classes are left out."""
    if name == "busi":
        images = shared / "data" / "busi" / "images"
        return [(path, path.parent.name, path.parent.name) for path in sorted(images.rglob("*.*"))]
    from toolkit.data.samples import cells

    table = cells.make()
    planted = runs.read(table.with_name("planted.json"))
    right = {wrong["path"]: wrong["right"] for wrong in planted["wrong_labels"]}
    gone = {path for pair in planted["conflicts"] for path in pair} | set(planted["unreadable"])
    return [(table.parent / row["path"], right.get(row["path"], row["label"]), row["label"])
            for row in csv.DictReader(open(table, newline="")) if row["path"] not in gone]


def odd(folder):
    """Names of two photographs, noise, and a placeholder, drawn there."""
    from sklearn.datasets import load_sample_image

    pictures = (load_sample_image("china.jpg"), load_sample_image("flower.jpg")[:400, :400],
                np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8),
                np.full((128, 128, 3), 200, np.uint8))
    for number, pixels in enumerate(pictures):
        Image.fromarray(pixels).save(folder / f"odd{number}.png")
        yield f"odd{number}.png"


@pytest.mark.parametrize("data", SETS)
def test_planted_wrong_labels_and_odd_pictures_are_found(data, shared, resnet18, tmp_path):
    from sklearn.metrics import average_precision_score

    known, rng = labelled(data, shared), np.random.default_rng(0)
    classes = sorted({right for _, right, _ in known})
    given = np.array([classes.index(label) for *_, label in known])
    more = rng.permutation(len(given))[:round(0.05 * len(given))]
    given[more] = (given[more] + rng.integers(1, len(classes), len(more))) % len(classes)
    strange = list(odd(tmp_path))
    rows = [(f"{row}{path.suffix}", classes[given[row]]) for row, (path, *_) in enumerate(known)]
    for (name, _), (path, *_) in zip(rows, known):
        shutil.copyfile(path, tmp_path / name)
    table = runs.table(tmp_path / "table.csv", [*rows, *((path, classes[0]) for path in strange)])
    assert errors.guarded(check.main, [str(table), "--backbone", "resnet18", "--weights", str(resnet18),
                                       "--out", str(tmp_path / "out")]) == 0
    found = {one["check"]: one for one in runs.read(tmp_path / "out" / "doctor.json")["findings"]}
    score = dict(zip(found["label errors"]["pictures"], found["label errors"]["scores"]))
    wrong = [label != right for (_, label), (_, right, _) in zip(rows, known)]
    assert average_precision_score(wrong, [score.get(path, 0.0) for path, _ in rows]) >= SETS[data]
    suggested = dict(zip(found["label errors"]["pictures"], found["label errors"]["suggested"]))
    named = [suggested[path] == right for (path, label), (_, right, _) in zip(rows, known)
             if label != right and score.get(path, 0) > 0.5]
    assert np.mean(named) > 0.7 and len(named) > 0.4 * sum(wrong)
    assert set(strange) <= set(found["outliers"]["pictures"]) and len(found["outliers"]["pictures"]) <= 8
