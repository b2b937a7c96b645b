"""Start, stop and watch commands as processes of their own: they outlive the server, its tabs and its death.

What is started is what a person could type: `python -m toolkit.MODULE ARGUMENTS`. Each start leaves
`starts/KIND-ID.json` (what, when), a log of all that it printed, and a lock that the process inherits and holds until
it is gone. So one wish makes one process, however often it is clicked, and whoever comes later finds it again.
"""

import contextlib
import fcntl
import hashlib
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

from toolkit.errors import OptionError, UntrustedError
from toolkit.files import to_json, write_atomic
from toolkit.run import now, paths
from toolkit.runs import folders, reading

SAME_WISH = 10.0        # seconds within which the same command is taken for the same click
GRACE = 30.0            # seconds that a run has to notice that it should stop,
LAST = 15.0             # and to end after a signal, before it is killed
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
    return next(free for n in range(1, 10_000) if not Path(root, free := name if n == 1 else f"{name}-{n}").exists()
                and record(root, "runs", free) is None)


def start(root, kind, name, module, arguments, data="", wish=None):
    """Start `python -m toolkit.MODULE ARGUMENTS` detached -> Started.

    kind, name: what its folder is called (see `folders.KINDS`; other kinds have none). wish: what makes two clicks the
    same wish (default: kind, module and arguments without the folder's name). Raises OptionError where no process can
    be started.
    """
    home = folders.own(root, "starts")
    wish = hashlib.sha256(json.dumps(wish or [kind, module, [a for a in map(str, arguments) if name not in a]])
                          .encode()).hexdigest()
    with folders.alone(home / "lock"):
        twin = next((other for other in recent(home, kind, wish)), None)
        if twin or alive(root, kind, name):
            return Started(twin or name, True)
        write_atomic(home / f"{kind}-{name}.json", to_json({
            "module": module, "command": [module, *map(str, arguments)], "wish": wish, "time": now(),
            "data": str(data), "began": time.time()}))
        spawn(home / f"{kind}-{name}", [sys.executable, "-m", f"toolkit.{module}", *map(str, arguments)])
    return Started(name, False)


def spawn(stem, line):
    """The process of `line`, in a session of its own, printing into STEM.log and holding STEM.lock while it lives."""
    stem = str(stem)
    lock = os.open(f"{stem}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path = os.pathsep.join(filter(None, (str(PROJECT), os.environ.get("PYTHONPATH"))))
        with open(f"{stem}.log", "wb") as log:
            process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                                       start_new_session=True, pass_fds=(lock,),
                                       env={**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"})
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"process {process.pid}, since {now()}\n".encode(), 0)
    except OSError as error:
        raise OptionError(f"No process could be started: {error.strerror}.") from error
    finally:
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
    """What was started under a name; None where nothing was."""
    try:
        return reading.facts(place(root, kind, name, ".json"))
    except UntrustedError:
        return None


def alive(root, kind, name):
    """Whether the process that was started under a name lives."""
    return folders.held(place(root, kind, name, ".lock"))


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
    home = Path(root, folders.HIDDEN, "starts")
    names = [path.stem.removeprefix(f"{kind}-") for path in home.glob(f"{kind}-*.json")]
    return [name for name in names if not paths(Path(root, folders.KINDS[kind], name)).run.exists()]


def forget(root, kind, name):
    """Remove the record of a start that has ended."""
    for suffix in (".json", ".log", ".code"):  # never the lock: whoever comes later would lock another file
        place(root, kind, name, suffix).unlink(missing_ok=True)


def stop(folder):
    """Ask a run to end and keep the best so far; one that does not hear it within GRACE seconds is made to."""
    paths(folder).stop.touch(mode=0o600, exist_ok=True)
    threading.Thread(target=insist, args=(Path(folder),), daemon=True).start()


def insist(folder):
    """End a run that does not react to its stop file: by SIGTERM, then by SIGKILL; the folder's log says so."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, LAST)):
        until = time.monotonic() + patience
        while time.monotonic() < until:
            if not folders.held(paths(folder).lock) or heard(folder):
                return
            time.sleep(0.5)
        signal_to(folder, number)


def heard(folder):
    """Whether a run says itself that it is ending."""
    with contextlib.suppress(UntrustedError):
        return reading.facts(paths(folder).status).get("state") == "stopping"
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
        if pid > 1 and b"toolkit." in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, number)
            return True
    return False


def resume(root, name):
    """Go on with a run that has ended early -> Started."""
    folder = Path(root, name)
    return start(root, "runs", name, "finetune", ["--resume", "--run-dir", folder], wish=["resume", name])
