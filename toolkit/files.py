"""How a file is written and read: replaced whole, numbers with a dot, UTF-8, whatever the locale."""

import contextlib
import errno
import hashlib
import json
import math
import os
import re
import secrets
from pathlib import Path

from toolkit.errors import ResourceError, UntrustedError

REST = re.compile(r"\..+\.(\d+)-[0-9a-f]{8}", re.DOTALL)  # what `replacing` writes to, of process number \1
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
