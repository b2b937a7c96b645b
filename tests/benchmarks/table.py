"""The tables of measured benchmarks, ratios first:  python tests/benchmarks/table.py OUT.jsonl [BENCHMARK ...]

Times are medians and ROC AUCs means over the rounds, with the smallest and largest in brackets.
"""

import json
import re
import statistics
import sys
from pathlib import Path

FIELDS = {  # field of a measurement: heading, digits, summary
    "auc": ("ROC AUC", 3, statistics.mean), "accuracy": ("accuracy", 3, statistics.mean),
    "tuned_auc": ("ROC AUC, tuned", 3, statistics.mean), "probe_auc": ("ROC AUC, probe", 3, statistics.mean),
    "roc_auc": ("ROC AUC", 3, statistics.mean), "balanced_accuracy": ("balanced accuracy", 3, statistics.mean),
    "alone_roc_auc": ("ROC AUC without copies", 3, statistics.mean),
    "average_precision": ("average precision", 3, statistics.mean), "listed": ("listed", 0, statistics.mean),
    "expected": ("of them expected wrong", 0, statistics.mean), "wrong": ("are wrong", 0, statistics.mean),
    "scored_cpu": ("CPU s to its test scores", 1, statistics.median), "cpu": ("CPU s", 1, statistics.median),
    "wall": ("s", 1, statistics.median),
    "inner_cpu": ("CPU s without imports", 1, statistics.median), "tune": ("s of tuning", 1, statistics.median),
    "tune_cpu": ("CPU s of tuning", 1, statistics.median),
    "step_cpu": ("CPU s a step", 3, statistics.median), "step_wall": ("s a step", 3, statistics.median),
    "per_second": ("pictures/s", 1, statistics.median), "share": ("% of peak", 1, statistics.median),
    "gflops": ("GFLOP/s", 0, statistics.median), "rss_mb": ("peak MB", 0, statistics.median),
}


def markdown(rows, *names):
    """Markdown of all benchmarks in `rows`, or of the named ones: a section for each setting they were run with."""
    sections = {}
    for row in rows:
        if not names or row["bench"] in names:
            sections.setdefault((row["bench"], json.dumps(row["settings"], sort_keys=True)), []).append(row)
    return "\n".join(section(name, json.loads(settings), part) for (name, settings), part in sections.items()
                     if any("case" in row for row in part))


def section(name, settings, rows):
    """One benchmark: settings, what was compared, all figures, machine and versions."""
    cases = {}
    for row in rows:
        if "case" in row:
            cases.setdefault(row["case"], {})[row["round"]] = row
    lines = [f"### {name}", "", ", ".join(f"{key} {value}" for key, value in settings.items() if value), ""]
    compared = list({row["compare"]: row for row in rows if "compare" in row}.values())  # the latest of a name stands
    if compared:
        lines += grid(("compared", "figure", "wanted", ""), [comparison(row, cases) for row in compared])
    fields = [field for field in FIELDS
              if any(row.get(field) is not None for rounds in cases.values() for row in rounds.values())]
    lines += grid(("case", "rounds", *(FIELDS[field][0] for field in fields)),
                  [(case, len(rounds), *(spread(rounds, field) for field in fields)) for case, rounds in cases.items()])
    return "\n".join(lines + sorted({described(row["machine"]) for row in rows if "machine" in row}) + [""])


def grid(head, rows):
    """Lines of a Markdown table."""
    ruler = ["---"] + ["---:"] * (len(head) - 1)
    return ["| " + " | ".join(map(str, row)) + " |" for row in (head, ruler, *rows)] + [""]


def comparison(row, cases):
    """Text, ratio or difference with its spread, what is wanted, and whether it is so."""
    found, text = paired(row, cases), row["compare"] + (f" ({row['note']})" if row["note"] else "")
    if not found:
        return text, "not measured", row["wanted"], ""
    (_, over_digits, summary), kind = FIELDS[row["over"][1]], row["kind"]
    value = summary(found)
    digits = 2 if kind == "ratio" else over_digits
    sign = "+" if kind == "difference" else ""
    figure = f"{value:{sign}.{digits}f}{bracket(found, digits)}"
    return text, figure, row["wanted"], verdict(value, row["wanted"])


def paired(row, cases):
    """The ratio or difference of each round that both have."""
    (over, field), (under, other) = row["over"], row["under"]
    found = []
    for number, first in cases.get(over, {}).items():
        second = cases.get(under, {}).get(number, {})
        if first.get(field) is not None and second.get(other) is not None:
            a, b = first[field], second[other]
            found.append(a / b if row["kind"] == "ratio" else a - b)
    return found


def verdict(value, wanted):
    """Whether ">= 20" holds of a value; nothing where nothing is wanted."""
    rule = re.match(r"(>=|<=) (-?[\d.]+)", wanted)
    if not rule:
        return ""
    bound = float(rule[2])
    return "reached" if (value >= bound if rule[1] == ">=" else value <= bound) else "**missed**"


def spread(rounds, field):
    """Median or mean of a field with its extremes."""
    _, digits, summary = FIELDS[field]
    values = [row[field] for row in rounds.values() if row.get(field) is not None]
    return f"{summary(values):.{digits}f}{bracket(values, digits)}" if values else "–"


def bracket(values, digits):
    """Smallest to largest, where there are several."""
    return f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if len(values) > 1 else ""


def described(machine):
    """The machine and the versions in a line."""
    def listed(versions):
        return ", ".join(f"{name} ({listed(version)})" if isinstance(version, dict) else f"{name} {version}"
                         for name, version in versions.items())

    return (f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:.0f} GB, "
            f"{' '.join(machine['flags'])}; {machine['system']}; Python {machine['python']}, "
            f"{listed(machine['versions'])}.\n")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    from harness import read

    print(markdown(read(Path(sys.argv[1])), *sys.argv[2:]))
