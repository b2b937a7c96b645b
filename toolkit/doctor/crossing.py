"""What stands on both sides: of a split that came with the data, or of a model's training and what is to measure it."""

from collections import Counter

from toolkit.data import splits
from toolkit.data.reading import count
from toolkit.doctor.findings import Finding
from toolkit.pixels.frames import files

EXAMPLES = 3
PARTS = "train, validation and test"


def across_splits(case):
    """Copies of a picture, or pictures of a group, in two parts: only a given split can do that.

    What belongs together by both is told once, as copies.
    """
    given = (case.rows["split"] if case.given is None else case.given).to_numpy(object)
    if not (given != "").any():
        return
    copies = splits.bind(*_hashes(case.rows))
    found = {"pictures across splits": [], "groups across splits": []}
    for rows in splits.leaks(given, splits.bind(case.rows["group"], files(case.rows["path"]), *_hashes(case.rows))):
        found["pictures across splits" if splits.leaks(given[rows], copies[rows]) else
              "groups across splits"].append(rows)
    for check, bundles in found.items():
        if bundles:
            yield _told(case.rows, given, check, bundles)


def seen_before(paths, of):
    """The finding that pictures to measure a model on are among those it learnt from."""
    return Finding("seen in training", "warning", tuple(paths),
                   f"{count(len(paths), 'picture')} of {of} stood in the training or validation part of the model's own"
                   " run, as they are or in another file: the scores will be better than the truth.",
                   "Leave these pictures out; --strict refuses.")


def scenes_before(paths, like, of):
    """The finding that pictures to measure a model on are near duplicates of some it learnt from, the paths `like`."""
    return Finding("near duplicates seen in training", "warning", tuple(paths),
                   f"{count(len(paths), 'picture')} of {of} {'shows' if len(paths) == 1 else 'show'} the same scene as"
                   f" pictures that the model learnt from, such as {paths.iat[0]} and {like[0]}: the scores on them"
                   " will be better than the truth.",
                   "Leave these pictures out; --strict refuses.")


def groups_before(rows):
    """The finding that groups of `rows` bear names that groups of the model's training bear as well."""
    names = sorted(set(rows["group"]))
    return Finding("groups seen in training", "warning", tuple(rows["path"]),
                   f"{count(len(rows), 'picture')} of {count(len(names), 'group')}, such as {names[0]!r}, whose names"
                   " the training or validation part of the model's own run has too: if they are the same patients,"
                   " plants or lots, the scores will be better than the truth.",
                   "Leave these pictures out; where both sets number their own, give other names. --strict refuses.")


def nothing_known():
    """The finding that a model came without its run."""
    return Finding("seen in training", "note", (), "The model's run folder is not around it, so nobody can say whether"
                   " these pictures stood in its training.", "Measure by the run folder, where there is one.")


def bytes_alone(lacking, of):
    """The finding that not all that was learnt could be compared by its pixels and looks."""
    return Finding("seen in training", "note", (), f"{lacking} of the {count(of, 'picture')} that the model learnt from"
                   " are no longer kept by this machine; they were compared by their bytes alone, and not by their"
                   " pixels or by what they show.", "Nothing, if these pictures are of another source.")


def _told(rows, given, check, bundles):
    """The finding about bundles that leak in the given split."""
    what, now = check.split()[0].removesuffix("s"), rows["split"].to_numpy(object)
    paths = tuple(tuple(rows["path"].iloc[bundle]) for bundle in bundles)
    moved = [row for bundle in bundles for row in bundle if now[row] != given[row]]
    said = f"{count(len(bundles), what)} in more than one of {PARTS}"
    if not moved:
        return Finding(check, "warning", sum(paths, ()), f"{said}: the scores will be better than the truth.",
                       "Mend the given split, or leave it out and let the pictures be split anew; --strict refuses.",
                       paths)
    ways = Counter((given[row], now[row]) for row in moved)
    shown = "; ".join(_example(rows, given, bundle) for bundle in bundles[:EXAMPLES])
    return Finding(check, "warning", sum(paths, ()),
                   f"{said} of the given split. So that nothing leaks into the scores {count(len(moved), 'picture')}"
                   f" moved: {', '.join(f'{number} from {old} to {new}' for (old, new), number in ways.items())}; such"
                   f" as {shown}.",
                   "See that they do belong together. --keep-split leaves the given split as it is, --strict refuses.",
                   paths)


def _example(rows, given, bundle):
    """One picture that moved and the one that drew it."""
    now = rows["split"].to_numpy(object)
    row = next(row for row in bundle if now[row] != given[row])
    other = next(other for other in bundle if given[other] == now[row])
    return f"{rows['path'].iat[row]} to {now[row]}, for {rows['path'].iat[other]}"


def _hashes(rows):
    return [rows[name] for name in ("sha256", "fingerprint") if name in rows]
