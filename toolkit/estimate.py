"""python -m toolkit.estimate DATA: what each preset of python -m toolkit.finetune will take here, told beforehand.

A dry run of some seconds: a sample of the pictures is read and looked at, a few steps are trained, and what a run does
is counted from there. Takes the options of finetune, each of which replaces the presets', and makes no run folder.
"""

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from toolkit import errors, options, queue
from toolkit.commandline import parse
from toolkit.data.splits import PARTS
from toolkit.errors import OptionError, UntrustedError
from toolkit.files import read_json, to_json, write_atomic
from toolkit.progress import spoken
from toolkit.run import machine
from toolkit.training import device

SCHEMA = 1
USUAL = "balanced"
CROWDED = 0.75  # load a core, over the last minute, from which others are at work
LIGHT = 0.35   # share of the time and memory of loading TensorFlow that Keras takes on OpenVINO alone


def work(plans, samples, listing, store, step):
    """The estimate, ready for JSON, of {preset: options.Estimate}; listing: seconds that it took.

    step(text): called between two kinds of work, and may raise.
    """
    from toolkit.steps import costs, trial

    chosen = plans.get(USUAL) or next(iter(plans.values()))
    before = trial.peak()
    start, where = trial.timed(lambda: device.use(chosen.device, chosen.devices))
    loaded = trial.peak() - before
    step(f"Reading some of {len(samples)} pictures.")
    case, taken = trial.pictures(chosen, samples, store)
    taken |= trial.looked(chosen, case, store, len(samples)) | trial.smaller_things(case.classes, store.scratch)
    step(f"Looking at them with {chosen.backbone}.")
    tried = trial.network(chosen, case, store, trial.stand_in(say, where), trial.Watch(say))
    counts = counted(samples, chosen)
    rules = {name: ruled(one, tried, counts, where) for name, one in plans.items()}
    learning = next((rule for rule, _ in rules.values() if rule.rounds), None)
    if learning:
        step(f"Training {learning.rounds[0][-1]} for a few steps.")
        trial.training(chosen, tried, learning, store)
    lighter = (1 - LIGHT) * without_tensorflow(chosen, where)
    paces = costs.Paces(chosen.size, start, start * (1 - lighter), listing, **taken, **tried.taken)
    memory = tried.memory | {"frozen": tried.memory["frozen"] - lighter * loaded}
    keys, seen = case.samples.rows["sha256"], ("pictures", "pooled", "maps", "looks")
    known = costs.Known(*(store.known(kind, keys) for kind in seen), float(bool(store.held.get("near"))),
                        store.known("views", keys))
    net = trial.sizes(tried.net, chosen.cache_dtype)

    def cost(name, one):
        there = known_to(one, rules[name][1], chosen, learning, known, counts)
        slower = replace(paces, vary=paces.vary if one.augment == chosen.augment else trial.varied(one, case))
        return costs.cost(rules[name][1], slower, net, counts, there, memory)

    return {"schema": SCHEMA, "pictures": len(samples), "counts": counts._asdict(),
            "presets": {name: cost(name, one) for name, one in plans.items()},
            "measured": {**vars(paces), "known": known._asdict()}, "machine": {**machine(), "device": where}}


def known_to(one, plan, chosen, learning, known, counts):
    """costs.Known of the run `one` with its costs.Plan, where `chosen` and its plan `learning` were looked at."""
    from toolkit.steps import costs

    if one.size != chosen.size:
        return costs.Known()
    if not learning:
        return known._replace(maps=0.0, views=0.0)
    first = min(1.0, known.maps * counts.pictures / max(1, counts.train + counts.validation))  # no others have any
    further = min(1.0, known.views * counts.pictures / max(1, counts.train))
    further *= min(1.0, learning.views / max(1, plan.views))
    return known._replace(maps=first, views=further if one.augment == chosen.augment else 0.0)


def counted(samples, chosen):
    """costs.Counts: the parts of a given split, and shares of the rest."""
    from toolkit.steps import costs

    shares = dict(zip(PARTS, (1 - chosen.validation - chosen.test, chosen.validation, chosen.test)))
    given = {part: int((samples.rows["split"] == part).sum()) for part in PARTS}
    cut = [part for part in PARTS if not given[part] or part == "train"]
    whole = given["train"] or len(samples)
    given |= {part: round(whole * shares[part] / sum(shares[other] for other in cut)) for part in cut}
    return costs.Counts(len(samples), **given)


def ruled(chosen, tried, counts, where):
    """(training.stages.Plan, costs.Plan) of a run with the options `chosen`."""
    from toolkit.steps import costs, trial, tuning

    run = trial.stand_in(say, where)
    rule = tuning.planned(chosen, SimpleNamespace(rows={"train": range(counts.train)}), tried.net, tried.seen, run,
                         time.monotonic())
    return rule, costs.Plan(chosen.size, chosen.channels, rule.rounds, rule.epochs, rule.patience, rule.views,
                            rule.batch_size, chosen.probe_only, chosen.folds * chosen.fold_repeats, chosen.resamples,
                            options.seconds(chosen.time_budget), run.facts["views"]["room"],
                            chosen.near_duplicates == "together")


def without_tensorflow(chosen, where):
    """Whether a run that trains nothing would load Keras on OpenVINO alone, as `features.executor.alone` decides."""
    from toolkit.features import executor

    asked = os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
    return where == "cpu" and not asked and chosen.executor != "keras" and executor.has_openvino()


def estimate(plans):
    """The estimate of {preset: options.Estimate}, ready for JSON. Raises the errors of toolkit.errors."""
    from toolkit.steps import learn, look, trial

    chosen = next(iter(plans.values()))
    busy = is_busy(chosen)
    device.before_import(chosen.device)
    learn.check(chosen)
    say("Listing the pictures.")
    listing, samples = trial.timed(lambda: look.listed(chosen))
    with errors.Interrupts() as stop, tempfile.TemporaryDirectory(prefix="toolkit-") as scratch, trial.Remembering(
            chosen.cache_dir, options.size(chosen.cache_limit), Path(scratch) / "trial", say,
            pictures=len(samples)) as store:
        found = work(plans, samples, listing, store, lambda text: (stop(), say(text)))
    found["machine"] |= {"memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "busy": busy}
    return found


def is_busy(chosen):
    """Whether other work goes on, a run on the device or anything on the processor: all looks slower than it will be.

    Asked before our own work begins.
    """
    folders = [queue.usual_folder() / name for name in queue.devices(chosen.device, chosen.devices)]
    runs = any(queue.owner_of(ticket) for folder in folders for ticket in queue.tickets(folder))
    return runs or os.getloadavg()[0] > CROWDED * (os.cpu_count() or 1)


def presets(arguments):
    """({preset: options.Estimate} of a command line, {preset: why it cannot be with these options})."""
    plans, refused = {}, {}
    for name in options.PRESETS:
        try:
            plans[name] = parse(options.Estimate, "estimate", [*arguments, "--preset", name])
        except OptionError as error:
            refused[name] = str(error)
    if not plans:
        raise OptionError(refused[USUAL])
    return plans, refused


def check_out(path):
    """Refuse a file that is no earlier estimate, and a folder that is not there."""
    if path.exists():
        try:
            earlier = "presets" in read_json(path)
        except UntrustedError:
            earlier = False
        if not earlier:
            raise OptionError(f"--out {path} exists and is no estimate; name a new file.")
    elif not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise OptionError(f"--out {path} cannot be written: no such folder, or none to write in.")


def told(found, refused):
    """Say the presets in a table."""
    for name, one in found["presets"].items():
        say(f"  {name:9} about {spoken(one['seconds'])} ({spoken(one['low'])} to {spoken(one['high'])}), "
            f"{one['memory'] / 1e9:.1f} GB of memory, {one['disk'] / 1e9:.1f} GB on the disk")
    for name, why in refused.items():
        say(f"  {name:9} not with these options: {why}")
    if found["machine"]["busy"]:
        say("The computer had other work meanwhile: alone it will be quicker.")


def say(text):
    """Print a line at once."""
    print(errors.plain(text), flush=True)


def main(arguments):
    """The command."""
    chosen = parse(options.Estimate, "estimate", arguments)
    plans, refused = presets(arguments)
    out = chosen.out and Path(chosen.out)
    if out:
        check_out(out)
    found = estimate(plans)
    told(found, refused)
    if out:
        write_atomic(out, to_json(found | {"refused": refused}))


if __name__ == "__main__":
    errors.command(main)
