"""Twenty epochs with everything frozen: kept features against uncached `fit` on the same frozen graph.

    python tests/benchmarks/frozen.py --weights resnet18.safetensors [--sets busi]

Counted are the CPU seconds from the built network on ("CPU s without imports"), of training and validation pictures; of
the test part one a class is left. The uncached side has its pictures decoded in memory, for nothing, and trains the
head by Keras' `fit`, batch 32. Ours reads and decodes files into an empty store (cold) or finds it filled (warm). Then
"epochs" trains the head for as many by the toolkit's own loop, "fit" by Keras' on the kept features, and "probe" is
what a run fits in their place. What the doctor looks for beside, which trains nothing, is left out.
"""

import tempfile
from pathlib import Path

from harness import Clock, child, main
from sides import Sides
from tables import rows_of, write

BATCH = 32  # pictures a step


def run(bench, options):
    """All ways in turn, set by set."""
    sides = Sides(options)
    for name in options.sets.split(","):
        given = {"table": str(untested(sides.table(name))), "root": str(sides.root(name)), "backbone": options.backbone,
                 "weights": options.weights, "epochs": options.epochs}

        def kept(number, kind, warm):
            with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
                for _ in range(1 + warm):
                    row = child(__file__, kind=kind, folder=folder, **given)
                return row

        uncached = f"{name}: fit, uncached"
        cases = {f"{name}: {kind}, {'warm' if warm else 'cold'}": lambda number, kind=kind, warm=warm: kept(
            number, kind, warm) for kind in ("epochs", "fit", "probe") for warm in (False, True)}
        bench.run({uncached: lambda number: kept(number, "uncached", False), **cases})
        for case in cases:
            bench.compare(f"{case}: times faster than uncached fit", (uncached, "inner_cpu"), (case, "inner_cpu"),
                          ">= 150" if "warm" in case else ">= 30")


def untested(table):
    """A copy of a table beside it, with one picture a class in its test part."""
    rows = rows_of(table)
    tested = {row["label"]: row for row in rows if row["split"] == "test"}.values()
    kept = [row for row in rows if row["split"] != "test" or row in tested]
    write(path := table.with_name(f"{table.stem}-untested.csv"), tuple(rows[0]), [tuple(row.values()) for row in kept])
    return path


def part(kind, folder, table, root, backbone, weights, epochs):
    """One way in a process of its own."""
    import keras
    from inside import Inside

    inside = Inside(tempfile.mkdtemp(dir=folder), table, "--root", root, "--backbone", backbone, "--weights", weights,
                    "--cache-dir", Path(folder) / "cache")
    net = inside.network(len(inside.look.listed(inside.chosen).classes))
    keras.utils.set_random_seed(0)
    if kind == "uncached":
        case = inside.decoded()
        parts = {part: (case.pixels[rows], case.truth(part)) for part, rows in case.rows.items()}
        clock = Clock()
        loss = trained(net.model, parts, epochs)
        return clock.read("inner_") | {"loss": loss}
    clock = Clock()
    case = inside.decoded()
    seen = inside.features(case, net)
    if kind == "probe":
        inside.learn.probe(inside.chosen, case, inside.task, net, seen, inside.progress)
        told = {}
    else:
        entry = keras.Input(seen.pooled.shape[1:])
        head = keras.Model(entry, net.model.get_layer("head")(entry))
        parts = {part: (seen.pooled[rows].astype("float32"), case.truth(part)) for part, rows in case.rows.items()}
        told = {"loss": (trained if kind == "fit" else looped)(head, parts, epochs)}
    inside.store.close()
    return told | clock.read("inner_")


def trained(model, parts, epochs):
    """Loss after so many epochs of fit that move the head alone; parts: {part: (inputs, class numbers)}."""
    import keras

    for layer in model.layers:
        layer.trainable = layer.name == "head"
    model.compile(keras.optimizers.Adam(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    told = model.fit(*parts["train"], batch_size=BATCH, epochs=epochs, validation_data=parts["validation"], verbose=0)
    return round(told.history["loss"][-1], 4)


def looped(head, parts, epochs):
    """The same by the toolkit's own loop, which keeps the best epoch; the last one's loss."""
    import keras
    import numpy as np
    from toolkit.features import executor
    from toolkit.training import loop, step

    inputs, truth = parts["train"]
    held, answers = parts["validation"]
    ones, loss = np.ones(len(truth), "float32"), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    compute, state = executor.Keras(head, batch=len(held)), loop.State()

    def batches(epoch):
        order = np.random.default_rng(epoch).permutation(len(truth))
        for rows in np.split(order, range(BATCH, len(order), BATCH)):
            yield inputs[rows], truth[rows], ones[rows]

    def validate():
        return {"validation_loss": float(loss(answers, compute(held)[0]))}

    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(head.trainable_variables)
    loop.fit(head, step.build(head, optimizer, loss), state, epochs, epochs, batches, validate)
    return round(state.history[-1]["train_loss"], 4)


if __name__ == "__main__":
    main("frozen", __doc__, run, part, backbone="resnet18", epochs=20, sets=("busi", "sets of pictures"),
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"))
