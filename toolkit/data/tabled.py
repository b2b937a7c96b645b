"""table.csv of a fetched set, by the rules of its card: which files are pictures, what their names and lists say."""

import os
import re
from pathlib import Path, PurePosixPath

from toolkit.data.reading import count
from toolkit.data.spreadsheet import to_csv
from toolkit.errors import DataError, plain

TABLE = "table.csv"
FIRST = ("path", "label", "split", "group")  # columns, as far as the rules give them


def made(rules, folder, say=print):
    """CSV bytes with a row a picture, by name. `rules`: data.cards.Table; paths start from `folder`.

    What the rules do not name is left out and counted aloud. Raises DataError where nothing is left, or where a list
    names what is not there.
    """
    folder = Path(folder)
    rows, passed = (of_list if rules.list else of_paths)(rules, folder)
    if not rows:
        raise DataError(f"No file under {folder} is as the card says; its publisher has changed the set.")
    for row in rows:
        row["label"] = rules.names.get(row["label"], row["label"])
    if rules.splits:
        rows, outside = split(rules.splits, folder, rows)
        passed += outside
    columns = [name for name in FIRST if any(name in row for row in rows)]
    columns += sorted({name for row in rows for name in row} - set(columns))
    say(f"{TABLE}: {count(len(rows), 'picture')}" + (f"; {count(passed, 'file')} beside them left out." if passed
                                                     else "."))
    return to_csv(columns, [[row.get(name) or "" for name in columns] for row in rows])


def of_paths(rules, folder):
    """(rows, files left out) by the path of each file below the folder."""
    rows, passed = [], 0
    for place, below, files in os.walk(folder):
        below.sort()
        for name in sorted(files):
            path = Path(place, name).relative_to(folder).as_posix()
            found = re.fullmatch(rules.row, path)
            passed += not found
            if found:
                rows.append({"path": path} | found.groupdict())
    return rows, passed


def of_list(rules, folder):
    """(rows, lines left out) by the lines of the list."""
    rows, passed = [], 0
    for line in lines(folder / rules.list):
        found = re.fullmatch(rules.row, line)
        passed += not found
        if found:
            rows.append(found.groupdict() | {"path": (PurePosixPath(rules.under) / found["path"]).as_posix()})
    missing = [row["path"] for row in rows if not (folder / row["path"]).is_file()]
    if missing:
        raise DataError(f"{rules.list} names {count(len(missing), 'picture')} that are not there, such as "
                        f"{plain(missing[0])}; the publisher has changed the set.")
    return rows, passed


def split(lists, folder, rows):
    """(rows with their part, rows that no list names): a line of a list is the end of a picture's path."""
    parts, lengths = {}, set()
    for part, files in lists.items():
        for file in files:
            for line in lines(folder / file):
                if parts.setdefault(line, part) != part:
                    raise DataError(f"{file} names {plain(line)}, which is in {parts[line]} too.")
                lengths.add(line.count("/") + 1)
    kept = []
    for row in rows:
        names = row["path"].split("/")
        ends = ("/".join(names[-length:]) for length in lengths)
        part = next((parts[end] for end in ends if end in parts), None)
        if part:
            kept.append(row | {"split": part})
    if not kept:
        raise DataError(f"The lists of the split name no picture under {folder}; the publisher has changed the set.")
    return kept, len(rows) - len(kept)


def lines(path):
    """The lines of a list that are not empty. Raises DataError."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise DataError(f"{path.name} is not in the set ({error.strerror}); the publisher has changed it.") from None
    return [line.strip() for line in text.splitlines() if line.strip()]
