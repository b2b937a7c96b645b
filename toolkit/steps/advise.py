"""What a look at data leaves for people: check.html, and what it suggests as clean.csv and as a file of edits.

The last two say the same, and nothing else changes: clean.csv is a manifest of its own, to be read and changed in a
spreadsheet; suggested_edits.jsonl does to the data as they are what a person's own file of edits would.
"""

from dataclasses import asdict, dataclass, fields, replace
from pathlib import PurePath

import numpy as np

from toolkit.commandline import arguments
from toolkit.data import edits, manifest
from toolkit.doctor import cleaning
from toolkit.errors import DataError
from toolkit.files import write_atomic

ROOTED = ("folder", "split folder", "table")  # kinds whose pictures lie as files below one folder
OF_A_TABLE = ("path_column", "label_column", "label_delimiter", "split_column", "group_column")


@dataclass(frozen=True)
class Advice:
    """`said`: sentences; `commands`: (what for, command line) that train on what is suggested."""

    said: tuple
    commands: tuple


def written(chosen, case, given, run):
    """clean.csv and suggested_edits.jsonl of a look -> Advice."""
    samples = case.samples
    found = cleaning.suggested(samples.rows.drop(columns="bound"), case.findings, samples.unreadable,
                               (given != "").any(), samples.task in ("classification", "ordinal"))
    own = ~found.rows["path"].str.startswith(manifest.TEST_DATA) if chosen.test_data else slice(None)
    write_atomic(run.clean, manifest.table(found.rows[own]))
    lines = [edits.line(edit) for edit in (*before(chosen), *found.edits)]
    write_atomic(run.suggested, "".join(lines))
    return Advice(found.said, commands(chosen, case, run) if found.edits else ())


def before(chosen):
    """The decisions that stand already, which a second file of edits would leave out."""
    from toolkit.steps import look

    try:
        return look.decisions(chosen)
    except DataError:  # told as a fault of the data
        return []


def commands(chosen, case, run):
    """The ways to train on what is suggested."""
    samples = case.samples
    usual = {f.name: f.default for f in fields(chosen)}
    chosen = replace(chosen, run_dir=None, out=None, no_features=False)
    by_edits = replace(chosen, edits=str(run.suggested))
    if case.summary is not None:  # only looked at so far
        return (("the data as they are, by the edits", line(by_edits, usual, "check")),)
    found = [("the data as they are, by the edits", by_edits)]
    if rooted(chosen.data, samples):
        clean = replace(chosen, data=str(run.clean), root=str(samples.root), group_pattern=None, edits=None,
                        **{name: usual[name] for name in OF_A_TABLE})
        found.insert(0, ("the clean manifest", clean))
    return tuple((what, line(one, usual)) for what, one in found)


def rooted(data, samples):
    """Whether every picture is a file of its own below a folder that is the user's and stays."""
    return (samples.kind in ROOTED and samples.root is not None and not str(data).lower().endswith(".zip") and
            all((samples.root / path).is_file() for path in samples.rows["path"]
                if not path.startswith(manifest.TEST_DATA)))


def line(chosen, usual, command="finetune"):
    """The command that goes on by the options of a look."""
    from toolkit.runs import launch

    values = {name: value for name, value in vars(chosen).items() if value != usual[name]}
    return launch.command(command, arguments(type(chosen), values))


def page(chosen, case, given, advice, run):
    """check.html of a look."""
    from toolkit.report import check

    samples = case.samples
    check.write(run.check, titled(chosen, run) | shown(case, chosen.resize) | {
        "refused": [finding.sentence for finding in case.findings if finding.check == "refused"],
        "classes": case.classes, "counts": case.counts(), "summary": case.summary, "given": bool((given != "").any()),
        "moved": len(case.moved), "groups": len(set(samples.rows["group"]) - {""}) or None,
        "unreadable": len(samples.unreadable), "skipped": samples.skipped, "edits": list(samples.edits),
        "advice": list(advice.said), "commands": list(advice.commands)})


def refused(chosen, findings, run):
    """check.html of data of which no picture could be looked at."""
    from toolkit.report import check

    check.write(run.check, titled(chosen, run) | {"findings": [asdict(finding) for finding in findings],
                                                  "refused": [finding.sentence for finding in findings]})


def titled(chosen, run):
    """What was looked at, by its last name alone, and when."""
    return {"title": f"Pictures: {PurePath(chosen.data).name}", "created": run.facts["times"]["started"]}


def shown(case, resize):
    """What report.findings shows: the findings, and of the pictures that they name class, part and a small copy."""
    from toolkit.pixels import thumbnails

    rows = case.samples.rows
    place = {path: row for row, path in enumerate(rows["path"])}
    about = {path: {"label": rows["label"].iat[place[path]], "part": rows["split"].iat[place[path]]}
             for finding in case.findings for path in finding.pictures if path in place}

    def picture(path):
        if path not in place:
            return None
        row = place[path]
        return thumbnails.encode(case.pixels[np.array([row])][0], rows["width"].iat[row], rows["height"].iat[row],
                                 resize)

    return {"findings": [asdict(finding) for finding in case.findings], "about": about, "picture": picture}
