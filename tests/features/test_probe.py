"""The probe against scikit-learn on the same features, unturned."""

import numpy as np
import pytest

from toolkit.features import probe


def drawn(n, d, classes, seed=0, signal=1.0):
    """Features of very different scales, class numbers, weights."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(n) % classes
    centres = rng.normal(0, signal, (classes, d))
    features = (rng.normal(0, 1, (n, d)) + centres[numbers]) * 10.0 ** rng.integers(-2, 3, d) + rng.normal(0, 5, d)
    return features.astype(np.float32), numbers, rng.uniform(0.5, 2.0, n).astype(np.float32)


def softmax(logits):
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("n, d", [(120, 20), (40, 90)], ids=["more pictures", "more features"])
def test_probabilities_are_those_of_scikit_learn(classes, n, d):
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    features, numbers, weights = drawn(n + 50, d, classes, signal=0.4)
    features[:, 3] = 7.0  # constant
    features, fresh, numbers, weights = features[:n], features[n:], numbers[:n], weights[:n]
    found = probe.fit(features, numbers, classes, weights)
    scaler = StandardScaler().fit(features.astype(np.float64))
    plain = LogisticRegression(C=found.strength, max_iter=5000, tol=1e-8)
    plain.fit(scaler.transform(features.astype(np.float64)), numbers, sample_weight=weights)
    assert found.kernel.shape == (d, classes) and found.bias.shape == (classes,) and not found.kernel[3].any()
    wanted = plain.predict_proba(scaler.transform(fresh.astype(np.float64)))
    assert softmax(found.logits(fresh)) == pytest.approx(wanted, abs=2e-3)


def test_a_constant_feature_says_nothing_when_it_changes_later():
    features, numbers, weights = drawn(60, 5, 2)
    features[:, 2] = 1e4
    found = probe.fit(features, numbers, 2, weights)
    changed = features.copy()
    changed[:, 2] = 0.0
    assert np.allclose(found.logits(features), found.logits(changed), atol=1e-3)


@pytest.mark.parametrize("n", [6, 30])
def test_features_that_say_nothing_at_all_give_the_weighted_share(n):
    numbers, weights = np.array([0, 0, 1] * (n // 3)), np.array([1.0, 1.0, 4.0] * (n // 3))
    found = probe.fit(np.full((n, 9), 3.0, np.float32), numbers, 2, weights)
    assert softmax(found.logits(np.zeros((1, 9), np.float32)))[0] == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


def test_strength_follows_the_evidence():
    features, numbers, weights = drawn(90, 30, 3, signal=1.0)
    clear = probe.fit(features, numbers, 3, weights)
    noise = probe.fit(features, np.random.default_rng(5).permutation(numbers), 3, weights)
    assert noise.strength < clear.strength and clear.strength == min(clear.searched, key=clear.searched.get)
    assert clear.searched[clear.strength] < 0.5 < noise.searched[noise.strength]


def test_the_seed_decides_all():
    given = drawn(60, 8, 3, signal=0.5)
    one, other = (probe.fit(given[0], given[1], 3, given[2], seed=4) for _ in range(2))
    assert np.array_equal(one.kernel, other.kernel) and one.searched == other.searched


def test_A10_no_group_stands_in_two_folds():
    numbers = np.arange(60) % 3
    groups = np.array([f"patient {i // 4}" for i in range(60)])
    folds = probe.folded(numbers, groups, seed=0)
    assert len(folds) == 5
    for train, held in folds:
        assert not set(groups[train]) & set(groups[held]) and set(numbers[train]) == {0, 1, 2}
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(60))


@pytest.mark.parametrize("counts", [(20, 1), (20, 20, 1), (12, 3, 2), (5, 5)])
@pytest.mark.parametrize("grouped", [False, True])
def test_A6_tiny_classes_are_still_judged_on_pictures_that_were_held_out(counts, grouped):
    numbers = np.repeat(np.arange(len(counts)), counts)
    folds = probe.folded(numbers, np.arange(len(numbers)) if grouped else None, seed=0)
    assert folds
    for train, held in folds:
        assert len(held) and not set(train) & set(held) and set(numbers[train]) == set(range(len(counts)))


def test_a_class_of_one_picture_does_not_loosen_the_penalty():
    features, numbers, weights = drawn(60, 40, 2, signal=0.0)
    numbers = np.random.default_rng(1).permutation(numbers)
    numbers[0] = 2
    assert probe.fit(features, numbers, 3, weights).strength <= 1e-2


@pytest.mark.parametrize("numbers, groups", [([0, 1], None), ([0, 0, 1, 1], ["a", "a", "b", "b"])])
def test_where_nothing_can_be_held_out_it_still_answers(numbers, groups):
    features = np.array([[0.0], [1.0], [5.0], [6.0]], np.float32)[:len(numbers)]
    found = probe.fit(features, np.array(numbers), 2, np.ones(len(numbers)), groups)
    assert np.isfinite(found.kernel).all() and found.logits(features).shape == (len(numbers), 2)
