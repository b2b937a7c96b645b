"""Which model is meant: a run's, one in a folder, one that was brought; nothing of it is loaded."""

import json
import subprocess
import sys

import pytest

from tests.apps import make_runs
from toolkit.errors import OptionError, UntrustedError
from toolkit.runs import folders, models, uploads

UPLOAD = "0123456789ab"


@pytest.fixture
def folder(tmp_path):
    return make_runs.finished(tmp_path, "first", n=20)


def test_the_model_of_a_run(tmp_path, folder):
    found = models.of_run(tmp_path, "first")
    assert (found.path, found.file, found.run) == (folder, folder / "model.keras", "first")
    assert found.classes == make_runs.CLASSES
    (folder / "model.keras").unlink()
    assert models.of_run(tmp_path, "first") is None and models.of_run(tmp_path, "../first") is None


@pytest.mark.parametrize("name", ["", "model.keras", "model.json"])
def test_a_model_in_a_folder_is_found_by_either_file(tmp_path, folder, name):
    found = models.elsewhere(tmp_path, f" {folder / name} ")
    assert found.file == folder / "model.keras" and found.run == "" and found.classes == make_runs.CLASSES


@pytest.mark.parametrize("asked, error, says", [
    ("model.keras", OptionError, "whole path"), ("/nowhere/model.keras", OptionError, "does not exist"),
    ("/etc/passwd", UntrustedError, "neither .keras nor .json"), (UPLOAD, OptionError, "two files")])
def test_G5_what_is_no_model_is_said(tmp_path, asked, error, says):
    with pytest.raises(error, match=says):
        models.elsewhere(tmp_path, asked)


def bring(root, folder, names=("cells.keras", "cells.json")):
    place = folders.own(root, "uploads", UPLOAD)
    for name in names:
        data = (folder / ("model.keras" if name.endswith("keras") else "model.json")).read_bytes()
        assert uploads.fault(name, (b"PK\3\4" if name.endswith("keras") else data)[:2048]) is None
        (place / name).write_bytes(data)


def test_a_model_that_was_brought_may_have_another_name(tmp_path, folder):
    bring(tmp_path, folder)
    assert models.elsewhere(tmp_path, UPLOAD).file.name == "cells.keras"


@pytest.mark.parametrize("names", [("a.keras", "b.json"), ("a.keras",), ("a.keras", "a.json", "c.json")])
def test_G5_files_that_do_not_belong_together_are_refused(tmp_path, folder, names):
    bring(tmp_path, folder, names)
    with pytest.raises((OptionError, UntrustedError)):
        models.elsewhere(tmp_path, UPLOAD)


def test_G5_facts_that_are_damaged_or_newer_are_refused(tmp_path, folder):
    facts = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(facts | {"schema": 99}))
    with pytest.raises(OptionError, match="schema 99"):
        models.of_run(tmp_path, "first")
    (folder / "model.json").write_text(json.dumps(facts | {"classes": 7}))
    with pytest.raises(UntrustedError, match="damaged"):
        models.of_run(tmp_path, "first")


def test_I5_the_network_is_not_loaded_where_the_server_looks(tmp_path, folder):
    code = (f"import sys\nfrom toolkit.runs import models\nmodels.of_run({str(tmp_path)!r}, 'first')\n"
            "assert not {'keras', 'tensorflow', 'h5py', 'jax'} & set(sys.modules)")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folders.__file__[:-len(
        "toolkit/runs/folders.py")])
    assert done.returncode == 0, done.stderr
