"""What a frozen network sees in the pictures, as the checks of labels and outliers want it."""

from typing import NamedTuple

import numpy as np

from toolkit.doctor import labels
from toolkit.evaluation import calibration
from toolkit.features import held_out

DIRECTIONS = 256  # of the widest spread, in which pictures are compared
REPEATS = 4       # drawings of folds
TRUST = 0.01      # least weight of a doubted label


class Seen(NamedTuple):
    """Of n pictures. features: float32 (n, d), d <= DIRECTIONS, standardised pooled features along the directions in
    which the set spreads most; probabilities: float32 (n, classes), each by probes without the picture and what is
    bound to it, rows of NaN where there are none; classes: their names."""

    features: np.ndarray
    probabilities: np.ndarray
    classes: list


def measured(features, numbers, classes, bound, copies, penalty=None, seed=0, step=None):
    """Seen of pooled features (n, d), an array or what gives arrays when indexed by one.

    numbers: class numbers (n,); bound (n,): what no fold may part; copies: labels.Copies or None;
    penalty: held_out.Penalty, found where it is None. Wrong labels would teach the probe, so it is fitted twice, the
    second time with each label's weight the square of the trust in it. step(done, of).
    """
    step = step or (lambda done, of: None)
    found = held_out.coordinates(features, seed)
    step(1, 4)
    widest = np.ascontiguousarray(found.span.rows[:, -DIRECTIONS:])
    answers = np.full((len(numbers), len(classes)), np.nan)
    counts = np.bincount(numbers, minlength=len(classes))
    if (counts > 0).sum() < 2 or len(numbers) < labels.FEWEST:
        return Seen(widest, answers.astype(np.float32), classes)
    weights = (len(numbers) / len(counts) / np.maximum(counts, 1))[numbers]
    penalty = penalty or held_out.penalty(found, numbers, len(classes), weights, bound, seed)
    step(2, 4)
    doubts = None
    for trust in range(2):
        weighed = weights if doubts is None else weights * np.maximum((1 - doubts.wrong)**2, TRUST)
        logits = held_out.logits(found, numbers, len(classes), weighed, bound, penalty, seed, REPEATS)
        known = np.isfinite(logits).all(1)
        answers[known] = calibration.softmax(logits[known])
        doubts = labels.doubted(answers, numbers, copies)
        step(3 + trust, 4)
    return Seen(widest, doubts.truth.astype(np.float32), classes)
