"""metrics.json, read with suspicion: every score as a page may show it, or the file is damaged."""

from toolkit.errors import UntrustedError
from toolkit.report import words
from toolkit.run import paths
from toolkit.runs import reading

LARGEST = 32 << 20  # bytes of metrics.json
MOST = 1000         # classes
PARTS = ("test", "validation")
ENDS = ("value", "low", "high")


def metrics(folder):
    """metrics.json with its types checked: blocks as `toolkit.evaluation.scores` makes them, and what is told of them.

    Raises UntrustedError where there is none, or no scores of a test part in it.
    """
    found = reading.facts(paths(folder).metrics, LARGEST)
    classes = names(found.get("classes"))
    read = {"classes": classes, "test": block(found.get("test"), classes, "test")}
    if found.get("validation") is not None:
        read["validation"] = block(found["validation"], classes, "validation")
    if found.get("test_without_copies") is not None:
        read["test_without_copies"] = block(found["test_without_copies"], classes, "test, without copies,")
    read["probe"] = {part: block(one, classes, f"probe, {part}") for part, one in within(found, "probe").items()
                     if part in PARTS}
    if majority := within(within(found, "baseline"), "majority"):
        read["baseline"] = {"majority": block(majority, classes, "baseline")
                            | {"class": reading.text(majority.get("class"), 400)}}
    if folds := within(found, "folds"):
        read["folds"] = block(folds, classes, "folds") | {
            name: reading.number(folds.get(name), 1, 10**6) or 1 for name in ("folds", "repeats")}
    for name in ("chosen", "why", "tuning_ended"):
        read[name] = reading.text(found.get(name))
    read["temperature"] = reading.number(found.get("temperature"), 0)
    if found.get("model") is not None:  # measured on other data: what the model was worth on its own
        read["model"] = {name: score(one) for name, one in within(within(within(found, "model"), "scores"),
                                                                  "test").items() if isinstance(one, dict)}
    return read


def within(found, name):
    """The dict of that name, {} where there is none."""
    inner = found.get(name)
    return inner if isinstance(inner, dict) else {}


def names(found):
    """Class names, at least two and all different, as a tuple. UntrustedError else."""
    fine = isinstance(found, list) and 2 <= len(found) <= MOST and all(isinstance(name, str) for name in found)
    if not fine or len(set(found)) < len(found):
        raise UntrustedError("metrics.json is damaged: it names no classes.")
    return tuple(found)


def block(found, classes, part):
    """Scores of one part: "n", the rows of words.SCORES, "per_class", "confusion", "interval". UntrustedError else."""
    if not isinstance(found, dict) or not whole(found.get("n")):
        raise UntrustedError(f"metrics.json is damaged: it holds no scores of the {part} part.")
    matrix = found.get("confusion")
    square = isinstance(matrix, list) and len(matrix) == len(classes) and all(
        isinstance(row, list) and len(row) == len(classes) and all(map(whole, row)) for row in matrix)
    if not square or sum(map(sum, matrix)) != found["n"]:
        raise UntrustedError(f"metrics.json is damaged: the {part} part has no confusion matrix of its pictures.")
    each, interval = within(found, "per_class"), within(found, "interval")
    return {"n": found["n"], "confusion": matrix,
            **{name: score(found[name]) for name in words.SCORES if isinstance(found.get(name), dict)},
            "per_class": {name: {"n": sum(matrix[i])} | {
                row: score(within(each, name).get(row)) for row in words.CLASS_SCORES}
                for i, name in enumerate(classes)},
            "interval": {"unit": "group" if interval.get("unit") == "group" else "picture",
                         "units": reading.number(interval.get("units"), 0) or found["n"]}}


def whole(value):
    """Whether `value` is a count."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9


def score(found):
    """One score as metrics.json has it: numbers or null, and the reason of a null."""
    found = found if isinstance(found, dict) else {"reason": "not measured"}
    read = {end: reading.number(found.get(end)) for end in ENDS}
    if read["value"] is None or read["low"] is None:
        read["reason"] = reading.text(found.get("reason"), 400) or "no reason is given"
    return read
