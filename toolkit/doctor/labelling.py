"""Labels, grades and amounts that cannot be meant, and copies of one picture that are told apart."""

import numpy as np

from toolkit.data import splits
from toolkit.data.reading import count
from toolkit.doctor import quality
from toolkit.doctor.findings import Finding
from toolkit.doctor.summary import together

LEAST = 5       # pictures of a label, from which it is odd that it never stands alone
APART = 3       # pictures of a label below which some part has none
SHOWN = 10
NOTHING = ("normal", "healthy", "no finding", "no findings", "nofinding", "none", "negative", "no disease")


def _task(case, *tasks):
    return case.targets is not None and case.targets.task in tasks


def _at_odds(case):
    """Copies of one picture with different targets."""
    if case.targets is None or case.targets.task == "ordinal":  # grades are classes to the check of label conflicts
        return
    bundles = {}
    same = ("sha256", "fingerprint") if "fingerprint" in case.rows else ("sha256",)
    for row, bundle in enumerate(splits.bind(*(case.rows[name] for name in same))):
        bundles.setdefault(bundle, []).append(row)
    found = [rows for rows in bundles.values() if differ(case, rows)]
    if found:
        what = {"multi-label": "labels", "regression": "targets", "detection": "boxes", "segmentation": "masks"}
        paths = [tuple(case.rows["path"].iloc[rows]) for rows in found]
        yield Finding("label conflicts", "warning", tuple(path for bundle in paths for path in bundle),
                      f"{count(len(found), 'picture')} in more than one file with different {what[case.targets.task]}, "
                      f"such as {' and '.join(paths[0][:3])}.",
                      "Decide which is right and remove the other file; one of them is wrong.", tuple(paths))


def differ(case, rows):
    """Whether the targets of some rows are not one and the same; False where there are but classes."""
    return case.targets is not None and len({told(case.targets.truth[row]) for row in rows}) > 1


def told(truth):
    """What of a target tells it from another, whatever its order."""
    truth = getattr(truth, "digest", truth)
    return frozenset(map(str, truth)) if isinstance(truth, tuple) else truth


def _without(case):
    if _task(case, "multi-label"):
        bare = tuple(path for path, found in zip(case.rows["path"], case.targets.truth) if not found)
        if bare:
            yield Finding("no label", "note", bare, f"{count(len(bare), 'picture')} without any label.",
                          "Right where none applies; otherwise the labels are missing.")


def _labels_together(case):
    """Labels that say the same, that contradict one another, or that hardly any picture bears."""
    if not _task(case, "multi-label"):
        return
    targets, often = case.targets, {}
    for found in targets.truth:
        for name in found:
            often[name] = often.get(name, 0) + 1
    always = [(a, b) for a, b, both in together(targets) if both >= LEAST and both == often[a] == often[b]]
    if always:
        yield Finding("labels always together", "warning", (), f"{count(len(always), 'pair')} of labels that stand "
                      f"only together: {'; '.join(f'{a!r} and {b!r}' for a, b in always[:SHOWN])}.",
                      "See whether a column was copied; if both mean the same, leave one out.")
    against = tuple(path for path, found in zip(case.rows["path"], targets.truth)
                    if len(found) > 1 and any(plain(name) in NOTHING for name in found))
    if against:
        yield Finding("labels at odds", "warning", against, f"{count(len(against), 'picture')} labelled as showing "
                      "nothing and something at once.", "Take one of the labels back.")
    rare = [name for name in targets.names if often.get(name, 0) < APART]
    never = [name for name in targets.order if name not in often]
    if rare or never:
        shown = ", ".join(f"{name!r} ({often.get(name, 0)})" for name in [*rare, *never][:SHOWN])
        yield Finding("few of a label", "warning", (), f"{count(len(rare) + len(never), 'label')} with fewer than "
                      f"{APART} pictures: {shown}.", "Gather more, or leave the label out.")


def plain(name):
    """A label without case, and without marks between its words."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _outlying(case):
    """Targets far from all others."""
    if not _task(case, "regression"):
        return
    values = np.asarray(case.targets.truth, float)
    far = quality.standing_out(values)
    if (values > 0).all():  # amounts that grow by factors have large ones by nature
        logs = quality.standing_out(np.log(values))
        far = np.where(np.abs(logs) < np.abs(far), logs, far)
    if len(rows := quality.few(np.abs(far) > quality.FAR)):
        rows = sorted(rows, key=lambda row: -abs(far[row]))
        low, high = np.quantile(values, (0.25, 0.75))
        shown = ", ".join(f"{values[row]:.6g} ({case.rows['path'].iat[row]})" for row in rows[:3])
        yield Finding("outlying targets", "warning", tuple(case.rows["path"].iat[row] for row in rows),
                      f"{count(len(rows), 'target')} far from the others, of which half are {low:.6g} to {high:.6g}, "
                      f"such as {shown}.", "See whether they are slips, other units, or a code for a missing value.",
                      scores=tuple(float(abs(far[row])) for row in rows))


def _empty_grades(case):
    if _task(case, "ordinal"):
        absent = [grade for grade in case.targets.order if grade not in set(case.targets.truth)]
        if absent:
            yield Finding("empty grades", "warning", (), f"{count(len(absent), 'grade')} without any picture: "
                          f"{', '.join(map(repr, absent[:SHOWN]))}.",
                          "Gather some, or leave the grade out of the order.")


CHECKS = {"targets at odds": _at_odds, "labels together": _labels_together, "outlying targets": _outlying,
          "empty grades": _empty_grades, "no label": _without}
