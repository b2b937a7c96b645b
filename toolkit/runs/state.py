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

import time
from dataclasses import dataclass, replace

from toolkit.errors import UntrustedError
from toolkit.run import ENDED, paths
from toolkit.runs import folders, reading

LIVE = ("starting", "queued", "running", "stopping")
KILLED = "Ended by the system before it was done: most likely out of memory, or the computer was switched off."


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
    here = paths(folder)
    if not here.run.exists():
        return State("starting", "starting") if begun else State("damaged", "It holds no run.json.")
    try:
        run = reading.facts(here.run)
        told = status(here.status)
    except UntrustedError as error:
        return State("damaged", str(error))
    if run.get("schema") != 1:
        return State("damaged", "run.json is of another version.")
    ended = run.get("state")
    if ended in ENDED and not (begun and ended != "finished" and begun > here.run.stat().st_mtime):
        return State(ended, reading.text(run.get("message")), told.phase, 1.0 if ended == "finished" else told.progress,
                     None, told.age, told.seconds)
    if folders.held(here.lock):
        return told if not here.stop.exists() or told.name == "queued" else replace(told, name="stopping")
    if begun:
        return State("starting", "starting")
    again = reading.facts(here.run).get("state")  # it may have ended between the two looks
    if again in ENDED:
        return of(folder)
    return State("killed", KILLED, told.phase, told.progress, None, told.age, told.seconds)


def status(path):
    """The State that status.json tells of a run that lives."""
    if not path.exists():
        return State("running")
    found, number = reading.facts(path), reading.number
    name = found.get("state") if found.get("state") in ("queued", "stopping") else "running"
    age = max(0.0, time.time() - path.stat().st_mtime)  # a clock that was set back makes no negative time
    before = number(found.get("queued_as"), 0, 10_000)
    return State(name, reading.text(found.get("message")), reading.text(found.get("phase"), 40),
                 number(found.get("progress"), 0, 1) or 0.0, number(found.get("seconds_left"), 0, 1e8), age,
                 number(found.get("seconds"), 0, 1e9), before)
