"""How good a classifier is: plain functions of arrays, and the tables of them.

Every metric is called as `metric(truth, probabilities, weights=None)`:
    truth          int (n,), index of the right class, 0..k-1
    probabilities  float (n, k), 0..1, each row summing to 1
    weights        how often each picture counts: (n,), or (n, r) for r resamples at once
It gives a float, or (r,) for r resamples; NaN where the score is not defined. The `class_...` functions give one row
a class: (k,) or (k, r). The answer of the model is the class of the largest probability (the first one of equals).
With two classes `roc_auc` and `average_precision` are those of the second class; with more, the mean over the classes
of one-vs-rest. A mean over classes is not defined unless every class has a picture: leaving a class out silently
would make the figure look better than it is.
"""

from dataclasses import dataclass
from typing import Callable

import numpy as np

ECE_BINS = 15  # equal width, of the top probability: Guo et al. 2017, section 2


def _column(weights, n):
    weights = np.ones(n) if weights is None else np.asarray(weights, dtype=np.float64)
    if weights.shape[:1] != (n,):
        raise ValueError(f"weights must have one row a picture: {n} pictures, weights of shape {weights.shape}.")
    return weights


def _share(part, whole):
    """part / whole, NaN where whole is 0."""
    return np.divide(part, whole, out=np.full(np.shape(whole), np.nan), where=np.asarray(whole) > 0)


def _per_class(index, k, weights):
    """Sums of the rows of `weights` by class index: (k,) or (k, r)."""
    sums = np.zeros((k,) + weights.shape[1:])
    if index.size:
        order = np.argsort(index, kind="stable")
        present, first = np.unique(index[order], return_index=True)
        sums[present] = np.add.reduceat(weights[order], first, axis=0)
    return sums


def _counts(truth, probabilities, weights):
    """Right answers, labels and answers of each class: three of (k,) or (k, r)."""
    answer, k = probabilities.argmax(axis=1), probabilities.shape[1]
    right = answer == truth
    return (_per_class(truth[right], k, weights[right]), _per_class(truth, k, weights),
            _per_class(answer, k, weights))


def class_recall(truth, probabilities, weights=None):
    """Share of a class's pictures that the model gives to it (sensitivity)."""
    hits, labels, _ = _counts(truth, probabilities, _column(weights, len(truth)))
    return _share(hits, labels)


def class_specificity(truth, probabilities, weights=None):
    """Share of the other classes' pictures that the model keeps out of a class."""
    weights = _column(weights, len(truth))
    hits, labels, answers = _counts(truth, probabilities, weights)
    others = weights.sum(axis=0) - labels
    return _share(others - (answers - hits), others)


def class_precision(truth, probabilities, weights=None):
    """Share of the model's answers of a class that are right (positive predictive value)."""
    hits, _, answers = _counts(truth, probabilities, _column(weights, len(truth)))
    return _share(hits, answers)


def class_f1(truth, probabilities, weights=None):
    """Harmonic mean of precision and recall; 0 where a class is never hit, not defined where it has no picture."""
    hits, labels, answers = _counts(truth, probabilities, _column(weights, len(truth)))
    return np.where(labels > 0, _share(2 * hits, labels + answers), np.nan)


def _ranked(truth, probabilities, weights):
    """For each class its pictures in the ranking: (class, own weights, cumulated weights of all and of the rest,
    start and end of each own picture's run of equal scores)."""
    k = probabilities.shape[1]
    for c in range(k):
        # with two classes one column decides both, so that rounding cannot make them disagree
        score = -probabilities[:, 1] if k == 2 and c == 0 else probabilities[:, c]
        order = np.argsort(score, kind="stable")
        score, own = score[order], np.flatnonzero(truth[order] == c)
        sorted_weights = weights[order]
        zero = np.zeros((1,) + weights.shape[1:])
        own_weights = sorted_weights[own]
        everything = np.concatenate([zero, np.cumsum(sorted_weights, axis=0)])
        sorted_weights[own] = 0
        rest = np.concatenate([zero, np.cumsum(sorted_weights, axis=0)])
        yield (c, own_weights, everything, rest,
               np.searchsorted(score, score[own], "left"), np.searchsorted(score, score[own], "right"))


def class_roc_auc(truth, probabilities, weights=None):
    """Chance that a picture of the class is ranked above one of the rest, ties counting half (Mann-Whitney)."""
    weights = _column(weights, len(truth))
    areas = np.empty((probabilities.shape[1],) + weights.shape[1:])
    for c, own, _, rest, start, end in _ranked(truth, probabilities, weights):
        areas[c] = _share(((rest[start] + rest[end]) * own).sum(axis=0) / 2, own.sum(axis=0) * rest[-1])
    return areas


def class_average_precision(truth, probabilities, weights=None):
    """Area under the precision-recall steps, sum of precision times gained recall, without interpolation."""
    weights = _column(weights, len(truth))
    areas = np.empty((probabilities.shape[1],) + weights.shape[1:])
    for c, own, everything, rest, start, _ in _ranked(truth, probabilities, weights):
        chosen = everything[-1] - everything[start]  # all pictures that score at least as high
        precision = np.divide(chosen - (rest[-1] - rest[start]), chosen, out=np.zeros_like(chosen), where=chosen > 0)
        areas[c] = _share((precision * own).sum(axis=0), own.sum(axis=0))
    return areas


def _mean(values):
    return values.mean(axis=0)


def _second_or_mean(values):
    return values[1] if len(values) == 2 else values.mean(axis=0)


def roc_auc(truth, probabilities, weights=None):
    """Area under the ROC curve: binary, or one-vs-rest macro. 0.5 is chance."""
    return _second_or_mean(class_roc_auc(truth, probabilities, weights))


def average_precision(truth, probabilities, weights=None):
    """Average precision of the second class, or the mean one-vs-rest. Chance is the share of the class."""
    return _second_or_mean(class_average_precision(truth, probabilities, weights))


def balanced_accuracy(truth, probabilities, weights=None):
    """Mean recall over the classes. Chance is 1/k."""
    return _mean(class_recall(truth, probabilities, weights))


def f1_macro(truth, probabilities, weights=None):
    """Mean F1 over the classes."""
    return _mean(class_f1(truth, probabilities, weights))


def _weighted_mean(values, weights):
    return _share(np.tensordot(values, weights, axes=(0, 0)), weights.sum(axis=0))


def accuracy(truth, probabilities, weights=None):
    """Share of right answers."""
    right = (probabilities.argmax(axis=1) == truth).astype(np.float64)
    return _weighted_mean(right, _column(weights, len(truth)))


def log_loss(truth, probabilities, weights=None):
    """Mean of -ln p(right class), p clipped to one float64 epsilon from 0. 0 is perfect, ln k knows nothing."""
    chosen = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    return _weighted_mean(-np.log(np.clip(chosen, np.finfo(np.float64).eps, 1.0)), _column(weights, len(truth)))


def brier(truth, probabilities, weights=None):
    """Mean squared error of the probabilities: of the second class with two classes (0..1), else summed over the
    classes (0..2), as Brier 1950 defined it."""
    error = probabilities - np.eye(probabilities.shape[1])[truth]
    squared = error[:, 1] ** 2 if probabilities.shape[1] == 2 else (error**2).sum(axis=1)
    return _weighted_mean(squared, _column(weights, len(truth)))


def confidence_bins(probabilities, bins=ECE_BINS):
    """The bin of each picture's top probability, bins (low, high] of equal width: (confidence (n,), bin int (n,))."""
    confidence = probabilities.max(axis=1)
    return confidence, np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)


def ece(truth, probabilities, weights=None):
    """Expected calibration error: mean distance of top probability and share of right answers over 15 bins."""
    confidence, bin_ = confidence_bins(probabilities)
    gap = confidence - (probabilities.argmax(axis=1) == truth)
    weights = _column(weights, len(truth))
    scaled = gap.reshape((-1,) + (1,) * (weights.ndim - 1)) * weights
    return _share(np.abs(_per_class(bin_, ECE_BINS, scaled)).sum(axis=0), weights.sum(axis=0))


@dataclass(frozen=True)
class Metric:
    """A row of the tables of scores."""

    function: Callable  # (truth, probabilities, weights)
    title: str
    higher_is_better: bool = True
    each: str = ""  # the row of CLASS_METRICS it is the mean of; defined only where every class has a picture
    combine: Callable | None = None  # values of the classes -> the score
    limits: str = ""  # "wilson" or "newcombe": the interval of a perfect score, where the bootstrap is blind
    over: str = "own"  # what a Wilson interval counts: units of the class ("own"), of the "rest", or "answered" with it
    centred: bool = False  # resampling inflates it: the interval keeps its width and is moved onto the value


METRICS = {
    "roc_auc": Metric(roc_auc, "ROC AUC", each="roc_auc", combine=_second_or_mean, limits="newcombe"),
    "balanced_accuracy": Metric(balanced_accuracy, "Balanced accuracy", each="recall", combine=_mean, limits="wilson"),
    "accuracy": Metric(accuracy, "Accuracy", limits="wilson"),
    "f1_macro": Metric(f1_macro, "F1, mean over classes", each="f1", combine=_mean),
    "average_precision": Metric(average_precision, "Average precision", each="average_precision",
                                combine=_second_or_mean, centred=True),
    "log_loss": Metric(log_loss, "Log loss", higher_is_better=False),
    "brier": Metric(brier, "Brier score", higher_is_better=False),
    "ece": Metric(ece, "Calibration error (ECE)", higher_is_better=False, centred=True),
}

CLASS_METRICS = {
    "recall": Metric(class_recall, "Sensitivity (recall)", limits="wilson"),
    "specificity": Metric(class_specificity, "Specificity", limits="wilson", over="rest"),
    "precision": Metric(class_precision, "Precision", limits="wilson", over="answered"),
    "f1": Metric(class_f1, "F1"),
    "roc_auc": Metric(class_roc_auc, "ROC AUC", limits="newcombe"),
    "average_precision": Metric(class_average_precision, "Average precision", centred=True),
}


def confusion(truth, probabilities):
    """Counts of label (row) and answer (column): int (k, k); a row sums to the pictures of its class."""
    k = probabilities.shape[1]
    return np.bincount(truth * k + probabilities.argmax(axis=1), minlength=k * k).reshape(k, k)


def checked(truth, probabilities):
    """Both arrays as int64 (n,) and float64 (n, k); ValueError where they are no labels and probabilities."""
    truth, probabilities = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)
    if probabilities.ndim != 2 or truth.shape != probabilities.shape[:1] or probabilities.shape[1] < 2:
        raise ValueError(f"truth (n,) and probabilities (n, k >= 2) wanted, got {truth.shape}, {probabilities.shape}.")
    if truth.size and (truth.dtype.kind not in "iu" or truth.min() < 0 or truth.max() >= probabilities.shape[1]):
        raise ValueError(f"truth must be class indices 0..{probabilities.shape[1] - 1}.")
    if not np.isfinite(probabilities).all() or (np.abs(probabilities.sum(axis=1) - 1) > 1e-3).any() \
            or (probabilities < 0).any():
        raise ValueError("probabilities must be finite, not negative, and sum to 1 in each row.")
    return truth.astype(np.int64), probabilities
