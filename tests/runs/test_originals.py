"""The picture behind a small copy, wherever the data came from."""

import hashlib
import io
import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from toolkit.data import archive, spreadsheet
from toolkit.run import paths
from toolkit.runs import originals


def png(seed=0, kind=np.uint8):
    """A picture of 30 x 20 pixels as bytes of a PNG."""
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 200, (20, 30)).astype(kind)).save(file, "PNG")
    return file.getvalue()


def key(data):
    return hashlib.sha256(data).hexdigest()[:16]


def made(folder, rows, **options):
    """A run folder with the manifest `rows`, (path, bytes of the picture)."""
    folder.mkdir()
    paths(folder).run.write_text(json.dumps({"options": options}))
    paths(folder).manifest.write_bytes(spreadsheet.to_csv(
        ("path", "sha256"), [(path, hashlib.sha256(data).hexdigest()) for path, data in rows], mark=True))
    return folder


def mean(data):
    return np.asarray(Image.open(io.BytesIO(data))).mean()


def size(data):
    return None if data is None else Image.open(io.BytesIO(data)).size


@pytest.fixture
def data(tmp_path):
    """A folder with a picture in a class of an odd name."""
    place = tmp_path / "data"
    (place / "=a").mkdir(parents=True)
    (place / "=a" / "1.png").write_bytes(png())
    return place


def test_of_a_folder(tmp_path, data):
    run = made(tmp_path / "run", [("=a/1.png", png())], data=str(data))
    assert size(originals.jpeg(run, key(png()), 1024)) == (30, 20)
    assert size(originals.jpeg(run, key(png()), 15)) == (15, 10)
    assert originals.jpeg(run, key(png(1)), 15) is None


def test_of_a_table_with_a_root_and_of_one_beside_its_pictures(tmp_path, data):
    (data / "table.csv").write_text("path,label\n")
    one = made(tmp_path / "one", [("=a/1.png", png())], data=str(data / "table.csv"))
    two = made(tmp_path / "two", [("1.png", png())], data=str(tmp_path / "t.csv"), root=str(data / "=a"))
    assert originals.jpeg(one, key(png()), 99) and originals.jpeg(two, key(png()), 99)


def test_of_a_zip_that_was_unpacked(tmp_path, data):
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as file:
        file.write(data / "=a" / "1.png", "top/=a/1.png")
    run = made(tmp_path / "run", [("=a/1.png", png())], data=str(tmp_path / "set.zip"),
               cache_dir=str(tmp_path / "store"))
    assert originals.jpeg(run, key(png()), 99) is None
    archive.unpacked(tmp_path / "set.zip", tmp_path / "store" / "unpacked")
    assert originals.jpeg(run, key(png()), 99)


def test_of_test_data_and_of_new_pictures(tmp_path, data):
    run = made(tmp_path / "run", [("test-data/=a/1.png", png())], data=str(tmp_path), test_data=str(data))
    assert originals.jpeg(run, key(png()), 99)
    new = tmp_path / "new"
    new.mkdir()
    paths(new).manifest.write_bytes(spreadsheet.to_csv(
        ("path", "file", "sha256"), [("1.png", str(data / "=a" / "1.png"), hashlib.sha256(png()).hexdigest())]))
    assert originals.jpeg(new, key(png()), 99)


@pytest.mark.parametrize("path", ["../outside.png", "{tmp}/outside.png", "=a/link.png", "=a", "=a/none.png", "\0", ""])
def test_I6_nothing_outside_the_data_is_read(tmp_path, data, path):
    (tmp_path / "outside.png").write_bytes(png(1))
    (data / "=a" / "link.png").symlink_to(tmp_path / "outside.png")
    run = made(tmp_path / "run", [(path.replace("{tmp}", str(tmp_path)), png(1))], data=str(data))
    assert originals.jpeg(run, key(png(1)), 99) is None


def test_a_picture_that_has_changed_is_another_one(tmp_path, data):
    run = made(tmp_path / "run", [("=a/1.png", png())], data=str(data))
    (data / "=a" / "1.png").write_bytes(png(1))
    assert originals.jpeg(run, key(png()), 99) is None


def test_deep_pictures_are_read_by_the_rule_of_the_run(tmp_path, data):
    deep = png(2, np.uint16)
    (data / "=a" / "1.png").write_bytes(deep)
    run = made(tmp_path / "run", [("=a/1.png", deep)], data=str(data), depth="0..1000")
    dark = mean(originals.jpeg(run, key(deep), 99))
    paths(run).model_facts.write_text(json.dumps({"input": {"depth": {"rule": "full", "low": 0, "high": 250}}}))
    assert mean(originals.jpeg(run, key(deep), 99)) == pytest.approx(4 * dark, rel=0.1)


@pytest.mark.parametrize("damage", ["run", "manifest", "model_facts"])
def test_I9_damaged_files_are_passed_over(tmp_path, data, damage):
    run = made(tmp_path / "run", [("=a/1.png", png())], data=str(data))
    vars(paths(run))[damage].write_bytes(b"\0\xff[1, {")
    found = originals.jpeg(run, key(png()), 99)
    assert (found is None) == (damage != "model_facts")
    for options in ([1], {"data": 3}, {"data": "\0"}, {"data": str(data), "root": 5, "depth": [9], "cache_dir": {}}):
        paths(run).run.write_text(json.dumps({"options": options}))
        originals.jpeg(run, key(png()), 99)
