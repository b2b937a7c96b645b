"""JPEG 2000 whose numbers Pillow would cut to their high byte or shift: colour of more than 8 bits, signed numbers.

They are read through openjpeg, which comes with toolkit[dicom].
"""

import io
import struct

import numpy as np

from toolkit.pixels import codestreams
from toolkit.pixels.values import Refused, Values

HINT = "pip install 'toolkit[dicom]'"


def components(data):
    """(bits, whether signed) of each component of the bytes of a file; () where they are not found."""
    start = data.find(codestreams.JPEG_2000, 0, 2**20)
    if start < 0 or len(data) < start + 42:
        return ()
    number, = struct.unpack_from(">H", data, start + 40)
    return tuple((kind % 128 + 1, kind > 127) for kind in data[start + 42:start + 42 + 3 * number:3])


def misread(data):
    """Whether Pillow would read the bytes of a file with wrong numbers."""
    found = components(data)
    return any(signed for _, signed in found) or len(found) > 1 and max(bits for bits, _ in found) > 8


def read(data):
    """Values of the bytes of a file whose size was looked at before. Raises Refused."""
    bits = max(bits for bits, _ in components(data))
    try:
        from openjpeg import decode
    except ImportError:
        raise Refused(f"a JPEG 2000 of {bits} bits a value; {HINT} lets it be read, or save it as TIFF") from None
    try:
        array = np.asarray(decode(io.BytesIO(data)))
    except Exception as error:
        raise Refused(f"damaged or cut short ({type(error).__name__})") from None
    samples = array.shape[2] if array.ndim == 3 else 1
    if samples > 4:
        raise Refused(f"a JPEG 2000 of {samples} channels; 1, 3 or 4 are read: save each as a picture of its own")
    alpha = None
    if samples in (2, 4):
        alpha = (array[..., -1] >> max(0, bits - 8)).astype(np.uint8)
        array = array[..., 0] if samples == 2 else array[..., :3]
    return Values(array, f"JPEG 2000 {bits} bits x {samples}", alpha=alpha)
