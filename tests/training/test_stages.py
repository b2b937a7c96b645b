"""Rounds of thawing: what moves, what is kept, and how they go on after any end. Held on both backends."""

import math
import shutil
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests import tiny

from toolkit.errors import DivergedError, Stopped, UntrustedError
from toolkit.training import checkpoints, thaw
from toolkit.training.stages import Plan, Tuned, tune

ONE, TWO = (("head", "layer2"),), (("head", "layer2"), ("head", "layer2", "layer1"))
PLAN = Plan(ONE, epochs=2, views=1, learning_rate=0.01, layer_decay=0.5, rates=None, optimizer="adamw",
            weight_decay=0.01, clip_norm=1.0, warmup=0.1, batch_size=16, patience=2, batch_statistics="still", seed=0)
PIXELS, NUMBERS = tiny.pictures(64)
TRAIN, HELD = slice(0, 48), slice(48, 64)
TARGETS = np.eye(tiny.CLASSES, dtype=np.float32)[NUMBERS]


class Whole:
    """Pictures enter the whole network; `spoil(epoch, inputs)` may change what is trained on."""

    def __init__(self, model, spoil=lambda epoch, inputs: inputs):
        self.model, self.spoil, self.seen, self.views = model, spoil, [], 0

    def steps(self, batch_size):
        return len(NUMBERS[TRAIN]) // batch_size

    def train(self, order, epoch, batch_size):
        self.seen.append(order)
        for rows in np.array_split(order, self.steps(batch_size)):
            yield rows, self.spoil(epoch, PIXELS[TRAIN][rows].astype(np.float32))

    def held(self, model):
        return np.asarray(model.predict_on_batch(PIXELS[HELD].astype(np.float32)))


def losses(*given):
    """An `evaluate` that answers the given losses in turn."""
    left = iter(given)
    return lambda logits: {"validation_loss": next(left)}


def cross_entropy(logits):
    shifted = logits - logits.max(1, keepdims=True)
    each = np.log(np.exp(shifted).sum(1)) - shifted[np.arange(len(logits)), NUMBERS[HELD]]
    return {"validation_loss": float(each.mean())}


class Case:
    """A fresh network and all that `tune` wants beside the plan."""

    def __init__(self, spoil=lambda epoch, inputs: inputs, dropout=False):
        self.model, self.stages = tiny.network()
        if dropout:
            self.drop()
        self.before, self.inputs, self.tuned = tiny.values(self.model), Whole(self.model, spoil), Tuned()
        self.opened, self.starts = [], []

    def drop(self):
        """Leave out half of what the head reads."""
        import keras

        dropped = keras.layers.Dropout(0.5, seed=4, name="drop")
        self.model = keras.Model(self.model.input, self.model.get_layer("head")(
            dropped(self.model.get_layer("pooled").output)))
        self.stages["head"].append(dropped)

    @contextmanager
    def source(self, stage):
        self.opened.append(stage)
        self.starts.append(tiny.values(self.model))
        yield self.inputs

    def tune(self, plan=PLAN, evaluate=cross_entropy, **more):
        import keras

        loss = keras.losses.CategoricalCrossentropy(from_logits=True)
        tune(self.model, self.stages, self.source, loss, TARGETS[TRAIN], np.ones(48, np.float32), evaluate, plan,
             self.tuned, **more)
        return self

    def changed(self):
        """Paths whose bytes are not those that it began with."""
        now = tiny.values(self.model)
        return {path for path in now if not np.array_equal(now[path], self.before[path])}


def weights_after(case, epochs):
    """An `epoch_done` and the list that it fills: the weights after each epoch."""
    kept = []
    return kept, lambda stage, state: kept.append(tiny.values(case.model))


def equal(one, other):
    return set(one) == set(other) and all(np.array_equal(one[path], other[path]) for path in one)


def test_first_steps_stand_in_powers_of_the_decay_and_frozen_weights_stand_still():
    case = Case().tune(replace(PLAN, rounds=TWO[1:], learning_rate=0.01), losses(1.0, 0.9, 0.8))
    steps = case.tuned.first_steps["0"]
    assert list(case.opened) == ["layer1"] and set(steps) == {"head", "layer2", "layer1"}
    for depth, stage in enumerate(("head", "layer2", "layer1")):
        assert steps[stage] / steps["head"] == pytest.approx(0.5**depth, rel=1e-3)
    statistics = {path for path in case.before if "moving" in path}
    assert case.changed() == set(case.before) - statistics - {"conv1/kernel", "bn1/gamma", "bn1/beta"}
    assert case.tuned.moved == []


def test_learning_lowers_the_loss_and_history_tells_it():
    told = []
    case = Case().tune(replace(PLAN, epochs=6, patience=6, learning_rate=0.05),
                       epoch_done=lambda stage, state: told.append(stage))
    assert case.tuned.stage == "layer2" and case.tuned.loss < 0.8 * case.tuned.loss_before
    assert case.tuned.loss == min(row["validation_loss"] for row in case.tuned.history)
    assert [row["epoch"] for row in case.tuned.history] == [1, 2, 3, 4, 5, 6] and told == ["layer2"] * 6
    assert cross_entropy(case.inputs.held(case.model))["validation_loss"] == pytest.approx(case.tuned.loss, rel=1e-5)
    for row in case.tuned.history:
        assert row["rates"]["layer2"] == pytest.approx(0.5 * row["rates"]["head"])
    rates = [row["rates"]["head"] for row in case.tuned.history]
    assert rates == sorted(rates, reverse=True) and rates[-1] == pytest.approx(0.0, abs=1e-8)


def test_every_epoch_tells_how_strong_gradients_were_and_how_far_weights_went():
    case = Case()
    seen, note = weights_after(case, 2)
    case.tune(replace(PLAN, rounds=TWO[1:]), losses(1.0, 0.9, 0.8), epoch_done=note)
    by_path, before = thaw.stage_by_path(case.stages), case.before
    assert len(case.tuned.history) == 2
    for row, after in zip(case.tuned.history, seen):
        assert set(row["gradient_norms"]) == set(row["update_norms"]) == {"head", "layer2", "layer1"}
        assert all(norm > 0 for norm in row["gradient_norms"].values())
        for stage, found in row["update_norms"].items():
            learnt = [path for path in before if by_path[path] == stage and "moving" not in path]
            old, new = (np.concatenate([values[path].ravel() for path in learnt]) for values in (before, after))
            assert found == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old), rel=1e-4) and found > 0
        before = after


def test_the_best_weights_are_left_and_patience_ends_the_round():
    case = Case()
    seen, note = weights_after(case, 3)
    case.tune(replace(PLAN, epochs=9, patience=1), losses(1.0, 0.8, 0.9, 0.1), epoch_done=note)
    assert len(seen) == 2 and equal(tiny.values(case.model), seen[0]) and not equal(*seen)
    assert (case.tuned.stage, case.tuned.loss, case.tuned.loss_before) == ("layer2", 0.8, 1.0)


def test_a_second_round_begins_at_the_best_only_after_a_better_first():
    worse = Case().tune(replace(PLAN, rounds=TWO, epochs=1), losses(1.0, 1.0))
    assert worse.opened == ["layer2"] and worse.tuned.stage is None and worse.changed() == set()

    case, starts = Case(), []
    case.tune(replace(PLAN, rounds=TWO, epochs=2, patience=2), losses(1.0, 0.8, 0.9, 0.8, 0.85, 0.9),
              epoch_done=lambda stage, state: starts.append((stage, state.epoch, tiny.values(case.model))))
    assert [start[:2] for start in starts] == [("layer2", 1), ("layer2", 2), ("layer1", 1), ("layer1", 2)]
    assert equal(case.starts[1], starts[0][2]) and not equal(case.starts[1], starts[1][2])
    # the second round was no better, so the first one's best weights stand
    assert case.tuned.stage == "layer2" and equal(tiny.values(case.model), starts[0][2])


def test_a_better_second_round_is_kept():
    case = Case().tune(replace(PLAN, rounds=TWO, epochs=1), losses(1.0, 0.8, 0.8, 0.7))
    assert (case.tuned.stage, case.tuned.loss, list(case.tuned.first_steps)) == ("layer1", 0.7, ["0", "1"])
    assert case.tuned.views == {"layer2": 0, "layer1": 0}
    assert {"layer1.0.conv1/kernel", "layer2.0.conv1/kernel"} <= case.changed()


def test_moving_statistics_move_where_asked_and_there_alone():
    case = Case().tune(replace(PLAN, batch_statistics="moving", epochs=1), losses(1.0, 0.9))
    assert {path for path in case.changed() if "moving" in path} == {"layer2.0.bn1/moving_mean",
                                                                    "layer2.0.bn1/moving_variance"}
    assert case.tuned.moved == []


def test_a_frozen_weight_that_moved_is_reported():
    def spoil(epoch, inputs):
        statistics = case.model.get_layer("bn1").moving_mean
        statistics.assign(statistics + 1.0)
        return inputs

    case = Case(spoil)
    case.tune(replace(PLAN, epochs=1), losses(1.0, 0.9))
    assert case.tuned.moved == ["bn1/moving_mean"]


def test_D2_a_loss_that_is_not_finite_leaves_the_best_finite_weights():
    case = Case(lambda epoch, inputs: inputs * (np.nan if epoch == 1 else 1.0))
    seen, note = weights_after(case, 1)
    with pytest.raises(DivergedError, match="epoch 2, step 1"):
        case.tune(PLAN, losses(1.0, 0.9), epoch_done=note)
    assert case.tuned.stage == "layer2" and equal(tiny.values(case.model), seen[0])
    assert all(np.isfinite(value).all() for value in tiny.values(case.model).values())


def test_D2_from_the_first_step_on_it_leaves_what_it_began_with():
    case = Case(lambda epoch, inputs: inputs * np.nan)
    with pytest.raises(DivergedError):
        case.tune()
    assert case.tuned.stage is None and case.changed() == set()


def test_E1_an_interruption_leaves_the_best_so_far():
    def tick(number, epoch, step, steps, loss):
        assert (number, steps) == (0, 3) and np.isfinite(loss) == (step > 1)  # the loss of the step before
        if (epoch, step) == (1, 2):
            raise KeyboardInterrupt

    case = Case()
    seen, note = weights_after(case, 1)
    with pytest.raises(KeyboardInterrupt):
        case.tune(PLAN, losses(1.0, 0.9), tick=tick, epoch_done=note)
    assert case.tuned.stage == "layer2" and equal(tiny.values(case.model), seen[0])


def test_D7_the_time_limit_ends_at_a_safe_point_and_says_so():
    case = Case().tune(replace(PLAN, rounds=TWO), losses(1.0, 0.9), out_of_time=lambda: "time budget spent")
    assert case.opened == ["layer2"] and case.tuned.stage == "layer2" and "time budget" in case.tuned.stopped


@pytest.mark.parametrize("changes, given, why", [
    ({"epochs": 5, "patience": 2}, (1.0, 0.9, 0.95, 0.95), "no better validation loss for 2 epochs"),
    ({"epochs": 5, "patience": 1}, (1.0, 1.1), "no better validation loss for 1 epoch"),
    ({"epochs": 2, "patience": 2}, (1.0, 1.1, 1.1), None), ({"epochs": 2}, (1.0, 0.9, 0.8), None)])
def test_D7_tuning_says_why_it_ended_before_its_plan(changes, given, why):
    case = Case().tune(replace(PLAN, **changes), losses(*given))
    assert case.tuned.stopped == why and len(case.tuned.history) == len(given) - 1


def test_D7_a_request_is_told_although_the_round_brought_nothing():
    case = Case().tune(replace(PLAN, rounds=TWO), losses(1.0, 1.1), out_of_time=lambda: "stopped on request")
    assert (case.tuned.stage, case.tuned.stopped, case.opened) == (None, "stopped on request", ["layer2"])


LONG = replace(PLAN, rounds=TWO, learning_rate=0.05)


@pytest.mark.parametrize("stop_at", [(0, 1, 2), (1, 0, 1), (1, 1, 3)])
def test_E1_a_resumed_run_ends_in_the_same_weights(tmp_path, unbroken, stop_at):
    def tick(*place):
        if place[:3] == stop_at:
            raise KeyboardInterrupt

    file = tmp_path / "last.npz"
    with pytest.raises(KeyboardInterrupt):
        Case().tune(LONG, checkpoint=file, tick=tick)
    case = Case().tune(LONG, checkpoint=file, resume=True)
    assert case.tuned.history == unbroken.tuned.history and case.tuned.stage == unbroken.tuned.stage
    assert all({"gradient_norms", "update_norms"} <= set(row) for row in case.tuned.history)
    assert case.tuned.first_steps == unbroken.tuned.first_steps and case.tuned.loss == unbroken.tuned.loss
    assert case.tuned.loss_before == unbroken.tuned.loss_before
    assert equal(tiny.values(case.model), tiny.values(unbroken.model)) and equal(case.tuned.began, unbroken.tuned.began)


@pytest.mark.parametrize("dropout, changes", [
    (False, {"precision": "float16"}), (True, {"batch_statistics": "moving", "optimizer": "sgd"}),
    (True, {"precision": "bfloat16"})])
def test_E1_killed_after_any_epoch_it_ends_in_the_same_weights(tmp_path, monkeypatch, dropout, changes):
    import keras

    scaled = partial(keras.optimizers.LossScaleOptimizer, dynamic_growth_steps=2)  # scales soon stand elsewhere
    monkeypatch.setattr(keras.optimizers, "LossScaleOptimizer", scaled)
    monkeypatch.setattr(checkpoints, "SHARE", math.inf)  # one after every epoch

    def kept(stage, state):
        shutil.copy(tmp_path / "last.npz", tmp_path / f"{stage}-{state.epoch}.npz")

    plan = replace(LONG, **changes)
    whole = Case(dropout=dropout).tune(plan, losses(1.0, 0.9, 0.8, 0.8, 0.7, 0.6), checkpoint=tmp_path / "last.npz",
                                       epoch_done=kept)
    assert whole.opened == ["layer2", "layer1"] and whole.tuned.stage == "layer1"
    for stage, epoch, left in (("layer2", 1, (0.8, 0.8, 0.7, 0.6)), ("layer2", 2, (0.8, 0.7, 0.6)),
                               ("layer1", 1, (0.6,)), ("layer1", 2, ())):
        case = Case(dropout=dropout).tune(plan, losses(*left), checkpoint=tmp_path / f"{stage}-{epoch}.npz",
                                          resume=True)
        assert case.tuned.history == whole.tuned.history
        for one, other in zip(case.model.variables, whole.model.variables, strict=True):
            assert np.array_equal(thaw.numpy(one), thaw.numpy(other)), (one.path, stage, epoch)
    seeds = [path for path in whole.changed() if "seed" in path]
    assert len(seeds) == dropout and whole.tuned.moved == []
    if plan.precision == "float16":
        arrays, _ = checkpoints.load(tmp_path / "layer1-1.npz")
        assert any(array.shape == () and array not in (0, 2.0**15) and array > 2**10
                   for name, array in arrays.items() if name.startswith("optimizer/"))


@pytest.mark.parametrize("steps", [4, 8])
def test_E1_tuning_that_a_limit_has_ended_is_not_gone_on_with(tmp_path, steps):
    left, file = iter([None] * steps), tmp_path / "last.npz"
    whole = Case().tune(LONG, checkpoint=file, out_of_time=lambda: next(left, "time budget spent"))
    again = Case().tune(LONG, checkpoint=file, resume=True, out_of_time=lambda: None)
    assert again.tuned.stopped == whole.tuned.stopped == "time budget spent"
    assert again.tuned.history == whole.tuned.history and again.tuned.stage == whole.tuned.stage
    assert equal(tiny.values(again.model), tiny.values(whole.model))


def test_E1_tuning_that_ended_while_a_view_was_computed_is_not_gone_on_with(tmp_path):
    whole, file = Case(), tmp_path / "last.npz"
    train = whole.inputs.train

    def limited(order, epoch, batch_size):
        if epoch == 1:
            raise Stopped("time budget spent")
        return train(order, epoch, batch_size)

    whole.inputs.train = limited
    with pytest.raises(Stopped):
        whole.tune(LONG, checkpoint=file)
    again = Case().tune(LONG, checkpoint=file, resume=True)
    assert again.tuned.stopped == "time budget spent" and len(again.tuned.history) == 1
    assert again.tuned.history == whole.tuned.history and again.tuned.stage == whole.tuned.stage
    assert equal(tiny.values(again.model), tiny.values(whole.model))


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    case = Case().tune(LONG, checkpoint=tmp_path_factory.mktemp("unbroken") / "last.npz")
    assert case.opened == ["layer2", "layer1"], "the second round must be reached for these tests to say anything"
    return case


def test_B6_the_same_seed_gives_the_same_weights_and_another_another_order():
    one, same, other = (Case().tune(replace(PLAN, epochs=1, seed=seed), losses(1.0, 0.9)) for seed in (1, 1, 2))
    assert equal(tiny.values(one.model), tiny.values(same.model))
    assert not np.array_equal(one.inputs.seen[0], other.inputs.seen[0])
    assert not equal(tiny.values(one.model), tiny.values(other.model))


def test_no_round_is_no_change():
    case = Case().tune(replace(PLAN, rounds=()))
    assert case.opened == [] and case.changed() == set() and case.tuned.stage is None


def test_checkpoints_take_a_twentieth_of_the_time_at_most_and_the_first_comes_at_once(monkeypatch):
    now = [0.0]

    def save(path, arrays, facts):
        now[0] += 2.0
        saved.append(facts["epoch"])

    facts, saved = {}, []

    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(checkpoints, "save", save)
    keeper = checkpoints.Keeper("last.npz")
    for epoch in range(99):
        now[0] += 11.0
        facts["epoch"] = epoch
        keeper.keep({}, facts)
    facts["epoch"] = "changed later"
    assert saved[:3] == [0, 4, 8] and len(saved) == 25 and saved[-1] == 96
    keeper.close()
    keeper.close()
    assert saved[24:] == [96, 98]


@pytest.mark.parametrize("ended", ["budget", "interruption", "patience"])
def test_the_last_epoch_of_a_round_is_kept_whatever_the_time(tmp_path, monkeypatch, ended):
    def tick(number, epoch, *place):
        if ended == "interruption" and epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "SHARE", 1e-9)  # none after the first
    late, plan = iter([None] * 5 if ended == "budget" else []), replace(LONG, rounds=ONE, epochs=9, patience=1)
    try:
        Case().tune(plan, losses(1.0, 0.9, 0.8, 0.85), checkpoint=tmp_path / "last.npz", tick=tick,
                    out_of_time=lambda: next(late, "time budget spent" if ended == "budget" else None))
    except KeyboardInterrupt:
        assert ended == "interruption"
    facts = checkpoints.load(tmp_path / "last.npz")[1]
    epoch, why = {"budget": (2, "time budget spent"), "interruption": (2, None), "patience": (3, None)}[ended]
    assert (facts["epoch"], facts["ended"]) == (epoch, why)


def test_a_checkpoint_is_whole_or_refused(tmp_path):
    file = tmp_path / "last.npz"
    checkpoints.save(file, {"a/0": np.arange(5.0)}, {"epoch": 3, "best": float("inf")})
    arrays, facts = checkpoints.load(file)
    assert facts == {"epoch": 3, "best": float("inf")} and np.array_equal(arrays["a/0"], np.arange(5.0))
    assert [path.name for path in tmp_path.iterdir()] == ["last.npz"]
    whole = file.read_bytes()
    half = bytearray(whole)
    half[len(half) // 3] ^= 0xFF
    for damaged in (whole[:-20], whole[:100], b"", b"PK no archive", bytes(half)):
        file.write_bytes(damaged)
        with pytest.raises(UntrustedError, match="last.npz is damaged"):
            checkpoints.load(file)


def test_a_checkpoint_never_runs_what_it_holds(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    file = tmp_path / "last.npz"
    np.savez(file, facts=np.array([Hostile()], dtype=object), allow_pickle=True)
    with pytest.raises(UntrustedError):
        checkpoints.load(file)
    assert not (tmp_path / "ran").exists()
