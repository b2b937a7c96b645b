"""Train, validation and test: stratified by class, never parting a group or pictures that are the same."""

import numpy as np

from toolkit.data.reading import count, listed
from toolkit.errors import DataError, OptionError

PARTS = ("train", "validation", "test")
FRACTIONS = (0.7, 0.15, 0.15)
TRIES = 8  # orders tried where groups are few; the best balanced is taken


def assign(labels, groups=None, given=None, fractions=FRACTIONS, seed=0, *, same=(), strict=False,
           names=None):
    """One of PARTS for each row -> array of str (n,), a function of the arguments.

    labels: class names (n,). groups: (n,) or None; "" is a group of its own. same: sequences (n,) of hashes, such as
    sha256 and fingerprint; rows equal in one of them stay together. given: (n,) of PARTS, or "" everywhere; given parts
    are kept, and a missing validation or test part is cut from train. fractions: shares of PARTS, each above 0, sum 1.
    strict: a group or picture on both sides of a given split is an error; otherwise it is only to be found by `leaks`.
    names: what the rows are called in that error.

    Raises DataError where a class cannot be in every part, OptionError for wrong fractions. Greedy as in Sechidis,
    Tsoumakas, Vlahavas (2011), with whole groups in place of pictures and a repair of empty cells.
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
    _complete(labels, result, [part for part in PARTS if part in ("train", "test") or part in missing])
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


def _cut(labels, bound, parts, shares, seed):
    classes, label = np.unique(labels.astype(str), return_inverse=True)
    bundles, bundle = np.unique(bound, return_inverse=True)
    table = np.zeros((len(bundles), len(classes)), np.int64)  # pictures of each class in each bundle
    np.add.at(table, (bundle, label), 1)
    _enough(classes, table, len(parts))
    want = np.outer(shares, table.sum(0))
    best, cost = None, np.inf
    for attempt in range(TRIES if len(bundles) <= 2000 else 1):
        rng = np.random.default_rng([seed, attempt])
        place = _repair(_greedy(table, want, rng), table, want)
        if place is not None:
            have = _filled(place, table, len(parts))
            chi = float(((have - want) ** 2 / want).sum())
            if chi < cost - 1e-9:
                best, cost = place, chi
    if best is None:
        raise DataError(f"The groups are too few to put every class into {', '.join(parts)} without parting one; give a"
                        " split of your own, or finer groups.")
    return np.asarray(parts)[best[bundle]]


def _enough(classes, table, need):
    """Each class needs a bundle for each part."""
    have = (table > 0).sum(0)
    short = [f"class {name!r}: {count(int(table[:, k].sum()), 'picture')} in {count(int(have[k]), 'separate group')};"
             f" {need} are needed" for k, name in enumerate(classes.tolist()) if have[k] < need]
    if short:
        raise DataError(f"{count(len(short), 'class')} too small to be in each of the {need} parts (a picture without"
                        f" a group or twin is a group of its own):{listed(short)}")


def _greedy(table, want, rng):
    """Largest bundles first, each to the part where it lessens the relative deviation most."""
    order = rng.permutation(len(table))
    order = order[np.argsort(-table[order].sum(1), kind="stable")]
    have, place = np.zeros_like(want), np.empty(len(table), np.int64)
    for row in order:
        kinds = np.flatnonzero(table[row])
        added = table[row, kinds]
        rise = (added * (2 * (have[:, kinds] - want[:, kinds]) + added) / want[:, kinds]).sum(1)
        place[row] = int(rise.argmin())
        have[place[row], kinds] += added
    return place


def _repair(place, table, want):
    """Move bundles until every class is in every part; None where no move helps."""
    have = _filled(place, table, len(want))
    for _ in range(3 * want.size):
        empty = np.argwhere(have == 0)
        if not len(empty):
            return place
        part, kind = empty[0]
        best = None
        for row in np.flatnonzero((table[:, kind] > 0) & (place != part)):
            left = have[place[row]] - table[row]
            if (left[table[row] > 0] > 0).all():
                moved = table[row].sum()
                best = (moved, row) if best is None or moved < best[0] else best
        if best is None:
            return None
        row = best[1]
        have[place[row]] -= table[row]
        have[part] += table[row]
        place[row] = part
    return None


def _filled(place, table, parts):
    have = np.zeros((parts, table.shape[1]), np.int64)
    np.add.at(have, place, table)
    return have


def _complete(labels, split, parts):
    """No class may be silently missing from a part that is trained or tested on."""
    short = []
    for part in parts:
        absent = sorted(set(labels) - set(labels[split == part]))
        short += [f"class {name!r}: 0 of {count(int((labels == name).sum()), 'picture')} in {part}; 1 is needed"
                  for name in absent]
    if short:
        raise DataError(f"The given split leaves classes out:{listed(short)}")
