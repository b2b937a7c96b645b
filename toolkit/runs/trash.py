"""Deleted runs, kept until the trash is emptied."""

import os
import re
import shutil
from pathlib import Path

from toolkit.errors import OptionError, ResourceError
from toolkit.run import paths
from toolkit.runs import folders, launch


def delete(root, name):
    """Move a run to the trash -> its name there. OptionError where it is in use or not there."""
    folder = folders.checked(root, name)
    if folder is None:
        launch.forget(root, "runs", name)  # it never got a folder
        return None
    if folders.held(paths(folder).lock) or launch.alive(root, "runs", name):
        raise OptionError("The run is still working; stop it first.")
    home = folders.own(root, "trash")
    with folders.alone(home / "lock"):
        last = max((int(found[1]) for one in home.iterdir() if (found := re.match(r"(\d+)-", one.name))), default=0)
        kept = home / f"{last + 1:06d}-{name}"
        move(folder, kept)
    launch.forget(root, "runs", name)
    return kept.name


def listed(root):
    """Names in the trash, last first."""
    home = Path(root, folders.HIDDEN, "trash")
    return sorted((one.name for one in home.glob("*-*") if one.is_dir()), reverse=True) if home.is_dir() else []


def restore(root, kept):
    """Put a deleted run back -> its name. OptionError where its place is taken."""
    name, home = kept.partition("-")[2], Path(root, folders.HIDDEN, "trash")
    if kept not in listed(root):
        raise OptionError("It is not in the trash any more.")
    if os.path.lexists(Path(root, name)):
        raise OptionError(f"{name} cannot be put back: a run of that name is there.")
    move(home / kept, Path(root, name))
    return name


def empty(root):
    """Delete for good what is in the trash."""
    for kept in listed(root):
        shutil.rmtree(Path(root, folders.HIDDEN, "trash", kept), ignore_errors=True)


def move(source, target):
    """Rename a folder."""
    try:
        os.rename(source, target)
    except OSError as error:
        raise ResourceError(f"{source.name} cannot be moved: {error.strerror}.") from error
