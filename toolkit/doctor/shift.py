"""Whether the parts of a given split are pictures of one kind: the same classes, taken and stored alike.

A classifier two-sample test (Lopez-Paz & Oquab 2017): where a trait of a picture tells in which part it stands, the
parts differ in it. Splits that are made here are not looked at: they differ by chance alone.
"""

import numpy as np

from toolkit.data.splits import PARTS
from toolkit.doctor import traits
from toolkit.doctor.findings import Finding
from toolkit.doctor.separation import separation

WARNED = 0.65  # ROC area
FEWEST = 10    # separate pictures or groups of a part
UNLIKELY = 1e-4
EXPECTED = 5   # pictures of a class in a part, on average, from which their number can be judged (Cochran 1954)
MOVED = 0.1    # share of the pictures that would have to be of another class, from which it is warned


def _shift(case):
    split, bundle = case.rows["split"].to_numpy(object), traits.bound(case)
    present = [part for part in PARTS if len(set(bundle[split == part])) >= FEWEST]
    if "train" not in present:
        return
    known = traits.traits(case)
    for part in present[1:]:
        rows = np.flatnonzero((split == "train") | (split == part))
        inside = split[rows] == part
        yield from _classes(case.rows["label"].to_numpy(object)[rows], bundle[rows], inside, part)
        yield from _kinds([trait.of(rows) for trait in known], bundle[rows], inside, part)


def _kinds(known, bundle, inside, part):
    """Traits in which `part` differs from train."""
    found = [(trait, separation(trait.columns, inside.astype(int), bundle)) for trait in known if trait.varies]
    found = sorted((one for one in found if one[1].mean > WARNED and one[1].clear), key=lambda one: -one[1].mean)
    if found:
        told = "; ".join(f"{trait.name} (ROC AUC {by.mean:.2f}; {part} pictures are {traits.apart(trait, inside)})"
                         for trait, by in found)
        yield Finding("shift", "warning", (),
                      f"The {part} pictures are of another kind than those to train on, which shows in: {told}. "
                      "0.5 would be chance.", "Meant, where they come from another place or device: the scores then "
                      "hold for such pictures. Else leave the given split out and let the pictures be split anew.")


def _classes(labels, bundle, inside, part):
    """Classes whose share in `part` is another than in train."""
    _, first = np.unique(bundle, return_index=True)
    names, kind = np.unique(labels.astype(str), return_inverse=True)
    table = np.stack([np.bincount(kind[first][inside[first] == side], minlength=len(names)) for side in (0, 1)])
    table = table[:, table.sum(0) > 0]
    if min(table.shape) < 2 or table.mean() < EXPECTED:
        return
    train, other = (np.bincount(kind[inside == side], minlength=len(names)) / (inside == side).sum() for side in (0, 1))
    if abs(train - other).sum() / 2 < MOVED:
        return
    from scipy.stats import chi2_contingency  # loads for a quarter of a second

    if chi2_contingency(table).pvalue < UNLIKELY:
        most = int((other - train).argmax())
        yield Finding("class shares", "warning", (),
                      f"{str(names[most])!r} is {other[most]:.0%} of the {part} pictures and {train[most]:.0%} of those"
                      " to train on.", "Meant, where the part has the natural shares: probabilities and thresholds that"
                      " were fitted on others are then off. Else leave the given split out.")


CHECKS = {"shift between splits": _shift}
