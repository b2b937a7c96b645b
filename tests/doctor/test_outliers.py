"""Pictures unlike all others are found, whatever their class, and a varied set is left in peace."""

import numpy as np
import pytest

from tests.doctor import planted
from toolkit.doctor import outliers, seen
from toolkit.doctor.findings import Case

ODD = 3


def features(n=240, odd=ODD, far=6.0, seed=0):
    """float32 (n, 60) in three clouds, the first `odd` rows far from each of them and each other."""
    rng = np.random.default_rng(seed)
    found = rng.normal(0, 1, (n, 60))
    found += 3 * np.eye(60)[rng.integers(0, 3, n)]
    found[:odd] += far * rng.choice([-1, 1], (odd, 60))
    return found.astype(np.float32)


def case(made, **columns):
    """A Case of rows with these features."""
    sight = seen.measured(made, np.zeros(len(made), int), [], np.arange(len(made)), None)
    return Case(planted.rows(len(made), **columns), seen=sight)


def found(made, **columns):
    return list(outliers.CHECKS["outliers"](case(made, **columns)))


CONTRACT = {"outliers": (lambda: vars(case(features())), "outliers", "warning",
                         set(planted.rows()["path"][:ODD]))}


def test_they_are_told_the_farthest_first():
    made = features()
    made[1] *= 2
    one, = found(made)
    assert set(one.pictures) == set(planted.rows()["path"][:ODD]) and one.pictures[0] == planted.rows()["path"][1]
    assert list(one.scores) == sorted(one.scores, reverse=True) and min(one.scores) > outliers.FAR
    assert f"{ODD} pictures unlike all others" in one.sentence


@pytest.mark.parametrize("seed", range(5))
def test_a_set_without_any_is_left_in_peace(seed):
    assert found(features(odd=0, seed=seed)) == []


def test_copies_do_not_excuse_each_other():
    made = features(odd=0)
    made[:4] = 8 * np.random.default_rng(1).choice([-1, 1], 60)
    hashes = [f"h{row}" for row in range(len(made))]
    assert found(made) == []                           # four alike are a kind of their own, unless they are one
    one, = found(made, sha256=["h0"] * 4 + hashes[4:])
    assert set(one.pictures) == set(planted.rows()["path"][:4])
    one, = found(made, group=["patient"] * 4 + [""] * 236)
    assert len(one.pictures) == 4


def test_where_many_stand_out_the_set_is_varied():
    assert found(features(n=60, odd=10)) == []


def test_few_pictures_or_groups_are_no_fault():
    assert found(features(n=10)) == [] and found(features(), group=["one"] * 120 + ["two"] * 120) == []


def test_distances_are_those_to_the_nearest_of_other_bundles():
    made = np.array([[0.0], [1.0], [2.0], [4.0], [100.0]], np.float32)
    np.testing.assert_allclose(outliers.distances(made, np.arange(5)), [7 / 3, 5 / 3, 5 / 3, 3, 293 / 3], rtol=1e-6)
    np.testing.assert_allclose(outliers.distances(made, [0, 0, 1, 2, 3])[:1], [106 / 3], rtol=1e-6)
