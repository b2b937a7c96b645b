"""Whether something beside the subject gives the class away: file size, dimensions, camera, format, marks, brightness.

A network takes the easiest way that lowers its loss, and that need not be the subject (Geirhos et al. 2020, "Shortcut
learning in deep neural networks"). What is told here needs no network: each trait alone, and all together.
"""

import numpy as np

from toolkit.doctor import traits
from toolkit.doctor.findings import Finding
from toolkit.doctor.separation import separation

WARNED = 0.7      # ROC area from which a trait is warned of,
WARNED_ONE = 0.8  # and for one class against the rest, where there are several
FEWEST = 10       # separate pictures or groups of a class; a smaller one is left aside
ADVICE = {
    traits.TAKEN: "Nothing in the subject explains dimensions, camera, format or rotation: a network can learn where "
                  "pictures come from instead. See how each class was collected, and measure on pictures from elsewhere"
                  " (--test-data).",
    traits.STORED: "File size follows the detail in a picture, but also how it was saved: see whether the classes were "
                   "exported in different ways.",
    traits.DRAWN: "Text and marks were drawn by somebody who had seen the subject: cover them, or take the pictures "
                  "without.",
    traits.LIT: "Brightness may belong to the subject, or to lamp and device: look at the classes side by side.",
}


def _shortcut(case):
    rows, truth, names = _comparable(case)
    if len(names) < 2:
        return
    bundle, known = traits.bound(case)[rows], [trait.of(rows) for trait in traits.traits(case)]
    found = [(trait, separation(trait.columns, truth, bundle)) for trait in known if trait.varies]
    if not found:
        return
    found.sort(key=lambda one: -_gravity(one[1]))
    warned = [one for one in found if _grave(one[1])]
    if warned:
        yield Finding("shortcut", "warning", (), "The class can be told without seeing the subject: "
                      + "; ".join(_sentence(*one, truth, names) for one in warned) + " (0.5 is chance).",
                      _advice(trait for trait, _ in warned))
    else:
        columns = [column for trait, _ in found for column in trait.columns]
        yield _together(found, separation(columns, truth, bundle))


def _together(found, whole):
    """The finding where no trait alone tells the class."""
    told, best = _listed([trait.name for trait, _ in found]), max(found[0][1].mean, 0.5)
    if len(found) > 1 and _grave(whole):
        return Finding("shortcut", "warning", (),
                       f"The class can be told without seeing the subject: {told} together reach a ROC AUC of "
                       f"{whole.mean:.2f} (95 % interval {whole.low:.2f} to {whole.high:.2f}; alone {best:.2f} at "
                       "most; 0.5 is chance).", _advice(trait for trait, _ in found))
    said = f"reaches a ROC AUC of {best:.2f}"
    if len(found) > 1:
        said = f"reach a ROC AUC of at most {best:.2f} alone, {max(whole.mean, 0.5):.2f} together"
    return Finding("shortcut", "note", (), f"What is beside the subject tells little of the class: {told} {said} (0.5 "
                   "is chance).", "Nothing need be done.")


def _advice(known):
    kinds = {trait.kind for trait in known}
    return " ".join(ADVICE[kind] for kind in ADVICE if kind in kinds)


def _comparable(case):
    """(rows of classes that are large enough, their class numbers, names of these classes)."""
    labels, bundle = case.rows["label"].to_numpy(object), traits.bound(case)
    names = [name for name in sorted(set(labels), key=str) if len(set(bundle[labels == name])) >= FEWEST]
    number = {name: place for place, name in enumerate(names)}
    rows = np.flatnonzero([label in number for label in labels])
    return rows, np.array([number[label] for label in labels[rows]], int), names


def _grave(found):
    alone = len(found.areas) > 2 and (found.areas > np.maximum(WARNED_ONE, found.chance)).any()
    return alone or found.mean > WARNED and found.clear


def _gravity(found):
    return max(found.mean, found.areas.max() - WARNED_ONE + WARNED)


def _sentence(trait, found, truth, names):
    best = int(found.areas.argmax())
    of = f", best for {names[best]!r} ({found.areas[best]:.2f})" if len(names) > 2 else ""
    best = best if len(names) > 2 else 1
    return (f"{trait.name} alone reach{'' if trait.name == 'dimensions' else 'es'} a ROC AUC of {found.mean:.2f} "
            f"(95 % interval {found.low:.2f} to {found.high:.2f}){of}: pictures of {names[best]!r} are "
            f"{traits.apart(trait, truth == best)}")


def _listed(names):
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]


CHECKS = {"shortcut": _shortcut}
