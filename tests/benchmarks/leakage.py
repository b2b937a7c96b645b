"""How much of a usual figure is leakage: our split, which parts no scene and no copy, beside a naive random one.

    python tests/benchmarks/leakage.py [--sets busi,magnetic_tile] [--more "--preset balanced"]

A seed a round, the same for the split, the training and both sides. The naive split is what scikit-learn's
train_test_split makes: 70/15/15, stratified by class, each picture for itself; it is given with the data, and
--keep-split keeps it as it is. What its test pictures without a near copy in training score is stated too.
"""

import json
import shlex
import shutil
import sys
import tempfile
from pathlib import Path

from harness import command, main
from tables import write

SETS = {"busi": "busi/images", "magnetic_tile": "magnetic_tile/images"}
SCORES = ("roc_auc", "balanced_accuracy", "accuracy")


def naive(pictures, seed, table):
    """A table of (path, class) with a part for each picture, by chance within each class."""
    from sklearn.model_selection import train_test_split

    labels = dict(pictures)
    train, rest = train_test_split(sorted(labels), test_size=0.3, random_state=seed, stratify=[
        labels[path] for path in sorted(labels)])
    validation, test = train_test_split(rest, test_size=0.5, random_state=seed, stratify=[
        labels[path] for path in rest])
    write(table, ("path", "label", "split"), [
        (path, labels[path], part) for part, paths in (("train", train), ("validation", validation), ("test", test))
        for path in paths])


def scores(folder):
    """What a run scored on its test part, and on those of its pictures that training does not know."""
    told = json.loads((folder / "metrics.json").read_text())
    alone = told.get("test_without_copies") or told["test"]
    return {name: told["test"][name]["value"] for name in SCORES} | {
        "n": told["test"]["n"], "alone_n": alone["n"], "alone_roc_auc": alone["roc_auc"]["value"],
        "chosen": told["chosen"]}


def run(bench, options):
    """Measure seed by seed."""
    shared = Path(options.shared) / "data"
    with tempfile.TemporaryDirectory(prefix="benchmark-") as place:
        place = Path(place)

        def once(name, seed, data, *more):
            folder = Path(tempfile.mkdtemp(dir=place))
            typed = [sys.executable, "-m", "toolkit.finetune", data, "--device", "cpu", "--backbone", options.backbone,
                     "--cache-dir", place / "store", "--run-dir", folder / "run", "--seed", seed, *more,
                     *shlex.split(options.more)]
            _, cost = command(typed + (["--weights", options.weights] if options.weights else []))
            told = scores(folder / "run")
            shutil.rmtree(folder)
            return cost | told

        def random(name, seed):
            root, table = shared / SETS[name], place / f"{name}-{seed}.csv"
            naive([(path.relative_to(root).as_posix(), path.parent.name) for path in root.glob("*/*")], seed, table)
            return once(name, seed, table, "--root", root, "--keep-split")

        for name in options.sets.split(","):
            ours, usual = f"{name}: our split", f"{name}: naive split"
            bench.run({ours: lambda seed: once(name, seed, shared / SETS[name]),
                       usual: lambda seed: random(name, seed)})
            for score in SCORES:
                bench.compare(f"{name}, {score}: naive - ours", (usual, score), (ours, score), kind="difference")
            bench.compare(f"{name}, roc_auc: naive, all test pictures - those without a near copy in training",
                          (usual, "roc_auc"), (usual, "alone_roc_auc"), kind="difference")


if __name__ == "__main__":
    main("leakage", __doc__, run, rounds=5, sets="busi", backbone="resnet50",
         more=("--preset fast", "further options of our command, quoted"))
