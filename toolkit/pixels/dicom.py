"""DICOM through pydicom: pixels and nothing else. No name, number or date of a header leaves this file.

| what the header says | what is done |
| --- | --- |
| modality table, rescale slope and intercept | applied; those of the frame, where each has its own |
| VOI table, window centre and width (the first of several) | applied, unless the user gave a depth rule |
| MONOCHROME1 | high values are dark |
| PALETTE COLOR, YBR | converted to RGB |
| pixel padding | black, and left out where the range of values is looked for |
| several frames | one is read, by the rule of `frames` |

Compressed pixels want decoders: RLE, JPEG, JPEG-LS and JPEG 2000 come with toolkit[dicom]; lossless JPEG wants
pylibjpeg-libjpeg too, whose licence (GPL 3) is yours to accept. GDCM, which would read them all, is left aside even
where it is installed: it spreads its own symbols over the process, in which TensorFlow or OpenVINO then crash.
"""

import hashlib
import io
import logging
import math
import sys
import warnings
import zlib

import numpy as np

from toolkit.pixels import cameras, codestreams, frames
from toolkit.pixels.values import Refused, Values

PREFIX = slice(128, 132)  # where DICM stands
HINT = "pip install 'toolkit[dicom]'"
OF_FRAME = ("RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter", "WindowWidth", "VOILUTFunction")
SAFE, MAX_EXPANSION, CHUNK = 2**26, 200, 2**24  # bytes unpacked: in any case, for each of the file, at a time
SCREENS = ("US", "ES", "XC", "SC", "OT", "GM")  # modalities whose pictures often have text burnt into them


def is_dicom(data):
    """Whether the bytes are of a DICOM file with its preamble."""
    return data[PREFIX] == b"DICM"


def count(data):
    """How many pictures the bytes of a file hold. Raises Refused."""
    return _several(_dataset(data, pixels=False))


def read(data, frame=frames.RULES[0], windowed=True, largest=None):
    """Values of frame `frame`, by a rule of `frames` or as int, of the bytes of a file. Raises Refused.

    windowed: whether the file's own window or VOI table is applied. largest(width, height): raises what it likes where
    so many pixels must not be decoded; asked before they are.
    """
    found = _dataset(data)
    for name in ("Rows", "Columns"):
        if not found.get(name):
            raise Refused(f"a DICOM file without pixels ({_kind(found)})")
    if largest:
        largest(int(found.Columns), int(found.Rows))
    several = _several(found)
    number, note = frames.pick(frame, several > 1, lambda: several)
    stored, notes = _pixels(found, number), [note] if note else []
    found = _of_frame(found, number)
    if _says(found, "BurnedInAnnotation") == "YES":
        notes.append("DICOM: text is burnt into the pixels, says the header")
    elif _says(found, "BurnedInAnnotation") != "NO" and _says(found, "Modality") in SCREENS:
        notes.append("DICOM: text may be burnt into the pixels, the header does not say")
    colours = _says(found, "PhotometricInterpretation")
    facts = {"mode": f"DICOM {colours} {found.get('BitsStored') or 8 * stored.dtype.itemsize} bits",
             "patient": _text(found, "PatientID"), "camera": _camera(found)}
    if stored.ndim == 3 or colours == "PALETTE COLOR":
        values, low, high = _coloured(found, stored, colours, notes)
        return Values(values, notes=tuple(notes), low=low, high=high, **facts)
    values, low, high = _grey(found, stored, windowed, notes)
    if colours == "MONOCHROME1":
        notes.append("DICOM: high values are dark")
    return Values(values, notes=tuple(notes), low=low, high=high, negative=colours == "MONOCHROME1",
                  padding=_padding(found, stored), **facts)


def _several(found):
    try:
        return max(1, int(found.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        return 1


def _of_frame(found, number):
    """The header with what its functional groups (PS3.3 C.7.6.16) say of a frame's values and window."""
    groups = [*(found.get("SharedFunctionalGroupsSequence") or ())[:1],
              *(found.get("PerFrameFunctionalGroupsSequence") or ())[number:number + 1]]
    for group in groups:
        for sequence in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
            for item in (group.get(sequence) or ())[:1]:
                for element in item:
                    if element.keyword in OF_FRAME:
                        found[element.tag] = element
    return found


def _library():
    """The module pydicom, kept from GDCM and from telling on the screen what it meets in headers or cannot decode."""
    sys.modules.setdefault("gdcm", None)
    try:
        import pydicom
    except ImportError:
        raise Refused(f"a DICOM file; {HINT} lets it be read, or export it as PNG or TIFF") from None
    if logging.getLogger("pydicom").level <= logging.CRITICAL:
        logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
        warnings.filterwarnings("ignore", module="pydicom")
    return pydicom


def _dataset(data, pixels=True):
    pydicom = _library()
    try:
        _refuse_bomb(pydicom, data)
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels)
    except Refused:
        raise
    except Exception as error:  # whatever a damaged file makes pydicom raise; its text may hold a name
        raise Refused(f"a DICOM file whose header is damaged ({type(error).__name__})") from None


def _refuse_bomb(pydicom, data):
    """Refuse a deflated file that grows beyond what a picture needs, which pydicom would unpack whole."""
    file = io.BytesIO(data)
    file.seek(PREFIX.stop)
    meta = pydicom.filereader.read_dataset(file, False, True, stop_when=lambda tag, kind, length: tag >> 16 != 2)
    if meta.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return
    unpacked, left, most = zlib.decompressobj(-zlib.MAX_WBITS), file.read(), max(SAFE, MAX_EXPANSION * len(data))
    while left and not unpacked.eof:
        most -= len(unpacked.decompress(left, CHUNK))
        left = unpacked.unconsumed_tail
        if most < 0:
            raise Refused(f"a DICOM file of {len(data):,} bytes that unpacks to far more: a decompression bomb")


def _refuse_larger(found, frame):
    """Refuse a packed frame whose own header wants more pixels than the file's: decoders would make room for them."""
    from pydicom.encaps import get_frame

    if found.file_meta.TransferSyntaxUID.is_encapsulated:
        packed = get_frame(found.PixelData, frame, number_of_frames=_several(found))
        if math.prod(codestreams.sides(packed)) > 2 * int(found.Rows) * int(found.Columns):
            raise Refused("a DICOM file whose pixels are more than its header says: a decompression bomb")


def _pixels(found, frame):
    from pydicom.pixels import pixel_array

    try:
        _refuse_larger(found, frame)
        return pixel_array(found, index=frame)
    except Refused:
        raise
    except Exception as error:
        text = str(error)
        syntax = getattr(getattr(found, "file_meta", None), "get", lambda *_: None)("TransferSyntaxUID")
        name = getattr(syntax, "name", "").partition(",")[0].partition(" (")[0]
        if syntax is None:
            reason = "its header does not say how the pixels are written"
        elif "missing dependencies" in text or "no available" in text or "required dependencies" in text:
            more = " pylibjpeg-libjpeg" if name == "JPEG Lossless" else ""
            reason = f"{name} wants a decoder that is not installed; {HINT}{more}"
        elif "less than expected" in text or "no pixel data" in text.lower():
            reason = "its pixels are missing or cut short"
        else:
            reason = f"its pixels ({name}) cannot be decoded"
        raise Refused(f"a DICOM file, but {reason}") from None


def _camera(found):
    """A word for the device that tells it from others and does not name it."""
    try:
        name = cameras.name(_text(found, "Manufacturer"), _text(found, "ManufacturerModelName"))
        return f"DICOM device {hashlib.blake2b(name.encode(), digest_size=3).hexdigest()}" if name else ""
    except Exception:  # a damaged header; the pixels are whole
        return ""


def _grey(found, stored, windowed, notes):
    """(one number a pixel, what of them is black, what white): modality table first, then the window."""
    from pydicom.pixels import apply_modality_lut, apply_voi_lut

    values = apply_modality_lut(stored, found)
    ends = _ends(found) if windowed else None
    if ends:
        values = apply_voi_lut(values, found, index=0)
        notes.append("DICOM: the file's own window applied")
    elif values.dtype.kind == "f" and stored.dtype.kind != "f" and (np.rint(values) == values).all():
        values = values.astype(np.int64)  # rescaled by whole numbers: counts stay counts for the depth rule
    plain = stored.dtype.itemsize == 1 and np.array_equal(values, stored)  # counts of at most 8 bits need no rule
    low, high = ends or ((0, 2 ** int(found.get("BitsStored", 8)) - 1) if plain and stored.dtype.kind == "u" else
                         (None, None))
    return values, low, high


def _ends(found):
    """The numbers that the file's window or VOI table gives for black and white; None where it has none that can be."""
    from pydicom.pixels import apply_windowing

    try:
        if found.get("VOILUTSequence"):
            return 0, 2 ** int(found.VOILUTSequence[0].LUTDescriptor[2]) - 1
        if found.get("WindowCenter") is None or found.get("WindowWidth") is None:
            return None
        with np.errstate(all="ignore"):
            low, high = apply_windowing(np.array([-1e9, 1e9]), found, index=0)
    except (ValueError, TypeError, IndexError, AttributeError):  # such as a width of 0
        return None
    return (float(low), float(high)) if high > low else None


def _padding(found, stored):
    """Mask of the stored numbers that are no picture; None where there are none."""
    for name in ("PixelPadding", "FloatPixelPadding", "DoubleFloatPixelPadding"):
        value = found.get(f"{name}Value")
        if isinstance(value, (int, float)):
            ends = sorted((value, type(value)(found.get(f"{name}RangeLimit") or value)))
            mask = (stored >= ends[0]) & (stored <= ends[1])
            return mask if mask.any() and not mask.all() else None
    return None


def _coloured(found, stored, colours, notes):
    """(three numbers a pixel, what of them is black, what white); pydicom has made RGB of YBR."""
    from pydicom.pixels import apply_color_lut

    bits = int(found.get("BitsStored", 8))
    if colours == "PALETTE COLOR":
        stored = apply_color_lut(stored, found)[..., :3]
        notes.append("palette applied")
        high_bytes = stored.dtype.itemsize == 2 and not (stored & 255).any()  # 8 bits, written as the high byte
        return stored, 0, 0xFF00 if high_bytes else 2 ** (8 * stored.dtype.itemsize) - 1
    elif colours.startswith("YBR"):
        notes.append("YCbCr converted to RGB")
    return stored, 0, 2 ** bits - 1


def _says(found, name):
    return _text(found, name).upper()


def _text(found, name):
    return str(found.get(name) or "").strip()


def _kind(found):
    """Modality, a code of a few letters, where it is one."""
    code = _says(found, "Modality")
    return code if code.isalnum() and len(code) <= 16 else "unknown kind"
