"""Looks at data: which there are, how one begins, what it found.

A look is a run folder of `python -m toolkit.check` in `.dashboard/checks`. Its name is made of what is looked at, and a
number: so a reload or a second tab finds the same look, and looking again makes the next one.
"""

import hashlib
import json
import os
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from toolkit.data import edits, manifest
from toolkit.data.splits import PARTS
from toolkit.errors import UntrustedError
from toolkit.run import now, paths
from toolkit.runs import folders, launch, listing, reading, tables

KIND = "checks"
NAME = re.compile(r"[0-9a-f]{12}-\d{1,9}")
KEPT = 2                    # looks at the same data
LARGEST = 256 << 20         # bytes of doctor.json, which names the pictures of every finding
SUMMED = 500                # rows of a summary of targets
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Picture:
    """A row of a manifest: `row`, its number; `key`, what its small copy is called; `part`: one of PARTS, or ""."""

    row: int
    path: str
    label: str
    part: str
    group: str
    sha256: str
    width: int
    height: int
    note: str

    @property
    def key(self):
        return self.sha256[:16]


@dataclass(frozen=True)
class Finding:
    """What is wrong, how badly, what to do, and which of the pictures show it.

    bundles: tuples of pictures that belong together; scores, suggested: a number and a class for each picture, or ().
    """

    check: str
    severity: str
    sentence: str
    remedy: str
    pictures: tuple
    bundles: tuple = ()
    scores: tuple = ()
    suggested: tuple = ()


def identity(arguments):
    """12 hexadecimal characters for what is looked at: the same arguments, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(map(str, arguments))).encode()).hexdigest()[:12]


def named(root, name):
    """Whether `name` is that of a look, there or on its way."""
    return NAME.fullmatch(name) is not None and (
        folders.checked(root, name, KIND) is not None or launch.record(root, KIND, name) is not None)


def looks(root, arguments):
    """Names of the looks at the same data, the last one last."""
    stem = identity(arguments)
    names = {folder.name for folder in folders.listed(root, KIND)} | set(launch.waiting(root, KIND))
    return sorted((name for name in names if NAME.fullmatch(name) and name.startswith(stem)),
                  key=lambda name: int(name[13:]))


def begin(root, data, arguments, more=(), again=False):
    """Look at `data`, unless that was done or is under way, or `again` is said -> launch.Started.

    arguments: of toolkit.check, without --run-dir; more: arguments that do not tell one look from another.
    """
    with folders.alone(folders.own(root, KIND) / "lock"):
        known = looks(root, arguments)
        last = known[-1] if known else None
        if last and (launch.alive(root, KIND, last) or not again and not failed(root, last)):
            return launch.Started(last, True)
        name = f"{identity(arguments)}-{int(last[13:]) + 1 if last else 1}"
        for old in known[:len(known) - KEPT + 1]:
            forget(root, old)
        folder = Path(root, folders.KINDS[KIND], name)
        typed = [*arguments, *more, "--run-dir", folder]
        return launch.start(root, KIND, name, "check", typed, data, wish=[KIND, name])


def asked(root, name):
    """The arguments that a look was begun with, but for its folder and the file of decisions; None if not known."""
    line = (launch.record(root, KIND, name) or {}).get("command")
    if not isinstance(line, list) or "--run-dir" not in line:
        return None
    line = [str(one) for one in line[1:line.index("--run-dir")]]
    place = line.index("--edits") if "--edits" in line else len(line)
    return line[:place] + line[place + 2:]


def recent(root, most=20):
    """listing.Entry of the last looks at each data, newest first."""
    last = {}
    for name in sorted({folder.name for folder in folders.listed(root, KIND)} | set(launch.waiting(root, KIND)),
                       key=lambda name: (len(name), name)):
        last[name[:12]] = name
    found = [one for name in last.values() if (one := listing.entry(root, name, KIND)) is not None]
    return sorted(found, key=lambda one: (one.started.timestamp() if one.started else 0.0, one.id), reverse=True)[:most]


def failed(root, name):
    """Whether a look ended without a result."""
    try:
        return reading.facts(paths(Path(root, folders.KINDS[KIND], name)).run).get("state") != "finished"
    except UntrustedError:
        return True


def forget(root, name):
    """Delete a look that nobody is at."""
    folder = folders.checked(root, name, KIND)
    if folder and not folders.held(paths(folder).lock):
        shutil.rmtree(folder, ignore_errors=True)
    launch.forget(root, KIND, name)


def pictures(folder):
    """All pictures of a look's or run's manifest.csv, in its order. UntrustedError where it is none."""
    return read(*tables.signature(paths(folder).manifest))[0]


def columns(folder):
    """{further column of the data: number of its values}."""
    return read(*tables.signature(paths(folder).manifest))[1]


@lru_cache(8)
def read(path, changed, size):
    """(pictures, {further column: number of values}) of a manifest that has not changed since."""
    rows = tables.rows(path)
    header = next(rows)
    if not set(manifest.COLUMNS) <= set(header):
        raise UntrustedError(f"{path.name} is damaged (it has other columns).")
    further = {name: set() for name in header if name not in manifest.COLUMNS}
    found = []
    for number, cells in enumerate(rows):
        row = dict(zip(header, cells))
        found.append(picture(path, number, row))
        for name, values in further.items():
            values.add(row[name])
    return tuple(found), {name: len(values) for name, values in further.items()}


def picture(path, number, row):
    """The Picture of a row of the manifest `path`; UntrustedError where its numbers are none."""
    try:
        width, height = int(row["width"]), int(row["height"])
    except ValueError as error:
        raise UntrustedError(f"{path.name} is damaged ({str(error)[:200]}).") from None
    return Picture(number, row["path"], row["label"], row["split"] if row["split"] in PARTS else "", row["group"],
                   row["sha256"], width, height, row["note"])


def counts(found):
    """{class: {part: pictures}} in the order of the classes; the part "" where a picture has none."""
    tally = Counter((one.label, one.part) for one in found)
    return {label: {part: tally[label, part] for part in (*PARTS, "") if tally[label, part]}
            for label in manifest.ordered({one.label for one in found})}


def findings(folder):
    """The Findings of doctor.json, gravest first; odd ones are left out. UntrustedError where the file is none."""
    path = paths(folder).doctor
    reading.facts(path, LARGEST)
    info = os.stat(path)
    return list(found_in(path, info.st_mtime_ns, info.st_size))


@lru_cache(8)
def found_in(path, changed, size):
    """The Findings of a file that has not changed since."""
    told = reading.facts(path, LARGEST).get("findings")
    found = [finding(one) for one in (told if isinstance(told, list) else ())
             if isinstance(one, dict) and isinstance(one.get("severity"), str) and one["severity"] in SEVERITIES]
    return tuple(sorted(found, key=lambda one: SEVERITIES.index(one.severity)))


def finding(one):
    """The Finding of an object of doctor.json; what does not fit its pictures is left out."""
    pictures = names(one.get("pictures"))
    known = set(pictures)
    bundles = tuple(bundle for each in (one["bundles"] if isinstance(one.get("bundles"), list) else ())
                    if len(bundle := tuple(dict.fromkeys(names(each)))) > 1 and known.issuperset(bundle))
    whole = isinstance(one.get("pictures"), list) and len(pictures) == len(one["pictures"])
    scores = [reading.number(score) for score in one["scores"]] if isinstance(one.get("scores"), list) else []
    suggested = names(one.get("suggested"))
    return Finding(reading.text(one.get("check"), 60), one["severity"], reading.text(one.get("sentence")),
                   reading.text(one.get("remedy")), pictures, bundles,
                   tuple(scores) if whole and len(scores) == len(pictures) and None not in scores else (),
                   suggested if whole and len(suggested) == len(pictures) else ())


@dataclass(frozen=True)
class Told:
    """What else a look says: `groups`: how many; `unreadable`: (path, class, cause) and `left_out`: (path, why), each
    the first ones; `skipped`: {why: how many files}; `notes`: sentences about the decisions that were applied. `task`:
    what the data are for; `summary`: (columns, rows of text, sentences) where that is no class a picture, else None."""

    groups: int | None
    unreadable: tuple
    left_out: tuple
    skipped: dict
    notes: tuple
    task: str = "classification"
    summary: tuple | None = None


def told(folder):
    """Told of doctor.json. UntrustedError where the file is none."""
    facts = reading.facts(paths(folder).doctor, LARGEST)
    skipped = facts.get("skipped") if isinstance(facts.get("skipped"), dict) else {}
    counted = {reading.text(why): number for why, number in skipped.items() if reading.number(number, 0) is not None}
    return Told(reading.number(facts.get("groups"), 0), rows_of(facts.get("unreadable"), 3),
                rows_of(facts.get("left_out"), 2), counted, names(facts.get("edits")),
                reading.text(facts.get("task"), 40) or "classification", summary(facts.get("summary")))


def summary(value):
    """(columns, rows, sentences) of a summary of targets; None where there is none."""
    if not isinstance(value, dict) or not (columns := names(value.get("columns"))):
        return None
    rows = [tuple("" if cell is None else str(cell)[:200] for cell in row)
            for row in (value["rows"] if isinstance(value.get("rows"), list) else ())[:SUMMED]
            if isinstance(row, list) and len(row) == len(columns)]
    return columns, tuple(rows), names(value.get("lines"))[:SUMMED]


def rows_of(value, length):
    """The rows of a table of texts."""
    return tuple(tuple(row) for row in value if isinstance(row, list) and len(row) == length
                 and all(isinstance(cell, str) for cell in row)) if isinstance(value, list) else ()


def names(value):
    """The texts of a list."""
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else ()


def edits_file(root, data):
    """(path of the file of decisions about `data`, whether a command must be told of it by --edits)."""
    own = edits.beside(data)
    place = Path(data)
    if own is not None:
        return own, False
    if not str(data).startswith("sample:") and place.exists():
        home = place if place.is_dir() else place.parent
        if os.access(home, os.W_OK):
            return home / edits.NAME, False
    name = hashlib.sha256(str(data).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return folders.own(root, "edits") / f"{name}.jsonl", True


def decisions(path):
    """The edits that a file holds, [] where there is none. Raises DataError where a line is no edit."""
    return edits.read(path) if Path(path).is_file() else []


def since(found, started):
    """Those edits of a list that were made after a moment (a datetime with its zone; None: all)."""
    return [one for one in found if started is None or (made := listing.moment(one.time)) is None or made > started]


def decide(path, picture, action, value=""):
    """Keep a decision about a picture in the file `path`. Raises ResourceError, and DataError for an odd decision."""
    decide_all(path, [(picture, action, value)])


def decide_all(path, decisions):
    """Keep several, (picture, action, value), in their order."""
    edits.append(path, *(edits.Edit(picture.path, picture.sha256, action, value, now())
                         for picture, action, value in decisions))


def copies(bundle):
    """Those of some Pictures that go where only the largest is to stay."""
    return sorted(bundle, key=lambda one: (-one.width * one.height, one.row))[1:]


def together(found, bundle):
    """{picture: group} that keep some Pictures on one side of the split, with all of `found` in their groups."""
    groups = list(dict.fromkeys(one.group for one in bundle if one.group))
    name = " + ".join(groups) or f"near-{min(one.sha256 for one in bundle)[:8]}"
    name = name if len(name) <= 200 else f"{groups[0][:180]} and {len(groups) - 1} more"
    rows = {one.row for one in bundle}
    return {one: name for one in (found if groups else bundle)
            if (one.row in rows or one.group in groups) and one.group != name}
