"""Formats by the picture they bring: what Pillow writes comes back, deep colour with all its bits, bombs not at all."""

import io

import numpy as np
import pytest
from PIL import Image, features

from tests.pixels.test_decode import noise, png
from toolkit.pixels import codestreams, jpeg2000
from toolkit.pixels.decode import Unreadable, decode
from toolkit.pixels.depth import Depth

TWELVE = Depth("full", 0.0, 4095.0)
RAMP = np.arange(4096).reshape(64, 64)


def written(array, kind, **how):
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **how)
    return out.getvalue()


@pytest.mark.parametrize("kind, how, off", [
    ("PNG", {}, 0), ("TIFF", {}, 0), ("BMP", {}, 0), ("PPM", {}, 0), ("WEBP", {"lossless": True}, 0),
    ("JPEG2000", {"irreversible": False}, 0), ("JPEG", {"quality": 98, "subsampling": 0}, 9),
    ("AVIF", {"quality": 100, "subsampling": "4:4:4"}, 6), ("TIFF", {"compression": "tiff_lzw"}, 0),
    ("TIFF", {"compression": "jpeg", "quality": 98}, 60), ("TIFF", {"compression": "tiff_adobe_deflate"}, 0)], ids=str)
def test_A8_colours_come_back(kind, how, off):
    if kind in ("AVIF", "JPEG2000") and not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}[kind]):
        pytest.skip(f"this Pillow has no {kind}")
    array = (noise(24, 32, 3, high=64) + np.array([120, 60, 20])).astype(np.uint8)
    picture = decode(written(array, kind, **how))
    assert picture.pixels.shape == array.shape and np.abs(picture.pixels.astype(int) - array).max() <= off


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_A8_png_of_every_depth(bits):
    most = 2**bits - 1
    values = np.linspace(0, most, 8 * 16).round().astype(int).reshape(8, 16)
    packed = values.astype(">u2").tobytes() if bits == 16 else np.packbits(
        np.unpackbits(values.astype(np.uint8)[..., None], axis=2)[..., 8 - bits:].reshape(8, -1), axis=1).tobytes()
    wide = 16 * bits // 8
    rows = b"".join(b"\0" + packed[at:at + wide] for at in range(0, 8 * wide, wide))
    picture = decode(png((16, 8, bits, 0), rows))
    assert np.abs(picture.pixels[..., 0] - values * (255 / most)).max() <= 0.51


def test_A8_sixteen_bit_grey_with_alpha_keeps_its_low_bytes():
    values = np.stack([RAMP, np.full_like(RAMP, 65535)], axis=-1)
    values[:8, :, 1] = 0
    picture = decode(png((64, 64, 16, 4), b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)), TWELVE)
    assert (picture.pixels[:8] == 255).all() and picture.mode == "LA;16" and picture.pixels.shape == (64, 64, 1)
    assert np.array_equal(picture.pixels[8:, :, 0], np.rint(RAMP[8:] * (255 / 4095)))


def test_A8_grey_jpeg_2000_of_sixteen_bits():
    if not features.check("jpg_2000"):
        pytest.skip("this Pillow has no JPEG2000")
    picture = decode(written(RAMP.astype(np.uint16), "JPEG2000", irreversible=False), TWELVE)
    assert np.array_equal(picture.pixels[..., 0], np.rint(RAMP * (255 / 4095)))


def packed(array):
    """Bytes of a JPEG 2000 codestream without loss."""
    utils = pytest.importorskip("openjpeg.utils", reason="openjpeg is not installed")
    return bytes(utils.encode_array(array, bits_stored=8 * array.dtype.itemsize, use_mct=False,
                                    photometric_interpretation=1 if array.ndim == 3 else 2))


def test_A8_deep_and_signed_jpeg_2000():
    colour = noise(40, 50, 3, high=4096).astype(np.uint16)
    data = packed(colour)
    assert jpeg2000.components(data) == ((16, False),) * 3 and codestreams.sides(data) == (50, 40)
    assert np.array_equal(decode(data, TWELVE).pixels, np.rint(colour * (255 / 4095)))
    signed = (RAMP - 2048).astype(np.int16)
    data = packed(signed)
    assert jpeg2000.components(data) == ((16, True),)
    assert np.array_equal(decode(data, Depth("full", -2048.0, 2047.0)).pixels[..., 0], np.rint(RAMP * (255 / 4095)))


def test_A7_without_its_decoder_deep_jpeg_2000_is_refused_not_crushed(monkeypatch):
    data = packed(noise(40, 50, 3, high=4096).astype(np.uint16))
    monkeypatch.setitem(__import__("sys").modules, "openjpeg", None)
    with pytest.raises(Unreadable, match=r"16 bits a value; pip install 'toolkit\[dicom\]'"):
        decode(data)


@pytest.mark.parametrize("kind", ["JPEG2000", "WEBP", "AVIF", "GIF", "TIFF", "PNG"])
def test_I3_empty_pictures_of_many_megapixels_are_bombs(kind, monkeypatch):
    from toolkit.pixels import decode as decoder

    monkeypatch.setattr(decoder, "SAFE_PIXELS", 10_000)  # as if these were large
    how = {"compression": "tiff_adobe_deflate"} if kind == "TIFF" else {}
    if kind in ("AVIF", "JPEG2000") and not features.check({"AVIF": "avif", "JPEG2000": "jpg_2000"}[kind]):
        pytest.skip(f"this Pillow has no {kind}")
    data = written(np.zeros((1500, 1500), np.uint8), kind, **how)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(Unreadable, match="bomb"):
        decode(data)


@pytest.mark.parametrize("data, sides", [
    (b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xc0\0\x0b\x08\0\x20\0\x30\x01", (48, 32)), (b"\xff\xd8", (0, 0)),
    (b"\xff\xd8" + b"\xff\xe1\0\0" * 3, (0, 0)), (b"", (0, 0)), (b"\xff\x4f\xff\x51\0", (0, 0)),
    (b"\xff\xd8\xff\xf7\0\x0b\x08\0\x02\0\x01\x01", (1, 2))])
def test_sizes_of_codestreams(data, sides):
    assert codestreams.sides(data) == sides
