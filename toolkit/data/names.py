"""Groups in file names: taken where the user gives the pattern, offered where names look so, never guessed."""

import re
from pathlib import PurePosixPath

from toolkit.data.reading import count
from toolkit.errors import DataError

OFFERED = (r"(?i)(?:patient|subject|case|slide|specimen|wafer|lot|batch|plant)[-_ ]?([a-z]{0,2}\d+)",
           r"(?i)\b((?:p|pat|id|sub|s|w)[-_]?\d+)[-_]", r"\b([A-Za-z]{0,4}\d+)[-_ ](?:[A-Za-z]{0,6}\d{1,3})\.\w+$")
ENOUGH = 0.9      # share of the names that a pattern must fit to be offered
FEWEST = 3        # groups


def groups(paths, pattern):
    """(what the first group in brackets of `pattern`, a regular expression, finds in each path, a sentence about it).

    Paths without it are groups of their own. Raises DataError where it fits none.
    """
    found = [match[1] or "" if (match := re.search(pattern, path)) else "" for path in paths]
    fitting = sum(bool(name) for name in found)
    if not fitting:
        raise DataError(f"--group-pattern {pattern!r} fits none of {count(len(found), 'path')}, such as {paths[0]!r}.")
    return found, (f"By the pattern in their names {count(fitting, 'picture')} of {len(found)} belong to "
                   f"{count(len(set(found) - {''}), 'group')}.")


def checked(pattern):
    """ValueError where `pattern` is no regular expression with one group in brackets."""
    try:
        if re.compile(pattern).groups < 1:
            raise ValueError("it has no group in brackets, such as 'patient(\\d+)'")
    except re.error as error:
        raise ValueError(f"it is no regular expression ({error})") from None


def offer(paths):
    """(pattern, number of groups) of names that look as if several pictures shared a number; None where they do not."""
    names = [PurePosixPath(path).name for path in paths]
    for pattern in OFFERED:
        found = [match[1] for name in names if (match := re.search(pattern, name))]
        number = len(set(found))
        if len(found) >= ENOUGH * len(names) and FEWEST <= number <= 0.7 * len(names):
            return pattern, number
    return None
