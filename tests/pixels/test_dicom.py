"""DICOM: the numbers that pydicom gives, as pictures; a sentence where there are none; and nothing of the header."""

import io
import json
import warnings

import numpy as np
import pytest

from tests.dicom_files import NAME, made
from toolkit.pixels import decode, dicom
from toolkit.pixels.decode import Unreadable
from toolkit.pixels.depth import Depth

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")

RAMP = np.arange(4096.0).reshape(64, 64)
TWELVE = {"BitsStored": 12, "HighBit": 11}


def ramp(**header):
    """Bytes of a file of all numbers of 12 bits."""
    return made(RAMP.astype(np.uint16), **TWELVE, **header)


def files(shared):
    folder = shared / "data" / "dicom"
    for entry in json.loads((folder / "list.json").read_text("utf-8"))["files"]:
        yield entry, (folder / entry["file"]).read_bytes()


def test_A12_every_file_is_read_as_pydicom_reads_it_or_refused_with_a_sentence(shared):
    from pydicom.pixels import apply_modality_lut, apply_voi_lut, pixel_array

    read = 0
    for entry, data in files(shared):
        try:
            found = pydicom.dcmread(io.BytesIO(data))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                wanted = pixel_array(found, index=0)
        except Exception:
            wanted = None
        if wanted is None:
            assert entry["action"] != "read"
            with pytest.raises(Unreadable) as refusal:
                decode.decode(data)
            assert "DICOM" in str(refusal.value) and "\n" not in str(refusal.value) and len(str(refusal.value)) < 160
            continue
        assert entry["action"] != "refuse", entry["file"]
        values = dicom.read(data)
        if "MONOCHROME" in found.PhotometricInterpretation:
            wanted = apply_voi_lut(apply_modality_lut(wanted, found), found)
            assert np.array_equal(values.array, wanted), entry["file"]
        picture = decode.decode(data)
        assert picture.pixels.shape == (*values.array.shape[:2], 3 if values.array.ndim == 3 else 1)
        assert picture.pixels.dtype == np.uint8 and picture.mode.startswith("DICOM "), entry["file"]
        read += 1
    assert read >= 24


def test_A12_high_values_are_dark_where_the_header_says_so(shared):
    plain, negative = (decode.decode(shared / "data" / "dicom" / name).pixels.astype(int)
                       for name in ("CT_small.dcm", "made_monochrome1.dcm"))
    assert np.abs(plain + negative - 255).max() <= 1 and plain.std() > 10


def test_A12_no_name_number_or_date_of_a_header_comes_out(shared):
    for entry, data in files(shared):
        try:
            told = " ".join(str(part) for part in decode.decode(data)._replace(patient="")[1:])
        except Unreadable as refusal:
            told = str(refusal)
        try:
            header = pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True)
        except Exception:
            continue
        for name in ("PatientName", "PatientID", "StudyDate", "InstitutionName", "SOPInstanceUID", "AccessionNumber"):
            text = str(header.get(name) or "").strip()
            assert len(text) < 3 or text not in told, (entry["file"], name)


@pytest.mark.parametrize("header, wanted", [
    ({}, np.rint(RAMP * 255 / 4095)),
    ({"WindowCenter": 1000, "WindowWidth": 500}, np.clip(np.rint((RAMP - 750.5) * 255 / 499 + 0.5), 0, 255)),
    ({"RescaleSlope": 2, "RescaleIntercept": -1000}, np.rint(RAMP * 255 / 4095)),
    ({"PhotometricInterpretation": "MONOCHROME1"}, np.rint(255 - RAMP * 255 / 4095))])
def test_windows_and_rescaling(header, wanted):
    picture = decode.decode(ramp(**header))
    assert np.abs(picture.pixels[..., 0] - wanted).max() <= 1
    assert len(np.unique(picture.pixels)) >= 250


def test_a_users_rule_stands_above_the_files_window():
    data = ramp(WindowCenter=1000, WindowWidth=500)
    assert decode.decode(data).pixels[-1, -1, 0] == 255 and decode.decode(data).pixels[0, 0, 0] == 0
    picture = decode.decode(data, Depth.of("0..8190"))
    assert np.abs(picture.pixels[..., 0] - RAMP * 255 / 8190).max() <= 0.51


def test_padding_is_black_and_no_value():
    values = RAMP.astype(np.int16)
    values[0] = -2000
    picture = decode.decode(made(values, PixelPaddingValue=-2000))
    assert not picture.pixels[0].any() and picture.span.low == 64 and "padding is black" in " ".join(picture.notes)
    dark = decode.decode(made(values, PixelPaddingValue=-2000, PhotometricInterpretation="MONOCHROME1"))
    assert not dark.pixels[0].any() and dark.pixels[1, 0, 0] == 251


def test_frames():
    data = made(np.stack([np.full((8, 8), value, np.uint8) for value in (10, 20, 30)]))
    assert [int(decode.decode(data, frame=n).pixels.max()) for n in range(3)] == [10, 20, 30]
    assert "first of several" in decode.decode(data).notes[0]
    assert "frame 2 of several" in decode.decode(data, frame=2).notes
    with pytest.raises(Unreadable, match="frame 3 was wanted, and there are 3"):
        decode.decode(data, frame=3)
    assert dicom.count(data) == 3 and dicom.count(made(np.zeros((8, 8), np.uint8))) == 1


@pytest.mark.parametrize("header, said", [
    ({"BurnedInAnnotation": "YES"}, "text is burnt"), ({"Modality": "US"}, "may be burnt"),
    ({"Modality": "US", "BurnedInAnnotation": "NO"}, None), ({"Modality": "CT"}, None)])
def test_A12_burnt_in_text_is_warned_of(header, said):
    notes = " ".join(decode.decode(made(np.zeros((8, 8), np.uint8), **header)).notes)
    assert said in notes if said else "burnt" not in notes


def test_I3_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    data = made(np.zeros((8, 8), np.uint8), Rows=60000, Columns=60000)
    monkeypatch.setattr(dicom, "_pixels", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(Unreadable, match="60000 x 60000"):
        decode.decode(data)


def test_A12_without_pydicom_the_hint_is_said(monkeypatch):
    data = made(np.zeros((8, 8), np.uint8))
    monkeypatch.setitem(__import__("sys").modules, "pydicom", None)
    with pytest.raises(Unreadable, match=r"a DICOM file; pip install 'toolkit\[dicom\]' lets it be read"):
        decode.decode(data)


def test_A7_damaged_bytes_never_raise_anything_else():
    data = ramp(WindowCenter=1000, WindowWidth=500)
    rng = np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for at in rng.integers(128, 900, 4):
            broken[at] = rng.integers(256)
        broken[128:132] = b"DICM"
        try:
            decode.decode(bytes(broken[:rng.integers(200, len(broken))]))
        except Unreadable as refusal:
            assert NAME not in str(refusal)
