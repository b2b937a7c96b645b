"""What is brought through the browser: broken off, once more, of a wrong kind; nothing is left that is not whole."""

import os
import re
import zipfile

import pytest

from tests.browser import harness
from tests.browser.conftest import ALL, watched

ZIP = 40 << 20  # bytes of an upload that takes a while


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A zip that is no smaller than what is in it."""
    path = tmp_path_factory.mktemp("zip") / "pictures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(4):
            archive.writestr(f"a/{number}.png", b"\x89PNG\r\n\x1a\n" + os.urandom(ZIP // 4))
    return path


def choose(page, path):
    """Choose a file on the page Use."""
    page.locator("input.pick-files").set_input_files(path)


def slowly(page, bytes_a_second):
    """Let the browser send no faster than that."""
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", {
        "offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_a_second})


def kept(runs):
    """Files of uploads, whole or not."""
    return [path for path in (runs / ".dashboard" / "uploads").glob("**/*") if path.is_file()]


def test_H5_an_upload_that_is_cancelled_or_left_keeps_nothing(browser, server, runs, packed):
    before = kept(runs)
    with watched(browser, server) as page:
        harness.visit(page, server, "use", run=ALL)
        slowly(page, 2 << 20)
        choose(page, packed)
        harness.until(lambda: (page.wait_for_timeout(100), len(kept(runs)) > len(before))[1], 30, "it is coming")
        page.get_by_text("left").first.wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_text("Cancelled; nothing was kept.").wait_for()
        assert page.get_by_role("button", name="Predict").is_disabled()
        harness.until(lambda: kept(runs) == before, 15, "what was cancelled is gone")
        choose(page, packed)
        harness.until(lambda: (page.wait_for_timeout(100), len(kept(runs)) > len(before))[1], 30, "it is coming again")
    harness.until(lambda: kept(runs) == before, 15, "what a closed tab was sending is gone")


def test_H5_memory_stays_flat_and_a_whole_upload_can_be_asked_about(browser, server, runs, packed):
    before, memory = kept(runs), resident(server)
    with watched(browser, server) as page:
        harness.visit(page, server, "use", run=ALL)
        opened = resident(server)
        choose(page, packed)
        page.get_by_text("arrived.").wait_for()
        grown = resident(server) - opened
        harness.settled(page)
        page.get_by_role("button", name="Predict").and_(page.locator(":enabled")).wait_for()
        new, = [path for path in kept(runs) if path not in before]
        assert new.read_bytes() == packed.read_bytes() and grown < 50 << 20, (memory, opened, grown)
        new.unlink()


def resident(server):
    """Bytes of memory that a server holds."""
    line = next(line for line in open(f"/proc/{server.process.pid}/status") if line.startswith("VmRSS"))
    return 1024 * int(line.split()[1])


@pytest.mark.parametrize("name, data, says", [
    ("x.zip", b"no zip at all", "x.zip is no zip archive"), ("x.exe", b"MZ", "Nothing here can be used"),
    ("x.png", b"<html><script>alert(1)</script>", "x.png cannot be used as a picture")])
def test_H5_a_wrong_kind_is_said_and_not_kept(page, server, runs, tmp_path, name, data, says):
    page.watch.allowed.append("415")
    before = kept(runs)
    (tmp_path / name).write_bytes(data)
    harness.visit(page, server, "use", run=ALL)
    choose(page, tmp_path / name)
    page.get_by_text(says).first.wait_for()
    assert kept(runs) == before and page.get_by_role("button", name="Predict").is_disabled()


def test_G5_a_model_from_elsewhere_is_brought_and_refused_in_the_words_of_the_command(page, server, runs, tmp_path):
    (tmp_path / "mine.keras").write_bytes(b"PK\3\4" + bytes(2000))
    (tmp_path / "mine.json").write_bytes((runs / ALL / "model.json").read_bytes())
    harness.visit(page, server, "use")
    page.get_by_text("From elsewhere", exact=True).click()
    page.locator("input.pick-files").set_input_files([tmp_path / "mine.keras", tmp_path / "mine.json"])
    page.get_by_text("Tells apart a, b, c.").wait_for()
    model = re.search("model=([0-9a-f]{12})", page.url)[1]
    page.get_by_text("On this computer", exact=True).click()
    harness.settled(page)  # until then the button of the other way of asking stands there too
    page.get_by_label("Path of a picture, a folder of pictures, or a zip").fill(str(tmp_path))
    page.get_by_role("button", name="Predict").click()
    page.wait_for_url("**answer=**")
    page.get_by_text("no picture in").or_(page.get_by_text("sha256 differs")).wait_for()
    page.get_by_role("button", name="Delete this answer").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").wait_for(state="detached")
    harness.visit(page, server, "use", model=model)
    page.get_by_role("button", name="Remove the model that was brought").click()
    page.wait_for_url(lambda url: "model=" not in url)
    assert not [path for path in kept(runs) if path.name == "mine.keras"]
