"""What a model's own run knows of the pictures that are to measure it."""

from typing import NamedTuple

import numpy as np


class Known(NamedTuple):
    """`rows`: mask (n,) of pictures that the run trained or chose by, as they are, as copies, by what they show or by
    their group; `findings` about them, doctor.findings.Finding."""

    rows: np.ndarray
    findings: list


def learnt(model):
    """The rows of train and validation in the manifest.csv of the run around `model`; None where there is none."""
    import pandas

    from toolkit.data.spreadsheet import csv_plain
    from toolkit.run import paths

    manifest = paths(model if model.is_dir() else model.parent).manifest
    if not manifest.is_file():
        return None
    rows = pandas.read_csv(manifest, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if not {"path", "sha256", "split", "group"} <= set(rows):
        return None
    rows = rows[rows["split"] != "test"].reset_index(drop=True)
    return rows.assign(**{name: rows[name].map(csv_plain) for name in ("path", "group")})


def compared(rows, before, pixels, thumbnails, store, workers, progress):
    """`rows` with sha256, fingerprint and group, their `pixels` and the `thumbnails` of their looks, against `before`,
    as `learnt` gives it -> Known.

    Copies with other bytes are found by the pixels, and near duplicates by the looks, that the store still has of what
    was learnt: of pictures read as the model reads them. What could not be compared is a note.
    """
    from toolkit.doctor import crossing
    from toolkit.pixels.batches import KEPT

    if before is None:
        return Known(np.zeros(len(rows), bool), [crossing.nothing_known()])
    here = [key for key in before["sha256"] if key in pixels.shelf]
    prints = {known[KEPT.index("fingerprint")] for key in here if (known := pixels.shelf.facts(key)) is not None}
    copies = (rows["sha256"].isin(before["sha256"]) | rows["fingerprint"].isin(prints)).to_numpy(bool)
    groups = rows["group"].isin(set(before["group"]) - {""}).to_numpy(bool)
    near, like, looked = scenes(pixels, thumbnails, before, store, workers, progress)
    findings = []
    if copies.any():
        findings.append(crossing.seen_before(rows["path"][copies], len(rows)))
    if (near & ~copies).any():
        findings.append(crossing.scenes_before(rows["path"][near & ~copies], like[near & ~copies], len(rows)))
    if (groups & ~copies).any():
        findings.append(crossing.groups_before(rows[groups & ~copies]))
    if looked < len(before):
        findings.append(crossing.bytes_alone(len(before) - looked, len(before)))
    return Known(copies | near | groups, findings)


def scenes(pixels, mine, before, store, workers, progress):
    """(mask (n,) of `pixels` that show the scene of a picture of `before`, the path (n,) of one, how many of `before`
    could be compared)."""
    from toolkit.steps import compare

    keys, theirs = compare.remembered(before["sha256"], pixels.shelf, store)
    looked = int(before["sha256"].isin(keys).sum())
    if not len(keys):
        return np.zeros(len(pixels), bool), np.full(len(pixels), "", object), looked
    found = compare.near(np.concatenate([theirs, mine]), [*keys, *pixels.keys], pixels.shelf, store, workers, progress,
                         len(keys), "known")
    names = dict(zip(before["sha256"], before["path"]))
    of_bundle = {bundle: names[key] for bundle, key in zip(found.bundle, keys)}
    like = [of_bundle.get(bundle, "") for bundle in found.bundle[len(keys):]]
    return found.likeness[len(keys):] > 0, np.array(like, object), looked
