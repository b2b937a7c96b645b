"""What the facts of a run say in plain words: numbers, verdict, limits. Report and model card share them.

The dict of facts is described in `page.py`. Everything here is plain text; page and card escape it.
"""

import math

from toolkit.errors import plain
from toolkit.report import snippet

# name in metrics.json: title, what it means
SCORES = {
    "roc_auc": ("ROC AUC", "chance that the right class's picture is ranked above another's; 0.5 is guessing"),
    "balanced_accuracy": ("Balanced accuracy", "share of right answers, every class counting the same"),
    "accuracy": ("Accuracy", "share of right answers"),
    "f1_macro": ("F1, mean over classes", "balance of found and falsely found, every class counting the same"),
    "average_precision": ("Average precision", "area under precision against recall; rare classes score lower"),
    "log_loss": ("Log loss", "how much the probabilities surprise; 0 is best"),
    "brier": ("Brier score", "squared error of the probabilities; 0 is best"),
    "ece": ("Calibration error", "distance between stated confidence and share of right answers; 0 is best"),
}
CLASS_SCORES = {"recall": "Sensitivity (recall)", "specificity": "Specificity", "precision": "Precision", "f1": "F1",
                "roc_auc": "ROC AUC"}
NAMES = 'json.load(open("model.json", encoding="utf-8"))["classes"]'  # of a snippet: they may hold anything
READ = "For pictures of 8 bits a channel, without transparency or colour profile."
NONE = "–"
FEW = 10  # test pictures of a class below which its own scores say little
SMALL = 100  # independent test units below which every interval is wide
TOGETHER = "pictures of one group, and copies and near duplicates that were found, count as one"
UNEVEN = 5  # biggest over smallest class from which accuracy flatters


def number(value, digits=3):
    """A number with a dot and `digits` decimals, or a dash for null."""
    if value is None or not math.isfinite(value):
        return NONE
    return f"{value:.{digits}f}"


def percent(value):
    """A share 0..1 as "88.5 %"."""
    return NONE if value is None else f"{100 * value:.1f} %"


def between(entry, form=number):
    """The interval of a score, "0.910 to 0.980", or "" where there is none."""
    if not entry or entry.get("low") is None or entry.get("high") is None:
        return ""
    return f"{form(entry['low'])} to {form(entry['high'])}"


def duration(seconds):
    """Seconds as "48 s", "3 min 20 s" or "2 h 5 min"."""
    if seconds is None:
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"


def quoted(names, most=3):
    """Names as 'a', 'b' and 2 more."""
    shown = ", ".join(f"'{plain(name)}'" for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def units(block):
    """(number of independent units that were resampled, whether any holds several pictures)."""
    interval = block.get("interval", {})
    return int(interval.get("units", block.get("n", 0))), interval.get("unit") == "group"


def resampled(block):
    """What was resampled: "60 pictures", or "20 independent units (...)" with what makes one."""
    count, bundled = units(block)
    return f"{count:,} independent units ({TOGETHER})" if bundled else f"{count:,} pictures"


def verdict(facts):
    """The result in one or two sentences."""
    metrics, classes = facts["metrics"], facts["classes"]
    test = metrics["test"]
    auc, right = test.get("roc_auc", {}), test.get("accuracy", {})
    count, bundled = units(test)
    what = facts.get("part") or f"test picture{'' if test['n'] == 1 else 's'} never used in training"
    part = f"{test['n']} {what}" + (f" ({count} of them independent)" if bundled else "")
    if auc.get("value") is None:
        said = (f"the ranking of the classes cannot be scored ({auc.get('reason', 'not measured')}), and the model "
                f"answers {percent(right.get('value'))} of all pictures correctly")
    else:
        what = (f"a {quoted(classes[1:2])} picture above a {quoted(classes[:1])} one" if len(classes) == 2
                else "the pictures of a class above those of the others")
        interval = f", 95 % interval {between(auc)}" if between(auc) else ""
        said = (f"the model ranks {what} in {percent(auc['value'])} of all pairs (ROC AUC {number(auc['value'])}"
                f"{interval}) and answers {percent(right.get('value'))} of the pictures correctly")
    base = metrics.get("baseline", {}).get("majority", {})
    if base.get("accuracy", {}).get("value") is not None:
        answer = quoted([base["class"]]) if "class" in base else "the most frequent class"
        said += f"; always answering {answer} would be right for {percent(base['accuracy']['value'])}"
    return f"On {part}, {said}."


def without_copies(facts):
    """What is left of the scores without test pictures that training knows, or "" where it knows none."""
    test, block = facts["metrics"]["test"], facts["metrics"].get("test_without_copies")
    if block is None:
        return ""
    known = (f"{test['n'] - block['n']} of the {test['n']} pictures that were measured share a copy, a near copy or a "
             "group with training or validation")
    if not block["n"]:
        return f"{known}: no other is left, and the scores say nothing about new pictures."
    auc, right = block.get("roc_auc", {}), block.get("accuracy", {})
    interval = f", 95 % interval {between(auc)}" if between(auc) else ""
    return (f"{known}; on the other {block['n']} ROC AUC is {number(auc.get('value'))}{interval}, and "
            f"{percent(right.get('value'))} of the answers are right.")


def judgement(facts):
    """A warning to stand under the verdict, or "" where the result needs none."""
    test = facts["metrics"]["test"]
    base = facts["metrics"].get("baseline", {}).get("majority", {}).get("accuracy", {}).get("value")
    auc, right = test.get("roc_auc", {}), test.get("accuracy", {}).get("value")
    if auc.get("low") is not None and auc["low"] <= 0.5:
        return "This is not shown to be better than guessing: the interval of ROC AUC reaches 0.5."
    if base is not None and right is not None and right <= base:
        return ("Its answers are right no more often than the most frequent class would be; judge it by its ranking "
                "and the scores of each class, not by accuracy.")
    return ""


def random_weights(facts):
    """The warning that the network began from random weights, or ""."""
    if not facts.get("network", {}).get("random"):
        return ""
    return ("This network began from random weights: none that were pretrained could be had, or none were wanted. Its "
            "scores are far below what the same data give with pretrained weights: take this run as a rehearsal only.")


def folds(facts):
    """What the probe is worth over all pictures, or ""."""
    block = facts["metrics"].get("folds")
    if not block:
        return ""
    auc, right = block["roc_auc"], block["balanced_accuracy"]
    repeats = f", drawn {block['repeats']} times," if block["repeats"] > 1 else ""
    said = ", ".join(f"{words} {number(entry['value'])}" + (f" ({between(entry)})" if between(entry) else "")
                     for words, entry in (("ROC AUC", auc), ("balanced accuracy", right)))
    return (f"Over {block['folds']} folds{repeats} of all {block['n']} pictures, each answered by a probe fitted "
            f"without it and its group: {said}. More pictures than the test part has, but the probe's scores.")


def arithmetic(facts):
    """How the frozen features were computed and how far the shipped file answers from them, or ""."""
    gap = facts["metrics"].get("gap") or {}
    if gap.get("probability") is None:
        return ""
    scored = ("The scores here are those of the features" if gap["scored"] == "features" else
              "The scores here are those of the whole network")
    return (f"Frozen features were computed by {gap['features']} and kept as {gap['kept_as']}. On {gap['pictures']} "
            f"pictures the whole network in float32, as model.keras holds it, gives probabilities at most "
            f"{gap['probability']:.2g} apart. {scored}.")


def caveats(facts):
    """What a reader must know before relying on the figures: a list of sentences."""
    test, classes = facts["metrics"]["test"], facts["classes"]
    count, bundled = units(test)
    found = []
    if count < SMALL:
        found.append(f"The test part holds only {count} independent picture{'' if count == 1 else 's'}: read the "
                     "intervals, not the values.")
    rare = [name for name in classes if test.get("per_class", {}).get(name, {}).get("n", FEW) < FEW]
    if rare:
        found.append(f"Fewer than {FEW} test pictures of {quoted(rare)}: scores of so few pictures say little.")
    found += [f"{SCORES[name][0]} is not defined: {test[name]['reason']}." for name in SCORES
              if test.get(name, {}).get("value", 0) is None]
    sizes = [sum(part.get(name, 0) for part in facts.get("counts", {}).values()) for name in classes]
    if sizes and min(sizes) and max(sizes) >= UNEVEN * min(sizes):
        found.append(f"The biggest class has {max(sizes) / min(sizes):.0f} times the pictures of the smallest: "
                     "accuracy flatters here, balanced accuracy and the scores of each class do not.")
    found.append(grouping(facts))
    if bundled:
        found.append(f"Intervals were made by resampling {count} independent units: {TOGETHER}.")
    found.append("Intervals show the chance in which pictures were tested, not that of another training run.")
    found.append("The figures hold for pictures taken like these. Another device, site or season can change them; "
                 "measure again on such pictures before use.")
    found.append("This is a measurement on the given labels, not an approval for medical or safety use.")
    return found


def grouping(facts):
    """Whether groups were given, and whether the parts keep them whole, as a sentence."""
    groups, outside = facts.get("groups") or {}, "part" in facts
    named, parted, without = (groups.get(name, 0) for name in ("named", "parted", "without"))
    harm = ("the intervals are too narrow, and nobody can say whether the model learnt from some of them" if outside
            else "they may stand on both sides of the split and every score here is too good")
    if not named:
        return ("No groups were given. If several pictures show one patient, plant or lot, name the group column: "
                f"otherwise {harm}.")
    if parted:
        return (f"Groups were given, and {parted} of {named} {'stands' if parted == 1 else 'stand'} in more than one "
                "part, as in the split that came with the data: the scores may be better than the truth.")
    said = (f"Groups were given: {named} among the measured pictures" if outside else
            f"Groups were given, and none of {named} stands in more than one part")
    rest = f"; {without} {'picture has' if without == 1 else 'pictures have'} none: if some show one patient, plant or "
    return said + (f"{rest}lot, {harm}." if without else ".")


def usage(facts):
    """Lines of Python that use model.keras without this package, on what the run measured: right for what READ says."""
    network = facts.get("network", {})
    size = network.get("size", 224)
    wanted = {"height": size, "width": size, "channels": network.get("channels", 3),
              "resize": network.get("resize", "squash")}
    return "import json\n" + snippet.python({"input": wanted}, "model.keras", "picture.png", NAMES)


def confusions(facts, most=20):
    """The most frequent wrong answers on the test part: [{"label", "answer", "n", "of"}], most frequent first."""
    classes, matrix = facts["classes"], facts["metrics"]["test"].get("confusion", [])
    pairs = [{"label": classes[i], "answer": classes[j], "n": n, "of": sum(row)}
             for i, row in enumerate(matrix) for j, n in enumerate(row) if n and i != j]
    return sorted(pairs, key=lambda pair: -pair["n"])[:most]
