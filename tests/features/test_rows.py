"""Rows: an array that is computed where it is read."""

import numpy as np
import pytest
from tests.features.filling import Source, keys, same

from toolkit.features.rows import Rows

SHAPES = [(3, 2), (4,)]


@pytest.fixture
def made(open_store):
    """(Rows of ten pictures, their Source), nothing computed yet."""
    def make(shapes=SHAPES, names=None, dtype="float32"):
        source = Source(shapes)
        names = keys(10) if names is None else names
        return Rows(open_store().shelf("maps", {}, shapes, dtype, len(names)), names, source), source
    return make


@pytest.mark.parametrize("index", [3, -1, slice(2, 7), slice(None, None, 3), np.array([5, 1, 5]), [0, 9],
                                   np.arange(10) % 4 == 1], ids=str)
@pytest.mark.parametrize("shapes", [SHAPES, SHAPES[:1]], ids=["two arrays", "one array"])
def test_they_are_indexed_as_an_array_is(made, index, shapes):
    rows, source = made(shapes)
    whole = Source(shapes)(np.arange(10))
    found = rows[index]
    for one, array in zip(found if len(shapes) > 1 else [found], whole, strict=True):
        assert np.array_equal(one, array[index])
    assert set(source.made) == set(np.arange(10)[index].ravel().tolist())
    assert len(rows) == 10 and rows.shape == (10, 3, 2) and rows.dtype == np.float32


def test_a_number_beyond_them_is_refused(made):
    with pytest.raises(IndexError):
        made()[0][10]


def test_only_what_is_missing_is_computed_and_told(made):
    rows, source = made()
    assert rows[np.array([2, 6])][0].shape == (2, 3, 2) and source.made == [2, 6]
    told = []
    assert same(rows.fill(lambda done, of: told.append((done, of)), batch=3), 10)
    assert sorted(source.made) == list(range(10)) and told == [(5, 10), (8, 10), (10, 10)]
    rows.fill(lambda done, of: told.append(None))
    assert len(told) == 3


def test_one_picture_under_two_names_is_computed_once(made):
    names = keys(4)[[0, 1, 0, 2, 2, 2, 3]]
    rows, source = made(names=names)
    rows.fill(batch=2)
    assert source.made == [0, 1, 3, 6]
    assert np.array_equal(rows[3][0], rows[5][0]) and not np.array_equal(rows[0][0], rows[1][0])



def test_no_rows_are_no_work(made):
    rows, source = made(names=keys(0))
    assert len(rows.fill()) == 0 and source.made == []
