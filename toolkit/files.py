"""How a file is written and read: replaced whole, numbers with a dot, UTF-8, whatever the locale; and how a folder that
processes share is kept while one of them uses it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import math
import os
import re
import secrets
import shutil
import tempfile
from pathlib import Path

from toolkit.errors import ResourceError, UntrustedError

REST = re.compile(r"\..+\.(\d+)-[0-9a-f]{8}", re.DOTALL)  # what `replacing` writes to, of process number \1
KEPT = {}  # folder -> open handle with a shared lock on it, until this process ends
FRESH = ".fresh-"  # begins the name of a folder that is being filled, or deleted
LARGEST_JSON = 64 * 2**20  # bytes; a longer file of facts is no honest one


def write_atomic(path, data):
    """Replace the file `path` by `data` (bytes or text): it is the old one or the new one at any moment.

    Raises ResourceError, with the path and the system's reason, where it cannot be written; no rest is left.
    """
    data = data.encode("utf-8", "backslashreplace") if isinstance(data, str) else data
    with replacing(path, len(data)) as file:
        file.write(data)


def remove_rests(folder):
    """Delete what processes that were killed while they replaced a file left in `folder`; the living finish theirs."""
    for path in Path(folder).glob(".*"):
        found = REST.fullmatch(path.name)
        if found and path.is_file() and (int(found[1]) == os.getpid() or not lives(int(found[1]))):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)


def lives(process):
    """Whether there is a process of that number on this machine."""
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is somebody else's
        return True
    return True


@contextlib.contextmanager
def replacing(path, need=0):
    """An open file that stands at `path` once the block has ended well, as `write_atomic` says.

    need: its bytes, as far as they are known, for the error.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name[:40]}.{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            try:
                yield file
            finally:
                need = max(need, file.tell())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        folder = os.open(path.parent, os.O_RDONLY)  # the new name itself must outlive a power cut
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise unwritten(path, need, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def unwritten(path, need, error):
    """The error for `need` bytes that `path` did not take."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ResourceError(f"{path} cannot be written: {error.strerror}; see that the folder is there and writable.")
    try:
        disk = os.statvfs(Path(path).parent)
        free = f"{disk.f_bavail * disk.f_frsize:,} are free"
    except OSError:
        free = "the disk is full"
    return ResourceError(f"{path} needs {need:,} bytes and {free} ({error.strerror}); free some space and run again.")


@contextlib.contextmanager
def fresh_folder(parent):
    """A new folder in `parent` that goes with the block; what killed processes left of theirs goes before."""
    for rest in Path(parent).glob(f"{FRESH}*"):
        remove_unused(rest)
    while True:
        place = tempfile.mkdtemp(prefix=FRESH, dir=parent)
        if (handle := in_use(place)) is not None:  # else another process took it for a rest just now
            break
    try:
        yield Path(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(handle)


def keep(folder):
    """Use a folder until this process ends: `remove_unused` leaves it; False where it is not there."""
    folder = Path(folder)
    if folder in KEPT and not folder.is_dir():
        os.close(KEPT.pop(folder))
    if folder not in KEPT:
        handle = in_use(folder)
        if handle is None:
            return False
        KEPT[folder] = handle
    with contextlib.suppress(OSError):
        os.utime(folder)  # used now
    return True


def in_use(folder):
    """An open handle with a shared lock on a folder; None where it is not there, or is being deleted."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    with contextlib.suppress(OSError):  # where the disk knows no locks, nothing is deleted either
        fcntl.flock(handle, fcntl.LOCK_SH)
    with contextlib.suppress(OSError):
        if os.path.samestat(os.fstat(handle), os.stat(folder)):
            return handle
    os.close(handle)
    return None


def remove_unused(folder):
    """Delete a folder unless a process uses it -> whether it went. It has another name before its first file goes."""
    folder, handle = Path(folder), None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        going = folder.with_name(f"{FRESH}{secrets.token_hex(4)}")
        os.rename(folder, going)
    except OSError:
        return False
    else:
        shutil.rmtree(going, ignore_errors=True)
        return True
    finally:
        if handle is not None:
            os.close(handle)


def bytes_below(folder):
    """Bytes that the files below a folder take on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # it is being deleted
                facts = os.lstat(os.path.join(place, name))
                total += max(facts.st_size, 512 * facts.st_blocks)
    return total


def to_json(obj):
    """`obj` as JSON text: numbers of NumPy as numbers, arrays as lists, what is not finite as null."""
    return json.dumps(clean(obj), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def clean(obj):
    """`obj` in the plain types of JSON."""
    if isinstance(obj, dict):
        return {str(key): clean(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple, set, frozenset)):
        return [clean(value) for value in (sorted(obj) if isinstance(obj, (set, frozenset)) else obj)]
    if hasattr(obj, "tolist"):  # an array or a number of NumPy
        return clean(obj.tolist())
    if isinstance(obj, float):
        return float(obj) if math.isfinite(obj) else None
    return obj if obj is None or isinstance(obj, (bool, int, str)) else str(obj)


def read_json(path):
    """The object in a JSON file; UntrustedError where it is damaged, too long or no object."""
    try:
        if Path(path).stat().st_size > LARGEST_JSON:
            raise ValueError(f"longer than {LARGEST_JSON:,} bytes")
        found = json.loads(Path(path).read_bytes())
        if not isinstance(found, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise UntrustedError(f"{path} is damaged ({error}); take it from where it was made once more.") from error
    return found


def digests(path, algorithms):
    """{algorithm: hexadecimal digest} of the file `path`, read once."""
    made = {algorithm: hashlib.new(algorithm, usedforsecurity=False) for algorithm in algorithms}
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            for digest in made.values():
                digest.update(chunk)
    return {algorithm: digest.hexdigest() for algorithm, digest in made.items()}
