"""A thousand random manifests with patients, copies and near-duplicate clusters planted across everything.

None is ever parted, every class is in every part, and each class's share of each part is within 5 % of its pictures of
the asked one wherever any way of keeping bundles whole comes that near: an integer programme of its own says whether.
"""

import numpy as np
import pytest

from toolkit.data import splits
from toolkit.errors import DataError

MANIFESTS, CHUNKS = 1000, 10
CLOSE = 0.05


def manifest(seed):
    """(labels, groups or None, (sha256, near clusters), fractions) of 12 to 900 rows."""
    rng = np.random.default_rng(seed)
    kinds = int(rng.integers(2, 7))
    rows = int(rng.choice([rng.integers(12, 60), rng.integers(60, 400), rng.integers(400, 900)]))
    labels = rng.choice([f"c{i}" for i in range(kinds)], rows, p=rng.dirichlet(np.full(kinds, rng.choice([1, 3, 10]))))
    groups, kind = None, rng.integers(4)
    if kind:
        weights = rng.pareto(rng.uniform(1, 3), max(4, int(rows / rng.uniform(1.5, 8)))) + 0.05   # few large patients
        patient = rng.choice(len(weights), rows, p=weights / weights.sum())
        if kind == 2:                                                      # most patients are of one class
            own = {one: labels[np.flatnonzero(patient == one)[0]] for one in np.unique(patient)}
            labels = np.array([own[one] if rng.random() < 0.85 else label for one, label in zip(patient, labels)])
        groups = np.array([f"p{one}" for one in patient], dtype=object)
        if kind == 3:
            groups[rng.random(rows) < 0.5] = ""                            # half of the pictures have no patient
    sha256 = np.array([f"s{i}" for i in range(rows)], dtype=object)
    near = np.arange(rows)
    for column, share in ((sha256, 10), (near, 8)):
        for _ in range(rng.integers(0, max(2, rows // share))):
            first, second = rng.integers(0, rows, 2)
            column[first] = column[second]
    held = rng.choice([0.05, 0.1, 0.15, 0.2, 0.3], 2)
    return labels, groups, (sha256, near), (1 - held.sum(), *held)


def tables(labels, bound):
    """Pictures (bundles, classes)."""
    names, label = np.unique(labels, return_inverse=True)
    table = np.zeros((bound.max() + 1, len(names)), int)
    np.add.at(table, (bound, label), 1)
    return table


def beyond(table, counts, shares):
    """How far `counts` (parts, classes) are from the shares, beyond CLOSE, in all."""
    return np.maximum(0, np.abs(counts / table.sum(0) - np.array(shares)[:, None]) - CLOSE - 1e-9).sum()


def least(table, shares):
    """The least `beyond` of any way with every class in every part, by an integer programme; None: there is no way."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    kinds, number = np.unique(table, axis=0, return_counts=True)
    total, held, cells = table.sum(0), len(kinds) * 3, 3 * table.shape[1]
    rules, low, high = np.zeros((len(kinds) + 3 * cells, held + cells)), [], []
    for one, there in enumerate(number):
        rules[one, 3 * one:3 * one + 3] = 1
        low, high = [*low, there], [*high, there]
    line = len(kinds)
    for part, share in enumerate(shares):
        for label in range(table.shape[1]):
            column, excess = np.arange(len(kinds)) * 3 + part, held + part * table.shape[1] + label
            for sign, ends in ((0, (1 / total[label], np.inf)), (1, (share - CLOSE, np.inf)),
                               (-1, (-np.inf, share + CLOSE))):
                rules[line, column], rules[line, excess] = kinds[:, label] / total[label], sign
                low, high, line = [*low, ends[0] - 1e-9], [*high, ends[1] + 1e-9], line + 1
    found = milp(np.repeat([0, 1], [held, cells]), integrality=np.repeat([1, 0], [held, cells]), bounds=Bounds(0),
                 constraints=LinearConstraint(rules, low, high), options={"time_limit": 60})
    assert found.status in (0, 2), found.message
    return None if found.status == 2 else found.fun


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_A9_A10_no_bundle_is_parted_and_shares_are_as_near_as_any_way_comes(chunk):
    near, far = 0, 0
    for seed in range(chunk * MANIFESTS // CHUNKS, (chunk + 1) * MANIFESTS // CHUNKS):
        labels, groups, same, shares = manifest(seed)
        bound = splits.bind(groups, *same, rows=len(labels))
        table = tables(labels, bound)
        few = np.flatnonzero((table > 0).sum(0) < 3)
        try:
            split = splits.assign(labels, groups, None, shares, seed, same=same)
        except DataError as refusal:
            assert len(few) or least(table, shares) is None, seed
            for one in few:
                assert (f"class {str(np.unique(labels)[one])!r}: {table[:, one].sum()} picture" in str(refusal)
                        or len(few) > 20), seed
            continue
        assert not len(few), seed
        for column in (bound, *same, *([groups[groups != ""]] if groups is not None else [])):
            there = split if len(column) == len(split) else split[groups != ""]
            assert len(set(zip(column, there))) == len(set(column)), seed
        counts = np.array([[np.sum(there & (labels == name)) for name in np.unique(labels)]
                           for there in (split == part for part in splits.PARTS)])
        assert counts.min() > 0, seed
        found = beyond(table, counts, shares)
        near, far = near + (found == 0), far + (found > 0)
        assert found == 0 or found <= (possible := least(table, shares)) + 0.02 and (possible > 1e-6), seed
    assert near > 20 and far > 5   # both happen


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_A9_A10_a_given_split_is_mended_whole(chunk):
    mended = 0
    for seed in range(chunk * MANIFESTS // CHUNKS, (chunk + 1) * MANIFESTS // CHUNKS):
        labels, groups, same, _ = manifest(seed)
        rng = np.random.default_rng([seed, 1])
        given = rng.choice(splits.PARTS, len(labels), p=(0.6, 0.2, 0.2)).astype(object)
        bound = splits.bind(groups, *same, rows=len(labels))
        before = {(name, part) for name, part in zip(labels, given)}
        try:
            parts = splits.mended(given, bound, labels)
        except DataError as refusal:
            assert "cannot be mended" in str(refusal) and "--keep-split" in str(refusal)
            continue
        mended += 1
        assert not splits.leaks(parts, bound) and not len(splits.leaking(parts, bound)), seed
        assert (parts[given == "test"] == "test").all() and {*zip(labels, parts)} >= before, seed
        crossing = {row for rows in splits.leaks(given, bound) for row in rows}
        assert {*np.flatnonzero(parts != given)} <= crossing, seed
        assert np.array_equal(splits.mended(parts, bound, labels), parts), seed
    assert mended > 20
