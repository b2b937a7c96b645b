"""Whole bundles of pictures into parts of asked shares: greedily, and by an exact search where that misses a share."""

import numpy as np

CLOSE = 0.05   # of a class's pictures: a part that is further than this from its share is looked at again, exactly
TRIES = 8      # orders tried where bundles are few; the best balanced is taken
FEW = 2000     # bundles
NODES = 200    # of the exact search, which needs one for most data; unlike seconds they are the same on every machine


def placed(table, shares, seed):
    """Part of each bundle (b,), numbers into `shares`; None where no way puts every class into every part.

    table: pictures (b, k) of each class in each bundle; shares: of the parts, sum 1. A function of the arguments.

    Greedy as in Sechidis, Tsoumakas, Vlahavas (2011), with whole bundles in place of pictures and a repair of empty
    cells. Where a class is further than CLOSE from its share in a part, or nothing was found, an integer programme
    is solved for the least of what is beyond CLOSE.
    """
    want = np.outer(shares, table.sum(0))
    best, cost = None, np.inf
    for attempt in range(TRIES if len(table) <= FEW else 1):
        rng = np.random.default_rng([seed, attempt])
        place = _repair(_greedy(table, want, rng), table, want)
        if place is not None:
            have = filled(place, table, len(want))
            chi = float(((have - want) ** 2 / want).sum())
            if chi < cost - 1e-9:
                best, cost = place, chi
    if best is None or beyond(best, table, shares):
        exact = _solved(table, np.asarray(shares, float), np.random.default_rng([seed, TRIES]))
        if exact is not None and (best is None or beyond(exact, table, shares) < beyond(best, table, shares)):
            return exact
    return best


def beyond(place, table, shares):
    """How far the parts are from their shares of each class, beyond CLOSE, in all: 0 where none is further."""
    off = np.abs(filled(place, table, len(shares)) / table.sum(0) - np.asarray(shares)[:, None]) - CLOSE
    return float(off[off > 1e-9].sum())


def filled(place, table, parts):
    """Pictures (parts, k) of each class in each part."""
    have = np.zeros((parts, table.shape[1]), np.int64)
    np.add.at(have, place, table)
    return have


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
    have = filled(place, table, len(want))
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


def _solved(table, shares, rng):
    """Part of each bundle by an integer programme; None where there is no answer.

    Unknown: how many of each kind of bundle go to each part, how far off each class's share is in each part, and how
    much of that is beyond CLOSE. The last is what counts; being off counts a hundredth, and a chance cost of less
    lets the seed decide between equals.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import bmat, identity, kron

    kinds, kind, number = np.unique(table, axis=0, return_inverse=True, return_counts=True)
    parts, cells = len(shares), len(shares) * table.shape[1]
    share = kron((kinds / table.sum(0)).T, identity(parts))                          # cells: class by class
    one, asked = identity(cells), np.tile(shares, table.shape[1])
    whole = kron(identity(len(kinds)), np.ones((1, parts)))
    rules = bmat([[whole, None, None], [share, -one, None], [share, one, None], [None, one, -one], [share, None, None]])
    least = np.repeat(1 / table.sum(0), parts)                                       # one picture in every cell
    low = np.concatenate([number, np.full(cells, -np.inf), asked, np.full(cells, -np.inf), least * (1 - 1e-6)])
    high = np.concatenate([number, asked, np.full(cells, np.inf), np.full(cells, CLOSE), np.full(cells, np.inf)])
    chance = rng.uniform(0, 1e-4, len(kinds) * parts) * np.repeat(kinds.sum(1), parts) / table.sum()
    found = milp(np.concatenate([chance, np.full(cells, 0.01), np.ones(cells)]),
                 integrality=np.repeat([1, 0], [len(kinds) * parts, 2 * cells]), bounds=Bounds(0, np.inf),
                 constraints=LinearConstraint(rules.tocsr(), low, high), options={"node_limit": NODES})
    if found.x is None:
        return None
    counts = np.rint(found.x[:len(kinds) * parts]).astype(int).reshape(-1, parts)
    place = np.empty(len(table), np.int64)
    for row, shared in enumerate(counts):
        place[rng.permutation(np.flatnonzero(kind.ravel() == row))] = np.repeat(np.arange(parts), shared)
    return place
