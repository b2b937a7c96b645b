"""Fine-tune an ImageNet network on a folder or table of pictures:  python -m toolkit.finetune DATA

The main line is `work`, read downward: a call a step, no step's detail.
"""

import shlex
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path

from toolkit import errors, options
from toolkit.progress import Progress
from toolkit.run import Run
from toolkit.training import device

SHARES = {"read": 0.1, "features": 0.25, "probe": 0.05, "tune": 0.5, "score": 0.1}  # of a run's time, for its bar
OF_THE_SITTING = ("run_dir", "resume", "debug")  # options that may differ where a run goes on


def work(chosen, samples, run, progress, began):
    """From listed pictures to a measured, portable model and its report."""
    from toolkit.evaluation import calibration
    from toolkit.steps import learn, look, tell
    from toolkit.tasks import classification as task

    case = look.read(chosen, samples, task, run, progress)                       # pixels, parts, findings
    net = learn.network(chosen, case, task, run)                                 # ImageNet weights, a head of zeros
    with learn.features(chosen, case, net, run, progress) as seen:               # the frozen network, computed once
        logits = {"probe": learn.probe(chosen, case, task, net, seen, progress)}  # the first answer, after seconds
        tell.first_answer(chosen, case, logits["probe"], run, began)
        plan = learn.planned(chosen, case, net)
        tuned, stopped = learn.tune(chosen, case, task, net, seen, plan, run, progress, began)
    tell.check_still(tuned)

    logits["tuned"] = tell.logits_of(case, net, progress) if tuned.stage else None
    kept = learn.choose(case, net, logits, tuned, plan)                          # tuned only where validation says so
    temperature = calibration.temperature(logits[kept.model][case.rows["validation"]], case.truth("validation"))
    final = tell.calibrated(net, temperature)
    probabilities = calibration.softmax(logits[kept.model], temperature)
    measured = tell.metrics(chosen, case, logits, kept, temperature, progress.seconds(began))
    tell.write(chosen, case, task, net, final, kept, tuned, measured, probabilities, run)
    tell.verdict(measured, run)
    if stopped:
        raise stopped


def finetune(chosen):
    """Run `chosen`, an options.Finetune, and return its folder. Raises the errors of toolkit.errors."""
    began = time.monotonic()
    if chosen.resume:
        run = Run.resume(chosen.run_dir)
        if run.facts["state"] == "finished":
            run.say(f"The run in {run.folder} is finished; there is nothing left to do.")
            run.close()
            return run.folder
        with run:
            chosen = begun_with(run.facts["options"], chosen)
            device.before_import(chosen.device)
            return carried_out(chosen, run, began)
    from toolkit.steps import learn, look

    device.before_import(chosen.device)
    learn.check(chosen)
    samples = look.listed(chosen)
    run = Run.create(chosen.run_dir and Path(chosen.run_dir), "finetune", asdict(chosen))
    with run:
        return carried_out(chosen, run, began, samples)


def begun_with(values, chosen):
    """The options that a run began with, to go on with; OptionError where `chosen` asks for others."""
    begun = options.from_dict(options.Finetune, values)
    for option in fields(chosen):
        value = getattr(chosen, option.name)
        if option.name not in OF_THE_SITTING and value not in (option.default, getattr(begun, option.name)):
            raise errors.OptionError(f"{options.flag(option.name)} {value!r}: --resume goes on with the options that "
                                     "the run began with; leave it out, or begin a new run.")
    return replace(begun, **{name: getattr(chosen, name) for name in OF_THE_SITTING})


def carried_out(chosen, run, began, samples=None):
    """The main line inside a run folder that is left valid however it ends."""
    from toolkit.steps import look

    with errors.Interrupts(run.say) as stop:
        progress = Progress(run, SHARES, stop)
        try:
            run.note(device=device.use(chosen.device))
            work(chosen, samples or look.listed(chosen), run, progress, began)
            run.checkpoint.unlink(missing_ok=True)  # up to hundreds of megabytes, and nothing is left to go on with
        except errors.Interrupted:
            progress.close()
            run.say(f"Stopped. To go on: python -m toolkit.finetune --resume --run-dir {shlex.quote(str(run.folder))}")
            raise
        finally:
            progress.close()
    return run.folder


def main(arguments):
    """The command."""
    finetune(options.parse(options.Finetune, "finetune", arguments))


if __name__ == "__main__":
    sys.exit(errors.guarded(main))
