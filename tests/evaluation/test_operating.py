"""The statistics of a threshold: by hand, by Bayes, and beside scikit-learn."""

import numpy as np
import pytest

from toolkit.evaluation import intervals, operating

POSITIVE = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0], bool)
SCORE = np.array([0.9, 0.8, 0.6, 0.2, 0.7, 0.4, 0.3, 0.2, 0.1, 0.0])


def drawn(n=400, seed=0, groups=None):
    """Labels and scores that go together more or less, with ties."""
    rng = np.random.default_rng(seed)
    positive = rng.random(n) < 0.3
    score = np.clip(np.round(0.3 + 0.25 * positive + rng.normal(0, 0.2, n), 2), 0, 1)
    return positive, score, None if groups is None else rng.integers(0, groups, n)


def test_counts_and_shares_by_hand():
    found = operating.at(POSITIVE, SCORE, 0.5)
    assert [found[name] for name in ("n", "marked", "tp", "fp", "fn", "tn")] == [10, 4, 3, 1, 1, 5]
    assert found["prevalence"] == 0.4
    assert [found[name]["value"] for name in operating.SHARES] == [3 / 4, 5 / 6, 3 / 4, 5 / 6]


def test_a_score_of_exactly_the_threshold_is_marked():
    assert operating.at(POSITIVE, SCORE, 0.6)["tp"] == 3
    assert operating.at(POSITIVE, SCORE, 0.6 + 1e-9)["tp"] == 2


@pytest.mark.parametrize("prevalence", [0.001, 0.05, 0.4, 0.9])
def test_predictive_values_follow_bayes(prevalence):
    found = operating.at(POSITIVE, SCORE, 0.5, prevalence)
    sick, well = 1_000_000 * prevalence, 1_000_000 * (1 - prevalence)  # of a million, counted out
    tp, fp, fn, tn = sick * 3 / 4, well * 1 / 6, sick * 1 / 4, well * 5 / 6
    assert found["ppv"]["value"] == pytest.approx(tp / (tp + fp))
    assert found["npv"]["value"] == pytest.approx(tn / (tn + fn))
    assert found["prevalence"] == prevalence
    for name in ("ppv", "npv"):
        assert 0 <= found[name]["low"] < found[name]["value"] < found[name]["high"] <= 1


def test_the_own_prevalence_given_by_hand_changes_no_value():
    own, given = operating.at(POSITIVE, SCORE, 0.5), operating.at(POSITIVE, SCORE, 0.5, 0.4)
    assert [own[name]["value"] for name in operating.SHARES] == pytest.approx(
        [given[name]["value"] for name in operating.SHARES])


def test_limits_of_pictures_that_stand_alone_are_wilsons():
    found = operating.at(POSITIVE, SCORE, 0.5)
    for name, (hits, of) in {"sensitivity": (3, 4), "specificity": (5, 6), "ppv": (3, 4), "npv": (5, 6)}.items():
        assert (found[name]["low"], found[name]["high"]) == intervals.wilson(hits / of, of)


@pytest.mark.parametrize("sensitivity, specificity, own, rest, prevalence", [
    (0.8, 0.9, 40, 40, 0.2), (0.95, 0.95, 20, 200, 0.05), (0.5, 0.98, 30, 100, 0.1), (0.9, 0.6, 15, 15, 0.5)])
def test_limits_at_a_prevalence_cover_the_truth(sensitivity, specificity, own, rest, prevalence):
    """Of repeated samples about 95 % of the intervals hold the true predictive value, and all hold the seen one."""
    rng = np.random.default_rng(0)
    truth = dict(zip(operating.SHARES, (sensitivity, specificity, *by_hand(sensitivity, specificity, prevalence))))
    for name in ("ppv", "npv"):
        held = []
        draws = rng.binomial(own, sensitivity, 2000) / own, rng.binomial(rest, specificity, 2000) / rest
        for found, kept in zip(*draws):
            low, high = operating.predictive(name, found, kept, own, rest, prevalence)
            seen = by_hand(found, kept, prevalence)[name == "npv"]
            assert 0 <= low <= high <= 1 and low - 1e-9 <= seen <= high + 1e-9
            held.append(low <= truth[name] <= high)
        assert 0.91 <= np.mean(held) <= 0.985


def by_hand(sensitivity, specificity, prevalence):
    """(PPV, NPV) by Bayes."""
    tp, fn = sensitivity * prevalence, (1 - sensitivity) * prevalence
    tn, fp = specificity * (1 - prevalence), (1 - specificity) * (1 - prevalence)
    return tp / (tp + fp), tn / (tn + fn)


def test_limits_at_a_prevalence_where_nothing_was_wrong():
    low, high = operating.predictive("ppv", 0.8, 1.0, 50, 50, 0.1)
    assert high == 1 and low < 0.9  # 0 of 50 false alarms may be 7 of 100, which a prevalence of 0.1 makes weigh
    low, high = operating.predictive("npv", 1.0, 0.9, 50, 50, 0.1)
    assert high == 1 and 0.98 < low < 1


def test_groups_are_resampled_whole():
    positive, score, groups = drawn(groups=30)
    alone, bound = operating.at(positive, score, 0.4), operating.at(positive, score, 0.4, groups=groups)
    assert [bound[name]["value"] for name in operating.SHARES] == [alone[name]["value"] for name in operating.SHARES]
    twins = [np.repeat(values, 25) for values in (positive[:40], score[:40], np.arange(40))]
    wide = operating.at(*twins[:2], 0.4, groups=twins[2])["sensitivity"]
    narrow = operating.at(*twins[:2], 0.4)["sensitivity"]
    assert wide["high"] - wide["low"] > 3 * (narrow["high"] - narrow["low"])  # 25 copies are no further evidence
    assert operating.at(positive, score, 0.4, groups=groups) == bound         # and the draw is always the same


def test_groups_of_one_picture_each_are_no_groups():
    assert operating.at(POSITIVE, SCORE, 0.5, groups=np.arange(10)) == operating.at(POSITIVE, SCORE, 0.5)


def test_where_every_resample_is_perfect_the_groups_are_counted():
    positive, groups = np.repeat([True, False] * 6, 5), np.repeat(np.arange(12), 5)
    found = operating.at(positive, positive.astype(float), 0.5, groups=groups)
    assert found["sensitivity"]["value"] == 1 and found["sensitivity"]["low"] == intervals.wilson(1.0, 6)[0]
    at_ten = operating.at(positive, positive.astype(float), 0.5, 0.1, groups)
    assert at_ten["ppv"]["value"] == at_ten["ppv"]["high"] == 1 and at_ten["ppv"]["low"] < 0.9


def test_too_few_groups_have_no_interval_and_say_so():
    found = operating.at(POSITIVE, SCORE, 0.5, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    assert found["sensitivity"]["value"] == 0.75 and found["sensitivity"]["low"] is None
    assert "groups" in found["sensitivity"]["reason"]


@pytest.mark.parametrize("threshold, share, reason", [(2.0, "ppv", "no picture is marked"),
                                                      (0.0, "npv", "every picture is marked")])
def test_what_is_not_defined_is_null_with_its_reason(threshold, share, reason):
    found = operating.at(POSITIVE, SCORE, threshold)[share]
    assert found == {"value": None, "low": None, "high": None, "reason": reason}


@pytest.mark.parametrize("prevalence", [None, 0.2])
def test_a_class_without_a_picture(prevalence):
    found = operating.at(np.zeros(6, bool), SCORE[:6], 0.5, prevalence)
    assert found["sensitivity"]["value"] is None and found["sensitivity"]["reason"] == "no picture of this class"
    assert found["specificity"]["value"] == pytest.approx(2 / 6)
    if prevalence:
        assert found["ppv"] == found["npv"] == found["sensitivity"]
    none = operating.at(np.ones(6, bool), SCORE[:6], 0.5, 0.2)
    assert none["specificity"]["reason"] == none["ppv"]["reason"] == "no picture of another class"


def test_no_picture_at_all():
    found = operating.at(np.zeros(0, bool), np.zeros(0), 0.5)
    assert found["n"] == 0 and found["prevalence"] is None
    assert all(found[name]["value"] is None and found[name]["reason"] for name in operating.SHARES)


@pytest.mark.parametrize("prevalence, ppv, npv", [(0.0, 0.0, 1.0), (1.0, 1.0, 0.0)])
def test_prevalences_of_none_and_all(prevalence, ppv, npv):
    found = operating.at(POSITIVE, SCORE, 0.5, prevalence)
    assert found["ppv"] == {"value": ppv, "low": ppv, "high": ppv}
    assert found["npv"] == {"value": npv, "low": npv, "high": npv}


@pytest.mark.parametrize("given", [dict(prevalence=1.5), dict(prevalence=-0.1), dict(score=np.full(10, np.nan)),
                                   dict(score=SCORE[:5])])
def test_nonsense_is_refused(given):
    with pytest.raises(ValueError):
        operating.at(**({"positive": POSITIVE, "score": SCORE, "threshold": 0.5} | given))


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_is_that_of_scikit_learn(seed):
    from sklearn import metrics

    positive, score, _ = drawn(seed=seed)
    found = operating.curve(positive, score)
    wrong, right, thresholds = metrics.roc_curve(positive, score, drop_intermediate=False)
    assert np.array_equal(found["threshold"], thresholds)
    np.testing.assert_allclose(found["sensitivity"], right)
    np.testing.assert_allclose(1 - found["specificity"], wrong, atol=1e-12)
    precision, recall, ends = metrics.precision_recall_curve(positive, score)
    np.testing.assert_allclose(found["precision"][1:], precision[:-1][::-1])
    np.testing.assert_allclose(found["sensitivity"][1:], recall[:-1][::-1])
    assert np.array_equal(found["threshold"][1:], ends[::-1])


@pytest.mark.parametrize("threshold", [0.0, 0.31, 0.5, 1.0])
def test_a_point_of_the_curve_is_what_the_threshold_does(threshold):
    from sklearn import metrics

    positive, score, _ = drawn()
    found = operating.at(positive, score, threshold)
    tn, fp, fn, tp = metrics.confusion_matrix(positive, score >= threshold).ravel()
    assert [found[name] for name in operating.COUNTS] == [tp, fp, fn, tn]
    curve = operating.curve(positive, score)
    point = np.flatnonzero(curve["threshold"] >= threshold)[-1]
    assert curve["sensitivity"][point] == found["sensitivity"]["value"]
    assert curve["specificity"][point] == found["specificity"]["value"]


def test_the_curve_of_one_class_alone():
    found = operating.curve(np.ones(4, bool), np.array([0.1, 0.4, 0.4, 0.9]))
    assert found["threshold"].tolist() == [np.inf, 0.9, 0.4, 0.1]
    assert found["sensitivity"].tolist() == [0, 0.25, 0.75, 1] and np.isnan(found["specificity"]).all()
    assert operating.curve(np.zeros(0, bool), np.zeros(0))["threshold"].tolist() == [np.inf]


@pytest.mark.parametrize("wanted, threshold", [(0.0, 0.9), (0.25, 0.9), (0.5, 0.8), (0.51, 0.6),
                                               (0.75, 0.6), (1.0, 0.2)])
def test_the_threshold_that_keeps_a_sensitivity(wanted, threshold):
    assert operating.keeping(POSITIVE, SCORE, wanted) == threshold


def test_a_kept_sensitivity_is_kept_and_no_higher_threshold_would():
    positive, score, _ = drawn(seed=3)
    score = score + np.linspace(0, 1e-9, len(score))  # figures that no six decimals hold
    for wanted in (0.5, 0.9, 0.95, 0.99, 1.0):
        threshold = operating.keeping(positive, score, wanted)
        assert threshold == round(threshold, operating.DIGITS)
        assert operating.at(positive, score, threshold)["sensitivity"]["value"] >= wanted
        assert operating.at(positive, score, threshold + 0.011)["sensitivity"]["value"] < wanted + 0.02
    assert operating.keeping(np.zeros(3, bool), SCORE[:3], 0.9) is None


def test_nineteen_of_twenty_are_ninety_five_percent():
    positive, score = np.ones(20, bool), np.arange(20) / 20
    assert operating.keeping(positive, score, 0.95) == 0.05


def test_corners_keep_the_shape():
    positive, score, _ = drawn(20_000)
    score = score + np.random.default_rng(0).random(20_000) * 1e-4
    curve = operating.curve(positive, score)
    x, y = 1 - curve["specificity"], curve["sensitivity"]
    kept = operating.corners(x, y)
    assert len(kept) <= 402 and kept[0] == 0 and kept[-1] == len(x) - 1
    apart = np.abs(x[:, None] - x[kept]) + np.abs(y[:, None] - y[kept])
    assert apart.min(axis=1).max() < 0.006  # of a curve that is 2 long
    assert operating.corners(x[:50], y[:50]).tolist() == list(range(50))
