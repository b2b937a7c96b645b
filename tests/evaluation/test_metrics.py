"""Each metric against scikit-learn, on plain and on resampled data."""

import numpy as np
import pytest
from sklearn import metrics as sk

from toolkit.evaluation import metrics as own

CASES = [(n, k, ties, seed) for n, k in ((12, 2), (60, 2), (40, 3), (90, 7)) for ties in (False, True)
         for seed in (0, 1)]


def case(n, k, ties, seed):
    """Labels that hold every class, and probabilities that know a little of them; `ties`: few distinct values."""
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(k), random.integers(0, k, n - k)])
    logits = random.normal(size=(n, k)) + np.eye(k)[truth]
    powers = np.exp(np.round(logits) if ties else logits)
    return truth, powers / powers.sum(axis=1, keepdims=True)


def reference(truth, p):
    """The same scores by scikit-learn."""
    k = p.shape[1]
    labels, answer, binary = list(range(k)), p.argmax(axis=1), k == 2
    return {
        "roc_auc": sk.roc_auc_score(truth, p[:, 1]) if binary
        else sk.roc_auc_score(truth, p, multi_class="ovr", average="macro", labels=labels),
        "average_precision": sk.average_precision_score(truth, p[:, 1]) if binary
        else sk.average_precision_score(np.eye(k)[truth], p, average="macro"),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, answer),
        "accuracy": sk.accuracy_score(truth, answer),
        "f1_macro": sk.f1_score(truth, answer, average="macro", labels=labels, zero_division=0),
        "log_loss": sk.log_loss(truth, p, labels=labels),
        "brier": sk.brier_score_loss(truth, p[:, 1]) if binary
        else sk.brier_score_loss(truth, p, labels=labels, scale_by_half=False),
    }


def plain_ece(truth, p, bins=15):
    total = 0.0
    for low in range(bins):
        inside = [i for i in range(len(truth)) if low / bins < p[i].max() <= (low + 1) / bins]
        if inside:
            right = np.mean([p[i].argmax() == truth[i] for i in inside])
            total += len(inside) / len(truth) * abs(right - np.mean([p[i].max() for i in inside]))
    return total


@pytest.mark.parametrize("n, k, ties, seed", CASES)
def test_scores_equal_scikit_learn(n, k, ties, seed):
    truth, p = case(n, k, ties, seed)
    for name, expected in reference(truth, p).items():
        assert own.METRICS[name].function(truth, p) == pytest.approx(expected, abs=1e-12), name
    assert own.ece(truth, p) == pytest.approx(plain_ece(truth, p), abs=1e-12)


@pytest.mark.parametrize("n, k, ties, seed", CASES)
def test_weights_equal_scikit_learn_on_the_resampled_pictures(n, k, ties, seed):
    truth, p = case(n, k, ties, seed)
    random = np.random.default_rng(seed + 10)
    drawn = np.stack([np.bincount(random.integers(0, n, n), minlength=n) for _ in range(12)], axis=1)
    found = {name: row.function(truth, p, drawn) for name, row in own.METRICS.items()}
    complete = 0
    for r in range(drawn.shape[1]):
        rows = np.repeat(np.arange(n), drawn[:, r])
        missing = len(set(truth[rows].tolist())) < k
        expected = {} if missing else reference(truth[rows], p[rows])
        for name, row in own.METRICS.items():
            if row.each and missing:
                assert np.isnan(found[name][r]), name
            elif name in expected:
                assert found[name][r] == pytest.approx(expected[name], abs=1e-10), name
        assert found["ece"][r] == pytest.approx(plain_ece(truth[rows], p[rows]), abs=1e-10)
        assert found["accuracy"][r] == pytest.approx((p[rows].argmax(axis=1) == truth[rows]).mean())
        complete += not missing
    assert complete


@pytest.mark.parametrize("n, k, ties, seed", CASES)
def test_scores_of_a_class_equal_scikit_learn(n, k, ties, seed):
    truth, p = case(n, k, ties, seed)
    answer = p.argmax(axis=1)
    found = {name: row.function(truth, p) for name, row in own.CLASS_METRICS.items()}
    precision, recall, f1, _ = sk.precision_recall_fscore_support(truth, answer, labels=range(k), zero_division=np.nan)
    np.testing.assert_allclose(found["recall"], recall)
    np.testing.assert_allclose(found["precision"], precision)
    np.testing.assert_allclose(found["f1"], f1)
    ranks = np.stack([-p[:, 1], p[:, 1]], axis=1) if k == 2 else p  # one column decides, see the test on rounding
    for c in range(k):
        assert found["roc_auc"][c] == pytest.approx(sk.roc_auc_score(truth == c, ranks[:, c]))
        assert found["average_precision"][c] == pytest.approx(sk.average_precision_score(truth == c, ranks[:, c]))
        assert found["specificity"][c] == pytest.approx(sk.recall_score(truth != c, answer != c))


@pytest.mark.parametrize("name", own.METRICS)
def test_every_metric_ignores_the_order_of_the_pictures_and_puts_a_better_model_first(name):
    truth, p = case(60, 3, False, 3)
    row, order = own.METRICS[name], np.random.default_rng(0).permutation(60)
    assert row.function(truth[order], p[order]) == pytest.approx(row.function(truth, p))
    sure = 0.02 / 3 + 0.98 * np.eye(3)[truth]
    better, worse = row.function(truth, sure), row.function(truth, p)
    assert better > worse if row.higher_is_better else better < worse


def test_F2_confusion_has_labels_in_rows_and_sums_to_the_class_counts():
    truth, p = case(90, 7, False, 0)
    matrix = own.confusion(truth, p)
    np.testing.assert_array_equal(matrix, sk.confusion_matrix(truth, p.argmax(axis=1), labels=range(7)))
    np.testing.assert_array_equal(matrix.sum(axis=1), np.bincount(truth))


def test_two_classes_agree_although_rounding_ties_the_first_column():
    truth = np.array([0, 0, 1, 1])
    second = np.array([1e-18, 3e-18, 2e-18, 4e-18])
    areas = own.class_roc_auc(truth, np.stack([1 - second, second], axis=1))
    assert areas[0] == areas[1] == 0.75


@pytest.mark.parametrize("truth, p, said", [
    ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "class indices"),
    ([0.0, 1.0], [[0.5, 0.5], [0.5, 0.5]], "class indices"),
    ([0, 1], [[0.5, 0.5], [0.5, 0.6]], "sum to 1"),
    ([0, 1], [[0.5, 0.5], [float("nan"), 0.5]], "finite"),
    ([0], [[0.5, 0.5], [0.5, 0.5]], "wanted"),
])
def test_what_is_no_probability_is_refused(truth, p, said):
    with pytest.raises(ValueError, match=said):
        own.checked(truth, p)
