"""More than 8 bits: one rule for all pictures, its ends from the training pictures."""

import numpy as np
import pytest

from toolkit.pixels.decode import decode
from toolkit.pixels.depth import Depth, Span, resolved


def spans(*pictures):
    return [decode(picture).span for picture in pictures]


def refused(tally):
    pytest.fail("no picture needs to be read")


def test_every_picture_is_scaled_by_the_same_ends():
    dim, bright = np.full((2, 2), 500, np.uint16), np.full((2, 2), 4000, np.uint16)
    assert decode(dim).pixels[0, 0, 0] == 125  # by its own range, 10 bits
    found = resolved(Depth(), spans(dim, bright), refused)
    assert (found.low, found.high) == (0, 4095)
    assert decode(dim, found).pixels[0, 0, 0] == 31 and decode(bright, found).pixels[0, 0, 0] == 249
    above = decode(np.full((2, 2), 60000, np.uint16), found)  # a picture that comes later
    assert above.pixels[0, 0, 0] == 255 and above.notes == ("0..4095 scaled to 0..255",)


@pytest.mark.parametrize("rule, pictures, ends", [
    ("full", ([[-100, 900]], [[0, 2000]]), (-100, 2000)),
    ("full", ([[0.1, 0.5]], [[0.0, 1.0]]), (0, 1)),
    ("full", ([[0.1, 0.5]], [[0.0, 7.5]]), (0, 7.5)),
    ("auto", ([[0, 255]], [[3, 9]]), (0, 255)),
    ("auto", ([[0, 70000]], [[3, 90000]]), (0, 90000)),
    ("-160..240", ([[-1000, 3000]],), (-160, 240))])
def test_ends_of_each_rule(rule, pictures, ends):
    arrays = [np.array(p, np.float32 if isinstance(p[0][0], float) else np.int32) for p in pictures]

    def tally(counted):
        for array in arrays:
            decode(array, counted)

    found = resolved(Depth.of(rule), spans(*arrays), tally)
    assert (found.low, found.high) == pytest.approx(ends, rel=1e-4)


def test_percentiles_are_of_all_training_values_together():
    rng = np.random.default_rng(0)
    pictures = [rng.normal(mean, 30, (40, 50)).round().astype(np.int32) for mean in (0, 100, 200)]
    pictures[0][0, 0] = 30000  # a screw

    def tally(counted):
        for picture in pictures:
            decode(picture, counted)

    found = resolved(Depth("percentiles"), spans(*pictures), tally)
    wanted = np.percentile(np.concatenate([p.ravel() for p in pictures]), (0.5, 99.5))
    assert np.abs(np.array([found.low, found.high]) - wanted).max() < 3
    assert resolved(Depth(), spans(*pictures), tally) == Depth("auto", found.low, found.high)


def test_a_twelve_bit_ramp_keeps_its_levels():
    ramp = np.arange(4096, dtype=np.uint16).reshape(64, 64)
    found = resolved(Depth(), spans(ramp), refused)
    assert len(np.unique(decode(ramp, found).pixels)) == 256


def test_eight_bits_have_no_span_and_need_no_rule():
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    assert decode(grey, Depth("full", 0, 10)).pixels.ravel().tolist() == list(range(64)) and decode(grey).span is None
    assert resolved(Depth(), [], refused) == Depth()


def test_one_value_everywhere_is_no_division_by_nothing():
    flat = np.full((4, 4), -5, np.int32)
    found = resolved(Depth(), spans(flat), refused)
    assert found.low < found.high and decode(flat, found).pixels.max() == 0


def test_a_span_goes_through_text():
    for span in (Span("u", 0.0, 4095.0), Span("f", -1.25, 3e-7), Span("i", -5.0, 7.0)):
        assert Span.of(span.text()) == span


@pytest.mark.parametrize("text", ["none", "5..5", "9..2", "a..b", "1...", "", "1..2..3", "nan..1"])
def test_B2_other_texts_are_no_rule(text):
    with pytest.raises(ValueError, match="LOW..HIGH"):
        Depth.of(text)
