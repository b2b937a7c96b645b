"""Deleted runs, kept until the trash is emptied."""

import contextlib
import os
import re
import shutil
from pathlib import Path

from toolkit.errors import OptionError, ResourceError
from toolkit.run import paths, taken
from toolkit.runs import folders, launch

KEPT = re.compile("[0-9]{1,12}-.+", re.DOTALL)
GONE = "The run is not there any more."
WORKING = "The run is still working; stop it first."


def delete(root, name):
    """Move a run to the trash -> its name there; None for one that never got a folder.

    Raises OptionError where it is in use or not there, ResourceError where it cannot be moved.
    """
    if launch.alive(root, "runs", name):
        raise OptionError(WORKING)
    if not folders.proper(name) or folders.checked(root, name) is None and launch.record(root, "runs", name) is None:
        raise OptionError(GONE)
    home = folders.own(root, "trash")
    with folders.alone(home / "lock"):
        kept = moved(root, name, home)
        launch.forget(root, "runs", name)
    return kept


def moved(root, name, home):
    """Move a run to the trash `home`, whose lock is held -> its name there; None for one that never got a folder."""
    folder = folders.checked(root, name)
    if folder is None:
        if launch.record(root, "runs", name) is None:  # somebody else was faster
            raise OptionError(GONE)
        return None
    with unused(folder):
        last = max(map(number, listed(root)), default=0)
        kept = home / f"{last + 1:06d}-{name}"
        move(folder, kept)
    return kept.name


@contextlib.contextmanager
def unused(folder):
    """Hold a run folder's lock, if it has one, so that no process begins to work in it; OptionError where one does."""
    lock = paths(folder).lock
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:  # a damaged run
        yield
        return
    try:
        taken(handle)
    except BlockingIOError:
        os.close(handle)
        raise OptionError(WORKING) from None
    except OSError:  # of a disk without locks
        pass
    try:
        yield
    finally:
        os.close(handle)


def listed(root):
    """Names in the trash, last first."""
    try:
        with os.scandir(Path(root, folders.HIDDEN, "trash")) as found:
            names = [one.name for one in found if KEPT.fullmatch(one.name) and one.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(names, key=lambda name: (number(name), name), reverse=True)


def number(kept):
    """Which one after the first it was that was deleted."""
    return int(kept.partition("-")[0])


def called(kept):
    """The name that a run in the trash had."""
    return kept.partition("-")[2]


def restore(root, kept):
    """Put a deleted run back -> its name. OptionError where its place is taken."""
    name, home = called(kept), Path(root, folders.HIDDEN, "trash")
    if kept not in listed(root) or not folders.proper(name):
        raise OptionError("It is not in the trash any more.")
    if os.path.lexists(Path(root, name)):
        raise OptionError(f"{name} cannot be put back: a run of that name is there.")
    move(home / kept, Path(root, name))
    return name


def empty(root):
    """Delete for good what is in the trash -> how many could not be."""
    for kept in listed(root):
        shutil.rmtree(Path(root, folders.HIDDEN, "trash", kept), ignore_errors=True)
    return len(listed(root))


def move(source, target):
    """Rename a folder."""
    try:
        os.rename(source, target)
    except OSError as error:
        raise ResourceError(f"{source.name} cannot be moved: {error.strerror}.") from error
