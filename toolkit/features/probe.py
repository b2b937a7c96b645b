"""The first answer: multinomial logistic regression on the standardised means of all stages.

It is the kernel and bias with the least  penalty(kernel) / 2 + C * sum of weight * cross-entropy. The penalty is the
kernel's squared length, or one that is milder along the directions in which pictures differ little, which helps where
pictures differ most in what does not matter, such as exposure. Both this and C are chosen by cross-validated log-loss
within the training pictures alone. (For two classes scikit-learn's C is twice this one: it has one kernel, not two.)

Everything happens along the principal directions of at most LARGEST_SEARCH pictures. Fewer pictures than features span
as many directions as they are, and no penalty sees the others: the same optimum, an order of magnitude sooner. And the
spread of each direction tells the curvature of the loss beforehand, so that few steps suffice. Beyond LARGEST_SEARCH
the penalty is the plain one, and the optimum for all pictures is sought from there, block by block.
"""

from typing import NamedTuple

import numpy as np

STRENGTHS = 10.0 ** np.arange(-5, 0.6, 0.5)  # of C
POWERS = (0.0, 0.25)           # a direction's penalty is its variance, over the mean of all, to this power
LARGEST_SEARCH = 1500          # pictures in the search for C and power; the final fit takes all
BLOCK = 2**21                  # values of features in memory at a time: 8 MiB as float32
SEARCHED, FITTED = 1e-4, 1e-8  # how far above its least value the objective may end, as a share of it


class Probe(NamedTuple):
    kernel: np.ndarray      # (features, classes) on the features as they are, standardisation folded in
    bias: np.ndarray        # (classes,)
    strength: float         # C, the inverse penalty
    searched: dict          # C -> cross-validated log-loss
    power: float            # one of POWERS

    def logits(self, features, rows=None):
        """float32 (n, classes) from features (n, d) of any float type, an array or what gives arrays when indexed.

        rows: numbers of those that are asked for, in their order; all of them if None.
        """
        from threadpoolctl import threadpool_limits

        rows = np.arange(features.shape[0]) if rows is None else rows
        logits = np.empty((len(rows), len(self.bias)), np.float32)
        with threadpool_limits(1):
            for part in blocks(len(rows), features.shape[1]):
                logits[part] = np.asarray(features[rows[part]], np.float32) @ self.kernel + self.bias
        return logits


class Span(NamedTuple):
    """Pictures in the coordinates of their own span, least spread first."""

    rows: np.ndarray        # (n, rank)
    spread: np.ndarray      # (rank,), sum of squares over the pictures
    dual: np.ndarray        # (n, rank): the principal directions are standard.T @ dual


def fit(features, rows, numbers, classes, weights, groups=None, seed=0, largest_search=LARGEST_SEARCH):
    """Probe on the `rows` of features (N, d), an array of any float type or what gives arrays when indexed by one.

    numbers: class numbers (n,) of these rows; weights (n,), above 0; groups (n,) or None: none stands in two folds. The
    same arguments give the same probe on any number of cores. Memory beside the features: some blocks, and
    `largest_search` pictures as float32.
    """
    from threadpoolctl import threadpool_limits

    rows, numbers, weights = np.asarray(rows), np.asarray(numbers), np.asarray(weights, np.float64)[:, None]
    with threadpool_limits(1):  # more threads wait for one another: on two cores six to twelve times as long
        mean, scale = moments(features, rows)
        chosen = np.sort(np.random.default_rng(seed).permutation(len(rows))[:largest_search])
        standard = standardised(features, rows[chosen], mean, scale)
        span, known = spanned(standard), (numbers[chosen], weights[chosen])
        folds = folded(known[0], None if groups is None else np.asarray(groups)[chosen], seed)
        alone = len(chosen) == len(rows)
        power, searched = search(span, *known, classes, folds, POWERS if alone else POWERS[:1])
        strength = min(searched, key=searched.get)
        found = solve(span, *known, strength, power, np.zeros((span.rows.shape[1] + 1, 1, classes)), FITTED)
        if alone:
            coefficients = (span.dual @ found[:-1, 0]).astype(np.float32)
            found = np.concatenate([standard.T @ coefficients, found[-1]])
        else:
            def read():
                for part in blocks(len(rows), features.shape[1]):
                    yield part, standardised(features, rows[part], mean, scale)

            found = solve_all(read, standard, span, numbers, weights, strength, found)[:, 0]
        kernel = found[:-1] / scale[:, None]
    return Probe(kernel.astype(np.float32), (found[-1] - mean @ kernel).astype(np.float32), strength, searched, power)


def out_of_fold(features, numbers, classes, weigh, groups=None, seed=0, folds=5, step=None):
    """Logits (n, classes) of every picture by a probe that was fitted without it and its group.

    weigh(rows): weights of pictures. NaN for pictures that no fold could leave out, as the last ones of a class.
    step(done, of) is called after each fold.
    """
    logits, parts = np.full((len(numbers), classes), np.nan, np.float32), folded(numbers, groups, seed, folds)
    for done, (train, held) in enumerate(parts, 1):
        if len(train) < len(numbers):
            found = fit(features, train, numbers[train], classes, weigh(train),
                        None if groups is None else groups[train], seed)
            logits[held] = found.logits(features, held)
        if step:
            step(done, len(parts))
    return logits


def blocks(n, d):
    """Slices of n rows of d values, of at most BLOCK values each."""
    step = max(1, BLOCK // max(1, d))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]


def moments(features, rows):
    """Mean and standard deviation (d,) over the rows; infinite deviation of a constant feature, which says nothing."""
    mean = square = 0
    for part in blocks(len(rows), features.shape[1]):
        mean = mean + features[rows[part]].sum(0, dtype=np.float64) / len(rows)
    for part in blocks(len(rows), features.shape[1]):
        apart = np.asarray(features[rows[part]], np.float32) - mean.astype(np.float32)
        square = square + np.square(apart, out=apart).sum(0, dtype=np.float64) / len(rows)
    return mean, np.where(square > 1e-12, np.sqrt(square), np.inf)


def standardised(features, rows, mean, scale):
    """float32 (len(rows), d)."""
    standard = np.empty((len(rows), features.shape[1]), np.float32)
    mean, share = mean.astype(np.float32), (1 / scale).astype(np.float32)
    for part in blocks(*standard.shape):
        np.subtract(features[rows[part]], mean, out=standard[part], dtype=np.float32)
        standard[part] *= share
    return standard


def spanned(standard):
    """The Span of standardised features (n, d), by the eigenvectors of their inner products."""
    inner = np.zeros((len(standard), len(standard)))
    for part in blocks(*standard.T.shape):
        columns = standard[:, part].astype(np.float64)
        inner += columns @ columns.T
    spread, vectors = np.linalg.eigh(inner)
    kept = spread > 1e-9 * spread[-1]
    spread, vectors = spread[kept], vectors[:, kept]
    return Span(vectors * np.sqrt(spread), spread, vectors / np.sqrt(spread))


def search(span, numbers, weights, classes, folds, powers):
    """(power, {C: log-loss}) of the least loss; from the strongest penalty down, until it has worsened twice."""
    trained, held = np.zeros((2, len(numbers), len(folds)))
    for fold, (train, rest) in enumerate(folds):
        trained[train, fold], held[rest, fold] = weights[train, 0], weights[rest, 0]
    span, found = span._replace(rows=span.rows.astype(np.float32)), {}
    for power in powers:
        at = np.zeros((span.rows.shape[1] + 1, len(folds), classes))
        searched, worse = found.setdefault(power, {}), 0
        for strength in STRENGTHS:
            at = solve(span, numbers, trained, strength, power, at, SEARCHED)  # begun where the last one ended
            searched[float(strength)] = float((held * losses(span.rows, at, numbers)[0]).sum() / held.sum())
            worse = worse + 1 if searched[float(strength)] > min(searched.values()) else 0
            if worse == 2:
                break
    return min(found.items(), key=lambda item: min(item[1].values()))


def folded(numbers, groups, seed, folds=5):
    """(train, held) row numbers, each training part with every class; where no fold is such, all rows for both.

    Largest groups first, each to the fold where it lessens the deviation from equal shares of the classes most.
    """
    everything = np.arange(len(numbers))
    group = everything if groups is None else np.unique(groups, return_inverse=True)[1]
    table = np.zeros((group.max() + 1, numbers.max() + 1))  # pictures of each class in each group
    np.add.at(table, (group, numbers), 1)
    count = int(min(folds, table.sum(0).max(), len(table)))
    if count < 2:
        return [(everything, everything)]
    order = np.random.default_rng(seed).permutation(len(table))
    wanted = np.maximum(table.sum(0), 1) / count
    have, place = np.zeros((count, table.shape[1])), np.empty(len(table), int)
    for row in order[np.argsort(-table[order].sum(1), kind="stable")]:
        rise = (table[row] * (2 * (have - wanted) + table[row]) / wanted).sum(1)
        place[row] = np.lexsort((have.sum(1), rise))[0]
        have[place[row]] += table[row]
    for fold in range(count):
        gone = (have[fold] > 0) & (have[fold] == table.sum(0))  # classes that stand in this fold alone
        place[(place == fold) & table[:, gone].any(1)] = -1     # are trained on in every one
    parts = [(np.flatnonzero(place[group] != fold), np.flatnonzero(place[group] == fold)) for fold in range(count)]
    whole = [(a, b) for a, b in parts if len(b) and len(np.unique(numbers[a])) == len(np.unique(numbers))]
    return whole or [(everything, everything)]


def solve(span, numbers, weights, strength, power, start, enough):
    """The optimum (rank + 1, problems, classes), bias last, of a problem a column of weights (n, problems)."""
    penalty = np.append((span.spread * len(span.spread) / span.spread.sum()) ** power, 0.0)[:, None, None]
    spread = np.append(span.spread, len(numbers))[:, None, None]
    root = np.sqrt(penalty + strength / 4 * weights.mean() * spread)
    objective = penalised(lambda: [(slice(None), span.rows)], numbers, weights, strength, penalty, lambda x: x / root)
    return descend(objective, start * root, enough) / root


def solve_all(read, standard, span, numbers, weights, strength, start):
    """The optimum (d + 1, 1, classes) for all pictures, which `read` gives block by block, from `start` for the span's.

    Curvature is that along the span's directions, which replace `standard` in its place, and 1 along the others.
    """
    for part in blocks(*standard.T.shape):
        standard[:len(span.spread), part] = span.dual.T @ standard[:, part]
    directions = standard[:len(span.spread)]
    curvature = strength / 4 * weights.sum()
    root = np.sqrt(1 + curvature * span.spread / len(span.rows))[:, None, None]

    def turn(x):
        inside = (1 / root - 1) * np.tensordot(directions, x[:-1].astype(np.float32), 1)
        along = np.tensordot(directions, inside.astype(np.float32), (0, 0))
        return np.concatenate([x[:-1] + along, x[-1:] / np.sqrt(curvature)])

    penalty = np.append(np.ones(standard.shape[1]), 0.0)[:, None, None]
    start = np.concatenate([np.tensordot(directions, (root * start[:-1]).astype(np.float32), (0, 0)),
                            start[-1:] * np.sqrt(curvature)])
    return turn(descend(penalised(read, numbers, weights, strength, penalty, turn), start, FITTED))


def penalised(read, numbers, weights, strength, penalty, turn):
    """Objective at turn(x) -> (values (problems,), gradient by x); `turn` is linear, symmetric, and evens curvature."""
    def objective(x):
        at = turn(x)
        value, gradient = (penalty * at**2).sum((0, 2)) / 2, penalty * at
        for part, rows in read():
            loss, slope = losses(rows, at, numbers[part])
            value = value + strength * (weights[part] * loss).sum(0)
            slope *= (strength * weights[part]).astype(slope.dtype)[..., None]
            gradient[:-1] += (rows.T @ slope.reshape(len(rows), -1)).reshape(gradient[:-1].shape)
            gradient[-1] += slope.sum(0)
        return value, turn(gradient)

    return objective


def losses(rows, at, numbers):
    """Cross-entropy (n, problems) and its derivative by the logits (n, problems, classes), in the precision of rows."""
    flat = at.reshape(len(at), -1).astype(rows.dtype)
    logits = (rows @ flat[:-1]).reshape(-1, *at.shape[1:])
    logits += at[-1].astype(rows.dtype)
    logits -= logits.max(2, keepdims=True)
    true = np.arange(len(rows)), slice(None), numbers
    loss = -logits[true]
    np.exp(logits, out=logits)
    total = logits.sum(2)
    logits /= total[..., None]
    logits[true] -= 1
    return loss + np.log(total), logits


def descend(objective, x, enough, most=500, kept=5):
    """Least x (coordinates, problems, classes) of convex problems side by side, by L-BFGS (Liu, Nocedal 1989).

    A step is halved while it ends on a rise half as steep as the fall it began on: slopes are exact where values, of a
    loss near 0 in float32, are not. A problem rests once its expected decrease is below `enough` of its value.
    """
    (value, gradient), pairs, going = objective(x), [], np.ones(x.shape[1], bool)
    for _ in range(most):
        direction = descent(gradient, pairs)
        slope = dot(gradient, direction)
        going &= slope > enough * value
        if not going.any():
            break
        step = going.astype(float)
        while True:
            there = x - step[:, None] * direction
            value, gradient_there = objective(there)
            far = going & (-dot(gradient_there, direction) > slope / 2)
            if not far.any():
                break
            step[far] /= 2
        pairs = [*pairs, (there - x, gradient_there - gradient)][-kept:]
        x, gradient = there, gradient_there
    return x


def descent(gradient, pairs):
    """The gradient times the inverse curvature that the last steps and changes of the gradient, `pairs`, tell."""
    direction, shares = gradient.copy(), []
    inverses = [inverse(dot(step, change)) for step, change in pairs]
    for (step, change), scale in zip(reversed(pairs), reversed(inverses)):
        shares.append(scale * dot(step, direction))
        direction -= shares[-1][:, None] * change
    if pairs:
        step, change = pairs[-1]
        direction *= np.where(inverses[-1] > 0, dot(step, change) * inverse(dot(change, change)), 1)[:, None]
    for (step, change), scale, share in zip(pairs, inverses, reversed(shares)):
        direction += (share - scale * dot(change, direction))[:, None] * step
    return direction


def dot(a, b):
    """Inner product of each problem, (problems,)."""
    return np.einsum("rpk,rpk->p", a, b)


def inverse(values):
    """1 / values; 0 where a problem rests."""
    return np.divide(1, values, out=np.zeros_like(values), where=values > 0)
