"""A training state in one file, whole or absent: last and best weights, optimizer, seeds, history, position."""

import json
from pathlib import Path

import numpy as np

from toolkit.errors import UntrustedError
from toolkit.files import replacing


def save(path, arrays, facts):
    """Write {name: array} and JSON facts to `path`, an .npz."""
    with replacing(Path(path), sum(array.nbytes for array in arrays.values())) as file:
        np.savez(file, facts=np.frombuffer(json.dumps(facts).encode(), np.uint8), **arrays)


def load(path):
    """({name: array}, facts) of a checkpoint."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return arrays, json.loads(arrays.pop("facts").tobytes())
    except Exception as error:  # a damaged archive fails in as many ways as zip, numpy and JSON know
        raise UntrustedError(f"{Path(path).name} is damaged ({type(error).__name__}); start a new run.") from None
