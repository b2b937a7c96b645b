"""Volumes and films from the file to the answer: one rule for frames, kept with the model, and no file parted."""

import json
import shutil

import numpy as np
import pandas
import pytest

from tests.acceptance import runs

pytest.importorskip("nibabel", reason="nibabel is not installed")
WORDS = (b"Doe Jane", b"Doe/Jane", b"Jane 1970")


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Class folders of volumes of five slices; one class is brighter, and brightest in the middle."""
    from tests.nifti_files import made

    folder = tmp_path_factory.mktemp("volumes")
    for kind, name in enumerate(("glioma", "healthy")):
        (folder / name).mkdir()
        for i in range(12):
            rng = np.random.default_rng(100 * kind + i)
            array = rng.normal((900, 300)[kind], 60, (36, 36, 5)) + 20 * np.array([0, 1, 2, 1, 0])
            end, packed = ((".nii.gz", True), (".nii", False))[i % 2]
            (folder / name / f"{i}{end}").write_bytes(made(array.astype(np.int16), packed=packed))
    return folder


@pytest.fixture(scope="module")
def every(volumes, tmp_path_factory, fast):
    """A finished run on every slice."""
    run = tmp_path_factory.mktemp("every") / "run"
    assert runs.tune(volumes, *fast, "--run-dir", run, "--frames", "all") == 0
    return run


def nothing_of_a_person(folder):
    for path in (path for path in folder.rglob("*") if path.is_file()):
        held = path.read_bytes()
        assert not any(word in held for word in WORDS), path


def test_A12_every_slice_is_a_picture_and_no_volume_is_parted(volumes, every, tmp_path):
    run = every
    manifest = pandas.read_csv(run / "manifest.csv")
    assert len(manifest) == 120 and {"glioma/0.nii.gz#0", "healthy/11.nii#4"} <= set(manifest["path"])
    assert manifest["sha256"].nunique() == 120
    volume = manifest["path"].str.partition("#")[0]
    assert volume.nunique() == 24 and manifest.groupby(volume)["split"].nunique().max() == 1
    assert runs.read(run / "model.json")["input"]["frames"] == "all"
    said = " ".join(found["sentence"] for found in runs.read(run / "doctor.json")["findings"])
    assert "24 files of several frames, pages or slices gave 120 pictures" in said and "axial slice" in said
    nothing_of_a_person(run)
    assert runs.ask(run, volumes / "glioma" / "0.nii.gz", "--out", tmp_path / "new.csv") == 0
    answers = pandas.read_csv(tmp_path / "new.csv")
    assert [path.rpartition("#")[2] for path in answers["path"]] == list("01234")
    assert runs.ask(run, f"{volumes}/glioma/0.nii.gz#2", "--out", tmp_path / "one.csv") == 0
    one = pandas.read_csv(tmp_path / "one.csv")
    assert len(one) == 1 and np.allclose(one["p_glioma"], answers["p_glioma"][2], atol=1e-6)
    assert runs.ask(run, volumes / "glioma" / "0.nii.gz", "--frames", "2", "--out", tmp_path / "two.csv") == 0
    two = pandas.read_csv(tmp_path / "two.csv")
    assert len(two) == 1 and np.allclose(two["p_glioma"], one["p_glioma"], atol=1e-6)


def test_A12_the_model_keeps_the_rule_for_frames(volumes, tmp_path, fast):
    run = tmp_path / "run"
    assert runs.tune(volumes, *fast, "--run-dir", run, "--frames", "0") == 0
    manifest = pandas.read_csv(run / "manifest.csv")
    assert len(manifest) == 24 and "frame" not in " ".join(manifest["path"])
    assert runs.read(run / "model.json")["input"]["frames"] == "0"
    measured = pandas.read_csv(run / "predictions.csv").set_index("path")
    for more, same in ((), True), (("--frames", "middle"), False):
        out = tmp_path / f"{same}.csv"
        assert runs.ask(run, volumes, "--out", out, *more) == 0
        again = pandas.read_csv(out)
        again.index = again["path"].map(lambda path: "/".join(path.split("/")[-2:]))
        assert np.allclose(again["p_glioma"].loc[measured.index], measured["p_glioma"], atol=1e-5) == same


def test_a_table_names_slices_and_a_manifest_is_read_again(volumes, tmp_path, fast):
    rows = [(f"{name}/{i}.nii.gz#{number}", name) for name in ("glioma", "healthy") for i in range(0, 12, 2)
            for number in (1, 3)]
    table = tmp_path / "slices.csv"
    pandas.DataFrame(rows, columns=["path", "label"]).to_csv(table, index=False)
    run, again = tmp_path / "run", tmp_path / "again"
    assert runs.tune(table, *fast, "--root", volumes, "--run-dir", run) == 0
    manifest = pandas.read_csv(run / "manifest.csv")
    assert sorted(manifest["path"]) == sorted(path for path, _ in rows)
    assert manifest.groupby(manifest["path"].str.partition("#")[0])["split"].nunique().max() == 1
    assert runs.tune(run / "manifest.csv", *fast, "--root", volumes, "--run-dir", again) == 0
    assert pandas.read_csv(again / "manifest.csv")["sha256"].tolist() == manifest["sha256"].tolist()


def test_A3_a_slice_of_a_file_that_lies_elsewhere_is_refused(volumes, tmp_path, fast, capfd):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link.nii").symlink_to(volumes / "glioma" / "1.nii")
    table = tmp_path / "data" / "table.csv"
    table.write_text("path,label\nlink.nii#1,a\nlink.nii#9,b\nabsent.nii#1,a\n")
    assert runs.tune(table, *fast, "--run-dir", tmp_path / "run") == 3
    said = capfd.readouterr().err
    assert "outside the root folder" in said and "link.nii#1" in said and "absent.nii#1" in said


def test_evaluate_and_heat_maps_follow_the_rule(volumes, every, tmp_path):
    from toolkit import evaluate, heatmaps

    run = shutil.copytree(every, tmp_path / "run")
    assert evaluate.main([str(run), str(volumes), "--run-dir", str(tmp_path / "measured")]) in (None, 0)
    assert len(pandas.read_csv(tmp_path / "measured" / "manifest.csv")) == 120
    assert json.loads((tmp_path / "measured" / "run.json").read_text())["options"]["frames"] == "all"
    assert heatmaps.main([str(run), "--limit", "3"]) == 0 and len(list((run / "heatmaps").glob("*.npz"))) == 3
    out = tmp_path / "maps"
    assert heatmaps.main([str(run), str(volumes / "glioma" / "1.nii"), "--out", str(out)]) == 0
    assert len(list(out.glob("*.npz"))) == 5
    nothing_of_a_person(tmp_path)


def test_B2_a_wrong_rule_for_frames_makes_nothing(tmp_path, fast, capfd):
    assert runs.tune(tmp_path, *fast, "--run-dir", tmp_path / "run", "--frames", "last") == 2
    assert "--frames 'last': a rule for frames is one of auto, first, middle, all" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()
