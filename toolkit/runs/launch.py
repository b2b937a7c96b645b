"""Start, stop and watch commands as processes of their own: they outlive the server, its tabs and its death.

What is started is what a person could type: `python -m toolkit.MODULE ARGUMENTS`. Each start leaves
`starts/KIND-ID.json` (what, when), a log of all that it printed, and a lock that the process inherits and holds until
it is gone. So one wish makes one process, however often it is clicked, and whoever comes later finds it again.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit import queue
from toolkit.errors import OptionError, ResourceError, UntrustedError
from toolkit.files import to_json, write_atomic
from toolkit.run import FILES, now, paths, taken
from toolkit.runs import folders, reading

SAME_WISH = 10.0        # seconds within which the same command is taken for the same click
GRACE = 30.0            # seconds that a run has to notice that it should stop,
LAST = 15.0             # and to end after a signal, before it is killed
OWNER = re.compile(r" \(process \d+\)$")  # what a ticket says behind its run's folder
PROJECT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Started:
    """`id` of what runs now; `already`: it ran before, and nothing was started."""

    id: str
    already: bool


def command(module, arguments):
    """What a person would type."""
    return shlex.join(["python", "-m", f"toolkit.{module}", *map(str, arguments)])


def new_id(data, root):
    """A free name for a run of `data`: names sort by time."""
    stem = re.sub(r"[^A-Za-z0-9]+", "-", Path(str(data)).name.removeprefix("sample:")).strip("-")[:32].strip("-")
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{stem or 'run'}"
    free = (name if n == 1 else f"{name}-{n}" for n in itertools.count(1))
    return next(one for one in free if not os.path.lexists(Path(root, one)) and record(root, "runs", one) is None)


def start(root, kind, name, module, arguments, data="", wish=None):
    """Start `python -m toolkit.MODULE ARGUMENTS` detached -> Started.

    kind, name: what its folder is called (see `folders.KINDS`; other kinds have none). wish: what makes two clicks the
    same wish (default: kind, module and arguments without the folder's name). Raises OptionError where no process can
    be started, or another wish has taken the name.
    """
    home = folders.own(root, "starts")
    if not folders.proper(name):
        raise OptionError(f"{name[:80]!r} cannot be the name of a folder; choose one word, or several.")
    own = [argument for argument in map(str, arguments) if Path(argument).name != name]
    wish = hashlib.sha256(json.dumps(wish or [kind, module, own]).encode()).hexdigest()
    with folders.alone(home / "lock"):
        if twin := next(recent(home, kind, wish), None):
            return Started(twin, True)
        if alive(root, kind, name):
            if (record(root, kind, name) or {}).get("wish") == wish:
                return Started(name, True)
            raise OptionError(f"Something else was started as {name} a moment ago; start again.")
        write_atomic(home / f"{kind}-{name}.json", to_json({
            "module": module, "command": [module, *map(str, arguments)], "wish": wish, "time": now(),
            "data": str(data), "began": time.time()}))
        try:
            spawn(home / f"{kind}-{name}", [sys.executable, "-m", f"toolkit.{module}", *map(str, arguments)])
        except OptionError:
            forget(root, kind, name)
            raise
    return Started(name, False)


def spawn(stem, line):
    """The process of `line`, in a session of its own, printing into STEM.log and holding STEM.lock while it lives."""
    stem, lock = str(stem), None
    try:
        lock = os.open(f"{stem}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        taken(lock)
        Path(f"{stem}.code").unlink(missing_ok=True)  # of an earlier process of that name
        path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
        with open(f"{stem}.log", "wb") as log:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True, pass_fds=(lock,),
                                       env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"})
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {process.pid}, since {now()}\n".encode(), 0)
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        raise OptionError(f"No process could be started: {getattr(error, 'strerror', None) or error}.") from error
    finally:
        if lock is not None:
            os.close(lock)
    threading.Thread(target=reap, args=(process, f"{stem}.code"), daemon=True).start()


def reap(process, path):
    """Wait for a process, so that no zombie stays, and keep how it ended."""
    code = process.wait()
    with contextlib.suppress(Exception):
        write_atomic(Path(path), f"{code}\n")


def recent(home, kind, wish):
    """Names of what lives and was started for the same wish a moment ago."""
    for path in home.glob(f"{kind}-*.json"):
        with contextlib.suppress(UntrustedError):
            found = reading.facts(path)
            age = time.time() - (reading.number(found.get("began")) or 0)
            if found.get("wish") == wish and abs(age) < SAME_WISH and folders.held(path.with_suffix(".lock")):
                yield path.stem.removeprefix(f"{kind}-")


def place(root, kind, name, suffix):
    """A file of a start."""
    return Path(root, folders.HIDDEN, "starts", f"{kind}-{name}{suffix}")


def record(root, kind, name):
    """What was started under a name; None where nothing was, or no name of ours is given."""
    try:
        return reading.facts(place(root, kind, name, ".json")) if folders.proper(name) else None
    except UntrustedError:
        return None


def alive(root, kind, name):
    """Whether the process that was started under a name lives."""
    return folders.proper(name) and folders.held(place(root, kind, name, ".lock"))


def begun(root, kind, name):
    """When the process that lives under a name was started (time.time()); None where none lives."""
    return reading.number((record(root, kind, name) or {}).get("began")) if alive(root, kind, name) else None


def code(root, kind, name):
    """The exit code of what has ended, negative for a signal; None where nobody was there to see it."""
    with contextlib.suppress(OSError, ValueError):
        return int(place(root, kind, name, ".code").read_text())
    return None


def log(root, kind, name, lines=50):
    """The last lines that it printed."""
    return reading.log(place(root, kind, name, ".log"), lines)


def complaint(root, kind, name):
    """The error that it ended with, in its own words; "" where it left none."""
    said = log(root, kind, name, 200)
    first = next((n for n in reversed(range(len(said))) if said[n].startswith("error: ")), None)
    return "" if first is None else "\n".join([said[first].removeprefix("error: "), *said[first + 1:]])


def waiting(root, kind):
    """Names of what was started and has no run.json yet: it is on its way, or failed before there was a run."""
    home, place = Path(root, folders.HIDDEN, "starts"), os.path.join(root, folders.KINDS[kind])
    names = [path.stem.removeprefix(f"{kind}-") for path in home.glob(f"{kind}-*.json")]
    return [name for name in names if not os.path.lexists(os.path.join(place, name, FILES["run"]))]


def forget(root, kind, name):
    """Remove the record of a start that has ended."""
    for suffix in (".json", ".log", ".code"):  # never the lock: whoever comes later would lock another file
        place(root, kind, name, suffix).unlink(missing_ok=True)


def stop(folder):
    """Ask a run to end and keep the best so far; one that does not hear it within GRACE seconds is made to.

    False, and nothing is done, where it does not live. Raises ResourceError where its folder takes no file.
    """
    here = paths(folder)
    if not folders.held(here.lock):
        return False
    try:
        here.stop.touch(mode=0o600, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"{here.stop} cannot be written: {error.strerror}.") from error
    if str(folder) not in {thread.name for thread in threading.enumerate()}:  # asked twice, it is not pressed twice
        threading.Thread(target=insist, args=(Path(folder), GRACE, LAST), name=str(folder), daemon=True).start()
    return True


def insist(folder, grace, last, poll=0.5):
    """End a run that does not react to its stop file: after `grace` seconds by SIGTERM, `last` more by SIGKILL.

    The stop file then says so.
    """
    stop = paths(folder).stop
    for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, last)):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not folders.held(paths(folder).lock) or heard(folder):
                return
            time.sleep(poll)
        if number == signal.SIGKILL:
            with contextlib.suppress(OSError):
                stop.write_text("forced\n")
        signal_to(folder, number)


def heard(folder):
    """Whether a run says itself that it is ending."""
    with contextlib.suppress(UntrustedError):
        return reading.facts(paths(folder).status, reading.BRIEF).get("state") == "stopping"
    return False


def cancel(folder):
    """End a run now, as Ctrl-C would; it can be resumed. False where it does not live."""
    return signal_to(folder, signal.SIGTERM)


def end(root, kind, name):
    """End now what was started under a name and keeps no run folder. False where it does not live."""
    return signal_holder(place(root, kind, name, ".lock"), signal.SIGTERM)


def signal_to(folder, number):
    """Send a signal to the process that holds a run's lock; False where none does."""
    return signal_holder(paths(folder).lock, number)


def signal_holder(lock, number):
    """Send a signal to the process that says in the file `lock` that it holds it; False where none does."""
    if not folders.held(lock):
        return False
    found = re.match(rb"process (\d+)", reading.tail(lock, 200)[0])
    pid = int(found[1]) if found else 0
    with contextlib.suppress(OSError):
        if pid > 1 and ours(pid):
            os.kill(pid, number)
            return True
    return False


def ours(pid):
    """Whether a process is a command of ours; where the system does not tell, the lock that it holds says so."""
    told = Path("/proc", str(pid), "cmdline")
    return b"toolkit." in told.read_bytes() if Path("/proc/self").exists() else True


def ahead(folder, asked):
    """What is before a queued run on its device: names of run folders, or what they are. asked: the run's options."""
    count, mine, found = reading.number(asked.get("devices"), 1, 64) or 1, str(Path(folder).absolute()), {}
    with contextlib.suppress(OSError, ValueError, OptionError):
        for name in queue.devices(reading.text(asked.get("device")) or "auto", int(count)):
            owners = filter(None, map(queue.owner_of, queue.tickets(queue.usual_folder() / name)))
            found |= dict(itertools.takewhile(lambda owner: OWNER.sub("", owner[1]) != mine, owners))
    return [Path(OWNER.sub("", words)).name or words for words in found.values()]


def resume(root, name):
    """Go on with a run that has ended early -> Started. OptionError where it is not there."""
    folder = folders.checked(root, name)
    if folder is None:
        raise OptionError("The run is not there any more.")
    if folders.held(paths(folder).lock):
        return Started(name, True)
    return start(root, "runs", name, "finetune", ["--resume", "--run-dir", folder], wish=["resume", name])
