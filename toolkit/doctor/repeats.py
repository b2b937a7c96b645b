"""What near duplicates mean: cases that count several times, labels that contradict each other, a split that leaks."""

import numpy as np

from toolkit.data import splits
from toolkit.data.manifest import TEST_DATA
from toolkit.data.reading import count
from toolkit.doctor.findings import Finding
from toolkit.pixels import frames


def near_duplicates(case):
    """Clusters of pictures that show the same scene, beyond those of one group, whose pictures are known to be kin."""
    group = case.rows["group"]
    bundles = [rows for rows in _clusters(case) if group.iloc[rows].nunique() > 1 or group.iat[rows[0]] == ""]
    if bundles:
        pictures = sum(map(len, bundles))
        given = _given(case)
        apart = (" and are kept on one side of the split" if (given == "").all() else
                 " and are resampled as one for the intervals" if (given == "test").all() else "")
        yield Finding("near duplicates", "warning", _paths(case, bundles),
                      f"{count(pictures, 'picture')} of {len(case.rows)} show the same as another one but for encoding,"
                      f" size, edges, light or marks: {count(len(bundles), 'scene')} in all, which count several times"
                      f"{apart}.", "If pictures of one patient, plant or lot are among them, give groups "
                      "(--group-column, --group-pattern): this finds only those that look the same.",
                      tuple(_paths(case, [bundle]) for bundle in bundles))


def near_conflicts(case):
    """The same scene under several classes."""
    labels = case.rows["label"]
    bundles = [bundle for bundle in _clusters(case) if labels.iloc[bundle].nunique() > 1]
    if bundles:
        first = bundles[0]
        shown = " and ".join(f"{case.rows['path'].iat[row]} ({labels.iat[row]})" for row in _unlike(labels, first))
        yield Finding("near duplicates in several classes", "warning", _paths(case, bundles),
                      f"{count(len(bundles), 'scene')} shown by pictures of more than one class, such as {shown}.",
                      "Look at them: one label is wrong, unless what tells the classes apart is not to be seen.",
                      tuple(_paths(case, [bundle]) for bundle in bundles))


def near_across_splits(case):
    """The same scene on both sides of a split that came with the data, or in them and in those of a further test."""
    given = _given(case)
    if case.near is None or (given == "").all():
        return
    near, copies = case.near.bundle, _copies(case)
    bundles = [bundle for bundle in splits.leaks(given, near) if len(set(copies[bundle])) > 1]
    if bundles:
        tested = [bundle for bundle in bundles if "test" in given[bundle]]
        further = tested and case.rows["path"].str.startswith(TEST_DATA).any()
        told = _of_test_data(case, given, tested) if further else _of_given_split(given, near, bundles)
        yield Finding("near duplicates across splits", "warning", _paths(case, bundles), *told,
                      tuple(_paths(case, [bundle]) for bundle in bundles))


def _of_given_split(given, near, bundles):
    """(what is found of a split that came with the data, what to do)."""
    known = {part: len(splits.leaking(np.where(np.isin(given, (part, "test")), given, ""), near))
             for part in ("train", "validation")}
    return (f"{known['train']} of {count(int((given == 'test').sum()), 'test picture')} have a near duplicate"
            f" in train and {known['validation']} in validation ({count(len(bundles), 'scene')} on several"
            " sides of the given split): the scores on them will be better than the truth.",
            "The split is left as it was given, and a second score is stated without these test pictures;"
            " leave the split out for one that parts no scene. --strict refuses.")


def _of_test_data(case, given, bundles):
    """The same of data that are the whole test, and stay it whatever they show."""
    inside, outside = (next(row for row in bundles[0] if (given[row] == "test") == test) for test in (False, True))
    number = sum(int((given[bundle] == "test").sum()) for bundle in bundles)
    return (f"{number} of {count(int((given == 'test').sum()), 'picture')} of the test data"
            f" {'shows' if number == 1 else 'show'} the same scene as pictures of the data to learn from"
            f" ({count(len(bundles), 'scene')} in both), such as {case.rows['path'].iat[outside]} and"
            f" {case.rows['path'].iat[inside]}: the scores on them will be better than the truth.",
            "They are left where they are, and a second score is stated without these test pictures; leave them out of"
            " one of both. --strict refuses.")


def _clusters(case):
    """Row numbers of each cluster whose pictures are not all one to the pixel, the largest first."""
    if case.near is None:
        return []
    same = _copies(case)
    order = np.argsort(case.near.bundle, kind="stable")
    bundles = np.split(order, np.flatnonzero(np.diff(case.near.bundle[order])) + 1)
    return sorted((bundle for bundle in bundles if len(set(same[bundle])) > 1), key=len, reverse=True)


def _copies(case):
    """The bundle of each row by its bytes and pixels; frames of one file, which are told of elsewhere, are one."""
    return splits.bind(*(case.rows[name] for name in ("sha256", "fingerprint") if name in case.rows),
                       frames.files(case.rows["path"]))


def _given(case):
    return (case.rows["split"] if case.given is None else case.given).to_numpy(object)


def _unlike(labels, bundle):
    """The first row of a bundle, and the first of another class."""
    return bundle[0], next(row for row in bundle if labels.iat[row] != labels.iat[bundle[0]])


def _paths(case, bundles):
    return tuple(case.rows["path"].iat[row] for bundle in bundles for row in bundle)


CHECKS = {"near duplicates in several classes": near_conflicts, "near duplicates across splits": near_across_splits,
          "near duplicates": near_duplicates}
