"""Temperature scaling and the reliability curve."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from toolkit.evaluation import calibration, metrics


def drawn(n, k, true_temperature, seed=0):
    """Logits whose labels are drawn from softmax(logits / true_temperature)."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=3, size=(n, k))
    p = calibration.softmax(logits, true_temperature)
    return logits, (p.cumsum(axis=1) > random.random((n, 1))).argmax(axis=1)


@pytest.mark.parametrize("true", [0.5, 1.8, 4.0])
def test_the_temperature_that_made_the_labels_is_found(true):
    logits, truth = drawn(4000, 4, true)
    found = calibration.temperature(logits, truth)
    assert found == pytest.approx(true, rel=0.08)
    free = minimize_scalar(lambda t: metrics.log_loss(truth, calibration.softmax(logits, t)), bounds=(0.1, 10),
                           method="bounded").x
    assert found == pytest.approx(free, rel=0.01)  # the prior is outweighed


def test_log_loss_never_rises_and_the_ranking_within_a_picture_stays():
    for seed in range(20):
        random = np.random.default_rng(seed)
        logits, truth = random.normal(scale=random.choice([0.2, 2, 20]), size=(25, 3)), random.integers(0, 3, 25)
        found = calibration.temperature(logits, truth)
        before, after = calibration.softmax(logits), calibration.softmax(logits, found)
        assert 0.1 <= found <= 10
        assert metrics.log_loss(truth, after) <= metrics.log_loss(truth, before)
        assert (before.argmax(axis=1) == after.argmax(axis=1)).all()


def test_calibrated_logits_keep_a_temperature_of_exactly_one():
    logits, truth = drawn(300, 3, 1.0, seed=2)
    assert calibration.temperature(logits, truth) == 1.0


@pytest.mark.parametrize("n", [0, 1, 2, 6])
def test_a_tiny_part_moves_the_temperature_little(n):
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, n)
    right = np.where(np.eye(2)[truth] == 1, 1.0, -1.0).reshape(n, 2)
    assert 0.5 <= calibration.temperature(right, truth) <= 1.0


def test_a_perfectly_separated_part_does_not_ask_for_certainty():
    truth = np.arange(100) % 2
    logits = np.where(np.eye(2)[truth] == 1, 1.0, -1.0)
    found = calibration.temperature(logits, truth)
    assert 0.2 < found < 1
    assert calibration.softmax(logits, found).max() < 0.9999
    assert calibration.temperature(1000 * logits, truth) == 1.0  # nothing to gain


def test_huge_wrong_logits_stay_within_the_bounds_and_bad_ones_are_refused():
    truth = np.arange(50) % 2
    assert calibration.temperature(np.where(np.eye(2)[truth] == 1, -900.0, 900.0), truth) == pytest.approx(10, rel=1e-3)
    with pytest.raises(ValueError, match="finite"):
        calibration.temperature([[np.nan, 1.0]], [0])


def test_reliability_holds_the_figures_of_ece():
    logits, truth = drawn(400, 3, 2.0)
    p = calibration.softmax(logits)
    bins = calibration.reliability(truth, p)
    assert sum(row["n"] for row in bins) == 400
    assert all(row["low"] < row["confidence"] <= row["high"] and 0 <= row["accuracy"] <= 1 for row in bins)
    assert sum(row["n"] / 400 * abs(row["confidence"] - row["accuracy"]) for row in bins) == pytest.approx(
        metrics.ece(truth, p))
