"""Heat maps of a run's pictures, a file each: KEY.npz in the folder heatmaps, written whole and read with suspicion.

    maps            float16 (classes, rows, columns), over the square that the model saw
    probabilities   float32 (classes,)
    method          text, how they were made: explain.activation.METHOD or explain.gradients.METHOD
    place           float32 (4,): left, top, right and bottom of that square on the picture, as shares of its sides
    model           text, the first 16 characters of the model's sha256
"""

import io
import os
import re
import stat
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit.errors import UntrustedError
from toolkit.files import write_atomic
from toolkit.run import paths

LARGEST = 32 << 20       # bytes of a file, and of what it holds
SIDES = 256              # rows and columns, at most
KEY = re.compile("[0-9a-f]{16}")
KINDS = {"maps": ("<f2", 3), "probabilities": ("<f4", 1), "method": ("<U", 0), "place": ("<f4", 1), "model": ("<U", 0)}
TEXT = re.compile(r"[\w .-]{1,40}", re.ASCII)


class Stored(NamedTuple):
    """What a file holds, see above."""

    maps: np.ndarray
    probabilities: np.ndarray
    method: str
    place: tuple
    model: str


def available(run_folder):
    """Keys of the pictures that have heat maps in a run folder; none where there is no such folder."""
    return keys_in(paths(run_folder).heatmaps)


def keys_in(folder):
    """Keys of the pictures whose heat maps lie in `folder`."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name[:16] for entry in entries if KEY.fullmatch(entry.name.removesuffix(".npz"))
                    and entry.name.endswith(".npz") and entry.is_file(follow_symlinks=False)}
    except OSError:
        return set()


def load(run_folder, key):
    """(maps float16 (classes, rows, columns), probabilities float32 (classes,), method) of a picture of a run.

    None where it has no heat maps. Raises UntrustedError where the file is damaged or not what `write` writes.
    """
    found = read(paths(run_folder).heatmaps, key)
    return found and found[:3]


def read(folder, key):
    """The Stored of a picture in `folder`, as `load` finds it."""
    if not isinstance(key, str) or not KEY.fullmatch(key):
        return None
    path = Path(folder, f"{key}.npz")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UntrustedError(f"{path.name} cannot be read: {error.strerror}.") from None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size > LARGEST:
            raise UntrustedError(f"{path.name} is no file of at most {LARGEST:,} bytes.")
        data = file.read(LARGEST + 1)
    try:
        return checked(opened(data))
    except Exception as error:  # a damaged archive fails in as many ways as zip and NumPy know
        raise UntrustedError(f"{path.name} is damaged or holds no heat maps ({type(error).__name__}); delete it and "
                             "make it again.") from None


def opened(data):
    """{name: array} of the bytes of a file. ValueError and the like where it holds anything else than KINDS."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        if sorted(entry.filename for entry in entries) != sorted(f"{name}.npy" for name in KINDS):
            raise ValueError("other parts")
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise ValueError("too large")
        return {name: array(archive.read(f"{name}.npy"), *kind) for name, kind in KINDS.items()}


def array(data, kind, axes):
    """The array in the bytes of a .npy file; nothing is made that the bytes do not fill."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version")
    shape, by_column, found = np.lib.format.read_array_header_1_0(file)
    if not (found.str.startswith(kind) and found.itemsize) or len(shape) != axes or by_column:
        raise ValueError("another type or shape")
    return np.frombuffer(data, found, offset=file.tell()).reshape(shape)


def checked(arrays):
    """The Stored of arrays whose values make sense; ValueError otherwise."""
    maps, probabilities, place = (arrays[name] for name in ("maps", "probabilities", "place"))
    method, model = (str(arrays[name]) for name in ("method", "model"))
    classes, *sides = maps.shape
    if classes < 2 or probabilities.shape != (classes,) or not all(1 <= side <= SIDES for side in sides):
        raise ValueError("shapes that do not fit")
    if not np.isfinite(maps).all() or not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise ValueError("numbers that cannot be")
    left, top, right, bottom = place.tolist()
    if not (-SIDES < left < right < SIDES and -SIDES < top < bottom < SIDES):
        raise ValueError("a place that cannot be")
    if not TEXT.fullmatch(method) or not TEXT.fullmatch(model):
        raise ValueError("odd text")
    return Stored(maps, probabilities, method, (left, top, right, bottom), model)


def write(folder, key, maps, probabilities, method, place, model):
    """Write the heat maps of a picture into `folder`; see above for what they are. Raises ResourceError."""
    file = io.BytesIO()
    most = np.finfo(np.float16).max
    np.savez_compressed(file, maps=np.clip(maps, -most, most).astype("<f2"), probabilities=probabilities.astype("<f4"),
                        method=np.array(method), place=np.array(place, "<f4"), model=np.array(model))
    write_atomic(Path(folder, f"{key}.npz"), file.getbuffer())
