"""Which model a run keeps."""

from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.steps import learn
from toolkit.tasks import classification


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
    return between(truth, noise, noise + strength * right, groups)


def between(truth, probe, tuned, groups=None, class_weights="balanced"):
    """(learn.Kept, the weight that stands in the model) of the logits of two models, (n, 2)."""
    weight = Weight()
    case = SimpleNamespace(rows={"validation": np.arange(len(truth))}, truth=lambda part: truth,
                           groups=lambda part: groups, classes=["a", "b"])
    done = SimpleNamespace(stage="layer4", began={"head": "probe"}, history=[{}])
    kept = learn.choose(SimpleNamespace(class_weights=class_weights), case, classification,
                        SimpleNamespace(model=SimpleNamespace(variables=[weight])), {"probe": probe, "tuned": tuned},
                        done, SimpleNamespace(rounds=[("head",)]))
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


def test_giving_less_to_rare_classes_is_no_gain():
    rng = np.random.default_rng(1)
    truth = (rng.random(400) < 0.1).astype(int)
    balanced = rng.normal(0, 1, (400, 2)) + 2 * np.eye(2)[truth]  # the log of even odds and of what a picture says
    shifted = balanced + np.log([0.9, 0.1])
    kept, weights = between(truth, balanced, shifted)
    assert kept.model == weights == "probe" and kept.gain["value"] < 0
    kept, weights = between(truth, balanced, shifted, class_weights="none")
    assert kept.model == weights == "tuned" and kept.gain["value"] > kept.gain["error"]
    assert "every picture counting alike" in kept.why and not kept.gain["weighed"]


def test_a_gain_on_a_rare_class_alone_is_no_proof():
    rng = np.random.default_rng(3)
    truth = (np.arange(400) % 10 == 0).astype(int)
    probe = rng.normal(0, 1, (400, 2)) + 2 * np.eye(2)[truth]
    tuned = probe + np.where(truth[:, None] == 1, 1.5, -0.1) * np.eye(2)[truth]  # the other one pays for it
    kept, weights = between(truth, probe, tuned)
    assert kept.model == weights == "probe" and "every picture counting alike" in kept.why
    kept, weights = between(truth, probe, probe + 1.5 * np.eye(2)[truth])
    assert kept.model == weights == "tuned" and kept.gain["value"] > kept.gain["error"]


def test_a_gain_of_weighed_pictures_is_that_of_as_many_copies():
    from toolkit.evaluation import comparison

    rng = np.random.default_rng(2)
    truth, once = rng.integers(0, 2, 60), np.arange(60)
    first, second = rng.dirichlet([1, 1], 60), rng.dirichlet([1, 1], 60)
    times = 1 + 2 * truth
    copies = np.repeat(once, times)
    weighed = comparison.gain(truth, first, second, weights=times)
    copied = comparison.gain(truth[copies], first[copies], second[copies], groups=copies)
    assert weighed == {name: pytest.approx(value) for name, value in copied.items()}
