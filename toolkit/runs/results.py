"""What a run found, whole: its scores, its model's answers, what is wrong with its data, and what follows from them.

The files are checked against each other: a cell of the confusion matrix and the pictures shown for it, the scores here
and those of the report, are the same numbers.
"""

from dataclasses import dataclass

from toolkit.errors import UntrustedError
from toolkit.report import words
from toolkit.run import paths
from toolkit.runs import checks, predicted, reading, scored

FALSIFYING = ("seen in training", "near duplicates seen in training", "groups seen in training",
              "pictures across splits", "near duplicates across splits", "groups across splits")
FEW_TRAINED = 20  # training pictures of a class below which a model has seen little of it
LOOSE = 0.1       # calibration error from which stated confidence misleads
BROUGHT = "labelled pictures that it was measured on afterwards"


@dataclass(frozen=True)
class Results:
    """`facts`: as toolkit.report.words wants them; `findings`: of toolkit.runs.checks, gravest first.

    evaluated: it is no run that trained, but a model measured on other pictures.
    """

    facts: dict
    answers: predicted.Answers
    findings: tuple
    evaluated: bool = False

    @property
    def metrics(self):
        return self.facts["metrics"]

    @property
    def classes(self):
        return self.facts["classes"]

    @property
    def parts(self):
        """Parts that have scores, the test part first."""
        return tuple(part for part in predicted.PARTS if part in self.metrics)


def there(folder):
    """Whether a run has got as far as scores and answers."""
    return paths(folder).metrics.exists() and paths(folder).predictions.exists()


def read(folder, command="finetune"):
    """The Results of a run folder. Raises UntrustedError where a file is damaged, or two do not belong together."""
    measured = scored.metrics(folder)
    answered = predicted.answers(folder, measured["classes"])
    for part in predicted.PARTS:
        if part in measured and answered.confusion(part).tolist() != measured[part]["confusion"]:
            raise UntrustedError(f"predictions.csv and metrics.json do not belong together: the {part} scores are "
                                 "those of other answers.")
    try:
        findings = tuple(checks.findings(folder))
    except UntrustedError:
        findings = ()
    facts = {"classes": list(measured["classes"]), "metrics": measured, "network": {"random": random(folder)},
             "counts": answered.counts, "groups": answered.named, "decision": measured["why"]}
    evaluated = command == "evaluate" or "probe" not in measured
    return Results(facts | ({"part": BROUGHT} if evaluated else {}), answered, findings, evaluated)


def random(folder):
    """Whether the network began from random weights."""
    try:
        return scored.within(reading.facts(paths(folder).model_facts), "weights").get("random") is True
    except UntrustedError:
        return False


def warnings(results):
    """What must be known before a score is read: sentences, the gravest first."""
    falsified = [f"{one.sentence} {one.remedy}".strip() for one in results.findings
                 if one.check in FALSIFYING and one.severity != "note"]
    return [sentence for sentence in (words.random_weights(results.facts), *falsified,
                                     words.without_copies(results.facts), words.judgement(results.facts)) if sentence]


def small(results):
    """A word about a test part that is too small to say much, or ""."""
    count, _ = words.units(results.metrics["test"])
    if count >= words.SMALL:
        return ""
    return (f"Only {count} independent {'picture was' if count == 1 else 'pictures were'} tested: read the intervals, "
            "not the values.")


def knowledge(results):
    """What the model has seen, and what it has not, as short sentences."""
    facts, test, classes = results.facts, results.metrics["test"], results.classes
    trained = results.answers.counts.get("train", {})
    found = [f"It knows these {len(classes)} classes and no other: a picture of anything else gets one of them too."]
    if any(trained.values()):
        least, most = min(trained.values()), max(trained.values())
        found.append(f"It learnt from {sum(trained.values()):,} pictures, {least:,} to {most:,} a class.")
        rare = [name for name in classes if trained[name] < FEW_TRAINED]
        if rare:
            found.append(f"Fewer than {FEW_TRAINED} training pictures of {words.quoted(rare)}: it has seen little of "
                         f"{'it' if len(rare) == 1 else 'them'}.")
    gap = test.get("ece", {}).get("value")
    if gap is not None:
        found.append(f"Its stated confidence is {100 * gap:.0f} points away from the share of right answers on average"
                     + ("; do not take it at its word." if gap >= LOOSE else "."))
    return found + [one for one in words.caveats(facts) if not one.startswith("The test part holds only")]
