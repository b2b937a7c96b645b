"""python -m toolkit.predict RUN_OR_MODEL PICTURES... [--out FILE.csv]: a finished model on new pictures.

A row a picture: path, predicted, confidence, p_<class> for each class, error. A picture that cannot be read keeps its
row, with the reason as its error. Folders are walked by name, below too, and so is what a zip holds, once it is
unpacked into the store; the order of rows is that of the command line. Needs neither the training data nor a network.
"""

import difflib
import hashlib
import itertools
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from toolkit import artifact, errors, options
from toolkit.commandline import parse
from toolkit.data.reading import SUFFIXES, count
from toolkit.errors import DataError, OptionError, plain
from toolkit.files import write_atomic
from toolkit.run import FILES
from toolkit.training import device

NEWS_EVERY = 2  # seconds between two lines of progress


class Found(NamedTuple):
    """A picture: its `name` as the table shows it, and where it lies."""

    name: str
    path: Path


def main(arguments):
    """The command; returns its exit code."""
    chosen = parse(options.Predict, "predict", arguments)
    out = Path(chosen.out) if chosen.out else None
    kept = Kept(Path(chosen.thumbnails)) if chosen.thumbnails else None
    for option, paths in (("--out", [out] if out else []), ("--thumbnails", [kept.path, kept.manifest] if kept else [])):
        for path in paths:
            refuse_out(option, path)
    artifact.located(Path(chosen.model))  # a wrong name is said before TensorFlow is loaded
    pictures = listed(chosen.pictures, chosen.cache_dir)
    tell(f"{count(len(pictures), 'picture')} to look at; the model is being loaded")
    device.before_import("auto")
    device.use("auto")
    model, facts = artifact.load(Path(chosen.model))
    check_input(facts["input"])

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


def check_input(wanted):
    """OptionError where pictures cannot become what the model takes; a word where they are read in another way now."""
    from toolkit.pixels import decode, resize

    height, width, channels, rule = (wanted[key] for key in ("height", "width", "channels", "resize"))
    if height != width or channels not in (1, 3) or rule not in resize.RULES:
        raise OptionError(f"the model takes {height} x {width} pixels of {channels} channels, by {plain(rule)}; "
                          f"pictures become squares of 1 or 3 channels, by {', '.join(resize.RULES)}.")
    if wanted.get("decoder") not in (None, decode.DECODER):
        tell("the model was trained with another version of the decoder; pictures of unusual kinds may look different.")


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


class News:
    """A line of progress now and then: news(done, of)."""

    def __init__(self, what):
        self.what, self.began = what, time.monotonic()
        self.told = self.began

    def __call__(self, done, of):
        now = time.monotonic()
        if now - self.told > NEWS_EVERY and done < of:
            self.told, left = now, (now - self.began) / done * (of - done)
            tell(f"{done:,} of {of:,} {self.what}, about {left:.0f} s left")


def batch(model, facts, pictures, kept=None):
    """Rows of one batch of Found."""
    import numpy as np

    from toolkit.pixels import decode, resize
    from toolkit.pixels.depth import Depth

    wanted, pixels, faults, classes = facts["input"], [], [], facts["classes"]
    depth = Depth(**wanted.get("depth") or {})
    for found in pictures:
        data, picture, fault = b"", None, None
        try:
            data = decode.read_bytes(found.path)
            picture = decode.decode(data, depth)
            pixels.append(resize.fit(picture.pixels, wanted["height"], wanted["channels"], wanted["resize"]))
        except decode.Unreadable as error:
            fault = str(error) or "cannot be read"
        faults.append(fault)
        if kept:
            kept.add(found, data, picture, pixels[-1] if picture else None, wanted["resize"])
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

    def add(self, found, data, picture, square, resize):
        """A picture: its bytes, as it was read (None where it cannot be), and what the model sees of it."""
        from toolkit.pixels import thumbnails

        digest = hashlib.sha256(data).hexdigest() if data else ""
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


def listed(names, cache=None):
    """The Found that `names` (pictures, folders, zips) stand for; DataError where one is not there or none is.

    cache: the store, in which a zip is unpacked (default: the usual one). UntrustedError where a zip is hostile.
    """
    found, passed = [], 0
    for name in map(Path, names):
        if not name.exists():
            raise DataError(f"{name} does not exist{near(name)}; name pictures, folders of pictures or zips of them.")
        if name.is_dir():
            inside, others = walked(name)
            found += [Found(shown(path), path) for path in inside]
        elif name.suffix.lower() == ".zip" and name.is_file():
            place = unzipped(name, cache)
            inside, others = walked(place)
            found += [Found(f"{shown(name)}/{path.relative_to(place).as_posix()}", path) for path in inside]
        else:
            found, others = [*found, Found(shown(name), name)], 0
        passed += others
    if not found:
        raise DataError(f"no picture in {', '.join(map(str, names))}"
                        + (f" ({count(passed, 'file')} of other kinds passed over)." if passed else "."))
    if passed:
        tell(f"{count(passed, 'file')} passed over: hidden, links, or of other kinds")
    return found


def shown(path):
    """A path as text, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def walked(place):
    """(paths of the pictures below a folder, by name; how many other files there are)."""
    from toolkit.data.folders import LITTER

    found, passed = [], 0
    for folder, below, files in os.walk(place):
        below[:] = sorted(one for one in below if not one.startswith(".") and one.casefold() not in LITTER)
        for file in sorted(files):
            path = Path(folder, file)
            fits = path.suffix.lower() in SUFFIXES and not file.startswith(".")
            if fits and not path.is_symlink():
                found.append(path)
            else:
                passed += 1
    return found, passed


def unzipped(path, cache):
    """The folder in the store with what a zip holds; the same bytes are unpacked once."""
    from toolkit.data import archive
    from toolkit.features import store

    return archive.unpacked(path, Path(cache or store.usual_folder()) / "unpacked", News("files of the zip"))


def near(path):
    """", did you mean NAME" for a path that is not there, where its folder holds a like name."""
    try:
        like = difflib.get_close_matches(path.name, os.listdir(path.parent), n=1)
    except OSError:
        like = []
    return f", did you mean {path.with_name(like[0])}" if like else ""


def refuse_out(option, out):
    """OptionError where the file to write is there already or cannot be written."""
    if os.path.lexists(out):
        raise OptionError(f"{option} {out} exists already and is not overwritten; name a new file.")
    try:
        tempfile.TemporaryFile(dir=out.parent).close()
    except OSError as error:
        raise OptionError(f"{option} {out} cannot be written: {error.strerror}; name a file in a folder that is there and "
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
