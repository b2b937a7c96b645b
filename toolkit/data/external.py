"""Pictures from elsewhere that a model is measured on: the test part of a run, or of a finished model."""

from dataclasses import replace

from toolkit.data.manifest import TEST_DATA
from toolkit.data.reading import count, same
from toolkit.errors import DataError


def fitting(samples, classes, merge_case, wrong, own):
    """`samples` with their labels as `classes` spell them; some of the classes may be without a picture.

    A label that differs from a class in case or accents' encoding only is taken for it by `merge_case`, and noted.
    Raises DataError, "`wrong`: ...; `own` ...", where a label is none of the classes.
    """
    spelled = {same(name): name for name in reversed(classes)}
    strange = sorted(set(samples.rows["label"]) - set(classes))
    alike = {name: spelled[same(name)] for name in strange if same(name) in spelled}
    if strange and not (merge_case and len(alike) == len(strange)):
        shown = ", ".join(f"{name!r}" + (f" (like {alike[name]!r})" if name in alike else "") for name in strange[:10])
        hint = " --merge-case takes what is like a class for it." if alike and not merge_case else ""
        raise DataError(f"{wrong}: {shown}; {own} {', '.join(map(repr, classes[:20]))}. Rename or leave out these "
                        f"pictures.{hint}")
    if not strange:
        return samples
    notes = [f"Class {name!r} is taken for {known!r}." for name, known in alike.items()]
    return replace(samples, rows=samples.rows.assign(label=samples.rows["label"].replace(alike)),
                   problems=(*samples.problems, *notes))


def fitting_edits(decisions, samples, classes, merge_case, wrong, own):
    """(`decisions` whose classes are as `classes` spell them, notes); the rest as in `fitting`.

    What an edit would not change, since the picture is gone or another one now, is not looked at.
    """
    from toolkit.data import edits

    given = {path for path, actions in edits.standing(decisions).items()
             if "relabel" in actions and actions["relabel"].value not in classes}
    rows = samples.rows[samples.rows["path"].isin(given)]
    hashes = [_digest(samples, row) for row in rows.index]
    rows = rows.assign(sha256=hashes).loc[[text != "" for text in hashes]].reset_index(drop=True)
    rows, _ = edits.applied(rows, [edit for edit in decisions if edit.path in set(rows["path"])])
    fitted = fitting(replace(samples, rows=rows, problems=()), classes, merge_case, wrong, own)
    spelled = dict(zip(rows["label"], fitted.rows["label"]))
    return [replace(edit, value=spelled.get(edit.value, edit.value)) if edit.action == "relabel" else edit
            for edit in decisions], fitted.problems


def _digest(samples, row):
    """The sha256 of a picture, "" where it cannot be read."""
    from toolkit.pixels import batches, decode

    try:
        return batches.digest(samples.read(row))
    except (decode.Unreadable, OSError):
        return ""


def fitting_still(samples, merge_case):
    """`samples` of `with_test` after edits, by which the test data may have got other classes: as in `fitting`."""
    test = samples.rows["path"].str.startswith(TEST_DATA)
    if samples.task not in ("classification", "ordinal"):
        return samples
    own = replace(samples, rows=samples.rows[~test])
    fitted = fitting(replace(samples, rows=samples.rows[test]), own.classes, merge_case,
                     "By the edits the test data have classes that the data do not have", "these have")
    labels = samples.rows["label"].mask(test, fitted.rows["label"])
    return replace(samples, rows=samples.rows.assign(label=labels), problems=fitted.problems)


def named(decisions):
    """Edits of the pictures of --test-data, with their paths as `with_test` has them."""
    return [replace(edit, path=TEST_DATA + edit.path) for edit in decisions]


def measured_only(samples):
    """The pictures that a given split keeps for the test; all of them where there is no such part."""
    test = (samples.rows["split"] == "test").to_numpy()
    if not test.any() or test.all():
        return samples
    note = f"Of data with a split the test part is measured: {count(int(test.sum()), 'picture')} of {len(test)}."
    return replace(samples, rows=samples.rows[test].reset_index(drop=True), problems=(*samples.problems, note))


def with_test(samples, other, merge_case=False):
    """`samples` with the pictures of `other` as their whole test part, under paths that begin with TEST_DATA.

    Raises DataError where `samples` have a test part already, or `other` is for another task or has a class that they
    do not have.
    """
    import pandas

    if other.task != samples.task:
        raise DataError(f"The data are for {samples.task} and the test data for {other.task}; say by --task what both "
                        "are, or give them in one form.")
    if (samples.rows["split"] == "test").any():
        raise DataError("The data have a test part of their own, and --test-data brings another; leave one out, or "
                        "measure on the second one afterwards: python -m toolkit.evaluate RUN DATA")
    if samples.task in ("classification", "ordinal"):
        other = fitting(other, samples.classes, merge_case, "The test data have classes that the data do not have",
                        "these have")
    elif strange := [name for name in other.classes if name not in samples.classes]:
        raise DataError("The test data have labels that the data do not have: "
                        f"{', '.join(map(repr, strange[:10]))}; rename them or leave them out.")
    other = measured_only(other)
    rows, further = samples.rows.copy(), other.rows.copy()
    rows["split"] = rows["split"].where(rows["split"] != "", "train")
    further["split"], further["path"] = "test", TEST_DATA + further["path"]

    def source(path):
        return other.source(path.removeprefix(TEST_DATA)) if path.startswith(TEST_DATA) else samples.source(path)

    both = {name: getattr(samples, name) and getattr(samples, name)
            | {TEST_DATA + path: value for path, value in getattr(other, name).items()} for name in ("boxes", "masks")}
    return replace(samples, **both, rows=pandas.concat([rows, further], ignore_index=True).fillna(""), source=source,
                   left_out=(*samples.left_out, *((TEST_DATA + path, why) for path, why in other.left_out)),
                   problems=(*samples.problems, *other.problems,
                             f"The test part are the {count(len(further), 'picture')} of --test-data."))
