"""What it takes to look at many pictures, without the parts that want a network: time and peak memory of the command.

    python tests/benchmarks/checking.py

Draws JPEG pictures of 256 x 256 pixels in a temporary folder: clouds and texture, two classes with a disc in them, and
of every fiftieth picture a smaller, brighter copy. The store is empty. "peak MB" is the resident peak.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

from harness import child, command, main

COPY_OF = 50


def run(bench, options):
    """Draw the pictures once, then measure both numbers in turn."""
    few, many = (f"{count} pictures" for count in (options.few, options.many))
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        bench.run({few: lambda number: measured(Path(folder), options.few),
                   many: lambda number: measured(Path(folder), options.many)})
    bench.compare(f"peak MB: {many} - {few}", (many, "rss_mb"), (few, "rss_mb"), "", "difference")


def measured(folder, count):
    """One look at `count` pictures."""
    pictures, out = folder / str(count), folder / "out"
    if not pictures.exists():
        child(__file__, folder=str(pictures), count=count)
    _, cost = command([sys.executable, "-m", "toolkit.check", pictures, "--no-features", "--cache-dir", out / "cache",
                       "--run-dir", out / "run"])
    findings = json.loads((out / "run" / "doctor.json").read_text())["findings"]
    copies = sum(len(one["bundles"]) for one in findings if one["check"] == "near duplicates")
    shutil.rmtree(out)
    return cost | {"per_second": round(count / cost["wall"], 1), "copies_found": copies, "copies": count // COPY_OF}


def draw(folder, count, side=256):
    """Write `count` JPEG pictures in four class folders."""
    import cv2
    import numpy as np

    for number in range(count):
        copy = number % COPY_OF == COPY_OF - 1
        rng, place = np.random.default_rng(number - copy), Path(folder) / "abcd"[(number - copy) % 4]
        clouds, texture = (cv2.resize(rng.normal(size=(n, n)).astype(np.float32), (side, side),
                                      interpolation=cv2.INTER_CUBIC) for n in (8, 48))
        picture = 110 + 30 * clouds + 18 * texture
        if (number - copy) % 4 < 2:
            cv2.circle(picture, (side // 2, side // 2), side // 4, 200.0, -1)
        picture = cv2.resize(picture, (side * 3 // 4,) * 2) + 12 if copy else picture
        place.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(place / f"{number:06}.jpg"), np.clip(picture, 0, 255).astype(np.uint8))
    return {"drawn": count}


if __name__ == "__main__":
    main("checking", __doc__, run, draw, rounds=3, few=1000, many=10000)
