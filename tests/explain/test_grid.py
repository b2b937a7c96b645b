"""Maps on one grid: sums stay, places stay."""

import numpy as np
import pytest

from toolkit.explain import grid


@pytest.mark.parametrize("sides", [(1, 1), (7, 7), (14, 14), (5, 56), (56, 56), (57, 90), (256, 31)])
@pytest.mark.parametrize("size", [(56, 56), (8, 8), (13, 56), (1, 1)])
def test_the_sum_of_every_map_stays(sides, size):
    maps = np.random.default_rng(0).normal(size=(2, 3, *sides))
    found = grid.onto(maps, size)
    assert found.shape == (2, 3, *size) and found.sum((2, 3)) == pytest.approx(maps.sum((2, 3)), rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("side, aim", [(7, 56), (14, 28), (8, 8), (56, 7), (3, 1)])
def test_what_is_even_stays_even(side, aim):
    found = grid.onto(np.ones((1, 1, side, side)), (aim, aim))
    assert found == pytest.approx(np.full((1, 1, aim, aim), (side / aim)**2))


def test_a_place_keeps_its_place():
    for side, aim in ((7, 56), (56, 7), (100, 56)):
        maps = np.zeros((1, 1, side, side))
        maps[0, 0, side // 7, side * 5 // 7] = 1.0
        rows, columns = np.meshgrid(*2 * [(np.arange(aim) + 0.5) / aim], indexing="ij")
        found = grid.onto(maps, (aim, aim))[0, 0]
        wanted = (side // 7 + 0.5) / side, (side * 5 // 7 + 0.5) / side
        assert ((found * rows).sum(), (found * columns).sum()) == pytest.approx(wanted, abs=0.5 / aim)
        assert (found >= 0).all() and found[0].sum() == pytest.approx(found[:, 0].sum(), abs=1e-12)


def test_the_grid_is_that_of_the_finest_map_within_bounds():
    assert grid.size_of([(28, 20), (7, 5)]) == (28, 20) and grid.size_of([(256, 10), (128, 30)]) == (56, 30)
