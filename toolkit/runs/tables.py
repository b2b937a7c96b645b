"""The tables of a run, read line by line within bounds: whatever a file holds, memory and time stay small."""

import csv
import os
import stat

from toolkit.data.spreadsheet import csv_plain
from toolkit.errors import UntrustedError

LARGEST = 64 << 20   # bytes of a table
LINE = 1 << 20       # characters of a line of it
MOST = 200_000       # rows
CELLS = 8 << 20      # cells


def signature(path):
    """(path, time of change, size) of a table that may be read: what `rows` has found is good while they stay."""
    try:
        info = os.stat(path, follow_symlinks=False)
    except OSError as error:
        raise UntrustedError(f"{path.name} cannot be read: {error.strerror}.") from None
    if not stat.S_ISREG(info.st_mode) or info.st_size > LARGEST:
        raise UntrustedError(f"{path.name} is no table of at most {LARGEST >> 20} MB.")
    return path, info.st_mtime_ns, info.st_size


def rows(path):
    """The lines of a CSV file as lists of text, the header first, formulas as they were before they were neutralised.

    Raises UntrustedError where it cannot be read, is too long, or a line has more or fewer cells than the header.
    """
    signature(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            yield from checked(path, csv.reader(lines(path, file)))
    except OSError as error:
        raise UntrustedError(f"{path.name} cannot be read: {error.strerror}.") from None
    except (ValueError, csv.Error) as error:
        raise UntrustedError(f"{path.name} is damaged ({str(error)[:100]}).") from None


def checked(path, table):
    """Every row of a table that has the shape of its header."""
    width = None
    for number, row in enumerate(table):
        if not row:
            continue
        width = width or len(row)
        if len(row) != width:
            raise UntrustedError(f"{path.name} is damaged: row {number} has {len(row)} cells in place of {width}.")
        if number > MOST or number * width > CELLS:
            raise UntrustedError(f"{path.name} holds more rows than are shown here ({number:,}).")
        yield [csv_plain(cell) for cell in row]
    if width is None:
        raise UntrustedError(f"{path.name} is damaged: it is empty.")


def lines(path, file):
    """The lines of an open file, none of them longer than LINE."""
    while line := file.readline(LINE + 1):
        if len(line) > LINE:
            raise UntrustedError(f"{path.name} is damaged: a line in it has no end.")
        yield line
