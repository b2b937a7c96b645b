"""Which model a run keeps."""

from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.steps import learn


class Weight:
    """A variable of a model."""

    path, value = "head", "tuned"

    def assign(self, value):
        self.value = value


def chosen(groups, strength):
    """(learn.Kept, the weight that stands in the model) where tuning made validation answers surer by `strength`."""
    truth = np.arange(40) % 2
    right = np.where(np.arange(40) % 10 == 0, -1.0, 1.0)[:, None] * (2 * np.eye(2)[truth] - 1)
    noise = np.random.default_rng(0).normal(0, 0.5, (40, 2))
    weight = Weight()
    case = SimpleNamespace(rows={"validation": np.arange(40)}, truth=lambda part: truth, groups=lambda part: groups)
    tuned = SimpleNamespace(stage="layer4", began={"head": "probe"}, history=[{}])
    kept = learn.choose(case, SimpleNamespace(model=SimpleNamespace(variables=[weight])),
                        {"probe": noise, "tuned": noise + strength * right}, tuned, SimpleNamespace(rounds=[("head",)]))
    return kept, weight.value


@pytest.mark.parametrize("groups, model", [(None, "tuned"), (np.arange(40) % 8, "tuned"), (np.zeros(40, int), "probe"),
                                           (np.arange(40) % 4, "probe")])
def test_of_few_independent_pictures_the_probe_is_kept(groups, model):
    kept, weights = chosen(groups, 2.0)
    assert kept.model == weights == model and kept.gain["value"] > 0
    if model == "probe":
        assert kept.gain["error"] is None and "too few validation pictures are independent" in kept.why
        assert "at least 5 pictures or groups" in kept.why and "standard error (" not in kept.why
    else:
        assert kept.gain["error"] > 0 and "more than one standard error" in kept.why


def test_a_gain_within_the_error_is_no_proof():
    kept, weights = chosen(None, 0.0)
    assert kept.name == weights == "probe" and "is no proof" in kept.why and kept.gain["error"] is not None
