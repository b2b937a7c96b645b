"""A threshold on the probability of one class: what it finds, what it lets pass, and what that is worth.

A picture is marked where its probability of the class is at least the threshold. `positive` bool (n,): whether a
picture's label is the class; `score` float (n,), 0..1: its probability. Sensitivity and specificity do not depend on
how frequent the class is; the predictive values do, and are given at a prevalence by Bayes' rule.
"""

import math
from functools import lru_cache

import numpy as np

from toolkit.evaluation import intervals

SHARES = ("sensitivity", "specificity", "ppv", "npv")
COUNTS = ("tp", "fp", "fn", "tn")
DIGITS = 6  # of a threshold, rounded down: what is marked by the exact figure stays marked
UNDEFINED = {"sensitivity": "no picture of this class", "specificity": "no picture of another class",
             "ppv": "no picture is marked", "npv": "every picture is marked"}


def checked(positive, score, groups=None):
    """Both as bool (n,) and float64 (n,), and the unit of resampling of each picture; ValueError for anything else."""
    positive, score = np.asarray(positive, dtype=bool), np.asarray(score, dtype=np.float64)
    if positive.ndim != 1 or positive.shape != score.shape or not np.isfinite(score).all():
        raise ValueError(f"positive (n,) and finite scores (n,) wanted, got {positive.shape}, {score.shape}.")
    whole = getattr(groups, "dtype", None) is not None and groups.dtype.kind in "iu" and len(groups) == len(positive)
    unit = np.unique(groups, return_inverse=True)[1] if whole else intervals.units(len(positive), groups)
    return positive, score, unit


def at(positive, score, threshold, prevalence=None, groups=None, resamples=1000, seed=0):
    """What a threshold does: {"n", "threshold", "prevalence", "marked", "tp", "fp", "fn", "tn", and SHARES}.

    prevalence: 0..1, None for that of these pictures. A share is {"value", "low", "high"} with 95 % limits, and a
    "reason" beside every null. Limits are Wilson's where every picture stands alone (see `predictive` for values at
    another prevalence); where pictures come in groups whole groups are resampled, and closed forms, counting groups,
    serve only where every resample gives the same.
    """
    if prevalence is not None and not 0 <= prevalence <= 1:
        raise ValueError(f"a prevalence is a share 0..1, got {prevalence}.")
    positive, score, unit = checked(positive, score, groups)
    marked = score >= threshold
    cells = np.stack([positive & marked, ~positive & marked, positive & ~marked, ~positive & ~marked])  # as COUNTS
    counts = cells.sum(axis=1)
    found = shares(counts.astype(np.float64), prevalence)
    grouped = unit.size > 0 and int(unit.max()) + 1 < len(unit)
    sampled = resampled(cells, unit, prevalence, resamples, seed) if grouped else None
    own = float(positive.mean()) if len(positive) else None
    return {"n": len(positive), "threshold": float(threshold), "marked": int(marked.sum()),
            "prevalence": own if prevalence is None else float(prevalence), **dict(zip(COUNTS, map(int, counts))),
            **{name: entry(name, found, prevalence, None if sampled is None else sampled.get(name, ()),
                           lambda: closed(name, found, cells, unit, prevalence)) for name in SHARES}}


def shares(counts, prevalence=None):
    """{name of SHARES: () or (r,)} of counts (4,) or (4, r); NaN where one is not defined."""
    tp, fp, fn, tn = counts
    sensitivity, specificity = share(tp, tp + fn), share(tn, tn + fp)
    if prevalence is None:
        ppv, npv = share(tp, tp + fp), share(tn, tn + fn)
    else:
        ppv = share(sensitivity * prevalence, sensitivity * prevalence + (1 - specificity) * (1 - prevalence))
        npv = share(specificity * (1 - prevalence), specificity * (1 - prevalence) + (1 - sensitivity) * prevalence)
    return {"sensitivity": sensitivity, "specificity": specificity, "ppv": ppv, "npv": npv}


def share(part, whole):
    """part / whole; NaN where whole is 0 or not defined."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def resampled(cells, unit, prevalence, resamples, seed):
    """{name: (resamples,)} over draws of whole units; {} where there are too few to draw from."""
    count = int(unit.max()) + 1
    if count < intervals.FEWEST_UNITS or resamples <= 0:
        return {}
    each = np.stack([np.bincount(unit[cell], minlength=count) for cell in cells])     # (4, units)
    return shares((each.astype(np.float32) @ draws(count, resamples, seed)).astype(np.float64), prevalence)


@lru_cache(4)
def draws(count, resamples, seed):
    """How often each of `count` units stands in each resample: float32 (count, resamples), whole numbers."""
    return intervals.multiplicities(np.arange(count), resamples, seed).astype(np.float32)


def entry(name, found, prevalence, sampled, limits):
    """One share with its limits: of `sampled` (resamples,), () where groups are too few, None for the formula alone."""
    if not np.isfinite(found[name]):
        return {"value": None, "low": None, "high": None, "reason": UNDEFINED[missing(name, found, prevalence)]}
    value, left_out = float(found[name]), 0
    if sampled is not None:
        low, high, left_out = intervals.percentile(sampled)
        if low is None:
            reason = ("not defined in more than half of the resamples" if len(sampled) else
                      f"an interval needs at least {intervals.FEWEST_UNITS} groups")
            return {"value": value, "low": None, "high": None, "reason": reason}
        if low != high or value not in (0.0, 1.0):
            return {"value": value, "low": low, "high": high} | ({"left_out": left_out} if left_out else {})
    low, high = limits()
    return {"value": value, "low": min(low, value), "high": max(high, value)}


def missing(name, found, prevalence):
    """The share that is not there: at a prevalence it may be one of the two that the predictive values are made of."""
    made_of = ("sensitivity", "specificity") if prevalence is not None else ()
    return next((base for base in made_of if not np.isfinite(found[base])), name) if name in ("ppv", "npv") else name


def closed(name, found, cells, unit, prevalence):
    """(low, high) of a share by formula, of independent units."""
    tp, fp, fn, tn = cells
    own, rest = (len(np.unique(unit[mask])) for mask in (tp | fn, tn | fp))
    if name in ("ppv", "npv") and prevalence is not None:
        return predictive(name, found["sensitivity"], found["specificity"], own, rest, prevalence)
    counted = {"sensitivity": tp | fn, "specificity": tn | fp, "ppv": tp | fp, "npv": tn | fn}[name]
    return intervals.wilson(float(found[name]), len(np.unique(unit[counted])))


def predictive(name, sensitivity, specificity, own, rest, prevalence):
    """(low, high) of a predictive value at a prevalence, from the limits of its likelihood ratio.

    own, rest: independent units of the class and of the others, from which both shares were taken.
    """
    if prevalence in (0, 1):  # the value is 0 or 1 whatever was measured
        return (1.0, 1.0) if (name == "ppv") == (prevalence == 1) else (0.0, 0.0)
    if name == "npv":
        return predictive("ppv", specificity, sensitivity, rest, own, 1 - prevalence)
    odds = prevalence / (1 - prevalence)
    return tuple(1 - 1 / (1 + odds * ratio) for ratio in ratio_limits(sensitivity, own, 1 - specificity, rest))


def ratio_limits(upper, n, lower, m):
    """(low, high) of upper / lower, shares of n and m independent units: MOVER-R of Donner & Zou (2012, equation 9).

    It combines the Wilson limits of both, stays inside 0..inf and stands where a share is 0 or 1.
    """
    (l1, u1), (l2, u2) = intervals.wilson(upper, n), intervals.wilson(lower, m)
    product = upper * lower

    def edge(part, other, sign):  # the limits that lie towards this edge
        scale = other * (2 * lower - other)
        scale = scale if abs(scale) > 1e-12 else 1e-12
        return max(0.0, (product + sign * math.sqrt(max(0.0, product**2 - part * (2 * upper - part) * scale))) / scale)

    return edge(l1, u2, -1), edge(u1, l2, 1) if lower > 0 else math.inf


def curve(positive, score):
    """Every threshold that changes something, falling, after one above all scores (inf, nothing is marked).

    {"threshold", "sensitivity", "specificity", "precision"}: arrays (m,), NaN where a share is not defined.
    """
    positive, score, _ = checked(positive, score)
    order = np.argsort(-score, kind="stable")
    ranked, hits = score[order], np.cumsum(positive[order])
    last = np.flatnonzero(np.r_[ranked[1:] != ranked[:-1], True]) if len(ranked) else np.zeros(0, int)
    tp, marked = np.r_[0, hits[last]].astype(float), np.r_[0, last + 1].astype(float)
    own, rest = float(positive.sum()), float((~positive).sum())
    return {"threshold": np.r_[np.inf, ranked[last]], "sensitivity": share(tp, np.full_like(tp, own)),
            "specificity": share(rest - (marked - tp), np.full_like(tp, rest)), "precision": share(tp, marked)}


def curves(truth, probabilities, classes):
    """{class: `curve` against the rest, in as many points as can be seen} of the classes that have both sides.

    truth: class numbers (n,); probabilities: (n, k).
    """
    found = {}
    for number, name in enumerate(classes):
        if 0 < (truth == number).sum() < len(truth):
            whole = curve(truth == number, probabilities[:, number])
            points = corners(whole["specificity"], whole["sensitivity"])
            found[name] = {share: values[points] for share, values in whole.items()}
    return found


def keeping(positive, score, sensitivity):
    """The highest threshold, of DIGITS decimals, that marks at least this share of the class; None of none."""
    positive, score, _ = checked(positive, score)
    own = np.sort(score[positive])[::-1]
    if not len(own):
        return None
    needed = max(1, math.ceil(round(sensitivity * len(own), 9)))  # 0.95 of 20 is 19, not a rounding error more
    return math.floor(own[min(needed, len(own)) - 1] * 10**DIGITS) / 10**DIGITS


def corners(x, y, most=400):
    """Indices of at most about `most` points that keep the shape of a monotonous curve x, y (m,), its ends included."""
    if len(x) <= most:
        return np.arange(len(x))
    travelled = np.concatenate([[0], np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(np.nan_to_num(y))))])
    wanted = np.linspace(0, travelled[-1], most)
    return np.unique(np.r_[0, np.minimum(np.searchsorted(travelled, wanted), len(x) - 1), len(x) - 1])
