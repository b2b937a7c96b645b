"""Pictures, files and reports by address."""

import csv
import hashlib
import io
import json

import numpy as np
import pytest
from PIL import Image

from toolkit.pixels import thumbnails

SECRET = b"nobody may read this"


def png(seed, side=300, wide=2000):
    """A picture, as bytes of a PNG with a comment in it."""
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Patient", "Jane Doe")
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side // 10, wide // 10, 3), dtype=np.uint8)
    Image.fromarray(pixels.repeat(10, 0).repeat(10, 1)).save(file, "PNG", pnginfo=notes)
    return file.getvalue()


def key(data):
    return hashlib.sha256(data).hexdigest()[:16]


@pytest.fixture(scope="module")
def run(server):
    """A run whose pictures lie in a folder, with small copies of the first three alone."""
    data = server.runs.parent / "pictures"
    files = {"a/0.png": png(0), "a/1.png": png(1), "b/drawing.png": b"<svg onload='alert(1)'/>", "b/late.png": png(3)}
    for name, content in files.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_bytes(content)
    outside = server.runs.parent / "outside.png"
    outside.write_bytes(png(4))
    (data / "b" / "link.png").symlink_to(outside)
    folder = server.runs / "a run"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"schema": 1, "options": {"data": str(data), "depth": "auto"}}))
    rows = [*((name, hashlib.sha256(content).hexdigest()) for name, content in files.items()),
            ("../outside.png", hashlib.sha256(png(4)).hexdigest()), ("a/1.png", "f" * 64)]
    with open(folder / "manifest.csv", "w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("path", "sha256"), *rows])
    small = thumbnails.encode(np.full((224, 224, 3), 90, np.uint8), 2000, 300, "squash")
    thumbnails.write(folder / "thumbnails.zip", [key(one) for one in list(files.values())[:3]], [small] * 3)
    for name, content in (("model.keras", b"0123456789"), ("log.txt", b"said"), ("lock", b""), ("secret.txt", SECRET),
                          ("report.html", b"<!doctype html><script>1</script>")):
        (folder / name).write_bytes(content)
    (server.runs.parent / "secret.txt").write_bytes(SECRET)
    (server.runs / "link").symlink_to(folder)
    (folder / "metrics.json").symlink_to(server.runs.parent / "secret.txt")
    return {"files": files, "folder": folder, "small": small}


def test_a_small_copy_is_kept_by_the_browser_for_ever(server, run):
    path = f"/picture/runs/a%20run/{key(run['files']['a/0.png'])}.jpg"
    answer = server.ask("GET", path)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "image/jpeg", run["small"])
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = server.ask("GET", path, If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"") and again.headers["etag"] == answer.headers["etag"]
    assert server.ask("HEAD", path).status == 200


def test_I3_a_whole_picture_is_encoded_anew_and_bounded(server, run):
    answer = server.ask("GET", f"/picture/runs/a%20run/{key(run['files']['a/0.png'])}.jpg?full=1")
    image = Image.open(io.BytesIO(answer.body))
    assert (image.format, image.size) == ("JPEG", (1024, 154)) and b"Jane" not in answer.body
    assert answer.headers["etag"].startswith('"') and "immutable" in answer.headers["cache-control"]


def test_a_picture_without_a_small_copy_is_made_small(server, run):
    answer = server.ask("GET", f"/picture/runs/a%20run/{key(run['files']['b/late.png'])}.jpg")
    assert Image.open(io.BytesIO(answer.body)).size == (160, 24) and "immutable" not in answer.headers["cache-control"]


def test_I3_what_is_no_picture_or_not_the_same_any_more_is_not_sent(server, run):
    drawing = server.ask("GET", f"/picture/runs/a%20run/{key(run['files']['b/drawing.png'])}.jpg?full=1")
    assert drawing.body == run["small"] and drawing.headers["content-type"] == "image/jpeg"
    assert server.ask("GET", f"/picture/runs/a%20run/{'f' * 16}.jpg?full=1").status == 404  # its file has another hash


@pytest.mark.parametrize("path", [
    "/picture/runs/a%20run/0123456789abcdef.jpg", "/picture/runs/a%20run/short.jpg", "/picture/runs/none/{key}.jpg",
    "/picture/runs/link/{key}.jpg", "/picture/nothing/a%20run/{key}.jpg", "/picture/checks/a%20run/{key}.jpg",
    "/picture/runs/..%2fruns%2fa%20run/{key}.jpg", "/picture/runs/%2e%2e/{key}.jpg", "/picture/{outside}.jpg",
    "/picture/runs/a%20run%00/{key}.jpg", "/picture/runs/.dashboard/{key}.jpg", "/picture/runs//etc/passwd",
    "/picture/runs/a%20run/..%2fsecret.jpg", "/picture/runs/%5c%5chost%5cshare/{key}.jpg", "/picture",
    "/picture/runs/a%20run/{key}.png", "/download/a%20run/run.json", "/download/a%20run/lock",
    "/download/a%20run/secret.txt", "/download/a%20run/metrics.json", "/download/link/model.keras",
    "/download/a%20run/..%2f..%2fsecret.txt", "/download/..%2fsecret.txt/log.txt", "/download/%2e%2e/secret.txt",
    "/download/a%20run/", "/download/predictions/a%20run/log.txt", "/download/x/a%20run/log.txt", "/download",
    "/download/a%20run/model.keras%00.txt", "/download/a%20run//etc/passwd", "/report/none", "/report/link",
    "/report/..", "/report/a%20run/x", "/report/", "/heat/a%20run/{key}/0.png", "/heat/a%20run/{key}/x.png",
    "/heat/..%2fx/{key}/0.png", "/upload/"])
def test_I6_nothing_else_is_sent(server, run, path):
    path = path.replace("{key}", key(run["files"]["a/0.png"])).replace("{outside}", f"runs/a%20run/{key(png(4))}")
    answer = server.ask("GET", path)
    assert answer.status in (301, 400, 404) and SECRET not in answer.body and b"Traceback" not in answer.body
    if answer.status == 301:
        assert server.ask("GET", answer.headers["location"]).status in (400, 404)


def test_a_heat_map_is_sent_to_lie_over_the_whole_picture(server, run):
    from toolkit.explain import stored

    name, maps = key(run["files"]["a/0.png"]), np.arange(32.0).reshape(2, 4, 4)
    (run["folder"] / "heatmaps").mkdir()
    stored.write(run["folder"] / "heatmaps", name, maps, np.array([0.25, 0.75]), "activation", (0, 0, 1, 1), "0" * 16)
    answer = server.ask("GET", f"/heat/a%20run/{name}/1.png")
    image = Image.open(io.BytesIO(answer.body))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert (image.format, image.mode) == ("PNG", "RGBA")
    assert server.ask("GET", f"/heat/a%20run/{name}/2.png").status == 404
    (run["folder"] / "heatmaps" / f"{name}.npz").write_bytes(b"PK\x03\x04 damaged")
    assert server.ask("GET", f"/heat/a%20run/{name}/1.png").status == 404


def test_I6_a_link_out_of_the_data_is_not_followed(server, run):
    assert server.ask("GET", f"/picture/runs/a%20run/{key(png(4))}.jpg?full=1").status == 404


def test_a_file_is_sent_to_keep_and_in_parts(server, run):
    whole = server.ask("GET", "/download/a%20run/model.keras")
    assert (whole.status, whole.body) == (200, b"0123456789") and whole.headers["content-encoding"] is None
    assert whole.headers["content-disposition"] == 'attachment; filename="model.keras"'
    part = server.ask("GET", "/download/a%20run/model.keras", Range="bytes=3-5")
    assert (part.status, part.body, part.headers["content-range"]) == (206, b"345", "bytes 3-5/10")
    assert server.ask("GET", "/download/runs/a%20run/log.txt").body == b"said"


def test_answers_for_new_pictures_are_sent_too(server, run):
    folder = server.runs / ".dashboard/predictions/p1"
    folder.mkdir(parents=True)
    (folder / "predictions.csv").write_bytes(b"path,predicted")
    assert server.ask("GET", "/download/predictions/p1/predictions.csv").body == b"path,predicted"


def test_I4_a_report_can_do_nothing(server, run):
    answer = server.ask("GET", "/report/a%20run")
    rules = answer.headers["content-security-policy"]
    assert answer.status == 200 and answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "sandbox" in rules and "default-src 'none'" in rules and "script" not in rules
    assert answer.headers.get_all("content-security-policy") == [rules] and "disposition" not in str(answer.headers)


@pytest.mark.parametrize("path", ["/picture/runs/a%20run/0123456789abcdef.jpg", "/download/a%20run/log.txt",
                                  "/report/a%20run"])
def test_I7_nothing_but_asking(server, run, path):
    before = {one: one.stat().st_mtime_ns for one in run["folder"].rglob("*")}
    assert [server.ask(method, path, b"").status for method in ("POST", "PUT", "DELETE", "PATCH")] == [405] * 4
    assert {one: one.stat().st_mtime_ns for one in run["folder"].rglob("*")} == before


def test_I9_damaged_files_of_a_run_give_no_picture_and_no_details(server, run):
    folder = server.runs / "hostile"
    folder.mkdir()
    (folder / "thumbnails.zip").write_bytes(b"PK\x05\x06" + b"\xff" * 18)
    (folder / "manifest.csv").write_bytes(b"path,sha256\n" + b"\0\xff\n" * 9)
    (folder / "run.json").write_text('{"options": [1, 2]}')
    for query in ("", "?full=1"):
        answer = server.ask("GET", f"/picture/runs/hostile/{'a' * 16}.jpg{query}")
        assert answer.status == 404 and str(server.runs).encode() not in answer.body
