"""python -m toolkit.evaluate RUN_OR_MODEL DATA: a finished model on labelled pictures that it has not seen.

Leaves a run folder of its own: metrics.json, predictions.csv, manifest.csv, doctor.json, thumbnails.zip. The model's
own run folder is read, for the pictures that it was trained on, and not changed. Waits while a run computes on its
device; a file named stop in its folder ends it, with exit code 0.
"""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from toolkit import artifact, errors, options, queue
from toolkit.commandline import parse
from toolkit.errors import DataError
from toolkit.progress import Progress
from toolkit.run import Run
from toolkit.training import device

SHARES = {"read": 0.3, "look": 0.05, "near": 0.1, "known": 0.1, "score": 0.45}  # of the time


def work(chosen, model, facts, samples, decided, store, run, progress):
    """From listed pictures to scores with intervals."""
    from toolkit.steps import look, tell
    from toolkit.tasks import classification as task

    case, alone = looked_at(chosen, facts, samples, decided, store, run, progress)
    probabilities = answers(model, case, progress)
    measured = scores_of(chosen, facts, case, probabilities, run)
    measured |= tell.without_copies(case, probabilities, alone, chosen)
    run.json(run.metrics, measured)
    tell.predictions(case, task, probabilities, run)
    tell.thumbnails(case, facts["input"]["resize"], run)
    look.kept(run, case)
    look.told(run, case, np.array([""]))
    tell_result(measured, facts, run)


def looked_at(chosen, facts, samples, decided, store, run, progress):
    """The pictures, all of them the test part, read as the model wants them -> (steps.look.Case, alone).

    decided: the edits. alone: mask (n,) of those that the model's own run does not know.
    """
    from toolkit.data import splits
    from toolkit.doctor import checks
    from toolkit.pixels import frames
    from toolkit.pixels.depth import Depth
    from toolkit.steps import compare, known, look
    from toolkit.tasks import classification as task

    step = progress.start("read", f"Reading {len(samples)} pictures of {len(samples.classes)} classes.")
    wanted, depth = facts["input"], Depth(**facts["input"].get("depth") or {})
    how = (wanted["height"], wanted["channels"], wanted["resize"])
    samples, pixels = look.pictures(chosen, samples, store, step, depth, how, decided, fewest=1)
    rows = samples.rows
    rows["group"], notes = look.grouped(chosen, rows, samples.problems, 1, decided)
    thumbnails = compare.looks(pixels, store, progress).thumbnails
    near = compare.near(thumbnails, pixels.keys, pixels.shelf, store, chosen.threads, progress)
    same = rows["sha256"], rows["fingerprint"], frames.files(rows["path"]), near.keys()
    rows["split"], rows["bound"] = "test", splits.bind(rows["group"], *same)
    found = known.compared(rows, known.learnt(Path(chosen.model)), pixels, thumbnails, store, chosen.threads, progress)
    if chosen.strict and found.rows.any():
        raise DataError(found.findings[0].sentence)
    findings = [*found.findings, *checks.examine(rows, samples.unreadable, samples.left_out, notes, near=near)]
    return look.Case(samples, pixels, facts["classes"], task.encode(rows["label"], facts["classes"]),
                     np.full(len(rows), "test", object), findings, depth), ~found.rows


def answers(model, case, progress):
    """Probabilities (n, classes) of all pictures."""
    from toolkit.features import executor

    step = progress.start("score", "Asking the model.")
    return executor.collect(executor.Keras(model), len(case.pixels), lambda rows: [case.pixels[np.arange(
        rows.start, rows.stop)]], step)


def scores_of(chosen, facts, case, probabilities, run):
    """metrics.json."""
    from toolkit.evaluation import baseline, scores

    truth, groups = case.truth("test"), case.groups("test")
    counts = [facts.get("data", {}).get("counts", {}).get("train", {}).get(name, 0) for name in case.classes]
    trained = np.repeat(np.arange(len(counts)), counts) if sum(counts) else truth
    given = (case.classes, groups, chosen.resamples, chosen.seed)
    return {"schema": 1, "task": facts["task"], "classes": case.classes,
            "test": scores.scores(truth, probabilities, *given),
            "baseline": {"majority": baseline.majority(trained, truth, *given)},
            "model": {"sha256": facts["sha256"], "chosen": facts.get("chosen"), "scores": facts.get("scores", {})},
            "seconds": {"total": run.seconds}}


def tell_result(measured, facts, run):
    """The scores in plain words, beside those of the model's own test pictures."""
    from toolkit.steps.tell import alternative, in_words, known_ones, ranged

    test, own = measured["test"], facts.get("scores", {}).get("test", {})
    run.say(f"On {test['n']} pictures: {in_words(test)}. {alternative(measured['baseline']['majority'])}")
    for line in known_ones(measured):
        run.say(line)
    if own.get("roc_auc"):
        run.say(f"On the {own.get('n', '?')} test pictures of its own run the model had AUC {ranged(own['roc_auc'])}.")
    run.say(f"Scores: {run.metrics}   Answers: {run.predictions}")


def evaluate(chosen):
    """Measure as `chosen`, an options.Evaluate, says, and return the folder. Raises the errors of toolkit.errors."""
    from toolkit.data import external
    from toolkit.steps import look

    known = artifact.read_facts(artifact.located(Path(chosen.model))[1])  # before TensorFlow is loaded
    chosen = replace(chosen, frames=chosen.frames or known["input"].get("frames", "auto"))
    samples = external.measured_only(look.listed(chosen, fewest=1))
    device.before_import(chosen.device)
    with queue.Ticket(queue.devices(chosen.device), wait=not chosen.no_wait) as ticket:
        with errors.Interrupts() as stop:
            ticket.wait(lambda number, words: print(words, flush=True), stop)
        device.use(chosen.device)
        return measured_now(chosen, samples)


def measured_now(chosen, samples):
    """The folder of a run that measures, on a device that is free."""
    from toolkit.features.store import Store

    model, facts = artifact.load(Path(chosen.model))
    samples, decided = fitting(chosen, samples, facts["classes"])
    run = Run.create(chosen.run_dir and Path(chosen.run_dir), "evaluate", asdict(replace(chosen, run_dir=None)))
    with run, errors.Interrupts(run.say) as stop:
        progress = Progress(run, SHARES, stop)
        try:
            with Store(chosen.cache_dir, options.size(chosen.cache_limit), run.scratch, run.say) as store:
                work(chosen, model, facts, samples, decided, store, run, progress)
        finally:
            progress.close()
    return run.folder


def fitting(chosen, samples, classes):
    """(samples, the edits of them), both with the model's `classes`. Raises DataError where they have others."""
    from toolkit.data import external
    from toolkit.steps import look

    samples = external.fitting(samples, classes, chosen.merge_case,
                               "The data have classes that the model does not know", "it knows")
    decided, notes = external.fitting_edits(look.decisions(chosen), samples, classes, chosen.merge_case,
                                            "The edits give classes that the model does not know", "it knows")
    return replace(samples, problems=(*samples.problems, *notes)), decided


def main(arguments):
    """The command."""
    evaluate(parse(options.Evaluate, "evaluate", arguments))


if __name__ == "__main__":
    errors.command(main)
