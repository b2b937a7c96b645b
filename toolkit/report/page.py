"""report.html: one file for people, without script and without a single request.

The facts, of which only title, classes and metrics with a test block must be there:
    title, task, created      str
    classes                   [str], in the order of the columns
    metrics                   metrics.json, as a dict
    part                      str, what was measured on, where it is no test part of a run
    predictions               {"test" | "validation": (truth int (n,), probabilities float (n, k))}, for the calibration
    curves                    {class: {"sensitivity", "specificity", "precision": float (m,)}}, see figures.roc
    history                   [{"stage", "epoch", "train_loss", "validation_loss", "rates": {stage: rate}}]
    probe_loss                float, the probe's validation loss, counted as in the history
    findings, about, picture  as in report.findings
    counts                    {part: {class: pictures}}
    groups                    {"named": how many the data name, "parted": how many of them stand in several parts,
                              "without": pictures that have none}
    skipped, converted        {reason: pictures}: left out; changed on reading
    mistakes                  [{"path", "label", "predicted", "probability" 0..1, "thumbnail" uint8 (h, w, 1 or 3)}],
                              worst first
    network                   {"backbone", "weights", "licence", "source", "parameters", "size", "channels", "resize",
                              "random": bool, began from random weights}
    decision                  str, which model was kept and why
    options                   {option: value} that differ from the default
    seconds                   {phase: seconds}, "total" among them
    machine, run              {name: value}: where and how it ran
Names of classes and files may hold anything: they are shown as text.
"""

import base64
import io
from pathlib import Path

import numpy as np

from toolkit.errors import plain
from toolkit.files import write_atomic
from toolkit.report import figures, findings, words

MOST_MISTAKES = 24
PICTURES, SHOWN = 1_500_000, 12  # bytes of the findings' pictures, and how many pictures or bundles of each
MOST_CELLS = 12  # classes up to which the confusion matrix stands as a table; beyond, its largest errors do
CURVES = ("roc", "precision_recall", "reliability", "confidence", "learning", "rates")
ABSENT = {"created": "", "decision": ""} | {
    name: {} for name in ("counts", "skipped", "converted", "network", "options", "seconds", "machine", "run")}
THUMBNAIL = 176  # pixels of the longer side, twice what is shown on a plain screen
TITLES = {
    "confusion": ("Confusion matrix", "Rows are labels, columns the model's answers. Shade: share of the label's row."),
    "roc": ("ROC curve", "Found against falsely found, at every threshold. The dotted line is guessing."),
    "precision_recall": ("Precision and recall", "At every threshold. Of interest where a class is rare."),
    "reliability": ("Reliability", "An honest model's confidence equals its share of right answers: the dotted line."),
    "confidence": ("Confidence", "How sure the model was of each answer, right or wrong."),
    "learning": ("Learning curves", "Training loss holds augmentation, smoothing and class weights, so it may lie "
                                    "above validation."),
    "rates": ("Learning rates", "One rate a stage; their ratios stay the same."),
    "counts": ("Pictures by class and part", "What the model learned from, was chosen on, and was measured on."),
}


def _data(value, form="number"):
    """A figure as it is shown with the exact one behind it, for machines: <data value="0.95123">0.951</data>."""
    from markupsafe import Markup

    shown = {"number": words.number, "percent": words.percent}[form](value)
    return shown if value is None else Markup('<data value="{}">{}</data>').format(repr(float(value)), shown)


def _shown(value):
    """Any value of the facts as text of one line."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: words.NONE}[value]
    if isinstance(value, dict):
        return ", ".join(f"{plain(k)} {_shown(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_shown(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else plain(value)


def thumbnail(pixels, side=THUMBNAIL):
    """uint8 (h, w, 1 or 3) as a small JPEG in a data address; re-encoded, so nothing of the file's own comes along."""
    from PIL import Image

    pixels = np.asarray(pixels, dtype=np.uint8)
    picture = Image.fromarray(pixels[..., 0] if pixels.ndim == 3 and pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    picture.save(stream, "JPEG", quality=82, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _score_rows(metrics):
    """The rows of the score table: model, probe and majority side by side, each entry as in metrics.json."""
    models = {"model": metrics["test"], "probe": metrics.get("probe", {}).get("test", {}),
              "majority": metrics.get("baseline", {}).get("majority", {})}
    rows = [{"name": name, "title": title, "meaning": meaning,
             "entries": {key: block.get(name) or {} for key, block in models.items()}}
            for name, (title, meaning) in words.SCORES.items() if name in metrics["test"]]
    return rows, [key for key, block in models.items() if key == "model" or block]


def _matrix(facts):
    """The confusion table: rows of cells with their share of the row, and the sums; None beyond MOST_CELLS classes."""
    matrix = facts["metrics"]["test"].get("confusion")
    if not matrix or len(facts["classes"]) > MOST_CELLS:
        return None
    rows = [{"name": name, "sum": sum(row), "cells": [{"n": n, "share": n / max(1, sum(row))} for n in row]}
            for name, row in zip(facts["classes"], matrix)]
    return {"rows": rows, "sums": [sum(column) for column in zip(*matrix)], "n": sum(map(sum, matrix))}


def view(facts, drawings):
    """What the template shows, from the facts and the figures {name: SVG}."""
    from markupsafe import Markup

    metrics, test = facts["metrics"], facts["metrics"]["test"]
    rows, columns = _score_rows(metrics)
    tiles = [row | {"entry": row["entries"]["model"]} for row in rows
             if row["name"] in ("roc_auc", "balanced_accuracy", "accuracy", "average_precision")]
    mistakes = [{**row, "image": thumbnail(row["thumbnail"]) if row.get("thumbnail") is not None else ""}
                for row in (facts.get("mistakes") or [])[:MOST_MISTAKES]]
    wrong = sum(sum(row) - row[i] for i, row in enumerate(test.get("confusion", [])))
    return {
        "facts": ABSENT | facts, "test": test, "validation": metrics.get("validation") or {},
        "chosen": metrics.get("chosen"), "verdict": words.verdict(facts), "judgement": words.judgement(facts),
        "known": words.without_copies(facts),
        "random": words.random_weights(facts), "caveats": words.caveats(facts),
        "arithmetic": words.arithmetic(facts), "folds": words.folds(facts), "usage": words.usage(facts),
        "tiles": tiles, "rows": rows, "columns": columns, "resampled": words.resampled(test), "read": words.READ,
        "class_scores": words.CLASS_SCORES,
        "matrix": _matrix(facts), "confusions": words.confusions(facts), "mistakes": mistakes, "wrong": wrong,
        "findings": findings.view(facts, PICTURES, SHOWN),
        "figures": {name: {"svg": Markup(figures.inline(svg, name, TITLES[name][0])), "title": TITLES[name][0],
                           "note": TITLES[name][1]} for name, svg in drawings.items()},
        "curves": [name for name in CURVES if name in drawings], "most_curves": figures.MOST_CURVES,
        "light": figures.LIGHT, "dark": figures.DARK,
    }


def environment():
    """jinja2's, with the filters that the templates use."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
                       loader=FileSystemLoader(Path(__file__).parent))
    made.filters |= {"data": _data, "plain": plain, "shown": _shown, "duration": words.duration}
    return made


def render(facts, drawings=None):
    """The page as text. `drawings`: the figures, where `figures.draw` has made them already."""
    template = environment().get_template("page.html.jinja")
    return template.render(view(facts, figures.draw(facts) if drawings is None else drawings))


def write(path, facts, folder=None):
    """Write the report to `path`, and each figure as an SVG file of its own into `folder` where one is named."""
    drawings = figures.draw(facts)
    if folder is not None:
        Path(folder).mkdir(exist_ok=True)
        for name, svg in drawings.items():
            write_atomic(Path(folder) / f"{name}.svg", figures.standalone(svg))
    write_atomic(path, render(facts, drawings))
    return Path(path)
