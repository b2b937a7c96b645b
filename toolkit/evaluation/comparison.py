"""Two models on the same pictures: the paired bootstrap of their difference."""

import numpy as np

from toolkit.evaluation import intervals
from toolkit.evaluation.metrics import METRICS, checked
from toolkit.evaluation.scores import CELLS, missing_classes


def difference(truth, challenger, incumbent, metric="roc_auc", groups=None, resamples=1000, seed=0):
    """Score of `challenger` minus that of `incumbent`, both (n, k) probabilities of the same pictures.

    Gives {"metric", "value", "low", "high", "better"}: both models are scored on the same resamples of pictures or
    groups, so that what makes a picture hard for both cancels out. "better": the challenger's score is the better
    one, whichever way the metric points. Nulls with a "reason" where the metric is not defined.
    """
    truth, challenger = checked(truth, challenger)
    _, incumbent = checked(truth, incumbent)
    if challenger.shape != incumbent.shape:
        raise ValueError(f"two models of one task wanted, got probabilities {challenger.shape}, {incumbent.shape}.")
    row, unit = METRICS[metric], intervals.units(len(truth), groups)

    def gap(weights=None):
        return row.function(truth, challenger, weights) - row.function(truth, incumbent, weights)

    value = float(gap())
    result = {"metric": metric, "value": value, "low": None, "high": None,
              "better": value > 0 if row.higher_is_better else value < 0}
    if not np.isfinite(value):
        return result | {"value": None, "reason": missing_classes(truth, range(challenger.shape[1]))}
    if not unit.size or unit.max() + 1 < intervals.FEWEST_UNITS:
        return result | {"reason": f"an interval needs at least {intervals.FEWEST_UNITS} pictures or groups"}
    drawn, width = intervals.multiplicities(unit, resamples, seed), max(1, CELLS // len(truth))
    sampled = np.concatenate([gap(drawn[:, at:at + width].astype(np.float64)) for at in range(0, resamples, width)])
    low, high, left_out = intervals.percentile(sampled)
    return result | {"low": low, "high": high} | ({"left_out": left_out} if left_out else {})


def gain(truth, challenger, incumbent, groups=None, weights=None):
    """How much lower the challenger's log loss is: {"value", "error"}, in nats a picture.

    weights (n,): how much each picture counts; all alike without. error: the standard error of the paired difference,
    from sums over groups where pictures come in groups (the cluster-robust estimate of a mean). None, with a "reason",
    of fewer than FEWEST_UNITS pictures or groups: of one alone it would be 0, and of two next to nothing by chance.
    """
    rows = np.arange(len(truth))
    each = (np.log(np.maximum(challenger[rows, truth], 1e-15)) - np.log(np.maximum(incumbent[rows, truth], 1e-15)))
    share = np.ones(len(truth)) if weights is None else weights / np.mean(weights)
    unit = intervals.units(len(truth), groups)
    value, count = float((share * each).mean()), len(np.unique(unit))
    if count < intervals.FEWEST_UNITS:
        return {"value": value, "error": None,
                "reason": f"a standard error needs at least {intervals.FEWEST_UNITS} pictures or groups"}
    sums = np.bincount(unit, weights=share * (each - value))
    error = float(np.sqrt((sums**2).sum() * count / (count - 1)) / len(each))
    return {"value": value, "error": error}
