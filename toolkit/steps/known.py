"""What a model's own run knows of the pictures that are to measure it."""

from typing import NamedTuple

import numpy as np


class Known(NamedTuple):
    """`rows`: mask (n,) of pictures that the run trained or chose by, as they are, as copies or by their group;
    `findings` about them, doctor.findings.Finding."""

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
    if not {"sha256", "split", "group"} <= set(rows):
        return None
    rows = rows[rows["split"] != "test"].reset_index(drop=True)
    return rows.assign(group=rows["group"].map(csv_plain))


def compared(rows, before, shelf):
    """`rows` with sha256, fingerprint and group against `before`, as `learnt` gives it -> Known.

    Copies with other bytes are found by the pixels that `shelf` still has of what was learnt: of pictures read as the
    model reads them. What could not be compared is a note.
    """
    from toolkit.doctor import crossing
    from toolkit.pixels.batches import KEPT

    if before is None:
        return Known(np.zeros(len(rows), bool), [crossing.nothing_known()])
    here = [key for key in before["sha256"] if key in shelf]
    prints = {shelf.facts(key)[KEPT.index("fingerprint")] for key in here}
    copies = (rows["sha256"].isin(before["sha256"]) | rows["fingerprint"].isin(prints)).to_numpy(bool)
    groups = rows["group"].isin(set(before["group"]) - {""}).to_numpy(bool)
    findings = []
    if copies.any():
        findings.append(crossing.seen_before(rows["path"][copies], len(rows)))
    if (groups & ~copies).any():
        findings.append(crossing.groups_before(rows[groups & ~copies]))
    if len(here) < len(before):
        findings.append(crossing.bytes_alone(len(before) - len(here), len(before)))
    return Known(copies | groups, findings)
