"""The sides of `step`, each in a process of its own that answers a question with the cost of a step."""

import json
import statistics
import sys
from pathlib import Path

from harness import Clock, answer
from step_torch import BATCH, CLASSES, pixels, torch

SKIPPED = 3  # steps of a turn that are not counted: what waited had batches ready


def part(side, backbone, norms, steps, augment=None, precision=None):
    """A worker: answers each question with the median cost of a few steps."""
    if side == "ours":
        ours(backbone, norms, steps, augment, precision)
    answer(timed({"bare": bare, "torch": torch}[side](backbone, norms), steps))


def timed(step, steps):
    """A function that takes `steps` steps and tells the median cost of one."""
    def work():
        found = []
        for _ in range(SKIPPED + steps):
            clock = Clock()
            step()
            found.append(clock.read("step_"))
        return medians(found)

    return work


def medians(found):
    """The median of each figure, the first steps of a turn left out."""
    return {name: round(statistics.median(row[name] for row in found[SKIPPED:]), 4) for name in found[0]}


def bare(backbone, norms):
    """Keras' compiled step on arrays in memory."""
    import tempfile

    import keras
    from inside import Inside
    from toolkit.training import thaw

    place = tempfile.TemporaryDirectory(prefix="benchmark-")
    net = Inside(Path(place.name) / "run", "sample:cells", "--backbone", backbone, "--weights", "none").network(CLASSES)
    thaw.set_trainable(net.model, net.stages, tuple(net.stages), norms)
    net.model.compile(keras.optimizers.AdamW(1e-4, weight_decay=0.01, global_clipnorm=1.0),
                      keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    x, y = pixels(BATCH)
    x = x.astype("float32")
    return lambda: net.model.train_on_batch(x, y)


def ours(backbone, norms, steps, augment, precision):
    """A tuning round of the toolkit, held between two steps until the next question; never returns."""
    import tempfile
    import time
    from dataclasses import replace

    from inside import Inside
    from memory import draw

    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        place = Path(folder)
        draw(place / "pictures", 20 * BATCH)
        inside = Inside(place / "run", place / "pictures", "--backbone", backbone, "--weights", "none", "--train-from",
                        "all", "--cache-views", 0, "--augment", augment, "--batch-size", BATCH, "--epochs", 1000,
                        "--patience", 1000, "--cache-dir", place / "cache", "--training-precision", precision)
        case, net = inside.pictures(), inside.network(CLASSES)
        seen, began = inside.features(case, net), time.monotonic()
        plan = replace(inside.tuning.planned(inside.chosen, case, net, seen, inside.run, began), batch_statistics=norms)
        inside.tuning.tune(inside.chosen, case, inside.task, net, seen, plan, inside.run, Turns(steps), began)


class Turns:
    """Stands where a run's progress does: after each question lets some steps pass and tells what one cost."""

    def __init__(self, steps):
        self.steps, self.found, self.clock = steps, [], None

    def start(self, phase, message):
        """Wait for the first question."""
        self.wait()
        return self.step

    def wait(self):
        """The next question; the worker ends where none comes."""
        if not sys.stdin.readline():
            sys.exit()
        self.found, self.clock = [], Clock()

    def step(self, done, of, note=""):
        """A step was taken."""
        self.found.append(self.clock.read("step_"))
        if len(self.found) == SKIPPED + self.steps:
            print(json.dumps(medians(self.found)), flush=True)
            self.wait()
        self.clock = Clock()
