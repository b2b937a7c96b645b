"""Looks at data, as `python -m toolkit.check` leaves them, made by hand in no time."""

import hashlib
from pathlib import Path

from toolkit.data import manifest
from toolkit.data.spreadsheet import to_csv
from toolkit.files import to_json, write_atomic
from toolkit.run import now, paths
from toolkit.runs import checks, folders

COLUMNS = (*manifest.COLUMNS, "patient")


def rows(count=30, classes=("benign", "malignant")):
    """Rows of a manifest; every tenth picture has a note."""
    for number in range(count):
        label = classes[number % len(classes)]
        part = "test" if number % 7 == 0 else "validation" if number % 7 == 1 else "train"
        yield (f"{label}/{number}.png", label, part, "", hashlib.sha256(str(number).encode()).hexdigest(), 100, 80, "L",
               "turned upright" if number % 10 == 0 else "", f"p{number // 3}")


def findings(*more):
    """What doctor.json holds."""
    return [{"check": "duplicates", "severity": "note", "pictures": ["benign/0.png", "malignant/1.png"],
             "sentence": "1 picture in more than one file.", "remedy": "Remove the copies."},
            {"check": "dark", "severity": "warning", "pictures": ["benign/2.png"],
             "sentence": "1 picture nearly black, unlike the others.", "remedy": "See whether it shows anything."},
            *more]


def look(root, data="sample:cells", arguments=None, number=1, manifest=None, found=None, state="finished",
         message="done", options=None, **doctor):
    """A look that has ended -> its name."""
    arguments = [data] if arguments is None else arguments
    name = f"{checks.identity(arguments)}-{number}"
    folder = Path(root, folders.KINDS["checks"], name)
    folder.mkdir(parents=True)
    here = paths(folder)
    here.lock.touch()
    write_atomic(here.run, to_json({"schema": 1, "command": "check", "options": {"data": data} | (options or {}),
                                    "state": state, "message": message, "times": {"started": now(), "seconds": 2.0}}))
    write_atomic(here.status, to_json({"state": state, "phase": "end", "progress": 1.0, "message": message}))
    if state == "finished":
        write_atomic(here.manifest, to_csv(COLUMNS, rows() if manifest is None else manifest, mark=True))
        write_atomic(here.doctor, to_json({"schema": 1, "findings": findings() if found is None else found, **doctor}))
    return name
