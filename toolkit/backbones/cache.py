"""The one folder that keeps downloaded weights, and what is known of each file in it.

The folder is $TOOLKIT_CACHE, else ~/.cache/toolkit/weights. A file may be put there by hand under the name that an
error states. Beside a downloaded file, FILE.json says its SHA-256, size and address, so that damage is noticed later.
"""

import os
import tempfile
from pathlib import Path

from toolkit.errors import ResourceError, UntrustedError
from toolkit.files import digests, read_json, to_json, write_atomic


def folder():
    """The cache folder, made if it is missing; ResourceError where that cannot be."""
    given = os.environ.get("TOOLKIT_CACHE")
    try:
        place = Path(given).expanduser() if given else Path.home() / ".cache" / "toolkit" / "weights"
    except RuntimeError:                 # no HOME, and a user whom the system does not know
        place = Path(tempfile.gettempdir()) / f"toolkit-weights-{os.getuid()}"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResourceError(f"The folder for weights {place} cannot be made: {error.strerror}; set TOOLKIT_CACHE to a "
                            f"folder that can be written.") from error
    return place


def cached(row, head):
    """(path, source, SHA-256) of the first file of `row` that is in the cache and whole; None where there is none.

    head: pass over files without the head. UntrustedError where a file is there but damaged; it is left as it is.
    """
    for source in row.sources:
        path = folder() / source.file
        if path.is_file() and (source.head or not head):
            return path, source, verified(path, source)
    return None


def verified(path, source):
    """SHA-256 of the file `path`, which must be as published or, where nothing is, as it was when it was fetched."""
    algorithm, _, digits = source.hash.partition(":")
    found = digests(path, {"sha256", algorithm or "sha256"})
    note = Path(f"{path}.json")
    known = read_json(note) if note.is_file() else {}
    wrong = None
    if source.kind != "npm" and digits and not found[algorithm].startswith(digits):
        wrong = f"its {algorithm} begins {found[algorithm][:16]}, published is {digits[:16]}"
    elif known and (known.get("size") != path.stat().st_size or known.get("sha256") != found["sha256"]):
        wrong = f"it has {path.stat().st_size:,} bytes and sha256 {found['sha256'][:16]}, fetched were " \
                f"{known.get('size')} and {str(known.get('sha256'))[:16]}"
    if wrong:
        raise UntrustedError(f"Weights {path} are damaged: {wrong}. Pass --refetch to replace the file, or delete it.")
    return found["sha256"]


def note(path, sha256, address):
    """Remember what `path` was when it came, for `verified`."""
    write_atomic(Path(f"{path}.json"), to_json({"sha256": sha256, "size": path.stat().st_size, "from": address}))
