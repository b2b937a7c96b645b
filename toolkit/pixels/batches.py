"""Bytes -> arrays -> batches: every file is read once a run, and decoded once for all runs that share a shelf."""

import hashlib
import os
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from toolkit.errors import DataError, OptionError
from toolkit.pixels import decode, frames, resize, sources
from toolkit.pixels.depth import Depth

# facts of a picture that need it decoded
KEPT = ("fingerprint", "width", "height", "mode", "note", "span", "patient", "bytes", "camera")
FACTS = ("sha256", *KEPT, "error")
NUMBERS = ("width", "height", "bytes")
AHEAD = 16  # pictures that wait to be kept, at most


def prepare(samples, size, channels, rule, workers=None, progress=None, shelf=None, depth=Depth(),
            hidden=lambda number: "", frame="auto"):
    """FACTS of every picture of `samples` (`len`, and `read(i)` -> bytes or array), a DataFrame row by row.

    `fingerprint` is a hash of the decoded pixels: equal where two files show the same picture in other bytes. `span`
    is the text of the depth.Span of numbers beyond 8 bits, else "". `patient` is hidden(a DICOM header's number of the
    patient), the same text for the same number. `bytes` is the size of the file, 0 where an array came; `camera` the
    maker and model of the device, or "". `error` is "" or why the file cannot be read: unreadable pictures are rows
    with an error, never an exception. shelf: keeps the pixels, uint8 (size, size, channels), and KEPT by sha256 (`in`,
    facts(key), put(keys, arrays, facts), flush()); what it has is not decoded again. frame: as in `decode.decode`.
    progress(done, of) is called after each. Raises OptionError for a wrong rule, size or channels.
    """
    import pandas

    if rule not in resize.RULES or channels not in (1, 3) or size < 1:
        raise OptionError(f"a picture cannot be made {size} pixels with {channels} channels by rule {rule!r}; allowed:"
                          f" 1 pixel or more, 1 or 3 channels, rule {', '.join(resize.RULES)}.")

    def one(index):
        return _one(samples, index, shelf, size, channels, rule, depth, hidden, frame)

    rows = []
    for facts, pixels in _in_order(one, len(samples), workers):
        if shelf is not None and pixels is not None:
            shelf.put([facts["sha256"]], [pixels[None]], [[facts[name] for name in KEPT]])
        rows.append([facts.get(name, 0 if name in NUMBERS else "") for name in FACTS])
        if progress:
            progress(len(rows), len(samples))
    if shelf is not None:
        shelf.flush()
    sources.forget()
    return pandas.DataFrame(rows, columns=list(FACTS))


def decoded(samples, names, indices, keys, size, channels, rule, workers=None, depth=Depth(), frame="auto"):
    """Pixels uint8 (n, size, size, channels) of the pictures `indices`, read once more.

    names: of all pictures; keys: sha256 of these. DataError where a file is not what it was.
    """
    pixels = []
    for index, (facts, picture) in zip(indices, _in_order(
            lambda place: _one(samples, indices[place], None, size, channels, rule, depth, frame=frame), len(indices),
            workers)):
        if facts["error"] or facts["sha256"] != keys[len(pixels)]:
            raise DataError(f"{names[index]} was changed while the run was reading it; leave the pictures as "
                            "they are and run again.")
        pixels.append(picture)
    return np.stack(pixels)


def augmented(pictures, policy, seed, view, identities, workers=None):
    """`pictures`, uint8 (n, size, size, channels), augmented -> the same shape.

    identities: int (n,), which picture each is, whatever else stands beside it. A function of its arguments only: the
    number of workers changes nothing.
    """
    from toolkit.pixels import augment  # albumentations takes a second to import; prediction does without

    out = np.empty_like(pictures)

    def one(place):
        out[place] = augment.augment(policy, pictures[place], seed, view, int(identities[place]))

    with _pool(workers) as pool:
        deque(pool.map(one, range(len(pictures))), maxlen=0)
    return out


@contextmanager
def _pool(workers):
    """Threads (Pillow and OpenCV release the lock); an interruption drops what has not begun."""
    pool = ThreadPoolExecutor(max_workers=max(1, workers or os.cpu_count() or 1))
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(one, count, workers):
    """Results of one(0), one(1) ..., made by threads a few pictures ahead."""
    with _pool(workers) as pool:
        waiting = deque()
        for index in range(count):
            waiting.append(pool.submit(one, index))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _one(samples, index, shelf, size, channels, rule, depth, hidden=lambda number: "", frame="auto"):
    """(facts of a picture, its pixels; None where it is unreadable or the shelf has them)."""
    sha256 = ""
    try:
        source = samples.read(index)
        sha256 = digest(source)
        known = shelf.facts(sha256) if shelf is not None and sha256 in shelf else None
        if known is not None:  # a picture without its facts is decoded once more
            return {"sha256": sha256, "error": "", **dict(zip(KEPT, known))}, None
        picture = decode.decode(source, depth, frame)
        height, width = picture.pixels.shape[:2]
        facts = {"fingerprint": hashlib.blake2b(_array_bytes(picture.pixels), digest_size=16).hexdigest(),
                 "width": width, "height": height, "mode": picture.mode, "note": "; ".join(picture.notes),
                 "span": picture.span.text() if picture.span else "", "patient": hidden(picture.patient),
                 "bytes": size_of(source), "camera": picture.camera}
        return {"sha256": sha256, "error": "", **facts}, resize.fit(picture.pixels, size, channels, rule)
    except decode.Unreadable as reason:
        error = str(reason)
    except OSError as reason:
        error = f"cannot be read ({reason.strerror or reason})"
    return {"sha256": sha256, "error": error}, None


def digest(source):
    """The sha256 of a picture, by its bytes or its array; of a frame, by its file's and its number."""
    if isinstance(source, frames.Frame):
        return source.file.digest(source.number)
    return hashlib.sha256(source if isinstance(source, bytes) else _array_bytes(source)).hexdigest()


def size_of(source):
    """Bytes of the file of a picture; 0 of an array."""
    return len(source.file.data if isinstance(source, frames.Frame) else source) if not isinstance(
        source, np.ndarray) else 0


def _array_bytes(array):
    """Shape, type and values: arrays of other shapes never hash alike."""
    return f"{array.shape}{array.dtype}".encode() + np.ascontiguousarray(array).tobytes()
