"""Epochs over batches: one compiled step, validation after each epoch, the best weights kept, nothing non-finite."""

import math
from dataclasses import dataclass, field

import numpy as np

from toolkit.errors import DivergedError
from toolkit.training import thaw


@dataclass
class State:
    """Where a round of training stands; everything a resumed run needs beside weights and optimizer."""

    epoch: int = 0                                  # epochs done
    best_loss: float = math.inf                     # validation, of `best`
    best_epoch: int = 0                             # 0: as the round began
    best: list | None = None                        # weights, in the order of the model's variables
    history: list = field(default_factory=list)     # one dict an epoch


def fit(model, state, epochs, patience, batches, validate, done=None, tick=None, out_of_time=None):
    """Train the compiled `model` from `state` on to `epochs`; ends early after `patience` epochs without a better loss.

    batches(epoch): (inputs, targets, sample weights) of each step, in order. validate(): dict with "validation_loss".
    done(state): after each epoch. tick(step of the epoch, loss): after each step, may raise to stop between two steps.
    out_of_time(): True ends training after the step. Raises DivergedError where a loss is not finite; `state.best`
    then still holds the best finite weights.
    """
    while state.epoch < epochs and state.epoch - state.best_epoch < patience:
        model.reset_metrics()
        loss, late = math.nan, False
        for step, (inputs, targets, weights) in enumerate(batches(state.epoch), 1):
            loss = float(model.train_on_batch(inputs, targets, sample_weight=weights, return_dict=True)["loss"])
            if not math.isfinite(loss):
                raise DivergedError(f"the training loss became {loss} in epoch {state.epoch + 1}, step {step}; "
                                    "try a lower --learning-rate. The best finite model is kept.")
            if tick:
                tick(step, loss)
            if out_of_time and out_of_time():
                late = True
                break
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


def weights_of(model):
    """Copies of the model's weights, optimizer apart."""
    return [np.array(thaw.numpy(v)) for v in model.weights]


def assign(model, weights):
    """Put `weights_of` back."""
    for variable, value in zip(model.weights, weights, strict=True):
        variable.assign(value)
