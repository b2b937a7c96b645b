"""Epochs over batches: compiled steps, input made meanwhile, validation after each epoch, the best weights kept."""

import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from toolkit.errors import DivergedError
from toolkit.training import thaw

AHEAD = 2  # batches ready or in the making while a step runs


@dataclass
class State:
    """Where a round of training stands; everything a resumed run needs beside weights and optimizer."""

    epoch: int = 0                                  # epochs done
    best_loss: float = math.inf                     # validation, of `best`
    best_epoch: int = 0                             # 0: as the round began
    best: list | None = None                        # weights, in the order of the model's variables
    history: list = field(default_factory=list)     # one dict an epoch


def fit(model, step, state, epochs, patience, batches, validate, done=None, tick=None, out_of_time=None):
    """Train `model` by `step` (see training.step) from `state` on to `epochs`; ends early after `patience` epochs
    without a better loss.

    batches(epoch): (inputs, targets, sample weights) of each step, in order; runs in a thread beside the steps.
    validate(): dict with "validation_loss". done(state): after each epoch. tick(step of the epoch, loss of the step
    before it or nan): after each step, may raise to stop between two steps. out_of_time(): True ends training after the
    step. Raises DivergedError where a loss is not finite; `state.best` then still holds the best finite weights.
    """
    while state.epoch < epochs and state.epoch - state.best_epoch < patience:
        try:
            loss, late = one_epoch(step, state.epoch + 1, batches(state.epoch), tick, out_of_time)
        finally:
            step.settle()
        scores = validate()
        if not math.isfinite(scores["validation_loss"]):
            raise DivergedError(f"the validation loss became {scores['validation_loss']} in epoch {state.epoch + 1}; "
                                "try a lower --learning-rate. The best finite model is kept.")
        state.epoch += 1
        state.history.append({"epoch": state.epoch, "train_loss": loss, **scores})
        if scores["validation_loss"] < state.best_loss:
            state.best_loss, state.best_epoch = scores["validation_loss"], state.epoch
            state.best = weights_of(model)
        if done:
            done(state)
        if late:
            break
    return state


def one_epoch(step, epoch, batches, tick, out_of_time):
    """(loss of the last step, whether time ran out) of the steps over `batches`.

    A loss is read when the next step is under way: reading it at once would leave a GPU idle meanwhile.
    """
    running, loss, late = None, math.nan, False
    with closing(ahead(batches, step.place)) as placed:
        for number, batch in enumerate(placed, 1):
            before, running = running, step(batch)
            if before is not None:
                loss = finite(before, epoch, number - 1)
            if tick:
                tick(number, loss)
            late = bool(out_of_time and out_of_time())
            if late:
                break
    return (loss if running is None else finite(running, epoch, number)), late


def finite(loss, epoch, step):
    """The loss as a number, waited for; DivergedError where it is none."""
    loss = float(loss)
    if not math.isfinite(loss):
        raise DivergedError(f"the training loss became {loss} in epoch {epoch}, step {step}; "
                            "try a lower --learning-rate. The best finite model is kept.")
    return loss


def ahead(items, prepare, count=AHEAD):
    """`prepare(*item)` of a generator's items in their order, made by a thread while the caller works on those before.

    At most `count` are ready or in the making. An error is raised where its item would have come. Closing this closes
    the generator and ends the thread, after the item that is being made.
    """
    end = object()

    def made():
        item = next(items, end)
        return end if item is end else prepare(*item)

    with ThreadPoolExecutor(1, "ahead") as thread:
        waiting = deque(thread.submit(made) for _ in range(count))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(thread.submit(made))
                yield item
        finally:
            thread.shutdown(cancel_futures=True)
            items.close()


def weights_of(model):
    """Copies of the model's variables, seeds of dropout among them."""
    return [np.array(thaw.numpy(v)) for v in model.variables]


def assign(model, weights):
    """Put `weights_of` back."""
    for variable, value in zip(model.variables, weights, strict=True):
        variable.assign(value)
