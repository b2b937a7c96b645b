"""Twenty epochs with everything frozen: a head on kept features against uncached `fit` on the same frozen graph.

    python tests/benchmarks/frozen.py --weights resnet18.safetensors [--sets busi]

Counted are the CPU seconds from the built network on ("CPU s without imports"). The uncached side has its pictures
decoded in memory, for nothing; ours reads and decodes files into an empty store (cold) or finds it filled (warm). Both
train one head on the training part by Keras' `fit`, batch 32; "probe" is what the toolkit fits in its place.
"""

import tempfile
from pathlib import Path

from harness import Clock, child, main
from sides import Sides


def run(bench, options):
    """All ways in turn, set by set."""
    sides = Sides(options)
    for name in options.sets.split(","):
        given = {"table": str(sides.table(name)), "root": str(sides.root(name)), "backbone": options.backbone,
                 "weights": options.weights, "epochs": options.epochs}

        def kept(number, kind, warm):
            with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
                for _ in range(1 + warm):
                    row = child(__file__, kind=kind, folder=folder, **given)
                return row

        uncached = f"{name}: fit, uncached"
        cases = {f"{name}: {kind}, {'warm' if warm else 'cold'}": lambda number, kind=kind, warm=warm: kept(
            number, kind, warm) for kind in ("features and fit", "features and probe") for warm in (False, True)}
        bench.run({uncached: lambda number: kept(number, "uncached", False), **cases})
        for case in cases:
            bench.compare(f"{case}: times faster than uncached fit", (uncached, "inner_cpu"), (case, "inner_cpu"),
                          ("" if "probe" in case else ">= 150" if "warm" in case else ">= 30"))


def part(kind, folder, table, root, backbone, weights, epochs):
    """One way in a process of its own."""
    import keras
    from inside import Inside

    inside = Inside(tempfile.mkdtemp(dir=folder), table, "--root", root, "--backbone", backbone, "--weights", weights,
                    "--cache-dir", Path(folder) / "cache")
    net = inside.network(len(inside.look.listed(inside.chosen).classes))
    keras.utils.set_random_seed(0)
    if kind == "uncached":
        case = inside.pictures()
        x, y = case.pixels[case.rows["train"]], case.truth("train")
        clock = Clock()
        loss = trained(net.model, x, y, epochs)
        return clock.read("inner_") | {"loss": loss}
    clock = Clock()
    case = inside.pictures()
    seen = inside.features(case, net)
    if kind == "features and probe":
        inside.learn.probe(inside.chosen, case, inside.task, net, seen, inside.progress)
        told = clock.read("inner_")
    else:
        head = net.model.get_layer("head")
        entry = keras.Input(seen.pooled.shape[1:])
        x = seen.pooled[case.rows["train"]].astype("float32")
        told = {"loss": trained(keras.Model(entry, head(entry)), x, case.truth("train"), epochs)} | clock.read("inner_")
    inside.store.close()
    return told


def trained(model, x, y, epochs):
    """Loss after so many epochs of fit that move the head alone."""
    import keras

    for layer in model.layers:
        layer.trainable = layer.name == "head"
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return round(model.fit(x, y, batch_size=32, epochs=epochs, verbose=0).history["loss"][-1], 4)


if __name__ == "__main__":
    main("frozen", __doc__, run, part, backbone="resnet18", epochs=20, sets=("busi", "sets of pictures"),
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"))
