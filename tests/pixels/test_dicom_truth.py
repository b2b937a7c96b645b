"""DICOM against the standard and against pydicom's own functions, every frame, written without our reader."""

import io
import json
import warnings
import zlib

import numpy as np
import pytest

from tests.dicom_files import made
from toolkit.pixels import dicom
from toolkit.pixels.decode import Unreadable, decode
from toolkit.pixels.depth import Depth

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")

RAMP = np.arange(4096, dtype=np.uint16).reshape(64, 64)
TWELVE = {"BitsStored": 12, "HighBit": 11}


def items(**elements):
    """A sequence of one item."""
    item = pydicom.Dataset()
    for name, value in elements.items():
        setattr(item, name, value)
    return pydicom.Sequence([item])


def linear(values, center, width):
    """PS3.3 C.11.2.1.2.1, to 0..255."""
    return np.clip((values - (center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255


def exact(values, center, width):
    """PS3.3 C.11.2.1.3.2."""
    return np.clip((values - center) / width + 0.5, 0, 1) * 255


def sigmoid(values, center, width):
    """PS3.3 C.11.2.1.3.1."""
    return 255 / (1 + np.exp(-4 * (values - center) / width))


def true_numbers(found, frame):
    """(numbers before black and white are chosen, the numbers that are padding) by pydicom's own functions."""
    from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi_lut, pixel_array

    stored = pixel_array(found, index=frame)
    if found.PhotometricInterpretation == "PALETTE COLOR":
        return apply_color_lut(stored, found)[..., :3], None
    if stored.ndim == 3:
        return stored, None
    return apply_voi_lut(apply_modality_lut(stored, found), found), stored


def true_picture(found, numbers, stored):
    """0..255 by the standard; None where the file gives no window, which is the depth rule's part."""
    if numbers.ndim == 3:
        if found.PhotometricInterpretation == "PALETTE COLOR":  # of 8 bits, in the high byte
            return numbers >> 8
        return numbers * (255 / (255 if numbers.dtype.itemsize == 1 else 65535))
    if found.get("WindowCenter") is not None and not found.get("VOILUTSequence"):
        slope, inter = float(found.get("RescaleSlope", 1)), float(found.get("RescaleIntercept", 0))
        first = [np.atleast_1d(np.asarray(found[name].value, float))[0] for name in ("WindowCenter", "WindowWidth")]
        picture = linear(stored * slope + inter, *first)
    elif stored.dtype == np.uint8 and "RescaleSlope" not in found:
        picture = numbers * (255 / (2 ** found.BitsStored - 1))
    else:
        return None
    return 255 - picture if found.PhotometricInterpretation == "MONOCHROME1" else picture


def test_A12_every_frame_of_every_file_has_the_numbers_of_pydicom_and_the_grey_of_the_standard(shared):
    folder, read, mapped, refused = shared / "data" / "dicom", 0, 0, []
    for entry in json.loads((folder / "list.json").read_text("utf-8"))["files"]:
        data = (folder / entry["file"]).read_bytes()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = pydicom.dcmread(io.BytesIO(data))
                numbers, stored = true_numbers(found, 0)
        except Exception:
            with pytest.raises(Unreadable) as refusal:
                decode(data)
            refused.append((entry, str(refusal.value)))
            continue
        for frame in range(min(3, int(found.get("NumberOfFrames") or 1))):
            numbers, stored = true_numbers(found, frame)
            ours = dicom.read(data, frame)
            assert ours.array.shape == numbers.shape and np.array_equal(ours.array, numbers), entry["file"]
            wanted = true_picture(found, numbers, stored)
            if wanted is not None:
                off = np.abs(decode(data, frame=frame).pixels.squeeze().astype(float) - wanted)
                assert off.max() <= 1, (entry["file"], off.max())
                mapped += 1
        read += 1
    assert read >= 30 and mapped >= 25 and len(refused) <= 10
    for entry, sentence in refused:
        assert "DICOM" in sentence and len(sentence) < 160 and "\n" not in sentence
        packed = entry["transfer_syntax"] or ""
        if "read_with_codec" in entry["action"]:
            assert packed.split(",")[0].split(" (")[0] in sentence, (sentence, packed)


@pytest.mark.parametrize("name, curve", [("LINEAR", linear), ("LINEAR_EXACT", exact), ("SIGMOID", sigmoid)])
@pytest.mark.parametrize("colours", ["MONOCHROME1", "MONOCHROME2"])
def test_every_function_of_a_window(name, curve, colours):
    data = made(RAMP, **TWELVE, WindowCenter=1500, WindowWidth=900, VOILUTFunction=name, RescaleSlope=2,
                RescaleIntercept=-1000, PhotometricInterpretation=colours)
    wanted = curve(RAMP * 2.0 - 1000, 1500, 900)
    wanted = 255 - wanted if colours == "MONOCHROME1" else wanted
    assert np.abs(decode(data).pixels[..., 0] - wanted).max() <= 1


def test_a_table_of_grey_values():
    table = np.round(np.sqrt(np.arange(4096) / 4095) * 65535).astype(np.uint16)
    data = made(RAMP, **TWELVE, VOILUTSequence=items(LUTDescriptor=[4096, 0, 16], LUTData=table.tobytes()))
    assert np.abs(decode(data).pixels[..., 0] - np.sqrt(RAMP / 4095) * 255).max() <= 0.51
    doubled = np.arange(0, 8192, 2, dtype=np.uint16)
    data = made(RAMP, **TWELVE, ModalityLUTSequence=items(LUTDescriptor=[4096, 0, 16], LUTData=doubled.tobytes(),
                                                          ModalityLUTType="US"))
    assert np.array_equal(dicom.read(data).array, 2 * RAMP)


def test_each_frame_of_an_enhanced_file_has_its_own_scale_and_window():
    frames = [items(FrameVOILUTSequence=items(WindowCenter=400 * (n + 1), WindowWidth=900),
                    PixelValueTransformationSequence=items(RescaleSlope=n + 1, RescaleIntercept=-1000,
                                                           RescaleType="HU"))[0] for n in range(3)]
    data = made(np.stack([RAMP] * 3), **TWELVE, PerFrameFunctionalGroupsSequence=pydicom.Sequence(frames))
    for n in range(3):
        wanted = linear(RAMP * (n + 1.0) - 1000, 400 * (n + 1), 900)
        assert np.abs(decode(data, frame=n).pixels[..., 0] - wanted).max() <= 1
    shared = made(np.stack([RAMP] * 2), **TWELVE, SharedFunctionalGroupsSequence=pydicom.Sequence(frames[1:2]))
    wanted = linear(RAMP * 2.0 - 1000, 800, 900)
    assert np.abs(decode(shared, frame=1).pixels[..., 0] - wanted).max() <= 1


def test_bits_above_the_picture_are_no_part_of_it():
    overlaid = (RAMP | 0xF000).astype(np.uint16)
    assert np.array_equal(dicom.read(made(overlaid, **TWELVE)).array, RAMP)
    signed = ((RAMP.astype(np.int16) - 2048) & 0x0FFF).astype(np.uint16)
    assert np.array_equal(dicom.read(made(signed, **TWELVE, PixelRepresentation=1)).array, RAMP.astype(int) - 2048)


def test_a_window_of_no_width_is_left_aside():
    picture = decode(made(RAMP, **TWELVE, WindowCenter=100, WindowWidth=0))
    assert len(np.unique(picture.pixels)) == 256 and "window" not in " ".join(picture.notes)


def test_counts_stay_counts_when_they_are_rescaled_by_nothing_or_padded():
    plain = decode(made(RAMP, **TWELVE)).span
    assert decode(made(RAMP, **TWELVE, RescaleSlope=1, RescaleIntercept=0)).span == plain
    padded = decode(made(RAMP, **TWELVE, PixelPaddingValue=0, PixelPaddingRangeLimit=100))
    assert padded.span.kind == "u" and (padded.span.low, padded.span.high) == (101, 4095)
    assert not padded.pixels.ravel()[:101].any() and padded.pixels.ravel()[101] == 6
    eight = (RAMP // 16).astype(np.uint8)
    assert np.array_equal(decode(made(eight, RescaleSlope=1, RescaleIntercept=0)).pixels[..., 0], eight)


def test_padding_of_floating_point_pixels():
    values = np.linspace(0, 1, 4096, dtype=np.float32).reshape(64, 64)
    found = pydicom.dcmread(io.BytesIO(made(RAMP, BitsAllocated=32)))
    for name in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(found, name)
    values[5] = -9.0
    found.FloatPixelData, found.FloatPixelPaddingValue = values.tobytes(), -9.0
    out = io.BytesIO()
    found.save_as(out)
    picture = decode(out.getvalue())
    assert not picture.pixels[5].any() and (picture.span.kind, picture.span.low) == ("f", 0.0)


@pytest.mark.parametrize("colours", ["YBR_FULL", "YBR_FULL_422"])
def test_colours_are_converted(colours):
    rgb = np.zeros((8, 8, 3), np.uint8)
    rgb[...] = (200, 40, 90)
    luma = rgb @ np.array([[0.299, -0.1687, 0.5], [0.587, -0.3313, -0.4187], [0.114, 0.5, -0.0813]]) + (0, 128, 128)
    ybr = np.rint(luma).astype(np.uint8)
    pairs = np.stack([ybr[:, ::2, 0], ybr[:, 1::2, 0], ybr[:, ::2, 1], ybr[:, ::2, 2]], axis=-1)
    stored = ybr if colours == "YBR_FULL" else pairs
    data = made(stored.reshape(8, -1), SamplesPerPixel=3, PlanarConfiguration=0, PhotometricInterpretation=colours,
                Columns=8)
    picture = decode(data)
    assert np.abs(picture.pixels.astype(int) - rgb).max() <= 2 and "YCbCr converted to RGB" in picture.notes


def deflated(data):
    """The bytes of a file as Deflated Explicit VR, its data set followed by 300 MB of nothing."""
    found = pydicom.dcmread(io.BytesIO(data))
    found.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    out = io.BytesIO()
    found.save_as(out)
    whole = out.getvalue()
    start = 144 + int.from_bytes(whole[140:144], "little")
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    rest = zlib.decompress(whole[start:], -15)
    return whole[:start] + packer.compress(rest + bytes(300 * 2**20)) + packer.flush(), whole


def test_I3_a_deflated_file_that_grows_is_refused():
    bomb, honest = deflated(made(RAMP, **TWELVE))
    assert np.array_equal(dicom.read(honest).array, RAMP)
    with pytest.raises(Unreadable, match="bomb"):
        decode(bomb)


def test_I3_a_packed_frame_larger_than_the_header_says_is_refused(shared, monkeypatch):
    for name, mark in (("examples_jpeg2k.dcm", b"\xff\x4f\xff\x51"), ("SC_jpeg_no_color_transform.dcm", b"\xff\xc0")):
        data = bytearray((shared / "data" / "dicom" / name).read_bytes())
        at = data.find(mark)
        sides = slice(at + 8, at + 16) if mark[1] == 0x4F else slice(at + 5, at + 9)
        data[sides] = (60000).to_bytes((sides.stop - sides.start) // 2, "big") * 2
        with pytest.raises(Unreadable, match="more than its header says"):
            decode(bytes(data))


def test_A8_a_twelve_bit_ramp_keeps_its_levels_under_every_rule():
    data = made(RAMP, **TWELVE)
    for rule in (Depth(), Depth("full", 0.0, 4095.0), Depth.of("0..4095")):
        assert len(np.unique(decode(data, rule).pixels)) == 256
