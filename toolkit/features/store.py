"""What all runs share: decoded pictures and frozen features, each computed once.

The folder is --cache-dir, else $TOOLKIT_STORE, else $TOOLKIT_CACHE/store, else ~/.cache/toolkit/store. It may be
deleted at any time.

    store.lock                  held while a shard is added and room is made for it
    KIND-HASH/what.json         all that the rows depend on but the picture: weights, layers, view, precision, versions
    KIND-HASH/NAME.shard        rows of some pictures, found by the sha256 of the picture's file (see `shards`)
    unpacked/HASH/              what an archive holds (see data.archive), deleted as one, where no run uses it

Runs may fill a shelf at once: each writes shards of its own, and a row that stands twice stands equal twice. What was
not used longest is deleted where the limit asks for it, but nothing that the run itself uses: it would only be computed
once more, and its disk would not be free before the run lets it go. A damaged shard is deleted, and what it held that
is not sound is computed anew. What does not fit, under the limit or on the disk, is kept by the run itself, in a folder
that goes with it.
"""

import contextlib
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
from toolkit.features.shelves import Shelf, claimed
from toolkit.files import KEPT, bytes_below, remove_unused

ABANDONED = 600.0           # seconds after which an unfinished file has no writer any more
OPEN_FILES = 1 << 16        # shards that a run may hold open at once, where the system lets it
SHELF, ARCHIVE = re.compile("[a-z]+-[0-9a-f]{24}"), re.compile("[0-9a-f]{24}")


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
        self.told, self.shelves, self.sizes = set(), [], {}
        allow_open_files()
        shutil.rmtree(self.scratch, ignore_errors=True)  # of a sitting that was killed
        self.shared = bool(limit) and self.usable()

    def usable(self):
        """Whether the shared folder is there and can be written."""
        try:
            with self.locked(), contextlib.suppress(ResourceError):  # archives were unpacked, or the limit is lower now
                self.make_room(0)
            return True
        except OSError as error:
            self.tell(f"The store {self.folder} cannot be used ({error.strerror}); this run keeps its own.")
            return False

    def shelf(self, kind, depends, shapes, dtype, rows):
        """The Shelf of what `depends`, a dict for JSON, says; `rows` is how many the run will want."""
        need = shards.taken(shapes, dtype, rows)
        what = {"kind": kind, "depends": depends, "shapes": [list(shape) for shape in shapes], "dtype": dtype}
        text = json.dumps(what, sort_keys=True)
        name = f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"
        fits = self.claimed({name: need}) <= self.limit
        if self.shared and not fits:
            self.tell(f"{need / 1e9:.3g} GB of {kind} exceed what is left to this run of the store's limit of "
                      f"{self.limit / 1e9:.3g} GB (--cache-limit); it keeps them itself, and the next one computes "
                      "them again.")
        shelf = Shelf(self, name, what, self.shared and fits, need)
        self.shelves.append(shelf)
        return shelf

    def claimed(self, more=None):
        """Bytes of the shared folder that this run's archives take, and its shelves, or will take.

        more: as in shelves.claimed.
        """
        return claimed(self.shelves, more) + sum(map(self.size, self.archives() & KEPT.keys()))

    def archives(self):
        """Folders of unpacked archives."""
        return {path for path in self.folder.glob("unpacked/*") if ARCHIVE.fullmatch(path.name)}

    def size(self, archive):
        """Bytes of an unpacked archive: looked at once, since its name stands for what it holds."""
        if archive not in self.sizes:
            self.sizes[archive] = bytes_below(archive)
        return self.sizes[archive]

    def let_go(self, shelf):
        """Need a shelf no more: what it shares may make room for other rows, what was only the run's is deleted."""
        own = [shard.path for shard in shelf.open if self.scratch in shard.path.parents]
        shelf.close()
        self.shelves.remove(shelf)
        for path in own:
            path.unlink(missing_ok=True)

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
        """Bytes that further rows of a run may take: what those it has leave of the limit (0: `unshared`), or what the
        disk can spare if less."""
        if not self.shared:
            return min(self.limit or unshared, shutil.disk_usage(self.scratch.parent).free * 9 // 10)
        used = self.used()
        others = sum(size for _, size, path in self.files() if path not in used)
        return max(0, min(self.limit - self.claimed(), others + shutil.disk_usage(self.folder).free * 9 // 10))

    def fits(self, need):
        """Whether `need` bytes more can be shared."""
        return self.shared and need <= self.room(0)

    def used(self):
        """Paths of the shards with rows that this run wants, and of its archives."""
        return {shard.path for shelf in self.shelves for shard in shelf.open if shard.used} | KEPT.keys()

    def files(self):
        """(moment of last use, bytes, path) of all files in shelves and of each unpacked archive; other files are not
        ours to count or delete."""
        found = []
        for path in self.archives():
            with contextlib.suppress(OSError):
                found.append((path.stat().st_mtime, self.size(path), path))
        for path in self.folder.glob("*-*/*"):
            with contextlib.suppress(FileNotFoundError):
                if SHELF.fullmatch(path.parent.name):
                    found.append((path.stat().st_mtime, path.stat().st_size, path))
        return found

    def make_room(self, need):
        """Delete what was not used longest until `need` bytes more are within the limit and on the disk.

        ResourceError where what this run uses itself, and archives that others use, leave too little of the limit.
        """
        files, used = self.files(), self.used()
        total = sum(size for _, size, _ in files)
        limit = min(self.limit, total + shutil.disk_usage(self.folder).free)
        for moment, size, path in sorted(files):
            full = total + need > limit and path not in used
            abandoned = path.suffix == shards.UNFINISHED and time.time() - moment > ABANDONED
            if abandoned or (full and path.suffix == shards.SUFFIX):
                self.delete(path)
                total -= size
            elif full and ARCHIVE.fullmatch(path.name) and remove_unused(path):
                total -= size
        if total + need > self.limit:
            raise ResourceError("what is in use fills its limit, --cache-limit")

    def delete(self, path):
        """Delete a file of a shelf, and the shelf with its last shard."""
        for shelf in self.shelves:
            shelf.forget(path)
        path.unlink(missing_ok=True)
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


def allow_open_files():
    """Let the process open as many files as it may ask for: every shard in use is an open one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
