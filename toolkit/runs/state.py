"""What a run is doing, told from its files and its lock alone: no process is asked, so it outlives every server.

| state | when |
| --- | --- |
| starting | it was started and its folder does not say more yet |
| queued | it waits for its device |
| running | its lock is held |
| stopping | it was asked to end, and has not ended yet |
| finished, stopped, failed | as it said itself, with its reason |
| killed | its lock is free and it never said that it ended: out of memory, power, kill -9 |
| damaged | its files are no files of a run |
"""

import os
import time
from dataclasses import dataclass, replace
from pathlib import Path

from toolkit.errors import UntrustedError
from toolkit.run import ENDED, FILES
from toolkit.runs import folders, reading

LIVE = ("starting", "queued", "running", "stopping")
KILLED = "Ended by the system before it was done: most likely out of memory, or the computer was switched off."
FORCED = "Asked to end, it did not, and was ended by force; what it had learned up to its last epoch is kept."


@dataclass(frozen=True)
class State:
    """`name` of the table; progress 0..1; seconds_left and age (since the last news) in seconds, None if not known."""

    name: str
    message: str = ""
    phase: str = ""
    progress: float = 0.0
    seconds_left: float | None = None
    age: float | None = None
    seconds: float | None = None
    queued_as: int | None = None    # how many are before it

    @property
    def live(self):
        return self.name in LIVE

    @property
    def resumable(self):
        return self.name in ("stopped", "failed", "killed")


def of(folder, begun=None):
    """The State of a run folder; `begun`: when the process that lives for it was started (time.time()), if one does."""
    file = Path(folder, FILES["run"])  # not run.paths: five hundred folders are looked at in a moment
    if not os.path.lexists(file):
        if begun:
            return State("starting", "starting")
        return State("damaged", "It holds no run.json." if os.access(folder, os.X_OK) else "It may not be read.")
    try:
        run = reading.facts(file, reading.BRIEF)
        told = status(Path(folder, FILES["status"]))
    except UntrustedError as error:
        return State("damaged", str(error))
    ended = run.get("state")
    if fault := fault_of(run):
        return State("damaged", fault)
    if ended in ENDED and not (begun and ended != "finished" and begun > changed(file)):
        return replace(told, name=ended, message=reading.text(run.get("message")), seconds_left=None, queued_as=None,
                       progress=1.0 if ended == "finished" else told.progress)
    if folders.held(Path(folder, FILES["lock"])):
        return replace(told, name="stopping") if os.path.lexists(Path(folder, FILES["stop"])) else told
    return lost(folder, told, ended, begun)


def fault_of(run):
    """Why the facts of a run.json are none of ours; "" where they are."""
    if run.get("schema") != 1:
        return "run.json is of another version."
    fine = run.get("state") in ("running", *ENDED) and isinstance(run.get("options"), dict)
    return "" if fine else "run.json holds no options, or no state that there is."


def lost(folder, told, said, begun):
    """The State of a run whose lock is free and whose run.json `said` something else a moment ago."""
    try:
        if reading.facts(Path(folder, FILES["run"]), reading.BRIEF).get("state") != said:  # it ended meanwhile
            return of(folder, begun)
    except UntrustedError as error:
        return State("damaged", str(error))
    if begun:
        return State("starting", "starting")
    forced = reading.tail(Path(folder, FILES["stop"]), 100)[0].startswith(b"forced")
    return replace(told, name="killed", message=FORCED if forced else KILLED, seconds_left=None, queued_as=None)


def changed(path):
    """When a file was last changed (time.time()); 0 where it is not there any more."""
    try:
        return os.lstat(path).st_mtime
    except OSError:
        return 0.0


def status(path):
    """The State that status.json tells of a run that lives."""
    if not os.path.lexists(path):
        return State("running")
    found, number = reading.facts(path, reading.BRIEF), reading.number
    name = found.get("state") if found.get("state") in ("queued", "stopping") else "running"
    age = max(0.0, time.time() - changed(path))  # a clock that was set back makes no negative time
    before = number(found.get("queued_as"), 0, 10_000)
    return State(name, reading.text(found.get("message")), reading.text(found.get("phase"), 40),
                 number(found.get("progress"), 0, 1) or 0.0, number(found.get("seconds_left"), 0, 1e8), age,
                 number(found.get("seconds"), 0, 1e9), before)
