"""Step three: tuning where it may pay: planned, watched, and ended by a budget or on request."""

import time

import numpy as np

from toolkit import options
from toolkit.errors import DivergedError, Interrupted, Stopped
from toolkit.steps import learn

UNSHARED = 8 * 10**9  # bytes of maps that a run keeps for itself where the store keeps nothing


def planned(chosen, case, net, seen, run, began):
    """The plan of tuning: what the user said, and the rule of training.rule for the rest."""
    from toolkit.training import device, rule
    from toolkit.training.stages import Plan

    pictures = len(case.rows["train"])
    depth = learn.rounds(chosen, case, net)
    epochs = chosen.epochs or rule.epochs(pictures, net.random)
    views = kept_views(chosen, seen, run, pictures, epochs, began)
    moving = "moving" if net.random else chosen.batch_statistics
    rates = options.rates(chosen.rates)
    if idle := [stage for stage in rates or () if stage not in {stage for thawed in depth for stage in thawed}]:
        run.say(f"  --rates: {', '.join(idle)} {'is' if len(idle) == 1 else 'are'} not tuned in this run.")
    return Plan(depth, epochs, views, chosen.learning_rate, chosen.layer_decay, rates,
                chosen.optimizer, chosen.weight_decay, chosen.clip_norm, chosen.warmup,
                min(chosen.batch_size, pictures), chosen.patience, moving, chosen.seed,
                device.precision(chosen.training_precision) if depth else "float32", chosen.augment)


def kept_views(chosen, seen, run, pictures, epochs, began):
    """Views kept of a picture; noted with the bytes they may take, since every sitting of a run must have the same."""
    from toolkit.training import rule

    if "views" not in run.facts:
        budget = options.seconds(chosen.time_budget)
        left = budget and max(1.0, budget - (time.monotonic() - began))
        most = epochs if chosen.augment != "none" else 1  # views of which each is the picture itself are one
        if chosen.cache_views is None:
            least = 1 if chosen.augment == options.Finetune.augment else 2  # what is asked for shall change something
            kept = rule.views(pictures, most, seen.pace() if left and most > 1 else None, left, least)
        else:
            kept = min(chosen.cache_views, most)
        run.note(views={"kept": kept, "room": seen.store.room(UNSHARED)})
    return run.facts["views"]["kept"]


def tune(chosen, case, task, net, seen, plan, run, progress, began):
    """Tune stage by stage -> (training.stages.Tuned, the interruption or divergence that ended it or None)."""
    from toolkit.features import views
    from toolkit.training import stages

    step, late = progress.start("tune", intention(plan)), lateness(chosen, run, began)
    total, again, place = len(plan.rounds) * plan.epochs, chosen.resume and run.checkpoint.exists(), [0]
    opened = 0  # rounds of this sitting
    run.checkpoints.mkdir(exist_ok=True)
    tuned = stages.Tuned(stopped=late() if plan.rounds and not again else None)
    if tuned.stopped or not plan.rounds:
        return tuned, None

    def tick(number, epoch, done, of, loss):
        place[0] = number * plan.epochs + epoch + done / of
        step(place[0], total, f"epoch {epoch + 1} of at most {plan.epochs}")

    def between(done, of, what, may_end=True):
        gone_on_with = again and opened == 1 and what == views.MEASURING  # its best is read once that is done
        if may_end and not gone_on_with and (reason := late()):
            raise Stopped(reason)
        step(place[0], total, f"{what}, {done} of {of}")

    def entering(stage):
        nonlocal opened
        opened += 1
        return source(stage)

    source = views.source(net.model, seen, net.stages, case.rows["train"], case.rows["validation"], plan.views,
                          run.facts["views"]["room"], between, plan.precision)
    try:
        stages.tune(net.model, net.stages, entering, task.loss(chosen.label_smoothing),
                    task.targets(case.truth("train"), len(case.classes)), learn.weights(chosen, case, task, "train"),
                    validation(case, learn.weights(chosen, case, task, "validation")), plan, tuned,
                    run.checkpoint, again, tick, telling(run, plan), late)
    except Stopped as stop:
        tuned.stopped = str(stop)
        return tuned, None
    except (*Interrupted, DivergedError) as stop:
        tuned.stopped = "the loss became non-finite" if isinstance(stop, DivergedError) else "stopped by hand"
        return tuned, stop
    finally:
        for number, steps in tuned.first_steps.items():
            run.event("tune", "first_step", steps, round=int(number))
    return tuned, None


def lateness(chosen, run, began):
    """A function that says why tuning should end now, or None."""
    budget = options.seconds(chosen.time_budget)

    def late():
        if run.stop_requested():
            return learn.ON_REQUEST
        return "time budget spent" if budget and time.monotonic() - began > budget else None

    return late


def telling(run, plan):
    """A function that tells of an epoch that is done."""
    def told(stage, state):
        row = state.history[-1]
        for name, value in row.items():
            run.event("tune", name, value, step=state.epoch, of=plan.epochs, stage=stage)
        run.say(f"  {stage}, epoch {row['epoch']}: loss {row['train_loss']:.4g}, validation "
                f"{row['validation_loss']:.4g}" + (", best so far" if state.best_epoch == state.epoch else ""))

    return told


def intention(plan):
    """What tuning will do, in a sentence."""
    if not plan.rounds:
        return "No stage is tuned: the probe is the result."
    return (f"Tuning {', then '.join(thawed[-1] for thawed in plan.rounds)}: at most {plan.epochs} epochs each, "
            f"{variety(plan)}.")


def variety(plan):
    """How pictures are varied, in words."""
    if plan.augment == "none":
        return "pictures as they are"
    if not plan.views or plan.rounds[0][-1] == "stem":  # pictures themselves enter
        return "each picture varied afresh each epoch"
    return f"{plan.views} views of a picture" if plan.views > 1 else f"1 view of a picture: {unvaried(plan.epochs > 1)}"


def unvaried(several=True):
    """What one view, the picture itself, means where a policy of changes is in force; several: more could be kept."""
    return f"pictures are not varied; --cache-views {'2 or more, or 0, varies' if several else '0 varies'} them"


def validation(case, weights):
    """Scores of logits on the validation pictures: weighted log-loss and ROC AUC.

    The loss is that at the best temperature, as the final model will be calibrated: tuning makes logits grow, which
    alone would look like overfitting.
    """
    from toolkit.evaluation import calibration, scores

    truth = case.truth("validation")

    def scored(logits):
        if not np.isfinite(logits).all():
            return {"validation_loss": float("nan")}
        probabilities = calibration.softmax(logits, calibration.temperature(logits, truth))
        each = -np.log(np.maximum(probabilities[np.arange(len(truth)), truth], 1e-15))
        auc = float(scores.evaluate(truth, probabilities, names=("roc_auc",))[0]["roc_auc"])
        return {"validation_loss": float(weights @ each / weights.sum()),
                "validation_roc_auc": auc if np.isfinite(auc) else None}

    return scored
