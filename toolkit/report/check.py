"""check.html: what a look at data found, in one file for people, without script and without a single request.

The facts, of which only title must be there:
    title, created    str
    refused           [str]: why a run would not begin with these data
    classes           [str]; counts {part: {class: pictures}}; summary: None, or in their place {"task", "pictures",
                      "columns": [str], "rows": [[name, number, ...]], "lines": [str]}, as of doctor.summary
    groups            how many, or None
    given             whether the split came with the data; moved: pictures of it that leaked and moved
    unreadable        int; skipped {reason: files}; edits [str]: decisions that were applied
    findings, about, picture   as in report.findings
    advice            [str]: what the suggestion comes to; commands [(what for, command line)]
Names of classes and files may hold anything: they are shown as text.
"""

from collections import Counter
from pathlib import Path

from toolkit.errors import plain
from toolkit.files import write_atomic
from toolkit.report import figures, findings, page

PICTURES = 5_500_000     # bytes of all pictures: the page stays below 8 MB, whatever the data
CLASSES = 200            # rows of the table
ABSENT = {"created": "", "refused": [], "classes": [], "counts": {}, "summary": None, "groups": None, "given": False,
          "moved": 0, "unreadable": 0, "skipped": {}, "edits": [], "findings": [], "advice": [], "commands": []}


def verdict(facts):
    """What was found, in one sentence."""
    told = facts["summary"]
    total = told["pictures"] if told else sum(sum(sizes.values()) for sizes in facts["counts"].values())
    tally = Counter(row["severity"] for row in facts["findings"])
    said = [f"{tally[kind]} {kind}{'' if tally[kind] == 1 else 's'}" for kind in ("error", "warning", "note")
            if tally[kind]]
    found = ", ".join(said) if said else "nothing is wrong with them"
    kind = f"for {told['task']}" if told else f"of {len(facts['classes'])} classes"
    if not total:
        return f"None of the pictures could be looked at: {found}."
    return f"{total:,} picture{'' if total == 1 else 's'} {kind}: {found}."


def first(facts):
    """What to do first: the gravest finding that says so, or ""."""
    grave = [row for row in facts["findings"] if row["severity"] != "note" and row.get("check") != "refused"]
    row = min(grave, key=lambda one: one["severity"] != "error", default=None)
    return f"Begin with “{row['check']}”: {row['remedy']}" if row and row.get("remedy") else ""


def table(facts):
    """{"columns", "rows": (name, cells), "more", "lines"}: pictures by class and part with the sums.

    Of too many classes the largest; of targets that are no single class what their summary says.
    """
    told = facts["summary"]
    if told:
        rows = [(name, list(cells)) for name, *cells in told["rows"]]
        return {"columns": list(told["columns"]), "rows": rows[:CLASSES], "more": max(0, len(rows) - CLASSES),
                "lines": list(told["lines"])}
    parts = [part for part in ("train", "validation", "test", "unsplit") if sum(facts["counts"].get(part, {}).values())]
    rows = [(name, [facts["counts"][part].get(name, 0) for part in parts]) for name in facts["classes"]]
    sums = [sum(column) for column in zip(*(row for _, row in rows))]
    shown = sorted(rows, key=lambda row: -sum(row[1]))[:CLASSES] if len(rows) > CLASSES else rows
    shown = [(name, [*sizes, sum(sizes)]) for name, sizes in [*shown, *([("all", sums)] if rows else [])]]
    return {"columns": ["Class", *parts, "all"], "rows": shown, "more": max(0, len(rows) - CLASSES), "lines": []}


def render(facts):
    """The page as text."""
    facts = ABSENT | facts
    return page.environment().get_template("check.html.jinja").render(
        facts=facts, verdict=plain(verdict(facts)), first=plain(first(facts)), table=table(facts),
        findings=findings.view(facts, PICTURES), light=figures.LIGHT, dark=figures.DARK)


def write(path, facts):
    """Write the page to `path`."""
    write_atomic(path, render(facts))
    return Path(path)
