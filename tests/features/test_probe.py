"""The probe against scikit-learn's optimum on the same features, whole or in blocks."""

import subprocess
import sys

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


def correlated(n, d, classes, seed=0):
    """Features of which a few strong directions say nothing, and the class stands in weak ones."""
    rng = np.random.default_rng(seed)
    numbers = np.arange(n) % classes
    features = rng.normal(0, 1, (n, 8)) @ rng.normal(0, 1, (8, d)) * 3 + rng.normal(0, 1, (n, d))
    return (features + rng.normal(0, 0.5, (classes, d))[numbers]).astype(np.float32), numbers, np.ones(n, np.float32)


def softmax(logits):
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def fitted(features, numbers, classes, weights, groups=None, seed=0, **others):
    """A probe on all rows."""
    return probe.fit(features, np.arange(len(features)), numbers, classes, weights, groups, seed, **others)


def by_scikit_learn(features, fresh, numbers, weights, found):
    """Probabilities of `fresh`: principal scores by singular values, each scaled as the probe's power says."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(features.astype(np.float64))
    standard, fresh = scaler.transform(features.astype(np.float64)), scaler.transform(fresh.astype(np.float64))
    _, deviations, directions = np.linalg.svd(standard, full_matrices=False)
    variances = deviations[deviations > 1e-4 * deviations[0]] ** 2
    turn = directions[:len(variances)].T * (variances / variances.mean()) ** (-found.power / 2)
    two_sided = 2 if numbers.max() == 1 else 1  # scikit-learn has one kernel for two classes: half the penalty
    model = LogisticRegression(C=two_sided * found.strength, max_iter=20_000, tol=1e-9)
    return model.fit(standard @ turn, numbers, sample_weight=weights).predict_proba(fresh @ turn)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("n, d", [(120, 20), (40, 90)], ids=["more pictures", "more features"])
def test_probabilities_are_those_of_scikit_learn(classes, n, d):
    features, numbers, weights = drawn(n + 50, d, classes, signal=0.4)
    features[:, 3] = 7.0  # constant
    found = probe.fit(features, np.arange(n), numbers[:n], classes, weights[:n])
    assert found.kernel.shape == (d, classes) and found.bias.shape == (classes,) and not found.kernel[3].any()
    wanted = by_scikit_learn(features[:n], features[n:], numbers[:n], weights[:n], found)
    assert softmax(found.logits(features[n:])) == pytest.approx(wanted, abs=1e-3)


def test_strong_directions_that_say_nothing_call_for_the_milder_penalty():
    features, numbers, weights = correlated(260, 60, 3)
    found = probe.fit(features, np.arange(200), numbers[:200], 3, weights[:200])
    assert found.power == 0.25
    wanted = by_scikit_learn(features[:200], features[200:], numbers[:200], weights[:200], found)
    assert softmax(found.logits(features[200:])) == pytest.approx(wanted, abs=1e-3)


@pytest.mark.parametrize("d", [30, 150], ids=["fewer features than searched", "more features than searched"])
def test_more_pictures_than_are_searched_are_all_fitted(d):
    features, numbers, weights = drawn(450, d, 3, signal=0.15)
    found = probe.fit(features, np.arange(400), numbers[:400], 3, weights[:400], largest_search=100)
    wanted = by_scikit_learn(features[:400], features[400:], numbers[:400], weights[:400], found)
    assert found.power == 0 and softmax(found.logits(features[400:])) == pytest.approx(wanted, abs=2e-3)


def test_features_of_many_blocks_are_read_block_by_block():
    rng = np.random.default_rng(0)
    features, rows = rng.normal(0, 1, (2600, 1000)).astype(np.float16), rng.permutation(2600)[:2400]
    numbers = (features[:, :40].astype(float).sum(1) > 0).astype(int)
    most = []

    class Shelf:
        shape, dtype = features.shape, features.dtype

        def __getitem__(self, index):
            most.append(features[index].size)
            return features[index]

    given = rows, numbers[rows], 2, np.ones(len(rows)), None, 0, 200
    found = probe.fit(Shelf(), *given)
    logits = found.logits(Shelf())
    assert max(most) <= probe.BLOCK < features.size and logits.dtype == np.float32
    assert np.array_equal(logits, probe.fit(features, *given).logits(features))
    rest = np.setdiff1d(np.arange(2600), rows)
    assert (logits.argmax(1) == numbers)[rest].mean() > 0.8


def test_rows_may_stand_in_any_order():
    features, numbers, weights = drawn(90, 30, 3, signal=0.5)
    rows = np.random.default_rng(2).permutation(90)[:70]
    found = probe.fit(features, rows, numbers[rows], 3, weights[rows])
    alone = fitted(features[rows], numbers[rows], 3, weights[rows])
    assert np.array_equal(found.kernel, alone.kernel) and np.array_equal(found.bias, alone.bias)


def test_half_precision_costs_next_to_nothing():
    features, numbers, weights = correlated(90, 30, 3)
    whole, half = (fitted(features.astype(kind), numbers, 3, weights) for kind in (np.float32, np.float16))
    assert softmax(half.logits(features)) == pytest.approx(softmax(whole.logits(features)), abs=0.01)


def test_a_constant_feature_says_nothing_when_it_changes_later():
    features, numbers, weights = drawn(60, 5, 2)
    features[:, 2] = 1e4
    found = fitted(features, numbers, 2, weights)
    changed = features.copy()
    changed[:, 2] = 0.0
    assert np.allclose(found.logits(features), found.logits(changed), atol=1e-3)


@pytest.mark.parametrize("n", [6, 30])
def test_features_that_say_nothing_at_all_give_the_weighted_share(n):
    numbers, weights = np.array([0, 0, 1] * (n // 3)), np.array([1.0, 1.0, 4.0] * (n // 3))
    found = fitted(np.full((n, 9), 3.0, np.float32), numbers, 2, weights)
    assert softmax(found.logits(np.zeros((1, 9), np.float32)))[0] == pytest.approx([1 / 3, 2 / 3], abs=1e-3)


def test_strength_follows_the_evidence():
    features, numbers, weights = drawn(90, 30, 3, signal=1.0)
    clear = fitted(features, numbers, 3, weights)
    noise = fitted(features, np.random.default_rng(5).permutation(numbers), 3, weights)
    assert noise.strength < clear.strength and clear.strength == min(clear.searched, key=clear.searched.get)
    assert clear.searched[clear.strength] < 0.5 < noise.searched[noise.strength]


def test_the_seed_decides_all():
    given = drawn(60, 8, 3, signal=0.5)
    one, other = (fitted(given[0], given[1], 3, given[2], seed=4, largest_search=40) for _ in range(2))
    assert np.array_equal(one.kernel, other.kernel) and one.searched == other.searched


def test_the_number_of_threads_decides_nothing():
    from threadpoolctl import threadpool_limits

    features, numbers, weights = drawn(300, 2000, 3, signal=0.1)
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(fitted(features, numbers, 3, weights, largest_search=200).logits(features))
    assert np.array_equal(*found)


def test_no_heavy_package_is_loaded():
    code = ("import sys, numpy as np; from toolkit.features import probe; x = np.eye(8, dtype=np.float32);"
            "probe.fit(x, np.arange(8), np.arange(8) % 2, 2, np.ones(8)).logits(x);"
            "print([name for name in ('sklearn', 'scipy', 'pandas', 'tensorflow') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_A10_no_group_stands_in_two_folds():
    numbers = np.arange(60) % 3
    groups = np.array([f"patient {i // 4}" for i in range(60)])
    folds = probe.folded(numbers, groups, seed=0)
    assert len(folds) == 5
    for train, held in folds:
        assert not set(groups[train]) & set(groups[held]) and set(numbers[train]) == {0, 1, 2}
    assert sorted(np.concatenate([held for _, held in folds])) == list(range(60))


@pytest.mark.parametrize("grouped", [False, True])
def test_folds_have_equal_shares_of_each_class(grouped):
    numbers = np.repeat([0, 1, 2], [83, 40, 11])
    groups = np.arange(134) // 2 if grouped else None
    for _, held in probe.folded(numbers, groups, seed=3):
        apart = np.abs(np.bincount(numbers[held], minlength=3) - np.array([83, 40, 11]) / 5)
        assert (apart < (2.5 if grouped else 1)).all()


@pytest.mark.parametrize("counts", [(20, 1), (20, 20, 1), (12, 3, 2), (5, 5)])
@pytest.mark.parametrize("grouped", [False, True])
def test_A6_tiny_classes_are_still_judged_on_pictures_that_were_held_out(counts, grouped):
    numbers = np.repeat(np.arange(len(counts)), counts)
    folds = probe.folded(numbers, np.arange(len(numbers)) if grouped else None, seed=0)
    assert folds
    for train, held in folds:
        assert len(held) and not set(train) & set(held) and set(numbers[train]) == set(range(len(counts)))


@pytest.mark.parametrize("grouped", [False, True])
def test_many_classes_of_one_group_leave_every_fold_to_the_others(grouped):
    numbers = np.concatenate([np.arange(100) % 2, np.arange(2, 14), np.arange(12) % 2])
    groups = np.concatenate([np.arange(100), *2 * [np.arange(100, 112)]]) if grouped else None  # both kinds in a group
    folds = probe.folded(numbers, groups, seed=0)
    assert len(folds) == 5 and sum(len(held) for _, held in folds) == (100 if grouped else 112)
    for train, held in folds:
        assert set(numbers[train]) == set(range(14)) and set(numbers[held]) == {0, 1}
        assert not grouped or not set(groups[train]) & set(groups[held])


@pytest.mark.parametrize("rare", [1, 8])
def test_classes_of_one_picture_do_not_loosen_the_penalty(rare):
    features, numbers, weights = drawn(60, 40, 2, signal=0.0)
    numbers = np.random.default_rng(1).permutation(numbers)
    numbers[:rare] = np.arange(2, 2 + rare)
    assert fitted(features, numbers, 2 + rare, weights).strength <= 1e-2


@pytest.mark.parametrize("numbers, groups", [([0, 1], None), ([0, 0, 1, 1], ["a", "a", "b", "b"])])
def test_where_nothing_can_be_held_out_it_still_answers(numbers, groups):
    features = np.array([[0.0], [1.0], [5.0], [6.0]], np.float32)[:len(numbers)]
    found = fitted(features, np.array(numbers), 2, np.ones(len(numbers)), groups)
    assert np.isfinite(found.kernel).all() and found.logits(features).shape == (len(numbers), 2)


def test_out_of_fold_answers_come_from_probes_that_saw_neither_picture_nor_group():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(30), 4)
    marks = rng.normal(size=(30, 20))[groups]  # each group has a look of its own, and its class by chance
    features = marks + 0.01 * rng.normal(size=(120, 20))
    numbers = rng.integers(0, 2, 30)[groups]
    told = []
    found = probe.out_of_fold(features, numbers, 2, lambda rows: np.ones(len(rows)), groups, 0, 5,
                              lambda *done: told.append(done))
    assert found.shape == (120, 2) and np.isfinite(found).all() and told == [(n, 5) for n in range(1, 6)]
    assert (found.argmax(1) == numbers).mean() < 0.75  # a probe that had seen the group would know it
    leaky = probe.out_of_fold(features, numbers, 2, lambda rows: np.ones(len(rows)), None, 0, 5)
    assert (leaky.argmax(1) == numbers).mean() > 0.95


def test_out_of_fold_leaves_open_what_no_fold_can_answer():
    features, numbers = np.random.default_rng(0).normal(size=(21, 5)), np.array([0, 1] * 10 + [2])
    found = probe.out_of_fold(features, numbers, 3, lambda rows: np.ones(len(rows)), None, 0, 3)
    assert not np.isfinite(found[20]).any() and 0 < np.isfinite(found[:20]).all(1).sum() < 21
