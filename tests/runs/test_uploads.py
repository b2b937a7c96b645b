"""Uploads that have come: what a command is given, who needs them, what a killed server left."""

import fcntl
import json
import os

import pytest

from toolkit.errors import OptionError
from toolkit.run import paths
from toolkit.runs import folders, launch, uploads

ID = "0123456789ab"


def bring(root, *names, upload=ID):
    """An upload of small files."""
    for name in names:
        path = uploads.place(root, upload) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"1234")


@pytest.mark.parametrize("names, given", [
    (["set.zip"], "set.zip"), (["a.csv"], "a.csv"), (["a.npz"], "a.npz"), (["x.png"], ""), (["x.png", "y.png"], ""),
    (["set/a/1.png", "set/b/1.png"], "set"), (["a/1.png", "b/1.png"], ""), (["cats/1.png", "cats/2.png"], ""),
    (["set/train/a/1.png", "set/notes.txt"], "set"), (["set/table.csv", "set/img/1.png"], "set/table.csv"),
    (["table.csv", "1.png", "2.png"], "table.csv"), (["a.csv", "b.csv", "c/1.png"], ""),
    (["model.keras", "model.json"], "")])
def test_a_command_is_given_the_file_or_folder_that_holds_all(tmp_path, names, given):
    bring(tmp_path, *names)
    found = uploads.held(tmp_path, ID)
    assert found.data == uploads.place(tmp_path, ID) / given
    assert (found.id, found.files, found.bytes) == (ID, len(names), 4 * len(names))


def test_uploads_are_listed_and_what_is_coming_is_not(tmp_path):
    bring(tmp_path, "a.zip")
    bring(tmp_path, ".0000.part", upload="b" * 12)
    bring(tmp_path, "a.zip", upload="c" * 12)
    (tmp_path / ".dashboard/uploads/other").mkdir()
    os.utime(uploads.place(tmp_path, "c" * 12), (1, 1))
    assert [one.id for one in uploads.listed(tmp_path)] == [ID, "c" * 12]
    assert uploads.held(tmp_path, "b" * 12) is None


@pytest.mark.parametrize("name", ["", "..", "x" * 12, ID + "/a", None])
def test_I6_an_upload_has_no_other_name(tmp_path, name):
    with pytest.raises(OptionError):
        uploads.place(tmp_path, name)


@pytest.mark.parametrize("options", [{"data": "{here}"}, {"data": "{here}/a/../a.zip"},
                                     {"data": "x", "root": "{here}/a"}, {"data": "x", "test_data": "{here}/a.zip"}])
def test_what_a_run_was_made_of_is_not_removed(tmp_path, options):
    bring(tmp_path, "a.zip")
    folder = tmp_path / "run"
    folder.mkdir()
    here = str(uploads.place(tmp_path, ID))
    paths(folder).run.write_text(json.dumps({"options": {k: v.replace("{here}", here) for k, v in options.items()}}))
    with pytest.raises(OptionError, match="belong to run;"):
        uploads.remove(tmp_path, ID)
    assert uploads.held(tmp_path, ID)
    paths(folder).run.write_text(json.dumps({"options": {"data": here + "0"}}))  # another upload
    uploads.remove(tmp_path, ID)
    assert uploads.held(tmp_path, ID) is None


def test_what_is_being_looked_at_is_not_removed(tmp_path):
    bring(tmp_path, "a.zip")
    folder = str(uploads.place(tmp_path, ID) / "a.zip")
    starts = folders.own(tmp_path, "starts")
    (starts / "checks-c1.json").write_text(json.dumps({"command": ["check", folder]}))
    with open(starts / "checks-c1.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert launch.alive(tmp_path, "checks", "c1") and uploads.needed_by(tmp_path, ID) == ["c1"]
    assert uploads.needed_by(tmp_path, ID) == []


def test_H5_what_a_killed_server_left_goes_and_what_still_comes_stays(tmp_path):
    bring(tmp_path, "whole.zip", ".dead.part")
    bring(tmp_path, ".dead.part", upload="b" * 12)
    bring(tmp_path, ".live.part", upload="c" * 12)
    with open(uploads.place(tmp_path, "c" * 12) / ".live.part", "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(OptionError, match="still coming"):
            uploads.remove(tmp_path, "c" * 12)
        assert uploads.sweep(tmp_path) == 2
        left = (tmp_path / ".dashboard/uploads").rglob("*.*")
        assert sorted(path.name for path in left) == [".live.part", "whole.zip"]
    assert not uploads.place(tmp_path, "b" * 12).exists() and uploads.sweep(tmp_path) == 1
