"""thresholds.json: from which probability on a class is marked, as a person chose it for a run's model.

    {"schema": 1, "thresholds": {class: {"threshold": 0..1, "part": what it was chosen on, "sensitivity": there,
                                         "specificity": there, "prevalence": 0..1 or null, "time": ...}}}

The model's answers stay what they are; whoever shows them marks the pictures whose probability of the class is at least
the threshold.
"""

import os

from toolkit.errors import OptionError, UntrustedError
from toolkit.files import to_json, write_atomic
from toolkit.run import now, paths
from toolkit.runs import folders, reading

PARTS = ("validation", "test")


def read(folder, classes):
    """{class: {"threshold", "part", "sensitivity", "specificity", "prevalence", "time"}} of the classes that have one.

    {} where nothing was chosen. Raises UntrustedError where the file is damaged.
    """
    path = paths(folder).thresholds
    if not os.path.lexists(path):
        return {}
    found = reading.facts(path)
    kept = found.get("thresholds")
    if found.get("schema") != 1 or not isinstance(kept, dict):
        raise UntrustedError(f"{path.name} is damaged, or of another version.")
    read = {name: entry(kept[name]) for name in classes if isinstance(kept.get(name), dict)}
    return {name: one for name, one in read.items() if one["threshold"] is not None}


def entry(found):
    """One threshold with its types checked."""
    return {**{name: reading.number(found.get(name), 0, 1)
               for name in ("threshold", "sensitivity", "specificity", "prevalence")},
            "part": found["part"] if found.get("part") in PARTS else "", "time": reading.text(found.get("time"), 40)}


def keep(folder, classes, name, threshold, part="validation", sensitivity=None, specificity=None, prevalence=None):
    """Keep the threshold of a class; None takes it away. Thresholds of other classes stay.

    Raises OptionError for what is no threshold of a class or while the run is at work, ResourceError where the file
    cannot be written.
    """
    if name not in classes or part not in PARTS or threshold is not None and not 0 <= threshold <= 1:
        raise OptionError(f"A threshold is a number 0 to 1 for one of the classes, got {threshold!r} for {name!r}.")
    if folders.held(paths(folder).lock):
        raise OptionError("The run is still at work; choose a threshold when it has finished.")
    try:
        kept = read(folder, classes)
    except UntrustedError:
        kept = {}  # what cannot be read cannot be kept either
    kept.pop(name, None)
    if threshold is not None:
        kept[name] = {"threshold": float(threshold), "part": part, "sensitivity": sensitivity,
                      "specificity": specificity, "prevalence": prevalence, "time": now()}
    write_atomic(paths(folder).thresholds, to_json({"schema": 1, "thresholds": kept}))
