"""A full fine-tuning step of ResNet-50 at 224 pixels, batch 16: ours, the bare compiled step, and PyTorch eager.

    python tests/benchmarks/step.py --peers-env DIR

Each lives in a process of its own and takes its turn of a few steps, AdamW with clipped gradients in all. "ours" is a
tuning round of the toolkit in float32 that augments pictures afresh, or leaves them as they are, or one in the
precision that the toolkit takes by itself; "bare" is Keras' train_on_batch of the same graph on arrays in memory;
PyTorch trains torchvision's network, channels last. Batch statistics stand still, as is our default, or move, in all
alike.
"""

from pathlib import Path

from harness import Worker, main
from step_sides import part


def run(bench, options):
    """Ask the workers in turn, once for each way of the batch statistics."""
    torch = Path(options.peers_env or "") / "torch" / "bin" / "python"
    for norms in ("still", "moving"):
        given = {"backbone": options.backbone, "norms": norms, "steps": options.steps}
        ways = {f"{norms}: ours, float32": ("light", "float32"),
                f"{norms}: ours, float32, not augmented": ("none", "float32"),
                f"{norms}: ours, precision auto": ("light", "auto")}
        workers = {**{case: Worker(__file__, side="ours", augment=augment, precision=precision, **given)
                      for case, (augment, precision) in ways.items()},
                   f"{norms}: bare": Worker(__file__, side="bare", **given)}
        if options.peers_env:
            workers[f"{norms}: torch"] = Worker(__file__, torch, side="torch", **given)
        for worker in workers.values():
            worker.ask()  # compiled before anything is measured
        bench.run({case: lambda number, worker=worker: turn(worker) for case, worker in workers.items()})
        for worker in workers.values():
            worker.end()
        for own in ways:
            for field in ("step_wall", "step_cpu"):
                bench.compare(f"{own} / bare, {field[5:]} s", (own, field), (f"{norms}: bare", field), "<= 1.03")
                bench.compare(f"{own} / torch, {field[5:]} s", (own, field), (f"{norms}: torch", field), "<= 1.0")


def turn(worker):
    """A worker's answer; what else its turn cost says nothing."""
    return worker.ask() | {"cpu": None, "wall": None}


if __name__ == "__main__":
    main("step", __doc__, run, part, backbone="resnet50", steps=(5, "steps a turn"))
