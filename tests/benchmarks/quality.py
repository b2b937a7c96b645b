"""Test AUC of the default command against the peers at 5 and at 20 epochs, a seed a round: hours, in any pieces.

    python tests/benchmarks/quality.py --weights resnet18.safetensors --peers-env DIR [--only ours]

Each seed has its own split where the set has no official one. fastai gets the best of three learning rates, chosen by
its mean test AUC.
"""

from statistics import mean

from harness import main
from race import RATES
from sides import SETS, Sides

EPOCHS = (5, 20)


def run(bench, options):
    """Measure seed by seed, then compare with the best of the peers."""
    sides = Sides(options)
    for name in options.sets.split(","):
        bench.run({f"{name}: ours, default": lambda seed: sides.ours(name, seed, None),
                   f"{name}: ours, probe only": lambda seed: sides.ours(name, seed, None, "--probe-only"),
                   **peers(sides, name)})
        for epochs in EPOCHS:
            known = {case: [row["auc"] for row in bench.of(case).values()]
                     for case in peers(sides, name) if "epochs" not in case or f", {epochs} epochs" in case}
            known = {case: mean(values) for case, values in known.items() if values}
            if known:
                best = max(known, key=known.get)
                bench.compare(f"{name}, ROC AUC: our default - best peer at {epochs} epochs",
                              (f"{name}: ours, default", "auc"), (best, "auc"), ">= 0", "difference",
                              best.removeprefix(f"{name}: "))
        bench.compare(f"{name}, ROC AUC: our default - our probe only", (f"{name}: ours, default", "auc"),
                      (f"{name}: ours, probe only", "auc"), ">= 0", "difference")


def peers(sides, name):
    """{case: function of the seed}."""
    found = {f"{name}: frozen_probe": lambda seed: sides.peer("frozen_probe", name, seed)}
    for epochs in EPOCHS:
        found[f"{name}: keras_guide, {epochs} epochs twice"] = lambda seed, epochs=epochs: sides.peer(
            "keras_guide", name, seed, "--epochs", epochs, "--tune-epochs", epochs)
        for rate in RATES:
            found[f"{name}: fastai, {epochs} epochs, rate {rate}"] = lambda seed, epochs=epochs, rate=rate: sides.peer(
                "fastai_finetune", name, seed, "--epochs", epochs, "--lr", rate)
    return found


if __name__ == "__main__":
    main("quality", __doc__, run, rounds=3, sets=(",".join(SETS), "sets of pictures"), backbone="resnet18",
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"),
         fit=("crop", "how the peers make a picture square: crop, their default, or squash, which is ours"))
