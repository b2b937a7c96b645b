"""What models answered for new pictures: asked for, watched, read, listed and deleted. One folder an answer.

    answer.json       what was asked: the model, the run it is of, the pictures, when
    predictions.csv   a row a picture, as python -m toolkit.predict leaves it; there once it is answered
    manifest.csv      for each of these rows the file and its sha256
    thumbnails.zip    small copies, by key
    heatmaps/         what in a picture speaks for each class, where somebody asked
"""

import contextlib
import os
import re
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from toolkit.data import places
from toolkit.data.reading import is_picture
from toolkit.errors import DataError, OptionError, UntrustedError
from toolkit.files import to_json, write_atomic
from toolkit.run import FILES, now
from toolkit.runs import folders, launch, listing, predicted, reading, tables, uploads

KIND, HEAT = "predictions", "answer-heat"
FACTS = "answer.json"
DIGEST = re.compile("[0-9a-f]{64}")
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


def given(text):
    """The path of the picture, folder or zip that a person typed; DataError, places.Missing where there is none."""
    try:
        path, kind = places.found(text)
    except places.Missing:
        raise
    except DataError:
        path, kind = os.path.abspath(Path(text.strip().strip("\"'")).expanduser()), "picture"
        if not os.path.isfile(path) or not is_picture(path):
            raise
    if kind not in ("folder", "zip", "picture"):
        raise DataError(f"{path} holds no new pictures: wanted a picture, a folder of pictures, or a zip of them.")
    return Path(path)


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
                  tuple(text(path) for path in pictures) if isinstance(pictures, list) else (),
                  text(facts.get("title")), text(facts.get("upload"), 12), listing.moment(facts.get("time")),
                  progress, left)


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
    launch.end(root, HEAT, name)
    shutil.rmtree(found.folder, ignore_errors=True)
    for kind in (KIND, HEAT):
        launch.forget(root, kind, name)
    if found.upload not in {one.upload for one in answers(root)}:
        with contextlib.suppress(OptionError):  # it is no upload, or a run was made of it
            uploads.remove(root, found.upload)


def stop(root, name):
    """End the work on an answer; what it found so far is not kept."""
    return launch.end(root, KIND, name)


def explain(root, found, key, file):
    """Begin to compute the heat maps of one picture of an Answer, unless some are being computed -> launch.Started."""
    out = found.folder / FILES["heatmaps"]
    return launch.start(root, HEAT, found.id, "heatmaps", [found.model, file, "--out", out],
                        wish=[HEAT, found.id, key])


def explained(found, key):
    """Whether a picture has its heat maps."""
    return bool(key) and (found.folder / FILES["heatmaps"] / f"{key}.npz").is_file()


def table(folder):
    """The Table of an answer, read anew only when a file has changed. Raises UntrustedError where it is damaged."""
    known = None
    with contextlib.suppress(UntrustedError):  # an answer without copies can still be read
        known = tables.signature(folder / FILES["manifest"])
    return joined(tables.signature(folder / FILES["predictions"]), known)


@lru_cache(4)
def joined(answered, known):
    """The Table of two files of these signatures."""
    import pandas

    columns, classes, numbers = parsed(answered[0])
    rows = pandas.DataFrame({**columns, "confidence": numbers[:, 0], "key": "", "file": ""})
    with contextlib.suppress(UntrustedError):
        files = located(known[0], columns["path"]) if known else []
        if files:
            rows["file"] = [file for file, _ in files]
            rows["key"] = [digest[:16] if not error and DIGEST.fullmatch(digest) else ""
                           for (_, digest), error in zip(files, columns["error"])]
    return Table(rows, classes, numbers[:, 1:])


def parsed(path):
    """(columns {name: list}, classes, float (n, 1 + classes): confidence and probabilities) of a predictions.csv."""
    import numpy as np

    lines = tables.rows(path)
    header = next(lines)
    if header[:3] != ["path", "predicted", "confidence"] or header[-1] != "error" or not all(
            name.startswith("p_") for name in header[3:-1]):
        raise UntrustedError(f"{path.name} is no table of answers.")
    rows = list(lines)
    try:
        numbers = np.array([[float(cell) if cell else np.nan for cell in row[2:-1]] for row in rows], float)
    except ValueError:
        raise UntrustedError(f"{path.name} is damaged: a probability in it is no number.") from None
    numbers = numbers.reshape(len(rows), len(header) - 3)
    read = np.array([not row[-1] for row in rows], bool)
    if not ((numbers[read] >= 0) & (numbers[read] <= 1.001)).all() or not np.isnan(numbers[~read]).all():
        raise UntrustedError(f"{path.name} is damaged: it holds numbers that are no probabilities.")
    columns = {name: [row[place] for row in rows] for name, place in (("path", 0), ("predicted", 1), ("error", -1))}
    return columns, tuple(name[2:] for name in header[3:-1]), numbers


def located(path, names):
    """[(file, sha256)] of a manifest.csv that has a row for each of `names`, else []."""
    lines = tables.rows(path)
    header = next(lines)
    if not {"path", "file", "sha256"} <= set(header):
        return []
    name, file, digest = (header.index(one) for one in ("path", "file", "sha256"))
    rows = list(lines)
    return [(row[file], row[digest]) for row in rows] if [row[name] for row in rows] == names else []


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


def evidence(folder, classes, below):
    """Of a run's validation pictures: (right, of) answered with less confidence than `below`, (right, of) with more.

    None where the run keeps no such answers.
    """
    try:
        kept = predicted.answers(folder, classes)
    except UntrustedError:
        return None
    rows = kept.part("validation")
    sure = kept.sure[rows] >= below
    return tuple((int(kept.right[rows][part].sum()), int(part.sum())) for part in (~sure, sure)) if len(rows) else None


def marked(found, thresholds):
    """Names (n,) of the classes, joined, whose probability is at least their threshold {class: 0..1}; "" for none."""
    import numpy as np

    marks = np.full(len(found), "", object)
    for name, threshold in thresholds.items():
        if name in found.classes:
            over = found.probabilities[:, found.classes.index(name)] >= threshold
            marks[over] = [f"{mark}, {name}" if mark else name for mark in marks[over]]
    return marks
