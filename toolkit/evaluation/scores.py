"""All scores of one part of the data with their intervals: a block of metrics.json."""

import numpy as np

from toolkit.evaluation import intervals
from toolkit.evaluation.metrics import CLASS_METRICS, METRICS, checked, confusion

CELLS = 2**18  # numbers of one block of resamples: the fastest of 2**16 to 2**22, and little memory


def evaluate(truth, probabilities, weights=None, names=tuple(METRICS)):
    """The rows `names` of METRICS and the rows of CLASS_METRICS: ({name: () or (r,)}, {name: (k,) or (k, r)})."""
    each = {name: row.function(truth, probabilities, weights) for name, row in CLASS_METRICS.items()}
    return {name: METRICS[name].combine(each[METRICS[name].each]) if METRICS[name].each
            else METRICS[name].function(truth, probabilities, weights) for name in names}, each


def _resampled(truth, probabilities, unit, resamples, seed):
    """Every row of both tables in each bootstrap resample: ({name: (resamples,)}, {name: (k, resamples)})."""
    drawn = intervals.multiplicities(unit, resamples, seed)
    width = max(1, CELLS // max(1, len(truth)))
    blocks = [evaluate(truth, probabilities, drawn[:, at:at + width].astype(np.float64))
              for at in range(0, resamples, width)]
    return tuple({name: np.concatenate([block[part][name] for block in blocks], axis=-1) for name in blocks[0][part]}
                 for part in (0, 1))


def _sizes(truth, answer, unit, k):
    """Numbers of independent units of each class, and of everything at the end: k + 1 dicts."""
    def count(chosen):
        return len(np.unique(unit[chosen]))

    return [{"own": count(truth == c), "rest": count(truth != c), "answered": count(answer == c)}
            for c in range(k)] + [{"own": count(slice(None))}]


def _closed_form(row, value, sizes):
    """(low, high) of one score without resampling, or None where no formula is known."""
    if row.limits == "newcombe":
        return intervals.newcombe(value, sizes["own"], sizes["rest"])
    return intervals.wilson(value, sizes[row.over]) if row.limits == "wilson" else None


def _closed_form_of_mean(row, values, sizes):
    """(low, high) of a score over the classes: the mean of their limits, which is on the safe side."""
    limits = [_closed_form(CLASS_METRICS[row.each], value, size) for value, size in zip(values, sizes)]
    return None if None in limits else row.combine(np.array(limits))


def _entry(row, value, sampled, limits, reason):
    """One score as metrics.json has it: value, low, high; null and a reason where there is nothing to say."""
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None, "reason": reason()}
    value, none = float(value), {"value": float(value), "low": None, "high": None}
    if sampled is None:
        return none | {"reason": f"an interval needs at least {intervals.FEWEST_UNITS} pictures or groups"}
    low, high, left_out = intervals.percentile(sampled)
    if low is None:
        return none | {"reason": "not defined in more than half of the resamples"}
    if low == high and value in (0.0, 1.0):
        closed = limits()
        if closed is None:
            return none | {"reason": "no interval, as every resample gives the same"}
        return {"value": value, "low": float(closed[0]), "high": float(closed[1]), "method": row.limits}
    if row.centred:
        shift = value - float(np.nanmean(sampled))
        low, high = max(0.0, low + shift), min(1.0, high + shift)
    return {"value": value, "low": low, "high": high} | ({"left_out": left_out} if left_out else {})


def missing_classes(truth, classes):
    """Why a mean over the classes is not defined, as a clause."""
    missing = [repr(str(name)) for c, name in enumerate(classes) if not (truth == c).any()]
    if not len(truth):
        return "no picture in this part"
    named = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
    return (f"class {named} has" if len(missing) == 1 else f"classes {named} have") + " no picture in this part"


def _class_reason(name, sizes):
    if name == "precision":
        return "the model never answers with this class"
    return "no picture of " + ("another class" if name == "specificity" or sizes["own"] else "this class")


def scores(truth, probabilities, classes, groups=None, resamples=1000, seed=0):
    """Every score of one part of the data, ready for JSON.

    truth int (n,), class indices; probabilities (n, k), rows summing to 1; classes, the k names; groups (n,) or None
    (see `intervals.units`). A score is {"value", "low", "high"}; "left_out" counts resamples in which it was not
    defined, "method" names a closed form used where the bootstrap is blind, "reason" stands beside every null.
    Beside the rows of METRICS: "n"; "per_class", {class: {"n" and the rows of CLASS_METRICS}}; "confusion", counts
    by label (row) and answer (column); "interval", how the intervals were made.
    """
    truth, probabilities = checked(truth, probabilities)
    if len(classes) != probabilities.shape[1]:
        raise ValueError(f"{len(classes)} class names for {probabilities.shape[1]} columns of probabilities.")
    unit = intervals.units(len(truth), groups)
    count = int(unit.max()) + 1 if unit.size else 0
    values, each = evaluate(truth, probabilities)
    enough = count >= intervals.FEWEST_UNITS and resamples > 0
    sampled, sampled_each = _resampled(truth, probabilities, unit, resamples, seed) if enough else ({}, {})
    sizes = _sizes(truth, probabilities.argmax(axis=1), unit, len(classes))
    block = {"n": len(truth)}
    for name, row in METRICS.items():
        limits = (lambda: _closed_form_of_mean(row, each[row.each], sizes)) if row.each else (
            lambda: _closed_form(row, values[name], sizes[-1]))
        block[name] = _entry(row, values[name], sampled.get(name), limits, lambda: missing_classes(truth, classes))
    block["per_class"] = {str(label): {"n": int((truth == c).sum())} | {
        name: _entry(row, each[name][c], sampled_each[name][c] if enough else None,
                     lambda: _closed_form(row, each[name][c], sizes[c]), lambda: _class_reason(name, sizes[c]))
        for name, row in CLASS_METRICS.items()} for c, label in enumerate(classes)}
    block["confusion"] = confusion(truth, probabilities).tolist()
    block["interval"] = {"level": intervals.LEVEL, "method": "percentile bootstrap", "resamples": resamples,
                         "unit": "picture" if count == len(truth) else "group", "units": count}
    return block
