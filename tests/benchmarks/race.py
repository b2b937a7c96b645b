"""CPU seconds from the start of a command to a good model, and its test AUC, against what a user would pick instead.

    python tests/benchmarks/race.py --weights resnet18.safetensors --peers-env DIR [--sets busi,magnetic_tile]

Ours is the command from its start, imports included, with an empty cache folder (cold) and the same again (warm): until
it says its test scores, and whole, with the model, its check and the report, which the peers do not make. Their figure
is the one they print, without their imports, as it is the smaller. fastai gets the best of three learning rates, chosen
by its test AUC of the first round; only the best is measured further.
"""

from harness import main
from sides import SETS, Sides

RATES = ("5e-4", "2e-3", "5e-3")


def run(bench, options):
    """Measure each set, all its cases in turn, and state the comparisons."""
    sides = Sides(options)
    for name in options.sets.split(","):
        cases = ours(sides, name) | peers(sides, name)
        fastai = [case for case in cases if "fastai" in case]
        bench.run(cases, rounds=1)
        done = {case: bench.of(case)[0]["auc"] for case in fastai if bench.of(case)}
        best = max(done, key=done.get) if done else fastai[0]
        bench.run({case: work for case, work in cases.items() if case not in fastai or case == best})
        compare(bench, name, best)


def ours(sides, name):
    """Our cases: {name: function of the round}."""
    return {f"{name}: ours, probe only, cold": lambda number: sides.ours(name, 0, f"{name}-{number}", "--probe-only"),
            f"{name}: ours, probe only, warm": lambda number: sides.warm(name, 0, f"{name}-{number}", "--probe-only"),
            f"{name}: ours, default, cold": lambda number: sides.ours(name, 0, None)}


def peers(sides, name):
    """The peers' cases."""
    found = {f"{name}: frozen_probe": lambda number: sides.peer("frozen_probe", name, 0),
             f"{name}: keras_guide, 5 + 5 epochs": lambda number: sides.peer(
                 "keras_guide", name, 0, "--epochs", 5, "--tune-epochs", 5)}
    for rate in RATES:
        found[f"{name}: fastai, 5 epochs, rate {rate}"] = lambda number, rate=rate: sides.peer(
            "fastai_finetune", name, 0, "--epochs", 5, "--lr", rate)
    return found


def compare(bench, name, fastai):
    """What is wanted on a set."""
    cold, warm, default = list(ours(None, name))
    guide, probe = f"{name}: keras_guide, 5 + 5 epochs", f"{name}: frozen_probe"
    for peer, case, own, wanted in (("fastai", fastai, cold, 20), ("keras_guide", guide, cold, 15),
                                    ("frozen_probe", probe, cold, 1.5), ("frozen_probe", probe, warm, 3)):
        kind = "cold" if own == cold else "warm"
        for field, until in (("scored_cpu", ", to its scores"), ("cpu", "")):
            bench.compare(f"{name}, CPU s: {peer} / our probe only, {kind}{until}", (case, "inner_cpu"), (own, field),
                          f">= {wanted}")
    for peer, case in (("fastai", fastai), ("keras_guide", guide), ("frozen_probe", probe)):
        bench.compare(f"{name}, ROC AUC: our probe only - {peer}", (cold, "auc"), (case, "auc"), ">= 0", "difference")
    bench.compare(f"{name}, CPU s: fastai / our default, cold", (fastai, "inner_cpu"), (default, "cpu"))


if __name__ == "__main__":
    main("race", __doc__, run, sets=(",".join(SETS), "sets of pictures"), backbone="resnet18",
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"),
         fit=("crop", "how the peers make a picture square: crop, their default, or squash, which is ours"))
