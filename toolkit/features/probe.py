"""The first answer: multinomial logistic regression on the standardised means of all stages.

L2 penalty, its strength chosen by cross-validated log-loss within the training pictures alone. With fewer pictures
than features the problem is turned into the row space of the features first: the same optimum (the penalty does not
see directions without data), an order of magnitude sooner.
"""

from typing import NamedTuple

import numpy as np

STRENGTHS = 10.0 ** np.arange(-5, 0.6, 0.5)  # of C, the inverse penalty
LARGEST_SEARCH = 4000                        # pictures in the search for C; the final fit takes all


class Probe(NamedTuple):
    kernel: np.ndarray      # (features, classes) on the features as they are, standardisation folded in
    bias: np.ndarray        # (classes,)
    strength: float         # C
    searched: dict          # C -> cross-validated log-loss

    def logits(self, features):
        """(n, classes) from features (n, features)."""
        return features @ self.kernel + self.bias


def fit(features, numbers, classes, weights, groups=None, seed=0):
    """Probe on features (n, d), class numbers (n,), sample weights (n,); no group stands in two folds."""
    from sklearn.linear_model import LogisticRegression  # loaded before its threads are limited
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # more threads wait for one another: on two cores six to twelve times as long
        return fitted(LogisticRegression, features, np.asarray(numbers), classes, weights, groups, seed)


def fitted(regression, features, numbers, classes, weights, groups, seed):
    """Probe by `regression`, scikit-learn's class."""
    mean, scale = features.mean(0, dtype=np.float64), features.std(0, dtype=np.float64)
    scale = np.where(scale > 1e-6, scale, np.inf)  # a constant feature says nothing
    standard = (features - mean) / scale
    rotated, basis = row_space(standard)
    searched = search(regression, rotated, numbers, classes, weights, groups, seed)
    strength = min(searched, key=searched.get)
    model = regression(C=strength, max_iter=2000, tol=1e-6).fit(rotated, numbers, sample_weight=weights)
    coefficients, intercept = both_sides(model)
    kernel = (coefficients @ basis.T if basis is not None else coefficients).T / scale[:, None]
    return Probe(kernel.astype(np.float32), (intercept - mean @ kernel).astype(np.float32), float(strength), searched)


def row_space(standard):
    """(rows in the coordinates of their own span, basis (d, rank)); (rows, None) where rows outnumber features."""
    n, d = standard.shape
    if n >= d or not standard.any():
        return standard, None
    values, vectors = np.linalg.eigh(standard @ standard.T)
    kept = values > 1e-7 * values[-1]
    basis = standard.T @ (vectors[:, kept] / np.sqrt(values[kept]))
    return vectors[:, kept] * np.sqrt(values[kept]), basis


def search(regression, rows, numbers, classes, weights, groups, seed):
    """{C: log-loss} by stratified folds; from the strongest penalty down, until it has worsened twice."""
    chosen = np.random.default_rng(seed).permutation(len(rows))[:LARGEST_SEARCH]
    rows, numbers, weights = rows[chosen], numbers[chosen], weights[chosen]
    folds = list(folded(numbers, None if groups is None else np.asarray(groups)[chosen], seed))
    seen = sum(float(weights[held].sum()) for _, held in folds)
    searched, worse = {}, 0
    for strength in STRENGTHS:
        total = 0.0
        for train, held in folds:
            model = regression(C=strength, max_iter=500)
            model.fit(rows[train], numbers[train], sample_weight=weights[train])
            predicted = np.full((len(held), classes), 1e-12)
            predicted[:, model.classes_] = np.clip(model.predict_proba(rows[held]), 1e-12, 1)
            total -= float(weights[held] @ np.log(predicted[np.arange(len(held)), numbers[held]]))
        searched[float(strength)] = total / seen
        worse = worse + 1 if searched[float(strength)] > min(searched.values()) else 0
        if worse == 2:
            break
    return searched


def folded(numbers, groups, seed, folds=5):
    """(train, held) row numbers, each training part with every class; where no fold is such, all rows for both."""
    import warnings

    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    count = int(min(folds, np.bincount(numbers).max(), folds if groups is None else len(np.unique(groups))))
    everything = np.arange(len(numbers))
    if count < 2:
        return [(everything, everything)]
    splitter = StratifiedKFold if groups is None else StratifiedGroupKFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a class that is smaller than the folds are many
        parts = list(splitter(count, shuffle=True, random_state=seed).split(everything, numbers, groups))
    whole = [(a, b) for a, b in parts if len(b) and len(np.unique(numbers[a])) == len(np.unique(numbers))]
    return whole or [(everything, everything)]


def both_sides(model):
    """Coefficients (classes, d) and intercepts (classes,); scikit-learn gives one side where there are two classes."""
    if len(model.classes_) > 2:
        return model.coef_, model.intercept_
    return np.concatenate([-model.coef_, model.coef_]) / 2, np.concatenate([-model.intercept_, model.intercept_]) / 2
