"""What the pages ask for by address: pictures, heat maps, files of a run, its report, uploads. GET changes nothing.

| path | answer |
| --- | --- |
| GET /picture/KIND/ID/KEY.jpg | small copy of a picture; `?full=1`: the picture itself, at most FULL pixels |
| GET /heat/ID/KEY/CLASS.png, /heat/KIND/ID/KEY/CLASS.png | heat map to lay over it |
| GET /download/ID/FILE, /download/KIND/ID/FILE | a file of a run, one of FILES, to keep; ranges are served |
| GET /report/ID, /report/checks/ID | the report of a run, the findings of a look, in a page that can do nothing |
| GET, POST, DELETE /upload/ID | see apps.parts.uploads |

KIND: runs, checks or predictions; KEY: first 16 characters of a picture's sha256. All of it under the guard.
"""

import asyncio
import os
import re
import stat
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from apps.parts import guard, uploads
from toolkit.errors import UntrustedError
from toolkit.run import FILES as NAMES
from toolkit.run import paths
from toolkit.runs import folders

FULL = 1024        # pixels of a picture itself
SMALL = 160        # of one that has no small copy yet
PATIENCE = 20.0    # seconds for a picture
AT_ONCE = 2        # pictures decoded at a time; each may need several hundred megabytes
KEY = re.compile(r"[0-9a-f]{16}")
FILES = {NAMES[name] for name in ("model", "model_facts", "report", "predictions", "folds", "manifest", "metrics",
                                  "doctor", "model_card", "log", "events", "check", "clean", "suggested")}
KINDS = {".keras": "application/zip", ".json": "application/json", ".jsonl": "text/plain", ".txt": "text/plain",
         ".md": "text/plain", ".csv": "text/csv", ".html": "text/html"}  # a .keras is a zip, which nobody packs again
FOR_EVER = "private, max-age=31536000, immutable"  # a key names these pixels and no others
SHORT = "private, max-age=60"                      # a better one may come
SANDBOX = ("default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; base-uri 'none'; "
           "form-action 'none'; frame-ancestors 'none'; sandbox")
MISSING = "There is nothing here of that name."


def routes(settings):
    """The routes of the app."""
    here, kept = Runs(settings.runs), uploads.Uploads(settings.runs, settings.upload_limit)
    table = [
        ("/picture/{kind}/{id}/{key}.jpg", here.picture, ["GET"]),
        ("/heat/{id}/{key}/{number}.png", here.heat, ["GET"]),
        ("/heat/{kind}/{id}/{key}/{number}.png", here.heat, ["GET"]),
        ("/download/{id}/{file}", here.download, ["GET"]), ("/download/{kind}/{id}/{file}", here.download, ["GET"]),
        ("/report/{id}", here.report, ["GET"]), ("/report/{kind}/{id}", here.report, ["GET"]),
        ("/upload/{id}", kept.listed, ["GET"]), ("/upload/{id}", kept.received, ["POST"]),
        ("/upload/{id}", kept.removed, ["DELETE"]),
    ]
    table += [(f"/{first}{rest}", missing, None) for first in guard.OWN for rest in ("", "/{rest:path}")]
    return [Route(settings.base + path, handler, methods=methods) for path, handler, methods in table]


async def missing(request):
    """Everything else below our first parts, which Streamlit would answer by a page."""
    return nothing()


def nothing():
    """404."""
    return PlainTextResponse(MISSING, 404, {"cache-control": "no-store"})


class Runs:
    """Answers from the folders below `root`."""

    def __init__(self, root):
        self.root, self.turns = root, asyncio.Semaphore(AT_ONCE)

    def folder(self, request, kind="runs"):
        """The folder that a request names; None where there is none."""
        kind = request.path_params.get("kind", kind)
        return folders.checked(self.root, request.path_params["id"], kind) if kind in folders.KINDS else None

    async def picture(self, request):
        folder, key = self.folder(request), request.path_params["key"]
        if folder is None or not KEY.fullmatch(key):
            return nothing()
        full = request.query_params.get("full") == "1"
        mark = f'"{key}-{FULL if full else SMALL}"'
        if request.headers.get("if-none-match") == mark:
            return Response(status_code=304, headers={"etag": mark, "cache-control": FOR_EVER})
        found, last = await self.answered(partial(picture, folder, key, full))
        if found is None:
            return nothing()
        lasting = {"etag": mark, "cache-control": FOR_EVER} if last else {"cache-control": SHORT}
        return Response(found, media_type="image/jpeg", headers=lasting)

    async def heat(self, request):
        folder, key, number = self.folder(request), request.path_params["key"], request.path_params["number"]
        if folder is None or not KEY.fullmatch(key) or not re.fullmatch(r"\d{1,5}", number):
            return nothing()
        found, _ = await self.answered(partial(heat, folder, key, int(number)))
        return nothing() if found is None else Response(found, media_type="image/png", headers={"cache-control": SHORT})

    async def answered(self, work):
        """What `work` gives, in its turn and in a thread; (None, False) where it takes too long or fails."""
        async def in_turn():
            async with self.turns:  # held until the thread has ended, whoever waits for it
                return await run_in_threadpool(work)

        task = asyncio.create_task(in_turn())
        try:
            return await asyncio.wait_for(asyncio.shield(task), PATIENCE)
        except (TimeoutError, UntrustedError, MemoryError):
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            return None, False

    async def download(self, request):
        folder, name = self.folder(request), request.path_params["file"]
        path = regular(folder / name) if folder is not None and name in FILES else None
        if path is None:
            return nothing()
        kind = KINDS[path.suffix]
        return FileResponse(path, media_type=kind, filename=name, headers={"cache-control": "private, no-cache"})

    async def report(self, request):
        folder = self.folder(request)
        name = "check" if request.path_params.get("kind") == "checks" else "report"
        path = regular(getattr(paths(folder), name)) if folder is not None else None
        if path is None:
            return nothing()
        return FileResponse(path, media_type="text/html; charset=utf-8", headers={
            "content-security-policy": SANDBOX, "cache-control": "private, no-cache"})


def regular(path):
    """`path` where it is a file and no link, else None."""
    try:
        return path if stat.S_ISREG(os.lstat(path).st_mode) else None
    except (OSError, ValueError):
        return None


def picture(folder, key, full):
    """(JPEG of a picture or None, whether it will never be another one)."""
    from toolkit.pixels import thumbnails
    from toolkit.runs import originals

    if full and (found := originals.jpeg(folder, key, FULL)):
        return found, True
    found = thumbnails.read(paths(folder).thumbnails, key)
    return (found, not full) if found or full else (originals.jpeg(folder, key, SMALL), False)


def heat(folder, key, number):
    """(PNG of the heat map of a class, to be laid over the whole picture, False); (None, False) where there is none."""
    from toolkit.explain import overlay

    return overlay.laid(folder, key, number), False
