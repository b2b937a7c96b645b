"""Looks at data: which there are, how one begins, what it found.

A look is a run folder of `python -m toolkit.check` in `.dashboard/checks`. Its name is made of what is looked at, and a
number: so a reload or a second tab finds the same look, and looking again makes the next one.
"""

import csv
import hashlib
import json
import os
import shutil
import stat
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from toolkit.data import edits
from toolkit.data.spreadsheet import csv_plain
from toolkit.errors import UntrustedError
from toolkit.run import now, paths
from toolkit.runs import folders, launch, reading

KIND = "checks"
KEPT = 2                    # looks at the same data
LARGEST = 256 << 20         # bytes of a manifest
PARTS = ("train", "validation", "test")
OWN = ("path", "label", "split", "group", "sha256", "width", "height", "mode", "note")
SEVERITIES = ("error", "warning", "note")


@dataclass(frozen=True)
class Picture:
    """A row of a manifest: `row` is its number, `key` what its small copy is called, `part` train, validation or test."""

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
    """What is wrong, how badly, what to do, and which of the pictures show it."""

    check: str
    severity: str
    sentence: str
    remedy: str
    pictures: tuple


def identity(arguments):
    """12 hexadecimal characters for what is looked at: the same arguments, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(map(str, arguments))).encode()).hexdigest()[:12]


def looks(root, arguments):
    """Names of the looks at the same data, the last one last."""
    stem = identity(arguments)
    names = {folder.name for folder in folders.listed(root, KIND)} | set(launch.waiting(root, KIND))
    return sorted((name for name in names if name.startswith(f"{stem}-") and name[13:].isdecimal()),
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
        return launch.start(root, KIND, name, "check", [*arguments, *more, "--run-dir", folder], data, wish=[KIND, name])


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
    return read(*signature(paths(folder).manifest))[0]


def columns(folder):
    """{further column of the data: number of its values}."""
    return read(*signature(paths(folder).manifest))[1]


def signature(path):
    """(path, time, size) of a file that may be read."""
    try:
        info = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise UntrustedError(f"{path.name} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(info.st_mode) or info.st_size > LARGEST:
        raise UntrustedError(f"{path.name} is no file of at most {LARGEST:,} bytes.")
    return path, info.st_mtime_ns, info.st_size


@lru_cache(8)
def read(path, changed, size):
    """(pictures, {further column: number of values}) of a manifest that has not changed since."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, restval="")
            if not set(OWN) <= set(rows.fieldnames or ()):
                raise ValueError("it has other columns")
            further = {name: set() for name in rows.fieldnames if name not in OWN}
            found = []
            for number, row in enumerate(rows):
                found.append(picture(number, row))
                for name, values in further.items():
                    values.add(row[name])
    except (OSError, ValueError, csv.Error, TypeError) as error:
        raise UntrustedError(f"{path.name} is damaged ({str(error)[:200]}).") from None
    return tuple(found), {name: len(values) for name, values in further.items()}


def picture(number, row):
    """The Picture of a line; ValueError where its numbers are none."""
    text = {name: csv_plain(row[name]) for name in ("path", "label", "group", "note")}
    return Picture(number, text["path"], text["label"], row["split"] if row["split"] in PARTS else "", text["group"],
                   row["sha256"], int(row["width"]), int(row["height"]), text["note"])


def counts(found):
    """{class: {part: pictures}} in the order of the classes; the part "" where a picture has none."""
    tally = Counter((one.label, one.part) for one in found)
    return {label: {part: tally[label, part] for part in (*PARTS, "") if tally[label, part]}
            for label in ordered({one.label for one in found})}


def ordered(labels):
    """Class names, whole numbers by value and others by text, as everywhere."""
    names = sorted(labels)
    return sorted(names, key=int) if all(name.isascii() and name.isdigit() for name in names) else names


def findings(folder):
    """The Findings of doctor.json, gravest first; odd ones are left out. UntrustedError where the file is none."""
    told = reading.facts(paths(folder).doctor, LARGEST).get("findings")
    found = [Finding(reading.text(one.get("check"), 60), one["severity"], reading.text(one.get("sentence")),
                     reading.text(one.get("remedy")), names(one.get("pictures")))
             for one in told if isinstance(one, dict) and one.get("severity") in SEVERITIES] \
        if isinstance(told, list) else []
    return sorted(found, key=lambda one: SEVERITIES.index(one.severity))


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
    return [one for one in found if started is None or (made := moment(one.time)) is None or made > started]


def moment(text):
    """A datetime of its text; None where it is none."""
    try:
        made = datetime.fromisoformat(text)
    except ValueError:
        return None
    return made if made.tzinfo else None


def decide(path, picture, action, value=""):
    """Keep a decision about a picture in the file `path`. Raises ResourceError, and DataError for an odd decision."""
    edits.append(path, edits.Edit(picture.path, picture.sha256, action, value, now()))
