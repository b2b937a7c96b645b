"""What a run compares its data by before it goes on."""

from types import SimpleNamespace

import pandas
import pytest

from toolkit.data import manifest
from toolkit.steps import look


def sitting(folder, rows):
    """(case, run) of rows (path, label, split, group, sha256), with the manifest.csv of an earlier sitting."""
    table = pandas.DataFrame(rows, columns=["path", "label", "split", "group", "sha256"]).assign(
        width=1, height=1, mode="RGB", note="")
    return SimpleNamespace(samples=SimpleNamespace(rows=table)), SimpleNamespace(manifest=folder / "manifest.csv")


ROWS = [("=a.png", "a", "train", "", "1"), ("b.png", "-b", "test", "p1", "2"), ("c.png", "a", "train", "p2", "3")]


@pytest.mark.parametrize("rows, said", [
    (ROWS[:2], "c.png: gone"), ([*ROWS, ("d.png", "a", "train", "", "4")], "d.png: new"),
    ([*ROWS[:2], ("c.png", "a", "train", "p2", "other bytes")], "c.png: changed"),
    ([*ROWS[:2], ("c.png", "-b", "train", "p2", "3")], "c.png: changed"),
    ([*ROWS[:2], ("c.png", "a", "test", "p2", "3")], "c.png: changed"),
    ([*ROWS[:2], ("c.png", "a", "train", "p1", "3")], "c.png: changed")])
def test_A13_what_is_gone_new_edited_or_moved_is_listed(tmp_path, rows, said):
    case, run = sitting(tmp_path, ROWS)
    run.manifest.write_bytes(manifest.table(case.samples.rows))
    look.unchanged(case, run)
    with pytest.raises(look.ChangedError, match=said) as refusal:
        look.unchanged(sitting(tmp_path, rows)[0], run)
    assert str(refusal.value).count(".png") == 1 and "--accept-changed-data" in str(refusal.value)
