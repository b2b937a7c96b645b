"""What a person decided about pictures: label_edits.jsonl, beside the data or named by --edits. Nothing else changes.

A line is an edit, {"path", "sha256", "action", "value", "time", "why"}, and later lines stand above earlier ones:

| action | value | what it does |
| --- | --- | --- |
| exclude | | leaves the picture out |
| relabel | a class | gives it another class |
| regroup | a group | says what it belongs to, and must not be parted from |
| undo | | takes back what stands for the picture |

`sha256` is the picture's as it was looked at: an edit of a file that is another one now is told and not applied.
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from toolkit.data.reading import count, listed
from toolkit.errors import DataError, ResourceError

NAME = "label_edits.jsonl"
ACTIONS = ("exclude", "relabel", "regroup", "undo")
LONGEST = 10_000  # characters of a line
COLUMNS = {"relabel": "label", "regroup": "group"}


@dataclass(frozen=True)
class Edit:
    """One decision."""

    path: str
    sha256: str
    action: str
    value: str = ""
    time: str = ""
    why: str = ""


def beside(data):
    """The edits file that belongs to a folder, or to the folder of a table; None where there is none."""
    place = Path(data)
    path = (place if place.is_dir() else place.parent) / NAME
    return path if path.is_file() and "://" not in str(data) and not str(data).startswith("sample:") else None


def read(path):
    """The edits of a file, in their order. Raises DataError, naming the line, where one is no edit."""
    try:
        lines = Path(path).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The edits {path} cannot be read ({error}).") from None
    return [parsed(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def parsed(text, place):
    """The Edit of a line."""
    try:
        found = json.loads(text) if len(text) <= LONGEST else None
        known = {name: found.get(name, "") for name in Edit.__dataclass_fields__}
        if not all(isinstance(value, str) for value in known.values()) or not known["path"]:
            raise ValueError("path and what else it holds must be text")
    except (ValueError, AttributeError, RecursionError):
        raise DataError(f"{place} is no edit; wanted JSON with path, sha256, action and value.") from None
    if known["action"] not in ACTIONS or (known["action"] in COLUMNS) != bool(known["value"].strip()):
        raise DataError(f"{place}: action {known['action']!r} with value {known['value']!r}; wanted exclude or undo "
                        "without a value, relabel or regroup with one.")
    return Edit(**known)


def append(path, *edits):
    """Add edits at the end of a file, which is made if it is missing; a time is put in where one has none."""
    text = [line(edit) for edit in edits]
    for one in text:
        parsed(one, "the new edit")
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write("".join(text))
    except OSError as error:
        raise ResourceError(f"{path} cannot be written: {error.strerror}; the decision was not kept.") from error


def line(edit):
    """An edit as a line of the file; a time is put in where it has none."""
    row = asdict(edit) | {"time": edit.time or datetime.now(timezone.utc).isoformat(timespec="seconds")}
    return json.dumps({name: value for name, value in row.items() if value}, ensure_ascii=False) + "\n"


def standing(edits):
    """{path: {action: Edit}} of what stands after all lines: undo clears a picture, an action replaces its like."""
    found = {}
    for edit in edits:
        if edit.action == "undo":
            found.pop(edit.path, None)
        else:
            found.setdefault(edit.path, {})[edit.action] = edit
    return found


def applied(rows, edits):
    """(rows without the excluded pictures and with new labels and groups; sentences about it); rows have sha256."""
    rows, stale, gone = rows.copy(), [], []
    left_out, done = [], dict.fromkeys(ACTIONS, 0)
    place = {path: row for row, path in enumerate(rows["path"])}
    for path, actions in standing(edits).items():
        row = place.get(path)
        if row is None:
            gone.append(path)
            continue
        for action, edit in actions.items():
            if edit.sha256 and edit.sha256 != rows["sha256"].iat[row]:
                stale.append(path)
            elif action == "exclude":
                left_out.append(row)
                done[action] += 1
            else:
                rows.iat[row, rows.columns.get_loc(COLUMNS[action])] = edit.value
                done[action] += 1
    rows = rows.drop(index=rows.index[left_out]).reset_index(drop=True)
    said = ", ".join(f"{number} {action}" for action, number in done.items() if number)
    notes = [f"Edits applied: {said}."] if said else []
    if stale:
        notes.append(f"{count(len(stale), 'edit')} of a picture that has changed since, not applied:{listed(stale)}")
    if gone:
        notes.append(f"{count(len(gone), 'edit')} of a picture that is not in the data:{listed(gone)}")
    return rows, notes
