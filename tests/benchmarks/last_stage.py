"""The last stage trained for twenty epochs: reading kept views against augmenting and computing afresh each epoch.

    python tests/benchmarks/last_stage.py --weights resnet18.safetensors [--sets busi]

A seed a round. Both are whole commands on an empty cache folder; the AUC is that of the tuned network, kept or not;
where no epoch lowered the validation loss, of the probe that it began with.
"""

from harness import main
from sides import SETS, Sides


def run(bench, options):
    """Measure both ways in turn, set by set."""
    sides = Sides(options)
    fixed = ("--train-from", "layer4", "--epochs", options.epochs, "--patience", options.epochs)
    for name in options.sets.split(","):
        kept, fresh = f"{name}: default views", f"{name}: no cache"
        bench.run({kept: lambda seed: sides.ours(name, seed, None, *fixed),
                   fresh: lambda seed: sides.ours(name, seed, None, *fixed, "--cache-views", 0)})
        bench.compare(f"{name}, CPU s of the command: no cache / default views", (fresh, "cpu"), (kept, "cpu"), ">= 3")
        bench.compare(f"{name}, s of tuning: no cache / default views", (fresh, "tune"), (kept, "tune"))
        bench.compare(f"{name}, ROC AUC tuned: default views - no cache", (kept, "tuned_auc"), (fresh, "tuned_auc"),
                      ">= -0.01", "difference")


if __name__ == "__main__":
    main("last_stage", __doc__, run, rounds=3, epochs=20, backbone="resnet18",
         sets=(",".join(SETS), "sets of pictures"),
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"))
