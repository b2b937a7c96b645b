"""Which of a file's frames, pages or slices is the picture, and how all of them are.

| rule | of a file of several |
| --- | --- |
| auto | the first; of a NIfTI volume the middle one |
| first, middle | that one; of an even number the later of the two in the middle |
| a number | that one, counted from 0; a file with fewer is unreadable |
| all | each is a picture of its own, PATH#0, PATH#1 and so on; those of one file are never parted |

A file of one picture is that picture whatever the rule. A table and a command line may name a frame themselves, as
PATH#12, where there is no file of that whole name.
"""

import hashlib
import re
import threading
from typing import NamedTuple

from toolkit.pixels.values import Refused

RULES = ("auto", "first", "middle", "all")
MOST = 10_000  # frames of a file that are counted; a cine loop has some hundreds, a stack of slices some thousands
NAMED = re.compile(r"(.*[^#])#(\d{1,7})", re.S)


class Held:
    """The bytes of a file, and what was made of them for its other frames: `kept`, by the reader's name."""

    def __init__(self, data):
        self.data, self.kept, self.lock = data, {}, threading.RLock()

    def digest(self, number):
        """A sha256 for frame `number`: of the file's own, in hexadecimal, and #NUMBER."""
        with self.lock:
            if "sha256" not in self.kept:
                self.kept["sha256"] = hashlib.sha256(self.data).hexdigest()
        return hashlib.sha256(f"{self.kept['sha256']}#{number}".encode()).hexdigest()


class Frame(NamedTuple):
    """A frame that was asked for by its number."""

    file: Held
    number: int


def checked(text):
    """The rule that a user wrote. Raises ValueError where it is none."""
    if text not in RULES and not re.fullmatch(r"\d{1,7}", text):
        raise ValueError(f"a rule for frames is one of {', '.join(RULES)}, or a number from 0 on")
    return text


def parted(path):
    """(path of the file, number) of PATH#NUMBER; (path, None) of another name."""
    found = NAMED.fullmatch(path)
    return (found[1], int(found[2])) if found else (path, None)


def files(paths):
    """For each path the file it is a frame of, "" where it names none: what binds the frames of one file."""
    return [file if number is not None else "" for file, number in map(parted, paths)]


def pick(wanted, several, count, volume=False):
    """(number of the frame that `wanted` means, a note about the others or ""). Raises Refused.

    wanted: a rule, or a number as int, which stands for itself. several: whether there is more than one; count():
    how many, asked only where it matters.
    """
    if not several:
        if isinstance(wanted, int) and wanted:
            raise Refused(f"frame {wanted} was wanted, and there is one")
        return 0, ""
    rule = {"auto": "middle" if volume else "first", "all": "first"}.get(wanted, wanted)
    number = 0 if rule == "first" else few(count()) // 2 if rule == "middle" else int(rule)
    if number and rule != "middle" and number >= (there := few(count())):
        raise Refused(f"frame {number} was wanted, and there are {there}, counted from 0")
    if rule == "middle":
        return number, "middle of several frames or pages"
    return number, f"frame {number} of several" if number else "first of several frames or pages"


def few(count):
    """`count`, where it is no more than a picture file has. Raises Refused."""
    if count > MOST:
        raise Refused(f"{count:,} frames or pages; of a file with more than {MOST:,} only the first is read")
    return count


def of_gif(data):
    """How many pictures a GIF holds, a few more than MOST at most: Pillow takes seconds to tell of many."""
    def beyond(place):  # the sub-blocks that begin there
        while place < len(data) and data[place]:
            place += data[place] + 1
        return place + 1

    def table(flags):
        return 3 * 2 ** ((flags & 7) + 1) if flags & 128 else 0

    found, place = 0, 13 + table(data[10])
    while place + 10 < len(data) and found <= MOST and data[place] in (0x21, 0x2C):
        if data[place] == 0x21:  # an extension
            place = beyond(place + 2)
        else:
            found, place = found + 1, beyond(place + 11 + table(data[place + 9]))
    return max(1, found)
