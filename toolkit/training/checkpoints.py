"""A training state in one file, whole or absent: last and best weights, optimizer, seeds, history, position."""

import copy
import json
import math
import time
from pathlib import Path

import numpy as np

from toolkit.errors import UntrustedError
from toolkit.files import replacing


SHARE = 0.05  # of the time, that saving may take


class Keeper:
    """Writes states to `path`, none too often, and on closing the newest of those that it left out.

    What a kill costs stays in proportion to what saving costs; an interruption costs nothing.
    """

    def __init__(self, path):
        self.path, self.newest, self.ended, self.took = path, None, -math.inf, 0.0

    def keep(self, arrays, facts):
        """A state as `save` wants it; the arrays may not be changed any more."""
        self.newest = arrays, copy.deepcopy(facts)
        if time.monotonic() - self.ended >= self.took / SHARE:
            self.close()

    def close(self):
        """Write what is not written yet."""
        if self.newest:
            began = time.monotonic()
            save(self.path, *self.newest)
            self.newest, self.ended = None, time.monotonic()
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
