"""Pictures unlike all others of their set: a photograph among ultrasound, a page of text, noise, a placeholder.

How far a picture lies from its nearest neighbours in what a frozen network sees, where its copies and group do not
count (k nearest neighbours as in Ramaswamy, Rastogi, Shim, SIGMOD 2000), against what is usual in the set.
"""

import numpy as np

from toolkit.data import splits
from toolkit.data.reading import count
from toolkit.doctor.findings import Finding
from toolkit.doctor.quality import FEWEST, few, standing_out
from toolkit.errors import plain

NEIGHBOURS = 3         # so that two or three odd ones of a kind do not excuse each other
FAR = 3.5              # robust standard deviations of ln distance (Iglewicz and Hoaglin 1993)
COMPARED = 5000        # pictures at most that the others are compared with
BLOCK = 500            # pictures compared at a time
SHOWN = 3


def distances(features, bound, seed=0):
    """Mean distance (n,) of features (n, d) to the NEIGHBOURS nearest pictures of another bundle in `bound` (n,)."""
    features, bound = np.asarray(features, np.float32), np.asarray(bound)
    among = np.sort(np.random.default_rng(seed).permutation(len(features))[:COMPARED])
    others, square = features[among], np.square(features).sum(1)
    found = np.empty(len(features))
    for start in range(0, len(features), BLOCK):
        rows = slice(start, start + BLOCK)
        apart = square[rows, None] + square[among] - 2 * (features[rows] @ others.T)
        apart[bound[rows, None] == bound[among]] = np.inf
        nearest = np.partition(apart, NEIGHBOURS - 1, 1)[:, :NEIGHBOURS]
        found[rows] = np.sqrt(np.maximum(nearest, 0)).mean(1)
    return found


def _outliers(case):
    if case.seen is None or len(case.rows) < FEWEST:
        return
    keys = [case.rows[name] for name in ("group", "sha256", "fingerprint") if name in case.rows]
    bound = splits.bind(*keys, *([case.near.bundle] if case.near is not None else []), rows=len(case.rows))
    if len(np.unique(bound)) <= NEIGHBOURS:
        return
    apart = distances(case.seen.features, bound)
    z = standing_out(np.log(np.maximum(apart, 1e-6)), 0.02) * np.isfinite(apart)
    rows = sorted(few(z > FAR), key=lambda row: -z[row])
    if rows:
        paths = tuple(case.rows["path"].iloc[rows])
        yield Finding("outliers", "warning", paths,
                      f"{count(len(rows), 'picture')} unlike all others, the farthest: "
                      f"{plain(', '.join(paths[:SHOWN]))}.",
                      "See whether they show what the set is about; leave out what does not.",
                      scores=tuple(round(float(z[row]), 2) for row in rows))


CHECKS = {"outliers": _outliers}
