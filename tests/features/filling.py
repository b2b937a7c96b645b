"""Rows whose content follows from their number, for tests; `main` fills a shelf in a process of its own."""

import hashlib
import io
import sys
import time
from pathlib import Path

import numpy as np

from toolkit.features.rows import Rows


def keys(count):
    return np.array([hashlib.sha256(f"picture {number}".encode()).hexdigest() for number in range(count)], object)


class Source:
    """What computes rows; `made` are the numbers that it was asked for."""

    def __init__(self, shapes, pause=0.0):
        self.shapes, self.made, self.pause = shapes, [], pause

    def __call__(self, numbers):
        self.made += [int(number) for number in numbers]
        time.sleep(self.pause)
        return [np.stack([content(number, shape) for number in numbers]) for shape in self.shapes]


def content(number, shape):
    return np.random.default_rng([int(number), *shape]).normal(0, 5, shape).astype(np.float32)


def fill(open_one, count=20, shapes=((6,),), dtype="float32", kind="maps", depends=None, **how):
    """(Rows of `count` pictures, all filled; their Source) of a new run."""
    source = Source(shapes)
    shelf = open_one.shelf(kind, depends or {}, shapes, dtype, count)
    return Rows(shelf, keys(count), source).fill(**how), source


def same(rows, count):
    """Whether `rows` are exactly what `Source` makes."""
    fresh = Source(rows.shelf.shapes)(np.arange(count))
    return all(np.array_equal(one, other) for one, other in zip(rows.read(np.arange(count)), fresh, strict=True))


def damage(path, where, regions):
    """Spoil a shard: change one byte of a region, or its length."""
    whole = bytearray(path.read_bytes())
    if where not in regions:
        path.write_bytes({"cut by a byte": whole[:-1], "cut in half": whole[:len(whole) // 2], "empty": b"",
                          "longer": whole + b"\0"}[where])
        return
    line = whole.index(b"\n") + 1
    end = line + int(whole.split()[2])
    place = {"end of header": end - 1, "start of rows": end}.get(regions[where], regions[where])
    whole[place] ^= 0x04
    path.write_bytes(whole)


class SlowFile(io.FileIO):
    """A file that takes its time, so that a kill meets it half written."""

    def writelines(self, rows):
        for row in rows:
            time.sleep(0.002)
            self.write(row)


def main(folder, scratch, count, mode):
    """Print "ready", fill a shelf of `count` rows, and print how many were computed and the hash of all.

    mode: wait (until there is a file called go beside `scratch`) or slowly (a shard every few rows, half written long).
    """
    from toolkit.features import shards, shelves, store

    count, slow = int(count), mode == "slowly"
    if slow:
        shelves.SHARD_BYTES, shards.open = 1, SlowFile
    with store.Store(folder, 10**9, scratch, lambda text: print(text, file=sys.stderr)) as opened:
        source = Source([(40,), (3, 3, 2)], 0.001)
        rows = Rows(opened.shelf("maps", {}, source.shapes, "float32", count), keys(count), source)
        print("ready", flush=True)
        if mode == "wait":
            while not (Path(scratch).parent / "go").exists():
                time.sleep(0.001)
        rows.fill(batch=3 if slow else 8)
        found = hashlib.sha256(b"".join(part.tobytes() for part in rows.read(np.arange(count)))).hexdigest()
        print(len(source.made), found, flush=True)
