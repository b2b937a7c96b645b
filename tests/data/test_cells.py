import json

import numpy as np
import pytest

from toolkit.data import manifest, splits
from toolkit.data.samples import cells
from toolkit.doctor.checks import examine
from toolkit.errors import ResourceError
from toolkit.pixels.batches import prepare


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    cells.make(folder)
    return folder


def test_three_classes_several_pictures_a_patient(cache, monkeypatch):
    monkeypatch.setenv("TOOLKIT_CACHE", str(cache))
    samples = manifest.read("sample:cells")
    assert samples.kind == "sample" and samples.classes == list(cells.CLASSES) and len(samples) == 346
    assert samples.rows["group"].nunique() == cells.PATIENTS and samples.further == ["scanner"]
    assert min(samples.counts.values()) > 80


def test_the_planted_troubles_are_there_and_found(cache):
    folder = cells.make(cache).parent
    planted = json.loads((folder / "planted.json").read_text("utf-8"))
    samples = manifest.read(folder / "table.csv")
    samples, _ = manifest.drop_unreadable(samples, prepare(samples, 16, 3, "crop", 2))
    assert {path for path, _, _ in samples.unreadable} == set(planted["unreadable"])
    found = {finding.check: set(finding.pictures) for finding in examine(samples.rows, samples.unreadable)}
    assert found["label conflicts"] == {path for pair in planted["conflicts"] for path in pair}
    assert found["duplicates"] == {path for pair in planted["twins"] for path in pair}
    label = dict(zip(samples.rows["path"], samples.rows["label"]))
    assert len(planted["wrong_labels"]) == 10
    assert all(label[each["path"]] == each["label"] != each["right"] for each in planted["wrong_labels"])
    rows = samples.rows
    split = splits.assign(rows["label"], rows["group"], rows["split"], same=(rows["sha256"], rows["fingerprint"]))
    assert not splits.leaks(split, splits.bind(rows["group"], rows["sha256"]))
    assert np.mean(split == "train") > 0.65


def test_B6_the_same_bytes_each_time(cache, tmp_path):
    again = cells.make(tmp_path).parent
    first = cells.make(cache).parent
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(again) for path in again.rglob("*") if path.is_file())
    assert all((first / name).read_bytes() == (again / name).read_bytes() for name in names)
    assert [path.name for path in (tmp_path / "samples").iterdir()] == [cells.VERSION]


def test_a_whole_set_is_used_and_a_damaged_one_made_anew(cache, tmp_path, monkeypatch):
    def write(folder):
        folder.mkdir(parents=True)
        (folder / "table.csv").write_text("path,label\n")
        (folder / "planted.json").write_text('{"files": {"table.csv": 11}}')
        calls.append(folder)

    calls = []
    monkeypatch.setattr(cells, "_write", write)
    table = cells.make(tmp_path)
    assert cells.make(tmp_path) == table and len(calls) == 1
    table.unlink()
    assert cells.make(tmp_path).is_file() and len(calls) == 2


def test_E6_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError, match="TOOLKIT_CACHE"):
        cells.make(tmp_path / "file")
