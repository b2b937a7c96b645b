"""Wrong labels, planted at random: where the doctor ranks them, and where a fine-tuned network's own loss does.

    python tests/benchmarks/labels.py --weights resnet18.safetensors [--sets busi,cells,magnetic_tile] [--share 0.05]
    python tests/benchmarks/labels.py --backbone resnet50 --weights imagenet --tune 0

A round is a seed of the flips and of the split. The doctor looks at all pictures, as `toolkit.check` and every run do;
the network is tuned down to layer4 on the training part with the flipped labels, and its training pictures are ranked
by their loss. sample:cells has ten wrong labels of its own, which count too; its pictures in two classes do not.
"""

import csv
import functools
import json
import shutil
import tempfile
import time
from pathlib import Path

from harness import child, main
from sides import SETS
from tables import rows_of, write


def run(bench, options):
    """All sets, seed by seed."""
    @functools.cache
    def both(name, seed):
        return child(__file__, name=name, seed=seed, shared=options.shared, backbone=options.backbone,
                     weights=options.weights or "imagenet", share=options.share, tune=options.tune)

    for name in options.sets.split(","):
        cases = {f"{name}: {kind}": lambda seed, name=name, kind=kind: both(name, seed)[kind]
                 for kind in (OURS, OURS_TRAINED, *([LOSS] if options.tune else []))}
        bench.run(cases)
        bench.compare(f"{name}: average precision of the doctor", (f"{name}: {OURS}", "average_precision"),
                      (f"{name}: {OURS}", "one"), ">= 0.8" if name == "cells" else ">= 0.5")
        if options.tune:
            bench.compare(f"{name}, training pictures: the doctor - loss of the tuned network",
                          (f"{name}: {OURS_TRAINED}", "average_precision"),
                          (f"{name}: {LOSS}", "average_precision"), "", "difference")


OURS, OURS_TRAINED, LOSS = "doctor, all pictures", "doctor, training pictures", "loss in sample, training pictures"


def part(name, seed, shared, backbone, weights, share, tune):
    """{case: figures} of a set and a seed."""
    from inside import Inside

    folder = tempfile.mkdtemp(prefix="benchmark-")
    try:
        root, truth = labelled(name, Path(shared))
        given = flipped(truth, seed, share)
        write(table := Path(folder, "table.csv"), ("path", "label", "group"),
              [(path, given[path], row["group"]) for path, row in truth.items()])
        inside = Inside(Path(folder, "run"), table, "--root", root, "--backbone", backbone, "--weights", weights,
                        "--seed", seed, "--train-from", "layer4", "--cache-dir", Path(folder, "cache"))
        told = measured(inside, truth, tune)
        inside.store.close()
        return told
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measured(inside, truth, tune):
    """The rankings of a run's pictures."""
    import numpy as np

    from toolkit.doctor import labels
    from toolkit.steps import judge

    case = inside.pictures()
    net = inside.network(len(case.classes))
    seen = inside.features(case, net)
    _, fitted = inside.learn.probe(inside.chosen, case, inside.task, net, seen, inside.progress)
    rows = [truth[path] for path in case.samples.rows["path"]]
    wrong = np.array([row["label"] != label for row, label in zip(rows, case.samples.rows["label"])])
    counted = ~np.array([row["conflict"] for row in rows])
    began = time.process_time()
    doubts = labels.of(judge.at(inside.chosen, case, seen, fitted)).wrong
    cpu = time.process_time() - began
    trained = counted & (case.part == "train")
    listed = counted & (doubts >= labels.WORTH)
    found = {OURS: ranked(wrong, doubts, counted) | {
        "cpu": round(cpu, 2), "listed": int(listed.sum()), "expected": round(float(doubts[listed].sum()), 1),
        "wrong": int(wrong[listed].sum())}, OURS_TRAINED: ranked(wrong, doubts, trained)}
    if tune:
        found[LOSS] = ranked(wrong, loss(inside, case, net, seen), trained)
    return found


def ranked(wrong, scores, counted):
    """Average precision of a ranking of the pictures that are counted."""
    from sklearn.metrics import average_precision_score

    return {"average_precision": round(float(average_precision_score(wrong[counted], scores[counted])), 4), "one": 1.0}


def loss(inside, case, net, seen):
    """Cross-entropy (n,) of each picture's label by the network, tuned down to layer4 on the training part."""
    import numpy as np

    from toolkit.evaluation import calibration
    from toolkit.features import executor

    chosen, began = inside.chosen, time.monotonic()
    plan = inside.tuning.planned(chosen, case, net, seen, inside.run, began)
    inside.tuning.tune(chosen, case, inside.task, net, seen, plan, inside.run, inside.progress, began)
    logits = executor.collect(seen.build(net.model, "float32"), len(case.pixels), lambda rows: [case.pixels[rows]])
    return -np.log(np.maximum(calibration.softmax(logits)[np.arange(len(logits)), case.numbers], 1e-15))


def labelled(name, shared):
    """(folder, {path: {"label": the right one, "given", "group", "conflict": whether it stands in two classes}})."""
    if name != "cells":
        folder, table, label = SETS[name]
        return shared / "data" / folder, {row["file"]: {"label": row[label], "given": row[label], "group": "",
                                                        "conflict": False} for row in rows_of(shared / "data" / table)}
    from toolkit.data.samples import cells

    table = cells.make()
    planted = json.loads(table.with_name("planted.json").read_text("utf-8"))
    right = {wrong["path"]: wrong["right"] for wrong in planted["wrong_labels"]}
    twice = {path for pair in planted["conflicts"] for path in pair}
    return table.parent, {row["path"]: {"label": right.get(row["path"], row["label"]), "given": row["label"],
                                        "group": row["group"], "conflict": row["path"] in twice}
                          for row in csv.DictReader(open(table, newline="", encoding="utf-8-sig"))
                          if row["path"] not in planted["unreadable"]}


def flipped(truth, seed, share):
    """{path: label}, the given ones but for a share of them, which are put into another class at random."""
    import numpy as np

    rng, classes = np.random.default_rng(100 + seed), sorted({row["given"] for row in truth.values()})
    given = {path: row["given"] for path, row in truth.items()}
    for number in rng.permutation(len(given))[:round(share * len(given))]:
        path = list(given)[number]
        given[path] = str(rng.choice([name for name in classes if name != given[path]]))
    return given


if __name__ == "__main__":
    main("labels", __doc__, run, part, rounds=3, backbone="resnet18", sets=("busi,cells,magnetic_tile",
         "sets of pictures"), share=(0.05, "share of the labels that are flipped"),
         tune=(1, "0: leave the tuned network out"))
