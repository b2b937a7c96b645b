"""Files of several frames: which one is read, by each rule, and how all of them are named and read."""

import io
import struct
import time

import numpy as np
import pytest
from PIL import Image

from tests.nifti_files import made as nifti
from toolkit.pixels import batches, frames, sources
from toolkit.pixels.decode import Unreadable, count, decode

KINDS = ("TIFF", "GIF", "WEBP", "PNG", "DICOM", "NIfTI")


def several(kind, values=(10, 60, 110, 160)):
    """Bytes of a file of pictures of one grey each, 8 pixels wide and high."""
    arrays = [np.full((8, 8), value, np.uint8) for value in values]
    if kind == "DICOM":
        pytest.importorskip("pydicom", reason="pydicom is not installed")
        from tests.dicom_files import made

        return made(np.stack(arrays))
    if kind == "NIfTI":
        pytest.importorskip("nibabel", reason="nibabel is not installed")
        return nifti(np.stack(arrays, axis=2))
    images, out = [Image.fromarray(array) for array in arrays], io.BytesIO()
    lossless = {"lossless": True} if kind == "WEBP" else {}
    images[0].save(out, kind, save_all=True, append_images=images[1:], **lossless)
    return out.getvalue()


def grey(picture):
    values = np.unique(picture.pixels)
    assert len(values) == 1
    return int(values[0])


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_on_every_format(kind):
    data = several(kind)
    assert count(data) == 4
    assert grey(decode(data)) == (110 if kind == "NIfTI" else 10)
    assert [grey(decode(data, frame=rule)) for rule in ("first", "middle", "0", "3")] == [10, 110, 10, 160]
    assert [grey(decode(data, frame=number)) for number in range(4)] == [10, 60, 110, 160]
    for wanted in ("4", 4):
        with pytest.raises(Unreadable, match="frame 4 was wanted, and there are 4, counted from 0"):
            decode(data, frame=wanted)
    assert "first of several frames or pages" in decode(data, frame="first").notes
    assert "middle of several frames or pages" in decode(data, frame="middle").notes
    assert "frame 3 of several" in decode(data, frame="3").notes


@pytest.mark.parametrize("kind", KINDS)
def test_the_frames_of_a_file_that_is_held_are_those_of_the_file(kind, tmp_path):
    path = tmp_path / "pictures"
    path.write_bytes(several(kind))
    for number in (0, 1, 3, 2, 2, 0):
        assert grey(decode(sources.read(f"{path}#{number}"))) == (10, 60, 110, 160)[number]
    sources.forget()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"])
def test_a_file_of_one_picture_is_that_picture_whatever_the_rule(kind):
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 9, 9)).save(out, kind)
    assert count(out.getvalue()) == 1
    for rule in (*frames.RULES, "7"):
        assert decode(out.getvalue(), frame=rule).pixels.shape == (8, 8, 3)
    with pytest.raises(Unreadable, match="there is one"):
        decode(out.getvalue(), frame=1)


def test_deep_pages_keep_their_low_bytes(tmp_path):
    values = [np.random.default_rng(n).integers(0, 4096, (5, 6, 3)).astype(np.uint16) for n in range(2)]
    data = io.BytesIO()
    import tifffile

    with tifffile.TiffWriter(data) as file:
        for page in values:
            file.write(page, photometric="rgb")
    for number, page in enumerate(values):
        picture = decode(data.getvalue(), frame=number)
        assert np.abs(picture.pixels - page * (255 / 4095)).max() <= 0.51


def test_names_of_frames(tmp_path):
    data, file, other = several("TIFF"), tmp_path / "a.tif", tmp_path / "b.tif#1"
    file.write_bytes(data)
    other.write_bytes(b"a file of that whole name")
    (tmp_path / "b.tif").write_bytes(data)
    assert frames.parted("a.tif#12") == ("a.tif", 12) and frames.parted("a#b.tif") == ("a#b.tif", None)
    assert frames.parted("#1") == ("#1", None) and frames.parted("a\nb#1") == ("a\nb", 1)
    assert sources.read(file) == data and sources.read(other) == b"a file of that whole name"
    frame = sources.read(f"{file}#1")
    assert grey(decode(frame)) == 60 and sources.every("a.tif", data) == [f"a.tif#{n}" for n in range(4)]
    keys = {batches.digest(sources.read(f"{file}#{n}")) for n in range(4)}
    assert len(keys) == 4 and batches.digest(data) not in keys and batches.size_of(frame) == len(data)
    with pytest.raises(Unreadable, match="cannot be opened"):
        sources.read(tmp_path / "absent.tif#1")
    assert frames.files(["a.tif#1", "a.tif#2", "b.png"]) == ["a.tif", "a.tif", ""]


@pytest.mark.parametrize("text", ["last", "-1", "1.5", "", "all ", "12345678", "#1"])
def test_B2_what_is_no_rule(text):
    with pytest.raises(ValueError, match="first, middle, all, or a number"):
        frames.checked(text)


def pages(number):
    """Bytes of a TIFF of many pages of 4 x 4 pixels."""
    out = bytearray(b"II*\0" + struct.pack("<I", 8))
    tags = [(256, 3, 1, 4), (257, 3, 1, 4), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
            (278, 3, 1, 4), (279, 4, 1, 16)]
    body = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags)
    for page in range(number):
        after = len(out) + len(body) + 4
        out += body + struct.pack("<I", after if page < number - 1 else 0)
    return bytes(out)


def blinks(number):
    """Bytes of a GIF of many frames of one pixel."""
    frame = b"\x21\xf9\x04\0\0\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * number + b"\x3b"


@pytest.mark.parametrize("data", [pages(100_000), blinks(100_000)], ids=["TIFF", "GIF"])
def test_I3_a_hundred_thousand_frames(data):
    began = time.process_time()
    assert "first of several" in decode(data).notes[0]
    for rule in ("middle", "50000", 50_000):
        with pytest.raises(Unreadable, match="of a file with more than 10,000 only the first is read"):
            decode(data, frame=rule)
    with pytest.raises(Unreadable, match="10,000"):
        count(data)
    assert time.process_time() - began < 5  # five readings; a second each at most


def test_frames_of_a_gif_are_counted_as_pillow_counts_them():
    data = several("GIF", range(0, 250, 7))
    assert frames.of_gif(data) == Image.open(io.BytesIO(data)).n_frames == 36
    assert frames.of_gif(data[:len(data) // 2]) < 36 and frames.of_gif(blinks(3)) == 3
