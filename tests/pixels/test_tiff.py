"""TIFF of every kind of number: the numbers that tifffile wrote, whichever library reads them."""

import io
import tracemalloc
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from toolkit.pixels import tiff
from toolkit.pixels.decode import Unreadable, decode
from toolkit.pixels.depth import Depth

RAMP = np.linspace(0, 4095, 48 * 64).round().reshape(48, 64)
COLOUR = np.random.default_rng(0).integers(0, 4096, (48, 64, 3))
TWELVE = Depth("full", 0.0, 4095.0)


def written(array, **how):
    out = io.BytesIO()
    how = {"photometric": "rgb" if array.ndim == 3 else "minisblack", **how}
    tifffile.imwrite(out, array, **how)
    return out.getvalue()


def same(picture, numbers):
    return np.abs(picture.pixels.squeeze() - numbers * (255 / 4095)).max() <= 0.51


@pytest.mark.parametrize("how", [{}, {"byteorder": ">"}, {"bigtiff": True}, {"tile": (16, 16)},
                                 {"compression": "zlib"}, {"compression": "zlib", "tile": (32, 32), "bigtiff": True}],
                         ids=str)
@pytest.mark.parametrize("kind", ["u2", "i2", "u4", "i4", "f2", "f4", "f8", "u8"])
def test_every_kind_of_number_is_read_as_it_was_written(kind, how):
    for numbers in (RAMP, COLOUR):
        wanted = numbers.astype(kind)  # of 16 bits floating point holds 4,095 to 2
        picture = decode(written(wanted, **how), TWELVE)
        assert same(picture, wanted.astype(float)) and picture.span is not None
        assert picture.pixels.shape == (48, 64, 1 if numbers.ndim == 2 else 3)


def test_signed_bytes_planes_and_colour_that_pillow_gets_wrong():
    signed = np.arange(-120, 120, dtype=np.int8).reshape(12, 20)
    assert np.array_equal(decode(written(signed), Depth("full", -120.0, 135.0)).pixels[..., 0], signed + 120.0)
    planes = np.moveaxis(COLOUR, 2, 0).astype(np.uint16)
    assert same(decode(written(planes, planarconfig="separate"), TWELVE), COLOUR)
    assert same(decode(written(planes.astype(np.float32), planarconfig="separate"), TWELVE), COLOUR)


def test_high_values_are_dark_where_the_page_says_so():
    for kind, scale in (("u1", 16), ("u2", 1)):
        numbers = (RAMP // scale).astype(kind)
        light, dark = (decode(written(numbers, photometric=way), TWELVE).pixels.astype(int)
                       for way in ("minisblack", "miniswhite"))
        assert np.array_equal(light + dark, np.full_like(light, 255)) and light.std() > 20


@pytest.mark.parametrize("kind", ["u2", "f4"])
def test_transparency_is_laid_over_white(kind):
    most = 1.0 if kind == "f4" else 65535
    numbers = np.dstack([COLOUR, np.full((48, 64), most)]).astype(kind)
    numbers[:, :32, 3] = 0
    picture = decode(written(numbers, extrasamples=["unassalpha"]), TWELVE)
    assert (picture.pixels[:, :32] == 255).all()
    assert np.abs(picture.pixels[:, 32:] - COLOUR[:, 32:] * (255 / 4095)).max() <= 0.51
    grey = np.dstack([RAMP, np.full((48, 64), most)]).astype(kind)
    picture = decode(written(grey, photometric="minisblack", planarconfig="contig", extrasamples=["unassalpha"]),
                     TWELVE)
    assert picture.pixels.shape == (48, 64, 1) and same(picture, RAMP)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_page_is_turned_as_pillow_turns_its_own(orientation):
    tag = (274, 3, 1, orientation, True)
    ours = decode(written(RAMP.astype("f8"), extratags=[tag]), TWELVE).pixels
    theirs = decode(written(RAMP.astype("f4"), extratags=[tag]), TWELVE).pixels
    assert np.array_equal(ours, theirs)
    assert ours.shape == ((64, 48, 1) if orientation > 4 else (48, 64, 1))


@pytest.mark.parametrize("more", [{"imagej": True}, {"ome": True, "metadata": {"axes": "ZYX"}},
                                  {"imagej": True, "metadata": {"axes": "TYX"}}], ids=str)
def test_stacks_of_microscopes_are_pages(more):
    stack = np.stack([RAMP + n for n in range(5)]).astype(np.uint16)
    out = io.BytesIO()
    tifffile.imwrite(out, stack, photometric="minisblack", **more)
    assert tiff.count(out.getvalue()) == 5
    for number in (0, 3):
        picture = decode(out.getvalue(), Depth("full", 0.0, 4100.0), number)
        assert np.abs(picture.pixels[..., 0] - stack[number] * (255 / 4100)).max() <= 0.51


@pytest.mark.parametrize("kind", ["f8", "f4"])
def test_what_wants_imagecodecs_is_read_with_it_and_named_without(kind, monkeypatch):
    numbers = COLOUR.astype(kind)
    try:
        import imagecodecs  # noqa: F401
    except ImportError:
        data = written(numbers)
        monkeypatch.setattr(tiff, "PLAIN", ())
        monkeypatch.setattr(tiff, "FURTHER", {1: "LZW"})
        with pytest.raises(Unreadable, match=r"packed by LZW; pip install 'toolkit\[tiff\]' lets it be read"):
            decode(data)
        return
    for how in ({"compression": "lzw", "predictor": True}, {"compression": "zstd"}, {"compression": "lzma"}):
        assert same(decode(written(numbers, **how), TWELVE), COLOUR)


@pytest.mark.parametrize("array, how, word", [
    (np.zeros((8, 8, 5), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "5 channels"),
    (np.zeros((8, 8, 2), np.uint8), {"photometric": "minisblack", "planarconfig": "contig"}, "2 channels"),
    (np.zeros((8, 8), np.complex64), {}, "complex"),
    (np.zeros((16, 16, 16), np.uint8), {"photometric": "minisblack", "volumetric": True, "tile": (16, 16, 16)},
     "volume in one page")])
def test_A7_what_is_no_picture_of_numbers_is_named(array, how, word):
    with pytest.raises(Unreadable, match=word):
        decode(written(array, **how))


def test_I3_pages_that_lie_take_no_memory():
    small = written(RAMP.astype("f8"))
    huge = bytearray(written(np.zeros((48, 64), "f8"), compression="zlib", rowsperstrip=48))
    wide = huge.find(b"\x00\x01\x03\x00\x01\x00\x00\x00\x40\x00")  # ImageWidth 64
    huge[wide + 8:wide + 10] = b"\x00\xff"
    tracemalloc.start()
    for data in (bytes(huge), small[:len(small) // 2]):
        with pytest.raises(Unreadable):
            decode(data)
    assert tracemalloc.get_traced_memory()[1] < 2**25
    tracemalloc.stop()


def test_I3_a_part_that_unpacks_to_more_than_its_place_is_refused(monkeypatch):
    monkeypatch.setattr(tiff, "_has_codecs", lambda: False)
    data = bytearray(written(np.zeros((48, 64), "f8"), compression="zlib", rowsperstrip=48))
    with tifffile.TiffFile(io.BytesIO(bytes(data))) as file:
        page = file.pages[0]
        at, counts = page.tags[273].valueoffset, page.tags[279].valueoffset
    bomb = zlib.compress(bytes(200 * 2**20))
    data[at:at + 4], data[counts:counts + 4] = len(data).to_bytes(4, "little"), len(bomb).to_bytes(4, "little")
    tracemalloc.start()
    with pytest.raises(Unreadable, match="bomb"):
        decode(bytes(data) + bomb)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_A7_damaged_bytes_never_raise_anything_else():
    rng = np.random.default_rng(1)
    for whole in (written(COLOUR.astype("f8")), written(RAMP.astype("f2"), compression="zlib", tile=(16, 16))):
        for _ in range(60):
            hurt = bytearray(whole)
            for place in rng.integers(4, 400, 4):
                hurt[place] = rng.integers(256)
            try:
                assert decode(bytes(hurt)).pixels.dtype == np.uint8
            except Unreadable:
                pass


def test_eight_bits_stay_with_pillow():
    out = io.BytesIO()
    Image.fromarray((RAMP // 16).astype(np.uint8)).save(out, "TIFF", compression="tiff_lzw")
    assert decode(out.getvalue()).mode == "L" and not tiff.misread(Image.open(out))
