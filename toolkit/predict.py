"""python -m toolkit.predict RUN_OR_MODEL PICTURES... [--out FILE.csv]: a finished model on new pictures.

A row a picture: path, predicted, confidence, p_<class> for each class, error. A picture that cannot be read keeps its
row, with the reason as its error. Folders are walked by name, below too, and so is what a zip holds, once it is
unpacked into the store; the order of rows is that of the command line. Needs neither the training data nor a network.
"""

import itertools
import os
import sys
import tempfile
from pathlib import Path

from toolkit import artifact, errors, options
from toolkit.commandline import parse
from toolkit.data.reading import count
from toolkit.errors import DataError, OptionError, plain
from toolkit.files import write_atomic
from toolkit.progress import News, tell
from toolkit.run import FILES
from toolkit.steps.named import check_input, listed, shown
from toolkit.training import device


def main(arguments):
    """The command; returns its exit code."""
    chosen = parse(options.Predict, "predict", arguments)
    out = Path(chosen.out) if chosen.out else None
    kept = Kept(Path(chosen.thumbnails)) if chosen.thumbnails else None
    for option, path in [("--out", out)] * bool(out) + (
            [("--thumbnails", kept.path), ("--thumbnails", kept.manifest)] if kept else []):
        refuse_out(option, path)
    known = artifact.read_facts(artifact.located(Path(chosen.model))[1])  # before TensorFlow is loaded
    frames = chosen.frames or known["input"].get("frames", "auto")
    pictures = listed(chosen.pictures, chosen.cache_dir, frames)
    tell(f"{count(len(pictures), 'picture')} to look at; the model is being loaded")
    device.before_import("auto")
    device.use("auto")
    model, facts = artifact.load(Path(chosen.model))
    check_input(facts["input"])

    facts["input"]["frames"] = frames
    answers = predictions(model, facts, pictures, chosen.batch_size, kept)
    rows = kept.through(answers) if kept else list(answers)
    write(out, ["path", "predicted", "confidence", *(f"p_{name}" for name in facts["classes"]), "error"], rows)
    tell(summary(facts["classes"], rows) + (f" -> {out}" if out else ""))
    return 0


def write(out, header, rows):
    """The table into the file `out`, or to standard output where that is None."""
    from toolkit.data import spreadsheet

    if out:
        write_atomic(out, spreadsheet.to_csv(header, rows, mark=True))
        return
    shown = [[plain(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    sys.stdout.buffer.write(spreadsheet.to_csv([plain(name) for name in header], shown))
    sys.stdout.flush()


def predictions(model, facts, pictures, batch_size, kept=None):
    """Yield a row for each of `pictures` (list of Found), in order, holding `batch_size` pictures at a time.

    A row is path, predicted, confidence, probabilities by class, error; all but path and error are None if unreadable.
    kept: a `Kept`, told of each picture. Raises DataError after the last one where none can be read.
    """
    news, first, read = News("pictures"), None, 0
    for start in range(0, len(pictures), batch_size):
        part = batch(model, facts, pictures[start:start + batch_size], kept)
        yield from part
        first, read = first or part[0], read + sum(not row[-1] for row in part)
        news(start + len(part), len(pictures))
    if not read:
        raise DataError(f"none of {count(len(pictures), 'picture')} can be read; the first, {first[0]}: {first[-1]}.")


def batch(model, facts, pictures, kept=None):
    """Rows of one batch of Found."""
    import numpy as np

    from toolkit.pixels import decode, resize, sources
    from toolkit.pixels.depth import Depth

    wanted, pixels, faults, classes = facts["input"], [], [], facts["classes"]
    depth = Depth(**wanted.get("depth") or {})
    for found in pictures:
        source, picture, fault = None, None, None
        try:
            source = sources.read(found.path)
            picture = decode.decode(source, depth, wanted.get("frames", "auto"))
            pixels.append(resize.fit(picture.pixels, wanted["height"], wanted["channels"], wanted["resize"]))
        except decode.Unreadable as error:
            fault = str(error) or "cannot be read"
        faults.append(fault)
        if kept:
            kept.add(found, source, picture, pixels[-1] if picture else None, wanted["resize"])
    outputs, rows = iter(model.predict_on_batch(np.stack(pixels)) if pixels else ()), []
    for found, fault in zip(pictures, faults):
        if fault:
            rows.append([found.name, None, None, *[None] * len(classes), fault])
            continue
        probabilities = [float(p) for p in next(outputs)]
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        exact = [float(f"{p:.7g}") for p in probabilities]  # float32 holds no more figures
        rows.append([found.name, classes[best], exact[best], *exact, None])
    return rows


class Kept:
    """Small copies of pictures, in the zip `path`, and `manifest` beside it: a row a picture, readable or not.

    Columns of the manifest: path as the table shows it, file where it lies, sha256, width, height, mode, note; the
    copy's name is KEY.jpg, its key the first 16 characters of the sha256.
    """

    COLUMNS = ("path", "file", "sha256", "width", "height", "mode", "note")

    def __init__(self, path):
        self.path, self.manifest = path, path.with_name(FILES["manifest"])
        self.rows, self.waiting = [], []

    def add(self, found, source, picture, square, resize):
        """A picture: its bytes or frame, as it was read (None where it cannot be), and what the model sees of it."""
        from toolkit.pixels import batches, thumbnails

        digest = batches.digest(source) if source else ""
        height, width = picture.pixels.shape[:2] if picture else (None, None)
        self.rows.append([found.name, shown(found.path.absolute()), digest, width, height,
                          picture and picture.mode, picture and "; ".join(picture.notes)])
        if picture:
            self.waiting.append((thumbnails.key(digest), thumbnails.encode(square, width, height, resize)))

    def through(self, rows):
        """`rows` as a list, their pictures' copies written as they come; nothing is left where they end in an error."""
        from toolkit.data.spreadsheet import to_csv
        from toolkit.pixels import thumbnails

        found = []

        def copies():
            for row in rows:
                found.append(row)
                yield from self.waiting
                self.waiting.clear()

        keys, images = itertools.tee(copies())
        thumbnails.write(self.path, (key for key, _ in keys), (image for _, image in images))
        write_atomic(self.manifest, to_csv(self.COLUMNS, self.rows, mark=True))
        return found


def refuse_out(option, out):
    """OptionError where the file to write is there already or cannot be written."""
    if os.path.lexists(out):
        raise OptionError(f"{option} {out} exists already and is not overwritten; name a new file.")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise OptionError(f"{option} {out} cannot be written: {error.strerror}; name a file in a folder that is there "
                          "and writable.") from error


def summary(classes, rows):
    """"12 pictures: 7 benign, 3 malignant, 2 unreadable"."""
    numbers = {plain(name): sum(row[1] == name for row in rows) for name in classes}
    parts = [*numbers.items(), ("unreadable", sum(bool(row[-1]) for row in rows))]
    return f"{count(len(rows), 'picture')}: " + ", ".join(f"{number} {name}" for name, number in parts if number)


if __name__ == "__main__":
    errors.command(main)
