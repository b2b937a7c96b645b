"""NIfTI volumes through nibabel: slices of numbers and nothing else. No text of a header leaves this file.

| what the header says | what is done |
| --- | --- |
| orientation (sform, qform) | slices stand as radiologists show them: front or head up, the right side on the left |
| voxel sizes | slices lie across the longest side of a voxel, if it is half as long again as the next; else axial |
| scl_slope, scl_inter | applied |
| 8-bit counts, RGB | taken as they are; other numbers go by the depth rule |
| more than one volume (time, direction) | the first |

Slices are counted from the feet, the back or the patient's left. Of a packed file (.nii.gz) no more is unpacked than
its first volume needs.
"""

import gzip
import io
import logging
import math
import zlib
from typing import NamedTuple

import numpy as np

from toolkit.pixels.values import Refused, Values

HINT = "pip install 'toolkit[nifti]'"
PLANES = ("sagittal", "coronal", "axial")  # across left-right, back-front, feet-head
THICK = 1.5                                # times the other sides
LARGEST = 2**30                            # bytes of a volume
FURTHEST = 2**26                           # bytes before it
SAFE, MAX_EXPANSION = 2**24, 200           # bytes that are unpacked in any case; beyond them, for each byte of the file
HEAD = 600                                 # bytes that hold the header


class Volume(NamedTuple):
    """The first volume of a file, and how slices are cut from it.

    shape: as stored; numbers: gives them when indexed; scaled: whether they differ from those stored; kind: the type of
    those. across: the stored axis across which slices lie; down, along: those of a slice's sides; backward: for each
    stored axis whether it runs from right to left, front to back or head to feet. plane: a name of PLANES.
    """

    shape: tuple
    numbers: object
    scaled: bool
    kind: np.dtype
    across: int
    down: int
    along: int
    backward: tuple
    plane: str
    series: bool


def is_nifti(data):
    """Whether the bytes are of a NIfTI file, packed by gzip or not."""
    return _version(head(data)) is not None


def head(data):
    """The first bytes of a file, unpacked where it is packed by gzip."""
    if data[:2] != b"\x1f\x8b":
        return data[:HEAD]
    try:
        return gzip.GzipFile(fileobj=io.BytesIO(data)).read(HEAD)
    except (OSError, EOFError, zlib.error):
        return b""


def opened(data):
    """The Volume of the bytes of a file. Raises Refused."""
    start, nibabel = head(data), _library()
    kind_of_header = getattr(nibabel, _version(start))
    try:
        found = kind_of_header(start[:kind_of_header.template_dtype.itemsize], check=False)
        shape, kind = tuple(int(side) for side in found.get_data_shape()), found.get_data_dtype()
        offset, scale, affine = int(found["vox_offset"]), found.get_slope_inter(), found.get_best_affine()
    except Exception as error:  # nibabel's text may hold what stands in the header
        raise Refused(f"a NIfTI file whose header is damaged ({type(error).__name__})") from None
    if not shape or not all(0 < side < 2**15 for side in shape) or not 300 < offset <= FURTHEST:
        raise Refused("a NIfTI file whose header is damaged (sizes)")
    if kind.kind not in "uifV" or len(shape) > 4 and max(shape[4:]) > 1:
        what = "complex numbers" if kind.kind == "c" else f"{len(shape)} dimensions"
        raise Refused(f"a NIfTI file of {what}; volumes of plain numbers, or series of them, are read")
    series, shape = max(shape[3:4], default=1) > 1, (*shape, 1, 1)[:3]
    whole = _bytes(data, offset, math.prod(shape) * kind.itemsize)
    slope, inter = (1 if scale[0] is None else scale[0]), (0 if scale[1] is None else scale[1])
    numbers = nibabel.arrayproxy.ArrayProxy(io.BytesIO(whole), (shape, kind, offset, slope, inter))
    return Volume(shape, numbers, (slope, inter) != (1, 0), kind, *_cut(nibabel, affine, shape), series)


def count(volume):
    """How many slices there are."""
    return volume.shape[volume.across]


def read(volume, number, notes, largest):
    """Values of slice `number`; largest(width, height): raises what it likes where so many pixels must not be read."""
    largest(volume.shape[volume.along], volume.shape[volume.down])
    place = [slice(None)] * 3
    place[volume.across] = count(volume) - 1 - number if volume.backward[volume.across] else number
    array = np.asarray(volume.numbers[tuple(place)])
    array = array if volume.down < volume.along else array.T
    array = array[::1 if volume.backward[volume.down] else -1, ::1 if volume.backward[volume.along] else -1]
    notes = [f"NIfTI: {volume.plane} slice", *notes]
    if volume.series:
        notes.append("NIfTI: first of several volumes")
    mode = f"NIfTI {volume.kind.name}"
    if array.dtype.names:
        array, mode = np.stack([array[name] for name in ("R", "G", "B")], axis=-1), "NIfTI RGB"
    plain = volume.kind.itemsize == 1 and volume.kind.kind == "u" and not volume.scaled or array.ndim == 3
    return Values(array, mode, tuple(notes), *((0, 255) if plain else (None, None)))


def _version(start):
    """The name of nibabel's header; None where the bytes begin no NIfTI file."""
    if start[344:348] == b"n+1\0":
        return "Nifti1Header"
    return "Nifti2Header" if start[4:12] == b"n+2\0\r\n\x1a\n" else None


def _library():
    """The module nibabel, kept from telling on the screen what it meets in headers."""
    try:
        import nibabel
    except ImportError:
        raise Refused(f"a NIfTI file; {HINT} lets it be read, or export its slices as PNG or TIFF") from None
    logging.getLogger("nibabel.global").setLevel(logging.CRITICAL + 1)
    return nibabel


def _bytes(data, offset, size):
    """The bytes of a file up to the end of its first volume, unpacked."""
    packed, whole = data[:2] == b"\x1f\x8b", offset + size
    if size > LARGEST:
        raise Refused(f"a NIfTI volume of {size / 2**20:,.0f} MB; one may have {LARGEST // 2**20:,} MB at most")
    if packed and size > SAFE and size > MAX_EXPANSION * len(data):
        raise Refused(f"a NIfTI volume of {size:,} bytes in {len(data):,}: a decompression bomb")
    try:
        found = gzip.GzipFile(fileobj=io.BytesIO(data)).read(whole) if packed else data
    except (OSError, EOFError, zlib.error):
        found = b""
    if len(found) < whole:
        raise Refused("a NIfTI file whose pixels are missing or cut short")
    return found


def _cut(nibabel, affine, shape):
    """(across, down, along, backward, plane) of a volume."""
    with np.errstate(all="ignore"):
        try:
            turned = nibabel.io_orientation(affine)
        except Exception:  # an affine that turns nothing into a place
            turned = np.full((3, 2), np.nan)
        sides = np.sqrt((np.asarray(affine, float)[:3, :3] ** 2).sum(0))
    if not np.isfinite(turned).all():
        turned, sides = np.array([[0, 1], [1, 1], [2, 1]]), np.ones(3)
    stored = [int(np.flatnonzero(turned[:, 0] == axis)[0]) for axis in range(3)]  # of left-right, back-front, feet-head
    single = [axis for axis in range(3) if shape[stored[axis]] == 1]
    lengths = sides[stored]
    longest = int(np.argmax(lengths))
    thick = np.isfinite(lengths).all() and lengths[longest] >= THICK * np.sort(lengths)[1]
    plane = single[0] if len(single) == 1 else longest if thick else 2
    along, down = (stored[axis] for axis in range(3) if axis != plane)
    return stored[plane], down, along, tuple(bool(sign < 0) for sign in turned[:, 1]), PLANES[plane]
