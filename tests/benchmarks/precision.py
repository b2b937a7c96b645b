"""Tuning in bfloat16 against float32: test AUC of the tuned last stage, and the seconds it took.

    python tests/benchmarks/precision.py --weights resnet18.safetensors [--rounds 3]

A seed a round, with its own split where the set has no official one; both read the same kept views.
"""

from harness import main
from sides import SETS, Sides


def run(bench, options):
    """Measure both precisions in turn, set by set."""
    sides = Sides(options)
    for name in options.sets.split(","):
        cases = {f"{name}: tuned in {precision}": precision for precision in ("float32", "bfloat16")}
        bench.run({case: lambda seed, precision=precision: sides.ours(
            name, seed, f"{name}-{seed}", "--train-from", options.stage, "--epochs", options.epochs,
            "--training-precision", precision) for case, precision in cases.items()})
        exact, fast = cases
        bench.compare(f"{name}, s of tuning: float32 / bfloat16", (exact, "tune"), (fast, "tune"))
        bench.compare(f"{name}, ROC AUC tuned: bfloat16 - float32", (fast, "tuned_auc"), (exact, "tuned_auc"),
                      kind="difference")


if __name__ == "__main__":
    main("precision", __doc__, run, rounds=3, sets=(",".join(SETS), "sets of pictures"), backbone="resnet18",
         stage=("layer4", "deepest stage that is tuned"), epochs=(8, "epochs of a stage"),
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"))
