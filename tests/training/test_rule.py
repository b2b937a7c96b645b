"""The rule of defaults, row by row."""

import pytest

from toolkit.training import rule

STAGES = ("stem", "layer1", "layer2", "layer3", "layer4", "head")
HEAD4, HEAD3 = ("head", "layer4"), ("head", "layer4", "layer3")


@pytest.mark.parametrize("pictures, epochs, random, views", [
    (1, 12, 60, 4), (100, 12, 60, 4), (500, 8, 40, 4), (700, 6, 30, 3), (1000, 4, 20, 2), (2400, 4, 20, 1),
    (100_000, 4, 20, 1)])
def test_epochs_and_views_follow_from_the_pictures(pictures, epochs, random, views):
    assert (rule.epochs(pictures), rule.epochs(pictures, True), rule.views(pictures, epochs)) == (
        epochs, random, views)


@pytest.mark.parametrize("epochs, pace, left, views", [
    (12, None, None, 4), (12, None, 60, 4), (12, 0.01, None, 4), (3, None, None, 3),
    (12, 0.01, 1000, 4), (12, 0.1, 100, 2), (12, 0.1, 10, 1), (12, 10, 1, 1)])
def test_views_are_no_more_than_epochs_and_take_a_quarter_of_the_time_left(epochs, pace, left, views):
    assert rule.views(100, epochs, pace, left) == views


@pytest.mark.parametrize("pictures, epochs, pace, left, views", [
    (100, 12, None, None, 4), (1600, 4, None, None, 2), (1601, 4, None, None, 2), (100_000, 4, None, None, 2),
    (100_000, 1, None, None, 1), (2000, 4, 0.01, 100, 2), (2000, 4, 0.01, 80, 2), (2000, 4, 0.01, 79, 1)])
def test_two_views_where_pictures_shall_be_varied_but_for_half_of_the_time_left(pictures, epochs, pace, left, views):
    assert rule.views(pictures, epochs, pace, left, least=2) == views


@pytest.mark.parametrize("pictures, train_from, random, rounds", [
    (999, "auto", False, (HEAD4,)), (1000, "auto", False, (HEAD4, HEAD3)), (10, "head", False, ()),
    (3999, "auto", False, (HEAD4, HEAD3)), (4000, "auto", False, (HEAD4, HEAD3, (*HEAD3, "layer2"))),
    (8000, "auto", False, (HEAD4, HEAD3, (*HEAD3, "layer2"), tuple(reversed(STAGES)))),
    (10, "layer4", False, (HEAD4,)), (10, "layer3", False, (HEAD4, HEAD3)),
    (10, "all", False, (tuple(reversed(STAGES)),)), (10, "auto", True, (tuple(reversed(STAGES)),)),
    (10, "layer4", True, (HEAD4,))])
def test_rounds_follow_from_pictures_and_wish(pictures, train_from, random, rounds):
    assert rule.rounds(STAGES, pictures, train_from, random) == rounds


def test_the_lowest_stage_takes_a_round_for_each_stage_above():
    found = rule.rounds(STAGES, 10, "stem")
    assert len(found) == 5 and found[-1] == tuple(reversed(STAGES))


def test_a_network_of_one_stage_takes_no_round_twice():
    whole = ("head", "layer1", "stem")
    assert rule.rounds(whole[::-1], 9000) == (whole[:2], whole) == rule.rounds(whole[::-1], 1000)


def test_a_network_of_three_stages_has_its_last_one_thawed():
    assert rule.rounds(("stem", "layer1", "layer2", "layer3", "head"), 10) == (("head", "layer3"),)
