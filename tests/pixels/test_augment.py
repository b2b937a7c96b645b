import numpy as np
import pytest

from toolkit.pixels import augment
from toolkit.pixels.augment import POLICIES

RNG = np.random.default_rng(0)
COLOUR = np.kron(RNG.integers(0, 256, (8, 8, 3)), np.ones((6, 6, 1))).astype(np.uint8)  # blocks, not noise


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("channels", [1, 3])
def test_shape_and_type_stay_and_the_source_is_untouched(policy, channels):
    pixels = COLOUR[..., :channels].copy()
    before = pixels.copy()
    for index in range(12):
        result = augment.augment(policy, pixels, 0, 0, index)
        assert result.shape == pixels.shape and result.dtype == np.uint8
    assert np.array_equal(pixels, before) and not np.shares_memory(result, pixels)


@pytest.mark.parametrize("policy", ["light", "medium", "strong"])
def test_B6_a_function_of_seed_view_and_index(policy):
    def draw(*key):
        return augment.augment(policy, COLOUR, *key)
    first = draw(0, 0, 0)
    others = [draw(1, 0, 0), draw(0, 1, 0), draw(0, 0, 1), draw(0, 0, 2)]
    np.random.seed(1)
    assert np.array_equal(draw(0, 0, 0), first)
    assert sum(not np.array_equal(other, first) for other in others) >= 3


def test_none_changes_nothing():
    assert np.array_equal(augment.augment("none", COLOUR, 3, 4, 5), COLOUR)


@pytest.mark.parametrize("policy", ["light", "medium", "strong"])
def test_grey_stays_grey(policy):
    grey = np.repeat(COLOUR[..., :1], 3, axis=2)
    for index in range(20):
        one = augment.augment(policy, grey[..., :1], 0, 0, index)
        three = augment.augment(policy, grey, 0, 0, index)
        assert (three == one).all()


@pytest.mark.parametrize("policy,upside_down", [("light", False), ("medium", False), ("strong", True)])
def test_only_strong_turns_upside_down(policy, upside_down):
    half = np.zeros((48, 48, 1), np.uint8)
    half[:16] = 255
    turned = [augment.augment(policy, half, 0, 0, index) for index in range(40)]
    assert any(int(each[36:].sum()) > int(each[:12].sum()) for each in turned) == upside_down


def test_stronger_policies_move_further():
    def change(policy):
        turned = [augment.augment(policy, COLOUR, 0, 0, index) for index in range(30)]
        return np.mean([np.abs(each.astype(int) - COLOUR).mean() for each in turned])
    assert 0 < change("light") < change("medium") < change("strong")


def test_an_unknown_policy_names_the_known_ones():
    with pytest.raises(ValueError, match="none, light, medium, strong"):
        augment.augment("heavy", COLOUR, 0, 0, 0)
