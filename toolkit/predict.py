"""python -m toolkit.predict RUN_OR_MODEL PICTURES... [--out FILE.csv]: a finished model on new pictures.

A row a picture: path, predicted, confidence, p_<class> for each class, error. A picture that cannot be read keeps its
row, with the reason as its error. Folders are walked by name, below too; the order of rows is that of the command line.
Needs neither the training data nor a network.
"""

import difflib
import os
import sys
import tempfile
import time
from pathlib import Path

from toolkit import artifact, errors, options
from toolkit.commandline import parse
from toolkit.data.reading import SUFFIXES, count
from toolkit.errors import DataError, OptionError, plain
from toolkit.files import write_atomic
from toolkit.training import device

NEWS_EVERY = 5  # seconds between two lines of progress


def main(arguments):
    """The command; returns its exit code."""
    chosen = parse(options.Predict, "predict", arguments)
    out = Path(chosen.out) if chosen.out else None
    if out:
        refuse_out(out)
    pictures = listed(chosen.pictures)
    artifact.located(Path(chosen.model))  # a wrong name is said before TensorFlow is loaded
    device.before_import("auto")
    device.use("auto")
    model, facts = artifact.load(Path(chosen.model))
    check_input(facts["input"])

    from toolkit.data import spreadsheet

    rows = list(predictions(model, facts, pictures, chosen.batch_size))
    unread = [row for row in rows if row[-1]]
    if len(unread) == len(rows):
        raise DataError(f"none of {count(len(rows), 'picture')} can be read; the first, {rows[0][0]}: {rows[0][-1]}.")
    header = ["path", "predicted", "confidence", *(f"p_{name}" for name in facts["classes"]), "error"]
    if out:
        write_atomic(out, spreadsheet.to_csv(header, rows, mark=True))
    else:
        shown = [[plain(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
        sys.stdout.buffer.write(spreadsheet.to_csv([plain(name) for name in header], shown))
        sys.stdout.flush()
    tell(summary(facts["classes"], rows) + (f" -> {out}" if out else ""))
    return 0


def check_input(wanted):
    """OptionError where pictures cannot become what the model takes; a word where they are read in another way now."""
    from toolkit.pixels import decode, resize

    height, width, channels, rule = (wanted[key] for key in ("height", "width", "channels", "resize"))
    if height != width or channels not in (1, 3) or rule not in resize.RULES:
        raise OptionError(f"the model takes {height} x {width} pixels of {channels} channels, by {plain(rule)}; "
                          f"pictures become squares of 1 or 3 channels, by {', '.join(resize.RULES)}.")
    if wanted.get("decoder") not in (None, decode.DECODER):
        tell("the model was trained with another version of the decoder; pictures of unusual kinds may look different.")


def predictions(model, facts, pictures, batch_size):
    """Yield a row for each of `pictures` (paths), in order, holding `batch_size` pictures at a time.

    A row is path, predicted, confidence, probabilities by class, error; all but path and error are None if unreadable.
    """
    began = told = time.monotonic()
    for start in range(0, len(pictures), batch_size):
        part = pictures[start:start + batch_size]
        yield from batch(model, facts, part)
        done, now = start + len(part), time.monotonic()
        if now - told > NEWS_EVERY and done < len(pictures):
            told, left = now, (now - began) / done * (len(pictures) - done)
            tell(f"{done:,} of {len(pictures):,} pictures, about {left:.0f} s left")


def batch(model, facts, paths):
    """Rows of one batch."""
    import numpy as np

    from toolkit.pixels import decode, resize
    from toolkit.pixels.depth import Depth

    wanted, pixels, faults = facts["input"], [], {}
    depth = Depth(**wanted.get("depth") or {})
    for path in paths:
        try:
            picture = decode.decode(path, depth)
            pixels.append(resize.fit(picture.pixels, wanted["height"], wanted["channels"], wanted["resize"]))
        except decode.Unreadable as error:
            faults[path] = str(error) or "cannot be read"
    outputs = iter(model.predict_on_batch(np.stack(pixels)) if pixels else ())
    for path in paths:
        name = os.fsencode(path).decode("utf-8", "backslashreplace")
        if path in faults:
            yield [name, None, None, *[None] * len(facts["classes"]), faults[path]]
            continue
        probabilities = [float(p) for p in next(outputs)]
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        shown = [float(f"{p:.7g}") for p in probabilities]  # float32 holds no more figures
        yield [name, facts["classes"][best], shown[best], *shown, None]


def listed(names):
    """Paths of the pictures that `names` (files and folders) stand for; DataError where one is not there or none is."""
    from toolkit.data.folders import LITTER

    found, passed = [], 0
    for name in map(Path, names):
        if not name.exists():
            raise DataError(f"{name} does not exist{near(name)}; name pictures, or folders of pictures.")
        if not name.is_dir():
            found.append(name)
            continue
        for folder, below, files in os.walk(name):
            below[:] = sorted(one for one in below if not one.startswith(".") and one.casefold() not in LITTER)
            for file in sorted(files):
                path = Path(folder, file)
                fits = path.suffix.lower() in SUFFIXES and not file.startswith(".")
                if fits and not path.is_symlink():
                    found.append(path)
                else:
                    passed += 1
    if not found:
        raise DataError(f"no picture in {', '.join(map(str, names))}"
                        + (f" ({count(passed, 'file')} of other kinds passed over)." if passed else "."))
    if passed:
        tell(f"{count(passed, 'file')} passed over: hidden, links, or of other kinds")
    return found


def near(path):
    """", did you mean NAME" for a path that is not there, where its folder holds a like name."""
    try:
        like = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        like = []
    return f", did you mean {path.with_name(like[0])}" if like else ""


def refuse_out(out):
    """OptionError where the file to write is there already or cannot be written."""
    if os.path.lexists(out):
        raise OptionError(f"--out {out} exists already and is not overwritten; name a new file.")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise OptionError(f"--out {out} cannot be written: {error.strerror}; name a file in a folder that is there and "
                          "writable.") from error


def summary(classes, rows):
    """"12 pictures: 7 benign, 3 malignant, 2 unreadable"."""
    numbers = {plain(name): sum(row[1] == name for row in rows) for name in classes}
    parts = [*numbers.items(), ("unreadable", sum(bool(row[-1]) for row in rows))]
    return f"{count(len(rows), 'picture')}: " + ", ".join(f"{number} {name}" for name, number in parts if number)


def tell(text):
    """A line on standard error, so that standard output holds the table alone."""
    encoding = sys.stderr.encoding or "utf-8"
    print(plain(text).encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(errors.guarded(main))
