"""Nothing that a header says reaches a file: every DICOM test file there is, looked at and learnt from."""

import io
import shutil
import warnings

import numpy as np
import pytest

from tests.acceptance import runs

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
PERSONAL = {"PN", "LO", "SH", "ST", "LT", "UT", "UI", "DA", "DT", "TM", "AE"}
DEVICE = {"Manufacturer", "ManufacturerModelName"}  # of a machine, not of a person
SHORTEST = 8  # shorter words are in any file by chance, as are 000000000 and its like


def words_of(path):
    """Every text of a file's header, of its sequences too, that is long enough to be recognised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = pydicom.dcmread(path, stop_before_pixels=True)
            elements = [*found.file_meta, *found.iterall()]
            texts = [str(one.value) for one in elements if one.VR in PERSONAL and one.keyword not in DEVICE]
    except Exception:
        return set()
    return {part.encode("utf-8", "replace") for text in texts for part in (text, *text.split("^"))
            if len(part) >= SHORTEST and len(set(part)) > 2}


def told(folder, words):
    """(file, word) of every word of a header that stands in a file of a folder, those in archives too."""
    import zipfile

    for path in (path for path in folder.rglob("*") if path.is_file()):
        held = [path.read_bytes(), str(path.relative_to(folder)).encode()]
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(io.BytesIO(held[0])) as archive:
                held += [archive.read(name) + name.encode() for name in archive.namelist()]
        yield from ((path.name, word) for word in words for data in held if word in data)


def test_A12_a_look_at_every_file_tells_nothing_of_a_header(shared, tmp_path, capfd):
    from toolkit import check, errors

    data, words = tmp_path / "data", set()
    for number, path in enumerate(sorted((shared / "data" / "dicom").iterdir())):
        if path.suffix != ".json":
            place = data / ("a" if number % 2 else "b") / f"{number}.dcm"
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
            words |= words_of(path)
    assert len(words) > 200
    code = errors.guarded(check.main, [str(data), "--out", str(tmp_path / "look"), "--max-bad", "0.5", "--frames",
                                       "all", "--size", "64", "--no-features", "--cache-dir", str(tmp_path / "store")])
    assert code in (0, 3) and (tmp_path / "look" / "doctor.json").is_file()
    assert len(runs.read(tmp_path / "look" / "doctor.json")["unreadable"]) > 3
    said = "".join(capfd.readouterr()).encode()
    assert not [word for word in words if word in said]
    assert not list(told(tmp_path / "look", words)) and not list(told(tmp_path / "store", words))


def test_A12_a_run_and_its_answers_tell_nothing_of_a_header(tmp_path, fast, capfd):
    from tests.dicom_files import made

    words, data = set(), tmp_path / "data"
    for kind, name in enumerate(("fracture", "healthy")):
        (data / name).mkdir(parents=True)
        for i in range(8):
            pixels = np.random.default_rng(10 * kind + i).normal((1500, 900)[kind], 120, (36, 36)).clip(0, 4095)
            path = data / name / f"{i}.dcm"
            path.write_bytes(made(pixels.astype(np.uint16), BitsStored=12, HighBit=11, PatientID=f"NUMBER-{kind}{i}-X",
                                  PatientName=f"Doemeister^Janeway{i}", InstitutionName="St Elsewhere Hospital",
                                  PatientBirthDate="19701231", ImageComments="seen by Dr Whoever",
                                  SOPInstanceUID=f"1.2.826.0.9997.{kind}.{i}"))
            words |= words_of(path)
    assert {b"Doemeister", b"19701231", b"NUMBER-00-X"} <= words
    run = tmp_path / "run"
    assert runs.tune(data, *fast, "--run-dir", run, "--probe-only", "--cache-dir", tmp_path / "store") == 0
    assert runs.ask(run, data, "--out", tmp_path / "run" / "new.csv", "--thumbnails", run / "new.zip") in (0, 2)
    said = "".join(capfd.readouterr()).encode()
    assert not [word for word in words if word in said]
    assert not list(told(run, words)) and not list(told(tmp_path / "store", words))
