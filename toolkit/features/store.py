"""What all runs share: decoded pictures and frozen features, each computed once.

The folder is --cache-dir, else $TOOLKIT_STORE, else $TOOLKIT_CACHE/store, else ~/.cache/toolkit/store. It may be
deleted at any time.

    store.lock                  held while a shard is added and room is made for it
    KIND-HASH/what.json         all that the rows depend on but the picture: weights, layers, view, precision, versions
    KIND-HASH/NAME.shard        rows of some pictures, found by the sha256 of the picture's file (see `shards`)

Runs may fill a shelf at once: each writes shards of its own, and a row that stands twice stands equal twice. What was
not used longest is deleted where the limit asks for it. A damaged shard is deleted, and what it held that is not sound
is computed anew. What does not fit, under the limit or on the disk, is kept by the run itself, in a folder that goes
with it.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import resource
import shutil
import tempfile
import time
from pathlib import Path

from toolkit.errors import ResourceError
from toolkit.features import shards
from toolkit.files import to_json, write_atomic

SHARD_BYTES = 32 << 20      # a shard is written when so much waits,
SHARD_SECONDS = 10.0        # or when the first of it has waited so long: what a killed run loses
ABANDONED = 600.0           # seconds after which an unfinished file has no writer any more
HEADER_BYTES = 200          # of a row in a shard's header, about
OPEN_FILES = 1 << 16        # shards that a run may hold open at once, where the system lets it
SHELF = re.compile("[a-z]+-[0-9a-f]{24}")


def usual_folder():
    """Where the store lies where nobody says."""
    own, cache = os.environ.get("TOOLKIT_STORE"), os.environ.get("TOOLKIT_CACHE")
    try:
        if own:
            return Path(own).expanduser()
        return Path(cache).expanduser() / "store" if cache else Path.home() / ".cache" / "toolkit" / "store"
    except RuntimeError:                 # no HOME, and a user whom the system does not know
        return Path(tempfile.gettempdir()) / f"toolkit-store-{os.getuid()}"


class Store:
    """The shared folder under its limit, and `scratch`, the run's own folder, made when needed and removed at the end.

    limit: bytes of the shared folder; 0 shares nothing. say(text): told once what could not be kept and why.
    """

    def __init__(self, folder, limit, scratch, say=print):
        self.folder, self.limit, self.scratch, self.say = Path(folder or usual_folder()), limit, Path(scratch), say
        self.told, self.shelves = set(), []
        allow_open_files()
        shutil.rmtree(self.scratch, ignore_errors=True)  # of a sitting that was killed
        self.shared = bool(limit) and self.usable()

    def usable(self):
        """Whether the shared folder is there and can be written."""
        try:
            with self.locked():
                return True
        except OSError as error:
            self.tell(f"The store {self.folder} cannot be used ({error.strerror}); this run keeps its own.")
            return False

    def shelf(self, kind, depends, shapes, dtype, rows):
        """The Shelf of what `depends`, a dict for JSON, says; `rows` is how many the run will want."""
        need = rows * (shards.row_bytes(shapes, shards.dtype_of(dtype)) + HEADER_BYTES)
        what = {"kind": kind, "depends": depends, "shapes": [list(shape) for shape in shapes], "dtype": dtype}
        text = json.dumps(what, sort_keys=True)
        name = f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
        if self.shared and need > self.limit:
            self.tell(f"{need / 1e9:.1f} GB of {kind} exceed the store's limit of {self.limit / 1e9:.1f} GB "
                      "(--cache-limit); this run keeps them itself, and the next one computes them again.")
        shelf = Shelf(self, name, what, self.shared and need <= self.limit)
        self.shelves.append(shelf)
        return shelf

    @contextlib.contextmanager
    def locked(self):
        """One process at a time; the folder is made, again where somebody deleted it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder / "store.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def room(self, unshared):
        """Bytes that a run's rows may take: the limit (0: `unshared`), or what the disk can spare if less."""
        held = sum(size for _, size, _ in self.files()) if self.shared else 0
        place = self.folder if self.shared else self.scratch.parent
        return min(self.limit or unshared, held + shutil.disk_usage(place).free * 9 // 10)

    def files(self):
        """(moment of last use, bytes, path) of all files in shelves; other files are not ours to count or delete."""
        found = []
        for path in self.folder.glob("*-*/*"):
            with contextlib.suppress(FileNotFoundError):
                if SHELF.fullmatch(path.parent.name):
                    found.append((path.stat().st_mtime, path.stat().st_size, path))
        return found

    def make_room(self, need):
        """Delete the shards that were not used longest until `need` bytes more are within the limit and on the disk."""
        files = self.files()
        total = sum(size for _, size, _ in files)
        limit = min(self.limit, total + shutil.disk_usage(self.folder).free)
        for used, size, path in sorted(files):
            abandoned = path.suffix == shards.UNFINISHED and time.time() - used > ABANDONED
            if abandoned or (path.suffix == shards.SUFFIX and total + need > limit):
                path.unlink(missing_ok=True)
                total -= size
                if not any(path.parent.glob(f"*{shards.SUFFIX}")):
                    shutil.rmtree(path.parent, ignore_errors=True)

    def tell(self, text):
        """Say a thing once."""
        if text not in self.told:
            self.told.add(text)
            self.say(f"  {text}")

    def close(self):
        """Write what still waits, and remove what only this run had."""
        for shelf in self.shelves:
            shelf.close()
        self.shelves = []
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


class Shelf:
    """Rows of one kind, by the key of a picture; see `Store.shelf`."""

    def __init__(self, store, name, what, shared):
        self.store, self.name, self.what, self.shared = store, name, what, shared
        self.dtype = shards.dtype_of(what["dtype"])
        self.shapes = [tuple(shape) for shape in what["shapes"]]
        self.length = shards.row_bytes(self.shapes, self.dtype)
        self.folder = (store.folder if shared else store.scratch) / name
        self.places = {}     # key -> (shard, row number)
        self.waiting = {}    # key -> (bytes, facts), not written yet
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
        with contextlib.suppress(OSError):
            os.utime(path)  # used now
        self.index(shard, path)

    def index(self, shard, path):
        """Know the rows of an open shard."""
        shard.path = path
        self.open.append(shard)
        for number, key in enumerate(shard.header["keys"]):
            self.places.setdefault(key, (shard, number))

    def drop(self, path, error):
        """Delete a damaged shard."""
        self.store.tell(f"A part of the store was damaged ({error}) and is computed anew.")
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)

    def rescue(self, shard):
        """Forget an open shard that is damaged; its sound rows wait to be written once more."""
        self.places = {key: place for key, place in self.places.items() if place[0] is not shard}
        for number, key in enumerate(shard.header["keys"]):
            with contextlib.suppress(shards.Damaged):
                self.waiting[key] = (shard.row(number), shard.header["facts"][number])

    def __contains__(self, key):
        return key in self.waiting or key in self.places

    def facts(self, key):
        """What was kept beside a row. Threads may ask while another puts: what waits goes once its place is known."""
        waiting = self.waiting.get(key)
        if waiting:
            return waiting[1]
        shard, number = self.places[key]
        return shard.header["facts"][number]

    def row(self, key):
        """Bytes of the row of `key`; None where there is none, or none that is sound."""
        if key in self.waiting:
            return self.waiting[key][0]
        place = self.places.get(key)
        if place is None:
            return None
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
        """Keep the rows of `arrays`, one array (n, ...) a shape; ResourceError where no disk has room for them."""
        for number, key in enumerate(keys):
            if key not in self:
                self.waiting[key] = (shards.packed(arrays, number, self.dtype), facts[number] if facts else None)
        if self.waits_since is None:
            self.waits_since = time.monotonic()
        if (len(self.waiting) * self.length >= SHARD_BYTES or time.monotonic() - self.waits_since > SHARD_SECONDS):
            self.flush()

    def flush(self):
        """Write what waits."""
        if not self.waiting:
            return
        keys, (rows, facts) = list(self.waiting), zip(*self.waiting.values())
        self.index(*self.write(keys, rows, facts))
        self.waiting, self.waits_since = {}, None

    def write(self, keys, rows, facts):
        """Write a shard to the shared folder, else to the run's own -> (shards.Shard, its path).

        It is opened before another run can delete it to make room.
        """
        whole = (keys, rows, self.shapes, self.what["dtype"], facts)
        if self.shared:
            try:
                with self.store.locked():
                    self.store.make_room(len(rows) * (self.length + HEADER_BYTES))
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


def allow_open_files():
    """Let the process open as many files as it may ask for: every shard in use is an open one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
