"""The block of metrics.json: values, intervals, reasons."""

import json

import numpy as np
import pytest

from toolkit.evaluation import baseline, comparison, intervals
from toolkit.evaluation.metrics import CLASS_METRICS, METRICS
from toolkit.evaluation.scores import scores


def case(n, k, seed=0, lift=1.5, truth=None):
    random = np.random.default_rng(seed)
    truth = random.integers(0, k, n) if truth is None else np.asarray(truth)
    powers = np.exp(random.normal(size=(len(truth), k)) + lift * np.eye(k)[truth])
    return truth, powers / powers.sum(axis=1, keepdims=True)


def test_F1_every_score_has_a_value_and_an_interval_around_it_that_json_can_hold():
    truth, p = case(150, 3)
    block = scores(truth, p, ["a", "b", "c"])
    assert json.loads(json.dumps(block, allow_nan=False)) == block
    assert block["n"] == 150 and block["interval"]["unit"] == "picture" and block["interval"]["units"] == 150
    for name in METRICS:
        assert block[name]["low"] < block[name]["value"] < block[name]["high"], name
    for label, row in block["per_class"].items():
        for name in CLASS_METRICS:
            assert row[name]["low"] <= row[name]["value"] <= row[name]["high"], (label, name)


def test_intervals_cover_the_true_accuracy_about_19_times_in_20():
    covered = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        truth = random.integers(0, 2, 120)
        right = random.random(120) < 0.8
        p = np.where((np.eye(2)[truth] == 1) == right[:, None], 0.9, 0.1)
        entry = scores(truth, p, "ab", resamples=300, seed=seed)["accuracy"]
        covered += entry["low"] <= 0.8 <= entry["high"]
    assert 52 <= covered <= 60


def test_groups_that_agree_within_widen_the_interval():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 10)
    truth = np.repeat(random.integers(0, 2, 30), 10)
    right = np.repeat(random.random(30) < 0.75, 10)
    p = np.where((np.eye(2)[truth] == 1) == right[:, None], 0.8, 0.2)
    by_picture, by_group = scores(truth, p, "ab"), scores(truth, p, "ab", groups=groups)
    assert by_group["interval"] == by_picture["interval"] | {"unit": "group", "units": 30}
    for name in ("accuracy", "balanced_accuracy", "log_loss"):
        width = [block[name]["high"] - block[name]["low"] for block in (by_picture, by_group)]
        assert by_group[name]["value"] == by_picture[name]["value"]
        assert width[1] > 2 * width[0], name  # ten copies: the spread is sqrt(10) as wide


def test_pictures_without_a_group_stand_alone():
    unit = intervals.units(7, ["p1", None, "p1", "", float("nan"), "p2", ""])
    assert unit.tolist() == [0, 1, 0, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="one group a picture"):
        intervals.units(3, ["a"])


def test_a_resample_draws_whole_groups():
    drawn = intervals.multiplicities(np.array([0, 0, 1, 2, 2, 2]), 50, seed=1)
    assert (drawn[0] == drawn[1]).all() and (drawn[3] == drawn[5]).all()
    assert (drawn[0] + drawn[2] + drawn[3] == 3).all()
    assert (drawn == intervals.multiplicities(np.array([0, 0, 1, 2, 2, 2]), 50, seed=1)).all()


def test_D5_a_class_without_pictures_gives_null_and_a_reason():
    truth, p = case(40, 3, truth=[0, 1] * 20)
    block = scores(truth, p, ["cat", "dog", "e'mu"])
    for name in ("roc_auc", "balanced_accuracy", "f1_macro", "average_precision"):
        assert block[name] == {"value": None, "low": None, "high": None,
                               "reason": 'class "e\'mu" has no picture in this part'}
    for name in ("accuracy", "log_loss", "brier", "ece"):
        assert block[name]["low"] <= block[name]["value"] <= block[name]["high"]
    absent = block["per_class"]["e'mu"]
    assert absent["n"] == 0 and absent["recall"]["value"] is None and "this class" in absent["recall"]["reason"]
    assert block["per_class"]["cat"]["roc_auc"]["value"] > 0.5
    assert sum(block["confusion"][2]) == 0


def test_D5_a_part_of_one_class_or_of_nothing_is_told_not_scored():
    truth, p = case(10, 2, truth=[1] * 10)
    block = scores(truth, p, ["a", "b"])
    assert block["roc_auc"]["reason"] == "class 'a' has no picture in this part"
    assert "another class" in block["per_class"]["b"]["specificity"]["reason"]
    empty = scores(np.zeros(0, int), np.zeros((0, 2)), ["a", "b"])
    assert empty["n"] == 0 and empty["interval"]["units"] == 0
    assert all(empty[name] == {"value": None, "low": None, "high": None, "reason": "no picture in this part"}
               for name in METRICS)


def test_D5_resamples_without_a_rare_class_are_left_out_and_counted():
    truth, p = case(40, 2, lift=0.0, truth=[0] * 38 + [1] * 2)
    block = scores(truth, p, "ab")
    assert 80 < block["roc_auc"]["left_out"] < 190  # (38/40)^40 of 1000 is 129
    assert "left_out" not in block["accuracy"]
    json.dumps(block, allow_nan=False)


def test_an_answer_never_given_has_no_precision():
    block = scores(np.array([0, 1] * 5), np.tile([0.6, 0.4], (10, 1)), "ab")
    assert block["per_class"]["b"]["precision"]["value"] is None
    assert "never answers" in block["per_class"]["b"]["precision"]["reason"]
    assert block["per_class"]["b"]["recall"]["value"] == 0 and block["per_class"]["b"]["f1"]["value"] == 0


def test_a_perfect_small_test_part_is_not_claimed_to_be_certain():
    truth = np.array([0, 1] * 10)
    block = scores(truth, 0.1 + 0.8 * np.eye(2)[truth], ["a", "b"])
    assert block["accuracy"] == {"value": 1.0, "low": pytest.approx(0.8389, abs=1e-4), "high": 1.0,
                                 "method": "wilson"}  # 1 / (1 + z^2 / 20)
    assert block["balanced_accuracy"]["low"] == pytest.approx(0.7225, abs=1e-4)  # of ten pictures each
    assert block["roc_auc"]["method"] == "newcombe" and 0.75 < block["roc_auc"]["low"] < 0.95
    assert block["f1_macro"]["value"] == 1 and block["f1_macro"]["low"] is None and block["f1_macro"]["reason"]
    grouped = scores(truth, 0.1 + 0.8 * np.eye(2)[truth], ["a", "b"], groups=np.arange(20) // 4)
    assert grouped["accuracy"]["low"] == pytest.approx(0.5655, abs=1e-4)  # five patients, not twenty pictures


def test_too_few_units_get_no_interval():
    truth, p = case(12, 2, truth=[0, 1] * 6)
    block = scores(truth, p, "ab", groups=[i % 3 for i in range(12)])
    assert block["accuracy"]["value"] is not None and block["accuracy"]["low"] is None
    assert "at least 5" in block["accuracy"]["reason"]


def test_closed_forms_against_published_figures():
    assert intervals.wilson(81 / 263, 263) == (pytest.approx(0.2553, abs=1e-4), pytest.approx(0.3662, abs=1e-4))
    low, high = intervals.newcombe(0.8, 30, 40)
    assert 0.66 < low < 0.8 < high < 0.9
    assert intervals.newcombe(0.2, 40, 30) == (pytest.approx(1 - high), pytest.approx(1 - low))
    narrow = intervals.newcombe(1.0, 300, 300)
    assert narrow[0] > intervals.newcombe(1.0, 10, 10)[0] and narrow[1] == 1.0


def test_B6_the_same_seed_gives_the_same_block():
    truth, p = case(50, 3)
    assert scores(truth, p, "abc", seed=4) == scores(truth, p, "abc", seed=4)
    assert scores(truth, p, "abc", seed=4)["accuracy"] != scores(truth, p, "abc", seed=5)["accuracy"]


def test_names_and_columns_must_agree():
    with pytest.raises(ValueError, match="2 class names for 3 columns"):
        scores(*case(10, 3), ["a", "b"])


def test_D6_the_majority_baseline_shows_what_accuracy_hides():
    truth = np.array([0] * 198 + [1] * 2)
    block = baseline.majority(np.array([0] * 99 + [1]), truth, ["common", "rare"])
    assert block["class"] == "common"
    assert block["accuracy"]["value"] == 0.99 and block["balanced_accuracy"]["value"] == 0.5
    assert block["roc_auc"]["value"] == block["roc_auc"]["low"] == block["roc_auc"]["high"] == 0.5
    assert block["log_loss"]["value"] == pytest.approx(-(198 * np.log(0.99) + 2 * np.log(0.01)) / 200)
    with pytest.raises(ValueError, match="at least one training picture"):
        baseline.majority([], truth, "ab")


def test_paired_difference_is_narrower_than_the_models_apart():
    truth, p = case(200, 3)
    sharper = p**1.02 / (p**1.02).sum(axis=1, keepdims=True)
    found = comparison.difference(truth, sharper, p, "log_loss")
    apart = scores(truth, p, "abc")["log_loss"]
    assert found["low"] <= found["value"] <= found["high"]
    assert found["high"] - found["low"] < 0.2 * (apart["high"] - apart["low"])
    back = comparison.difference(truth, p, sharper, "log_loss")
    assert back["value"] == -found["value"] and back["better"] != found["better"]


def test_a_better_model_is_better_and_an_equal_one_is_not():
    truth, p = case(150, 3)
    _, strong = case(150, 3, seed=0, lift=3.0, truth=truth)
    assert comparison.difference(truth, strong, p)["better"] and not comparison.difference(truth, p, strong)["better"]
    same = comparison.difference(truth, p, p)
    assert same["better"] is False and same["value"] == 0


def test_D5_a_missing_class_leaves_a_difference_undefined_and_few_groups_an_interval():
    truth, p = case(30, 3, truth=[0, 1] * 15)
    _, strong = case(30, 3, lift=4.0, truth=truth)
    assert comparison.difference(truth, strong, p)["value"] is None
    assert comparison.gain(truth, strong, p)["value"] > 0
    truth = np.array([0, 1] * 10)
    sure, unsure = 0.05 + 0.9 * np.eye(2)[truth], 0.3 + 0.4 * np.eye(2)[truth]
    few = comparison.difference(truth, sure, unsure, "log_loss", groups=[i % 2 for i in range(20)])
    assert few["better"] is True and few["low"] is None and few["reason"]


def test_the_gain_in_log_loss_has_the_error_of_its_groups():
    truth, p = case(120, 3)
    flat = np.full((120, 3), 1 / 3)
    found = comparison.gain(truth, p, flat)
    each = np.log(p[np.arange(120), truth] * 3)
    assert found == {"value": pytest.approx(each.mean()), "error": pytest.approx(each.std(ddof=1) / np.sqrt(120))}
    rows, groups = np.repeat(np.arange(120), 4), np.repeat(np.arange(120), 4)
    copied = comparison.gain(truth[rows], p[rows], flat[rows], groups)
    assert copied == {"value": pytest.approx(found["value"]), "error": pytest.approx(found["error"])}


@pytest.mark.parametrize("groups, enough", [(1, False), (4, False), (5, True)])
def test_D5_few_groups_leave_the_error_of_a_gain_undefined(groups, enough):
    truth = np.array([0, 1] * 20)
    sure, unsure = 0.05 + 0.9 * np.eye(2)[truth], 0.3 + 0.4 * np.eye(2)[truth]
    found = comparison.gain(truth, sure, unsure, [i % groups for i in range(40)])
    assert found["value"] > 0 and (found["error"] is not None) == enough and ("reason" in found) != enough
    alone = comparison.gain(truth[:groups], sure[:groups], unsure[:groups])
    assert (alone["error"] is not None) == enough
