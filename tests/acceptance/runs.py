"""Small pictures, a weight file and the two commands, for tests that look at whole runs from outside."""

import csv
import io
import json
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from toolkit import errors, finetune, predict

ROOT = Path(__file__).resolve().parents[2]
CLASSES = ("blue", "green", "red")
SMALL = ("--backbone", "cifar_resnet20", "--size", 32, "--resamples", 100, "--epochs", 1)


def picture(kind, seed, side=36):
    """uint8 (side, side, 3): noise in which channel `kind` is brighter; no two seeds give the same."""
    pixels = np.random.default_rng(seed).normal(110, 45, (side, side, 3))
    pixels[..., 2 - kind] += 40
    return pixels.clip(0, 255).astype(np.uint8)


def draw(folder, counts, suffix=".png"):
    """Class folders with `counts` {class: pictures} under `folder`, which is returned."""
    for kind, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(picture(kind % 3, 1000 * kind + i)).save(folder / name / f"{i}{suffix}")
    return folder


def table(path, rows, columns=("path", "label")):
    """A CSV of `rows` under `columns`; the path is returned."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


def weight_file(path):
    """A .safetensors of cifar_resnet20 with random weights and statistics, as a user might bring it."""
    from toolkit import backbones
    from toolkit.backbones import formats

    rng, model = np.random.default_rng(0), backbones.build("cifar_resnet20")
    arrays = {}
    for layer in model.layers:
        for variable in layer.weights:
            values = rng.normal(0, 0.1, variable.shape)
            if variable.name == "kernel":
                values *= 10 * np.sqrt(2 / np.prod(variable.shape[:-1]))
            elif variable.name in ("gamma", "moving_variance"):
                values = (0.3 if variable.name == "gamma" else 1.0) + abs(values)
            arrays[f"{layer.name}/{variable.name}"] = values.astype(np.float32)
    formats.save(path, arrays, {"licence": "CC0-1.0"})
    return path


def tune(*arguments):
    """Exit code of `python -m toolkit.finetune` with `arguments`, run here."""
    return errors.guarded(finetune.main, [str(argument) for argument in arguments])


def ask(*arguments):
    """Exit code of `python -m toolkit.predict` with `arguments`, run here."""
    return errors.guarded(predict.main, [str(argument) for argument in arguments])


def command(name, *arguments):
    """The command line of a process of its own."""
    return [sys.executable, "-m", f"toolkit.{name}", *map(str, arguments)]


def environment(**changes):
    """The environment of such a process; None takes a variable away."""
    known = {**os.environ, "PYTHONPATH": str(ROOT), **changes}
    return {name: value for name, value in known.items() if value is not None}


def rows(path):
    """The rows of a CSV file as dicts."""
    return list(csv.DictReader(io.StringIO(Path(path).read_text("utf-8-sig"), newline="")))


def read(path):
    """What a JSON file holds; NaN and infinity are refused, as JSON knows neither."""
    return json.loads(Path(path).read_text("utf-8"), parse_constant=lambda name: 1 / 0)


def events(folder, name):
    """Values of the events called `name`, in order."""
    lines = (folder / "events.jsonl").read_text("utf-8").splitlines()
    return [event["value"] for event in map(json.loads, lines) if event.get("name") == name]


def told(folder):
    """Text of the report without its marks."""
    from html.parser import HTMLParser

    words, parser = [], HTMLParser()
    parser.handle_data = words.append
    parser.feed((folder / "report.html").read_text("utf-8"))
    return " ".join(" ".join(words).split())


def refused(capsys, *words):
    """Assert that standard error holds `error: ...` first, with all of `words`, and no traceback; return it."""
    said = capsys.readouterr().err
    assert said.startswith("error: ") and "Traceback" not in said
    assert [word for word in map(str, words) if word not in said] == [], said
    return said
