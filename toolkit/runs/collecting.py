"""Pictures that come class by class: each upload is moved into the folder of its class, in an upload of their own.

    uploads/ID/pictures/CLASS/name.png
"""

import os
import secrets
import shutil

from toolkit.data.reading import PARTS
from toolkit.errors import OptionError, ResourceError
from toolkit.runs import uploads


NAME = "pictures"  # of the folder that holds the classes


def new():
    """A name for an upload to come."""
    return secrets.token_hex(6)


def proper(label):
    """`label` as the folder of a class. OptionError where it can be none."""
    label = label.strip()
    if not label:
        raise OptionError("Name the class first.")
    if "/" in label:
        raise OptionError(f"{label!r} cannot be the name of a class: leave the slash out.")
    if label.casefold() in PARTS:
        raise OptionError(f"{label!r} is the name of a part, not of a class; call the class otherwise.")
    return str(uploads.checked(label))


def folder(root, collection):
    """The folder that holds the classes, there or not."""
    return uploads.place(root, collection) / NAME


def add(root, collection, label, upload):
    """Move the pictures of an upload into a class -> how many. Raises OptionError, ResourceError."""
    source, target = uploads.place(root, upload), folder(root, collection) / proper(label)
    moved = 0
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, _ in uploads.files(source):
            os.rename(source / path, free(target, path.name))
            moved += 1
        shutil.rmtree(source, ignore_errors=True)
    except OSError as error:
        raise ResourceError(f"{target.name} cannot be kept: {error.strerror}.") from error
    return moved


def free(place, name):
    """A path for `name` in the folder `place` where nothing lies yet."""
    stem, suffix = os.path.splitext(name)
    number, path = 1, place / name
    while path.exists():
        number += 1
        path = place / f"{stem[:200]}-{number}{suffix}"
    return path


def classes(root, collection):
    """{class: pictures} of what has come, in the order of their names."""
    found = {}
    for path, _ in uploads.files(folder(root, collection)):
        if len(path.parts) == 2:
            found[path.parts[0]] = found.get(path.parts[0], 0) + 1
    return found


def drop(root, collection, label):
    """Remove a class with its pictures, unless a run needs them. OptionError then."""
    if label not in classes(root, collection):
        return
    if needed := uploads.needed_by(root, collection):
        raise OptionError(f"These pictures belong to the run {needed[0]}; leave single ones out instead.")
    shutil.rmtree(folder(root, collection) / label, ignore_errors=True)
