"""Where runs lie, and which names may point there.

Below a folder of runs the dashboard keeps its own things in `.dashboard`, readable for its user alone:

    token                       secret of the first address
    starts/KIND-ID.json .log    what was started: command, time; what it printed
    uploads/ID/                 what came through the browser
    checks/ID/ predictions/ID/  what was looked at and answered there
    trash/                      deleted runs
"""

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from toolkit.errors import OptionError

HIDDEN = ".dashboard"
KINDS = {"runs": "", "checks": f"{HIDDEN}/checks", "predictions": f"{HIDDEN}/predictions"}
LONGEST = 255  # bytes of a folder's name


def proper(name):
    """Whether `name` can be a folder of ours: one part of a path, neither hidden nor with control characters."""
    if not isinstance(name, str) or not name or name.startswith(".") or "/" in name or "\\" in name:
        return False
    try:  # a name that is no text in UTF-8 cannot stand in an address
        return len(name.encode()) <= LONGEST and not any(ord(c) < 32 or ord(c) == 127 for c in name)
    except UnicodeEncodeError:
        return False


def checked(root, name, kind="runs"):
    """The folder of that name directly below `root` (or where `kind` lies); None for anything else.

    A symbolic link is no folder of ours.
    """
    if not proper(name):
        return None
    folder = Path(root, KINDS[kind], name)
    try:
        return folder if stat.S_ISDIR(os.lstat(folder).st_mode) else None
    except OSError:
        return None


def listed(root, kind="runs"):
    """The folders below `root` that may be runs, in no order."""
    try:
        with os.scandir(Path(root, KINDS[kind])) as entries:
            return [Path(entry.path) for entry in entries if proper(entry.name) and entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def own(root, *parts):
    """A folder of the dashboard's own below `root`, made if it is missing. OptionError where it cannot be."""
    folder = Path(root, HIDDEN, *parts)
    try:
        Path(root).mkdir(parents=True, exist_ok=True)
        for part in reversed([folder, *folder.parents[:len(parts)]]):
            part.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise OptionError(f"{folder} cannot be made: {error.strerror}; name another folder by --runs.") from error
    return folder


@contextlib.contextmanager
def alone(path):
    """Hold the lock of the file `path`, waiting for whoever has it. OptionError where it cannot be had at all."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
    except OSError as error:
        raise OptionError(f"{path} cannot be written: {error.strerror}; name another folder by --runs.") from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            raise OptionError(f"{path} cannot be locked: {error.strerror}; name a folder on a local disk.") from error
        yield
    finally:
        os.close(handle)


def held(path):
    """Whether some process holds the lock of the file `path`; False where there is no such file, or none has locks."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would hold us up
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back at once: a run that begins now tries again
        return False
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)


def size(folder):
    """Bytes that all files below a folder take on the disk."""
    found = 0
    for place, _, files in os.walk(folder):
        for file in files:
            with contextlib.suppress(OSError):  # it went in this moment
                found += os.lstat(os.path.join(place, file)).st_blocks * 512
    return found
