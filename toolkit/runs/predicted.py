"""What a model answered for the pictures that were kept apart: predictions.csv, beside what manifest.csv knows."""

import re
from array import array
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from toolkit.errors import UntrustedError
from toolkit.run import paths
from toolkit.runs import checks, tables

COLUMNS = ("split", "path", "label", "predicted")
PARTS = ("test", "validation")
DIGEST = re.compile("[0-9a-f]{64}")
SAME = ("duplicates", "label conflicts", "near duplicates", "near duplicates in several classes")  # of doctor.json
ORDERS = {"loss": "worst first", "unsure": "least sure first", "sure": "surest first", "path": "by name"}


@dataclass(frozen=True)
class Answers:
    """What a model answered for n pictures, in the order of predictions.csv. Nothing in it is to be changed.

    table: DataFrame with split, path, label, predicted, sha256, group, key (16 characters, "" where the picture is not
    known) and id (the key, told apart where one picture stands there twice). truth, answer: int (n,), numbers of
    `classes`; probabilities: float (n, k). counts: {part: {class: pictures}} of the manifest, train among them; named:
    its groups, as report.page has them; same: for each finding of copies and near duplicates {path: its bundle}.
    """

    classes: tuple
    table: object
    truth: np.ndarray
    answer: np.ndarray
    probabilities: np.ndarray
    counts: dict
    named: dict
    same: tuple = ()

    def __len__(self):
        return len(self.truth)

    @cached_property
    def loss(self):
        """-ln p of the label, (n,): how much each picture surprised."""
        chosen = self.probabilities[np.arange(len(self)), self.truth]
        return -np.log(np.clip(chosen, np.finfo(float).eps, 1))

    @cached_property
    def sure(self):
        """The largest probability, (n,)."""
        return self.probabilities.max(axis=1)

    @cached_property
    def right(self):
        """Whether the answer is the label, (n,)."""
        return self.answer == self.truth

    @cached_property
    def places(self):
        """{id: row}."""
        return {name: row for row, name in enumerate(self.table["id"])}

    def part(self, name):
        """Rows of a part."""
        return np.flatnonzero(self.table["split"].to_numpy() == name)

    def confusion(self, part):
        """Counts by label (row) and answer (column), int (k, k)."""
        rows, k = self.part(part), len(self.classes)
        return np.bincount(self.truth[rows] * k + self.answer[rows], minlength=k * k).reshape(k, k)

    @cached_property
    def bound(self):
        """What must not be resampled apart, int (n,): pictures of one group, file or scene, and copies of one."""
        from toolkit.data import splits
        from toolkit.pixels import frames

        found = ([places.get(path, "") for path in self.table["path"]] for places in self.same)
        return splits.bind(self.table["group"], self.table["sha256"], frames.files(self.table["path"]), *found)

    def groups(self, part):
        """`bound` of a part; None where every picture of it stands alone."""
        found = self.bound[self.part(part)]
        return None if len(np.unique(found)) == len(found) else found

    def where(self, part="test", cell=None, label=None, predicted=None, right=None, below=None, order="loss"):
        """Rows (m,) that are wanted, in the order wanted.

        cell: (label, answer) of the confusion matrix; label, predicted: one class; right: True or False; below: only
        answers less sure than that, 0..1; order: one of ORDERS. Classes are numbers.
        """
        rows = self.part(part)
        label, predicted = cell if cell is not None else (label, predicted)
        for values, wanted in ((self.truth, label), (self.answer, predicted), (self.right, right)):
            if wanted is not None:
                rows = rows[values[rows] == wanted]
        if below is not None:
            rows = rows[self.sure[rows] < below]
        by = {"loss": -self.loss, "unsure": self.sure, "sure": -self.sure}.get(order)
        if by is None:
            return rows[np.argsort(self.table["path"].to_numpy(str)[rows], kind="stable")]
        return rows[np.argsort(by[rows], kind="stable")]


def answers(folder, classes):
    """The Answers of a run's predictions.csv, read anew only when a file has changed.

    Raises UntrustedError where it is damaged or does not fit `classes`; without a manifest the pictures have no key.
    """
    here = paths(folder)
    return joined(tables.signature(here.predictions), known(here.manifest), known(here.doctor), tuple(classes))


def known(path):
    """The signature of a file that may be lacking; None where it is, or may not be read."""
    try:
        return tables.signature(path)
    except UntrustedError:
        return None


@lru_cache(4)
def joined(answered, listed, examined, classes):
    """The Answers of predictions.csv, manifest.csv and doctor.json of these signatures."""
    import pandas

    columns, truth, answer, probabilities = predictions(answered[0], classes)
    facts, counts, sides = manifest(listed[0]) if listed else ({}, Counter(), {})
    shas, groups = zip(*(facts.get(path, ("", "")) for path in columns["path"])) if len(truth) else ((), ())
    keys = [sha[:16] for sha in shas]
    table = pandas.DataFrame({**columns, "sha256": shas, "group": groups, "key": keys}, dtype=object)
    seen, marks = Counter(), []
    for row, key in enumerate(table["key"]):
        seen[key] += 1
        marks.append(f"row{row}" if not key else key if seen[key] == 1 else f"{key}-{seen[key]}")
    table["id"] = marks
    counts = {part: {name: counts[part, written(name)] for name in classes} for part in ("train", *reversed(PARTS))}
    return Answers(classes, table, truth, answer, probabilities,
                   {part: sizes for part, sizes in counts.items() if any(sizes.values())}, grouped(facts, sides),
                   bundles(examined) if examined else ())


def bundles(examined):
    """`Answers.same` of a doctor.json of this signature; () where it is damaged."""
    try:
        found = checks.found_in(*examined)
    except UntrustedError:
        return ()
    return tuple({written(path): number for number, bundle in enumerate(one.bundles) for path in bundle}
                 for one in found if one.check in SAME and one.bundles)


def grouped(facts, sides):
    """{"named", "parted", "without"}: numbers of groups, of those in several parts, and of pictures without one."""
    return {"named": len(sides), "parted": sum(len(parts) > 1 for parts in sides.values()),
            "without": sum(not group for _, group in facts.values())}


def predictions(path, classes):
    """(columns {name: list}, truth, answer, probabilities) of a predictions.csv."""
    table, number = tables.rows(path), {written(name): i for i, name in enumerate(classes)}
    if next(table) != [*COLUMNS, *(f"p_{name}" for name in number)]:
        raise UntrustedError(f"{path.name} is damaged: its columns are not those of the run's classes.")
    columns, flat = {name: [] for name in COLUMNS}, array("d")
    for row in table:
        for values, cell in zip(columns.values(), row):
            values.append(cell)
        try:
            flat.extend(map(float, row[len(COLUMNS):]))
        except ValueError:
            raise UntrustedError(f"{path.name} is damaged: a probability in it is no number.") from None
    probabilities = np.array(flat, float).reshape(-1, len(classes))
    try:
        truth, told = (np.array([number[cell] for cell in columns[name]], np.int64) for name in ("label", "predicted"))
    except KeyError as error:
        raise UntrustedError(f"{path.name} is damaged: {error.args[0][:80]!r} is no class of the run.") from None
    check(path, columns, told, probabilities)
    return columns, truth, told, probabilities


def check(path, columns, told, probabilities):
    """UntrustedError where numbers are no probabilities, or not those of the answers."""
    strange = set(columns["split"]) - set(PARTS)
    if strange:
        raise UntrustedError(f"{path.name} is damaged: {min(strange)[:80]!r} is no part that is kept apart.")
    fine = np.isfinite(probabilities).all() and (probabilities >= 0).all()
    if not fine or (abs(probabilities.sum(axis=1) - 1) > 1e-3).any():
        raise UntrustedError(f"{path.name} is damaged: the probabilities of a picture do not sum to 1.")
    if len(told) and (probabilities.argmax(axis=1) != told).any():
        raise UntrustedError(f"{path.name} is damaged: an answer is not the class with the highest probability.")


def manifest(path):
    """({path: (sha256, group)}, Counter of (part, label), {group: its parts}) of a manifest.csv; all empty where it
    lacks such columns. UntrustedError where it is damaged.
    """
    table, facts, counts, sides = tables.rows(path), {}, Counter(), {}
    header = next(table)
    wanted = ("path", "sha256", "group", "split", "label")
    if set(wanted) <= set(header):
        at = [header.index(name) for name in wanted]
        for row in table:
            name, sha, group, part, label = (row[i] for i in at)
            facts[name] = (sha if DIGEST.fullmatch(sha) else "", group)
            counts[part, label] += 1
            if group:
                sides.setdefault(group, set()).add(part)
    return facts, counts, sides


def written(name):
    """A class name as a table holds it."""
    return name.encode("utf-8", "backslashreplace").decode()
