"""Files of weights, read as arrays by name; nothing that a file holds is ever executed.

.safetensors            float16 and bfloat16 are widened to float32
.npz                    arrays only, no pickled objects; sizes are checked before memory is taken
.h5, .hdf5              weights of Keras, keras.applications and keras-hub (`hdf5`), checked before any data is opened
.pth, .pt, .bin         torch's weights-only reader, where torch is installed

All else is refused: a pickle or a whole `.keras` model may carry code, a folder a foreign loader.
"""

import math
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from toolkit.errors import DataError, UntrustedError

LARGEST = 2 * 2**30      # bytes of all tensors of one file; wide_resnet101_2 has 0.5 GiB
EXPANSION = 100          # times its size that a compressed file may unpack to
MOST = 20_000            # tensors in a file
HINT = "Give the weights as .safetensors (safetensors.torch.save_file(model.state_dict(), FILE))."


class Tensors(NamedTuple):
    """arrays: {name in the file: float32 array, or integers for counters}; facts: what the file says of itself."""

    arrays: dict
    facts: dict


def read(path):
    """Tensors of the file `path`; UntrustedError where it is damaged, hides code or is of no known kind."""
    path = Path(path)
    if path.is_dir():
        raise UntrustedError(f"Weights {path} are a folder; they are read from one file: {', '.join(READERS)}.")
    if not path.is_file():
        raise DataError(f"Weights {path} are not a file; see that the path is right.")
    suffix = path.suffix.lower()
    if suffix not in READERS:
        raise UntrustedError(f"Weights {path} end in {suffix or 'no suffix'}; read are {', '.join(READERS)}. "
                             + REFUSED.get(suffix, ""))
    try:
        arrays, facts = READERS[suffix](path)
        for name, array in arrays.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise UntrustedError(f"{name} holds numbers that are not finite.")
    except UntrustedError as error:
        raise UntrustedError(f"Weights {path}: {error}") from error
    except MemoryError:
        raise
    except Exception as error:  # each format's library has its own errors for a damaged file
        raise UntrustedError(f"Weights {path} cannot be read as {suffix}: {reason(error)}. The file is damaged or of "
                             f"another kind.") from error
    return Tensors(arrays, facts)


def reason(error):
    """An error's first line, cut to a length that a sentence bears."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def widened(array, name):
    """`array` as float32 or, for a counter, as integers; anything else is no weight."""
    array = np.asarray(array)
    if array.dtype.kind in "iu":
        return array
    if array.dtype.kind == "f" or array.dtype.name == "bfloat16":
        return array.astype(np.float32, copy=False)
    raise UntrustedError(f"Tensor {name} is of type {array.dtype}; weights are floating-point numbers.")


def bounded(total, count, most=LARGEST):
    """Refuse `total` bytes in `count` tensors where that is more than a file of weights holds."""
    if total > most or count > MOST:
        raise UntrustedError(f"{count:,} tensors of {total:,} bytes are declared; at most {MOST:,} and {most:,} are "
                             f"read.")


def read_safetensors(path):
    import ml_dtypes  # noqa: F401  makes bfloat16 known to NumPy
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:  # checks that the tensors fill the file exactly
        names = list(file.keys())
        bounded(path.stat().st_size, len(names))
        return {name: widened(file.get_tensor(name), name) for name in names}, dict(file.metadata() or {})


def read_npz(path):
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        most = min(LARGEST, EXPANSION * path.stat().st_size)
        bounded(sum(member.file_size for member in members), len(members), most)
        if len({member.filename for member in members}) != len(members):
            raise UntrustedError("two arrays bear one name.")
        return {m.filename.removesuffix(".npy"): widened(read_npy(archive, m), m.filename) for m in members}, {}


def read_npy(archive, member):
    """One array of a .npz; its header must fit its size before memory is taken for it."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, fortran, dtype = header(file)
        need = math.prod(shape) * dtype.itemsize
        if dtype.hasobject or dtype.kind not in "fiu":
            raise UntrustedError(f"{member.filename} holds {dtype}; only arrays of numbers are read, no objects.")
        if file.tell() + need != member.file_size:
            raise UntrustedError(f"{member.filename} declares {shape} but holds {member.file_size:,} bytes.")
        data = file.read(need)
    if len(data) != need:
        raise UntrustedError(f"{member.filename} is cut short.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def read_torch(path):
    try:
        import torch
    except ImportError:
        raise UntrustedError(f"this is a pickle, which only torch's weights-only reader opens without executing it; "
                             f"torch is not installed. {HINT}") from None
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=False)
    except Exception as error:           # its text advises to read the file with code; ours does not
        raise UntrustedError(f"torch's weights-only reader refused it: it holds more than tensors, or is damaged. "
                             f"{HINT}") from error
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in state.values()):
        raise UntrustedError(f"it is no state dict of tensors. {HINT}")
    bounded(sum(t.numel() * 4 for t in state.values()), len(state))
    return {str(name): widened((t.float() if t.is_floating_point() else t).numpy(), name)
            for name, t in state.items()}, {}


def read_hdf5(path):
    from toolkit.backbones import hdf5

    return hdf5.read(path), {}


READERS = {".safetensors": read_safetensors, ".npz": read_npz, ".h5": read_hdf5, ".hdf5": read_hdf5,
           ".pth": read_torch, ".pt": read_torch, ".bin": read_torch}
REFUSED = {
    ".keras": "A whole model may carry code; open it yourself where you trust it, and save its weights alone: "
              "model.save_weights('FILE.weights.h5').",
    ".pkl": "A pickle runs code as it is read. " + HINT,
    ".pickle": "A pickle runs code as it is read. " + HINT,
    ".joblib": "A pickle runs code as it is read. " + HINT,
}


def save(path, arrays, facts):
    """Write `arrays` as .safetensors with `facts` (texts) as its metadata, through a temporary name."""
    from safetensors.numpy import save as to_bytes

    from toolkit.files import write_atomic

    write_atomic(path, to_bytes(arrays, {key: str(value) for key, value in facts.items()}))
