"""The last stage trained for twenty epochs: reading kept views against augmenting and computing afresh each epoch.

    python tests/benchmarks/last_stage.py --weights resnet18.safetensors [--sets busi]

A seed a round. "default views" and "no cache" are whole commands on an empty cache folder; the AUC is that of the tuned
network, kept or not; where no epoch lowered the validation loss, of the probe that it began with. "fit, no cache" is
Keras' own `fit` of the whole network with all below the last stage frozen, from the same probe, by the same kind of
changes to the pictures, classes weighed alike, at one rate, in float32 as Keras has it; its pictures are decoded in
memory for nothing, and counted are training and validation alone ("CPU s without imports").
"""

import tempfile

from harness import Clock, child, main
from sides import SETS, Sides

STAGE = "layer4"


def run(bench, options):
    """Measure the ways in turn, set by set."""
    sides = Sides(options)
    fixed = ("--train-from", STAGE, "--epochs", options.epochs, "--patience", options.epochs)
    for name in options.sets.split(","):
        def fitted(seed, name=name):
            return child(__file__, table=str(sides.table(name, seed)), root=str(sides.root(name)), seed=seed,
                         backbone=options.backbone, weights=options.weights, epochs=options.epochs)

        kept, fresh, fit = f"{name}: default views", f"{name}: no cache", f"{name}: fit, no cache"
        bench.run({kept: lambda seed: sides.ours(name, seed, None, *fixed),
                   fresh: lambda seed: sides.ours(name, seed, None, *fixed, "--cache-views", 0), fit: fitted})
        bench.compare(f"{name}, CPU s of the command: no cache / default views", (fresh, "cpu"), (kept, "cpu"), ">= 3")
        bench.compare(f"{name}, CPU s: fit, no cache / the command, default views", (fit, "inner_cpu"), (kept, "cpu"),
                      ">= 3")
        for other, field in ((fresh, "tune_cpu"), (fit, "inner_cpu")):
            bench.compare(f"{name}, CPU s of tuning: {other.partition(': ')[2]} / default views", (other, field),
                          (kept, "tune_cpu"), ">= 3")
        for other in (fresh, fit):
            bench.compare(f"{name}, ROC AUC tuned: default views - {other.partition(': ')[2]}", (kept, "tuned_auc"),
                          (other, "tuned_auc"), ">= -0.01", "difference")


def part(table, root, seed, backbone, weights, epochs):
    """Keras' own `fit`, in a process of its own: its CPU seconds and the test AUC after its last epoch."""
    import keras
    import numpy as np
    from inside import Inside
    from toolkit.evaluation import calibration, scores
    from toolkit.training import thaw

    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        inside = Inside(f"{folder}/run", table, "--root", root, "--backbone", backbone, "--weights", weights,
                        "--cache-dir", f"{folder}/cache", "--seed", seed)
        net, case = inside.network(len(inside.look.listed(inside.chosen).classes)), inside.decoded()
        seen = inside.features(case, net)
        inside.learn.probe(inside.chosen, case, inside.task, net, seen, inside.progress)
        inside.store.close()
    keras.utils.set_random_seed(seed)
    thaw.set_trainable(net.model, net.stages, ("head", STAGE), "still")
    train, held, test = (case.rows[part] for part in ("train", "validation", "test"))
    clock = Clock()
    rate = inside.chosen.learning_rate * inside.chosen.layer_decay  # the last stage's
    net.model.compile(keras.optimizers.AdamW(rate, weight_decay=inside.chosen.weight_decay, global_clipnorm=1.0),
                      keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    weights = inside.learn.weights(inside.chosen, case, inside.task, "train")
    net.model.fit(afresh(seen, case, train, weights, inside.chosen.batch_size), epochs=epochs, verbose=0,
                  validation_data=(case.pixels[held], case.truth("validation")))
    cost = clock.read("inner_")
    found = calibration.softmax(np.asarray(net.model.predict(case.pixels[test], verbose=0), "float32"))
    measured = scores.evaluate(case.truth("test"), found, names=("roc_auc",))[0]
    return cost | {"tuned_auc": float(measured["roc_auc"])}


def afresh(seen, case, train, weights, batch):
    """Batches of training pictures in a new order each epoch, each changed anew, as Keras' `fit` reads them."""
    import keras
    import numpy as np

    class Pictures(keras.utils.PyDataset):
        def __init__(self):
            super().__init__(workers=1, use_multiprocessing=False, max_queue_size=4)
            self.epoch = 0
            self.on_epoch_begin()

        def on_epoch_begin(self):
            self.epoch += 1
            self.order = np.random.default_rng(self.epoch).permutation(len(train))

        def __len__(self):
            return len(train) // batch

        def __getitem__(self, number):
            places = self.order[number * batch:(number + 1) * batch]
            rows = train[places]
            return seen.view(self.epoch, rows).astype("float32"), case.numbers[rows], weights[places]

    return Pictures()


if __name__ == "__main__":
    main("last_stage", __doc__, run, part, rounds=3, epochs=20, backbone="resnet18",
         sets=(",".join(SETS), "sets of pictures"),
         limit=(0, "at most so many pictures of each class and part, for a smoke run (0: all)"))
