"""95 % intervals of scores: the percentile bootstrap, and closed forms where resampling is blind.

The percentile bootstrap (Efron & Tibshirani 1993, chapter 13) draws whole groups (patients, wafers) where there are
groups, because pictures of one group resemble each other, else pictures. It is blind to what never happened: with
every answer right each resample is right too and the interval would be 1 to 1. There a proportion gets the Wilson
interval (Brown, Cai & DasGupta 2001, recommended for small n) and ROC AUC gets Newcombe's (2006, part 2, method 5).
"""

import math

import numpy as np

LEVEL = 0.95
Z = 1.959963984540054  # the normal quantile of (1 + LEVEL) / 2
FEWEST_UNITS = 5  # below this a resample repeats the same few pictures or groups: no interval rather than a false one


def units(n, groups=None):
    """The unit of resampling of each of `n` pictures: int (n,), numbered 0.. in order of first appearance.

    `groups`: (n,) of anything; an empty or missing group (None, NaN, "") makes the picture a unit of its own.
    """
    if groups is None:
        return np.arange(n)
    if len(groups) != n:
        raise ValueError(f"groups must name one group a picture: {n} pictures, {len(groups)} groups.")
    numbers = {}
    keys = [("alone", i) if _missing(group) else ("group", group) for i, group in enumerate(groups)]
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def _missing(group):
    return group is None or type(group).__name__ == "NAType" or group == "" or group != group


def multiplicities(unit, resamples, seed=0):
    """How often each picture stands in each bootstrap resample of units: int32 (n, resamples)."""
    unit = np.asarray(unit)
    count = int(unit.max()) + 1 if unit.size else 0
    random = np.random.default_rng(seed)
    drawn = np.empty((count, resamples), dtype=np.int32)
    for r in range(resamples):
        drawn[:, r] = np.bincount(random.integers(0, count, count), minlength=count)
    return drawn[unit]


def percentile(values, level=LEVEL):
    """(low, high) of the finite ones of `values` (resamples,), and how many were left out as undefined."""
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    left_out = values.size - finite.size
    if finite.size * 2 < values.size or not finite.size:
        return None, None, left_out
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high), left_out


def wilson(share, n):
    """The Wilson interval of a proportion `share` 0..1 seen in `n` independent units: (low, high)."""
    if n <= 0:
        return 0.0, 1.0
    middle = (share + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(share * (1 - share) / n + Z**2 / (4 * n**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(auc, positives, negatives):
    """Newcombe's score interval of a ROC AUC from the numbers of independent positives and negatives: (low, high)."""
    from scipy.optimize import brentq

    m, n = positives, negatives
    if m <= 0 or n <= 0:
        return 0.0, 1.0
    pairs = (m + n) / 2 - 1

    def excess(theta):
        spread = theta * (1 - theta) / (m * n) * (1 + pairs * ((1 - theta) / (2 - theta) + theta / (1 + theta)))
        return (auc - theta) ** 2 - Z**2 * spread

    tiny = 1e-9  # the spread is 0 at both ends, a root there is not the limit sought
    low = 0.0 if auc <= tiny else brentq(excess, tiny, auc - tiny)
    high = 1.0 if auc >= 1 - tiny else brentq(excess, auc + tiny, 1 - tiny)
    return low, high
