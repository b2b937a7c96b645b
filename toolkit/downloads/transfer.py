"""Bytes of a URL into a file: resumed where they broke off, given up early where nobody answers."""

import os
import queue
import shutil
import threading
from pathlib import Path

from toolkit.downloads.progress import Progress
from toolkit.errors import ResourceError
from toolkit.files import read_json, to_json, write_atomic

STALL = 10.0         # seconds without a byte after which a connection counts as broken
LARGEST = 2 * 2**30  # bytes of a file, where nothing else is said
CHUNK = 2**16        # bytes; what of one has come is lost where a connection breaks
TRIES = 5            # times that a broken connection is taken up again while bytes still come, likewise
CACHE = "set TOOLKIT_CACHE to another folder"


class Unreached(Exception):
    """A source did not give the file; the text says why."""


class Wrong(Unreached):
    """A source gave another file than the one that its publisher states."""


def asked_offline():
    return any(os.environ.get(name, "").lower() in ("1", "true", "yes", "on")
               for name in ("TOOLKIT_OFFLINE", "HF_HUB_OFFLINE"))


def transferred(url, name, part, say, seconds, largest=LARGEST, tries=TRIES, elsewhere=CACHE,
                sealed=False):
    """Fetch `url` into `part`, going on from what it holds; the SHA-256 that the server states, or "".

    name: of the file, for the progress. seconds: to wait for a first answer. largest: bytes that are taken at most.
    elsewhere: how a person chooses another disk, for the error. sealed: the caller holds the whole against a checksum,
    so that a rest is gone on with even where the server marks no version. Raises Unreached, ResourceError.
    """
    import requests

    progress = Progress(name, say)
    for _ in range(tries):
        held = part.stat().st_size if part.exists() else 0
        response = answer(url, part, held, seconds, sealed)
        try:
            return stream(response, part, held, progress, largest, elsewhere)
        except requests.RequestException as error:
            if not part.exists() or part.stat().st_size <= held:
                raise Unreached(f"broke off ({plainly(error)})") from error
        finally:
            response.close()
            progress.close()
    raise Unreached(f"broke off {tries} times; what came is kept, the next attempt goes on from there")


def answer(url, part, held, seconds, sealed=False):
    """The server's response to a request for what `part` still lacks, within `seconds`."""
    import requests

    marks = read_json(Path(f"{part}.json")) if held and Path(f"{part}.json").is_file() else {}
    headers = {"Accept-Encoding": "identity", "User-Agent": "toolkit"}
    if held and marks.get("url") == url and (marks.get("mark") or sealed):
        headers |= {"Range": f"bytes={held}-"} | ({"If-Range": marks["mark"]} if marks.get("mark") else {})
    response = bounded(lambda: requests.get(url, headers=headers, stream=True, timeout=(seconds, STALL)), seconds)
    if response.status_code == 416:      # `part` holds more than there is
        response.close()
        part.unlink()
        return answer(url, part, 0, seconds)
    if response.status_code not in (200, 206):
        response.close()
        raise Unreached(f"answered {response.status_code} {response.reason}")
    mark = response.headers.get("ETag") or response.headers.get("Last-Modified", "")
    if response.status_code == 200:
        write_atomic(Path(f"{part}.json"), to_json({"url": url, "mark": "" if mark.startswith("W/") else mark}))
    return response


def stated(url, seconds):
    """Bytes that the server says `url` has, or 0; nothing is downloaded."""
    import requests

    try:
        response = bounded(lambda: requests.head(url, allow_redirects=True, timeout=seconds, headers={
            "Accept-Encoding": "identity", "User-Agent": "toolkit"}), seconds)
    except Unreached:
        return 0
    length = response.headers.get("Content-Length", "")
    return int(length) if response.status_code == 200 and length.isdecimal() else 0


def bounded(call, seconds):
    """call() in a thread that is given up after `seconds`: looking up a name may outlast any time-out of a socket."""
    import requests

    box = queue.Queue(1)

    def work():
        try:
            box.put((call(), None))
        except Exception as error:       # carried over to the thread that waits
            box.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        value, error = box.get(timeout=seconds)
    except queue.Empty:
        raise Unreached(f"no answer within {seconds:.0f} s") from None
    if isinstance(error, requests.RequestException):
        raise Unreached(plainly(error)) from error
    if error:
        raise error
    return value


def plainly(error):
    """A network error in a few words."""
    text = repr(error)
    for sign, words in (("NameResolution", "the name is not known here"), ("getaddrinfo", "the name is not known here"),
                        ("Proxy", "the proxy did not answer"), ("refused", "the connection was refused"),
                        ("SSL", "the certificate was not accepted"), ("imed out", "no answer in time"),
                        ("unreachable", "the network cannot be reached")):
        if sign in text:
            return words
    return type(error).__name__


def stream(response, part, held, progress, largest, elsewhere):
    """Append the body to `part` (or start it anew); the SHA-256 that the Hugging Face hub states for it, or ""."""
    held = held if response.status_code == 206 else 0
    length = response.headers.get("Content-Length")
    whole = held + int(length) if length and length.isdecimal() else None
    if whole is not None:
        room(part, whole, held, largest, elsewhere)
    with open(part, "r+b" if held else "wb") as file:
        file.seek(held)
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            progress.show(file.tell(), whole)
            if file.tell() > largest:
                raise Wrong(f"more than {largest:,} bytes came")
        file.flush()
        os.fsync(file.fileno())
    Path(f"{part}.json").unlink(missing_ok=True)
    headers = [answer.headers for answer in (*response.history, response)]
    stated = next((h["X-Linked-Etag"] for h in headers if "X-Linked-Etag" in h), "").strip('"').lower()
    return stated if len(stated) == 64 else ""


def room(part, whole, held, largest, elsewhere):
    """ResourceError where the disk has no room for what `held` bytes lack of the `whole`."""
    if whole > largest:
        raise Wrong(f"the server has {whole:,} bytes where at most {largest:,} are taken")
    need, free = whole - held, shutil.disk_usage(part.parent).free
    if need > free:
        raise ResourceError(f"{part} needs {need:,} more bytes and {free:,} are free; free some space or {elsewhere}.")
