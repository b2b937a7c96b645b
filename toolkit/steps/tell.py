"""Step three: what the model is worth on pictures kept apart, and everything a run leaves."""

import codecs
from dataclasses import asdict, fields

import numpy as np

from toolkit.errors import ToolkitError

MEASURED = ("validation", "test")
MISTAKES = 24  # shown in the report
SHOWN = 8      # pictures that the written file must answer as the network does


MEASURING = {"check": "Measuring the probe in float32, as it would be shipped.",
             "score": "Measuring the tuned model in float32, as it would be shipped."}


def logits_of(phase, case, net, seen, progress):
    """Logits of the validation and test pictures by the whole network in float32, as it is shipped; zeros elsewhere."""
    from toolkit.features import executor

    step = progress.start(phase, MEASURING[phase])
    rows = np.sort(np.concatenate([case.rows[part] for part in MEASURED]))
    found = np.zeros((len(case.pixels), len(case.classes)), np.float32)
    compute = seen.build(net.model, "float32")
    found[rows] = executor.collect(compute, len(rows), lambda part: [case.pixels[rows[part]]], step)
    return found


def shown(case, final):
    """(a few validation pictures, the probabilities that the shipped network itself gives them, in float32)."""
    from toolkit import artifact

    pixels = case.pixels[case.rows["validation"][:SHOWN]]
    return pixels, artifact.outputs(final, pixels.astype(np.float32))


def gap(chosen, case, net, seen, first, logits, kept, tuned, temperature, shown):
    """How far the kept features' answers lie from the whole network's in float32: largest difference of a probability.

    `first`: the probe's logits from its features. Of a tuned model the maps at its boundary are looked at, of
    validation pictures.
    """
    from toolkit.evaluation.calibration import softmax
    from toolkit.features import views

    rows = case.rows["validation"]
    if chosen.probe_only:  # and only those few went through the whole network
        rows, exact = rows[:SHOWN], shown[1]
    else:
        exact = softmax(logits[kept.model][rows], temperature)
    if kept.model == "probe":
        near = softmax(first[rows], temperature)
    else:  # by the head, which holds the temperature by now (`calibrated`)
        entered = tuned.views.get(kept.name)  # maps, else pictures themselves
        above = views.logits(net.model, seen, net.stages, kept.name, rows) if entered else None
        near = None if above is None else softmax(above)
    difference = None if near is None else float(np.abs(near - exact).max())
    return {"probability": difference, "pictures": len(rows), "features": seen.identity, "kept_as": chosen.cache_dtype,
            "scored": "features" if chosen.probe_only else "network"}


def calibrated(net, temperature):
    """The model with probabilities for logits; `temperature` is divided into the head, so nothing is left to apply."""
    import keras

    head = net.model.get_layer("head")
    for variable in (head.kernel, head.bias):
        variable.assign(variable / temperature)
    probabilities = keras.layers.Activation("softmax", dtype="float32", name="probabilities")(net.model.output)
    return keras.Model(net.model.input, probabilities, name=net.recipe.architecture)


def first_answer(chosen, case, logits, run, began):
    """Say how good the probe is on the validation pictures."""
    import time

    from toolkit.evaluation import calibration, scores

    rows, truth = case.rows["validation"], case.truth("validation")
    block = scores.scores(truth, calibration.softmax(logits[rows]), case.classes, case.groups("validation"),
                          min(chosen.resamples, 300), chosen.seed)
    auc = block["roc_auc"]
    run.event("probe", "validation_roc_auc", auc["value"])
    said = f"no AUC ({auc.get('reason')})" if auc["value"] is None else (
        f"AUC {ranged(auc)}")
    run.say(f"  After {time.monotonic() - began:.0f} s the probe's validation scores: {said}; "
            f"balanced accuracy {number(block['balanced_accuracy'])}.")


def number(score):
    """A score in three digits, or a dash."""
    return "–" if score["value"] is None else f"{score['value']:.3f}"


def ranged(score):
    """A score with its 95 % interval, where it has one."""
    return number(score) + ("" if score.get("low") is None else f" ({score['low']:.3f} to {score['high']:.3f})")


def metrics(chosen, case, logits, kept, temperature, seconds):
    """metrics.json: the model kept, the probe and the majority answer, on the same pictures."""
    from toolkit.evaluation import baseline, calibration, scores

    def block(name, part, temperature):
        probabilities = calibration.softmax(logits[name][case.rows[part]], temperature)
        return scores.scores(case.truth(part), probabilities, case.classes, case.groups(part), chosen.resamples,
                             chosen.seed)

    def parts(name):
        warm = calibration.temperature(logits[name][case.rows["validation"]], case.truth("validation"))
        return {part: block(name, part, warm) for part in reversed(MEASURED)}

    test = calibration.softmax(logits[kept.model][case.rows["test"]], temperature)
    return {
        "schema": 1, "task": "classification", "classes": case.classes,
        "test": block(kept.model, "test", temperature), "validation": block(kept.model, "validation", temperature),
        **without_copies(case, test, case.alone(), chosen),
        "baseline": {"majority": baseline.majority(case.truth("train"), case.truth("test"), case.classes,
                                                   case.groups("test"), chosen.resamples, chosen.seed)},
        **{name: parts(name) for name in logits},  # the probe, and the tuned model where there is one
        "chosen": kept.name, "why": kept.why, "gain": kept.gain, "temperature": temperature, "seconds": seconds,
    }


def without_copies(case, probabilities, alone, chosen):
    """{"test_without_copies": scores of the mask `alone` of the test pictures}; {} where it holds all of them."""
    from toolkit.evaluation import scores

    if alone.all():
        return {}
    groups = case.groups("test")
    return {"test_without_copies": scores.scores(
        case.truth("test")[alone], probabilities[alone], case.classes, None if groups is None else groups[alone],
        chosen.resamples, chosen.seed)}


def fold_scores(chosen, case, task, probabilities, run):
    """Scores of all pictures together, each answered by a probe that had not seen it; their answers go to folds.csv."""
    from toolkit.evaluation import scores

    if probabilities is None:
        return None
    asked = np.flatnonzero(np.isfinite(probabilities).all(1))
    groups = case.samples.rows["bound"].to_numpy()[asked]
    answers(case, task, probabilities, asked, run.folds)
    block = scores.scores(case.numbers[asked], probabilities[asked], case.classes,
                          groups if len(np.unique(groups)) < len(groups) else None, chosen.resamples, chosen.seed)
    those = f"all {len(asked)}" if len(asked) == len(case.numbers) else f"{len(asked)} of {len(case.numbers)}"
    run.say(f"The probe over {chosen.folds} folds of {those} pictures: {in_words(block)}.")
    return {"folds": chosen.folds, "repeats": chosen.fold_repeats, "model": "probe", **block}


def check_still(tuned):
    """Fail the run where a frozen weight or a still batch statistic has moved at all."""
    if tuned.moved:
        raise ToolkitError(f"{len(tuned.moved)} frozen weights moved while training ({', '.join(tuned.moved[:5])}); "
                           "the result cannot be trusted and is not written. Please report this.")


def write(chosen, case, task, net, final, kept, tuned, measured, probabilities, shown, run):
    """Every file of a finished run: model first, report last."""
    from toolkit import artifact
    from toolkit.report import card, page

    run.json(run.metrics, measured)
    predictions(case, task, probabilities, run)
    thumbnails(case, chosen.resize, run)
    artifact.write(run.folder, final, model_facts(chosen, case, net, kept, measured), *shown)
    told = report_facts(chosen, case, task, net, kept, tuned, measured, probabilities, run)
    page.write(run.report, told, run.figures)
    card.write(run.model_card, told)
    run.say(f"Report: {run.report}   Model: {run.model}")


def predictions(case, task, probabilities, run):
    """predictions.csv: a row a picture of validation and test."""
    answers(case, task, probabilities, np.concatenate([case.rows[part] for part in MEASURED]), run.predictions)


def thumbnails(case, resize, run):
    """thumbnails.zip: the pictures of validation and test, small."""
    from toolkit.pixels import thumbnails

    rows = np.concatenate([case.rows[part] for part in MEASURED])
    thumbnails.write(run.thumbnails, *thumbnails.of(case.pixels, case.samples.rows, rows, resize))


def answers(case, task, probabilities, rows, path):
    """A table of the pictures `rows` with their probabilities, in the order of the classes."""
    from toolkit.data.spreadsheet import to_csv
    from toolkit.files import write_atomic

    names = task.decode(probabilities[rows], case.classes)
    columns = ["split", "path", "label", "predicted", *(f"p_{name}" for name in case.classes)]
    table = case.samples.rows
    data = to_csv(columns, ([table["split"].iat[row], table["path"].iat[row], table["label"].iat[row], answer,
                             *(float(p) for p in probabilities[row])] for row, answer in zip(rows, names)))
    write_atomic(path, data if data.isascii() else codecs.BOM_UTF8 + data)  # Excel needs the mark for more


def model_facts(chosen, case, net, kept, measured):
    """model.json, but for what the artifact adds itself."""
    from toolkit.pixels import decode

    return {
        "task": "classification", "classes": case.classes,
        "input": {"height": chosen.size, "width": chosen.size, "channels": chosen.channels, "resize": chosen.resize,
                  "decoder": decode.DECODER, "depth": asdict(case.depth), "frames": chosen.frames},
        "backbone": net.recipe.architecture,
        "weights": {"tag": net.recipe.tag, "source": net.recipe.source, "licence": net.recipe.licence,
                    "sha256": net.recipe.sha256, "random": net.random},
        "licence": net.recipe.licence, "chosen": kept.name, "temperature": measured["temperature"],
        "thresholds": {name: 1 / len(case.classes) for name in case.classes} if len(case.classes) == 2 else None,
        "decision": "the class with the highest probability", "data": fingerprint(case),
        "scores": {part: {name: score for name, score in measured[part].items() if name in ("n", *score_names())}
                   for part in MEASURED},
    }


def score_names():
    """The scores that go with a model."""
    from toolkit.tasks import classification

    return classification.METRICS


def fingerprint(case):
    """What the data were, without a name: pictures by part and class, and one hash over all."""
    import hashlib

    rows = case.samples.rows
    lines = sorted(" ".join(row) for row in zip(rows["sha256"], rows["label"], rows["split"]))
    return {"pictures": len(rows), "counts": case.counts(),
            "sha256": hashlib.sha256("\n".join(lines).encode()).hexdigest()}


def report_facts(chosen, case, task, net, kept, tuned, measured, probabilities, run):
    """The facts that report.page and report.card show."""
    from toolkit.evaluation import operating
    from toolkit.steps import advise

    usual = {f.name: f.default for f in fields(chosen)}
    notes = [note for text in case.samples.rows["note"] if text for note in text.split("; ")]
    return {
        "title": f"{', '.join(case.classes[:4])}{' and more' if len(case.classes) > 4 else ''}",
        "task": "classification", "created": run.facts["times"]["started"], "classes": case.classes,
        "metrics": measured,
        "predictions": {part: (case.truth(part), probabilities[case.rows[part]]) for part in MEASURED},
        "curves": operating.curves(case.truth("test"), probabilities[case.rows["test"]], case.classes),
        "history": tuned.history, "probe_loss": tuned.loss_before, "counts": case.counts(),
        "groups": grouped(case.samples.rows), **advise.shown(case, chosen.resize),
        "skipped": case.samples.skipped | ({"cannot be read": len(case.samples.unreadable)}
                                           if case.samples.unreadable else {}),
        "converted": {note: notes.count(note) for note in sorted(set(notes))},
        "mistakes": mistakes(case, task, probabilities),
        "network": {"backbone": net.recipe.architecture, "weights": net.recipe.tag, "licence": net.recipe.licence,
                    "source": net.recipe.source, "parameters": int(net.model.count_params()), "size": chosen.size,
                    "channels": chosen.channels, "resize": chosen.resize, "random": net.random},
        "decision": " ".join([kept.why, *remarks(chosen, tuned, run)]),
        "options": {name: value for name, value in vars(chosen).items()
                    if value != usual[name] and name not in ("data", "root", "run_dir", "config", "weights")},
        "seconds": measured["seconds"], "machine": run.facts["machine"],
        "run": {"toolkit": run.facts["versions"]["toolkit"], "keras": run.facts["versions"]["keras"],
                "seed": chosen.seed, "device": run.facts.get("device")},
    }


def remarks(chosen, tuned, run):
    """Sentences on how tuning went otherwise than was asked for."""
    from toolkit.steps import tuning

    if tuned.stopped:
        yield f"Tuning ended early: {tuned.stopped}."
    if 1 in tuned.views.values() and chosen.augment != "none":
        more = tuning.unvaried(several=run.facts["views"]["kept"] == 1 and chosen.epochs != 1)
        yield f"One view of a picture was kept: {more}."


def grouped(rows):
    """What report.page wants to know of the groups that the rows name."""
    sides = rows[rows["group"] != ""].groupby("group")["split"].nunique()
    return {"named": len(sides), "parted": int((sides > 1).sum()), "without": int((rows["group"] == "").sum())}


def mistakes(case, task, probabilities):
    """The test pictures that the model got wrong, the surest first."""
    rows = case.rows["test"]
    answers = probabilities[rows].argmax(1)
    wrong = rows[answers != case.truth("test")]
    wrong = wrong[np.argsort(-probabilities[wrong].max(1), kind="stable")][:MISTAKES]
    table, predicted = case.samples.rows, task.decode(probabilities[wrong], case.classes)
    return [{"path": table["path"].iat[row], "label": table["label"].iat[row], "predicted": answer,
             "probability": float(probabilities[row].max()), "thumbnail": case.pixels[row]}
            for row, answer in zip(wrong, predicted)]


def in_words(block):
    """The three scores that everybody asks for."""
    return ", ".join(f"{words} {ranged(block[name])}" for name, words in (
        ("roc_auc", "AUC"), ("balanced_accuracy", "balanced accuracy"), ("accuracy", "accuracy")))


def alternative(majority):
    """What the answer that looks at no picture is worth."""
    return f"Always answering {majority['class']!r} would be right {majority['accuracy']['value']:.1%} of the time."


def known_ones(measured):
    """Lines: what is left of the scores without pictures that training knows; none where it knows none."""
    if (block := measured.get("test_without_copies")) is not None:
        known = measured["test"]["n"] - block["n"]
        rest = f"on the other {block['n']}: {in_words(block)}" if block["n"] else "no other is left"
        yield (f"{known} of these {measured['test']['n']} share a copy, a near copy or a group with training or "
               f"validation; {rest}.")


def verdict(measured, run):
    """The result in plain words."""
    test, majority = measured["test"], measured["baseline"]["majority"]
    run.say(f"On {test['n']} test pictures, used once: {in_words(test)}. {alternative(majority)}")
    for line in known_ones(measured):
        run.say(line)
    if measured["tuning_ended"]:
        run.say(f"Tuning ended early: {measured['tuning_ended']}.")
    run.say(measured["why"])
