"""A run on DICOM: pixels only, patients kept together, nothing of the headers in any file."""

import numpy as np
import pandas
import pytest

from tests.acceptance import runs

pytest.importorskip("pydicom", reason="pydicom is not installed")


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Class folders of 12-bit pictures, three of each patient."""
    from tests.dicom_files import NAME, made

    folder = tmp_path_factory.mktemp("scans")
    for kind, name in enumerate(("fracture", "healthy")):
        (folder / name).mkdir()
        for i in range(24):
            pixels = np.random.default_rng(100 * kind + i).normal((1500, 900)[kind], 120, (36, 36)).clip(0, 4095)
            data = made(pixels.astype(np.uint16), BitsStored=12, HighBit=11, Modality="US",
                        PatientID=f"PID-{kind}{i // 3}", PatientName=f"{NAME}{i}", InstitutionName="St Elsewhere")
            (folder / name / f"{i}.dcm").write_bytes(data)
    return folder


def test_A10_A12_patients_are_kept_together_and_named_nowhere(scans, tmp_path, fast):
    run = tmp_path / "run"
    assert runs.tune(scans, *fast, "--run-dir", run) == 0
    manifest = pandas.read_csv(run / "manifest.csv")
    assert manifest["group"].nunique() == 16 and manifest.groupby("group")["split"].nunique().max() == 1
    patient = manifest["path"].map(lambda path: (path.split("/")[0], int(path.split("/")[1][:-4]) // 3))
    assert manifest.groupby(patient)["group"].nunique().max() == 1
    for path in (path for path in run.rglob("*") if path.is_file()):
        held = path.read_bytes()
        for word in (b"Doe", b"PID-", b"Elsewhere", b"999777"):
            assert word not in held, (path, word)
    findings = runs.read(run / "doctor.json")["findings"]
    assert any("16 patients" in found["sentence"] for found in findings)
    assert any("burnt" in found["sentence"] and found["severity"] == "warning" for found in findings)
    assert runs.ask(run, scans / "healthy", "--out", tmp_path / "new.csv") == 0
    assert (pandas.read_csv(tmp_path / "new.csv")["predicted"] == "healthy").mean() > 0.9


def test_E3_the_patients_of_a_resumed_run_are_those_it_began_with(scans, tmp_path, fast):
    first, second = tmp_path / "first", tmp_path / "second"
    assert runs.tune(scans, *fast, "--run-dir", first) == runs.tune(scans, *fast, "--run-dir", second) == 0
    assert (first / "manifest.csv").read_bytes() == (second / "manifest.csv").read_bytes()


def test_A12_without_pydicom_the_run_says_what_to_install(scans, tmp_path, fast, monkeypatch, capfd):
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    assert runs.tune(scans, *fast, "--run-dir", tmp_path / "run", "--cache-dir", tmp_path / "store") == 3
    assert "pip install 'toolkit[dicom]'" in capfd.readouterr().err
