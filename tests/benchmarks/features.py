"""Features of 1,000 pictures at 224 pixels, decode included: our empty store against keras.Model.predict on tf.data.

    python tests/benchmarks/features.py [--weights resnet50.safetensors] [--peers-env DIR]

The pictures are of `busi` and `magnetic_tile`. Both sides use one graph, the means of all stages, and one decoder;
imports and the building of the network are not counted, compiling is. "% of peak" is of the network alone on a batch in
memory; the peak is the fastest large matrix product that an installed library reaches in its precision.
"""

import shutil
import tempfile
from itertools import islice
from pathlib import Path

import products
from harness import Clock, child, main
from tables import rows_of, write

OPERATIONS = {"resnet18": 2 * 1.81e9, "resnet50": 2 * 4.09e9}  # of one picture of 224 pixels


def run(bench, options):
    """Peaks and both sides in turn."""
    data = Path(options.shared) / "data"
    files = [*data.glob("busi/images/*/*.jpg"), *data.glob("magnetic_tile/images/*/*.jpg")]
    files = sorted({file.read_bytes(): file for file in files}.values())[:options.pictures]  # no picture twice
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        table = Path(folder) / "pictures.csv"
        write(table, ("path", "label"), [(file.relative_to(data), number % 2) for number, file in enumerate(files)])
        given = {"folder": folder, "table": str(table), "root": str(data), "backbone": options.backbone,
                 "weights": options.weights or "none"}

        def side(name, *more):
            return lambda number: with_share(bench, options, child(__file__, side=name, more=more, **given))

        bench.run({f"peak, {kind}": lambda number, kind=kind: products.measured(options.peers_env, kind)
                   for kind in ("float32", "bfloat16")}, rounds=min(3, options.rounds))
        bench.run({"ours, cold": side("ours"), "ours, float32, cold": side("ours", "--feature-precision", "float32"),
                   "keras predict on tf.data": side("keras")})
    for name in ("ours, cold", "ours, float32, cold"):
        bench.compare(f"pictures/s: {name} / keras predict", (name, "per_second"),
                      ("keras predict on tf.data", "per_second"), ">= 1.5" if name == "ours, cold" else "")


def with_share(bench, options, row):
    """`row` with what share of the measured peak it is, in the precision it computed in."""
    peak = [measured["gflops"] for measured in bench.of(f"peak, {row['precision']}").values()]
    if peak:
        row["share"] = 100 * row["alone_per_second"] * OPERATIONS[options.backbone] / 1e9 / max(peak)
    return row


def part(side, **given):
    """One side in a process of its own."""
    return {"ours": ours, "keras": by_keras}[side](**given)


def ours(folder, table, root, backbone, weights, more):
    """Decoded and computed by an empty store."""
    from inside import Inside
    from toolkit.features import executor

    place = Path(tempfile.mkdtemp(dir=folder))
    inside = Inside(place / "run", table, "--root", root, "--backbone", backbone, "--weights", weights, "--cache-dir",
                    place / "cache", *more)
    net = inside.network(2)
    clock = Clock()
    case = inside.decoded()
    inside.features(case, net)
    inside.store.close()
    told = clock.read("inner_")
    shutil.rmtree(place)
    return told | rates(len(case.pixels), told, executor.build(pooled(net), "auto", inside.chosen.feature_precision))


def by_keras(folder, table, root, backbone, weights, more):
    """keras.Model.predict on a tf.data pipeline with our decoder."""
    import tensorflow as tf

    from inside import Inside
    from toolkit.features import executor
    from toolkit.pixels import decode, resize

    place = Path(tempfile.mkdtemp(dir=folder))
    model = pooled(Inside(place / "run", table, "--backbone", backbone, "--weights", weights).network(2))

    def read(path):
        return resize.fit(decode.decode(Path(path.decode()).read_bytes()).pixels, 224, 3, "squash")

    def loaded(path):
        return tf.ensure_shape(tf.numpy_function(read, [path], tf.uint8), (224, 224, 3))

    paths = [str(Path(root) / row["path"]) for row in rows_of(table)]
    clock = Clock()
    data = tf.data.Dataset.from_tensor_slices(paths).map(loaded, num_parallel_calls=tf.data.AUTOTUNE)
    model.predict(data.batch(32).prefetch(tf.data.AUTOTUNE), verbose=0)
    told = clock.read("inner_")
    return told | rates(len(paths), told, executor.Keras(model))


def pooled(net):
    """The means of all stages."""
    import keras

    return keras.Model(net.model.input, net.model.get_layer("pooled").output)


def rates(count, told, compute):
    """Pictures a second, of the whole and of the network alone on a batch in memory."""
    import numpy as np

    batch = np.random.default_rng(0).integers(0, 256, (compute.batch, 224, 224, 3), np.uint8)
    best = max(compute.batch / second for second in islice(products.seconds(lambda: compute(batch)), 1, 6))
    return {"per_second": round(count / told["inner_wall"], 2), "alone_per_second": round(best, 2),
            "precision": "bfloat16" if "bfloat16" in compute.identity else "float32"}


if __name__ == "__main__":
    main("features", __doc__, run, part, backbone="resnet50", pictures=1000)
