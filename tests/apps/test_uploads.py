"""Files on their way from the browser to the disk."""

import asyncio
import http.client
import io
import json
import socket
import time
import zipfile
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from starlette.requests import Request

from apps.parts import uploads

MB = 1 << 20
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 50


def zipped(size):
    """Bytes of a zip that holds `size` bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a/1.png", b"x" * size)
    return file.getvalue()


def send(server, upload, path, body, **headers):
    """(status, what the answer says) of one file."""
    answer = server.ask("POST", f"/upload/{upload}?path={quote(path, safe='/')}", body, **headers)
    return answer.status, json.loads(answer.body)


def here(server, upload):
    """Names in the folder of an upload, hidden ones too; None where it is not there."""
    folder = server.runs / ".dashboard/uploads" / upload
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()) if folder.is_dir() \
        else None


def test_what_came_lies_there_as_it_came(server):
    body = zipped(3 * MB)
    assert send(server, "000000000001", "my set.zip", body) == (200, {"bytes": len(body)})
    assert (server.runs / ".dashboard/uploads/000000000001/my set.zip").read_bytes() == body
    assert here(server, "000000000001") == ["my set.zip"]
    assert (server.runs / ".dashboard/uploads").stat().st_mode & 0o777 == 0o700


def test_I4_names_of_classes_are_kept_as_they_are(server):
    names = ["set/Zellen größe 😀/1.png", "set/<img src=x onerror=y>/=cmd().png", "set/-c/a\u202eb.png",
             "set/CON /x.png"]
    for name in names:
        assert send(server, "000000000002", name, PNG) == (200, {"bytes": len(PNG)})
    found = json.loads(server.ask("GET", "/upload/000000000002").body)
    assert found == {"id": "000000000002", "files": 4, "bytes": 4 * len(PNG), "names": sorted(names)}


@pytest.mark.parametrize("path", [
    "", "/etc/x.png", "../x.png", "a/../../x.png", "a//x.png", "./x.png", ".hidden.png", "a/.b/x.png", "a\\x.png",
    "a/b/c/d/e/x.png", "a\0.png", "a\n.png", "a\x1b[31m.png", "a/", "x" * 252 + ".png", "a/..", "..%2fx.png/.."])
def test_I6_names_that_lead_elsewhere_are_refused(server, path):
    status, said = send(server, "000000000003", path, PNG)
    assert status == 400 and "\x1b" not in said["error"] and here(server, "000000000003") is None


@pytest.mark.parametrize("upload", ["..", "%2e%2e", "abc", "0" * 13, "ABCDEF012345", "0000000000.3", "00000000000%00"])
def test_I6_uploads_have_no_other_names(server, upload):
    before = sorted(server.runs.rglob("*"))
    for method in ("POST", "GET", "DELETE"):
        answer = server.ask(method, f"/upload/{upload}?path=a.png", PNG if method == "POST" else None)
        assert answer.status in (400, 404)
    assert sorted(server.runs.rglob("*")) == before


@pytest.mark.parametrize("name, body, word", [
    ("a.zip", b"no zip at all", "zip"), ("a.npz", PNG, ".npz"), ("a.png", b"<svg xmlns='x'/>", "SVG"),
    ("a.jpg", b"<!doctype html><script>1</script>", "web page"), ("a.png", zipped(9), "zip archive"),
    ("a.csv", PNG, "table"), ("a.csv", b"<html>", "table"), ("a.parquet", b"path,label", "Parquet"),
    ("a.exe", b"MZ", "kind"), ("a", PNG, "kind"), ("a.pkl", b"\x80\x04", "kind"), ("a.png", b"", "empty")])
def test_H5_first_bytes_of_another_kind_are_refused(server, name, body, word):
    status, said = send(server, "000000000004", name, body)
    assert status == 415 and word in said["error"] and said["error"].endswith(".")
    assert here(server, "000000000004") is None


@pytest.mark.parametrize("name, body", [
    ("a.CSV", "path;label\nä;b".encode("cp1252")), ("b.tsv", "\ufeffpath\tlabel".encode()),
    ("c.csv", "path,label".encode("utf-16")), ("d.dcm", b"\0" * 128 + b"DICM" + b"\0" * 20), ("e.tif", b"MM\0*1234"),
    ("f.JPEG", b"\xff\xd8\xff\xe0"), ("g.png", b"\xff\xd8\xff\xe0 a JPEG under another name")])
def test_kinds_that_are_read_are_taken(server, name, body):
    assert send(server, "000000000005", name, body) == (200, {"bytes": len(body)})


def test_H5_memory_stays_flat_and_progress_is_that_of_the_disk(server):
    size, piece = 300 * MB, b"PK\x03\x04" + b"x" * (MB - 4)
    send(server, "000000000006", "first.zip", zipped(9))
    before = peak = server.memory()
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    line.putrequest("POST", "/upload/000000000006?path=big.zip")
    for name, value in (("Cookie", server.cookie), ("Origin", server.origin), ("Content-Length", str(size))):
        line.putheader(name, value)
    line.endheaders()
    began = time.monotonic()
    for number in range(size // MB):
        line.send(piece)
        if number % 20 == 0:
            peak = max(peak, server.memory())
    answer = line.getresponse()
    assert answer.status == 200 and json.loads(answer.read())["bytes"] == size
    peak = max(peak, server.memory())
    print(f"{(peak - before) / MB:.0f} MB more; {size / MB / (time.monotonic() - began):.0f} MB/s")
    assert peak - before < 50 * MB
    assert server.ask("DELETE", "/upload/000000000006").status == 204 and here(server, "000000000006") is None


def test_H5_what_is_too_large_is_told_before_it_comes(server):
    line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    line.putrequest("POST", "/upload/000000000007?path=big.zip")
    for name, value in (("Cookie", server.cookie), ("Origin", server.origin), ("Content-Length", str(600 * MB))):
        line.putheader(name, value)
    line.endheaders()
    line.sock.shutdown(socket.SHUT_WR)  # nothing more will come
    reply = line.sock.recv(100)
    assert b" 413 " in reply or reply == b""  # a connection that ends may have been noticed first
    assert here(server, "000000000007") is None
    told = asyncio.run(received(uploads.Uploads(server.runs, 1000), [b"PK\x03\x04"], length=1001))
    assert told[0] == 413 and "1 kB" in told[1]["error"]


def test_H5_an_upload_that_breaks_off_leaves_no_rest(server):
    line = socket.create_connection(("127.0.0.1", server.port), timeout=10)
    line.sendall(f"POST /upload/000000000008?path=big.zip HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: "
                 f"{server.cookie}\r\nOrigin: {server.origin}\r\nContent-Length: {400 * MB}\r\n\r\n".encode())
    line.sendall(b"PK\x03\x04" + b"x" * 5 * MB)
    until = time.monotonic() + 10
    while not here(server, "000000000008") and time.monotonic() < until:
        time.sleep(0.02)
    assert here(server, "000000000008")[0].endswith(".part")
    line.close()
    while here(server, "000000000008") is not None and time.monotonic() < until:
        time.sleep(0.02)
    assert here(server, "000000000008") is None
    body = zipped(MB)  # the same once more
    assert send(server, "000000000008", "big.zip", body)[0] == 200 and here(server, "000000000008") == ["big.zip"]


def test_I7_another_site_brings_and_removes_nothing(server):
    send(server, "000000000009", "a.csv", b"path,label")
    for headers in ({"Origin": "https://evil.example"}, {"Sec_Fetch_Site": "cross-site"}, {"cookie": None}):
        assert server.ask("POST", "/upload/000000000009?path=b.csv", b"path,label", **headers).status == 403
        assert server.ask("DELETE", "/upload/000000000009", **headers).status == 403
    assert server.ask("GET", "/upload/000000000009?path=c.csv").status == 200
    assert here(server, "000000000009") == ["a.csv"]


def test_an_upload_that_a_run_needs_is_not_removed(server):
    send(server, "00000000000a", "a.csv", b"path,label")
    run = server.runs / "made of it"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"schema": 1, "options": {
        "data": str(server.runs / ".dashboard/uploads/00000000000a/a.csv")}}))
    answer = server.ask("DELETE", "/upload/00000000000a")
    assert answer.status == 409 and "made of it" in json.loads(answer.body)["error"]
    assert here(server, "00000000000a") == ["a.csv"]
    (run / "run.json").unlink()
    assert server.ask("DELETE", "/upload/00000000000a").status == 204


# The receiver alone, with a stream by hand.

async def received(kept, chunks, length=0, path="a.zip", upload="0123456789ab", end=True):
    """(status, answer) of a file that comes in `chunks`; end: whether it ends or breaks off."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages += [{"type": "http.request", "body": b""} if end else {"type": "http.disconnect"}]

    async def receive():
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": f"path={path}".encode(),
             "headers": [(b"content-length", str(length).encode())], "path_params": {"id": upload}}
    answer = await kept.received(Request(scope, receive))
    return answer.status_code, json.loads(answer.body or b"{}")


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / ".dashboard/uploads").rglob("*"))


def test_H5_what_grows_beyond_the_limit_is_refused_while_it_comes(tmp_path):
    kept, zip = uploads.Uploads(tmp_path, 3 * MB), [b"PK\x03\x04" + bytes(MB)] * 4
    assert asyncio.run(received(kept, zip))[0] == 413 and names(tmp_path) == []
    assert asyncio.run(received(kept, zip[:2]))[0] == 200  # nothing of the refused one was counted
    assert asyncio.run(received(kept, zip[:1], path="b.zip"))[0] == 413
    assert asyncio.run(received(kept, zip[:2]))[0] == 413  # it would replace the first, but comes beside it
    assert names(tmp_path) == ["0123456789ab", "a.zip"]


def test_many_files_count_together(tmp_path):
    kept = uploads.Uploads(tmp_path, 10 * len(PNG))
    answers = [asyncio.run(received(kept, [PNG], path=f"a/{n}.png"))[0] for n in range(12)]
    assert answers == [200] * 10 + [413] * 2
    kept = uploads.Uploads(tmp_path, 10 * len(PNG))  # of a new server
    assert asyncio.run(received(kept, [PNG], path="b.png"))[0] == 413


def test_E5_a_full_disk_is_told_and_leaves_no_rest(tmp_path):
    free = [uploads.SPARE + 200 * MB, uploads.SPARE + 200 * MB, 0]  # it fills while the second one comes
    kept = uploads.Uploads(tmp_path, 10**9, disk=lambda folder: SimpleNamespace(free=free.pop(0)))
    status, said = asyncio.run(received(kept, [], length=201 * MB))
    assert status == 507 and "210 MB left" in said["error"] and "211 MB" in said["error"]
    assert asyncio.run(received(kept, [b"PK\x03\x04" + bytes(MB)] * 70))[0] == 507
    assert free == [] and names(tmp_path) == []


def test_H5_a_stream_that_stops_is_given_up(tmp_path, monkeypatch):
    async def waiting():
        yield b"PK\x03\x04"
        await asyncio.sleep(60)

    async def taken():
        return [chunk async for chunk in uploads.arriving(waiting())]

    monkeypatch.setattr(uploads, "IDLE", 0.05)
    with pytest.raises(uploads.Refused) as refused:
        asyncio.run(taken())
    assert refused.value.status == 408


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path):
    kept = uploads.Uploads(tmp_path, MB)
    assert asyncio.run(received(kept, [PNG], path="a.png"))[0] == 200
    assert asyncio.run(received(kept, [PNG], path="a.png/b.png"))[0] == 400
    assert asyncio.run(received(kept, [PNG], path="c.png", end=False))[0] == 400
    assert names(tmp_path) == ["0123456789ab", "a.png"]
