"""The loop alone, around a model that only counts."""

import math
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from toolkit.errors import DivergedError
from toolkit.training import loop


class Counter:
    """A model, and its step, whose one variable is the number of steps it took."""

    stages = ()

    def __init__(self, losses=lambda step: 1.0):
        self.variables, self.losses, self.asked = [SimpleNamespace(value=np.zeros(1))], losses, []
        self.settled = 0

    def place(self, *batch):
        return batch

    def __call__(self, batch):
        self.asked.append(batch)
        self.variables[0].value = self.variables[0].value + 1
        return self.losses(self.steps)

    def settle(self):
        self.settled = self.steps

    @property
    def steps(self):
        return int(self.variables[0].value[0])


def fitted(validation, epochs=10, patience=3, steps=2, model=None, state=None, batches=None, **more):
    """(state, model) after training against a list of validation losses."""
    model, state, left = model or Counter(), state or loop.State(best_loss=1.0), iter(validation)
    loop.fit(model, model, state, epochs, patience, batches or (lambda epoch: (("x", "t", "w") for _ in range(steps))),
             lambda: {"validation_loss": next(left)}, **more)
    return state, model


def test_best_weights_are_kept_and_patience_ends():
    state, model = fitted([0.9, 0.8, 0.85, 0.8, 0.81, 0.1])
    assert (state.epoch, state.best_epoch, state.best_loss) == (5, 2, 0.8)
    assert state.best[0] == 4 and model.steps == 10  # best is a copy of what stood then


def test_patience_counts_from_the_start_too():
    state, _ = fitted([2.0] * 9)
    assert state.epoch == 3 and state.best is None


def test_epochs_bound_the_training_and_are_told():
    seen, ticks = [], []
    model = Counter(float)
    state, _ = fitted([0.9, 0.8], epochs=2, model=model, done=lambda s: seen.append(s.epoch),
                          tick=lambda step, loss: ticks.append((step, loss)))
    assert state.epoch == 2 and seen == [1, 2] and model.asked == [("x", "t", "w")] * 4
    assert [place for place, _ in ticks] == [1, 2, 1, 2]
    assert [loss for _, loss in ticks] == pytest.approx([math.nan, 1, math.nan, 3], nan_ok=True)  # of the step before
    assert state.history == [{"epoch": 1, "train_loss": 1.5, "validation_loss": 0.9},
                             {"epoch": 2, "train_loss": 3.5, "validation_loss": 0.8}]


class Flowing(Counter):
    """Tells the norms of two stages beside its loss, and notes when its figures are read."""

    stages = ("low", "head")

    def __init__(self, *rows):
        super().__init__(lambda step: Figures(self, rows[step - 1]))
        self.read = []


class Figures:
    """What a device will have computed some time."""

    def __init__(self, model, row):
        self.model, self.row, self.step = model, row, model.steps

    def __array__(self, dtype=None, copy=None):
        self.model.read.append((self.step, self.model.steps))
        return np.array(self.row, np.float32)


def test_the_norms_of_each_stage_are_means_over_the_steps_of_an_epoch():
    model = Flowing((1, 2, 8), (1, 4, 16), (1, 1, 1), (1, 3, 3))
    state, _ = fitted([0.9, 0.8], epochs=2, model=model)
    assert [row["gradient_norms"] for row in state.history] == [{"low": 3, "head": 12}, {"low": 2, "head": 2}]
    assert [np.asarray(weights[0]).item() for weights in (state.last, state.best)] == [4, 4]


def test_figures_are_read_once_and_only_when_the_next_step_is_under_way():
    model = Flowing(*[(1, 1, 1)] * 3)
    fitted([0.9], epochs=1, model=model, steps=3, tick=lambda step, loss: None)
    assert model.read == [(1, 2), (2, 3), (3, 3)]


def test_a_step_that_was_left_out_does_not_count_in_the_norms():
    model = Flowing((1, math.inf, 2), (1, 4, 6), (1, math.nan, math.nan), (1, math.inf, 1))
    state, _ = fitted([0.9, 0.8], epochs=2, model=model)
    assert [row["gradient_norms"] for row in state.history] == [{"low": 4, "head": 6}, {"low": None, "head": None}]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("at, taken", [(4, 5), (6, 6)])
def test_D2_a_training_loss_that_is_not_finite_ends_one_step_later_at_most(bad, at, taken):
    model = Counter(lambda step: bad if step == at else 1.0)
    state = loop.State(best_loss=1.0)
    with pytest.raises(DivergedError, match=f"epoch 2, step {at - 3}.*--learning-rate"):
        fitted([0.9, 0.8], steps=3, model=model, state=state)
    assert state.best_epoch == 1 and state.best[0] == 3 and model.steps == model.settled == taken


def test_D2_a_validation_loss_that_is_not_finite_is_never_best():
    state = loop.State(best_loss=1.0)
    with pytest.raises(DivergedError, match="validation loss became nan in epoch 2"):
        fitted([0.9, math.nan], state=state)
    assert state.best_epoch == 1 and np.isfinite(state.best_loss)


def test_D7_time_runs_out_between_steps_and_what_was_learnt_is_judged():
    state, model = fitted([0.5, 0.4], steps=100, out_of_time=lambda: True)
    assert model.steps == model.settled == 1 and (state.epoch, state.best_loss) == (1, 0.5)


def test_E1_an_interruption_leaves_the_best():
    def tick(step, loss):
        if state.epoch == 1:
            raise KeyboardInterrupt

    state, model = loop.State(best_loss=1.0), Counter()
    with pytest.raises(KeyboardInterrupt):
        fitted([0.9, 0.8], state=state, model=model, tick=tick)
    assert state.best[0] == 2 and state.best_loss == 0.9 and model.settled == 3


def test_resumed_at_its_end_it_does_nothing():
    state, model = fitted([], epochs=2, state=loop.State(epoch=2, best_epoch=2))
    assert model.steps == 0 and state.epoch == 2


def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("ahead")]


def counted(made, ended, count=10):
    """A generator of (0,), (1,), ... that notes what it made and its end."""
    try:
        for number in range(count):
            made.append(number)
            yield (number,)
    finally:
        ended.append(threading.current_thread().name)


def until(condition):
    """Wait for what another thread does; at most 10 s."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    assert condition()


def test_input_is_made_ahead_in_order_and_no_further_than_asked():
    made, ended = [], []
    items = loop.ahead(counted(made, ended), lambda number: number * 10, count=2)
    assert next(items) == 0
    until(lambda: made == [0, 1, 2])  # two beside the one that is used
    time.sleep(0.05)
    assert made == [0, 1, 2] and threads()
    assert list(items) == [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert len(ended) == 1 and threads() == []


def test_what_is_closed_early_leaves_no_thread_and_an_ended_generator():
    made, ended = [], []
    source = counted(made, ended)
    items = loop.ahead(source, lambda number: number)
    next(items)
    items.close()
    assert len(ended) == 1 and threads() == [] and len(made) <= 4


@pytest.mark.parametrize("where", ["generator", "prepare"])
def test_an_error_comes_where_its_item_would_have_come(where):
    def items():
        for number in range(5):
            if where == "generator" and number == 3:
                raise OSError("picture 3")
            yield (number,)

    def prepare(number):
        if where == "prepare" and number == 3:
            raise OSError("picture 3")
        return number

    seen = []
    with pytest.raises(OSError, match="picture 3"):
        for item in loop.ahead(items(), prepare):
            seen.append(item)
    assert seen == [0, 1, 2] and threads() == []


@pytest.mark.parametrize("stop", [KeyboardInterrupt, DivergedError])
def test_whatever_ends_an_epoch_ends_its_input(stop):
    def tick(step, loss):
        if step == 2:
            raise stop("now")

    made, ended, model = [], [], Counter()
    with pytest.raises(stop):
        fitted([0.9], model=model, batches=lambda epoch: counted(made, ended), tick=tick)
    assert model.asked == [(0,), (1,)] and len(ended) == 1 and threads() == []


def test_input_is_made_while_a_step_runs():
    started = threading.Event()

    def batches(epoch):
        yield ("first",)
        started.set()  # while the first step waits below
        yield ("second",)

    class Waiting(Counter):
        def __call__(self, batch):
            if batch == ("first",):
                assert started.wait(10)
            return super().__call__(batch)

    _, model = fitted([0.9], epochs=1, model=Waiting(), batches=batches)
    assert model.asked == [("first",), ("second",)]
