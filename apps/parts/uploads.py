"""Uploads as they arrive: written to disk while they come, one file a request, never held in memory.

POST /upload/ID?path=class/picture.png, the file as the body -> {"bytes": n}, or {"error": sentence} with

| status | because |
| --- | --- |
| 400 | the name leads elsewhere |
| 408 | nothing came for a while |
| 413 | it is larger than the limit: told before, and while it comes |
| 415 | its first bytes are of a kind that is not read |
| 507 | the disk is full |

GET -> {"id", "files", "bytes", "names"}; DELETE removes an upload, 409 where a run needs it.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response

from toolkit.errors import OptionError
from toolkit.quantities import size_in_words
from toolkit.runs import uploads

MOST_FILES = 200_000   # of an upload
SPARE = 200 << 20      # bytes of the disk that stay free
PIECE = 1 << 20        # bytes written at a time
LOOKED = 64 << 20      # bytes between two looks at the disk
IDLE = 60.0            # seconds without a byte
DRAINED = 64 << 20     # bytes of a refused file that are still taken, so that the browser hears why
SHOWN = 1000           # names in an answer
WAITS = 20             # tenths of a second that a DELETE waits for what is being cancelled
HEADERS = {"cache-control": "no-store"}


class Refused(Exception):
    """An upload that is not taken, with its status; the text is a sentence for the user."""

    def __init__(self, status, sentence):
        super().__init__(sentence)
        self.status = status


@dataclass
class Total:
    """What an upload has: bytes with those of the files that are coming, files without."""

    bytes: int
    files: int
    coming: int = 0


class Uploads:
    """Receives, lists and removes the uploads of a folder of runs; `limit`: bytes of one upload.

    disk(folder).free: bytes that are free where a folder lies.
    """

    def __init__(self, root, limit, disk=shutil.disk_usage):
        self.root, self.limit, self.disk = Path(root), limit, disk
        self.totals = {}  # id -> Total

    async def received(self, request):
        """POST: one file."""
        stream = request.stream()
        try:
            place, path = self.named(request)
            await self.kept(place, path, stream, announced(request))
            return JSONResponse({"bytes": (place / path).stat().st_size}, headers=HEADERS)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody hears it
        except Refused as refusal:
            await drained(stream)
            return JSONResponse({"error": str(refusal)}, refusal.status, headers=HEADERS)

    async def listed(self, request):
        """GET: what is there."""
        try:
            place, _ = self.named(request, "x")
        except Refused as refusal:
            return JSONResponse({"error": str(refusal)}, refusal.status, headers=HEADERS)
        found = await run_in_threadpool(uploads.files, place)
        return JSONResponse({"id": place.name, "files": len(found), "bytes": sum(size for _, size in found),
                             "names": [str(path) for path, _ in found[:SHOWN]]}, headers=HEADERS)

    async def removed(self, request):
        """DELETE: all of an upload."""
        try:
            place, _ = self.named(request, "x")
            for _ in range(WAITS):  # what was cancelled just now is still being put away
                if any(place.glob(".*.part")):
                    await asyncio.sleep(0.1)
            await run_in_threadpool(uploads.remove, self.root, place.name)
        except (Refused, OptionError) as refusal:
            return JSONResponse({"error": str(refusal)}, getattr(refusal, "status", 409), headers=HEADERS)
        self.totals.pop(place.name, None)
        return Response(status_code=204)

    def named(self, request, path=None):
        """(folder of the upload, path below it) that a request names."""
        try:
            return (uploads.place(self.root, request.path_params["id"]),
                    uploads.checked(path or request.query_params.get("path", "")))
        except OptionError as error:
            raise Refused(400, str(error)) from None

    async def kept(self, place, path, stream, length):
        """Write a stream to `place`/`path`; what breaks off or is refused leaves nothing."""
        total = await self.total(place)
        self.check(place, total, length)
        head = await beginning(stream)
        if sentence := uploads.fault(path.name, head):
            raise Refused(415, sentence)
        part, written, whole = place / f".{secrets.token_hex(8)}.part", 0, False
        total.coming += 1
        try:
            handle = await run_in_threadpool(opened, part)
            try:
                async for piece in pieces(head, stream):
                    written += len(piece)
                    total.bytes += len(piece)
                    if total.bytes > self.limit or written // LOOKED > (written - len(piece)) // LOOKED:
                        self.check(place, total, 0)
                    await run_in_threadpool(write, handle, piece)
                await run_in_threadpool(os.fsync, handle)
            finally:
                os.close(handle)
            before = await run_in_threadpool(moved, part, place / path)
            total.bytes, total.files, whole = total.bytes - (before or 0), total.files + (before is None), True
        except OSError as error:
            raise unwritten(error) from error
        finally:
            total.coming -= 1
            if not whole:
                total.bytes -= written
                dropped(part)

    async def total(self, place):
        """The Total of an upload, counted at its first file."""
        known = self.totals.get(place.name)
        if known is None or not known.coming and not place.is_dir():  # it may have been removed meanwhile
            found = await run_in_threadpool(uploads.files, place)
            fresh = Total(sum(size for _, size in found), len(found))
            if self.totals.get(place.name) is known:
                self.totals[place.name] = fresh
        return self.totals[place.name]

    def check(self, place, total, more):
        """Refuse what is, or by `more` bytes would be, beyond the limit or the disk."""
        if total.bytes + more > self.limit or total.files + total.coming > MOST_FILES:
            raise Refused(413, f"An upload may have {size_in_words(self.limit)} and {MOST_FILES:,} files. What lies on "
                          "the computer where the dashboard runs needs no upload: give the path of its folder.")
        free = self.disk(place.parent).free
        if more + SPARE > free:
            raise Refused(507, f"The disk has {size_in_words(max(0, free - SPARE))} left for uploads"
                          + (f" and this needs {size_in_words(more)}" if more else "") + "; free some space.")


def announced(request):
    """Bytes that a request says it brings; 0 where it does not say."""
    text = request.headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else 0


async def arriving(stream):
    """The chunks of a stream; Refused where none comes for a while."""
    while True:
        try:
            async with asyncio.timeout(IDLE):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise Refused(408, f"Nothing came for {IDLE:.0f} seconds; try once more.") from None
        if chunk is None:
            return
        yield chunk


async def beginning(stream):
    """The first bytes of a stream, enough to tell what it is, or all of it."""
    head = b""
    async for chunk in arriving(stream):
        head += chunk
        if len(head) >= uploads.HEAD:
            break
    return head


async def pieces(head, stream):
    """`head` and the rest of a stream in pieces of about PIECE bytes."""
    waiting, many = [head], len(head)
    async for chunk in arriving(stream):
        waiting.append(chunk)
        many += len(chunk)
        if many >= PIECE:
            yield b"".join(waiting)
            waiting, many = [], 0
    if many:
        yield b"".join(waiting)


async def drained(stream):
    """Take what a browser still sends of a refused file: it hears the reason only when it has sent it."""
    taken = 0
    with contextlib.suppress(ClientDisconnect, Refused, RuntimeError):
        async for chunk in arriving(stream):
            taken += len(chunk)
            if taken > DRAINED:
                return


def opened(part):
    """Handle of a new file whose lock says that it is being written."""
    for left in reversed(range(5)):
        part.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:  # another file of the upload broke off just now, and took the empty folder along
            if not left:
                raise
        else:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return handle


def write(handle, data):
    """All of `data`."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view):]


def moved(part, target):
    """Give a whole file its name -> bytes of the one that was there, None where none was."""
    for folder in reversed([folder for folder in target.parents if folder.is_relative_to(part.parent)]):
        folder.mkdir(mode=0o700, exist_ok=True)
    before = target.stat().st_size if target.is_file() else None
    os.replace(part, target)
    return before


def dropped(part):
    """Remove what is not whole, and the folder of an upload that never was."""
    part.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        part.parent.rmdir()  # fails where something is in it


def unwritten(error):
    """The refusal for what the disk did not take."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Refused(507, "The disk is full; free some space and try once more.")
    if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.EILSEQ):
        return Refused(400, f"A file of that name cannot be kept: {error.strerror}.")
    return Refused(507, f"The upload cannot be written: {error.strerror}.")
