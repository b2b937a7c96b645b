from collections import Counter

import numpy as np
import pytest

from toolkit.data import splits
from toolkit.errors import DataError, OptionError

RNG = np.random.default_rng(0)
LABELS = RNG.choice(["a", "b", "c"], 300, p=[0.6, 0.3, 0.1])


def shares(labels, split):
    return {(name, part): float(np.mean(split[labels == name] == part))
            for name in set(labels) for part in splits.PARTS}


def test_each_class_has_the_asked_shares():
    split = splits.assign(LABELS, fractions=(0.6, 0.25, 0.15))
    for (name, part), share in shares(LABELS, split).items():
        asked = dict(zip(splits.PARTS, (0.6, 0.25, 0.15)))[part]
        assert abs(share - asked) <= 1.01 / (LABELS == name).sum()


def test_B6_a_function_of_the_seed():
    first, again, other = (splits.assign(LABELS, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("seed", range(5))
def test_A10_no_group_is_ever_parted(seed):
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 60, 300).astype(str)
    split = splits.assign(LABELS, groups, seed=seed)
    assert all(len(set(split[groups == group])) == 1 for group in set(groups))
    assert set(zip(LABELS, split)) == {(name, part) for name in "abc" for part in splits.PARTS}
    assert max(abs(share - dict(zip(splits.PARTS, splits.FRACTIONS))[part])
               for (name, part), share in shares(LABELS, split).items() if name != "c") < 0.05


def test_A9_the_same_picture_is_one_group_through_chains():
    hashes = [f"h{i}" for i in range(300)]
    hashes[10] = hashes[200] = hashes[20]
    fingerprints = [f"f{i}" for i in range(300)]
    fingerprints[200] = fingerprints[250]
    groups = [""] * 300
    groups[250] = groups[290] = "patient"
    for seed in range(6):
        split = splits.assign(LABELS, groups, same=(hashes, fingerprints), seed=seed)
        assert len(set(split[[10, 20, 200, 250, 290]])) == 1
    bound = splits.bind(groups, hashes, fingerprints)
    assert Counter(bound).most_common(1)[0][1] == 5 and len(set(bound)) == 296


def test_A6_a_class_too_small_for_the_parts():
    labels = ["a"] * 20 + ["b"] * 2 + ["c"]
    with pytest.raises(DataError, match="2 classes too small") as refusal:
        splits.assign(labels)
    assert "class 'b': 2 pictures in 2 separate groups; 3 are needed" in str(refusal.value)
    assert "class 'c': 1 picture" in str(refusal.value)


@pytest.mark.parametrize("seed", range(10))
def test_A6_a_class_of_three_is_in_every_part(seed):
    labels = np.array(["a"] * 200 + ["b"] * 3)
    split = splits.assign(labels, seed=seed)
    assert sorted(split[200:]) == ["test", "train", "validation"]


def test_A10_too_few_groups():
    with pytest.raises(DataError, match="class 'a': 50 pictures in 2 separate groups"):
        splits.assign(["a", "b"] * 50, ["p1"] * 50 + ["p2"] * 50)


def test_A10_groups_that_cannot_be_parted_are_said_so():
    labels = ["a"] * 3 + ["b"] * 3 + ["a", "b"]
    groups = ["1", "1", "1", "1", "2", "3", "2", "3"]
    with pytest.raises(DataError, match="class 'a': 4 pictures in 2 separate groups"):
        splits.assign(labels, groups)


def test_a_given_split_is_kept_and_a_missing_part_is_cut_from_train():
    groups = np.array([f"g{i // 2}" for i in range(300)])
    given = np.array(["test" if i < 60 else "train" for i in range(300)])
    split = splits.assign(LABELS, groups, given)
    assert np.array_equal(split == "test", given == "test")
    assert abs(np.mean(split[60:] == "validation") - 0.15 / 0.85) < 0.03
    assert not splits.leaks(split, splits.bind(groups))
    whole = np.array(["train", "validation", "test"] * 100)
    assert np.array_equal(splits.assign(LABELS, None, whole), whole)
    only_train = splits.assign(LABELS, None, np.array(["train"] * 300))
    assert set(only_train) == set(splits.PARTS)


def test_A6_a_given_split_may_not_leave_a_class_out_of_train_or_test():
    labels = np.array(["a", "b", "c"] * 10)
    given = np.array(["train"] * 15 + ["validation"] * 6 + ["test"] * 9)
    given[np.flatnonzero((labels == "c") & (given == "test"))] = "train"
    with pytest.raises(DataError, match="class 'c': 0 of 10 pictures in test"):
        splits.assign(labels, None, given)
    with pytest.raises(DataError, match="no train part"):
        splits.assign(labels, None, ["test"] * 30)


def test_D5_a_given_test_part_may_lack_a_class_where_that_is_said():
    labels = np.array(["a", "b"] * 10)
    given = np.array(["train"] * 10 + ["test"] * 6 + ["validation"] * 4)
    given[(labels == "b") & (given == "test")] = "train"
    assert np.array_equal(splits.assign(labels, None, given, lacking=("test",)), given)
    given[given == "validation"] = "train"
    assert set(splits.assign(labels, None, given, lacking=("test",))[labels == "b"]) == {"train", "validation"}
    given[labels == "b"] = "test"
    with pytest.raises(DataError, match="class 'b': 0 of 10 pictures in train"):
        splits.assign(labels, None, given, lacking=("test",))


def test_D5_a_given_validation_part_may_lack_a_class():
    labels = np.array(["a", "b"] * 10)
    given = np.array(["train"] * 10 + ["test"] * 6 + ["validation"] * 4)
    given[(labels == "b") & (given == "validation")] = "train"
    assert np.array_equal(splits.assign(labels, None, given), given)


def test_A9_a_leak_across_a_given_split_is_found_and_refused_when_strict():
    labels, given = np.array(["a", "b"] * 6), np.array(["train"] * 6 + ["validation"] * 2 + ["test"] * 4)
    hashes = [f"h{i}" for i in range(12)]
    hashes[0] = hashes[10]
    found = splits.leaks(given, splits.bind(None, hashes))
    assert [rows.tolist() for rows in found] == [[0, 10]]
    assert np.array_equal(splits.assign(labels, None, given, same=(hashes,)), given)
    with pytest.raises(DataError, match="--strict:\n    n0 = n10"):
        splits.assign(labels, None, given, same=(hashes,), strict=True, names=[f"n{i}" for i in range(12)])


def test_A9_A10_what_leaks_in_a_given_split_goes_to_the_test_or_to_validation():
    labels = np.array(["a", "b"] * 6)
    given = np.array(["train"] * 6 + ["validation"] * 4 + ["test"] * 2, dtype=object)
    groups = np.array([""] * 12, dtype=object)
    groups[[0, 6]] = "in validation"
    groups[[1, 7, 10]] = "in all three"
    groups[[2, 3]] = "in train alone"
    parts = splits.mended(given, splits.bind(groups), labels)
    assert parts.tolist() == ["validation", "test", *["train"] * 4, "validation", "test", *["validation"] * 2,
                              *["test"] * 2]
    assert splits.leaking(given, splits.bind(groups)).tolist() == [10]
    assert not len(splits.leaking(parts, splits.bind(groups)))
    assert np.array_equal(splits.mended([""] * 12, splits.bind(groups), labels), [""] * 12)


def test_A6_a_given_split_that_cannot_be_mended_says_what_to_do():
    labels = np.array(["a", "b", "b", "a", "b"] * 3)
    given = np.array(["train"] * 5 + ["validation"] * 5 + ["test"] * 5)
    patients = [f"p{i % 5}" if i % 5 in (0, 3) else f"own {i}" for i in range(15)]  # the same have all of class a
    with pytest.raises(DataError, match="cannot be mended.*--keep-split") as refusal:
        splits.mended(given, splits.bind(patients), labels)
    assert "class 'a': 0 of 6 pictures in train, before 2" in str(refusal.value)
    assert "class 'a': 0 of 6 pictures in validation, before 2" in str(refusal.value)
    assert "class 'b'" not in str(refusal.value)


@pytest.mark.parametrize("fractions", [(0.5, 0.5), (1, 0, 0), (0.8, 0.3, 0.1), (0.9, -0.1, 0.2)])
def test_B2_wrong_fractions(fractions):
    with pytest.raises(OptionError, match="sum to 1"):
        splits.assign(LABELS, fractions=fractions)


def test_twenty_thousand_rows_in_groups_keep_their_shares():
    rng = np.random.default_rng(1)
    labels = rng.choice(list("abcde"), 20_000, p=[.5, .3, .15, .04, .01])
    split = splits.assign(labels, rng.integers(0, 4000, 20_000).astype(str))
    for (name, part), share in shares(labels, split).items():
        assert abs(share - dict(zip(splits.PARTS, splits.FRACTIONS))[part]) < 0.02
