"""Shelves of the store: rows of one kind each, in shards, found by the key of a picture."""

import contextlib
import errno
import os
import shutil
import time

from toolkit.errors import ResourceError
from toolkit.features import shards
from toolkit.files import to_json, write_atomic

SHARD_BYTES = 32 << 20      # a shard is written when so much waits,
SHARD_SECONDS = 10.0        # or when the first of it has waited so long: what a killed run loses


class Shelf:
    """Rows of one kind, by the key of a picture; see `Store.shelf`."""

    def __init__(self, store, name, what, shared, need):
        self.store, self.name, self.what, self.shared, self.need = store, name, what, shared, need
        self.dtype = shards.dtype_of(what["dtype"])
        self.shapes = [tuple(shape) for shape in what["shapes"]]
        self.length = shards.row_bytes(self.shapes, self.dtype)
        self.folder = (store.folder if shared else store.scratch) / name
        self.places = {}     # key -> (shard, row number)
        self.waiting = {}    # key -> (bytes, facts), not written yet
        self.lost = {}       # key -> facts of a row that was not sound, or made room
        self.waits_since = None
        self.open = []
        if shared and self.folder.is_dir():
            for path in sorted(self.folder.glob(f"*{shards.SUFFIX}")):
                self.take_in(path)

    def take_in(self, path):
        """Index a shard that lies there; a damaged one is deleted, one that cannot be opened is as good as absent."""
        try:
            shard = shards.Shard(path)
            if shard.shapes != self.shapes or shard.dtype != self.dtype:
                shard.close()
                raise shards.Damaged("it holds other rows")
        except OSError:  # such as one that another run deleted to make room
            return
        except shards.Damaged as error:
            self.drop(path, error)
            return
        self.index(shard, path)

    def index(self, shard, path):
        """Know the rows of an open shard."""
        shard.path = path
        self.open.append(shard)
        for number, (key, facts) in enumerate(zip(shard.header["keys"], shard.header["facts"])):
            if key not in self.places or (facts is not None and told(self.places[key]) is None):
                self.places[key] = (shard, number)

    def want(self, keys):
        """Keep what there is of the rows of `keys` from being deleted to make room."""
        for key in keys:
            if place := self.places.get(key):
                self.use(place[0])

    def use(self, shard):
        """Note, on the disk too, that a row of a shard is wanted now."""
        if not shard.used:
            shard.used = True
            with contextlib.suppress(OSError):  # such as one that another run deleted to make room
                os.utime(shard.path)

    def used(self):
        """{path: bytes} of the shards in the shared folder that hold rows which are wanted."""
        return {shard.path: shard.size for shard in self.open
                if shard.used and self.store.scratch not in shard.path.parents}

    def forget(self, path):
        """Close the shard at `path`, whose rows are not wanted, before it is deleted to make room."""
        for shard in [shard for shard in self.open if shard.path == path]:
            self.lost |= {key: told(place) for key, place in self.lose(shard).items()}
            self.open.remove(shard)
            shard.close()

    def lose(self, shard):
        """Know the rows of a shard no more -> {key: place} of them."""
        lost = {key: place for key, place in self.places.items() if place[0] is shard}
        self.places = {key: place for key, place in self.places.items() if key not in lost}
        shard.used = False
        return lost

    def drop(self, path, error):
        """Delete a damaged shard."""
        self.store.tell(f"A part of the store was damaged ({error}) and is computed anew.")
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def rescue(self, shard):
        """Forget an open shard that is damaged; its sound rows wait to be written once more."""
        for key, place in self.lose(shard).items():
            try:
                self.waiting.setdefault(key, (shard.row(place[1]), told(place)))
            except shards.Damaged:
                self.lost[key] = told(place)  # the header has a checksum of its own

    def __contains__(self, key):
        return key in self.waiting or key in self.places

    def facts(self, key):
        """What was kept beside a row, None where nothing was.

        Threads may ask while another puts: what waits goes once its place is known.
        """
        waiting, place = self.waiting.get(key), self.places.get(key)
        if waiting or not place:
            return waiting[1] if waiting else None
        self.use(place[0])
        return told(place)

    def row(self, key):
        """Bytes of the row of `key`; None where there is none, or none that is sound."""
        if key in self.waiting:
            return self.waiting[key][0]
        place = self.places.get(key)
        if place is None:
            return None
        self.use(place[0])
        try:
            return place[0].row(place[1])
        except shards.Damaged as error:
            self.drop(place[0].path, error)
            self.rescue(place[0])
            return None

    def arrays(self, rows):
        """Arrays (n, ...) of the bytes of n rows."""
        return shards.unpacked(rows, self.shapes, self.dtype)

    def put(self, keys, arrays, facts=None):
        """Keep the rows of `arrays`, one array (n, ...) a shape; ResourceError where no disk has room for them.

        facts: of each row; without them, those of the row that was lost. A row that stands without any is replaced.
        """
        for number, key in enumerate(keys):
            known = facts[number] if facts else self.lost.get(key)
            if key not in self or (known is not None and self.facts(key) is None):
                self.waiting[key] = (shards.packed(arrays, number, self.dtype), known)
        if self.waits_since is None:
            self.waits_since = time.monotonic()
        if (len(self.waiting) * self.length >= SHARD_BYTES or time.monotonic() - self.waits_since > SHARD_SECONDS):
            self.flush()

    def flush(self):
        """Write what waits."""
        if not self.waiting:
            return
        keys, (rows, facts) = list(self.waiting), zip(*self.waiting.values())
        shard, path = self.write(keys, rows, facts)
        shard.used = True
        self.index(shard, path)
        self.waiting, self.waits_since = {}, None

    def write(self, keys, rows, facts):
        """Write a shard to the shared folder, else to the run's own -> (shards.Shard, its path).

        It is opened before another run can delete it to make room.
        """
        whole = (keys, rows, self.shapes, self.what["dtype"], facts)
        if self.shared:
            try:
                with self.store.locked():
                    self.store.make_room(shards.taken(self.shapes, self.what["dtype"], len(rows)))
                    return self.written(whole)
            except (OSError, ResourceError, shards.Damaged) as error:
                self.store.tell(f"The store {self.store.folder} cannot be written "
                                f"({getattr(error, 'strerror', None) or error}); this run keeps its own.")
                self.shared = False
                self.folder = self.store.scratch / self.folder.name
        try:
            return self.written(whole)
        except (OSError, shards.Damaged) as error:
            if getattr(error, "errno", None) not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise ResourceError(f"{self.folder} cannot be written: "
                                    f"{getattr(error, 'strerror', None) or error}.") from error
            free = shutil.disk_usage(self.folder.parent).free
            raise ResourceError(f"{len(rows) * self.length / 1e6:.0f} MB more are needed for {self.what['kind']} and "
                                f"{free / 1e6:.0f} MB are free in {self.folder.parent}; free some space, or lower "
                                "--cache-views or --size.") from error

    def written(self, whole):
        """Write a shard into the folder, which is made with what.json in it, and open it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / "what.json"
        if not path.exists():
            write_atomic(path, to_json(self.what))
        path = shards.write(self.folder, *whole)
        return shards.Shard(path), path

    def close(self):
        """Write what waits, where it is shared, and let the files go."""
        if self.shared:
            with contextlib.suppress(ResourceError):
                self.flush()
        for shard in self.open:
            shard.close()
        self.open, self.places, self.waiting = [], {}, {}


def claimed(shelves, more=None):
    """Bytes of the shared folder that the rows wanted take, with what lies in one file with them, or will take.

    more: {name: bytes} of a shelf that is to be opened. Shelves of one name look into the same files.
    """
    need, used = dict(more or {}), {}
    for shelf in shelves:
        need[shelf.name] = need.get(shelf.name, 0) + (shelf.need if shelf.shared else 0)
        used.setdefault(shelf.name, {}).update(shelf.used())
    return sum(max(wanted, sum(used.get(name, {}).values())) for name, wanted in need.items())


def told(place):
    """Facts of the row at (shard, number)."""
    return place[0].header["facts"][place[1]]
