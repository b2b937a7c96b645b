"""Labels that are likely to be wrong, by what probes say of pictures that they were fitted without.

Some share of all labels is taken to be wrong, spread evenly over the other classes; this share, a temperature and an
offset for each class are those of the largest likelihood. Copies of one picture have one true class, whatever they are
called. From there Bayes' rule gives the probability that a label is wrong, and their sum how many are to be expected.
Ranked by it, planted wrong labels come at least as early as by self-confidence, margin or the class-wise confidence of
confident learning (Northcutt, Jiang, Chuang, JAIR 2021; figures by tests/benchmarks/labels.py).
"""

from typing import NamedTuple

import numpy as np

from toolkit.data import splits
from toolkit.data.reading import count
from toolkit.doctor.findings import Finding
from toolkit.errors import plain

WORTH = 0.05          # probability of being wrong from which a label is told
FEWEST = 20           # pictures from which labels can be doubted
LEAST, MOST = 1e-3, 0.45  # share of wrong labels in all
USUAL = 1.0, 29.0     # wrong and right labels as if seen before: 3.3 %, as in ten known sets (Northcutt, Athalye,
                      # Mueller, NeurIPS 2021, table 1)
SHOWN = 3


class Copies(NamedTuple):
    """bundle: number (n,) of the bundle of copies of one picture that each belongs to; votes (n,), what the label of
    each counts: copies of one file under one class have one vote together, since the label was copied with the file."""

    bundle: np.ndarray
    votes: np.ndarray


class Doubts(NamedTuple):
    """wrong: probability (n,) that the label is wrong, 0 where nothing is known; likely: number (n,) of the class that
    it would be then; share: of wrong labels in all, estimated; truth: calibrated probabilities (n, classes)."""

    wrong: np.ndarray
    likely: np.ndarray
    share: float
    truth: np.ndarray


def doubted(probabilities, numbers, copies=None):
    """Doubts about class numbers (n,), from out-of-fold probabilities (n, classes), rows of NaN where there are none.

    copies: Copies; None where each picture stands alone.
    """
    numbers = np.asarray(numbers)
    known = np.flatnonzero(np.isfinite(probabilities).all(1))
    truth = np.full(probabilities.shape, np.nan)
    wrong, likely, share = np.zeros(len(numbers)), np.array(numbers), 0.0
    if len(known):
        truth[known], share = fitted(np.log(np.maximum(probabilities[known], 1e-12)), numbers[known])
        copies = copies or Copies(np.arange(len(numbers)), np.ones(len(numbers)))
        bundle = np.unique(copies.bundle[known], return_inverse=True)[1]
        after = posterior(truth[known], numbers[known], share, bundle, copies.votes[known])
        own = np.arange(len(known)), numbers[known]
        wrong[known] = 1 - after[own]
        after[own] = -1
        likely[known] = after.argmax(1)
    return Doubts(wrong, likely, share, truth)


def fitted(logits, numbers):
    """(calibrated probabilities (n, classes), share of wrong labels, LEAST..MOST) of the largest likelihood.

    Logits are divided by a temperature T and shifted by an offset b a class; ln T and b have a standard normal prior,
    the share that of USUAL, as few pictures say little about them.
    """
    from scipy.optimize import minimize

    n, classes = logits.shape
    rows, others = np.arange(n), classes - 1
    logits = logits - logits.mean(1, keepdims=True)

    def answers(at):
        scaled = logits * np.exp(-at[0]) + at[2:]
        powers = np.exp(scaled - scaled.max(1, keepdims=True))
        return powers / powers.sum(1, keepdims=True)

    def objective(at):
        truth, share = answers(at), 1 / (1 + np.exp(-at[1]))
        own = truth[rows, numbers]
        likelihood = (1 - share) * own + share / others * (1 - own)
        by_own = -(1 - share - share / others) / likelihood * own  # times own's share in the slope of a softmax
        slope = -by_own[:, None] * truth
        slope[rows, numbers] += by_own
        by_share = (own - (1 - own) / others) / likelihood * share * (1 - share)
        gradient = np.array([-(slope * logits).sum() * np.exp(-at[0]) + at[0],
                             by_share.sum() + sum(USUAL) * share - USUAL[0], *(slope.sum(0) + at[2:])])
        prior = (at[0]**2 + (at[2:]**2).sum()) / 2 - USUAL[0] * np.log(share) - USUAL[1] * np.log(1 - share)
        return prior - np.log(likelihood).sum(), gradient

    least, most = (float(np.log(share / (1 - share))) for share in (LEAST, MOST))
    bounds = [(-3, 3), (least, most)] + [(None, None)] * classes
    best = min((minimize(objective, [temperature, share, *np.zeros(classes)], jac=True, method="L-BFGS-B",
                         bounds=bounds) for temperature, share in ((0.0, -3.0), (-0.7, -2.0))),
               key=lambda found: found.fun)
    return answers(best.x), float(1 / (1 + np.exp(-best.x[1])))


def posterior(truth, numbers, share, bundle, votes):
    """Probabilities (n, classes) of the true class, where the label is known too, and the labels of its copies.

    Copies look alike, so the mean of what is said of them stands for all; their labels are votes.
    """
    classes = truth.shape[1]
    given = np.where(np.eye(classes, dtype=bool), np.log(1 - share), np.log(share / (classes - 1)))
    pictures = np.bincount(bundle)[:, None]
    said, called = np.zeros((2, len(pictures), classes))
    np.add.at(said, bundle, np.log(np.maximum(truth, 1e-12)))
    np.add.at(called, bundle, given[numbers] * votes[:, None])
    both = said / pictures + called
    both = np.exp(both - both.max(1, keepdims=True))
    return (both / both.sum(1, keepdims=True))[bundle]


def copies_of(case):
    """Copies of the rows, near ones too."""
    import pandas

    keys = [case.rows[name] for name in ("sha256", "fingerprint") if name in case.rows]
    same = pandas.DataFrame({"file": splits.bind(*keys, rows=len(case.rows)), "label": case.rows["label"].to_numpy()})
    near = [case.near.bundle] if case.near is not None else []
    return Copies(splits.bind(*keys, *near, rows=len(case.rows)),
                  1 / same.groupby(["file", "label"])["label"].transform("size").to_numpy(float))


def of(case):
    """Doubts about the labels of the rows, of which case.seen is known."""
    number = {name: i for i, name in enumerate(case.seen.classes)}
    numbers = np.array([number[label] for label in case.rows["label"]], int)
    return doubted(case.seen.probabilities, numbers, copies_of(case))


def conflicting(case):
    """Mask (n,) of pictures that stand under more than one class byte by byte: another finding tells of them."""
    same = splits.bind(*[case.rows[name] for name in ("sha256", "fingerprint") if name in case.rows],
                       rows=len(case.rows))
    return case.rows["label"].groupby(same).transform("nunique").to_numpy() > 1


def _label_errors(case):
    """Of all parts, the test pictures too: nothing is learnt or chosen from what is said here."""
    if case.seen is None or len(case.rows) < FEWEST or len(case.seen.classes) < 2:
        return
    doubts = of(case)
    wrong = np.where(conflicting(case), 0.0, doubts.wrong)
    rows = [row for row in np.argsort(-wrong, kind="stable") if wrong[row] >= WORTH]
    if rows:
        names = [case.seen.classes[number] for number in doubts.likely[rows]]
        paths, labels = (tuple(case.rows[name].iloc[rows]) for name in ("path", "label"))
        shown = ", ".join(plain(f"{path} ({label}, looks like {name})") for path, label, name
                          in list(zip(paths, labels, names))[:SHOWN])
        expected = max(1, round(float(wrong[rows].sum())))
        yield Finding("label errors", "warning" if wrong[rows[0]] >= 0.5 else "note", paths,
                      f"{count(len(rows), 'label')} in doubt, of which about {expected} may be expected to be wrong; "
                      f"the surest: {shown}.",
                      "Look at them, the surest first, until they are right; correct the label of those that are not.",
                      scores=tuple(round(float(wrong[row]), 4) for row in rows), suggested=tuple(names))


CHECKS = {"label errors": _label_errors}
