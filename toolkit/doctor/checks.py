"""What may be wrong with the data: one function and one row of CHECKS for each fault.

A check takes a `Case` and yields findings; it never changes anything and never raises. Adding one: a function, its
row, and a test with a planted fault.
"""

from collections import Counter

from toolkit.data import manifest, names, splits
from toolkit.data.reading import count
from toolkit.doctor import annotations, kinds, labelling, labels, outliers, quality, repeats, shift, shortcut
from toolkit.doctor.crossing import across_splits
from toolkit.doctor.findings import SEVERITIES, Case, Finding

TINY = 32  # pixels: below this side, resizing to a network's input invents most of what it sees
IMBALANCE = 10  # largest class over smallest, from which it is warned
BURNT_IN, TURNED = "DICOM: text", "turned upright"  # how the decoder's notes begin that have checks of their own


def examine(rows, unreadable=(), left_out=(), notes=(), looks=None, near=None, given=None, targets=None):
    """All findings on prepared rows, gravest first -> list of Finding; without `looks` those that need no pixels."""
    if targets is not None and targets.task != "ordinal":  # what stands for a label is no class
        rows = rows.assign(label="")
    case = Case(rows, tuple(unreadable), tuple(left_out), tuple(notes), looks, near, given=given, targets=targets)
    found = [finding for check in CHECKS.values() for finding in check(case)]
    return sorted(found, key=lambda finding: SEVERITIES.index(finding.severity))


def _unreadable(case):
    if case.unreadable:
        total = len(case.unreadable) + len(case.rows)
        yield Finding("unreadable", "warning", tuple(path for path, _, _ in case.unreadable),
                      f"{len(case.unreadable)} of {count(total, 'picture')} cannot be read and were left out: "
                      f"{_reasons(reason for _, _, reason in case.unreadable)}.",
                      "Replace or remove these files.")


def _left_out(case):
    if case.left_out:
        yield Finding("left out", "note", tuple(path for path, _ in case.left_out),
                      f"{count(len(case.left_out), 'file')} passed over:"
                      f" {_reasons(reason for _, reason in case.left_out)}.",
                      "Nothing, unless a picture is among them.")


def _reader_notes(case):
    for note in case.notes:
        yield Finding("reading", "note", (), note, "See that this was meant.")


def _twins(case):
    """Same picture, same class."""
    bundles = [rows for rows in _same_picture(case.rows) if case.rows["label"].iloc[rows].nunique() == 1
               and not labelling.differ(case, rows)]
    if bundles:
        of_class = " of the same class" if (case.rows["label"] != "").any() else ""
        spare = sum(len(rows) - 1 for rows in bundles)
        yield Finding("duplicates", "note", _paths(case.rows, bundles),
                      f"{count(len(bundles), 'picture')} in more than one file{of_class} ("
                      f"{count(spare, 'file')} too many); the copies of one are kept in one split.",
                      "Remove the copies: they count one case several times.", _bundles(case.rows, bundles))


def _conflicts(case):
    """Same picture, two classes."""
    bundles = [rows for rows in _same_picture(case.rows) if case.rows["label"].iloc[rows].nunique() > 1]
    if bundles:
        example = case.rows.iloc[bundles[0]]
        shown = " and ".join(f"{path} ({label})" for path, label in zip(example["path"][:3], example["label"][:3]))
        yield Finding("label conflicts", "warning", _paths(case.rows, bundles),
                      f"{count(len(bundles), 'picture')} under more than one class, such as {shown}.",
                      "Decide which class is right and remove the other file; one of the labels is wrong.",
                      _bundles(case.rows, bundles))


def _missing_class(case):
    """A class that a given validation part lacks, or the test data; train, and test of a split, are refused before."""
    test = case.rows["path"].str.startswith(manifest.TEST_DATA)
    for part, mask, remedy in (
            ("validation", case.rows["split"] == "validation", "Move some pictures of it from train to validation."),
            ("test", test, "Nothing, if the test data have none; the scores of the classes they have are there.")):
        absent = sorted(set(case.rows["label"]) - set(case.rows["label"][mask])) if mask.any() else []
        if absent:
            yield Finding("class missing", "warning", (),
                          f"No {part} picture of {count(len(absent), 'class')}: {', '.join(map(repr, absent))};"
                          f" some {part} scores are not defined.", remedy)


def _imbalance(case):
    counts = case.rows["label"].value_counts()
    if len(counts) > 1 and counts.iloc[0] >= IMBALANCE * counts.iloc[-1]:
        yield Finding("imbalance", "warning", (),
                      f"Class {counts.index[0]!r} has {counts.iloc[0]} pictures and {counts.index[-1]!r} only"
                      f" {counts.iloc[-1]}, 1 to {counts.iloc[0] / counts.iloc[-1]:.0f}: accuracy hides the small one.",
                      "Look at balanced accuracy and at each class; gather more of the small one.")


def _tiny(case):
    small = case.rows[(case.rows["width"] < TINY) | (case.rows["height"] < TINY)]
    if len(small):
        least = small.loc[(small["width"] * small["height"]).idxmin()]
        yield Finding("tiny", "warning", tuple(small["path"]),
                      f"{count(len(small), 'picture')} with a side under {TINY} pixels, the smallest"
                      f" {least['width']} x {least['height']}.",
                      "See that they are pictures and not icons or damaged exports.")


def _burnt_in(case):
    """Text in the pixels, where a DICOM header says so or leaves it open."""
    said = case.rows[case.rows["note"].str.contains(BURNT_IN, regex=False)]
    if len(said):
        yield Finding("burnt-in text", "warning", tuple(said["path"]),
                      f"{count(len(said), 'picture')} may have text burnt into the pixels, by the DICOM header or for "
                      "want of its word: names in them would be shown by the report, and marks may give a class away.",
                      "Look at some of them; cover or crop text before anything is shared.")


def _names(case):
    """Names that look as if they held a patient's or a lot's number, where no groups are known."""
    rows = case.rows
    found = names.offer(list(rows["path"]), list(rows["label"])) if not (rows["group"] != "").any() else None
    if found:
        pattern, number = found
        yield Finding("groups in names", "warning", (),
                      f"The file names look as if pictures came in {count(number, 'group')}; unless told, such groups "
                      "may stand on both sides of the split.",
                      f"If the number in them is a patient, plant or lot, pass --group-pattern '{pattern}'.")


def _converted(case):
    """What the decoder changed, summed up by kind."""
    noted = case.rows[case.rows["note"] != ""]
    found = {}
    for path, note in zip(noted["path"], noted["note"]):
        for part in (part for part in note.split("; ") if not part.startswith((BURNT_IN, TURNED))):
            found.setdefault(_kind(part), []).append(path)
    for kind, paths in found.items():
        yield Finding("converted", "note", tuple(paths), f"{count(len(paths), 'picture')} converted: {kind}.",
                      "Nothing: prediction converts in the same way.")


def _kind(note):
    """A note without the numbers that differ from picture to picture."""
    for begin in ("floating point", "integers", "frame "):
        if note.startswith(begin):
            return {"integers": "integers with negative values, scaled by range",
                    "frame ": "one of several frames or pages"}.get(begin, begin)
    return note


def _same_picture(rows):
    """Bundles of two and more rows with the same bytes or pixels, as arrays of row numbers."""
    bound = _bound(rows)
    found = {}
    for row, bundle in enumerate(bound):
        found.setdefault(bundle, []).append(row)
    return [bundle for bundle in found.values() if len(bundle) > 1]


def _bound(rows):
    return splits.bind(rows["sha256"], *([rows["fingerprint"]] if "fingerprint" in rows else []))


def _paths(rows, bundles):
    return tuple(rows["path"].iat[row] for bundle in bundles for row in bundle)


def _bundles(rows, bundles):
    return tuple(tuple(rows["path"].iat[row] for row in bundle) for bundle in bundles)


def _reasons(reasons):
    return ", ".join(f"{reason} ({number})" for reason, number in Counter(reasons).most_common(6))


CHECKS = {
    "unreadable": _unreadable,
    "label conflicts": _conflicts,
    "duplicates": _twins,
    "across splits": across_splits,
    **repeats.CHECKS,
    "class missing": _missing_class,
    "imbalance": _imbalance,
    "tiny": _tiny,
    "burnt-in text": _burnt_in,
    "groups in names": _names,
    **annotations.CHECKS,
    **labelling.CHECKS,
    **shortcut.CHECKS,
    **shift.CHECKS,
    **quality.CHECKS,
    **labels.CHECKS,
    **outliers.CHECKS,
    **kinds.CHECKS,
    "converted": _converted,
    "left out": _left_out,
    "reading": _reader_notes,
}
