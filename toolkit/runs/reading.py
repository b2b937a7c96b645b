"""What a run folder says, read with suspicion: it may be half written, from another version, or made to deceive.

Every reader has a bound in bytes, checks types, and raises UntrustedError, or leaves out and counts what is odd.
"""

import json
import os
import stat
from functools import lru_cache

from toolkit.errors import UntrustedError, plain

FACTS = 4 << 20           # bytes of a JSON file of a run,
BRIEF = 256 << 10         # of run.json and status.json
SMALL = 8 << 10           # bytes of one that is remembered with thousands of others
EVENTS = 8 << 20          # bytes of events.jsonl that are looked at, from its end,
LINES = 40_000            # and lines: some thousand epochs
LINE = 20_000             # bytes of a line of it
LOG = 256 << 10           # bytes of log.txt, from its end
LARGE = 1e300             # what is beyond is no number that can be shown


def facts(path, largest=FACTS):
    """The JSON object of a file (a copy is not made: do not change it); UntrustedError where it is none.

    Read anew only when the file has changed.
    """
    before = None
    while True:
        try:
            info = os.stat(path, follow_symlinks=False)
        except OSError as error:
            raise UntrustedError(f"{path.name} cannot be read: {error.strerror}.") from error
        if not stat.S_ISREG(info.st_mode) or info.st_size > largest:
            raise UntrustedError(f"{path.name} is no file of at most {largest:,} bytes.")
        version = (info.st_ino, info.st_mtime_ns)
        read = remembered if info.st_size <= SMALL else remembered_few
        found = read(path, version, info.st_size)
        if not isinstance(found, str):
            return found
        if version == before:
            raise UntrustedError(f"{path.name} is damaged ({found}).")
        before = version  # it may have been replaced, by a longer one, between the two looks


def parsed(path, changed, size):
    """The object of a file that has not changed since, or why it holds none."""
    try:
        with open(path, "rb", opener=unblocked) as file:
            found = json.loads(file.read(size + 1))
        return found if isinstance(found, dict) else "no JSON object"
    except OSError as error:
        return f"{error.strerror}"
    except (ValueError, RecursionError) as error:
        return plain(error)[:200]


remembered, remembered_few = lru_cache(2048)(parsed), lru_cache(4)(parsed)


def unblocked(path, flags):
    """Open a file, and no pipe that came into its place in this moment."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def number(value, low=-LARGE, high=LARGE):
    """`value` where it is a finite number in a range, else None."""
    fine = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    return value if fine else None


def text(value, longest=2000):
    """`value` as one safe line where it is text, else ""."""
    return plain(value[:longest]) if isinstance(value, str) else ""


def tail(path, largest):
    """The last `largest` bytes of a file from a line's begin on, and whether something was left out before them."""
    try:
        with open(path, "rb", opener=unblocked) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                return b"", False
            start = max(0, info.st_size - largest)
            file.seek(start)
            data = file.read(largest)
    except OSError:
        return b"", False
    return (data.partition(b"\n")[2] if start else data), start > 0


def events(path):
    """(the events of a run in their order, how many lines are junk); half a last line is left out, not counted."""
    data, _ = tail(path, EVENTS)
    whole, _, rest = data.rpartition(b"\n")
    found, junk = [], 0
    for line in whole.rsplit(b"\n", LINES)[-LINES:] if whole else ():
        try:
            event = json.loads(line) if len(line) <= LINE else None
        except (ValueError, RecursionError):
            event = None
        if isinstance(event, dict) and isinstance(event.get("phase"), str):
            found.append(event)
        elif line.strip():
            junk += 1
    return found, junk


def log(path, lines=200):
    """The last lines of a log, safe to show."""
    data, _ = tail(path, LOG)
    last = [line for line in data.decode("utf-8", "replace").split("\n") if line.strip()][-lines:]
    return [plain(line[:2000])[:2000] for line in last]
