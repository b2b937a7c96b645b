"""The decoder, held to its table: every row with the picture it speaks of."""

import io
import json
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from toolkit.pixels.decode import MAX_PIXELS, Unreadable, decode


def encoded(image, kind, **more):
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def png(header, raw):
    """A PNG by hand: header (width, height, depth, colour type), raw rows with their filter bytes."""
    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def noise(*shape, high=256, seed=0):
    return np.random.default_rng(seed).integers(0, high, shape)


def check_survey(folder, entry):
    path, actions = folder / entry["file"], entry["action"].split("_or_")
    if not any(action.startswith("read") for action in actions):
        with pytest.raises(Unreadable) as refusal:
            decode(path)
        assert len(str(refusal.value)) > 5
        return
    try:
        picture = decode(path)
    except Unreadable:
        assert "refuse" in actions, entry["file"]
        return
    height, width, channels = picture.pixels.shape
    assert (width, height) == tuple(entry["size"]) and picture.pixels.dtype == np.uint8, entry["file"]
    assert channels == {"L": 1, "RGB": 3}[entry["mode"]], entry["file"]
    if entry.get("must_vary"):
        assert picture.pixels.min() == 0 and picture.pixels.max() == 255, entry["file"]
    if entry.get("upright"):
        assert (np.abs(picture.pixels[3, 3].astype(int) - (230, 20, 20)) < 40).all(), entry["file"]
    if "first_frame" in entry["action"]:
        assert any("first of several" in note for note in picture.notes), entry["file"]


def test_A8_I3_every_odd_file_is_read_or_refused_as_surveyed(shared):
    folder = shared / "data" / "odd"
    entries = json.loads((folder / "survey.json").read_text("utf-8"))["files"]
    found = [entry for entry in entries if (folder / entry["file"]).exists()]
    assert len(found) > 45
    for entry in found:
        check_survey(folder, entry)


def test_A8_I4_hostile_names_are_read(shared, tmp_path):
    maker = shared / "data" / "tools" / "make_odd.py"
    subprocess.run([sys.executable, str(maker), str(tmp_path)], check=True, capture_output=True)
    for entry in json.loads((tmp_path / "survey.json").read_text("utf-8"))["files"]:
        check_survey(tmp_path, entry)
    assert {"=1+1.png", "new\nline's \"quote\".png"} <= {path.name for path in tmp_path.iterdir()}


def test_A8_eight_bits_stay():
    grey, colour = noise(7, 9).astype(np.uint8), noise(7, 9, 3).astype(np.uint8)
    for kind in ("PNG", "TIFF", "BMP"):
        assert np.array_equal(decode(encoded(Image.fromarray(grey), kind)).pixels[..., 0], grey)
        picture = decode(encoded(Image.fromarray(colour), kind))
        assert np.array_equal(picture.pixels, colour) and picture.notes == ()


@pytest.mark.parametrize("top,bits", [(255, 8), (1000, 10), (4095, 12), (10000, 14), (65535, 16)])
def test_A8_sixteen_bit_grey_is_scaled_by_the_bits_in_use(top, bits):
    values = np.linspace(0, top, 60).round().astype(np.uint16).reshape(6, 10)
    wanted = np.rint(values * (255 / (2**bits - 1)))
    for kind in ("PNG", "TIFF"):
        picture = decode(encoded(Image.fromarray(values), kind))
        assert np.abs(picture.pixels[..., 0] - wanted).max() == 0 and str(bits) in picture.notes[0]
    assert np.array_equal(decode(values).pixels[..., 0], wanted)


def test_A8_sixteen_bit_colour_keeps_twelve_bits_apart():
    values = noise(6, 5, 3, high=4096)
    values[0, 0] = 4095
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    picture = decode(png((5, 6, 16, 2), rows))
    assert np.array_equal(picture.pixels, np.rint(values * (255 / 4095)))
    assert picture.mode == "RGB;16"
    with_alpha = np.dstack([values, np.full((6, 5), 65535)])
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in with_alpha)
    assert np.array_equal(decode(png((5, 6, 16, 6), rows)).pixels, picture.pixels)


def test_A8_signed_integers_and_floats_are_scaled_by_range():
    signed = decode(np.array([[-1000, 0, 1000]], np.int32))
    assert signed.pixels.ravel().tolist() == [0, 128, 255]
    unit = np.array([[0.2, 0.4, 0.6]], np.float32)
    assert decode(unit).pixels.ravel().tolist() == [51, 102, 153]
    assert decode(encoded(Image.fromarray(unit), "TIFF")).pixels.ravel().tolist() == [51, 102, 153]
    assert decode(np.array([[-2, 1, 3]], np.float32)).pixels.ravel().tolist() == [0, 153, 255]


def test_A8_no_nan_gets_out():
    values = np.array([[0, 1, np.nan, np.inf, -np.inf]], np.float32)
    picture = decode(encoded(Image.fromarray(values), "TIFF"))
    assert picture.pixels.ravel().tolist() == [0, 255, 0, 255, 0] and "NaN" in picture.notes[0]
    with pytest.raises(Unreadable, match="finite"):
        decode(np.full((2, 2), np.nan, np.float32))


def test_A8_one_bit_is_0_and_255():
    picture = decode(encoded(Image.fromarray(noise(8, 8, high=2).astype(bool)), "PNG"))
    assert set(np.unique(picture.pixels)) == {0, 255} and picture.pixels.shape == (8, 8, 1)
    assert decode(np.array([[True, False]])).pixels.ravel().tolist() == [255, 0]


def test_A8_transparency_is_laid_over_white():
    colour = np.dstack([np.full((4, 4, 3), 100), np.zeros((4, 4)), ]).astype(np.uint8)
    colour[:, 2:, 3] = 255
    picture = decode(encoded(Image.fromarray(colour), "PNG"))
    assert (picture.pixels[:, :2] == 255).all() and (picture.pixels[:, 2:] == 100).all()
    assert np.array_equal(decode(colour).pixels, picture.pixels)
    invisible = colour.copy()
    invisible[..., 3] = 0
    assert (decode(encoded(Image.fromarray(invisible), "PNG")).pixels == 100).all()
    half = Image.merge("LA", [Image.new("L", (4, 4), 0), Image.new("L", (4, 4), 128)])
    assert decode(encoded(half, "PNG")).pixels.ravel()[0] in (127, 128)


def test_A8_a_transparent_palette_entry_and_a_transparent_grey():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    assert decode(encoded(palette, "PNG")).pixels.tolist() == [[[10, 20, 30], [200, 100, 50]]]
    assert decode(encoded(palette, "PNG", transparency=0)).pixels.tolist() == [[[255, 255, 255], [200, 100, 50]]]
    grey = Image.fromarray(np.array([[7, 9]], np.uint8))
    assert decode(encoded(grey, "PNG", transparency=7)).pixels.ravel().tolist() == [255, 9]


def test_A8_cmyk_has_the_right_colours():
    red = Image.new("RGB", (16, 16), (230, 20, 20))
    for data in (encoded(red.convert("CMYK"), "JPEG", quality=95), encoded(red.convert("CMYK"), "TIFF")):
        picture = decode(data)
        assert (np.abs(picture.pixels.astype(int) - (230, 20, 20)) < 12).all() and picture.notes


def test_A8_a_colour_profile_is_applied_unless_it_is_srgb():
    picture = Image.fromarray(noise(8, 8, 3).astype(np.uint8))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = decode(encoded(picture, "PNG", icc_profile=srgb))
    assert np.array_equal(same.pixels, np.asarray(picture)) and same.notes == ()
    swapped = bytearray(srgb.replace(b"sRGB", b"xxxx").replace(b"s\0R\0G\0B", b"x\0x\0x\0x"))
    red, blue = swapped.find(b"rXYZ", 128), swapped.find(b"bXYZ", 128)
    swapped[red:red + 4], swapped[blue:blue + 4] = b"bXYZ", b"rXYZ"  # a profile whose red is our blue
    turned = decode(encoded(picture, "PNG", icc_profile=bytes(swapped)))
    assert np.abs(turned.pixels.astype(int) - np.asarray(picture)[..., ::-1]).max() <= 3
    assert "colour profile" in turned.notes[0]
    broken = decode(encoded(picture, "PNG", icc_profile=b"no profile at all" * 20))
    assert np.array_equal(broken.pixels, np.asarray(picture)) and "ignored" in broken.notes[0]


def test_A8_a_very_long_picture_and_one_pixel():
    assert decode(encoded(Image.new("RGB", (20000, 8), (1, 2, 3)), "PNG")).pixels.shape == (8, 20000, 3)
    assert decode(encoded(Image.new("L", (1, 1), 5), "PNG")).pixels.tolist() == [[[5]]]


def test_I3_bombs_are_refused_from_the_header():
    with pytest.raises(Unreadable, match="megapixels"):
        decode(png((60000, 60000, 1, 0), b"\0"))
    with pytest.raises(Unreadable, match="a side"):
        decode(png((70000, 10, 8, 0), b"\0"))
    with pytest.raises(Unreadable, match="bomb"):
        decode(png((9000, 9000, 8, 2), b"\0"))
    side = int(MAX_PIXELS**0.5)
    with pytest.raises(Unreadable, match="50 megapixels"):
        decode(png((side, side, 16, 2), b"\0"))


def test_I3_only_the_first_of_many_frames_is_touched():
    frames = [Image.new("L", (4, 4), value % 256) for value in range(300)]
    data = encoded(frames[0], "TIFF", save_all=True, append_images=frames[1:])
    picture = decode(data[:len(data) // 2])  # the later pages are gone, and nobody looked for them
    assert (picture.pixels == 0).all() and "first of several" in picture.notes[0]


@pytest.mark.parametrize("data,word", [
    (b"", "empty"), (b"SIMPLE  =                    T" + b" " * 3000, "FITS"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    (b"8BPS\0\1" + bytes(30), "Photoshop"), (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
    (b"<!DOCTYPE html><html></html>", "web page"), (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
    (b"PK\3\4" + bytes(40), "zip"), (b"plain words\n" * 9, "text"),
    (b"\x89PNG\r\n\x1a\n", "damaged"), (bytes(range(256)) * 4, "not a picture")])
def test_I3_A7_what_is_no_picture_is_named(data, word):
    with pytest.raises(Unreadable, match=word):
        decode(data)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP"])
def test_A7_a_file_cut_short_is_refused(kind):
    data = encoded(Image.fromarray(noise(64, 64, 3).astype(np.uint8)), kind)
    with pytest.raises(Unreadable):
        decode(data[:len(data) * 6 // 10])


def test_A7_damaged_bytes_never_raise_anything_else():
    picture, rng = Image.fromarray(noise(24, 24, 3).astype(np.uint8)), np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "TIFF", "GIF", "WEBP"):
        whole = np.frombuffer(encoded(picture, kind), np.uint8)
        for _ in range(40):
            hurt = whole.copy()
            hurt[rng.integers(0, len(hurt), 4)] = rng.integers(0, 256, 4)
            try:
                assert decode(hurt.tobytes()).pixels.dtype == np.uint8
            except Unreadable:
                pass


def test_A7_a_folder_or_nothing_in_place_of_a_file(tmp_path):
    with pytest.raises(Unreadable):
        decode(tmp_path)
    with pytest.raises(Unreadable, match="opened"):
        decode(tmp_path / "absent.png")
    with pytest.raises(Unreadable, match="array"):
        decode(np.zeros((4, 4, 4, 4), np.uint8))
