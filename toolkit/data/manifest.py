"""One manifest for every kind of data: a row a picture, no pixels kept."""

import difflib
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Callable

from toolkit.data import cards, targets
from toolkit.data.reading import count, listed
from toolkit.data.spreadsheet import to_csv
from toolkit.data.targets import ordered as ordered
from toolkit.errors import DataError, OptionError

COLUMNS = ("path", "label", "split", "group", "sha256", "width", "height", "mode", "note")
INTERNAL = ("fingerprint", "span", "patient", "bytes", "camera")  # facts of the pixels that no file of a run holds
TEST_DATA = "test-data/"  # before the paths of pictures that --test-data brought
SAMPLES = {"cells": "toolkit.data.samples.cells"}  # name -> module with make() -> Path of a table
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq")
ANNOTATED = ("coco", "voc", "yolo", "masks")  # formats of folders, each a module with is_one(files) and read(files)
ARCHIVES = (".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz")


@dataclass(frozen=True)
class Samples:
    """`rows`: a DataFrame of COLUMNS and the user's further columns (once prepared INTERNAL too), from 0 on.

    `kind`: folder, split folder, table, npz or sample. `left_out`: (path, reason) of files passed over. `problems`:
    sentences worth knowing that stop nothing; those about edits are in `edits` too. `unreadable`: (path, label, reason)
    of pictures that were dropped. `task`, `boxes`, `masks`, `delimiter`: as in data.reading.Reading; `order`: its
    `classes`.
    """

    rows: object
    root: Path | None
    kind: str
    source: Callable = field(repr=False)
    left_out: tuple = ()
    problems: tuple = ()
    unreadable: tuple = ()
    edits: tuple = ()
    task: str = "classification"
    boxes: dict | None = None
    masks: dict | None = None
    order: tuple = ()
    delimiter: str = ""

    def __len__(self):
        return len(self.rows)

    @property
    def classes(self):
        """Names of classes, of grades in their order, or of labels; [] where a picture has none of these."""
        return targets.classes(self)

    @property
    def counts(self):
        """Class name -> pictures."""
        found = self.rows["label"].value_counts()
        return {name: int(found[name]) for name in self.classes}

    @property
    def skipped(self):
        """Reason -> files passed over."""
        reasons = {}
        for _, reason in self.left_out:
            reasons[reason] = reasons.get(reason, 0) + 1
        return reasons

    @property
    def further(self):
        """Names of the user's own columns."""
        return [name for name in self.rows.columns if name not in (*COLUMNS, *INTERNAL)]

    def read(self, index):
        """The bytes of picture `index`, or its array where the data are arrays. Raises pixels.decode.Unreadable."""
        return self.source(self.rows["path"].iat[index])


def read(data, root=None, *, path_column="path", label_column="label", split_column="split", group_column="group",
         asked=targets.Asked(), ignore_empty=False, merge_case=False, fewest=2, follow_links=False,
         cache=None, step=None):
    """`data`: sample:NAME, a folder, a CSV, TSV or Parquet table, an .npz, or a zip of one of these -> Samples.

    asked: what the labels are to be, a targets.Asked. label_column: several names parted by commas are the labels of
    pictures with several. cache: folder where a zip is unpacked, once, with step(done, of) after each of its entries.
    Every problem is looked for before one DataError lists them all. `ignore_empty` goes on without classes that have no
    picture, `merge_case` joins classes that differ in case or accents' encoding only; both are noted. fewest: classes.
    follow_links: of a folder, as in data.folders.
    """
    data = _opened(str(data), cache, step)
    found, kind = _reading(data, root, path_column, label_column, split_column, group_column, follow_links)
    found = found._replace(rows=found.rows.reset_index(drop=True))
    found, faults, notes = targets.settled(found, asked, ignore_empty, merge_case, fewest)
    rows = found.rows
    if faults:
        raise DataError(f"{data} cannot be used, {count(len(faults), 'problem')}:"
                        + "".join(f"\n  - {fault}" for fault in faults))
    for position, name in enumerate(COLUMNS):
        if name not in rows:
            rows.insert(position, name, 0 if name in ("width", "height") else "")
    rows = rows[[*COLUMNS, *(name for name in rows.columns if name not in COLUMNS)]]
    rows = rows.astype({name: int if name in ("width", "height") else object for name in rows.columns})
    return Samples(rows, found.root, kind, found.source, found.left_out, tuple(notes), task=found.task,
                   boxes=found.boxes, masks=found.masks, order=found.classes, delimiter=found.delimiter)


def drop_unreadable(samples, facts, max_bad=0.1):
    """The facts of `pixels.batches.prepare` into the rows; pictures with an error leave -> (Samples, kept mask (n,)).

    Raises DataError where more than the share `max_bad` is unreadable, or a class loses its last picture.
    """
    found, kept = readable(samples, facts)
    lost, share = int((~kept).sum()), (~kept).mean()
    shown = listed(f"{path}: {error}" for path, _, error in found.unreadable[len(samples.unreadable):])
    if lost and (not len(found) or share > max_bad):
        allowed = f"--max-bad allows {max_bad:.0%}" if len(found) else "none is left"
        raise DataError(f"{lost} of {count(len(kept), 'picture')} cannot be read ({share:.1%}; {allowed}):{shown}")
    left = set(found.classes)
    gone = [name for name in samples.classes if name not in left]
    if gone:
        raise DataError(f"No picture of class {', '.join(map(repr, gone))} can be read:{shown}")
    return found, kept


def readable(samples, facts):
    """As `drop_unreadable`, whatever is left."""
    import numpy as np

    bad = np.asarray(facts["error"] != "")
    paths, labels, errors = samples.rows["path"], samples.rows["label"], facts["error"]
    lost = tuple((paths.iat[i], labels.iat[i], errors.iat[i]) for i in np.flatnonzero(bad))
    rows = samples.rows.copy()
    for name in ("sha256", "width", "height", "mode", "note", *INTERNAL):
        rows[name] = np.asarray(facts[name])
    return replace(samples, rows=rows[~bad].reset_index(drop=True), unreadable=samples.unreadable + lost), ~bad


def set_aside(samples, facts, decisions):
    """(samples, facts, decisions) without the pictures that cannot be read and that a person has left out."""
    import numpy as np

    from toolkit.data import edits

    lost = np.asarray(facts["error"] != "")
    out = {path for path, actions in edits.standing(decisions).items() if "exclude" in actions}
    out &= set(samples.rows["path"][lost])
    if not out:
        return samples, facts, decisions
    stay = ~samples.rows["path"].isin(out).to_numpy()
    note = f"{count(len(out), 'picture')} that cannot be read left out by the edits."
    return (replace(samples, rows=samples.rows[stay].reset_index(drop=True), problems=(*samples.problems, note),
                    edits=(*samples.edits, note)),
            facts[stay].reset_index(drop=True), [edit for edit in decisions if edit.path not in out])


def edited(samples, decisions, fewest=2):
    """`samples` after a list of data.edits.Edit. Raises DataError where the task cannot be asked of what is left.

    fewest: classes.
    """
    from toolkit.data import edits

    if not decisions:
        return samples
    rows, notes = edits.applied(samples.rows, decisions)
    if wrong := targets.strange(replace(samples, rows=rows), fewest):
        raise DataError(f"The edits {wrong}: take some of them back.")
    return replace(samples, rows=rows, problems=(*samples.problems, *notes),
                   edits=(*samples.edits, *notes))


def table(rows):
    """`rows` of Samples -> manifest.csv as bytes, COLUMNS first; formula cells neutralised, and opened by `read`."""
    names = [*COLUMNS, *(name for name in rows.columns if name not in (*COLUMNS, *INTERNAL))]
    return to_csv(names, rows[names].itertuples(index=False), mark=True)


def _opened(data, cache, step):
    """`data`; of a zip, what it was unpacked to: a folder, or the only table or .npz in it."""
    path = Path(data).expanduser()
    if path.suffix.lower() != ".zip" or not path.is_file() or data.startswith("sample:"):
        return data
    from toolkit.data import archive

    folder = archive.unpacked(path, cache, step)
    inside = [entry for entry in folder.iterdir() if entry.suffix.lower() in (*TABLES, ".npz") and entry.is_file()]
    known = [entry for entry in inside if entry.name.lower() not in ("split.csv", "splits.csv", "index.csv")
             and entry.suffix.lower() != ".txt"]
    return str(known[0] if len(known) == 1 else folder)


def _reading(data, root, path_column, label_column, split_column, group_column, follow_links):
    """The reader that `data` asks for, and the kind."""
    columns = {"path_column": path_column, "label_column": label_column, "split_column": split_column,
               "group_column": group_column}
    if data.startswith("sample:"):
        _refuse_table_options("sample data", root, columns)
        return import_module("toolkit.data.table").read(_sample_module(data[len("sample:"):]).make()), "sample"
    if "://" in data:
        raise DataError(f"{data} is an address; download it first and give the folder or file.")
    path = Path(data).expanduser()
    refuse_missing(data)
    suffix = path.suffix.lower()
    if path.is_file() and suffix in TABLES:
        reading = import_module("toolkit.data.table").read(path, root, **columns)
    elif path.is_file() and suffix in ARCHIVES:
        raise DataError(f"{path} is an archive; unpack it and give the folder.")
    elif path.is_dir():
        _refuse_table_options("a folder", root, columns)
        reading = _folder(path, follow_links)
    elif path.is_file() and suffix == ".npz":
        _refuse_table_options("an .npz file", root, columns)
        reading = import_module("toolkit.data.npz").read(path)
    else:
        raise DataError(f"{path} is no data set; wanted a folder of pictures, a table ({', '.join(TABLES)}), an"
                        f" .npz file, a zip of these, or sample:NAME with NAME of {', '.join(SAMPLES)}.")
    return reading, reading.kind


def refuse_missing(data):
    """DataError, with what may have been meant, where `data` names sample data or a path that are not there."""
    if data.startswith("sample:"):
        _sample_module(data.removeprefix("sample:"))
    elif "://" not in data and not Path(data).expanduser().exists():
        raise DataError(_not_there(Path(data).expanduser()))


def _folder(path, follow_links):
    """The Reading of a folder, by the first format that knows it; class folders otherwise."""
    from toolkit.data.annotated import Files

    files = Files(path, follow_links)
    for name in ANNOTATED:
        reader = import_module(f"toolkit.data.{name}")
        if reader.is_one(files):
            return reader.read(files)
    return import_module("toolkit.data.folders").read(path, follow_links)


def _refuse_table_options(what, root, columns):
    """Options for tables would be without effect elsewhere."""
    usual = {"path_column": "path", "label_column": "label", "split_column": "split", "group_column": "group"}
    given = ["root"] if root is not None else []
    given += [name for name, value in columns.items() if value != usual[name]]
    if given:
        raise OptionError(f"--{given[0].replace('_', '-')} is for tables; the data are {what}.")


def _sample_module(name):
    if name not in SAMPLES:
        near = difflib.get_close_matches(name, SAMPLES, 1)
        raise DataError(f"There is no sample data {name!r}; " + (f"did you mean sample:{near[0]}?" if near else
                                                                f"there is: {', '.join(SAMPLES)}."))
    return import_module(SAMPLES[name])


def _not_there(path):
    """Which part of the path ends, and the nearest name that exists there."""
    if path.is_symlink():
        return f"{path} is a link to nothing."
    end, near = nearest(path)
    hint = f"Did you mean {near}?" if near else f"Sample data are given as sample:{end.name}." \
        if end.name in SAMPLES else f"python -m toolkit.fetch {end.name} fetches the public data set of this name." \
        if cards.there(end.name) else "Name a folder of pictures, a table, an .npz file, or sample:cells."
    return f"{end} does not exist. {hint}"


def nearest(path):
    """(the first part of `path` that does not exist, the existing path of the nearest name there or None)."""
    parent = path.parent
    while not parent.exists():
        path, parent = parent, parent.parent
    try:
        names = [entry.name for entry in parent.iterdir()]
    except OSError:
        names = []
    folded = {name.casefold(): name for name in names}
    near = difflib.get_close_matches(path.name.casefold(), folded, 1)
    return path, parent / folded[near[0]] if near else None
