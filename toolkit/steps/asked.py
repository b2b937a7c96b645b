"""What the user asks of the pictures: a class, which is trained and measured, or what is only looked at so far."""

from pathlib import Path


def labels(chosen):
    """The data.targets.Asked of the options."""
    from toolkit.data import targets

    order = tuple(name.strip() for name in (chosen.label_order or "").split(",") if name.strip())
    return targets.Asked(chosen.task, order, chosen.label_delimiter or "")


def not_yet(data, samples):
    """Why data of another task are not trained on, and what may be done with them."""
    what = {"multi-label": "several labels a picture", "regression": "an amount a picture", "ordinal": "a grade a "
            "picture", "detection": f"boxes, {samples.kind}", "segmentation": "masks"}[samples.task]
    words = [f"{data} holds {what} (for {samples.task}); training on that comes later, and python -m toolkit.check "
             "looks at it now.", *(note for note in samples.problems if "--task" in note)]
    classes = Path(data) / "images"
    if samples.boxes is not None or samples.masks is not None:
        folders = sum(entry.is_dir() for entry in classes.iterdir()) if classes.is_dir() else 0
        words.append("What is trained and measured is one class a picture: give " + (
            f"{classes}, whose folders are classes." if folders > 1 else
            "a folder with a folder for each class, or a table with a label column."))
    elif samples.task == "ordinal":
        words.append("Without --task ordinal and --label-order the grades are classes.")
    return " ".join(words)


def summed(truth, part, kinds, given):
    """What the targets are, for JSON; None for classes, which the counts tell.

    truth: doctor.targets.Targets; kinds: what the parts are balanced by; given: the split that came with the data.
    """
    from toolkit.data import targets
    from toolkit.doctor import summary

    said = "" if (given != "").any() or truth is None else targets.balanced(truth.task, kinds)
    return None if truth is None else summary.of(truth, part, said)
