"""The runs of a folder, newest first, each in a line: what it was made of, how far it is, how good it is."""

import itertools
import os
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from toolkit.errors import UntrustedError
from toolkit.run import FILES
from toolkit.runs import folders, launch, reading, state


@dataclass(frozen=True)
class Entry:
    """A run: `id` is its folder's name; `data` the last part of what it was made of; times in UTC, seconds of work.

    scores: {name: {"value", "low", "high"}} of the test part, {} before there are any; chosen: the model kept.
    """

    id: str
    folder: Path
    state: state.State
    command: str = ""
    data: str = ""
    options: dict | None = None
    started: datetime | None = None
    seconds: float | None = None
    scores: dict | None = None
    chosen: str = ""


def entry(root, name, kind="runs"):
    """The Entry of one run; None where there is no such folder."""
    folder = folders.checked(root, name, kind)
    if folder is None:
        begun = launch.record(root, kind, name)
        return None if begun is None else Entry(name, Path(root, folders.KINDS[kind], name), before(root, kind, name),
                                                **asked(begun))
    now = state.of(folder, launch.begun(root, kind, name))
    if not os.path.lexists(folder / FILES["run"]):
        begun = launch.record(root, kind, name)
        return Entry(name, folder, now if begun is None else before(root, kind, name), **asked(begun or {}))
    return Entry(name, folder, now) if now.name == "damaged" else described(name, folder, now)


def described(name, folder, now):
    """The Entry of a folder whose run.json can be read."""
    try:
        run = reading.facts(folder / FILES["run"], reading.BRIEF)
    except UntrustedError as error:
        return Entry(name, folder, state.State("damaged", str(error)))
    options = run.get("options") if isinstance(run.get("options"), dict) else {}
    times = run.get("times") if isinstance(run.get("times"), dict) else {}
    scores, chosen = scored(folder)
    return Entry(name, folder, now, reading.text(run.get("command"), 40), short(options.get("data")), options,
                 moment(times.get("started")), now.seconds or reading.number(times.get("seconds"), 0, 1e9),
                 scores, chosen)


def scored(folder):
    """(scores of the test part, the model kept) of metrics.json; ({}, "") where there is none."""
    path = folder / FILES["metrics"]
    try:
        info = os.lstat(path)
    except OSError:
        return {}, ""
    return scored_once(path, (info.st_ino, info.st_mtime_ns), info.st_size)


@lru_cache(4096)
def scored_once(path, changed, size):
    """What `scored` gives, of a file that has not changed since: the file itself is long, and not remembered."""
    try:
        found = reading.facts(path)
    except UntrustedError:
        return {}, ""
    test = found.get("test") if isinstance(found.get("test"), dict) else {}
    scores = {name[:40]: {end: reading.number(value.get(end)) for end in ("value", "low", "high")}
              for name, value in itertools.islice(test.items(), 40) if isinstance(value, dict) and "value" in value}
    return scores, reading.text(found.get("chosen"), 40)


def before(root, kind, name):
    """The State of what was started and has no folder of its own yet, or never got one."""
    if launch.alive(root, kind, name):
        return state.State("starting", "starting")
    return state.State("failed", launch.complaint(root, kind, name) or state.KILLED)


def asked(begun):
    """What a start's record tells of the run to come."""
    return {"command": reading.text(begun.get("module"), 40), "data": short(begun.get("data")),
            "started": moment(begun.get("time"))}


def runs(root, commands=("finetune", "evaluate")):
    """The Entries of a folder of runs, newest first; those that were started and have no folder yet among them.

    A folder that is no run at all (no run.json, never started by us) is not listed; a damaged run is.
    """
    names = {folder.name for folder in folders.listed(root) if os.path.lexists(folder / FILES["run"])}
    names |= set(launch.waiting(root, "runs"))
    found = [one for name in names if (one := entry(root, name)) is not None]
    found = [one for one in found if one.state.name == "damaged" or one.command in commands or not one.command]
    return sorted(found, key=lambda one: (one.started.timestamp() if one.started else 0.0, one.id), reverse=True)


def short(data):
    """The last part of a path, for people."""
    last = data.rstrip("/\\").replace("\\", "/").rpartition("/")[2] if isinstance(data, str) else ""
    return reading.text(last.removeprefix("sample:"), 400)


def moment(value):
    """A moment of run.json as datetime with its zone; None where it is none."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return found if found.tzinfo and 1970 < found.year < 9999 else None  # beyond, no zone can be applied
