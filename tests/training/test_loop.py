"""The loop alone, around a model that only counts."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.errors import DivergedError
from toolkit.training import loop


class Counter:
    """A model whose one weight is the number of steps it took."""

    def __init__(self, losses=lambda step: 1.0):
        self.weights, self.losses, self.asked = [SimpleNamespace(value=np.zeros(1))], losses, []

    def reset_metrics(self):
        pass

    def train_on_batch(self, inputs, targets, sample_weight, return_dict):
        self.asked.append((inputs, targets, sample_weight))
        self.weights[0].value = self.weights[0].value + 1
        return {"loss": self.losses(int(self.weights[0].value[0]))}


def fitted(validation, epochs=10, patience=3, steps=2, model=None, state=None, **more):
    """(state, model) after training against a list of validation losses."""
    model, state, left = model or Counter(), state or loop.State(best_loss=1.0), iter(validation)
    loop.fit(model, state, epochs, patience, lambda epoch: iter([("x", "t", "w")] * steps),
             lambda: {"validation_loss": next(left)}, **more)
    return state, model


def test_best_weights_are_kept_and_patience_ends():
    state, model = fitted([0.9, 0.8, 0.85, 0.8, 0.81, 0.1])
    assert (state.epoch, state.best_epoch, state.best_loss) == (5, 2, 0.8)
    assert state.best[0] == 4 and model.weights[0].value == 10  # best is a copy of what stood then


def test_patience_counts_from_the_start_too():
    state, _ = fitted([2.0] * 9)
    assert state.epoch == 3 and state.best is None


def test_epochs_bound_the_training_and_are_told():
    seen, ticks = [], []
    state, model = fitted([0.9, 0.8], epochs=2, done=lambda s: seen.append(s.epoch),
                          tick=lambda step, loss: ticks.append((step, loss)))
    assert state.epoch == 2 and seen == [1, 2] and ticks == [(1, 1.0), (2, 1.0)] * 2
    assert model.asked == [("x", "t", "w")] * 4
    assert state.history == [{"epoch": 1, "train_loss": 1.0, "validation_loss": 0.9},
                             {"epoch": 2, "train_loss": 1.0, "validation_loss": 0.8}]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_D2_a_training_loss_that_is_not_finite_ends_within_the_step(bad):
    model = Counter(lambda step: bad if step == 4 else 1.0)
    state = loop.State(best_loss=1.0)
    with pytest.raises(DivergedError, match="epoch 2, step 2.*--learning-rate"):
        fitted([0.9, 0.8], model=model, state=state)
    assert state.best_epoch == 1 and state.best[0] == 2 and model.weights[0].value == 4


def test_D2_a_validation_loss_that_is_not_finite_is_never_best():
    state = loop.State(best_loss=1.0)
    with pytest.raises(DivergedError, match="validation loss became nan in epoch 2"):
        fitted([0.9, math.nan], state=state)
    assert state.best_epoch == 1 and np.isfinite(state.best_loss)


def test_D7_time_runs_out_between_steps_and_what_was_learnt_is_judged():
    state, model = fitted([0.5, 0.4], steps=100, out_of_time=lambda: True)
    assert model.weights[0].value == 1 and (state.epoch, state.best_loss) == (1, 0.5)


def test_E1_an_interruption_leaves_the_best():
    def tick(step, loss):
        if state.epoch == 1:
            raise KeyboardInterrupt

    state = loop.State(best_loss=1.0)
    with pytest.raises(KeyboardInterrupt):
        fitted([0.9, 0.8], state=state, tick=tick)
    assert state.best[0] == 2 and state.best_loss == 0.9


def test_resumed_at_its_end_it_does_nothing():
    state, model = fitted([], epochs=2, state=loop.State(epoch=2, best_epoch=2))
    assert model.weights[0].value == 0 and state.epoch == 2
