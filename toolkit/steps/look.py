"""Step one: which pictures there are, what they show, and on which side of the split each one stands."""

from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from toolkit.data.splits import PARTS
from toolkit.errors import DataError

TALLIED = 500  # training pictures whose values are counted for percentiles
COMPARED = ("path", "sha256", "label", "split", "group")  # of a picture, between two sittings of a run


class ChangedError(DataError):
    """The data are not those that the run began with."""


@dataclass
class Case:
    """The pictures of a run: n rows, each with its pixels, class number and part.

    samples: data.manifest.Samples; pixels: features.rows.Rows of uint8 (n, size, size, channels); numbers: int32
    (n,), in the order of `classes`; part: (n,) of train, validation and test; rows: {part: row numbers}; findings
    of the doctor; depth: pixels.depth.Depth by which numbers beyond 8 bits were read.
    """

    samples: object
    pixels: object
    classes: list
    numbers: np.ndarray
    part: np.ndarray
    findings: list
    depth: object
    rows: dict = field(init=False)

    def __post_init__(self):
        self.rows = {part: np.flatnonzero(self.part == part) for part in PARTS}

    def truth(self, part):
        """Class numbers of a part."""
        return self.numbers[self.rows[part]]

    def groups(self, part):
        """What must not be parted or resampled apart, for each picture of a part; None where every one stands alone."""
        groups = self.samples.rows["bound"].to_numpy()[self.rows[part]]
        return None if len(np.unique(groups)) == len(groups) else groups


def listed(chosen):
    """The rows of the data, before any picture is opened; every problem of them in one DataError."""
    from toolkit.data import manifest

    samples = listed_in(chosen, chosen.data, chosen.root)
    if further := getattr(chosen, "test_data", None):
        samples = manifest.with_test(samples, listed_in(chosen, further, None))
    return samples


def listed_in(chosen, data, root):
    """The rows of a folder, table or archive."""
    from toolkit.data import manifest
    from toolkit.features import store

    columns = {name: getattr(chosen, name) for name in ("path_column", "label_column", "split_column", "group_column")}
    if data != chosen.data and Path(data).suffix.lower() not in manifest.TABLES:
        columns = {}  # of the other data's table
    samples = manifest.read(data, root, **columns, ignore_empty=chosen.ignore_empty, merge_case=chosen.merge_case,
                            cache=Path(chosen.cache_dir or store.usual_folder()) / "unpacked")
    if samples.task != "classification":
        raise DataError(f"{data} holds {samples.kind} for {samples.task}; what is trained and measured here is one "
                        "class a picture: give a folder with a folder for each class, or a table with a label column.")
    return samples


def read(chosen, samples, task, store, run, progress):
    """Open every picture once, split them, and say what is wrong with them -> Case."""
    from toolkit.data import splits
    from toolkit.doctor import checks
    from toolkit.pixels.depth import Depth

    step = progress.start("read", f"Reading {len(samples)} pictures of {len(samples.classes)} classes.")
    depth = Depth.of(chosen.depth)
    samples, pixels = pictures(chosen, samples, store, step, depth, edits=decisions(chosen))
    rows, same = samples.rows, (samples.rows["sha256"], samples.rows["fingerprint"])
    rows["group"], notes = grouped(chosen, rows, samples.problems, len(PARTS))
    given = rows["split"].copy()
    part = splits.assign(rows["label"], rows["group"], rows["split"],
                         (1 - chosen.validation - chosen.test, chosen.validation, chosen.test), chosen.seed,
                         same=same, strict=chosen.strict, names=rows["path"])
    depth = depth_of(samples, part == "train", depth)
    if rescaled(rows, depth):
        step = progress.start("read", f"Reading them again: {depth.low:.6g} to {depth.high:.6g} become black to white.")
        again, pixels = pictures(chosen, samples, store, step, depth)
        rows[["mode", "note"]] = again.rows[["mode", "note"]]
    findings = checks.examine(rows, samples.unreadable, samples.left_out, notes)
    rows["split"], rows["bound"] = part, splits.bind(rows["group"], *same)
    case = Case(samples, pixels, samples.classes, task.encode(rows["label"], samples.classes),
                part, findings, depth)
    if chosen.resume and run.manifest.exists():
        unchanged(case, run)
    told(run, case, given)
    return case


def grouped(chosen, rows, notes, parts):
    """(groups of the rows; the notes, with one about them): as given, by --group-pattern, else by DICOM patient."""
    from toolkit.data import names, patients

    if chosen.group_pattern:
        if (rows["group"] != "").any():
            raise DataError("The data name groups, and --group-pattern finds others; leave one out.")
        groups, note = names.groups(rows["path"], chosen.group_pattern)
    else:
        groups, note = patients.groups(rows, parts)
    return groups, (*notes, note) if note else notes


def depth_of(samples, trained, depth):
    """`depth` with its ends, from the pictures of the mask `trained` alone; as it is where 8 bits came."""
    from toolkit.pixels import decode
    from toolkit.pixels.depth import Span, resolved

    spans = samples.rows["span"].to_numpy(object)
    deep = np.flatnonzero(trained & (spans != ""))

    def tally(counted):
        for row in deep[np.linspace(0, len(deep) - 1, min(len(deep), TALLIED)).astype(int)]:
            decode.decode(samples.read(row), counted)

    return resolved(depth, [Span.of(text) for text in spans[deep]], tally)


def rescaled(rows, depth):
    """Whether any picture was read by another range than the one that stands now."""
    from toolkit.pixels.depth import RULES, Span

    ends, spans = (depth.low, depth.high), [Span.of(text) for text in set(rows["span"]) - {""}]
    return depth.rule in RULES and depth.low is not None and any(span.full() != ends for span in spans)


def decisions(chosen):
    """The edits of --edits, or of the file beside the data."""
    from toolkit.data import edits

    path = None if chosen.edits == "none" else chosen.edits or edits.beside(chosen.data)
    return edits.read(path) if path else []


def pictures(chosen, samples, store, step, depth, how=None, edits=()):
    """(samples that can be read, with their facts, after `edits`; Rows of their pixels).

    how: (size, channels, resize), else what is chosen.
    """
    from toolkit.data import manifest, patients
    from toolkit.features.rows import Rows
    from toolkit.pixels import batches, decode

    secret = patients.secret(store.folder)
    size, channels, resize = how = how or (chosen.size, chosen.channels, chosen.resize)
    depends = {"decoder": decode.DECODER, "pillow": metadata.version("pillow"), "size": size,
               "channels": channels, "resize": resize, "depth": asdict(depth),
               "patients": patients.key("which secret", secret)}
    shelf = store.shelf("pictures", depends, [(size, size, channels)], "uint8", len(samples))
    facts = batches.prepare(samples, *how, chosen.workers, step, shelf, depth,
                            lambda number: patients.key(number, secret))
    samples, _ = manifest.drop_unreadable(samples, facts, chosen.max_bad)
    samples = manifest.edited(samples, edits)
    keys, names = samples.rows["sha256"].to_numpy(object), samples.rows["path"].to_numpy(object)
    return samples, Rows(shelf, keys, lambda numbers: [batches.decoded(samples, names, numbers, keys[numbers], *how,
                                                                       chosen.workers, depth)])


def told(run, case, given):
    """Write manifest.csv and doctor.json, and say the counts and the warnings."""
    from toolkit.data import manifest
    from toolkit.files import write_atomic

    rows = case.samples.rows.drop(columns=["bound"])
    write_atomic(run.manifest, manifest.table(rows))
    run.json(run.doctor, {"schema": 1, "findings": [asdict(finding) for finding in case.findings]})
    for name in case.classes:
        counts = {part: int(((rows["split"] == part) & (rows["label"] == name)).sum()) for part in PARTS}
        run.say(f"  {name}: " + ", ".join(f"{n} {part}" for part, n in counts.items()))
    if (given != "").any():
        run.say("  The split is the one given with the data.")
    for finding in case.findings:
        if finding.severity != "note":
            run.say(f"  {finding.severity}: {finding.sentence} {finding.remedy}")


def unchanged(case, run):
    """Refuse to go on with a run whose pictures, labels or parts are not what they were."""
    import pandas

    from toolkit.data.reading import listed as shown
    from toolkit.data.spreadsheet import csv_safe

    before = pandas.read_csv(run.manifest, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    before, now = ({row[0]: row[1:] for row in rows[list(COMPARED)].itertuples(index=False, name=None)}
                   for rows in (before, case.samples.rows[list(COMPARED)].map(csv_safe)))
    changed = [f"{path}: {'gone' if path not in now else 'new' if path not in before else 'changed'}"
               for path in sorted(before.keys() | now.keys()) if before.get(path) != now.get(path)]
    if changed:
        raise ChangedError("The data are not those that the run began with; --accept-changed-data begins a new run "
                           f"with them:{shown(changed)}")
