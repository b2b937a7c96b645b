"""How pictures were stored, and how many there are of a class."""

import numpy as np
import pytest

from tests.doctor import planted
from toolkit.doctor import kinds
from toolkit.doctor.findings import Case

COUNT = 240
FIRST = np.arange(COUNT) < 3
PATHS = {"a/0.png", "b/1.png", "a/2.png"}


def where(usual, other):
    return np.where(FIRST, other, usual)


CONTRACT = {  # for test_every_check
    "mixed depth": ({"rows": planted.rows(mode=where("L", "I;16"))}, "mixed depth", "warning", PATHS),
    "mixed modes": ({"rows": planted.rows(mode=where("RGB", "P"))}, "mixed modes", "note", PATHS),
    "constant channels": ({"rows": planted.rows(), "looks": planted.looks(still=where(0, 2))}, "constant channels",
                          "warning", PATHS),
    "marks": ({"rows": planted.rows(), "looks": planted.looks(letters=where(0, 7))}, "marks", "warning", PATHS),
    "rotation tags": ({"rows": planted.rows(note=where("", "palette applied; turned upright (EXIF orientation 6)"))},
                      "rotation tags", "note", PATHS),
    "large": ({"rows": planted.rows(width=where(400, 9000), height=where(300, 6000))}, "large", "note", PATHS),
    "few pictures": ({"rows": planted.rows(label=where("a", "c"))}, "few pictures", "warning", set()),
}


def said(check, rows, looks=None):
    return [finding for finding in kinds.CHECKS[check](Case(rows, looks=looks))]


@pytest.mark.parametrize("mode, bits", [
    ("L", "8 bits"), ("P", "8 bits"), ("1", "8 bits"), ("I;16", "16 bits"), ("I;16B", "16 bits"), ("I", "32 bits"),
    ("F", "floating point"), ("RGB;16", "16 bits"), ("DICOM MONOCHROME2 12 bits", "12 bits"), ("array uint16 x 1",
    "16 bits"), ("array float32 x 3", "floating point"), ("array bool x 1", "1 bit"),
    ("TIFF uint16 x 1", "16 bits"), ("NIfTI float64", "floating point"), ("NIfTI RGB", "8 bits"), ("", "8 bits"),
    ("?", "8 bits")])
def test_the_depth_of_every_mode(mode, bits):
    assert kinds._bits(mode) == bits


def test_A8_depths_are_counted_and_one_depth_is_no_fault():
    (found,) = said("mixed depth", planted.rows(mode=where("L", "I;16")))
    assert "237 with 8 bits, 3 with 16 bits" in found.sentence
    assert not said("mixed depth", planted.rows(mode="I;16")) and not said("mixed modes", planted.rows(mode="I;16"))


def test_many_ways_of_storing_are_summed_up():
    modes = [("L", "RGB", "P", "RGBA", "CMYK", "LA")[i % 6] for i in range(COUNT)]
    (found,) = said("mixed modes", planted.rows(mode=modes))
    assert found.sentence.count(" 40 ") == 4 and found.sentence.endswith("80 others.")


def test_what_all_channels_have_in_common_is_no_fault():
    (found,) = said("constant channels", planted.rows(), planted.looks(still=np.full(COUNT, 2)))
    assert found.severity == "note" and len(found.pictures) == COUNT
    (equal,) = said("constant channels", planted.rows(), planted.looks(colour=np.where(FIRST, 0, 0.1)))
    assert equal.check == "equal channels" and equal.severity == "note" and set(equal.pictures) == PATHS
    assert not said("constant channels", planted.rows(mode="L"), planted.looks(colour=np.zeros(COUNT)))


def test_D6_the_fewest_that_are_tested_are_named_with_what_they_can_tell():
    (found,) = said("few pictures", planted.rows(label=np.where(np.arange(COUNT) < 20, "rare", "a")))
    assert "'rare' about 3 separate pictures" in found.sentence and "44% to 100%" in found.sentence
    assert not said("few pictures", planted.rows(80))
    split = np.where(np.arange(COUNT) < 6, "test", "train")
    (given,) = said("few pictures", planted.rows(split=split, label=np.where(np.arange(COUNT) % 3 == 0, "b", "a")))
    assert "'b' 2 separate pictures" in given.sentence and "(2 classes in all" in given.sentence
    group = [f"g{i % 2}{i // 60}" for i in range(COUNT)]
    assert "about 1 separate picture will" in said("few pictures", planted.rows(group=group))[0].sentence
