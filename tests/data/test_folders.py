import os
import sys
import unicodedata

import numpy as np
import pytest
from PIL import Image

from toolkit.data import manifest
from toolkit.errors import DataError, OptionError
from toolkit.pixels.batches import prepare


def picture(path, value=0, size=(8, 8)):
    path.parent.mkdir(parents=True, exist_ok=True)
    kinds = {".jpg": "JPEG", ".tif": "TIFF", ".bmp": "BMP", ".webp": "WEBP"}
    Image.new("RGB", size, (value, 50, 60)).save(path, kinds.get(path.suffix.lower(), "PNG"))
    return path


def fill(folder, classes=("cat", "dog"), each=3):
    for number, name in enumerate(classes):
        for i in range(each):
            picture(folder / name / f"{i}.png", 40 * number + i)
    return folder


def test_A1_mixed_formats_are_counted_and_litter_is_skipped(tmp_path):
    for number, suffix in enumerate((".png", ".JPG", ".tif", ".bmp", ".webp")):
        picture(tmp_path / "a" / f"x{suffix}", number)
        picture(tmp_path / "b" / "deeper" / f"y{suffix}", 100 + number)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._x.png", "notes.txt", "no_suffix"):
        (tmp_path / "a" / name).write_bytes(b"litter")
    picture(tmp_path / "__MACOSX" / "a" / "x.png")
    picture(tmp_path / ".hidden" / "x.png")
    picture(tmp_path / "beside.png")
    samples = manifest.read(tmp_path)
    assert samples.counts == {"a": 5, "b": 5} and samples.kind == "folder"
    assert samples.skipped == {"system file": 3, "hidden": 3, "suffix .txt is no picture's": 1, "no suffix": 1,
                               "outside the class folders": 1}
    assert ("a/notes.txt", "suffix .txt is no picture's") in samples.left_out
    assert "b/deeper/y.tif" in set(samples.rows["path"])
    assert not prepare(samples, 8, 3, "crop", 1)["error"].any()


def test_A1_folders_of_train_val_and_test(tmp_path):
    for part, each in (("Train", 4), ("valid", 2), ("test", 1)):
        fill(tmp_path / part, each=each)
    samples = manifest.read(str(tmp_path))
    assert samples.kind == "split folder" and samples.classes == ["cat", "dog"]
    assert samples.rows["split"].value_counts().to_dict() == {"train": 8, "validation": 4, "test": 2}
    assert samples.rows["path"][0] == "Train/cat/0.png"


def test_a_class_called_test_is_a_class(tmp_path):
    samples = manifest.read(fill(tmp_path, ("control", "test")))
    assert samples.classes == ["control", "test"] and set(samples.rows["split"]) == {""}


def test_A4_empty_no_picture_and_absent_are_told_apart(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words" / "a").mkdir(parents=True)
    (tmp_path / "words" / "a" / "x.txt").write_text("x")
    fill(tmp_path / "pictures")
    with pytest.raises(DataError, match="is empty"):
        manifest.read(tmp_path / "empty")
    with pytest.raises(DataError, match="No picture was found"):
        manifest.read(tmp_path / "words")
    with pytest.raises(DataError, match="does not exist.*Did you mean .*pictures"):
        manifest.read(tmp_path / "Picture")
    with pytest.raises(DataError, match="does not exist.*Did you mean .*pictures"):
        manifest.read(tmp_path / "picturs" / "further" / "down")


def test_A4_pictures_without_class_folders_or_a_table_get_a_hint(tmp_path):
    picture(tmp_path / "flat" / "x.png")
    with pytest.raises(DataError, match="no class folders"):
        manifest.read(tmp_path / "flat")
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "x.dcm").write_bytes(bytes(128) + b"DICM")
    with pytest.raises(DataError, match="holds 1 picture but no class folders"):
        manifest.read(tmp_path / "scans")
    (tmp_path / "flat" / "labels.csv").write_text("path,label\nx.png,a\n")
    with pytest.raises(DataError, match="labels.csv"):
        manifest.read(tmp_path / "flat")


def test_A12_dicom_in_class_folders_is_read_or_refused_with_a_hint(shared, tmp_path, monkeypatch):
    for name, file in (("a", "CT_small.dcm"), ("b", "made_monochrome1.dcm")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_bytes((shared / "data" / "dicom" / file).read_bytes())
    samples = manifest.read(tmp_path)
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(DataError, match=r"a DICOM file; pip install 'toolkit\[dicom\]'"):
        manifest.drop_unreadable(samples, prepare(samples, 8, 3, "crop", 1))
    monkeypatch.undo()
    pytest.importorskip("pydicom", reason="pydicom is not installed")
    kept, _ = manifest.drop_unreadable(samples, prepare(samples, 8, 3, "crop", 1))
    assert list(kept.rows["mode"]) == ["DICOM MONOCHROME2 16 bits", "DICOM MONOCHROME1 16 bits"]


def test_A5_one_class_and_empty_classes(tmp_path):
    fill(tmp_path, ("cat",))
    with pytest.raises(DataError, match="only one class, 'cat'"):
        manifest.read(tmp_path)
    fill(tmp_path, ("dog",))
    (tmp_path / "newt").mkdir()
    with pytest.raises(DataError, match="'newt'.*--ignore-empty"):
        manifest.read(tmp_path)
    samples = manifest.read(tmp_path, ignore_empty=True)
    assert samples.classes == ["cat", "dog"] and "newt" in samples.problems[0]


def test_A11_odd_class_names_are_kept_as_they_are(tmp_path):
    names = ["CON", "-rf", "two words", "🍃 leaf", "blätt", "ü" * 100, "=1+1", "<b>", "{x}"]
    samples = manifest.read(fill(tmp_path, names))
    assert samples.classes == sorted(names)
    assert not prepare(samples, 8, 3, "crop", 1)["error"].any()


@pytest.mark.parametrize("twins", [("Cat", "cat"), (unicodedata.normalize("NFC", "blätt"),
                                                    unicodedata.normalize("NFD", "blätt"))])
def test_A11_twins_of_a_class_name_are_refused_or_joined(tmp_path, twins):
    fill(tmp_path, ("other", twins[0]))
    fill(tmp_path, (twins[1],), each=2)
    if len(list(tmp_path.iterdir())) < 3:
        pytest.skip("this disk takes the two names for one")
    with pytest.raises(DataError, match="--merge-case"):
        manifest.read(tmp_path)
    samples = manifest.read(tmp_path, merge_case=True)
    assert samples.counts == {twins[0]: 5, "other": 3} and "joined" in samples.problems[0]


def test_several_problems_are_told_at_once(tmp_path):
    fill(tmp_path, ("Cat", "cat"))
    (tmp_path / "newt").mkdir()
    with pytest.raises(DataError, match="2 problems") as refusal:
        manifest.read(tmp_path)
    assert "newt" in str(refusal.value) and "'Cat'" in str(refusal.value)


def test_I8_links_are_counted_and_never_followed(tmp_path):
    data, outside = fill(tmp_path / "data"), picture(tmp_path / "outside" / "secret.png")
    os.symlink(outside, data / "cat" / "link.png")
    os.symlink(outside.parent, data / "cat" / "folder")
    os.symlink(data, data / "cat" / "loop")
    os.symlink("/dev/zero", data / "dog" / "endless.png")
    os.symlink(outside.parent, data / "third class")
    os.mkfifo(data / "dog" / "pipe.png")
    samples = manifest.read(data)
    assert samples.counts == {"cat": 3, "dog": 3}
    assert samples.skipped == {"symbolic link, not followed": 5, "not a regular file": 1}


def test_I8_links_are_followed_on_request_inside_the_data_without_loops(tmp_path):
    data, outside = fill(tmp_path / "data"), picture(tmp_path / "outside" / "secret.png")
    pool = picture(data / "wolf" / "a.png", 77).parent
    os.symlink(pool / "a.png", data / "dog" / "inside.png")             # followed
    os.symlink("../wolf", data / "dog" / "more")                        # followed: not read before
    os.symlink(outside, data / "cat" / "link.png")
    os.symlink(outside.parent, data / "cat" / "folder")
    os.symlink(data, data / "cat" / "loop")
    os.symlink(data / "dog", pool / "back")                             # a loop through two folders
    os.symlink("self", data / "cat" / "self")
    os.symlink("/dev/zero", data / "dog" / "endless.png")
    os.symlink(tmp_path / "data" / ".." / "outside", data / "third class")
    samples = manifest.read(data, follow_links=True)
    assert samples.counts == {"cat": 3, "dog": 5, "wolf": 1}
    assert {"dog/inside.png", "dog/more/a.png"} <= set(samples.rows["path"])
    assert len([path for path in samples.rows["path"] if "back" in path]) == 0
    assert samples.skipped == {"symbolic link, out of the data": 4, "symbolic link, to nothing": 1,
                               "symbolic link, to a folder that was read already": 3}


def test_E13_the_data_folder_itself_may_be_a_link_with_an_odd_name(tmp_path):
    fill(tmp_path / "real")
    os.symlink(tmp_path / "real", tmp_path / "my pictures ü")
    samples = manifest.read(tmp_path / "my pictures ü")
    assert len(samples) == 6 and samples.read(0).startswith(b"\x89PNG")


def test_names_that_are_not_utf8_are_left_out_by_name(tmp_path):
    fill(tmp_path)
    odd = os.fsencode(tmp_path / "cat") + b"/bad\xff.png"
    try:
        with open(odd, "wb") as file:
            file.write(b"x")
    except OSError:
        pytest.skip("this disk takes only UTF-8 names")
    samples = manifest.read(tmp_path)
    assert samples.skipped == {"name is not UTF-8": 1} and samples.left_out[0][0] == "cat/bad\\xff.png"


def test_table_options_have_no_place_with_a_folder(tmp_path):
    fill(tmp_path)
    with pytest.raises(OptionError, match="--root"):
        manifest.read(tmp_path, root=tmp_path)
    with pytest.raises(OptionError, match="--group-column"):
        manifest.read(tmp_path, group_column="patient")


def test_I3_odd_files_in_a_class_folder_are_bad_files_not_the_end(shared, tmp_path):
    fill(tmp_path, each=20)
    for name in ("bomb.png", "drawing.png", "truncated.jpg", "text.jpg", "git_lfs.png", "slip.zip", "corrupt.zip"):
        (tmp_path / "cat" / name).write_bytes((shared / "data" / "odd" / name).read_bytes())
    samples = manifest.read(tmp_path)
    kept, mask = manifest.drop_unreadable(samples, prepare(samples, 8, 3, "crop", 2), max_bad=0.2)
    assert len(kept) == 40 and int((~mask).sum()) == 5 == len(kept.unreadable)
    assert {"cat/slip.zip", "cat/corrupt.zip"} == {path for path, _ in kept.left_out}
    assert np.asarray(kept.rows["sha256"]).astype(bool).all()
