"""Runs beside each other: in which options they differ, and whether one is really better than another.

Two scores may be set against each other only where both were measured on the same pictures with the same labels; then
the difference is taken picture by picture, which says far more than two intervals side by side.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toolkit.errors import UntrustedError
from toolkit.run import paths
from toolkit.runs import predicted, results, scored, tables

SITTING = ("run_dir", "resume", "accept_changed_data", "no_wait", "debug", "cache_dir", "cache_limit", "workers")
METRICS = ("roc_auc", "balanced_accuracy")
RESAMPLES = 1000
DIFFER = "the test pictures differ"


@dataclass(frozen=True)
class Difference:
    """Of a run against another: {metric: {"value", "low", "high", "better"}}; or why there is none, and {}."""

    scores: dict
    reason: str = ""
    pictures: int = 0


def options(entries):
    """{option: (its value in each run, None where it has none)} of the options that are not the same in all runs."""
    names = dict.fromkeys(name for entry in entries for name in entry.options or {} if name not in SITTING)
    found = {name: tuple((entry.options or {}).get(name) for entry in entries) for name in names}
    return {name: values for name, values in found.items() if any(value != values[0] for value in values)}


def changed(options, usual):
    """{option: value} of a run's options that are not what stands anyway; usual: {option: its default}."""
    return {name: value for name, value in (options or {}).items()
            if name not in (*SITTING, "data") and name in usual and value != usual[name]}


def difference(folder, other):
    """The Difference of a run `folder` against the run `other`, both folders, on the test part."""
    if not all(results.there(one) for one in (folder, other)):
        return Difference({}, "not comparable: one of them has no scores")
    try:
        return once(signed(folder), signed(other))
    except UntrustedError as error:
        return Difference({}, f"not comparable: {error}")


def signed(folder):
    """(folder, signatures of the files that tell its answers): what was found is good while they stay."""
    here = paths(folder)
    return (folder, *map(tables.signature, (here.metrics, here.predictions, here.manifest)),
            predicted.known(here.doctor))


@lru_cache(64)
def once(challenger, incumbent):
    """`difference` of two runs whose files have not changed since."""
    from toolkit.evaluation import comparison

    first, second = tested(incumbent[0]), tested(challenger[0])
    if reason := apart(first, second):
        return Difference({}, f"not comparable: {reason}")
    return Difference({metric: comparison.difference(
        first.truth, second.probabilities, first.probabilities, metric, first.groups, RESAMPLES) for metric in METRICS},
        pictures=len(first.pictures))


def apart(first, second):
    """Why two runs were not tested on the same; "" where they were."""
    if not first.pictures:
        return "there are no test pictures"
    if [sha for sha, _ in first.pictures] != [sha for sha, _ in second.pictures]:
        return DIFFER
    if first.pictures != second.pictures:
        return "the labels of the test pictures differ"
    return "" if first.classes == second.classes else "the classes differ"


@dataclass(frozen=True)
class Tested:
    """The test part: `pictures` (sha256, label) in order, by it truth (n,), probabilities (n, k) and groups (n,)."""

    classes: list
    pictures: list
    truth: np.ndarray
    probabilities: np.ndarray
    groups: np.ndarray | None


def tested(folder):
    """The Tested of a run, pictures by sha256 and classes by name. UntrustedError where the pictures are not known."""
    answers = predicted.answers(folder, scored.metrics(folder)["classes"])
    rows, table = answers.part("test"), answers.table
    names = [(table["sha256"].iat[row], table["label"].iat[row]) for row in rows]
    if any(not sha for sha, _ in names):
        raise UntrustedError("manifest.csv does not tell which pictures were tested.")
    order = np.array(sorted(range(len(rows)), key=names.__getitem__), int)
    classes = sorted(range(len(answers.classes)), key=answers.classes.__getitem__)
    number = np.argsort(classes)
    groups = answers.groups("test")
    return Tested([answers.classes[i] for i in classes], [names[i] for i in order], number[answers.truth[rows[order]]],
                  answers.probabilities[rows[order]][:, classes], None if groups is None else groups[order])
