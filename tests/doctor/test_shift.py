"""Parts of a given split that differ in kind are told, and those that differ by chance are not."""

import numpy as np
import pytest

from tests.doctor import planted
from toolkit.doctor import shift
from toolkit.doctor.findings import Case

COUNT = 240
PART = planted.split()
TEST = PART == "test"
SIZES = planted.rows()["bytes"].to_numpy()
CONTRACT = {  # for test_every_check
    "shift between splits": ({"rows": planted.rows(split=PART, bytes=np.where(TEST, SIZES * 2, SIZES))},
                                   "shift", "warning", set())}


def found(rows, looks=None):
    return list(shift.CHECKS["shift between splits"](Case(rows, looks=looks)))


@pytest.mark.parametrize("name, columns, fields", [
    ("camera", {"camera": np.where(TEST, "ACME 7", "Other")}, {}),
    ("dimensions", {"height": np.where(TEST, 200, 300)}, {}),
    ("brightness", {}, {"brightness": np.where(TEST, 0.7, 0.5)}),
    ("rotation tag", {"note": np.where(TEST, "turned upright (EXIF orientation 3)", "")}, {})])
def test_what_differs_is_named_with_its_size(name, columns, fields):
    (told,) = found(planted.rows(split=PART, **{"bytes": 0, **columns}), planted.looks(**fields))
    assert told.check == "shift" and told.severity == "warning" and "The test pictures" in told.sentence
    assert f"shows in: {name} (ROC AUC 1.00; test pictures are " in told.sentence


def test_other_shares_of_the_classes_are_told():
    rows = planted.rows(600, split=(part := planted.split(600)))
    rows["label"] = np.where((part == "test") & (np.arange(600) % 5 > 0), "b", rows["label"])
    (told,) = found(rows)
    assert told.check == "class shares" and told.sentence.startswith("'b' is ")
    assert "of the test pictures" in told.sentence


@pytest.mark.parametrize("count, classes", [(60, "ab"), (240, "abc"), (2000, "abcdef")])
def test_random_splits_are_not_warned_of(count, classes):
    """False alarms: none in 180 random splits, which is a rate below 2 % (upper end of its 95 % interval)."""
    told = [found(planted.rows(count, classes, seed, split=planted.split(count, seed)), planted.looks(count, seed))
            for seed in range(60)]
    assert sum(map(len, told)) == 0


def test_random_splits_of_a_varied_set_are_not_warned_of():
    """Two hospitals with their own sizes, both in all parts; and patients whose pictures are alike and not parted."""
    patient = np.arange(COUNT) // 6
    for seed in range(40):
        rng = np.random.default_rng(seed)
        where = rng.random(40)[patient] < 0.5
        part = rng.choice(["train", "validation", "test"], 40, p=(0.6, 0.2, 0.2))[patient].astype(object)
        rows = planted.rows(split=part, group=[f"p{one}" for one in patient], width=np.where(where, 900, 400),
                            camera=np.where(where, "A", "B"))
        assert found(rows, planted.looks(brightness=rng.normal(0.5, 0.1, 40)[patient])) == []


def test_splits_that_are_made_here_are_not_looked_at():
    assert found(planted.rows(bytes=np.where(TEST, 10, 20))) == []
