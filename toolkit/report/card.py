"""model_card.md: the facts of the report for whoever gets the model alone."""

import re

from toolkit.errors import plain
from toolkit.files import write_atomic
from toolkit.report import words


def escaped(value):
    """Text that Markdown shows as it is: no link, picture, heading, table cell or HTML can come of it."""
    text = re.sub(r"([\\`*_{}\[\]<>#!|~&$@^]|(?<=www)\.|:(?=//))", r"\\\1", plain(value), flags=re.I)
    return re.sub(r"^(\s*\d*)([-+=.)])", r"\1\\\2", text)  # what begins a list or underlines a heading


def _table(head, rows):
    line = "| " + " | ".join(["---"] + ["---:"] * (len(head) - 1)) + " |"
    return ["| " + " | ".join(cells) + " |" for cells in [head]] + [line] + [
        "| " + " | ".join(cells) + " |" for cells in rows]


def _cell(entry):
    """A score and its interval."""
    if not entry:
        return words.NONE
    interval = words.between(entry)
    return words.number(entry["value"]) + (f" ({interval})" if interval else "")


def _list(pairs):
    return [f"- {escaped(str(name).replace('_', ' '))}: {escaped(value)}" for name, value in (pairs or {}).items()
            if value is not None]


def text(facts):
    """The card as Markdown; `facts` as in `page`."""
    metrics, test = facts["metrics"], facts["metrics"]["test"]
    probe = metrics.get("probe", {}).get("test", {})
    majority = metrics.get("baseline", {}).get("majority", {})
    scores = _table(["Score", "Model", "Probe", "Majority"], [
        [row[0], _cell(test[name]), _cell(probe.get(name)), _cell(majority.get(name))]
        for name, row in words.SCORES.items() if name in test])
    classes = _table(["Class", "Pictures", *words.CLASS_SCORES.values()], [
        [escaped(name), str(row["n"]), *(_cell(row[key]) for key in words.CLASS_SCORES)]
        for name, row in test.get("per_class", {}).items()])
    warnings = [f"> **{sentence}**" for sentence in (words.random_weights(facts), escaped(words.judgement(facts)),
                                                     words.without_copies(facts)) if sentence]
    counts = _table(["Class", *(escaped(part) for part in facts["counts"])], [
        [escaped(name), *(str(sizes.get(name, 0)) for sizes in facts["counts"].values())]
        for name in facts["classes"]]) if facts.get("counts") else []
    blocks = [
        [f"# {escaped(facts['title'])}"], warnings, [escaped(words.verdict(facts))],
        ["## Scores"],
        [f"{test['n']} test pictures, used once; 95 % intervals from resampling {words.resampled(test)}."],
        scores,
        ["## Classes"], classes, ["## Data"], counts, _list(facts.get("skipped")),
        [f"- {escaped(row['sentence'])}" for row in facts.get("findings") or []],
        ["## What was done"], [escaped(facts["decision"])] if facts.get("decision") else [],
        _list(facts.get("network")), ["## Limits"], [f"- {escaped(sentence)}" for sentence in words.caveats(facts)],
        ["## Use"], ["```python", words.usage(facts), "```", "", f"{words.READ} python -m toolkit.predict reads all."],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def write(path, facts):
    """Write the model card to `path`."""
    write_atomic(path, text(facts))
