"""A training state in one file, whole or absent: last and best weights, optimizer, seeds, history, position."""

import json
import math
import time
from pathlib import Path

import numpy as np

from toolkit.errors import UntrustedError
from toolkit.files import replacing


SHARE = 0.05  # of the time, that saving may take


class Pace:
    """When the next checkpoint is due: what a kill may cost stays in proportion to what saving costs."""

    def __init__(self):
        self.ended, self.took = -math.inf, 0.0

    def due(self):
        return time.monotonic() - self.ended >= self.took / SHARE

    def save(self, path, arrays, facts):
        """`save`, and a note of how long it took."""
        began = time.monotonic()
        save(path, arrays, facts)
        self.ended = time.monotonic()
        self.took = self.ended - began


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
