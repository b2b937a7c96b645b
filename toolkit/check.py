"""python -m toolkit.check DATA: the data as a run would look at them, and what is wrong with them; nothing is trained.

Reading, edits, groups and split are those of python -m toolkit.finetune with the same options, so what is shown is what
a run will use, and the pictures that are decoded here are not decoded again. Leaves a run folder of its own:
manifest.csv, doctor.json, thumbnails.zip of all pictures, check.html for people, and what is suggested: clean.csv and
suggested_edits.jsonl. What a run would refuse is a finding of severity "error":
all that can still be looked at is, and the exit code is the run's.
"""

from dataclasses import asdict, replace
from pathlib import Path

from toolkit import errors, options
from toolkit.commandline import parse
from toolkit.data.reading import TASKS
from toolkit.data.splits import PARTS
from toolkit.errors import DataError, UntrustedError, plain
from toolkit.progress import Progress
from toolkit.run import Run

SHARES = {"list": 0.03, "read": 0.25, "look": 0.08, "near": 0.07, "targets": 0.02, "features": 0.47, "judge": 0.03,
          "thumbnails": 0.05}   # of the time
LONGEST = 32        # characters of a class name in the table


class Faults(list):
    """What would make a run refuse the data, held back by `with faults:` so that all of it can be told at once."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None and issubclass(kind, DataError):
            self.append(str(error))
            return True
        return False


def work(chosen, store, run, progress, faults):
    """From a name to what is known about the data."""
    from toolkit.steps import advise, judge, look
    from toolkit.tasks import classification as task

    samples = look.listed(chosen, progress.start("list", "Listing the pictures."), TASKS)
    case, given = look.opened(chosen, samples, task, store, progress, faults,
                              lambda samples: learnt(chosen, samples, progress))
    judge.looked(chosen, case, task, store, run, progress)
    case.findings[:0] = refusals(faults)
    thumbnails(chosen, case, run, progress)
    look.kept(run, case)
    advice = advise.written(chosen, case, given, run)
    advise.page(chosen, case, given, advice, run)
    progress.close()
    for line in (*table(case, given), *found(case.findings)):
        run.say(line)
    run.say(f"Findings with their pictures: {run.check}")
    run.say(f"Pictures: {run.manifest}   Suggested instead: {run.clean}")
    for line in advice.said:
        run.say(f"  {line}")


def learnt(chosen, samples, progress):
    """What is to be learnt of pictures that have not one class each."""
    from toolkit.doctor import targets

    step = progress.start("targets", "Reading the masks.") if samples.masks is not None else None
    return targets.of(samples, chosen.threads, step)


def thumbnails(chosen, case, run, progress):
    """thumbnails.zip of every picture."""
    import numpy as np

    from toolkit.pixels import thumbnails

    step = progress.start("thumbnails", "Keeping small copies to look at.")
    rows = case.samples.rows
    thumbnails.write(run.thumbnails, *thumbnails.of(case.pixels, rows, np.arange(len(rows)), chosen.resize, step))


def refusals(faults):
    """The findings that a run would end with."""
    from toolkit.doctor.findings import Finding

    return [Finding("refused", "error", (), fault, "A run with these options would refuse the data.")
            for fault in faults]


def table(case, given):
    """Lines: a row a class, a column a part."""
    from toolkit.steps import look

    counts = case.counts()
    parts = [part for part in ("unsplit", *PARTS) if sum(counts.get(part, {}).values())]
    rows = [("", *parts, "all")]
    rows += [(shortened(name), *(numbers := [counts[part][name] for part in parts]), sum(numbers))
             for name in case.classes]
    rows.append(("all", *(sums := [sum(counts[part].values()) for part in parts]), sum(sums)))
    if case.summary is not None:
        rows = [("", *case.summary["columns"][1:]), *((shortened(str(name)), *numbers)
                                                      for name, *numbers in case.summary["rows"])]
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(str(cell).rjust(width) if column else str(cell).ljust(width)
                               for column, (cell, width) in enumerate(zip(row, widths))).rstrip()
    for line in case.summary["lines"] if case.summary is not None else ():
        yield f"  {plain(line)}"
    groups = set(case.samples.rows["group"]) - {""}
    if groups:
        yield f"  {len(groups)} groups; none is parted." if not (given != "").any() else f"  {len(groups)} groups."
    if (given != "").any():
        yield f"  {look.of_the_split(case)}"


def found(findings):
    """Lines: a finding each, the gravest first."""
    if not findings:
        yield "Nothing is wrong with the data."
    else:
        yield f"{len(findings)} findings:" if len(findings) > 1 else "1 finding:"
    widest = max((len(finding.check) for finding in findings), default=0)
    for finding in findings:
        pictures = f"{len(finding.pictures):6}" if finding.pictures else "     –"
        yield (f"  {finding.severity:7}  {finding.check:{widest}}  {pictures}  {finding.sentence} {finding.remedy}")


def shortened(name):
    """A class name that fits the table, in one line."""
    name = plain(name)
    return name if len(name) <= LONGEST else name[:LONGEST - 1] + "…"


def refused(chosen, run, faults, reason):
    """doctor.json and check.html of data of which no picture could be looked at."""
    from toolkit.steps import advise

    findings = refusals([*faults, reason])
    run.json(run.doctor, {"schema": 1, "findings": [asdict(one) for one in findings], "counts": {},
                          "groups": None, "edits": [], "unreadable": [], "left_out": [], "skipped": {}})
    advise.refused(chosen, findings, run)


def check(chosen):
    """Look as `chosen`, an options.Check, says, and return the folder. Raises the errors of toolkit.errors."""
    from toolkit.data import manifest
    from toolkit.features.store import Store

    from toolkit.steps import judge

    folder, faults = chosen.run_dir or chosen.out, Faults()
    judge.check(chosen)
    for data in filter(None, () if folder else (chosen.data, chosen.test_data)):
        manifest.refuse_missing(data)  # a mistyped path leaves nothing in runs/; a folder that was named tells of it
    run = Run.create(folder and Path(folder), "check", asdict(replace(chosen, run_dir=None, out=None)))
    with run, errors.Interrupts(run.say) as stop:
        progress = Progress(run, SHARES, stop)
        try:
            with Store(chosen.cache_dir, options.size(chosen.cache_limit), run.scratch, run.say) as store:
                work(chosen, store, run, progress, faults)
        except (DataError, UntrustedError) as error:
            refused(chosen, run, faults, str(error))
            raise
        finally:
            progress.close()
        if faults:
            raise DataError("\n".join(faults))
    return run.folder


def main(arguments):
    """The command."""
    chosen = parse(options.Check, "check", arguments)
    if __name__ == "__main__" and not chosen.no_features:
        from toolkit.features import executor

        executor.alone(chosen.executor, chosen.device)
    check(chosen)


if __name__ == "__main__":
    errors.command(main)
