"""Step one: which pictures there are, what they show, and on which side of the split each one stands."""

from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path

import numpy as np

from toolkit.data.reading import count
from toolkit.data.splits import PARTS
from toolkit.errors import DataError
from toolkit.steps import asked

TALLIED = 500  # training pictures whose values are counted for percentiles
NAMED = 1000   # files that doctor.json names with the reason why they were left out; all are counted
COMPARED = ("path", "sha256", "label", "split", "group")  # of a picture, between two sittings of a run


class ChangedError(DataError):
    """The data are not those that the run began with."""


@dataclass
class Case:
    """The pictures of a run: n rows, each with its pixels, class number and part.

    samples: data.manifest.Samples; pixels: features.rows.Rows of uint8 (n, size, size, channels); numbers: int32
    (n,), in the order of `classes`; part: (n,) of train, validation and test; rows: {part: row numbers}; findings
    of the doctor; depth: pixels.depth.Depth by which numbers beyond 8 bits were read; moved: (path, from, to) of the
    pictures that leaked in a given split. Where a picture has not one class, `classes` are the kinds that the split is
    balanced by, and summary: doctor.summary of the targets. near: doctor.near.Near; None where it was not looked for.
    """

    samples: object
    pixels: object
    classes: list
    numbers: np.ndarray
    part: np.ndarray
    findings: list
    depth: object
    moved: tuple = ()
    summary: dict | None = None
    near: object = None
    rows: dict = field(init=False)

    def __post_init__(self):
        self.rows = {part: np.flatnonzero(self.part == part) for part in PARTS}

    def truth(self, part):
        """Class numbers of a part."""
        return self.numbers[self.rows[part]]

    def counts(self):
        """{part: {class: pictures}}; what could not be split is the part "unsplit"."""
        split = {**self.rows, "unsplit": np.flatnonzero(self.part == "")}
        return {part: {name: int((self.numbers[rows] == i).sum()) for i, name in enumerate(self.classes)}
                for part, rows in split.items() if part in PARTS or len(rows)}

    def groups(self, part):
        """What must not be parted or resampled apart, for each picture of a part; None where every one stands alone."""
        groups = self.samples.rows["bound"].to_numpy()[self.rows[part]]
        return None if len(np.unique(groups)) == len(groups) else groups

    def alone(self):
        """Mask of the test part's pictures that share no copy, scene or group with train or validation."""
        from toolkit.data import splits

        return ~np.isin(self.rows["test"], splits.leaking(self.part, self.samples.rows["bound"]))


def listed(chosen, step=None, tasks=("classification",), fewest=2):
    """The rows of the data, before any picture is opened; every problem of them in one DataError.

    step(done, of): called while an archive is unpacked. tasks: those that the caller can do. fewest: classes; of
    --test-data one is enough.
    """
    from toolkit.data import external, framed

    samples = listed_in(chosen, chosen.data, chosen.root, step, fewest)
    if samples.task not in tasks:
        raise DataError(asked.not_yet(chosen.data, samples))
    if further := getattr(chosen, "test_data", None):
        samples = external.with_test(samples, listed_in(chosen, further, None, step, 1), chosen.merge_case)
    whole = samples.boxes is not None or samples.masks is not None  # boxes and masks are of whole files
    return framed.every(samples, step) if chosen.frames == "all" and not whole else samples


def listed_in(chosen, data, root, step, fewest):
    """The rows of a folder, table or archive."""
    from toolkit.data import manifest
    from toolkit.features import store

    columns = {name: getattr(chosen, name) for name in ("path_column", "label_column", "split_column", "group_column")}
    labels = asked.labels(chosen)
    if data != chosen.data and Path(data).suffix.lower() not in manifest.TABLES:
        columns, labels = {}, labels._replace(delimiter="")  # of the other data's table
    return manifest.read(data, root, **columns, asked=labels, ignore_empty=chosen.ignore_empty,
                         merge_case=chosen.merge_case, fewest=fewest, step=step,
                         follow_links=chosen.follow_links,
                         cache=Path(chosen.cache_dir or store.usual_folder()) / "unpacked")


def read(chosen, samples, task, store, run, progress):
    """Open every picture once, split them, and say what is wrong with them -> Case."""
    case, given = opened(chosen, samples, task, store, progress)
    if chosen.resume and run.manifest.exists():
        unchanged(case, run)
    kept(run, case)
    told(run, case, given)
    return case


def opened(chosen, samples, task, store, progress, faults=nullcontext(), learnt=lambda samples: None):
    """(Case, the split that came with the data) of pictures that are opened once.

    faults: the context of each step that may refuse the data; where it holds a DataError back, the next step goes on
    without what that one would have given. learnt(samples): doctor.targets.Targets, where they are not one class a
    picture.
    """
    from toolkit.data import targets
    from toolkit.doctor import checks
    from toolkit.pixels.depth import Depth
    from toolkit.steps import compare

    step = progress.start("read", f"Reading {len(samples)} pictures" + (
        f" of {len(samples.classes)} classes." if samples.task == "classification" else f" for {samples.task}."))
    depth, decided = Depth.of(chosen.depth), ()
    with faults:
        decided = decisions(chosen)
    samples, pixels = pictures(chosen, samples, store, step, depth, edits=decided, faults=faults)
    rows, given = samples.rows, samples.rows["split"].copy()
    looks, near = compare.looks(pixels, store, progress), None
    if chosen.near_duplicates == "together":
        near = compare.near(looks.thumbnails, pixels.keys, pixels.shelf, store, chosen.threads, progress)
    labels, part, bound, notes = parted(chosen, samples, near, decided, faults)
    depth = depth_of(samples, part == "train", depth, chosen.frames)
    if rescaled(rows, depth):
        step = progress.start("read", f"Reading them again: {depth.low:.6g} to {depth.high:.6g} become black to white.")
        again, pixels = pictures(chosen, samples, store, step, depth)
        rows[["mode", "note"]] = again.rows[["mode", "note"]]
        looks = compare.looks(pixels, store, progress)
    truth = learnt(samples)
    findings = checks.examine(rows, samples.unreadable, samples.left_out, notes, looks, near, given, truth)
    moved = crossed(rows, given)
    rows["split"], rows["bound"] = part, bound
    kinds = samples.classes if samples.task in ("classification", "ordinal") else targets.ordered(set(labels))
    return Case(samples, pixels, kinds, task.encode(labels, kinds), part, findings, depth, moved,
                asked.summed(truth, part, kinds, given), near), given


def parted(chosen, samples, near, decided, faults):
    """(what the split is balanced by, the part and the bundle of each row, the notes); near: doctor.near.Near or None.

    Groups are put into the rows, and the given split as it is mended: what is the same to the pixel or of one group is
    moved. What is near is told and left there, for published splits are full of it and others' scores stand on them.
    """
    from toolkit.data import splits, targets
    from toolkit.pixels import frames

    rows, notes = samples.rows, samples.problems
    same = (rows["sha256"], rows["fingerprint"], frames.files(rows["path"]), *([near.keys()] if near else []))
    with faults:
        rows["group"], notes = grouped(chosen, rows, samples.problems, len(PARTS), decided)
    bound = splits.bind(rows["group"], *same)
    labels = targets.strata(samples, bound)
    with faults:
        rows["split"] = mended(chosen, rows, splits.bind(rows["group"], *same[:3]), labels)
    part = rows["split"].to_numpy(object)
    with faults:
        part = splits.assign(labels, rows["group"], rows["split"],
                             (1 - chosen.validation - chosen.test, chosen.validation, chosen.test), chosen.seed,
                             same=same, strict=chosen.strict, names=rows["path"],
                             lacking=("test",) if chosen.test_data else ())
    return labels, part, bound, notes


def mended(chosen, rows, bound, labels):
    """The given split, with each of the bundles `bound` on one side of it unless the user wants otherwise."""
    from toolkit.data import splits

    if chosen.strict or chosen.keep_split:
        return rows["split"]
    return splits.mended(rows["split"], bound, labels)


def crossed(rows, given):
    """(path, from, to) of the rows that no longer stand where the data's own split had them."""
    return tuple(row for row in zip(rows["path"], given, rows["split"]) if row[1] != row[2])


def grouped(chosen, rows, notes, parts, decided=()):
    """(groups of the rows; the notes, with one about them): as given, by --group-pattern, else by DICOM patient.

    What a person regrouped, by the edits `decided`, stands above all of these.
    """
    from toolkit.data import edits, names, patients

    wanted = {path: actions["regroup"].value for path, actions in edits.standing(decided).items()
              if "regroup" in actions}
    by_hand = rows["group"] == rows["path"].map(wanted)
    others = rows.assign(group=rows["group"].mask(by_hand, ""))
    if chosen.group_pattern:
        if (others["group"] != "").any():
            raise DataError("The data name groups, and --group-pattern finds others; leave one out.")
        groups, note = names.groups(rows["path"], chosen.group_pattern)
    else:
        groups, note = patients.groups(others, parts)
    groups = np.where(by_hand, rows["group"], groups)
    return groups, (*notes, note) if note else notes


def depth_of(samples, trained, depth, frame):
    """`depth` with its ends, from the pictures of the mask `trained` alone; as it is where 8 bits came."""
    from toolkit.pixels import decode
    from toolkit.pixels.depth import Span, resolved

    spans = samples.rows["span"].to_numpy(object)
    deep = np.flatnonzero(trained & (spans != ""))

    def tally(counted):
        for row in deep[np.linspace(0, len(deep) - 1, min(len(deep), TALLIED)).astype(int)]:
            decode.decode(samples.read(row), counted, frame)

    return resolved(depth, [Span.of(text) for text in spans[deep]], tally)


def rescaled(rows, depth):
    """Whether any picture was read by another range than the one that stands now."""
    from toolkit.pixels.depth import RULES, Span

    ends, spans = (depth.low, depth.high), [Span.of(text) for text in set(rows["span"]) - {""}]
    return depth.rule in RULES and depth.low is not None and any(span.full() != ends for span in spans)


def decisions(chosen):
    """The edits of --edits, or of the files beside the data and beside --test-data."""
    from toolkit.data import edits, external

    if chosen.edits:
        return [] if chosen.edits == "none" else edits.read(chosen.edits)
    path, further = edits.beside(chosen.data), getattr(chosen, "test_data", None)
    own = edits.beside(further) if further else None
    return (edits.read(path) if path else []) + (external.named(edits.read(own)) if own and own != path else [])


def pictures(chosen, samples, store, step, depth, how=None, edits=(), faults=nullcontext(), fewest=2):
    """(samples that can be read, with their facts, after `edits`; Rows of their pixels).

    how: (size, channels, resize), else what is chosen; faults: as in `opened`, unless not one can be read; fewest:
    classes that `edits` must leave.
    """
    from toolkit.data import external, manifest, patients
    from toolkit.features.rows import Rows
    from toolkit.pixels import batches, decode

    secret = patients.secret(store.folder)
    size, channels, resize = how = how or (chosen.size, chosen.channels, chosen.resize)
    depends = {"decoder": decode.DECODER, "pillow": metadata.version("pillow"), "size": size,
               "channels": channels, "resize": resize, "frames": chosen.frames, "depth": asdict(depth),
               "patients": patients.key("which secret", secret), "facts": batches.KEPT}
    shelf = store.shelf("pictures", depends, [(size, size, channels)], "uint8", len(samples))
    facts = batches.prepare(samples, *how, chosen.threads, step, shelf, depth,
                            lambda number: patients.key(number, secret), chosen.frames)
    samples, facts, edits = manifest.set_aside(samples, facts, edits)
    whole, (samples, _) = samples, manifest.readable(samples, facts)
    with faults if len(samples) else nullcontext():
        manifest.drop_unreadable(whole, facts, chosen.max_bad)
    with faults:
        samples = manifest.edited(samples, edits, fewest)
        if edits and getattr(chosen, "test_data", None):
            samples = external.fitting_still(samples, chosen.merge_case)
    keys, names = samples.rows["sha256"].to_numpy(object), samples.rows["path"].to_numpy(object)
    return samples, Rows(shelf, keys, lambda numbers: [batches.decoded(samples, names, numbers, keys[numbers], *how,
                                                                       chosen.threads, depth, chosen.frames)])


def kept(run, case):
    """Write manifest.csv and doctor.json."""
    from toolkit.data import manifest
    from toolkit.files import write_atomic

    write_atomic(run.manifest, manifest.table(case.samples.rows.drop(columns=["bound"])))
    kept_findings(run, case)


def kept_findings(run, case):
    """Write doctor.json."""
    samples, groups = case.samples, set(case.samples.rows["group"]) - {""}
    run.json(run.doctor, {"schema": 1, "task": samples.task, "summary": case.summary,
                          "findings": [asdict(finding) for finding in case.findings],
                          "counts": case.counts(), "groups": len(groups) or None, "edits": samples.edits,
                          "moved": case.moved[:NAMED],
                          "unreadable": samples.unreadable[:NAMED], "left_out": samples.left_out[:NAMED],
                          "skipped": samples.skipped})


def told(run, case, given):
    """Say the counts and the warnings."""
    counts = case.counts()
    for name in case.classes:
        run.say(f"  {name}: " + ", ".join(f"{counts[part][name]} {part}" for part in PARTS))
    if (given != "").any():
        run.say(f"  {of_the_split(case)}")
    told_findings(run, case.findings)


def told_findings(run, findings):
    """Say those that are more than notes."""
    for finding in findings:
        if finding.severity != "note":
            run.say(f"  {finding.severity}: {finding.sentence} {finding.remedy}")


def added(run, case, findings):
    """Keep and say findings that came later."""
    kept_findings(run, case)
    told_findings(run, findings)


def of_the_split(case):
    """A sentence about a split that came with the data."""
    but = f", but for {count(len(case.moved), 'picture')} that leaked and moved" if case.moved else ""
    return f"The split is the one given with the data{but}."


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
