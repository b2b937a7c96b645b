"""Probabilities that mean what they say: one temperature for all classes, and the reliability curve."""

import numpy as np

from toolkit.evaluation.metrics import ECE_BINS, checked, confidence_bins

COLDEST, HOTTEST = 0.1, 10.0  # a temperature beyond says that the logits are wrong, not that they need scaling
SPREAD = 1.0  # standard deviation of the prior of ln T: without it a perfectly separated part would ask for T = 0
WORTH = 1.0  # nats the part as a whole must gain: Akaike's price of one parameter


def softmax(logits, temperature=1.0):
    """Probabilities (n, k) of logits (n, k) / temperature."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _loss(logits, truth, temperature):
    """Sum of -ln p(right class), in nats."""
    scaled = logits / temperature
    top = scaled.max(axis=1)
    return float((top + np.log(np.exp(scaled - top[:, None]).sum(axis=1)) - scaled[np.arange(len(truth)), truth]).sum())


def temperature(logits, truth):
    """The temperature T, 0.1..10, by which logits (n, k) are divided to give calibrated probabilities.

    It minimises the log loss on pictures not trained on (Guo et al. 2017, section 4.2), here plus (ln T)^2 / 2: a
    prior that a hundred pictures outweigh and that keeps T near 1 where a small or perfectly separated part says
    little. T is exactly 1 where the part gains less than one nat in all.
    """
    from scipy.optimize import minimize_scalar

    logits, truth = np.asarray(logits, dtype=np.float64), np.asarray(truth)
    if not np.isfinite(logits).all():
        raise ValueError("logits must be finite.")
    if not len(truth):
        return 1.0
    best = minimize_scalar(lambda log_t: _loss(logits, truth, np.exp(log_t)) + log_t**2 / (2 * SPREAD**2),
                           bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded", options={"xatol": 1e-6})
    found = float(np.exp(best.x))
    return found if _loss(logits, truth, 1.0) - _loss(logits, truth, found) >= WORTH else 1.0


def reliability(truth, probabilities, bins=ECE_BINS):
    """The bins of `ece` that hold pictures: list of {"low", "high", "n", "confidence", "accuracy"}, all shares 0..1."""
    truth, probabilities = checked(truth, probabilities)
    confidence, bin_ = confidence_bins(probabilities, bins)
    right = probabilities.argmax(axis=1) == truth
    return [{"low": b / bins, "high": (b + 1) / bins, "n": int((bin_ == b).sum()),
             "confidence": float(confidence[bin_ == b].mean()), "accuracy": float(right[bin_ == b].mean())}
            for b in np.unique(bin_).tolist()]
