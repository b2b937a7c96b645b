"""Maker, model and software of a device are read, and nothing else of its tags."""

import io

import numpy as np
import pytest
from PIL import Image

from tests import dicom_files
from toolkit.pixels import cameras, decode

SECRETS = {0x013B: "Jane Doe", 0x0132: "2020:01:02 03:04:05", 0x8298: "(c) Jane Doe", 0x013C: "janes-computer"}
INNER = {0xA431: "SN-4711", 0xA430: "Jane Doe", 0x9003: "2020:01:02 03:04:05"}  # serial number, owner, date
PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3), np.uint8)


def tagged(kind, **tags):
    """Bytes of a picture with the numbers and names above, and `tags` of maker, model, software."""
    exif = Image.Exif()
    for tag, text in {**SECRETS, **{getattr(cameras, name.upper()): text for name, text in tags.items()}}.items():
        exif[tag] = text
    exif.get_ifd(0x8769).update(INNER)
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, kind, exif=exif)
    return out.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_maker_and_model_are_read_in_every_format(kind):
    picture = decode.decode(tagged(kind, maker="ACME", model="Scope 7", software="Viewer 3"))
    assert picture.camera == "ACME Scope 7"
    assert not [secret for secret in (*SECRETS.values(), *INNER.values()) if secret in str(picture[1:])]


@pytest.mark.parametrize("given, name", [
    (("NIKON CORPORATION", "NIKON D90"), "NIKON CORPORATION NIKON D90"), (("Canon", "Canon EOS 5D"), "Canon EOS 5D"),
    (("", "X1"), "X1"), (("ACME", ""), "ACME"), (("", "", "ImageJ 1.5"), "ImageJ 1.5"), (("A", "B", "C"), "A B"),
    (("", ""), ""), ((b"AC\0ME\0", "  S\x1b[31m \u202e7 "), "AC ME S [31m 7"), ((None, 7), ""),
    (("x" * 500, ""), "x" * 60)])
def test_the_name_is_one_short_printable_line(given, name):
    assert cameras.name(*given) == name


def test_no_tags_and_damaged_tags_are_no_camera():
    out = io.BytesIO()
    Image.fromarray(PIXELS).save(out, "JPEG")
    assert decode.decode(out.getvalue()).camera == decode.decode(PIXELS).camera == ""
    broken = bytearray(tagged("JPEG", maker="ACME", model="Scope 7"))
    at = broken.index(b"Exif\0\0") + 6
    broken[at:at + 16] = b"\xff" * 16
    picture = decode.decode(bytes(broken))
    assert picture.camera == "" and picture.pixels.shape == PIXELS.shape


def test_A12_the_device_of_a_DICOM_file_is_told_from_others_and_not_named():
    pytest.importorskip("pydicom")
    data = dicom_files.made(np.zeros((8, 8), np.uint8), Manufacturer="ACME", ManufacturerModelName="CT 9",
                            DeviceSerialNumber="SN-4711", StationName="ROOM 5", OperatorsName="Roe^Richard")
    picture = decode.decode(data)
    assert not [text for text in ("ACME", "CT 9", "4711", "ROOM", "Roe", dicom_files.NAME) if text in str(picture[1:])]
    other = dicom_files.made(np.zeros((8, 8), np.uint8), Manufacturer="ACME", ManufacturerModelName="CT 8")
    assert picture.camera.startswith("DICOM device ") and picture.camera != decode.decode(other).camera != ""
    assert decode.decode(dicom_files.made(np.zeros((8, 8), np.uint8))).camera == ""
