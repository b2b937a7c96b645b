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
    last: list | None = None                        # weights after the last epoch, in that order; not to be changed
    history: list = field(default_factory=list)     # one dict an epoch
    ended: str | None = None                        # why the last epoch was broken off; nothing is trained after it


def fit(model, step, state, epochs, patience, batches, validate, done=None, tick=None, out_of_time=None):
    """Train `model` by `step` (see training.step) from `state` on to `epochs`; ends early after `patience` epochs
    without a better loss.

    batches(epoch): a generator of (inputs, targets, sample weights) of each step, in order, that runs in a thread
    beside the steps; what the call itself does is done before the first of them.
    validate(): dict with "validation_loss". done(state): after each epoch. tick(step of the epoch, loss of the step
    before it or nan): after each step, may raise to stop between two steps. out_of_time(): why training should end
    after the step, or nothing. Raises DivergedError where a loss is not finite; `state.best` then still holds the best
    finite weights.
    """
    while not state.ended and state.epoch < epochs and state.epoch - state.best_epoch < patience:
        try:
            figures, state.ended = one_epoch(step, state.epoch + 1, batches(state.epoch), tick, out_of_time)
        finally:
            step.settle()
        scores = validate()
        if not math.isfinite(scores["validation_loss"]):
            raise DivergedError(f"the validation loss became {scores['validation_loss']} in epoch {state.epoch + 1}; "
                                "try a lower --learning-rate. The best finite model is kept.")
        state.epoch += 1
        state.history.append({"epoch": state.epoch, "train_loss": mean_loss(figures), **scores})
        if step.stages:
            state.history[-1]["gradient_norms"] = means(step.stages, figures)
        state.last = weights_of(model)
        if scores["validation_loss"] < state.best_loss:
            state.best_loss, state.best_epoch = scores["validation_loss"], state.epoch
            state.best = state.last
        if done:
            done(state)
    return state


def one_epoch(step, epoch, batches, tick, out_of_time):
    """(figures of each step over `batches`, the loss first; why it was broken off, or None).

    They are read when the next step is under way: reading them at once would leave a GPU idle meanwhile.
    """
    running, found, late = None, [], None
    with closing(ahead(batches, step.place)) as placed:
        for number, batch in enumerate(placed, 1):
            before, running = running, step(batch)
            if before is not None:
                found.append(read(before, epoch, number - 1))
            if tick:
                tick(number, found[-1][0] if found else math.nan)
            late = out_of_time() if out_of_time else None
            if late:
                break
    return found + ([] if running is None else [read(running, epoch, number)]), late


def read(figures, epoch, step):
    """A step's figures as a list of numbers, waited for; DivergedError where the first of them, the loss, is none."""
    found = np.ravel(figures).tolist()
    if not math.isfinite(found[0]):
        raise DivergedError(f"the training loss became {found[0]} in epoch {epoch}, step {step}; "
                            "try a lower --learning-rate. The best finite model is kept.")
    return found


def mean_loss(figures):
    """Mean of the steps' losses: that of one step alone says little of an epoch."""
    return float(np.mean([row[0] for row in figures])) if figures else math.nan


def means(names, figures):
    """{name: mean over the steps} of the figures behind the losses; steps count whose figures are all finite."""
    fine = [row[1:] for row in figures if all(map(math.isfinite, row))]
    return dict(zip(names, np.mean(fine, axis=0).tolist() if fine else [None] * len(names)))


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
