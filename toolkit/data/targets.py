"""What is asked of a picture, settled from the labels that a reader found.

| task | the label column holds | taken where |
| --- | --- | --- |
| classification | a class | nothing else is said |
| multi-label | names, parted by a delimiter, or none | several label columns are named, or a delimiter |
| regression | a number | asked for; or where most of many different numbers stand at one or two pictures, and said |
| ordinal | a grade | asked for, or the order of the grades is given |

Boxes and masks are the tasks of the formats that hold them. A number may have a decimal comma.
"""

import math
from collections import Counter
from typing import NamedTuple

from toolkit.data.reading import count, listed, same
from toolkit.errors import OptionError

BETWEEN = ";|/+&~"  # delimiters of names that came in columns of their own, the first that is in none of them
MANY = 20           # different numbers up to which a column of whole numbers is taken for classes
FEW = 3             # pictures that a class needs, one for each part
AMOUNTS = 0.5       # share of different numbers with fewer, from which they are amounts
STRATUM = 10        # bundles of a set of labels, or a bin of numbers, from which the parts are balanced by it
BINS = 4            # of numbers
ALL = "pictures"    # the kind of those that are of no other


class Asked(NamedTuple):
    """What the user says of the labels: `task`, auto or one of reading.TASKS; `order`: grades, the lowest first;
    `delimiter` between the labels of one picture."""

    task: str = "auto"
    order: tuple = ()
    delimiter: str = ""


def settled(found, asked, ignore_empty=False, merge_case=False, fewest=2):
    """(`found`, a Reading, with the task settled and its labels in one form; faults; notes).

    Raises OptionError where what is asked does not fit the data.
    """
    faults, notes, labels = list(found.faults), list(found.notes), found.rows["label"]
    if found.task in ("detection", "segmentation"):
        if asked != Asked():
            raise OptionError(f"The data hold {found.kind} for {found.task}; --task, --label-order and "
                              "--label-delimiter are for data with labels.")
        return found, faults, notes
    if asked.delimiter and (found.kind != "table" or found.delimiter):
        raise OptionError("--label-delimiter is for a table with one column of labels; leave it out.")
    task = _task(found, asked, labels, notes)
    found = found._replace(task=task, classes=found.classes or asked.order,
                           delimiter=found.delimiter or asked.delimiter)
    if task != "multi-label" and len(blank := found.rows["path"][labels == ""]):
        several = "".join(f"; {note}" for note in notes if "--label-delimiter" in note)
        faults.append(f"{count(len(blank), 'row')} without a label{several}:{listed(blank)}")
    if task == "multi-label":
        labels = _sets(labels, found, merge_case, faults, notes)
    elif task == "regression":
        labels = _numbers(labels, found.rows["path"], faults)
    else:
        labels = _classes(labels, found.empty, ignore_empty, merge_case, faults, notes, fewest)
        if task == "ordinal":
            found = found._replace(classes=_order(labels, asked.order, faults))
    found.rows["label"] = labels
    return found, faults, notes


def _task(found, asked, labels, notes):
    """The task that is asked for, or the one that the labels speak for."""
    task = asked.task
    if found.task == "multi-label" or asked.delimiter or task == "multi-label":
        if task not in ("auto", "multi-label") or asked.order:
            raise OptionError("Several labels a picture are multi-label; leave --task and --label-order out.")
        if found.task != "multi-label" and not asked.delimiter:
            raise OptionError("--task multi-label wants several columns (--label-column a,b,c) or --label-delimiter.")
        return "multi-label"
    if asked.order and task not in ("auto", "ordinal"):
        raise OptionError(f"--label-order is for --task ordinal; leave it out with --task {task}.")
    if task != "auto":
        return task
    if asked.order:
        return "ordinal"
    sizes = Counter(labels)
    for mark in BETWEEN[:2]:
        joined = [name for name in sizes if mark in name]
        pieces = {piece for name in sizes for piece in names_of(name, mark)}
        if len(joined) > 1 and len(pieces) < len(set(sizes) - {""}) or joined and pieces <= set(sizes):
            notes.append(f"labels such as {joined[0]!r} look like several; --label-delimiter '{mark}' parts them")
    fine = (numbers := parsed(labels)) is not None and any(value % 1 for value in numbers)
    if numbers is None or not (fine or len(sizes) > MANY):
        return "classification"
    words = f"The labels are {count(len(sizes), 'different number')} for {count(len(labels), 'picture')}"
    if sum(size < FEW for size in sizes.values()) > AMOUNTS * len(sizes):
        notes.append(f"{words}: taken as amounts to be predicted (--task regression). --task classification takes each "
                     "number as a class, --task ordinal as a grade.")
        return "regression"
    notes.append(f"{words}, taken as classes. If they are amounts, pass --task regression; if grades, --task ordinal.")
    return "classification"


def parsed(labels):
    """The labels as floats, where all that are not empty are finite numbers; None otherwise."""
    texts = [text for text in labels if text != ""]
    if _comma(texts):
        texts = [text.replace(",", ".") for text in texts]
    try:
        numbers = [float(text.replace("_", "x")) for text in texts]  # Python's 1_000 is nobody's number
    except ValueError:
        return None
    return numbers if numbers and all(map(math.isfinite, numbers)) else None


def _comma(texts):
    """Whether numbers have a decimal comma: no point anywhere, and not three digits behind every comma."""
    tails = [text.partition(",")[2] for text in texts if "," in text]
    return bool(tails) and not any("." in text for text in texts) and any(len(tail) != 3 for tail in tails)


def _numbers(labels, paths, faults):
    """Targets as text with a point; those that are no numbers are a fault."""
    comma = _comma([text for text in labels if text != ""])
    labels = labels.map(lambda text: text.replace(",", ".")) if comma else labels
    strange = [f"{path}: {text!r}" for path, text in zip(paths, labels) if text != "" and parsed([text]) is None]
    if strange:
        faults.append(f"{count(len(strange), 'label')} that {'is no number' if len(strange) == 1 else 'are no numbers'}"
                      f" (--task regression wants one each):{listed(strange)}")
    elif len(set(parsed(labels) or ())) < 2 and not faults:
        faults.append("all targets are the same number; there is nothing to predict")
    return labels


def names_of(label, delimiter):
    """The names in the label of a picture with several, each once, in their order."""
    return tuple(dict.fromkeys(name for part in label.split(delimiter) if (name := part.strip())))


def _sets(labels, found, merge_case, faults, notes):
    """Labels of several names each, twins joined, in one form."""
    import pandas

    sets = labels.map(lambda label: names_of(label, found.delimiter))
    every = pandas.Series([name for names in sets for name in names], dtype=object)
    rename = dict(zip(every, merged(every, (), merge_case, faults, notes)))
    names = {rename[name] for name in every} | set(found.classes)
    if len(names) < 2 and not faults:
        faults.append(f"{count(len(names), 'label')} in all the data; several labels a picture want at least two")
    return sets.map(lambda each: found.delimiter.join(dict.fromkeys(rename[name] for name in each)))


def _order(labels, order, faults):
    """The grades from the lowest to the highest; those that the order does not have are a fault."""
    names = set(labels) - {""}
    if order:
        strange = sorted(names - set(order))
        if strange:
            faults.append(f"{count(len(strange), 'grade')} that --label-order does not have: "
                          f"{', '.join(map(repr, strange[:20]))}; it has {', '.join(map(repr, order))}")
        return tuple(order)
    if names and parsed(names) is None:
        faults.append(f"the grades {', '.join(map(repr, sorted(names)[:20]))} are no numbers; say their order, the "
                      "lowest first: --label-order low,medium,high")
        return ()
    return tuple(sorted(names, key=lambda name: parsed([name])[0]))


def _classes(labels, empty, ignore_empty, merge_case, faults, notes, fewest):
    """The labels of a classification with twins joined; what is wrong with them goes to `faults` and `notes`."""
    labels = merged(labels, empty, merge_case, faults, notes)
    empty = [name for name in empty if same(name) not in set(map(same, labels))]
    if empty:
        names = ", ".join(map(repr, empty))
        if ignore_empty:
            notes.append(f"{count(len(empty), 'class')} without any picture ignored: {names}.")
        else:
            faults.append(f"{count(len(empty), 'class')} without any picture: {names} (--ignore-empty goes on without)")
    names = sorted(set(labels) - {""})
    if len(names) < fewest and not faults:
        faults.append(f"only one class, {names[0]!r}; at least two are needed" if names else "no picture with a label")
    return labels


def merged(labels, empty, merge_case, faults, notes):
    """Labels with twins joined to their most frequent spelling, or the twins among the faults."""
    spellings = {}
    for name, number in labels.value_counts().items():
        spellings.setdefault(same(name), []).append((name, number))
    for name in empty:
        if name not in set(labels):
            spellings.setdefault(same(name), []).append((name, 0))
    twins = [names for names in spellings.values() if len(names) > 1]
    rename = {}
    for names in twins:
        shown = ", ".join(f"{ascii(name) if not name.isascii() else repr(name)} ({number})" for name, number in names)
        if merge_case:
            rename.update({name: names[0][0] for name, _ in names[1:]})
            notes.append(f"Classes joined as {names[0][0]!r}: {shown}.")
        else:
            faults.append(f"class names that look the same: {shown} (rename, or --merge-case joins them)")
    return labels.replace(rename) if rename else labels


def ordered(labels):
    """Class names, whole numbers by value, other names by text."""
    names = sorted(labels)
    return sorted(names, key=int) if all(name.isascii() and name.isdigit() for name in names) else names


def classes(samples):
    """Names of the classes, grades or labels that the pictures of `samples` bear, in order; [] where they have none."""
    labels = samples.rows["label"]
    if samples.task == "classification":
        return ordered(set(labels))
    if samples.task not in ("ordinal", "multi-label"):
        return []
    names = set(labels) if samples.task == "ordinal" else {name for label in set(labels)
                                                           for name in names_of(label, samples.delimiter)}
    known = [name for name in samples.order if name in names]
    return known + ordered(names - set(known))


def strange(samples, fewest=2):
    """What of the labels cannot be a target of the task, as a sentence; None where all can. fewest: classes."""
    labels = set(samples.rows["label"])
    if samples.task in ("classification", "ordinal") and len(labels) < fewest:
        return "leave fewer than two classes" if labels else "leave no picture"
    if samples.task == "ordinal" and labels - set(samples.order):
        return f"give the grade {sorted(labels - set(samples.order))[0]!r}, which is not in the order"
    if samples.task == "regression" and (wrong := sorted(text for text in labels if parsed([text]) is None)):
        return f"give the target {wrong[0]!r}, which is no number"
    if samples.task in ("detection", "segmentation") and labels != {""}:
        return f"give a class to pictures, and data for {samples.task} have none"
    return None


def strata(samples, bound):
    """What the parts are balanced by, a text for each picture: its class or grade, else one of few kinds of targets.

    bound: number of the bundle of each picture that is not parted. Where the data have a split, or the pictures are few
    or without labels, all are of one kind.
    """
    import numpy as np

    labels = samples.rows["label"].to_numpy(object)
    if samples.task in ("classification", "ordinal"):
        return labels
    found = np.full(len(labels), ALL, object)
    if (samples.rows["split"] != "").any() or samples.task not in ("multi-label", "regression"):
        return found
    kinds = _kinds(samples, labels)
    for kind in set(kinds):
        if len(np.unique(np.asarray(bound)[kinds == kind])) >= STRATUM:
            found[kinds == kind] = kind
    rest = found == ALL
    if 0 < len(np.unique(np.asarray(bound)[rest])) < STRATUM and not rest.all():
        found[rest] = Counter(found[~rest]).most_common(1)[0][0]
    return found


def _kinds(samples, labels):
    """The set of labels of each picture, or the quarter of all targets in which its own lies, as text."""
    import numpy as np

    if samples.task == "multi-label":
        return np.array([f" {samples.delimiter} ".join(sorted(names_of(label, samples.delimiter))) or "none"
                         for label in labels], object)
    numbers = np.array(parsed(labels))
    edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, numbers, "right")
    names = {bin: f"{numbers[place == bin].min():.6g} to {numbers[place == bin].max():.6g}" for bin in set(place)}
    return np.array([names[bin] for bin in place], object)


def balanced(task, kinds):
    """By what the parts of such data are balanced, as a sentence; "" where it is by class."""
    if task in ("classification", "ordinal"):
        return ""
    if len(kinds) < 2:
        return "Pictures, or their groups, are drawn by lot into the parts."
    return {"multi-label": "The parts are balanced by the commoner sets of labels.",
            "regression": "The parts are balanced by quarters of the targets."}[task]
