"""What the findings suggest should be done with each picture; nothing is done here, and no file is touched.

- unreadable: exclude.
- label conflicts, one picture under two classes: exclude every file of it, since nobody knows which label is right.
- duplicates, one picture in several files of a class: keep one and exclude the rest. Where the pictures have parts, the
  one in the test part stays, before validation and train; then the largest; then the first by name.
- near duplicates: regroup. A cluster becomes one group; groups that a cluster or a copy joins become one.
- any other warning about pictures, and label errors: leave them as they are, marked. The column `suspected` names the
  findings, with a picture's score where it has one, `suggested` the class that fits better.
"""

from typing import NamedTuple

from toolkit.data import edits, splits
from toolkit.data.reading import count

COPIES, CONFLICTS, NEAR = "duplicates", "label conflicts", "near duplicates"
NEAR_CONFLICTS = "near duplicates in several classes"
SETTLED = (COPIES, CONFLICTS, NEAR, "unreadable", "left out")  # what a suggestion deals with, or nobody can
PLACE = {"test": 0, "validation": 1, "train": 2}
LONGEST = 200       # characters of a reason or of the name of a group


class Cleaning(NamedTuple):
    """edits: data.edits.Edit, one a picture that is to be left out or regrouped; rows: DataFrame of the pictures that
    stay, with their new groups and the columns suspected and suggested; said: sentences about it."""

    edits: tuple
    rows: object
    said: tuple


def suggested(rows, findings, unreadable=(), given=False, classes=True):
    """What to do about `findings` on `rows`, the pictures that could be read -> Cleaning.

    unreadable: (path, label, reason). given: whether the split came with the data; else the column split is emptied,
    so that the pictures that stay are split anew. classes: whether a label is a class.
    """
    place = {path: row for row, path in enumerate(rows["path"])}
    bundles = {check: [[place[path] for path in bundle if path in place] for finding in findings
                       if finding.check == check for bundle in finding.bundles] for check in (COPIES, CONFLICTS, NEAR)}
    gone = excluded(rows, bundles)
    groups = regrouped(rows, bundles, gone)
    made = [edits.Edit(path, "", "exclude", why=cut(f"cannot be read: {reason}")) for path, _, reason in unreadable]
    made += [edits.Edit(rows["path"].iat[row], rows["sha256"].iat[row], "exclude", why=cut(why))
             for row, why in sorted(gone.items())]
    made += [edits.Edit(rows["path"].iat[row], rows["sha256"].iat[row], "regroup", group, why="near duplicates")
             for row, group in sorted(groups.items())]
    stay = rows.copy()
    stay["suspected"], stay["suggested"] = marks(rows, findings)
    for row, group in groups.items():
        stay.iat[row, stay.columns.get_loc("group")] = group
    if not given:
        stay["split"] = ""
    stay = stay.drop(index=stay.index[list(gone)]).reset_index(drop=True)
    return Cleaning(tuple(made), stay, tuple(sentences(rows, stay, made, groups, classes)))


def excluded(rows, bundles):
    """{row: why} of the copies and of the pictures under two classes."""
    gone = {}
    for bundle in bundles[CONFLICTS]:
        labels = ", ".join(sorted(set(rows["label"].iloc[bundle])))
        gone |= dict.fromkeys(bundle, f"the same picture under {labels}" if labels else "a picture marked in two ways")
    for bundle in bundles[COPIES]:
        left = sorted((row for row in bundle if row not in gone), key=lambda row: rank(rows, row))
        gone |= {row: f"a copy of {rows['path'].iat[left[0]]}" for row in left[1:]}
    return gone


def rank(rows, row):
    """What tells which one of several copies stays: the least."""
    area = int(rows["width"].iat[row]) * int(rows["height"].iat[row])
    return PLACE.get(rows["split"].iat[row], 3), -area, rows["path"].iat[row]


def regrouped(rows, bundles, gone):
    """{row: its new group} of the pictures that stay and belong to a larger group than the data say."""
    keys = [[""] * len(rows) for _ in range(2)]
    for key, check in zip(keys, (NEAR, COPIES)):
        for number, bundle in enumerate(bundles[check]):
            for row in bundle:
                key[row] = f"{number}"
    old = rows["group"].to_numpy(object)
    members = {}
    for row, bundle in enumerate(splits.bind(old, *keys)):
        members.setdefault(bundle, []).append(row)
    taken, found, number = set(old), {}, 0
    for together in members.values():
        names = list(dict.fromkeys(old[row] for row in together if old[row]))
        left = [row for row in together if row not in gone]
        if len(left) < 2:
            continue
        if not names:
            number = next(n for n in range(number + 1, number + len(taken) + 2) if f"near-{n:04d}" not in taken)
        name = joined(names, taken) if names else f"near-{number:04d}"
        found |= {row: name for row in left if old[row] != name}
    return found


def joined(names, taken):
    """One name for several groups, that no other group has."""
    name = " + ".join(names)
    if len(names) > 1 and len(name) > LONGEST:
        name = f"{cut(names[0])} and {len(names) - 1} more"
    while len(names) > 1 and name in taken:
        name += " +"
    return name


def marks(rows, findings):
    """(names of what is suspected of each picture, parted by "; "; the class that would fit better, or "")."""
    place = {path: row for row, path in enumerate(rows["path"])}
    suspected, better = [[] for _ in place], [""] * len(place)
    for finding in findings:
        if finding.check in SETTLED or finding.bundles and finding.check != NEAR_CONFLICTS or not (
                finding.severity != "note" or finding.scores):
            continue
        number = len(finding.pictures)
        for path, label, score in zip(finding.pictures, finding.suggested or [""] * number,
                                      finding.scores or [None] * number):
            if path in place:
                suspected[place[path]].append(finding.check + ("" if score is None else f" ({score:.2g})"))
                better[place[path]] = better[place[path]] or label
    return ["; ".join(dict.fromkeys(one)) for one in suspected], better


def sentences(rows, stay, made, groups, classes=True):
    """What the suggestion comes to."""
    out = sum(edit.action == "exclude" for edit in made)
    marked = int((stay["suspected"] != "").sum())
    said = [f"{count(out, 'file')} left out"] if out else []
    if groups:
        said.append(f"{count(len(groups), 'picture')} put into {count(len(set(groups.values())), 'group')}")
    if marked:
        said.append(f"{count(marked, 'picture')} marked and left as {'it is' if marked == 1 else 'they are'}")
    if said:
        yield f"{', '.join(said)}; {count(len(stay), 'picture')} of {len(rows)} stay."
    for label in sorted(set(rows["label"]) - set(stay["label"])) if classes else ():
        yield f"Class {label!r} would lose its last picture by that."


def cut(text):
    """A text of at most LONGEST characters."""
    return text if len(text) <= LONGEST else text[:LONGEST - 1] + "…"
