"""Fine-tune an ImageNet network on a folder or table of pictures:  python -m toolkit.finetune DATA

The main line is `work`, read downward: a call a step, no step's detail.

One run at a time computes on a device: a second one waits for its turn as "queued, 1 before you", or is refused by
--no-wait. A file named stop in the run folder ends a run at the next safe point with exit code 0: while it waits, or
before there is a model, as "stopped", to be gone on with by --resume; later as "finished", with the best model so far,
its scores and its report. Ctrl-C (130) and SIGTERM (143) leave the best so far as well, as "stopped".
"""

import itertools
import shlex
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

from toolkit import errors, options, queue
from toolkit.commandline import flag, parse
from toolkit.progress import Progress
from toolkit.run import Run
from toolkit.training import device

SHARES = {"read": 0.1, "look": 0.02, "near": 0.03, "features": 0.15, "probe": 0.04, "judge": 0.02, "check": 0.04,
          "tune": 0.45, "score": 0.1, "folds": 0.05}    # of a run's time
WITH_A_MODEL = ("check", "tune", "score", "folds")      # phases that a stop file does not break off
OF_THE_SITTING = ("run_dir", "resume", "accept_changed_data", "no_wait", "debug")  # may differ where a run goes on


def work(chosen, samples, store, run, progress, began):
    """From listed pictures to a measured, portable model and its report -> why tuning ended early, or None."""
    from toolkit.evaluation import calibration
    from toolkit.steps import judge, learn, look, tell, tuning
    from toolkit.tasks import classification as task

    case = look.read(chosen, samples, task, store, run, progress)                # pixels, parts, findings
    net = learn.network(chosen, case, task, run)                                 # ImageNet weights, a head of zeros
    seen = learn.features(chosen, case, net, store, run, progress)               # the frozen network, computed once
    first, fitted = learn.probe(chosen, case, task, net, seen, progress)         # the first answer, after seconds
    tell.first_answer(chosen, case, first, run, began)
    if not net.random:
        look.added(run, case, judge.again(chosen, case, seen, fitted, progress))  # labels in doubt, outliers
    logits = {"probe": first if chosen.probe_only else tell.logits_of("check", case, net, seen, progress)}
    plan = tuning.planned(chosen, case, net, seen, run, began)
    tuned, stopped = tuning.tune(chosen, case, task, net, seen, plan, run, progress, began)
    tell.check_still(tuned)

    if tuned.stage:
        logits["tuned"] = tell.logits_of("score", case, net, seen, progress)
    kept = learn.choose(chosen, case, task, net, logits, tuned, plan)            # tuned only where validation says so
    temperature = calibration.temperature(logits[kept.model][case.rows["validation"]], case.truth("validation"))
    final = tell.calibrated(net, temperature)
    probabilities = calibration.softmax(logits[kept.model], temperature)
    measured = tell.metrics(chosen, case, logits, kept, temperature, progress.seconds(began))
    measured["tuning_ended"] = tuned.stopped
    tell.verdict(measured, run)
    measured["folds"] = tell.fold_scores(chosen, case, task, learn.folds(chosen, case, task, seen, progress), run)
    shown = tell.shown(case, final)
    measured["gap"] = tell.gap(chosen, case, net, seen, first, logits, kept, tuned, temperature, shown)
    tell.write(chosen, case, task, net, final, kept, tuned, measured, probabilities, shown, run)
    if stopped:
        raise stopped
    return tuned.stopped


def finetune(chosen):
    """Run `chosen`, an options.Finetune, and return its folder. Raises the errors of toolkit.errors."""
    from toolkit.steps import learn, look

    began = time.monotonic()
    if chosen.resume:
        run = Run.resume(chosen.run_dir, lambda facts: may_go_on(facts["options"], chosen))
        if run.facts["state"] == "finished":
            run.say(f"The run in {run.folder} is finished; there is nothing left to do.")
            run.close()
            return run.folder
        try:
            begun = begun_with(run.facts["options"], chosen)
            with run, in_line(begun) as ticket:
                before_keras(begun)
                return carried_out(begun, run, ticket, time.monotonic() - run.seconds)  # as if in one sitting
        except look.ChangedError:
            if not chosen.accept_changed_data:
                raise
            chosen = replace(begun, resume=False, accept_changed_data=False, run_dir=str(another(run.folder)))
    before_keras(chosen)
    learn.check(chosen)
    samples = look.listed(chosen)
    with in_line(chosen) as ticket:
        run = Run.create(chosen.run_dir and Path(chosen.run_dir), "finetune", asdict(chosen))
        with run:
            return carried_out(chosen, run, ticket, began, samples)


def before_keras(chosen):
    """Settle what computes, and on which device, before Keras is imported."""
    if __name__ == "__main__" and (chosen.probe_only or chosen.train_from == "head"):  # nothing is trained
        from toolkit.features import executor

        executor.alone(chosen.executor, chosen.device)
    device.before_import(chosen.device)


def in_line(chosen):
    """A queue.Ticket for the devices that are asked for; OptionError where they are busy and --no-wait is given."""
    return queue.Ticket(queue.devices(chosen.device, chosen.devices), wait=not chosen.no_wait)


def may_go_on(values, chosen):
    """Refuse other options than a run began with, and a busy device where --no-wait is given, before it is touched."""
    in_line(begun_with(values, chosen)).close()


def another(folder):
    """A name beside `folder` that is still free."""
    return next(path for n in itertools.count(2) if not (path := folder.with_name(f"{folder.name}-{n}")).exists())


def begun_with(values, chosen):
    """The options that a run began with, to go on with; OptionError where `chosen` asks for others."""
    begun = options.from_dict(options.Finetune, values)
    for option in fields(chosen):
        value = getattr(chosen, option.name)
        if option.name not in OF_THE_SITTING and value not in (option.default, getattr(begun, option.name)):
            raise errors.OptionError(f"{flag(option.name)} {value!r}: --resume goes on with the options that "
                                     "the run began with; leave it out, or begin a new run.")
    return replace(begun, **{name: getattr(chosen, name) for name in OF_THE_SITTING})


def carried_out(chosen, run, ticket, began, samples=None):
    """The main line, when it is its turn, inside a run folder that is left valid however it ends."""
    from toolkit.features.store import Store
    from toolkit.steps import look

    with errors.Interrupts(run.say) as stop:
        progress = Progress(run, SHARES, stop, WITH_A_MODEL)
        try:
            if waited := progress.queued(ticket):
                began, samples = began + waited, None  # neither budget nor list is of the time before
            run.note(device=device.use(chosen.device, chosen.devices))
            with Store(chosen.cache_dir, options.size(chosen.cache_limit), run.scratch, run.say) as store:
                with errors.within_memory(lambda: lighter(chosen, progress.phase)):
                    ended = work(chosen, samples or look.listed(chosen), store, run, progress, began)
            run.checkpoint.unlink(missing_ok=True)  # up to hundreds of megabytes, and nothing is left to go on with
            run.finish("finished", f"done; tuning ended: {ended}" if ended else "done")
        except (*errors.Interrupted, errors.Stopped):
            progress.close()
            run.say(f"Stopped. To go on: python -m toolkit.finetune --resume --run-dir {shlex.quote(str(run.folder))}")
            raise
        finally:
            progress.close()
    return run.folder


def lighter(chosen, phase):
    """When memory ran out and what would take less, in words."""
    if phase == "tune" and chosen.batch_size > 1:
        return (f"in tuning with --batch-size {chosen.batch_size}; try --batch-size {chosen.batch_size // 2}, "
                "or a smaller --size")
    return f"with --size {chosen.size}; try a smaller one"


def main(arguments):
    """The command."""
    finetune(parse(options.Finetune, "finetune", arguments))


if __name__ == "__main__":
    errors.command(main)
