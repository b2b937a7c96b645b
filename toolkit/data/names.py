"""Groups in file names: taken where the user gives the pattern, offered where names look so, never guessed."""

import re

from toolkit.data.reading import count
from toolkit.errors import DataError

WORDS = "patient|person|subject|donor|animal|mouse|case|slide|specimen|wafer|lot|batch|plant"
OF_A_FILE = "(?=[^/]*$)"  # not in the names of folders
OFFERED = (rf"(?i)(?<![a-z])(?:{WORDS})[-_ ]?([a-z]{{0,2}}\d+){OF_A_FILE}",
           rf"(?i)\b((?:p|pat|id|sub|s|w)[-_]?\d+)[-_]{OF_A_FILE}",
           r"\b([A-Za-z]{0,4}\d+)[-_ ](?:[A-Za-z]{0,6}\d{1,3})\.\w+$",
           rf"(?i)(?<![a-z])(?:{WORDS})[-_ ]?([a-z]{{0,2}}\d+)[^/]*/")
ENOUGH = 0.9      # share of the names that a pattern must fit to be offered
FEWEST, MOST = 3, 0.7  # groups; groups a picture


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


def offer(paths, labels=None):
    """(pattern, number of groups) of names that look as if several pictures shared a number; None where they do not.

    labels: classes of the paths; a pattern that finds nothing but them is none. Nothing is taken: who knows what the
    number means passes the pattern to `groups`.
    """
    for pattern in OFFERED:
        found = [match[1] if (match := re.search(pattern, path)) else "" for path in paths]
        number, fitting = len(set(found) - {""}), len(found) - found.count("")
        if fitting >= ENOUGH * len(found) and FEWEST <= number <= MOST * len(found):
            if labels is None or len(set(zip(found, labels))) > len(set(labels)):
                return pattern, number
    return None
