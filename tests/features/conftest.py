"""Stores, and features of tiny pictures over them, with counters of what was computed."""

import hashlib
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny

from toolkit.features import executor, frozen
from toolkit.features.rows import Rows
from toolkit.features.store import Store
from toolkit.pixels import batches

PIXELS, NUMBERS = tiny.pictures(21)
KEYS = np.array([hashlib.sha256(picture.tobytes()).hexdigest() for picture in PIXELS], object)
IDENTITIES = np.array([int(key[:12], 16) for key in KEYS])


@pytest.fixture(scope="session")
def net():
    """A tiny network that no test changes."""
    model, stages = tiny.network()
    return SimpleNamespace(model=model, stages=stages)


@pytest.fixture
def open_store(tmp_path):
    """Opens a Store on tmp_path/store, as another run would; what it said is in its `said`."""
    opened = []

    def open_one(limit=10**9, folder=None, scratch=None):
        said = []
        opened.append(Store(folder or tmp_path / "store", limit, scratch or tmp_path / f"run {len(opened)}" / "scratch",
                            said.append))
        opened[-1].scratch.parent.mkdir(exist_ok=True)
        opened[-1].said = said
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def features(open_store):
    """Features as a run makes them: a context manager that gives a Frozen, whose `counted` is how many pictures each
    call of the network was for."""

    @contextmanager
    def made(model, policy="light", seed=7, rows=slice(None), workers=1, dtype="float16", pictures="crop", limit=10**9,
             which="keras", precision="float32", scratch=None, passed=(), wanted=()):
        counted, pixels = [], PIXELS[rows]

        def build(prefix):
            compute = executor.build(prefix, which, precision)
            call = SimpleNamespace(identity=compute.identity, gives_passed=compute.gives_passed)
            return counting(call, compute, counted)

        def view(number, chosen):
            return batches.augmented(pixels[chosen], policy, seed, number, IDENTITIES[rows][chosen], workers)

        with open_store(limit, scratch=scratch) as store:
            shelf = store.shelf("pictures", {"resize": pictures}, [PIXELS.shape[1:]], "uint8", len(pixels))
            found = frozen.Frozen(model, Rows(shelf, KEYS[rows], lambda numbers: [pixels[numbers]]), store, build, view,
                                  {"augment": policy, "seed": seed}, dtype, passed=passed, wanted=wanted)
            found.counted = counted
            yield found

    return made


def counting(call, compute, counted):
    """`compute` that notes how many different pictures each of its batches holds."""

    class Counting:
        identity, batch = call.identity, getattr(call, "batch", executor.BATCH)
        gives_passed = call.gives_passed

        def __call__(self, batch):
            counted.append(len(np.unique(batch, axis=0)))
            return compute(batch)

    return Counting()
