"""Bytes -> arrays -> batches: every file is read and decoded once, batches are made ahead while one is used."""

import hashlib
import os
import tempfile
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from toolkit.errors import OptionError, ResourceError
from toolkit.pixels import decode, resize

ON_DISK = 2**30  # bytes from which the prepared pictures live in a temporary file
FACTS = ("sha256", "fingerprint", "width", "height", "mode", "note", "error")


class Prepared(NamedTuple):
    """`pixels`: uint8 (n, size, size, channels), zeros where unreadable. `facts`: a DataFrame of FACTS, row by row.

    `fingerprint` is a hash of the decoded pixels: equal where two files show the same picture in other bytes.
    `error` is "" or why the file cannot be read.
    """

    pixels: np.ndarray
    facts: object

    def keep(self, mask):
        """Only the rows where `mask` is true, moved together in place: nothing large is copied. Use it once."""
        mask = np.asarray(mask, bool)
        rows = np.flatnonzero(mask)
        for target, row in enumerate(rows):
            if target != row:
                self.pixels[target] = self.pixels[row]
        return Prepared(self.pixels[:len(rows)], self.facts[mask].reset_index(drop=True))


def prepare(samples, size, channels, rule, workers=None, progress=None, folder=None):
    """Read, decode and resize every picture of `samples` (`len`, and `read(i)` -> bytes or array).

    `progress(done, of)` is called after each. `folder` holds the temporary file that more than 1 GiB of pixels need;
    it vanishes with the array, or the process. Unreadable pictures are rows with an error, never an exception.
    Raises ResourceError where memory or disk do not suffice, OptionError for a wrong rule, size or channels.
    """
    import pandas

    if rule not in resize.RULES or channels not in (1, 3) or size < 1:
        raise OptionError(f"a picture cannot be made {size} pixels with {channels} channels by rule {rule!r}; allowed:"
                          f" 1 pixel or more, 1 or 3 channels, rule {', '.join(resize.RULES)}.")
    pixels = _room(len(samples), size, channels, folder)

    def one(index):
        return _one(samples, index, pixels, size, channels, rule)

    facts = []
    with _pool(workers) as pool:
        for fact in pool.map(one, range(len(samples))):
            facts.append(fact)
            if progress:
                progress(len(facts), len(samples))
    return Prepared(pixels, pandas.DataFrame(facts, columns=list(FACTS)))


def augmented(pixels, policy, seed, view, indices, workers=None):
    """Rows `indices` of `pixels` (n, size, size, channels), augmented -> uint8 (len(indices), size, size, channels).

    A function of its arguments only: the number of workers changes nothing.
    """
    from toolkit.pixels import augment  # albumentations takes a second to import; prediction does without

    indices = np.asarray(indices, int)
    out = np.empty((len(indices), *pixels.shape[1:]), np.uint8)

    def one(place):
        out[place] = augment.augment(policy, pixels[indices[place]], seed, view, int(indices[place]))

    with _pool(workers) as pool:
        deque(pool.map(one, range(len(indices))), maxlen=0)
    return out


def batches(pixels, order, policy, seed, view, workers=None, batch_size=32, ahead=2):
    """Yield (indices, uint8 batch) over `order`; `ahead` batches beyond the workers' own are made while one is used.

    The last batch may be smaller. Closing the generator stops the workers.
    """
    from toolkit.pixels import augment

    order = np.asarray(order, int)
    parts = deque(order[start:start + batch_size] for start in range(0, len(order), batch_size))
    waiting = deque()

    def whole(indices):
        return np.stack([augment.augment(policy, pixels[i], seed, view, int(i)) for i in indices])

    count = workers or os.cpu_count() or 1
    with _pool(count) as pool:
        while parts or waiting:
            while parts and len(waiting) < count + ahead:
                part = parts.popleft()
                waiting.append((part, pool.submit(whole, part)))
            part, result = waiting.popleft()
            yield part, result.result()


@contextmanager
def _pool(workers):
    """Threads (Pillow and OpenCV release the lock); an interruption drops what has not begun."""
    pool = ThreadPoolExecutor(max_workers=max(1, workers or os.cpu_count() or 1))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _room(count, size, channels, folder):
    shape = (count, size, size, channels)
    need = int(np.prod(shape, dtype=np.int64))
    if need <= ON_DISK:
        return np.zeros(shape, np.uint8)
    place = folder or tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder) as file:  # without a name: gone with the last reference to it
            os.posix_fallocate(file.fileno(), 0, need)  # a full disk is an error here, a crash at the first write
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except OSError as error:
        raise ResourceError(f"{need / 2**30:.1f} GB for the prepared pictures could not be had in {place}"
                            f" ({error.strerror}); free space, set TMPDIR to a larger disk, or take a smaller --size."
                            ) from None


def _one(samples, index, pixels, size, channels, rule):
    """Fill row `index` of `pixels` and return its facts."""
    sha256, fingerprint, width, height, mode, note, error = "", "", 0, 0, "", "", ""
    try:
        source = samples.read(index)
        sha256 = hashlib.sha256(source if isinstance(source, bytes) else _array_bytes(source)).hexdigest()
        picture = decode.decode(source)
        height, width = picture.pixels.shape[:2]
        mode, note = picture.mode, "; ".join(picture.notes)
        fingerprint = hashlib.blake2b(_array_bytes(picture.pixels), digest_size=16).hexdigest()
        pixels[index] = resize.fit(picture.pixels, size, channels, rule)
    except decode.Unreadable as reason:
        error = str(reason)
    except OSError as reason:
        error = f"cannot be read ({reason.strerror or reason})"
    return sha256, fingerprint, width, height, mode, note, error


def _array_bytes(array):
    """Shape, type and values: arrays of other shapes never hash alike."""
    return f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes()
