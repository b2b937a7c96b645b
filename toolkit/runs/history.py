"""What a run told of its learning: events.jsonl as curves, rounds and times, read with suspicion.

An epoch has a place on one line through all rounds: the first epoch of the second round follows the last of the first.
"""

import os
from dataclasses import dataclass, field
from functools import lru_cache

from toolkit.run import paths
from toolkit.runs import reading

FIGURES = ("train_loss", "validation_loss", "validation_roc_auc")   # a number an epoch
BY_STAGE = ("rates", "gradient_norms", "update_norms")              # {stage: number} an epoch
ROUNDS, STAGES, EPOCHS = 20, 20, 10_000                             # more than any run has
PHASES = {  # in the order of the work: what people read
    "start": "Starting", "queue": "Waiting for its turn", "read": "Reading pictures",
    "look": "Comparing how pictures look", "near": "Looking for near duplicates",
    "known": "Comparing with what the model learnt",
    "features": "Looking at every picture once", "probe": "First answer",
    "judge": "Looking for wrong labels and outliers", "check": "Measuring the first answer",
    "tune": "Tuning", "score": "Measuring the tuned model", "folds": "Scoring over folds", "end": "Done",
}


@dataclass(frozen=True)
class History:
    """`epochs`: dicts with at (1, 2, ... through all rounds), round, stage, epoch and what there is of the figures.

    rounds: {stage: the place of its first epoch}; probe: validation AUC of the frozen probe, None before there is one;
    phases: {phase: seconds}; junk: lines that are none; of: epochs of a round at most.
    """

    epochs: tuple = ()
    rounds: dict = field(default_factory=dict)
    probe: float | None = None
    phases: dict = field(default_factory=dict)
    junk: int = 0
    of: int | None = None

    @property
    def best(self):
        """The epoch with the lowest validation loss; None before there is one."""
        told = [row for row in self.epochs if "validation_loss" in row]
        return min(told, key=lambda row: row["validation_loss"]) if told else None

    def has(self, name):
        """Whether any epoch told of a figure."""
        return any(name in row for row in self.epochs)


def of(folder, seconds=None):
    """The History of a run folder, empty where it tells nothing. seconds: that it has worked by now, if it lives."""
    path = paths(folder).events
    try:
        info = os.lstat(path)
    except OSError:
        return History()
    told = once(path, (info.st_ino, info.st_mtime_ns), info.st_size)
    if seconds is None or not told.phases:
        return told
    last, before = next(reversed(told.phases)), sum(told.phases.values())
    return History(told.epochs, told.rounds, told.probe,
                   told.phases | {last: told.phases[last] + max(0.0, seconds - before)}, told.junk, told.of)


@lru_cache(64)
def once(path, changed, size):
    """The History of a file that has not changed since."""
    events, junk = reading.events(path)
    found, probe, most = {}, None, None
    for event in events:
        name, value = event.get("name"), event.get("value")
        if name == "validation_roc_auc" and event["phase"] == "probe":
            probe = reading.number(value, 0, 1)
        elif event["phase"] == "tune" and (name in FIGURES or name in BY_STAGE):
            kept = reading.number(value) if name in FIGURES else by_stage(value)
            if (place := placed(event, found)) and kept not in (None, {}):
                found.setdefault(place[0], {}).setdefault(place[1], {})[name] = kept
                most = reading.number(event.get("of"), 1, EPOCHS) or most
    epochs, rounds = in_line(found)
    return History(epochs, rounds, probe, spent(events), junk, most)


def placed(event, found):
    """(stage, epoch) of an event; None where it names none."""
    stage, epoch = reading.text(event.get("stage"), 40), reading.number(event.get("step"), 1, EPOCHS)
    known = stage in found or len(found) < ROUNDS
    return (stage, int(epoch)) if stage and epoch is not None and known else None


def by_stage(value):
    """{stage: number} of what an event told by stage."""
    if not isinstance(value, dict) or len(value) > STAGES:
        return {}
    return {reading.text(stage, 40): number for stage, told in value.items()
            if (number := reading.number(told, 0)) is not None}


def in_line(found):
    """({stage: {epoch: figures}}) -> (the epochs of all rounds in a line, {stage: place of its first epoch})."""
    line, rounds, before = [], {}, 0
    for number, (stage, epochs) in enumerate(found.items()):
        rounds[stage] = before + 1
        line += [{"at": before + epoch, "round": number, "stage": stage, "epoch": epoch, **epochs[epoch]}
                 for epoch in sorted(epochs)]
        before += max(epochs)
    return tuple(line), rounds


def spent(events):
    """{phase: seconds} in the order in which phases were begun first; the last one ends with the last event."""
    found, phase, since, latest = {}, "start", 0.0, 0.0
    for event in events:
        latest = max(latest, reading.number(event.get("seconds"), 0, 1e9) or 0.0)  # a run's own clock: never backwards
        begun = event["phase"] if event.get("step") == 0 and "name" not in event else None
        if event["phase"] == "end":
            begun = "end"
        if begun in PHASES:
            found[phase] = found.get(phase, 0.0) + latest - since
            phase, since = begun, latest
    if phase != "end":
        found[phase] = found.get(phase, 0.0) + latest - since
    return found
