"""What is said of pictures that show the same scene."""

import numpy as np
import pandas
import pytest

from toolkit.doctor import checks, near, repeats

REMARKS = tuple(repeats.CHECKS)


def case(bundle, labels=None, split="", hashes=None, group=""):
    """(rows, Near) of as many pictures as `bundle` has numbers."""
    count = len(bundle)
    hashes = hashes or [f"{row:064x}" for row in range(count)]
    labels = labels or ["a", "b"] * (count // 2)
    rows = pandas.DataFrame({"path": [f"{row}.png" for row in range(count)], "label": labels, "split": split,
                             "group": group, "sha256": hashes, "fingerprint": hashes, "width": 64,
                             "height": 64, "mode": "L", "note": ""})
    return rows, near.Near(np.array(bundle), np.zeros(count, np.float32))


def said(rows, found, given=None):
    findings = checks.examine(rows, near=found, given=given)
    return {one.check: one for one in findings if one.check in REMARKS}


def test_a_cluster_is_told_with_its_pictures_together():
    found = said(*case([0, 1, 0, 2, 3, 0], ["a"] * 3 + ["b"] * 2 + ["a"]))["near duplicates"]
    assert found.bundles == (("0.png", "2.png", "5.png"),) and found.pictures == found.bundles[0]
    assert "3 pictures of 6" in found.sentence and "1 scene" in found.sentence and "one side" in found.sentence


def test_pictures_of_one_group_may_be_alike():
    labels = ["a"] * 4 + ["b"] * 2
    assert not said(*case([0, 0, 1, 1, 2, 3], labels, group=["p1", "p1", "p2", "p2", "p3", "p4"]))
    found = said(*case([0, 0, 1, 1, 2, 3], labels, group=["p1", "p1", "p2", "p3", "", ""]))["near duplicates"]
    assert found.bundles == (("2.png", "3.png"),)


def test_the_largest_cluster_comes_first():
    found = said(*case([0, 0, 1, 1, 1, 2], ["a"] * 5 + ["b"]))["near duplicates"]
    assert list(map(len, found.bundles)) == [3, 2]


def test_what_is_equal_to_the_pixel_is_no_near_duplicate():
    hashes = ["f" * 64, "f" * 64, "1", "2"]
    assert not said(*case([0, 0, 1, 2], hashes=hashes))
    assert said(*case([0, 0, 0, 2], ["a", "a", "a", "b"], hashes=hashes))["near duplicates"].bundles == (
        ("0.png", "1.png", "2.png"),)


def test_two_classes_of_one_scene():
    found = said(*case([0, 0, 1, 2]))["near duplicates in several classes"]
    assert found.bundles == (("0.png", "1.png"),) and "0.png (a)" in found.sentence and "1.png (b)" in found.sentence


def test_A9_near_duplicates_across_a_given_split_are_counted_by_test_picture():
    rows, found = case([0, 0, 1, 1, 2, 3], ["a", "a", "b", "b", "a", "b"],
                       ["train", "test", "validation", "test", "test", "train"])
    found = said(rows, found)["near duplicates across splits"]
    assert found.severity == "warning" and found.bundles == (("0.png", "1.png"), ("2.png", "3.png"))
    assert "1 of 3 test pictures have a near duplicate in train and 1 in validation" in found.sentence


def test_A9_near_duplicates_of_the_test_data_are_told_as_such():
    rows, found = case([0, 1, 0, 2, 0, 3], ["a", "b"] * 3, ["train", "train", "test", "test", "test", "validation"])
    rows["path"] = ["0.png", "1.png", "test-data/2.png", "test-data/3.png", "test-data/4.png", "5.png"]
    sentence = said(rows, found)["near duplicates across splits"].sentence
    assert "2 of 3 pictures of the test data show the same scene" in sentence and "given split" not in sentence
    assert "1 scene in both" in sentence and "such as test-data/2.png and 0.png:" in sentence


@pytest.mark.parametrize("bundle, split", [([0, 0, 1, 2], ["train", "train", "validation", "test"]),
                                           ([0, 0, 1, 2], "")])
def test_no_leak_is_told_where_there_is_none(bundle, split):
    assert "near duplicates across splits" not in said(*case(bundle, split=split))


def test_the_split_as_it_was_given_counts():
    rows, found = case([0, 0, 1, 2], split=["test", "test", "train", "validation"])
    given = pandas.Series(["train", "test", "train", "validation"])
    assert "near duplicates across splits" in said(rows, found, given)


def test_nothing_is_said_where_nobody_looked():
    assert not said(case([0, 0, 1, 2])[0], None)


def planted_case(**columns):
    rows, found = case([0, 0, 1, 2], **columns)
    return {"rows": rows, "near": found}


CONTRACT = {
    "near duplicates": (planted_case(labels=["a", "a", "b", "b"]), "near duplicates", "warning", {"0.png", "1.png"}),
    "near duplicates in several classes": (planted_case(), "near duplicates in several classes", "warning",
                                           {"0.png", "1.png"}),
    "near duplicates across splits": (planted_case(split=["train", "test", "train", "test"]),
                                      "near duplicates across splits", "warning", {"0.png", "1.png"}),
}
