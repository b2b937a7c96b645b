"""Step two: the network, the first answer from its frozen features, and which model is kept after tuning."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit import options
from toolkit.errors import DataError, OptionError, Stopped

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
    from toolkit.features import executor, frozen, views
    from toolkit.pixels import batches

    identities = np.array([int(key[:12], 16) for key in case.samples.rows["sha256"]])

    def view(number, rows):
        return batches.augmented(case.pixels[rows], chosen.augment, chosen.seed, number, identities[rows],
                                 chosen.threads)

    def build(network, precision=chosen.feature_precision):
        return executor.build(network, chosen.executor, precision, run.facts["device"] != "cpu")

    step = progress.start("features", f"Looking at {len(case.pixels)} pictures with {net.recipe.architecture}, once.")
    varied = {"augment": chosen.augment, "seed": chosen.seed, "albumentations": metadata.version("albumentations")}
    upper, tuned = list(net.stages)[-2], rounds(chosen, case, net)  # below the head
    first = tuned and tuned[0][-1] == upper and chosen.cache_views != 0  # what enters it will be read
    wanted = [case.rows["train"], case.rows["validation"]] if first else ()
    return frozen.Frozen(net.model, case.pixels, store, build, view, varied, chosen.cache_dtype, step,
                         views.boundary(net.model, net.stages, upper) or (), wanted)


def rounds(chosen, case, net):
    """What each round of tuning thaws, as training.rule.rounds gives it."""
    from toolkit.training import rule

    fell_back = net.random and chosen.weights != "none"  # hours of training from nothing are not what was asked for
    deepest = "head" if fell_back or chosen.probe_only else chosen.train_from
    return rule.rounds(tuple(net.stages), len(case.rows["train"]), deepest, net.random)


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


class Kept(NamedTuple):
    """Which model is the result and why."""

    name: str         # "probe", or the deepest stage that was tuned
    model: str        # "probe" or "tuned"
    why: str
    gain: dict | None


def choose(chosen, case, task, net, logits, tuned, plan):
    """The tuned model where validation says it beats the probe, else the probe, put back into `net`.

    Both are calibrated on the validation pictures first. The tuned one must lower their log-loss by more than one
    standard error of the paired difference (Breiman et al. 1984, the rule that prefers the simpler model), with classes
    weighed as in training and with every picture counting alike: by the one it may seem better for a few pictures of a
    rare class, by the other for giving less to such a class. The less sure of the two is told. Where too few pictures
    are independent for an error, nothing is proven.
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
    ways = {"every picture counting alike": None}
    if chosen.class_weights == "balanced":
        ways = {"weighed as in training": weights(chosen, case, task, "validation"), **ways}
    gains = {how: comparison.gain(truth, *probabilities, case.groups("validation"), way) for how, way in ways.items()}
    how = min(gains, key=lambda how: surety(gains[how]))
    gain = gains[how] | {"weighed": ways[how] is not None}
    if surety(gain) > 1:
        return Kept(tuned.stage, "tuned", f"The model tuned down to {tuned.stage} is kept: its validation log-loss, "
                    f"{how}, is {gain['value']:.3f} below the probe's, more than one standard error "
                    f"({gain['error']:.3f}).", gain)
    stages.restore(net.model, tuned.began)
    doubt = (f"too few validation pictures are independent to tell that from chance ({gain['reason']})."
             if gain["error"] is None else
             f"less than one standard error ({gain['error']:.3f}) below the probe's is no proof.")
    return Kept("probe", "probe", f"The probe is kept: tuning down to {tuned.stage} changed the validation log-loss, "
                f"{how}, by {-gain['value']:+.3f}; {doubt}", gain)


def surety(gain):
    """How many standard errors a comparison.gain is above zero."""
    return 0.0 if gain["error"] is None else gain["value"] / max(gain["error"], 1e-12)


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
