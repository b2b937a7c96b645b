"""How many augmented views a picture are worth keeping: test AUC of the tuned last stage by --cache-views.

    python tests/benchmarks/views.py --weights resnet18.safetensors [--rounds 5]

A seed a round, with its own split where the set has no official one. No cache (0) augments afresh in each epoch. The
AUC is that of the tuned network, kept or not; where no epoch lowered the validation loss, of the probe that it began
with. The lowest validation loss of the epochs tells the ways apart there too. --epochs 0 leaves their number, and when
to stop, to the toolkit.
"""

from harness import main
from sides import SETS, Sides


def run(bench, options):
    """Measure all numbers of views in turn, set by set."""
    sides = Sides(options)
    fixed = ("--train-from", "layer4", *(("--epochs", options.epochs, "--patience", options.epochs)
                                         if options.epochs else ()))
    for name in options.sets.split(","):
        cases = {f"{name}: {'no cache' if views == '0' else f'{views} views'}": views
                 for views in options.views.split(",")}
        bench.run({case: lambda seed, views=views: sides.ours(name, seed, None, *fixed, "--cache-views", views)
                   for case, views in cases.items()})
        for case, views in cases.items():
            if views != "0":
                for field, words in (("tuned_auc", "ROC AUC tuned"), ("tuned_loss", "lowest validation loss")):
                    bench.compare(f"{case} - no cache, {words}", (case, field), (f"{name}: no cache", field),
                                  kind="difference")


if __name__ == "__main__":
    main("views", __doc__, run, rounds=3, sets=(",".join(SETS), "sets of pictures"), backbone="resnet18",
         views=("0,1,2,4,8", "numbers of views"), epochs=(12, "epochs of the stage, all of them done"),
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"))
