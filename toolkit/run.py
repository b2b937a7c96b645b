"""The run folder: every file name in it stands here and nowhere else.

    run.json       schema, command, options, seed, versions, machine, fingerprints, state, times
    events.jsonl   appended, one write a line: time, seconds since the start, phase, name, value, step, of, ...
    status.json    state, phase, progress 0..1, seconds_left, message, pid, seconds, updated
    log.txt        what the run said, in plain words
    lock           held while the process lives (flock, which the system frees after any death); never deleted
    stop           a file that asks the run to end

All but events.jsonl and log.txt are replaced whole, so a reader never meets half a file. Names inside are relative: the
folder may be moved. Numbers have a dot, text is UTF-8 and a number that is not finite is null, whatever the locale.
"""

import contextlib
import errno
import fcntl
import itertools
import json
import math
import os
import platform
import re
import sys
import time
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

from toolkit.errors import OptionError, ResourceError, Stopped, Terminated, ToolkitError, UntrustedError, plain
from toolkit.files import clean, read_json, remove_rests, to_json, unwritten, write_atomic

SCHEMA = 1
FILES = {
    "run": "run.json", "events": "events.jsonl", "status": "status.json", "log": "log.txt",
    "manifest": "manifest.csv", "predictions": "predictions.csv", "folds": "folds.csv", "metrics": "metrics.json",
    "doctor": "doctor.json", "thumbnails": "thumbnails.zip", "heatmaps": "heatmaps", "thresholds": "thresholds.json",
    "check": "check.html", "clean": "clean.csv", "suggested": "suggested_edits.jsonl",
    "report": "report.html", "model_card": "model_card.md", "figures": "figures",
    "model": "model.keras", "model_facts": "model.json", "checkpoints": "checkpoints",
    "checkpoint": "checkpoints/last.npz", "scratch": "scratch",
    "lock": "lock", "stop": "stop",
}
ENDED = ("finished", "failed", "stopped")
AT_ONCE = (*ENDED, "queued")  # states whose every change is written
PACKAGES = ("keras", "tensorflow", "jax", "numpy", "scikit-learn", "pandas", "pillow", "albumentations", "h5py")
STATUS_EVERY = 0.5  # seconds between two writes of status.json


def paths(folder):
    """Paths of the files of a run folder, by the names of `FILES`."""
    return SimpleNamespace(**{name: Path(folder) / file for name, file in FILES.items()})


class Run:
    """A run folder whose lock this process holds, with one attribute a file: run.metrics is the path of metrics.json.

    As a context manager it ends the run on every path: finished, stopped (Ctrl-C, SIGTERM, the stop file) or failed,
    with the reason.
    """

    def __init__(self, folder, lock, facts):
        vars(self).update(vars(paths(folder)))
        self.folder, self.facts = Path(folder), facts
        self._lock = lock
        self._began, self._paused = time.monotonic(), None
        self._shown = (None, None, -math.inf)  # state, phase, when
        self._status = {}
        self._streams = {}

    @classmethod
    def create(cls, folder, command, options, root=Path("runs")):
        """A new run in `folder` (new or empty; None: `root`/<date>-<time>-<name of the data or command>).

        options: a dict that JSON can hold; `seed` is repeated at the top of run.json. Raises OptionError where the
        folder holds anything, is in use by another process or cannot be written.
        """
        folder = Path(folder) if folder is not None else numbered(Path(root), command, options)
        made(folder)
        refuse_full(folder)  # before the lock, so that a folder that is not ours gets no file of ours
        lock = locked(folder)
        try:
            refuse_full(folder)
            run = cls(folder, lock, {
                "schema": SCHEMA, "command": command, "options": options, "seed": options.get("seed"),
                "versions": versions(), "machine": machine(), "state": "running",
                "times": {"started": now(), "finished": None, "seconds": None},
            })
            run.json(run.run, run.facts)
            run.progress("running", "start", 0.0, None, "starting")
        except ToolkitError:
            os.close(lock)
            raise
        return run

    @classmethod
    def resume(cls, folder, check=lambda facts: None):
        """The run of an existing folder, with run.json as `facts`, to go on with: its events and seconds are added to.

        One that has finished is left as it is (`facts["state"]` says so), for the caller to `close`. Else check(facts)
        may refuse it before anything is changed. Raises OptionError where there is none, another process has it or
        another version wrote it, UntrustedError where run.json is damaged.
        """
        folder = Path(folder)
        if not paths(folder).run.is_file():
            raise OptionError(f"{folder} holds no run; --resume goes on with a run that was stopped.")
        lock = locked(folder)
        try:
            facts = read_json(paths(folder).run)
            if facts.get("schema") != SCHEMA:
                raise OptionError(f"{paths(folder).run} has schema {facts.get('schema')!r}; this version of the "
                                  f"toolkit goes on with schema {SCHEMA} only.")
            if not isinstance(facts.get("options"), dict) or "state" not in facts:
                raise UntrustedError(f"{paths(folder).run} is damaged: it holds no options, or no state.")
            if facts["state"] != "finished":
                check(facts)
        except ToolkitError:
            os.close(lock)
            raise
        run = cls(folder, lock, facts)
        if facts.get("state") == "finished":
            return run
        with contextlib.suppress(UntrustedError):  # written last: it also knows of a run that was killed
            before = read_json(run.status).get("seconds")
            run._began -= before if isinstance(before, (int, float)) and 0 <= before < math.inf else 0.0
        run.stop.unlink(missing_ok=True)
        for place in (run.folder, run.checkpoints, run.figures):
            remove_rests(place)
        run.note(state="running", message=None)
        run.progress("running", "start", 0.0, None, "going on")
        return run

    def event(self, phase, name=None, value=None, step=None, of=None, **more):
        """Append a line to events.jsonl; `step` of `of` says how far the phase is, `name` and `value` are a figure."""
        known = {"time": now(), "seconds": round(self.seconds, 3), "phase": phase, "name": name, "value": value,
                 "step": step, "of": of, **more}
        line = json.dumps(clean({k: v for k, v in known.items() if v is not None or k == "value" and name}),
                          ensure_ascii=False, allow_nan=False)
        self._append(self.events, line)

    def progress(self, state, phase, progress, seconds_left, message, **more):
        """Replace status.json, while running at most twice a second in a phase; `progress` is 0..1."""
        moment = time.monotonic()
        self._status = {"state": state, "phase": phase, "progress": progress, "seconds_left": seconds_left,
                        "message": message, **more}
        if (state, phase) == self._shown[:2] and moment - self._shown[2] < STATUS_EVERY and state not in AT_ONCE:
            return
        self._shown = (state, phase, moment)
        self.json(self.status, {**self._status, "pid": os.getpid(), "seconds": round(self.seconds, 3),
                                "updated": now()})

    def json(self, path, obj):
        """Replace the file `path` by `obj` as JSON, keys in the order given."""
        write_atomic(path, to_json(obj))

    def note(self, **facts):
        """Merge `facts` into run.json; a dict is merged into the dict of that name."""
        for name, value in facts.items():
            old = self.facts.get(name)
            self.facts[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        self.json(self.run, self.facts)

    def say(self, text):
        """Print a line in plain words and keep it in log.txt."""
        text = "\n".join(plain(line) for line in str(text).splitlines())
        self._append(self.log, f"{now()} {text}")
        encoding = sys.stdout.encoding or "utf-8"
        try:
            print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
        except BrokenPipeError:  # whoever read along has gone; the run goes on, log.txt has the line
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def stop_requested(self):
        """Whether somebody asked the run to end, by a file named stop."""
        return self.stop.exists()

    @property
    def seconds(self):
        """Seconds that the run has worked for, over all its sittings; never runs backwards."""
        return (time.monotonic() if self._paused is None else self._paused) - self._began

    @contextlib.contextmanager
    def paused(self):
        """What is spent inside, waiting, does not count as work."""
        self._paused = time.monotonic()
        try:
            yield
        finally:
            self._began += time.monotonic() - self._paused
            self._paused = None

    def finish(self, state, message):
        """End the run as finished, failed or stopped, say why, and free the folder. Later calls do nothing."""
        if self._lock is None:
            return
        try:
            self.event("end", state=state, message=message)
            self.note(state=state, message=message,
                      times={"finished": now(), "seconds": round(self.seconds, 3)})
            done = 1.0 if state == "finished" else self._status.get("progress", 0.0)
            self.progress(state, self._status.get("phase", "end"), done, None, message)
        finally:
            self.close()

    def close(self):
        """Let the folder go as it is."""
        if self._lock is not None:
            for handle in (*self._streams.values(), self._lock):
                os.close(handle)
            self._streams, self._lock = {}, None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            self.finish("finished", "done")
            return
        by_hand = issubclass(kind, (KeyboardInterrupt, Terminated))
        last = ("stopped", "stopped by hand" if by_hand else str(error)) if by_hand or issubclass(kind, Stopped) else (
            "failed", str(error) or kind.__name__)
        try:
            self.finish(*last)
        except ResourceError:
            pass  # the disk that broke the run cannot hold its last words; the first error is the one to show

    def _append(self, path, line):
        """One line by one write, so that two writers never mix within a line."""
        data = (line + "\n").encode("utf-8", "backslashreplace")
        try:
            if path not in self._streams:
                self._streams[path] = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
                size = os.fstat(self._streams[path]).st_size
                if size and os.pread(self._streams[path], 1, size - 1) != b"\n":
                    data = b"\n" + data  # a killed process left half a line, which stays alone
            if os.write(self._streams[path], data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        except OSError as error:
            raise unwritten(path, len(data), error) from error


def numbered(root, command, options):
    """A new folder under `root` that no other run has, named so that names sort by time."""
    data = re.split(r"[\\/]", str(options.get("data") or "").rstrip("\\/"))[-1]
    name = re.sub(r"[^A-Za-z0-9]+", "-", data.removeprefix("sample:")).strip("-")[:32].strip("-") or command
    stem = f"{datetime.now():%Y%m%d-%H%M%S}-{name}"
    names = (root / (stem if count == 1 else f"{stem}-{count}") for count in itertools.count(1))
    return next(folder for folder in names if made(folder))


def made(folder):
    """Whether `folder` was made now; False where it is there already. OptionError where it cannot be."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
        return True
    except OSError as error:
        if not folder.is_dir():
            raise OptionError(f"{folder} cannot be made: {error.strerror}; name another folder.") from error
        return False


def refuse_full(folder):
    """OptionError where `folder` holds more than a free lock: in use, a run, or other files."""
    try:
        found = next((name for name in os.listdir(folder) if name != FILES["lock"]), None)
    except OSError as error:
        raise OptionError(f"{folder} cannot be read: {error.strerror}; name another folder.") from error
    if not found:
        return
    here = paths(folder)
    if here.lock.is_file():
        os.close(locked(folder, keep=True))
    holds = f"other files, such as {plain(found)}"
    if here.run.exists():
        try:
            ended = read_json(here.run).get("state") == "finished"
            holds = "a finished run" if ended else "a run that has not finished (--resume goes on with it)"
        except UntrustedError:
            holds = "a damaged run"
    raise OptionError(f"{folder} already holds {holds}; name a new or empty folder.")


def locked(folder, keep=False):
    """Handle that holds the folder's lock until the process ends in any way; `keep` leaves the owner's name in it."""
    path = paths(folder).lock
    try:
        handle = os.open(path, os.O_RDONLY if keep else os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OptionError(f"{folder} cannot be written: {error.strerror}; name another folder.") from error
    try:
        taken(handle)
    except OSError as error:
        owner = plain(os.pread(handle, 200, 0).decode("utf-8", "replace").strip()) or "another process"
        os.close(handle)
        if isinstance(error, BlockingIOError):
            raise OptionError(f"{folder} is in use by {owner}; wait for it, stop it, or name another folder.") from None
        raise OptionError(f"{folder} cannot be locked: {error.strerror}; name a folder on a local disk.") from error
    if not keep:
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}, since {now()}\n".encode(), 0)
    return handle


def taken(handle, tries=5):
    """Take the lock of an open file; whoever only looks whether it is free has it for a moment."""
    for left in reversed(range(tries)):
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(0.03)


def versions():
    """Versions of Python, the toolkit and what it stands on, read without importing them; None where not installed."""
    from toolkit import __version__

    found = {"toolkit": __version__, "python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def machine():
    """Kind of the machine, without its name or user."""
    return {"system": platform.system(), "release": platform.release(), "processor": platform.machine(),
            "cores": os.cpu_count()}


def now():
    """The moment in UTC, such as 2026-01-31T12:00:00.000+00:00."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
