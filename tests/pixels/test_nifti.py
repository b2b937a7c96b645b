"""NIfTI: slices as nibabel's own reorientation gives them, and refusals that say nothing of the header."""

import gzip
import tracemalloc

import numpy as np
import pytest

from tests.nifti_files import TEXT, made
from toolkit.pixels import nifti
from toolkit.pixels.decode import Unreadable, count, decode
from toolkit.pixels.depth import Depth

nibabel = pytest.importorskip("nibabel", reason="nibabel is not installed")

SHAPE = (6, 7, 8)
NUMBERS = np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)
WIDE = Depth("full", 0.0, 255.0)


def affines():
    """Every way in which three stored axes can lie in the body."""
    for first in range(3):
        for second in set(range(3)) - {first}:
            order = (first, second, 3 - first - second)
            for signs in np.ndindex(2, 2, 2):
                affine = np.zeros((4, 4))
                affine[3, 3] = 1
                for stored, axis in enumerate(order):
                    affine[axis, stored] = (1, -1)[signs[stored]]
                yield affine


@pytest.mark.parametrize("affine", affines())
def test_a_slice_stands_as_radiologists_show_it_whatever_way_it_was_stored(affine):
    data = made(NUMBERS % 256, affine)
    whole = np.asanyarray(nibabel.as_closest_canonical(nibabel.Nifti1Image(NUMBERS % 256, affine)).dataobj)
    assert count(data) == whole.shape[2]
    for number in (0, 3):
        wanted = whole[:, :, number].T[::-1, ::-1]  # front up, the right side of the body on the left
        picture = decode(data, WIDE, number)
        assert np.array_equal(picture.pixels[..., 0], wanted) and "NIfTI: axial slice" in picture.notes


@pytest.mark.parametrize("sides, plane, axis", [
    ((1, 1, 1), "axial", 2), ((4, 1, 1), "sagittal", 0), ((1, 4, 1), "coronal", 1), ((1, 1, 4), "axial", 2),
    ((1.2, 1, 1), "axial", 2)])
def test_slices_lie_across_the_longest_side_of_a_voxel(sides, plane, axis):
    picture = decode(made(NUMBERS % 256, np.diag((*sides, 1))), WIDE, "first")
    wanted = np.take(NUMBERS % 256, 0, axis).T[::-1, ::-1]
    assert np.array_equal(picture.pixels[..., 0], wanted) and f"NIfTI: {plane} slice" in picture.notes


def test_the_middle_slice_stands_for_a_volume():
    data = made(NUMBERS % 256)
    assert np.array_equal(decode(data, WIDE).pixels, decode(data, WIDE, 4).pixels)
    assert "middle of several frames or pages" in decode(data, WIDE).notes
    assert np.array_equal(decode(data, WIDE, "7").pixels, decode(data, WIDE, 7).pixels)
    with pytest.raises(Unreadable, match="frame 8 was wanted, and there are 8"):
        decode(data, WIDE, 8)


def test_numbers_are_scaled_by_the_header():
    picture = decode(made(NUMBERS, scl_slope=0.5, scl_inter=-10.0), Depth("full", -10.0, 160.0), 0)
    wanted = np.rint((NUMBERS[:, :, 0] * 0.5).T[::-1, ::-1] * 255 / 170)
    assert np.abs(picture.pixels[..., 0] - wanted).max() <= 1


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int32, np.float32, np.float64, np.uint32])
def test_every_kind_of_number(kind):
    array = (NUMBERS % 120).astype(kind)
    for packed in (True, False):
        picture = decode(made(array, packed=packed), WIDE, 2)
        assert np.array_equal(picture.pixels[..., 0], NUMBERS[:, :, 2].T[::-1, ::-1] % 120)
    assert picture.mode == f"NIfTI {np.dtype(kind).name}"


def test_eight_bits_need_no_rule_and_floats_have_a_span():
    assert decode(made((NUMBERS % 100).astype(np.uint8)), Depth("full", 0.0, 1.0)).span is None
    assert decode(made(NUMBERS / 7)).span.kind == "f"


def test_colour_and_a_series_of_volumes():
    colour = np.zeros((4, 5, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    colour["G"][:, :, 1] = 200
    assert decode(made(colour)).pixels.tolist() == np.full((5, 4, 3), (0, 200, 0)).tolist()
    series = np.stack([np.full((4, 5, 3), 10, np.uint8), np.full((4, 5, 3), 90, np.uint8)], axis=-1)
    picture = decode(made(series))
    assert picture.pixels.max() == 10 and "NIfTI: first of several volumes" in picture.notes
    assert count(made(series)) == 3


def test_a_single_slice_is_that_slice_whatever_its_plane():
    picture = decode(made(NUMBERS[:, :1] % 256), WIDE)
    assert picture.pixels.shape == (8, 6, 1) and "NIfTI: coronal slice" in picture.notes


@pytest.mark.parametrize("header, word", [
    ({"dim": [3, 30000, 30000, 30000, 1, 1, 1, 1]}, "MB at most"),
    ({"dim": [3, 800, 800, 800, 1, 1, 1, 1]}, "bomb"),
    ({"dim": [3, -5, 7, 8, 1, 1, 1, 1]}, "damaged"),
    ({"dim": [3, 60, 70, 80, 1, 1, 1, 1]}, "cut short"),
    ({"vox_offset": 1e12}, "damaged"), ({"vox_offset": float("nan")}, "damaged"), ({"datatype": 4242}, "damaged"),
    ({"datatype": 32, "bitpix": 64}, "complex"), ({"dim": [6, 2, 2, 2, 2, 2, 5, 1]}, "dimensions")])
def test_I3_a_header_that_lies_is_refused_before_memory_is_taken(header, word):
    data = made(NUMBERS, **header)
    tracemalloc.start()
    with pytest.raises(Unreadable, match=word) as refusal:
        decode(data)
    assert tracemalloc.get_traced_memory()[1] < 2**24 and "NIfTI" in str(refusal.value)
    tracemalloc.stop()


def test_I3_no_more_is_unpacked_than_the_first_volume():
    plain = made(NUMBERS, packed=False)
    data = gzip.compress(plain + bytes(300 * 2**20), 1)
    tracemalloc.start()
    assert decode(data).pixels.shape == (7, 6, 1)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()


def test_A7_damaged_bytes_never_raise_anything_else():
    data, rng = made(NUMBERS, packed=False), np.random.default_rng(0)
    for _ in range(150):
        broken = bytearray(data)
        for at in rng.integers(4, 344, 4):
            broken[at] = rng.integers(256)
        for one in (bytes(broken), gzip.compress(bytes(broken)), gzip.compress(bytes(broken))[:-200]):
            try:
                assert decode(one).pixels.dtype == np.uint8
            except Unreadable as refusal:
                assert "Doe" not in str(refusal)


def test_A12_no_text_of_the_header_comes_out():
    picture = decode(made(NUMBERS))
    told = " ".join(map(str, picture[1:]))
    assert not any(word in told for word in ("Doe", *TEXT.split()))


def test_A12_without_nibabel_the_hint_is_said(monkeypatch):
    data = made(NUMBERS)
    monkeypatch.setitem(__import__("sys").modules, "nibabel", None)
    with pytest.raises(Unreadable, match=r"a NIfTI file; pip install 'toolkit\[nifti\]' lets it be read"):
        decode(data)


def test_A7_other_packed_files_and_pairs_are_named():
    with pytest.raises(Unreadable, match="gzip"):
        decode(gzip.compress(b"text"))
    pair = bytearray(made(NUMBERS, packed=False))
    pair[344:348] = b"ni1\0"
    with pytest.raises(Unreadable, match="an .img file"):
        decode(bytes(pair))
    assert not nifti.is_nifti(b"") and not nifti.is_nifti(b"\x1f\x8b\x08")
