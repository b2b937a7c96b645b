"""Answers of models made by hand, in the shape of real ones: no network, no process."""

import hashlib

import numpy as np

from tests.apps.make_runs import jpeg
from toolkit.data.spreadsheet import to_csv
from toolkit.files import to_json
from toolkit.pixels import thumbnails
from toolkit.run import paths
from toolkit.runs import folders


def answered(root, name, run="", n=30, classes=("a", "b", "c"), unreadable=(), upload="", names=()):
    """The folder of an answer for `n` pictures, those of the numbers `unreadable` broken; names: of the first ones."""
    folder = folders.own(root, "predictions", name)
    rng = np.random.default_rng(0)
    drawn = rng.dirichlet(np.full(len(classes), 0.4), n)
    paths_of = [f"/new/{names[i] if i < len(names) else f'{i:03}.png'}" for i in range(n)]
    keys = [hashlib.sha256(path.encode("utf-8", "backslashreplace")).hexdigest() for path in paths_of]
    rows = [[path, None, None, *[None] * len(classes), "empty file (0 bytes)"] if i in unreadable else
            [path, classes[drawn[i].argmax()], float(drawn[i].max()), *map(float, drawn[i]), None]
            for i, path in enumerate(paths_of)]
    header = ["path", "predicted", "confidence", *(f"p_{one}" for one in classes), "error"]
    (folder / "predictions.csv").write_bytes(to_csv(header, rows, mark=True))
    (folder / "manifest.csv").write_bytes(to_csv(
        ["path", "file", "sha256", "width", "height", "mode", "note"],
        [[path, path, key, 80, 60, "RGB", ""] for path, key in zip(paths_of, keys)], mark=True))
    thumbnails.write(paths(folder).thumbnails, [key[:16] for i, key in enumerate(keys) if i not in unreadable],
                     [jpeg(int(key[:2], 16) % 16) for i, key in enumerate(keys) if i not in unreadable])
    (folder / "answer.json").write_text(to_json({
        "schema": 1, "model": str(folders.Path(root, run)) if run else "/models/model.keras", "run": run,
        "pictures": ["/new"], "title": "new", "upload": upload, "time": "2026-03-02T09:00:00.000+00:00"}))
    return folder
