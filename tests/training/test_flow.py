"""How far the weights of a stage go, by hand."""

import numpy as np
import pytest

from toolkit.training import flow

STAGES = {"a/kernel": "low", "a/bias": "low", "b/kernel": "head"}


def changes(before, after):
    return flow.changes(list(STAGES), [np.array(one, np.float32) for one in before],
                        [np.array(one, np.float32) for one in after], STAGES)


def test_a_change_is_relative_to_the_length_of_all_weights_of_its_stage():
    found = changes([[[3, 0]], [4], [[2]]], [[[3, 3]], [8], [[2]]])
    assert found == {"low": pytest.approx(1.0), "head": 0.0}


def test_of_weights_of_no_length_nothing_is_relative():
    assert changes([[0], [0], [1]], [[1], [1], [0]]) == {"low": None, "head": pytest.approx(1.0)}


def test_large_arrays_are_summed_exactly_enough_and_left_as_they_are():
    rng = np.random.default_rng(0)
    before, step = (rng.normal(0, scale, (3, 5, 40, 300)).astype(np.float32) for scale in (1, 1e-3))
    copies = before.copy(), (before + step).copy()
    wanted = np.linalg.norm((copies[1] - before).ravel().astype(float)) / np.linalg.norm(before.ravel().astype(float))
    found = flow.changes(["a/kernel"], [before], [copies[1]], STAGES)
    assert before.size > 2 * flow.BLOCK and found["low"] == pytest.approx(wanted, rel=1e-5)
    assert np.array_equal(before, copies[0])
