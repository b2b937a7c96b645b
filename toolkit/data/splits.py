"""Train, validation and test: stratified by class, never parting a group or pictures that are the same."""

import numpy as np

from toolkit.data import balance
from toolkit.data.reading import count, listed
from toolkit.errors import DataError, OptionError

PARTS = ("train", "validation", "test")
FRACTIONS = (0.7, 0.15, 0.15)


def assign(labels, groups=None, given=None, fractions=FRACTIONS, seed=0, *, same=(), strict=False,
           names=None, lacking=()):
    """One of PARTS for each row -> array of str (n,), a function of the arguments.

    labels: class names (n,). groups: (n,) or None; "" is a group of its own. same: sequences (n,) of hashes, such as
    sha256 and fingerprint; rows equal in one of them stay together. given: (n,) of PARTS, or "" everywhere; given parts
    are kept, and a missing validation or test part is cut from train. fractions: shares of PARTS, each above 0, sum 1.
    strict: a group or picture on both sides of a given split is an error; `mended` puts it on one side beforehand.
    names: what the rows are called in that error. lacking: given parts that may lack classes, beside validation.

    Raises DataError where a class cannot be in every part, OptionError for wrong fractions. How: `balance.placed`.
    """
    labels = np.asarray(labels, dtype=object)
    shares = np.asarray(fractions, float)
    if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-6:
        raise OptionError(f"split fractions {tuple(fractions)}; wanted three shares above 0 for train, validation and"
                          " test that sum to 1.")
    bound = bind(groups, *same, rows=len(labels))
    given = np.asarray([""] * len(labels) if given is None else given, dtype=object)
    if not (given != "").any():
        return _cut(labels, bound, PARTS, shares, seed)
    present = [part for part in PARTS if (given == part).any()]
    crossing = leaks(given, bound) if strict else []
    if crossing:
        shown = [" = ".join(str(row if names is None else names[row]) for row in rows[:4]) for rows in crossing]
        raise DataError(f"The given split has {count(len(crossing), 'group')} of one patient or picture on both sides;"
                        f" mend the split, or go on without --strict:{listed(shown)}")
    if "train" not in present:
        raise DataError(f"The given split has no train part; it has: {', '.join(present)}.")
    result = given.copy()
    missing = [part for part in PARTS if part not in present]
    if missing:
        inside = np.flatnonzero(given == "train")
        parts = ["train", *missing]
        kept = np.array([shares[PARTS.index(part)] for part in parts])
        result[inside] = _cut(labels[inside], bound[inside], parts, kept / kept.sum(), seed)
    _complete(labels, result, [part for part in PARTS if part in missing
                               or part in ("train", "test") and part not in lacking])
    return result.astype(str)


def bind(groups=None, *same, rows=None):
    """Number of the bundle each row belongs to (n,): rows with an equal group, or an equal hash, share one; "" binds
    nothing. Chains bind too: a and b of one patient, b and c the same picture."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    keys = [key for key in (groups, *same) if key is not None]
    rows = len(keys[0]) if rows is None else rows
    first, second = [], []
    for key in keys:
        seen = {}
        for row, value in enumerate(key):
            if value is not None and value == value and value != "":
                first.append(seen.setdefault(value, row))
                second.append(row)
    graph = coo_matrix((np.ones(len(first), np.int8), (first, second)), shape=(rows, rows))
    return connected_components(graph, directed=False)[1]


def leaks(split, bound):
    """Bundles that stand in more than one part: a list of arrays of rows."""
    split, bound = np.asarray(split), np.asarray(bound)
    order = np.argsort(bound, kind="stable")
    bundles = np.split(order, np.flatnonzero(np.diff(bound[order])) + 1)
    return [rows for rows in bundles if len(rows) > 1 and len(set(split[rows])) > 1]


def mended(given, bound, labels):
    """A given split without leaks -> parts (n,).

    A bundle that stands in more than one part goes whole to test where any of it stands there, else to validation: what
    was given to test stays there, and training loses what leaks. Rows without a part keep none. Raises DataError where
    a class would lose its last picture of a part.
    """
    given, labels = np.asarray(given, dtype=object), np.asarray(labels, dtype=object)
    parts, standing = given.copy(), np.flatnonzero(given != "")
    for rows in leaks(given[standing], np.asarray(bound)[standing]):
        rows = standing[rows]
        parts[rows] = "test" if "test" in given[rows] else "validation"
    lost = [f"class {name!r}: 0 of {count(int((labels == name).sum()), 'picture')} in {part}, before"
            f" {int(((given == part) & (labels == name)).sum())}"
            for part in PARTS for name in sorted(set(labels[given == part]) - set(labels[parts == part]))]
    if lost:
        raise DataError("So many pictures of the given split leak that it cannot be mended: with what belongs together"
                        " in one part it leaves classes out. Leave the split out, so that a new one is made, or take it"
                        f" as it is with --keep-split:{listed(lost)}")
    return parts


def leaking(split, bound):
    """Rows of test that belong to a bundle of which something stands in train or validation."""
    split, bound = np.asarray(split, dtype=object), np.asarray(bound)
    return np.flatnonzero((split == "test") & np.isin(bound, bound[np.isin(split, ("train", "validation"))]))


def _cut(labels, bound, parts, shares, seed):
    classes, label = np.unique(labels.astype(str), return_inverse=True)
    classes = classes.tolist()
    bundles, bundle = np.unique(bound, return_inverse=True)
    table = np.zeros((len(bundles), len(classes)), np.int64)  # pictures of each class in each bundle
    np.add.at(table, (bundle, label), 1)
    _enough(classes, table, len(parts))
    place = balance.placed(table, shares, seed)
    if place is None:
        raise DataError(f"No way puts every class into {', '.join(parts)} without parting a group; give a split of your"
                        " own, or finer groups:"
                        + listed(_counted(classes, table, np.ones(len(classes), bool), f"more than {len(parts)}")))
    return np.asarray(parts)[place[bundle]]


def _enough(classes, table, need):
    """Each class needs a bundle for each part."""
    few = (table > 0).sum(0) < need
    if few.any():
        raise DataError(f"{count(int(few.sum()), 'class')} too small to be in each of the {need} parts (a picture"
                        " without a group or twin is a group of its own):"
                        + listed(_counted(classes, table, few, need)))


def _counted(classes, table, which, need):
    """A line a class of the mask `which`: its pictures and its bundles."""
    pictures, bundles = table.sum(0).tolist(), (table > 0).sum(0).tolist()
    return [f"class {classes[k]!r}: {count(pictures[k], 'picture')} in {count(bundles[k], 'separate group')};"
            f" {need} are needed" for k in np.flatnonzero(which)]


def _complete(labels, split, parts):
    """No class may be silently missing from a part that is trained or tested on."""
    short = []
    for part in parts:
        absent = sorted(set(labels) - set(labels[split == part]))
        short += [f"class {name!r}: 0 of {count(int((labels == name).sum()), 'picture')} in {part}; 1 is needed"
                  for name in absent]
    if short:
        raise DataError("The given split leaves classes out (on some classes alone a finished model is measured by"
                        f" python -m toolkit.evaluate):{listed(short)}")
