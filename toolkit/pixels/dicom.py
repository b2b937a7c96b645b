"""DICOM through pydicom: pixels, and which device took them. No name, number or date of a header leaves this file.

| what the header says | what is done |
| --- | --- |
| modality table, rescale slope and intercept | applied |
| VOI table, window centre and width (the first of several) | applied, unless the user gave a depth rule |
| MONOCHROME1 | high values are dark |
| PALETTE COLOR, YBR | converted to RGB |
| pixel padding | black, and left out where the range of values is looked for |
| several frames | one is read: the first, or the one asked for |

Compressed pixels want decoders: RLE, JPEG, JPEG-LS and JPEG 2000 come with toolkit[dicom]; lossless JPEG wants
pylibjpeg-libjpeg too, whose licence (GPL 3) is yours to accept. GDCM, which would read them all, is left aside even
where it is installed: it spreads its own symbols over the process, in which TensorFlow or OpenVINO then crash.
"""

import io
import logging
import sys
import warnings
from typing import NamedTuple

import numpy as np

from toolkit.pixels import cameras

PREFIX = slice(128, 132)  # where DICM stands
HINT = "pip install 'toolkit[dicom]'"
SCREENS = ("US", "ES", "XC", "SC", "OT", "GM")  # modalities whose pictures often have text burnt into them


class Refused(Exception):
    """A DICOM file whose pixels are not to be had; the text is the reason and names nobody."""


class Values(NamedTuple):
    """Numbers of one frame (height, width[, 3]).

    low, high: the numbers that the file itself means as black and white; None where it does not say. padding: mask of
    what is no picture, or None. negative: whether high numbers are dark. mode: how they were stored. patient: the
    patient's number, "" where there is none, not to be shown or kept. camera: as in `cameras.name`.
    """

    array: np.ndarray
    low: float | None
    high: float | None
    negative: bool
    padding: np.ndarray | None
    mode: str
    notes: tuple
    patient: str
    camera: str


def is_dicom(data):
    """Whether the bytes are of a DICOM file with its preamble."""
    return data[PREFIX] == b"DICM"


def frames(data):
    """How many pictures the bytes of a file hold. Raises Refused."""
    return max(1, int(_dataset(data, pixels=False).get("NumberOfFrames") or 1))


def read(data, frame=0, windowed=True, largest=None):
    """Values of frame `frame` of the bytes of a file. Raises Refused.

    windowed: whether the file's own window or VOI table is applied. largest(width, height): raises what it likes where
    so many pixels must not be decoded; asked before they are.
    """
    found = _dataset(data)
    for name in ("Rows", "Columns"):
        if not found.get(name):
            raise Refused(f"a DICOM file without pixels ({_kind(found)})")
    if largest:
        largest(int(found.Columns), int(found.Rows))
    several = max(1, int(found.get("NumberOfFrames") or 1))
    if not 0 <= frame < several:
        raise Refused(f"frame {frame} was wanted, and there are {several}, counted from 0")
    stored, notes = _pixels(found, frame), []
    if several > 1:
        notes.append("first of several frames or pages" if frame == 0 else f"frame {frame} of several")
    if _says(found, "BurnedInAnnotation") == "YES":
        notes.append("DICOM: text is burnt into the pixels, says the header")
    elif _says(found, "BurnedInAnnotation") != "NO" and _says(found, "Modality") in SCREENS:
        notes.append("DICOM: text may be burnt into the pixels, the header does not say")
    colours = _says(found, "PhotometricInterpretation")
    mode = f"DICOM {colours} {found.get('BitsStored', '?')} bits"
    if stored.ndim == 3 or colours == "PALETTE COLOR":
        values, low, high = _coloured(found, stored, colours, notes)
        return Values(values, low, high, False, None, mode, tuple(notes), _patient(found), _camera(found))
    values, low, high = _grey(found, stored, windowed, notes)
    if colours == "MONOCHROME1":
        notes.append("DICOM: high values are dark")
    return Values(values, low, high, colours == "MONOCHROME1", _padding(found, stored), mode, tuple(notes),
                  _patient(found), _camera(found))


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
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=not pixels)
    except Exception as error:  # whatever a damaged file makes pydicom raise; its text may hold a name
        raise Refused(f"a DICOM file whose header is damaged ({type(error).__name__})") from None


def _pixels(found, frame):
    from pydicom.pixels import pixel_array

    try:
        return pixel_array(found, index=frame)
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


def _patient(found):
    return _text(found, "PatientID")


def _camera(found):
    try:
        return cameras.name(_text(found, "Manufacturer"), _text(found, "ManufacturerModelName"))
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
    plain = stored.dtype.itemsize == 1 and values is stored  # counts of at most 8 bits need no rule
    low, high = ends or ((0, 2 ** int(found.get("BitsStored", 8)) - 1) if plain and stored.dtype.kind == "u" else
                         (None, None))
    return values, low, high


def _ends(found):
    """The numbers that the file's window or VOI table gives for black and white; None where it has none."""
    from pydicom.pixels import apply_windowing

    if found.get("VOILUTSequence"):
        return 0, 2 ** int(found.VOILUTSequence[0].LUTDescriptor[2]) - 1
    if found.get("WindowCenter") is None or found.get("WindowWidth") is None:
        return None
    with np.errstate(all="ignore"):
        low, high = apply_windowing(np.array([-1e9, 1e9]), found, index=0)
    return (float(low), float(high)) if high > low else None


def _padding(found, stored):
    """Mask of the stored numbers that are no picture; None where there are none."""
    value = found.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    ends = sorted((value, int(found.get("PixelPaddingRangeLimit", value))))
    mask = (stored >= ends[0]) & (stored <= ends[1])
    return mask if mask.any() and not mask.all() else None


def _coloured(found, stored, colours, notes):
    """(three numbers a pixel, what of them is black, what white); pydicom has made RGB of YBR."""
    from pydicom.pixels import apply_color_lut

    bits = int(found.get("BitsStored", 8))
    if colours == "PALETTE COLOR":
        stored = apply_color_lut(stored, found)[..., :3]
        bits = 8 * stored.dtype.itemsize
        if bits == 16 and not (stored & 255).any():  # 8 bits, written as the high byte
            stored, bits = (stored >> 8).astype(np.uint8), 8
        notes.append("palette applied")
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
