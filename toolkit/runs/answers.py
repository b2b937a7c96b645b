"""What models answered for new pictures: asked for, watched, read, listed and deleted. One folder an answer.

    answer.json       what was asked: the model, the run it is of, the pictures, when
    predictions.csv   a row a picture, as python -m toolkit.predict leaves it; there once it is answered
    manifest.csv      for each of these rows the file and its sha256
    thumbnails.zip    small copies, by key
"""

import contextlib
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from toolkit.errors import OptionError, UntrustedError
from toolkit.files import to_json, write_atomic
from toolkit.run import FILES, now
from toolkit.runs import folders, launch, listing, reading

KIND = "predictions"
FACTS = "answer.json"
LARGEST = 256 << 20  # bytes of a table that is read
UPLOAD = re.compile("[0-9a-f]{12}")
NEWS = re.compile(r"([\d,]+) of ([\d,]+) (pictures|files of the zip), about (\d+) s left")
KILLED = "Ended by the system before it was done: most likely out of memory."
ENDED = "Ended by hand before it was done."


@dataclass(frozen=True)
class Answer:
    """`state`: working, answered or failed, with a message; progress 0..1 and seconds left, None if not known.

    run: the run whose model it is, "" for a model from elsewhere; pictures: what was looked at, as it was given.
    """

    id: str
    folder: Path
    state: str
    message: str = ""
    run: str = ""
    model: str = ""
    pictures: tuple = ()
    title: str = ""
    upload: str = ""
    asked: datetime | None = None
    progress: float | None = None
    seconds_left: float | None = None


@dataclass(frozen=True)
class Table:
    """`rows`: DataFrame of n rows with path, predicted, confidence, error, key ("" if unreadable) and file.

    probabilities: float (n, classes), NaN where a picture could not be read.
    """

    rows: object
    classes: tuple
    probabilities: object

    def __len__(self):
        return len(self.rows)


def command(model, pictures, out="predictions.csv"):
    """What a person would type to get the same answers."""
    return launch.command("predict", [model, *pictures, "--out", out])


def ask(root, model, pictures, run="", title="", upload=""):
    """Let a model look at pictures -> launch.Started. Raises OptionError where no process can be started.

    model: path of a run folder or a model; pictures: paths; title: what a person calls these pictures; upload: where
    they came through the browser, its id.
    """
    model, pictures = str(Path(model).absolute()), [str(Path(path).absolute()) for path in pictures]
    name = f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    folder = folders.own(root, KIND, name)
    write_atomic(folder / FACTS, to_json({"schema": 1, "model": model, "run": run, "pictures": pictures,
                                          "title": title, "upload": upload, "time": now()}))
    arguments = [model, *pictures, "--out", folder / FILES["predictions"], "--thumbnails", folder / FILES["thumbnails"]]
    try:
        started = launch.start(root, KIND, name, "predict", arguments, title, wish=["predict", model, *pictures])
    except OptionError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if started.already:
        shutil.rmtree(folder, ignore_errors=True)
    return started


def answer(root, name):
    """The Answer of that name; None where there is none."""
    folder = folders.checked(root, name, KIND)
    if folder is None:
        return None
    state, message, progress, left = state_of(root, name, folder)
    try:
        facts = reading.facts(folder / FACTS)
    except UntrustedError as error:
        return Answer(name, folder, "failed", str(error))
    text, pictures = reading.text, facts.get("pictures")
    return Answer(name, folder, state, message, text(facts.get("run")), text(facts.get("model")),
                  tuple(text(path) for path in pictures) if isinstance(pictures, list) else (), text(facts.get("title")),
                  text(facts.get("upload"), 12), listing.moment(facts.get("time")), progress, left)


def state_of(root, name, folder):
    """(state, message, progress, seconds left)."""
    if (folder / FILES["predictions"]).is_file():
        return "answered", "", 1.0, 0.0
    said = launch.log(root, KIND, name)
    if launch.alive(root, KIND, name):
        return "working", *news(said)
    code = launch.code(root, KIND, name)
    if (folder / FILES["predictions"]).is_file():  # it may have ended between the two looks
        return "answered", "", 1.0, 0.0
    complaint = launch.complaint(root, KIND, name)
    return "failed", complaint or (ENDED if code == -15 else KILLED if code is None or code < 0 else
                                   f"It ended without a word (exit code {code})."), None, None


def news(said):
    """(what it does, progress, seconds left) by the last line of progress."""
    for line in reversed(said):
        if found := NEWS.search(line):
            done, of = (int(found[part].replace(",", "")) for part in (1, 2))
            words = f"{'Unpacking' if found[3] != 'pictures' else 'Looking at pictures'}: {found[1]} of {found[2]}"
            return words, min(1.0, done / max(1, of)), float(found[4])
        if "the model is being loaded" in line:
            return "The model is being loaded", None, None
    return "Starting", None, None


def answers(root, run=None):
    """All Answers, or those of one run's model, the newest first."""
    names = sorted((folder.name for folder in folders.listed(root, KIND)), reverse=True)
    found = (answer(root, name) for name in names)
    return [one for one in found if one is not None and run in (None, one.run)]


def delete(root, name):
    """Delete an answer for good, and the pictures that were brought for it alone. OptionError while it is worked on."""
    found = answer(root, name)
    if found is None:
        return
    if launch.alive(root, KIND, name):
        raise OptionError("The model is still looking at these pictures; stop it first.")
    shutil.rmtree(found.folder, ignore_errors=True)
    launch.forget(root, KIND, name)
    others = {one.upload for one in answers(root)}
    if UPLOAD.fullmatch(found.upload) and found.upload not in others:
        shutil.rmtree(folders.own(root, "uploads") / found.upload, ignore_errors=True)


def stop(root, name):
    """End the work on an answer; what it found so far is not kept."""
    return launch.end(root, KIND, name)


def table(folder):
    """The Table of an answer. Raises UntrustedError where its files are damaged."""
    import numpy as np
    import pandas

    rows = read_csv(folder / FILES["predictions"])
    names = list(rows.columns)
    if names[:3] != ["path", "predicted", "confidence"] or names[-1] != "error" or not all(
            name.startswith("p_") for name in names[3:-1]):
        raise UntrustedError(f"{FILES['predictions']} is no table of answers.")
    numbers = rows[names[2:-1]].apply(pandas.to_numeric, errors="coerce").to_numpy(float)
    if np.nanmin(numbers, initial=0) < 0 or np.nanmax(numbers, initial=0) > 1.001:
        raise UntrustedError(f"{FILES['predictions']} holds numbers that are no probabilities.")
    shown = pandas.DataFrame({"path": rows["path"], "predicted": rows["predicted"], "confidence": numbers[:, 0],
                              "error": rows["error"], "key": "", "file": ""})
    with contextlib.suppress(UntrustedError):  # an answer without copies can still be read
        known = read_csv(folder / FILES["manifest"])
        if {"path", "file", "sha256"} <= set(known) and list(known["path"]) == list(shown["path"]):
            shown["key"] = known["sha256"].str.slice(0, 16).where(shown["error"] == "", "")
            shown["file"] = known["file"]
    return Table(shown, tuple(name[2:] for name in names[3:-1]), numbers[:, 1:])


def read_csv(path):
    """A DataFrame of text, as it was before formulas were made harmless. UntrustedError where it cannot be read."""
    import pandas

    from toolkit.data.spreadsheet import csv_plain

    try:
        if path.is_symlink() or path.stat().st_size > LARGEST:
            raise UntrustedError(f"{path.name} is no file of at most {LARGEST:,} bytes.")
        rows = pandas.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except OSError as error:
        raise UntrustedError(f"{path.name} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # pandas' own errors and those of an encoding are such
        raise UntrustedError(f"{path.name} is damaged.") from error
    return rows.map(csv_plain)


def chosen(found, show="all", classes=(), below=0.0, order="asked"):
    """Positions (m,) of the rows of a Table that are wanted, in the order wanted.

    show: all, unsure (confidence below `below`), sure or unreadable; classes: only these answers, () for any;
    order: asked, unsure first, sure first, or by class.
    """
    import numpy as np

    rows = found.rows
    sure, read = rows["confidence"].to_numpy(), (rows["error"] == "").to_numpy()
    wanted = {"all": np.ones(len(rows), bool), "unsure": read & (sure < below), "sure": read & (sure >= below),
              "unreadable": ~read}[show]
    if len(classes):
        wanted &= rows["predicted"].isin(classes).to_numpy()
    where = np.flatnonzero(wanted)
    if order in ("unsure first", "sure first"):
        key = np.where(np.isnan(sure), np.inf, sure if order == "unsure first" else -sure)
        return where[np.argsort(key[where], kind="stable")]
    if order == "by class":
        ranks = {name: number for number, name in enumerate(found.classes)}
        return where[np.argsort([ranks.get(name, len(ranks)) for name in rows["predicted"].iloc[where]], kind="stable")]
    return where


def counted(found):
    """{class: how many pictures were given it}, and {"": how many could not be read}."""
    numbers = found.rows["predicted"].value_counts()
    return {name: int(numbers.get(name, 0)) for name in found.classes} | {"": int((found.rows["error"] != "").sum())}


def evidence(folder, below):
    """Of a run's validation pictures: (right, of) answered with less confidence than `below`, (right, of) with more.

    None where the run keeps no such answers.
    """
    try:
        rows = read_csv(Path(folder) / FILES["predictions"])
    except UntrustedError:
        return None
    names = [name for name in rows if name.startswith("p_")]
    if not names or not {"split", "label", "predicted"} <= set(rows):
        return None
    rows = rows[rows["split"] == "validation"]
    try:
        sure = rows[names].astype(float).max(axis=1) >= below
    except ValueError:
        return None
    right = rows["label"] == rows["predicted"]
    return tuple((int(right[part].sum()), int(part.sum())) for part in (~sure, sure))
