"""Thaw the last stage, then the one below it, as long as validation improves.

Each round trains from its boundary upward, starting at the best weights so far, with rates that fall by depth.
"""

from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from toolkit.errors import Stopped
from toolkit.training import checkpoints, flow, loop, optimizers, thaw
from toolkit.training import step as steps

SMALL = 1e-2  # a float32 below it is exact to 1e-9, a thousandth of any step worth taking


@dataclass(frozen=True)
class Plan:
    """How to tune; a round thaws the stages it names, uppermost first."""

    rounds: tuple[tuple[str, ...], ...]     # (("head", "layer4"), ("head", "layer4", "layer3"))
    epochs: int
    views: int                              # augmented views a picture kept at the boundary
    learning_rate: float
    layer_decay: float
    rates: dict | None
    optimizer: str
    weight_decay: float
    clip_norm: float
    warmup: float                           # share of the steps
    batch_size: int
    patience: int                           # epochs
    batch_statistics: str
    seed: int
    precision: str = "float32"              # of the layers below the head, while they are trained
    augment: str = "light"                  # policy of the views


@dataclass
class Tuned:
    """What tuning left in the model: the best weights validation saw."""

    stage: str | None = None                # deepest stage of the round that is kept; None: as it began
    loss: float = float("inf")              # validation, of the weights kept
    loss_before: float | None = None        # validation, of the weights it began with
    history: list = field(default_factory=list)
    first_steps: dict = field(default_factory=dict)   # round -> {stage: largest change of a weight in step one}
    views: dict = field(default_factory=dict)         # stage -> views of a picture that its round kept; 0: fresh ones
    moved: list = field(default_factory=list)         # variables that should have stood still and did not
    stopped: str | None = None              # why it ended before the plan did
    began: dict = field(default_factory=dict, repr=False)   # weights it began with, by path


def tune(model, stages, source, loss, targets, weights, evaluate, plan, tuned, checkpoint=None, resume=False,
         tick=None, epoch_done=None, out_of_time=None):
    """Tune `model` in place, round by round, leave the best weights in it and tell all in `tuned`, however it ends.

    stages: {stage: layers}. source(stage): opens inputs that enter below `stage` (see features.views). targets,
    weights: of the training pictures, in their order. evaluate(logits) -> dict with "validation_loss". tick(round,
    epoch, step, steps, loss) may raise to stop between two steps. checkpoint: a file that lets a later call resume.
    out_of_time(): why training should end after the step, or nothing.
    """
    still_before = thaw.fingerprint(model.weights)
    kept = {v.path: np.array(thaw.numpy(v)) for v in model.variables}
    tuned.began = dict(kept)
    arrays, facts = checkpoints.load(checkpoint) if resume else ({}, {})
    if facts:
        vars(tuned).update(facts["tuned"])
        kept |= {v.path: arrays[f"kept/{i}"] for i, v in enumerate(model.variables) if f"kept/{i}" in arrays}
    touched = set()
    try:
        for number, thawed in enumerate(plan.rounds):
            touched |= may_move(model, stages, thawed, plan.batch_statistics)
            if number < facts.get("round", 0):
                continue
            restore(model, kept)
            again = (arrays, facts) if facts and facts["round"] == number else None
            state = loop.State()
            with source(thawed[-1]) as inputs:
                tuned.views[thawed[-1]] = inputs.views
                try:
                    one_round(model, stages, number, thawed, inputs, state, loss, targets, weights, evaluate, plan,
                              tuned, kept, checkpoint, again, tick, epoch_done, out_of_time)
                finally:  # an interruption too leaves the best so far
                    tuned.moved += [path for path in thaw.moved(still_before, model.weights) if path not in touched]
                    better = keep(tuned, kept, thawed[-1], inputs.model, state)
            late = state.ended or (out_of_time and out_of_time())
            tuned.stopped = late or impatient(state, plan)
            if late or not better:
                break
    finally:
        restore(model, kept)


def keep(tuned, kept, stage, part, state):
    """Take a round's best weights over if they are the best of all; says whether they are."""
    tuned.history += [{"stage": stage, **row} for row in state.history]
    better = state.best is not None and state.best_loss < tuned.loss
    if better:
        tuned.stage, tuned.loss = stage, state.best_loss
        kept |= {v.path: value for v, value in zip(part.variables, state.best, strict=True)}
    return better


def impatient(state, plan):
    """Why a round ended before its epochs did; None where it did not."""
    waited = state.epoch - state.best_epoch
    epochs = "1 epoch" if waited == 1 else f"{waited} epochs"
    return f"no better validation loss for {epochs}" if state.epoch < plan.epochs and waited >= plan.patience else None


def may_move(model, stages, thawed, batch_statistics):
    """Set what learns in this round and return its paths, moving statistics included."""
    thaw.set_trainable(model, stages, thawed, batch_statistics)
    paths = {v.path for v in model.trainable_variables}
    if batch_statistics == "moving":
        paths |= {v.path for stage in thawed for layer in stages[stage] for v in layer.variables}
    return paths


def one_round(model, stages, number, thawed, inputs, state, loss, targets, weights, evaluate, plan, tuned, kept,
              checkpoint, again, tick, epoch_done, out_of_time):
    """Train one round's stages, told in `state`; what is in the model afterwards does not matter."""
    part, count = inputs.model, inputs.steps(plan.batch_size)
    rates = thaw.rates(thawed, plan.learning_rate, plan.layer_decay, plan.rates)
    optimizer, step = compiled(part, stages, rates, loss, count, plan)
    first = FirstStep(part, stages, tuned.first_steps, str(number))
    if again:
        resumed(part, optimizer, state, *again)
    else:
        state.best = state.last = loop.weights_of(part)
        state.best_loss = evaluate(inputs.held(part))["validation_loss"]
        tuned.loss = min(tuned.loss, state.best_loss)
        tuned.loss_before = state.best_loss if tuned.loss_before is None else tuned.loss_before
    changes, keeper = Changes(part, stages, state), checkpoints.Keeper(checkpoint)

    def batches(epoch):
        order = np.random.default_rng([plan.seed, number, epoch]).permutation(len(targets))
        try:
            entering = inputs.train(order, epoch, plan.batch_size)
        except Stopped as stop:
            state.ended = str(stop)
            if checkpoint:
                keeper.keep(*standing(model, part, optimizer, state, number, tuned, kept))
            raise
        return ((arrays, targets[rows], weights[rows]) for rows, arrays in entering)

    def stepped(at, value):
        first.note(step)
        if tick:
            tick(number, state.epoch, at, count, value)

    def epoch_end(state):
        share = float(optimizer.learning_rate) / max(rates.values())
        state.history[-1]["update_norms"] = changes.told(state)
        state.history[-1]["rates"] = {stage: rate * share for stage, rate in rates.items()}
        if checkpoint:
            keeper.keep(*standing(model, part, optimizer, state, number, tuned, kept))
        if epoch_done:
            epoch_done(thawed[-1], state)

    with closing(keeper):
        loop.fit(part, step, state, plan.epochs, plan.patience, batches, lambda: evaluate(inputs.held(part)), epoch_end,
                 stepped, out_of_time)


def compiled(part, stages, rates, loss, count, plan):
    """(optimizer, step) that train what is thawed in `part` by `rates` {stage: rate}, in epochs of `count` steps."""
    by_path, top, variables = thaw.stage_by_path(stages), max(rates.values()), part.trainable_variables
    optimizer = optimizers.build(plan.optimizer, variables, {v.path: rates[by_path[v.path]] / top for v in variables},
                                 top, count * plan.epochs, plan.warmup, plan.weight_decay, plan.clip_norm,
                                 plan.precision)
    return optimizer, steps.build(part, optimizer, loss, thaw.below_head(part, stages), plan.precision, by_path)


class Changes:
    """How far the weights of each stage go in an epoch, read off the loop.State's copies of them."""

    def __init__(self, part, stages, state):
        learning, self.stages = {id(v) for v in part.trainable_variables}, thaw.stage_by_path(stages)
        self.places = [place for place, v in enumerate(part.variables) if id(v) in learning]
        self.paths = [part.variables[place].path for place in self.places]
        self.before = self.weights(state)

    def weights(self, state):
        return [state.last[place] for place in self.places]

    def told(self, state):
        """{stage: relative change} since the epoch before."""
        before, self.before = self.before, self.weights(state)
        return flow.changes(self.paths, before, self.before, self.stages)


class FirstStep:
    """Notes {stage: largest change of a weight} of a round's first step: a mistake in the rates shows there at once."""

    def __init__(self, part, stages, found, key):
        self.variables, self.by_path = part.trainable_variables, thaw.stage_by_path(stages)
        self.found, self.key = found, key
        self.before = None if key in found else [np.array(thaw.numpy(v)) for v in self.variables]

    def note(self, step):
        """After each step: the first that changes anything is noted (float16 leaves out steps that overflow)."""
        if self.before is None:
            return
        step.settle()
        if found := largest_steps(self.variables, self.before, self.by_path):
            self.found[self.key], self.before = found, None


def largest_steps(variables, before, by_path):
    """{stage: largest absolute change of one of its weights}, read off small weights, which round least."""
    found = {}
    for variable, old in zip(variables, before):
        stage = by_path[variable.path]
        step, size = np.abs(thaw.numpy(variable) - old), np.abs(old)
        if (step > 0).any():
            small = size <= max(SMALL, size[step > 0].min())
            found[stage] = max(found.get(stage, 0.0), float(step[small].max()))
    return found


def standing(model, part, optimizer, state, number, tuned, kept):
    """(arrays, facts): everything a round needs to go on as if it had not been stopped.

    Variables by their place: the path of a seed holds a number that counts what the process made before.
    """
    arrays = {f"model/{i}": value for i, value in enumerate(state.last)}
    arrays |= {f"best/{i}": value for i, value in enumerate(state.best)}
    arrays |= {f"optimizer/{i}": np.array(thaw.numpy(v)) for i, v in enumerate(optimizer.variables)}
    trained = {v.path for v in part.variables}
    arrays |= {f"kept/{i}": kept[v.path] for i, v in enumerate(model.variables) if v.path in trained}
    return arrays, {"round": number, "tuned": told(tuned), "epoch": state.epoch, "best_loss": state.best_loss,
                    "best_epoch": state.best_epoch, "history": state.history, "ended": state.ended}


def told(tuned):
    """What JSON can hold of `tuned`."""
    return {name: value for name, value in vars(tuned).items() if name != "began"}


def resumed(part, optimizer, state, arrays, facts):
    """Put weights, optimizer and the loop.State back."""
    listed = {kind: [arrays[f"{kind}/{i}"] for i in range(sum(name.startswith(f"{kind}/") for name in arrays))]
              for kind in ("model", "best", "optimizer")}
    loop.assign(part, listed["model"])
    for variable, value in zip(optimizer.variables, listed["optimizer"], strict=True):
        variable.assign(value)
    state.best, state.last = listed["best"], listed["model"]
    state.epoch, state.best_loss, state.best_epoch, state.history = (
        facts[name] for name in ("epoch", "best_loss", "best_epoch", "history"))
    state.ended = facts.get("ended")


def restore(model, kept):
    """Put the kept weights back into the model."""
    for variable in model.variables:
        variable.assign(kept[variable.path])
