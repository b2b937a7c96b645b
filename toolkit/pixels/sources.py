"""From a path to what `decode.decode` takes: the bytes of a file, or one of its frames where the path is PATH#12."""

import os
from functools import lru_cache

from toolkit.pixels import frames
from toolkit.pixels.decode import count, read_bytes

HELD = 2  # files that stay open for their other frames


def read(path):
    """The bytes of a file, or the frames.Frame that PATH#NUMBER names. Raises decode.Unreadable."""
    file, number = named(path)
    if number is None:
        return read_bytes(path)
    try:
        facts = os.stat(file)
        return frames.Frame(held(file, facts.st_mtime_ns, facts.st_size), number)
    except OSError:
        return read_bytes(file)  # which says why it cannot be read


def named(path):
    """(path of the file, number) of PATH#NUMBER; (path, None) where that is a file's whole name, or no such file is."""
    file, number = frames.parted(os.fspath(path))
    return (file, number) if number is not None and not os.path.lexists(path) and os.path.isfile(file) else (path, None)


def every(name, source):
    """The names of all pictures of a file, NAME#0, NAME#1 ...; NAME alone where it is one. Raises decode.Unreadable.

    source: its bytes, or its frame or array, which is one.
    """
    several = count(source) if isinstance(source, bytes) else 1
    return [f"{name}#{number}" for number in range(several)] if several > 1 else [name]


@lru_cache(HELD)
def held(file, changed, size):
    """The frames.Held of a file that has not changed since."""
    return frames.Held(read_bytes(file))


def forget():
    """Let go of the files that are held."""
    held.cache_clear()
