"""Step two: the network, the first answer from its frozen features, and tuning where validation says it pays."""

import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit import options
from toolkit.errors import DataError, DivergedError, Interrupted, OptionError, Stopped

UNSHARED = 8 * 10**9  # bytes of maps that a run keeps for itself where the store keeps nothing
ON_REQUEST = "stopped on request"


@dataclass
class Network:
    """A network of raw pixels to logits, `model`; {stage: layers}, head last; and what its weights are."""

    model: object
    stages: dict
    recipe: object
    random: bool      # whether it began from random weights


def network(chosen, case, task, run):
    """The backbone with its weights and a head of zeros.

    Where ImageNet weights cannot be had, sample data go on from random weights and every output says so; a user's own
    data never do unasked.
    """
    import keras

    from toolkit import backbones
    from toolkit.training import device

    with device.spread(chosen.devices):
        trunk, recipe = loaded(chosen, case, run)
        stages = backbones.stages(trunk)
        outputs = {name: layers[-1].output for name, layers in stages.items() if name != "stem"}
        model = keras.Model(trunk.input, task.head(outputs, len(case.classes)))
    return Network(model, backbones.stages(model), recipe, recipe.tag == "none")


def loaded(chosen, case, run):
    """(keras.Model of raw pixels to the last map, its Recipe)."""
    import keras

    from toolkit.backbones import load

    if chosen.weights == "none":
        keras.utils.set_random_seed(chosen.seed)  # imports TensorFlow, which costs seconds
    given = dict(shape=(chosen.size, chosen.size, chosen.channels), say=run.say, raw=True)
    try:
        return load.load(chosen.backbone, chosen.weights, offline=chosen.offline or None, refetch=chosen.refetch,
                         **given)
    except DataError as error:
        if case.samples.kind != "sample" or chosen.weights == "none":
            raise
        run.say(f"  {error}")
        run.say("  No ImageNet weights: the sample run goes on with a probe of RANDOM weights; scores say little.")
        keras.utils.set_random_seed(chosen.seed)
        return load.load(chosen.backbone, "none", **given)


def features(chosen, case, net, store, run, progress):
    """The frozen network over every picture, once."""
    from toolkit.features import executor, frozen
    from toolkit.pixels import batches

    identities = np.array([int(key[:12], 16) for key in case.samples.rows["sha256"]])

    def view(number, rows):
        return batches.augmented(case.pixels[rows], chosen.augment, chosen.seed, number, identities[rows],
                                 chosen.threads)

    def build(network, precision=chosen.feature_precision):
        return executor.build(network, chosen.executor, precision, run.facts["device"] != "cpu")

    step = progress.start("features", f"Looking at {len(case.pixels)} pictures with {net.recipe.architecture}, once.")
    varied = {"augment": chosen.augment, "seed": chosen.seed, "albumentations": metadata.version("albumentations")}
    return frozen.Frozen(net.model, case.pixels, store, build, view, varied, chosen.cache_dtype, step)


def probe(chosen, case, task, net, seen, progress):
    """The linear read-out of the frozen features, put into the model's head -> (its logits of every picture, Probe)."""
    from toolkit.features import probe

    progress.start("probe", "Fitting the probe, a linear read-out of what the frozen network sees.")
    train = case.rows["train"]
    found = probe.fit(seen.pooled, train, case.truth("train"), len(case.classes), weights(chosen, case, task, "train"),
                      case.groups("train"), chosen.seed)
    head = net.model.get_layer("head")
    head.kernel.assign(found.kernel)
    head.bias.assign(found.bias)
    return found.logits(seen.pooled), found


def folds(chosen, case, task, seen, progress):
    """Probabilities (n, classes) of every picture by probes without it and its group; None unless asked for."""
    from toolkit.evaluation import calibration
    from toolkit.features import probe

    if not chosen.folds:
        return None
    step = progress.start("folds", f"Fitting the probe without each of {chosen.folds} folds in turn.")
    groups = case.samples.rows["bound"].to_numpy()

    def weigh(rows):
        counts = np.bincount(case.numbers[rows], minlength=len(case.classes))
        return task.sample_weights(case.numbers[rows], counts, chosen.class_weights == "balanced")

    def safe_point(done, of):
        step(done, of)
        if progress.asked:
            raise Stopped(ON_REQUEST)

    def once(repeat):
        return calibration.softmax(probe.out_of_fold(
            seen.pooled, case.numbers, len(case.classes), weigh, groups, chosen.seed + repeat, chosen.folds,
            lambda done, of: safe_point(repeat * of + done, chosen.fold_repeats * of)))

    try:
        safe_point(0, 1)
        return np.mean([once(repeat) for repeat in range(chosen.fold_repeats)], axis=0)
    except Stopped:
        progress.run.say("The folds are left out.")
        return None


def weights(chosen, case, task, part):
    """What each picture of a part weighs, by its class's count in training."""
    counts = np.bincount(case.truth("train"), minlength=len(case.classes))
    return task.sample_weights(case.truth(part), counts, chosen.class_weights == "balanced")


def planned(chosen, case, net, seen, run, began):
    """The plan of tuning: what the user said, and the rule of training.rule for the rest."""
    from toolkit.training import device, rule
    from toolkit.training.stages import Plan

    pictures = len(case.rows["train"])
    fell_back = net.random and chosen.weights != "none"  # hours of training from nothing are not what was asked for
    none = fell_back or chosen.probe_only
    depth = rule.rounds(tuple(net.stages), pictures, "head" if none else chosen.train_from, net.random)
    epochs = chosen.epochs or rule.epochs(pictures, net.random)
    views = kept_views(chosen, seen, run, pictures, epochs, began)
    moving = "moving" if net.random else chosen.batch_statistics
    return Plan(depth, epochs, views, chosen.learning_rate, chosen.layer_decay, options.rates(chosen.rates),
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
    run.checkpoints.mkdir(exist_ok=True)
    tuned = stages.Tuned(stopped=late() if plan.rounds and not again else None)
    if tuned.stopped or not plan.rounds:
        return tuned, None

    def tick(number, epoch, done, of, loss):
        place[0] = number * plan.epochs + epoch + done / of
        step(place[0], total, f"epoch {epoch + 1} of at most {plan.epochs}")

    def between(done, of, what, may_end=True):
        if may_end and not again and (reason := late()):  # what goes on has a best of its own, found in its round
            raise Stopped(reason)
        step(place[0], total, f"{what}, {done} of {of}")

    source = views.source(net.model, seen, net.stages, case.rows["train"], case.rows["validation"], plan.views,
                          run.facts["views"]["room"], between)
    try:
        stages.tune(net.model, net.stages, source, task.loss(chosen.label_smoothing),
                    task.targets(case.truth("train"), len(case.classes)), weights(chosen, case, task, "train"),
                    validation(case, weights(chosen, case, task, "validation")), plan, tuned,
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
            return ON_REQUEST
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


class Kept(NamedTuple):
    """Which model is the result and why."""

    name: str         # "probe", or the deepest stage that was tuned
    model: str        # "probe" or "tuned"
    why: str
    gain: dict | None


def choose(chosen, case, task, net, logits, tuned, plan):
    """The tuned model where validation says it beats the probe, else the probe, put back into `net`.

    Both are calibrated on the validation pictures first. The tuned one must lower their log-loss by more than one
    standard error of the paired difference (Breiman et al. 1984, the rule that prefers the simpler model). Classes
    weigh as they did in training: by the plain loss a model that only gives less to rare ones would seem better. Where
    too few pictures are independent for such an error, nothing is proven.
    """
    from toolkit.evaluation import calibration, comparison
    from toolkit.training import stages

    if not tuned.stage:
        why = "no stage was to be tuned" if not plan.rounds else (
            "tuning brought no lower validation loss" if tuned.history else "nothing was tuned")
        return Kept("probe", "probe", f"The probe is kept: {why}.", None)
    rows, truth = case.rows["validation"], case.truth("validation")
    probabilities = [calibration.softmax(logits[name][rows], calibration.temperature(logits[name][rows], truth))
                     for name in ("tuned", "probe")]
    gain = comparison.gain(truth, *probabilities, case.groups("validation"), weights(chosen, case, task, "validation"))
    if gain["error"] is not None and gain["value"] > gain["error"]:
        return Kept(tuned.stage, "tuned", f"The model tuned down to {tuned.stage} is kept: its validation log-loss, "
                    f"weighed as in training, is {gain['value']:.3f} below the probe's, more than one standard error "
                    f"({gain['error']:.3f}).", gain)
    stages.restore(net.model, tuned.began)
    doubt = (f"too few validation pictures are independent to tell that from chance ({gain['reason']})."
             if gain["error"] is None else
             f"less than one standard error ({gain['error']:.3f}) below the probe's is no proof.")
    return Kept("probe", "probe", f"The probe is kept: tuning down to {tuned.stage} changed the validation log-loss, "
                f"weighed as in training, by {-gain['value']:+.3f}; {doubt}", gain)


def at_hand(chosen, say):
    """Fetch the weights unless they are here, before Keras is loaded for them; raises as backbones.load.load does."""
    from toolkit.backbones import download, load, weights

    if chosen.weights != "none" and not load.is_file(chosen.weights):
        download.fetch(weights.find(chosen.backbone, chosen.weights), head=False, say=say,
                       offline=chosen.offline or None, refetch=chosen.refetch)


def check(chosen):
    """Refuse, before any picture is read, a network, weights, executor or device that are not there."""
    from toolkit import backbones
    from toolkit.backbones import load, weights
    from toolkit.features import executor
    from toolkit.training import device

    row = backbones.find(chosen.backbone)
    if load.is_file(chosen.weights):
        load.from_file(chosen.backbone, Path(chosen.weights))  # once more later: better now than after the pictures
    elif chosen.weights != "none":
        weights.find(chosen.backbone, chosen.weights)
    known = ("head", "stem", *(f"layer{n + 1}" for n in range(len(row.depths))))
    wanted = {chosen.train_from} - {"auto", "all"} | set(options.rates(chosen.rates) or ())
    if wanted - set(known):
        raise OptionError(f"{chosen.backbone} has no stage {min(wanted - set(known))}; it has {', '.join(known)}.")
    executor.check(chosen.executor, chosen.feature_precision, chosen.device)
    if chosen.device.startswith("gpu") or chosen.devices > 1:
        device.use(chosen.device, chosen.devices)
