"""What a run will cost, told beforehand by `python -m toolkit.estimate`: begun, kept, read.

    RUNS/.dashboard/estimates/ID.json    ID: 12 hexadecimal characters, of the options, the pictures and the machine
"""

import contextlib
import hashlib
import json
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from toolkit import queue
from toolkit.errors import UntrustedError
from toolkit.progress import spoken
from toolkit.runs import folders, launch, reading

KIND = "estimates"
LASTS = 30 * 86400.0    # seconds that an estimate is kept
PRESETS = ("fast", "balanced", "best")


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds, with the ends of a range; bytes of memory and of the disk."""

    seconds: float
    low: float
    high: float
    memory: float
    disk: float

    @property
    def words(self):
        """"about 40 s, 1.4 GB of memory"."""
        return f"about {spoken(self.seconds)}, {self.memory / 1e9:.1f} GB of memory"

    @property
    def more(self):
        """The range, and the disk."""
        return f"{spoken(self.low)} to {spoken(self.high)}, {self.disk / 1e9:.1f} GB on the disk"


@dataclass(frozen=True)
class Estimate:
    """`state`: known, coming, failed, or none; costs: {preset: Cost}; refused: {preset: why not}; `busy`: the computer
    had other work meanwhile, so that all looked slower; `message`: why it failed."""

    state: str
    costs: dict
    refused: dict
    busy: bool = False
    message: str = ""


def identity(arguments, pictures):
    """The name of an estimate; pictures: what tells these from other pictures, such as their hashes."""
    here = [platform.machine(), os.cpu_count(), queue.devices("auto")]
    text = json.dumps([sorted(map(str, arguments)), list(pictures), here])
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:12]


def file(root, name):
    """Where an estimate is kept."""
    return Path(root, folders.HIDDEN, KIND, f"{name}.json")


def of(root, name):
    """The Estimate of that name as far as it is."""
    path = file(root, name)
    if path.exists():
        try:
            return parsed(reading.facts(path))
        except UntrustedError as error:
            return Estimate("failed", {}, {}, message=str(error))
    if launch.alive(root, KIND, name):
        return Estimate("coming", {}, {})
    if launch.record(root, KIND, name) is None:
        return Estimate("none", {}, {})
    return Estimate("failed", {}, {}, message=launch.complaint(root, KIND, name) or "It ended without a word.")


def parsed(facts):
    """The Estimate of a file; costs that are odd are left out."""
    costs, refused = {}, {}
    for preset in PRESETS:
        one = inner(facts, "presets").get(preset)
        numbers = [reading.number(inner({"one": one}, "one").get(name), 0, 1e15) for name in Cost.__dataclass_fields__]
        if None not in numbers:
            costs[preset] = Cost(*numbers)
        if why := reading.text(inner(facts, "refused").get(preset)):
            refused[preset] = why
    return Estimate("known", costs, refused, inner(facts, "machine").get("busy") is True)


def inner(facts, name):
    """The object of that name in another; {} where there is none."""
    found = facts.get(name)
    return found if isinstance(found, dict) else {}


def begin(root, name, arguments):
    """Estimate by `toolkit.estimate ARGUMENTS`, in place of any other that is under way, or was made of the same."""
    for other in begun(root):
        if not launch.alive(root, KIND, other):
            launch.forget(root, KIND, other)
        elif other != name:
            launch.end(root, KIND, other)
    for old in folders.own(root, KIND).glob("*.json"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > LASTS:
                old.unlink()
    file(root, name).unlink(missing_ok=True)  # one that was made while others were at work
    launch.start(root, KIND, name, "estimate", [*arguments, "--out", file(root, name)], wish=[KIND, name])


def begun(root):
    """Names of the estimates that were begun and are remembered."""
    return [path.stem.removeprefix(f"{KIND}-") for path in Path(root, folders.HIDDEN, "starts").glob(f"{KIND}-*.json")]
