"""The unfinished file of a download: it outlasts a break, and two processes never write into one."""

import os
import uuid
from contextlib import contextmanager
from pathlib import Path

from toolkit.downloads.transfer import CACHE
from toolkit.errors import ResourceError


@contextmanager
def part_of(path, elsewhere=CACHE):
    """Name of the unfinished file beside `path`: one that outlasts a break, or a second one while that is in use."""
    shared = Path(f"{path}.part")
    lock = locked(shared)
    part = shared if lock is not None else Path(f"{path}.{uuid.uuid4().hex}.part")
    try:
        yield part
    except OSError as error:
        raise ResourceError(f"{part} cannot be written: {error.strerror or error}; free some space there, or "
                            f"{elsewhere}.") from error
    finally:
        if lock is None:
            part.unlink(missing_ok=True)
            Path(f"{part}.json").unlink(missing_ok=True)
        else:
            if shared.is_file() and not shared.stat().st_size:
                shared.unlink()
            os.close(lock)


def locked(path):
    """Handle that holds `path` for this process; None where another one holds it or the system has no such locks."""
    try:
        return taken(path)
    except (ImportError, OSError):
        return None


def taken(path):
    """Handle that holds `path`, made if it is missing, until it is closed. BlockingIOError while another one has it.

    ImportError or OSError where the system, or the disk, has no such locks.
    """
    import fcntl

    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.exists(path) and os.path.samestat(os.fstat(handle), os.stat(path)):
            return handle
        raise BlockingIOError(f"{path} was removed by the one that held it")
    except OSError:
        os.close(handle)
        raise
