"""What probes say of pictures that they were fitted without, for all pictures of a set at once.

Pictures are read once, into the coordinates of features.probe, in which a probe without a fold is small, and all folds
are solved side by side. Of more pictures than probe.LARGEST_SEARCH the coordinates are the principal directions of so
many drawn ones: what these do not span is left out, which a look at the data can afford and a model cannot.
"""

from typing import NamedTuple

import numpy as np

from toolkit.features import probe

FOLDS = 5
ENOUGH = 1e-4  # see probe.SEARCHED


class Coordinates(NamedTuple):
    """Of n pictures, in `span`, a probe.Span; `drawn`: numbers of the pictures that it was made of."""

    span: probe.Span
    drawn: np.ndarray


class Penalty(NamedTuple):
    """As of probe.Probe."""

    strength: float
    power: float


def coordinates(features, seed=0, largest=probe.LARGEST_SEARCH):
    """Coordinates of features (n, d) of any float type, an array or what gives arrays when indexed by one."""
    from threadpoolctl import threadpool_limits

    everything = np.arange(features.shape[0])
    drawn = np.sort(np.random.default_rng(seed).permutation(everything)[:largest])
    with threadpool_limits(1):  # see probe.fit
        mean, scale = probe.moments(features, everything)
        standard = probe.standardised(features, drawn, mean, scale)
        span = probe.spanned(standard)
        rows = span.rows.astype(np.float32)
        if len(drawn) < len(everything):
            directions = standard.T @ span.dual.astype(np.float32)
            rows = np.concatenate([probe.standardised(features, everything[part], mean, scale) @ directions
                                   for part in probe.blocks(len(everything), features.shape[1])])
    return Coordinates(probe.Span(rows, np.square(rows).sum(0, dtype=np.float64), span.dual), drawn)


def penalty(found, numbers, classes, weights, groups, seed=0):
    """The Penalty of the least cross-validated log-loss; arguments as of `logits`, `found` being Coordinates."""
    from threadpoolctl import threadpool_limits

    span, drawn = found.span._replace(rows=found.span.rows[found.drawn]), found.drawn
    powers = probe.POWERS if len(drawn) == len(found.span.rows) else probe.POWERS[:1]
    with threadpool_limits(1):
        power, searched = probe.search(span, numbers[drawn], weights[drawn, None], classes,
                                       probe.folded(numbers[drawn], groups[drawn], seed), powers)
    return Penalty(min(searched, key=searched.get), power)


def logits(found, numbers, classes, weights, groups, chosen, seed=0, repeats=1):
    """Mean logits (n, classes) of each picture by probes without it and its group, over `repeats` drawings of folds.

    found: Coordinates; numbers: class numbers (n,); weights (n,), above 0; groups (n,); chosen: Penalty. NaN for
    pictures that no fold could leave out, as the last ones of a class.
    """
    from threadpoolctl import threadpool_limits

    span, total, times = found.span, np.zeros((len(numbers), classes)), np.zeros((len(numbers), 1))
    start = np.zeros((span.rows.shape[1] + 1, FOLDS, classes))
    with threadpool_limits(1):
        for repeat in range(repeats):
            parts = [part for part in probe.folded(numbers, groups, seed + repeat, FOLDS)
                     if len(part[0]) < len(numbers)]
            if not parts:
                break
            trained = np.zeros((len(numbers), len(parts)))
            for fold, (train, _) in enumerate(parts):
                trained[train, fold] = weights[train]
            at = probe.solve(span, numbers, trained, *chosen, start[:, :len(parts)], ENOUGH)
            for fold, (_, held) in enumerate(parts):
                total[held] += span.rows[held] @ at[:-1, fold].astype(np.float32) + at[-1, fold]
                times[held] += 1
            start = np.repeat(at.mean(1, keepdims=True), FOLDS, 1)  # other folds' probes differ little
    return np.where(times > 0, total / np.maximum(times, 1), np.nan)
