"""Peak memory of a probe on many pictures against few: what grows with their number must lie on the disk.

    python tests/benchmarks/memory.py --weights resnet18.safetensors

Draws small JPEG pictures of two classes (noise, brighter at the top or at the bottom) in a temporary folder, and runs
ResNet-18 with --probe-only on an empty cache folder at 224 pixels. "peak MB" is the resident peak of that process.
"""

import shutil
import tempfile
from pathlib import Path

from harness import child, command, main
from sides import finetune


def run(bench, options):
    """Draw the pictures once, then measure both numbers in turn."""
    few, many = (f"{count} pictures" for count in (options.few, options.many))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        bench.run({few: lambda number: measured(options, Path(folder), options.few),
                   many: lambda number: measured(options, Path(folder), options.many)})
    bench.compare(f"peak MB: {many} - {few}", (many, "rss_mb"), (few, "rss_mb"), "<= 400", "difference")


def measured(options, folder, count):
    """One run on `count` pictures."""
    pictures, out = folder / str(count), folder / "out"
    if not pictures.exists():
        child(__file__, folder=str(pictures), count=count)
    text, cost = command([*finetune(options), pictures, "--probe-only", "--cache-dir", out / "cache", "--run-dir",
                          out / "run"])
    shutil.rmtree(out)
    return cost | {"per_second": round(count / cost["wall"], 1)}


def draw(folder, count, side=96):
    """Write `count` JPEG pictures, no two alike, half of them in each class folder."""
    import numpy as np
    from PIL import Image

    shade = np.linspace(-25, 25, side)[:, None]
    for number in range(count):
        label = ("falling", "rising")[number % 2]
        (Path(folder) / label).mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(number).normal(120, 40, (side, side))
        pixels = (noise + (shade if number % 2 else -shade)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(Path(folder) / label / f"{number:06}.jpg", quality=80)
    return {"drawn": count}


if __name__ == "__main__":
    main("memory", __doc__, run, draw, rounds=3, backbone="resnet18", few=1000, many=20000)
