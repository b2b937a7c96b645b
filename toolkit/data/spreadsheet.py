"""CSV that a spreadsheet opens without running anything, and that pandas and this package read back unchanged."""

import csv
import io
import re

FORMULA = re.compile(r"'*[=+\-@\t\r]")  # with apostrophes before it, so that `csv_plain` is an exact inverse
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def csv_safe(value):
    """Text that a spreadsheet would run as a formula, behind an apostrophe; numbers, also as text, as they are."""
    formula = isinstance(value, str) and FORMULA.match(value) and not NUMBER.fullmatch(value)
    return "'" + value if formula else value


def csv_plain(value):
    """The inverse of `csv_safe`."""
    return value[1:] if isinstance(value, str) and value.startswith("'") and FORMULA.match(value) else value


def to_csv(columns, rows, mark=False):
    """Column names and rows of str, number or None -> CSV bytes: UTF-8, dots in numbers, no live formula.

    mark: begin with the byte order mark, without which Excel takes the text for another encoding.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([csv_safe(name) for name in columns])
    writer.writerows([csv_safe(value) for value in row] for row in rows)
    return text.getvalue().encode("utf-8-sig" if mark else "utf-8", "backslashreplace")
