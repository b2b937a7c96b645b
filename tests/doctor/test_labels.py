"""Wrong labels that were planted rank first, are named with their right class, and are as many as is said."""


import numpy as np
import pytest

from tests.doctor import planted
from toolkit.doctor import labels, seen
from toolkit.doctor.findings import Case
from toolkit.features.held_out import Penalty

CLASSES = ["a", "b", "c"]


def drawn(n=300, flipped=15, seed=0, apart=1.5):
    """(features (n, 40), true class numbers, numbers with `flipped` wrong ones at random, rows of the wrong ones)."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    features = rng.normal(0, 1, (n, 40)).astype(np.float32)
    features[np.arange(n), truth] += 2 * apart
    wrong = rng.permutation(n)[:flipped]
    given = truth.copy()
    given[wrong] = (given[wrong] + rng.integers(1, 3, flipped)) % 3
    return features, truth, given, wrong


def judged(features, given, bound=None, copies=None, **more):
    """doctor.seen.Seen of the features."""
    return seen.measured(features, given, CLASSES, np.arange(len(given)) if bound is None else bound, copies, **more)


def precision(wrong, scores):
    """Average precision of a ranking."""
    from sklearn.metrics import average_precision_score

    return average_precision_score(np.isin(np.arange(len(scores)), wrong), scores)


def case(given, sight, **columns):
    """A Case of rows with the labels `given`."""
    rows = planted.rows(len(given), label=[CLASSES[number] for number in given], **columns)
    return Case(rows, seen=sight)


def spoilt():
    """A set with wrong labels, for test_every_check."""
    features, _, given, _ = drawn(120, 6, apart=4)
    return vars(case(given, judged(features, given)))


def wrong_ones():
    features, _, given, wrong = drawn(120, 6, apart=4)
    return {planted.rows(120)["path"][row] for row in wrong}


CONTRACT = {"label errors": (spoilt, "label errors", "warning", wrong_ones())}


@pytest.mark.parametrize("seed", range(4))
def test_planted_wrong_labels_rank_first_with_their_right_class(seed):
    features, truth, given, wrong = drawn(seed=seed)
    doubts = labels.doubted(judged(features, given).probabilities, given)
    assert precision(wrong, doubts.wrong) > 0.8
    surest = [row for row in wrong if doubts.wrong[row] > 0.5]
    assert len(surest) >= 8 and np.mean(doubts.likely[surest] == truth[surest]) > 0.9
    told = doubts.wrong[doubts.wrong >= labels.WORTH]
    assert 8 <= told.sum() <= 25                       # of 15
    assert 0.02 < doubts.share < 0.09


def test_right_labels_are_not_doubted():
    features, truth, _, _ = drawn(flipped=0, apart=4)
    sight = judged(features, truth)
    assert list(labels.CHECKS["label errors"](case(truth, sight))) == []


def test_what_is_told_is_ranked_and_says_how_many_to_expect():
    features, truth, given, wrong = drawn()
    found, = labels.CHECKS["label errors"](case(given, judged(features, given)))
    assert found.severity == "warning" and len(found.scores) == len(found.suggested) == len(found.pictures)
    assert list(found.scores) == sorted(found.scores, reverse=True) and found.scores[-1] >= labels.WORTH
    assert f"about {round(sum(found.scores))} may be expected" in found.sentence
    assert all(path in found.sentence for path in found.pictures[:3]) and found.pictures[3] not in found.sentence


def test_a_copy_may_not_vouch_for_a_wrong_label():
    features, truth, given, wrong = drawn(200, 10)
    twice = np.concatenate([features, features[wrong]])
    both = np.concatenate([given, given[wrong]])      # copied with the wrong label
    bundle = np.concatenate([np.arange(200), wrong])
    votes = 1 / np.bincount(bundle)[bundle]
    copies = labels.Copies(bundle, votes)
    bound = labels.doubted(judged(twice, both, bundle, copies).probabilities, both, copies).wrong
    parted = labels.doubted(judged(twice, both).probabilities, both).wrong
    assert precision(wrong, bound[:200]) > precision(wrong, parted[:200]) + 0.05


def test_a_label_that_was_copied_with_its_file_has_one_vote():
    rows = planted.rows(6, sha256=["x", "x", "x", "y", "z", "z"], label=["a", "a", "b", "a", "b", "b"])
    found = labels.copies_of(Case(rows))
    assert list(found.votes) == [0.5, 0.5, 1.0, 1.0, 0.5, 0.5] and list(found.bundle) == [0, 0, 0, 1, 2, 2]


def test_near_copies_are_bound_and_have_a_vote_each():
    from types import SimpleNamespace

    found = labels.copies_of(Case(planted.rows(4), near=SimpleNamespace(bundle=np.array([0, 1, 0, 2]))))
    assert list(found.votes) == [1.0] * 4 and found.bundle[0] == found.bundle[2] != found.bundle[1]


def test_copies_that_disagree_tell_which_is_wrong():
    probabilities = np.array([[0.5, 0.3, 0.2]] * 4 + [[0.9, 0.05, 0.05]] * 16)
    numbers = np.array([0, 0, 0, 1] + [0] * 16)
    alone = labels.doubted(probabilities, numbers).wrong
    doubts = labels.doubted(probabilities, numbers, labels.Copies(np.array([0] * 4 + [*range(4, 20)]), np.ones(20)))
    assert doubts.wrong[3] > 0.95 > alone[3] and doubts.likely[3] == 0 and (doubts.wrong[:3] < 0.05).all()


def test_a_picture_under_two_classes_byte_by_byte_is_told_elsewhere():
    features, _, given, wrong = drawn(120, 6, apart=4)
    sight = judged(features, given)
    hashes = [f"h{row}" for row in range(120)]
    hashes[wrong[0]] = hashes[next(row for row in range(120) if given[row] != given[wrong[0]])]
    found, = labels.CHECKS["label errors"](case(given, sight, sha256=hashes))
    assert planted.rows(120)["path"][wrong[0]] not in found.pictures and len(found.pictures) == 5


def test_calibration_finds_temperature_offset_and_share():
    rng = np.random.default_rng(3)
    logits = rng.normal(0, 2.0, (20_000, 3))
    powers = np.exp(logits)
    truth = (powers / powers.sum(1, keepdims=True)).cumsum(1)
    numbers = (rng.random((len(logits), 1)) > truth).sum(1)
    flipped = rng.random(len(numbers)) < 0.08
    numbers[flipped] = (numbers[flipped] + rng.integers(1, 3, flipped.sum())) % 3
    calibrated, share = labels.fitted(1.7 * logits + [0.5, 0.0, -0.5], numbers)
    assert share == pytest.approx(0.08, abs=0.01)
    np.testing.assert_allclose(calibrated, powers / powers.sum(1, keepdims=True), atol=0.03)


def test_what_cannot_be_left_out_is_not_doubted():
    probabilities = np.full((20, 2), np.nan)
    probabilities[:15] = [0.9, 0.1]
    numbers = np.zeros(20, int)
    numbers[[3, 18]] = 1
    doubts = labels.doubted(probabilities, numbers)
    assert doubts.wrong[18] == 0 and doubts.wrong[3] > doubts.wrong[4] and np.isnan(doubts.truth[15:]).all()
    assert labels.doubted(np.full((20, 2), np.nan), numbers).wrong.max() == 0


@pytest.mark.parametrize("given", [np.zeros(40, int), np.arange(10) % 3, np.r_[np.zeros(39, int), 1]])
def test_too_few_pictures_or_classes_are_no_fault(given):
    features = np.random.default_rng(0).normal(size=(len(given), 12)).astype(np.float16)
    sight = judged(features, given)
    assert sight.features.shape[0] == len(given) and np.isfinite(sight.features).all()
    assert list(labels.CHECKS["label errors"](case(given, sight))) == []


def test_the_same_pictures_are_judged_the_same_and_the_penalty_may_be_given():
    features, _, given, wrong = drawn()
    first, second = (judged(features, given, penalty=Penalty(0.01, 0.0)) for _ in range(2))
    np.testing.assert_array_equal(first.probabilities, second.probabilities)
    assert precision(wrong, labels.doubted(first.probabilities, given).wrong) > 0.8
