"""A run that works while the server dies, tabs come and go, and somebody pulls the plug."""

import os
import re
import signal
from contextlib import suppress

import pytest

from tests.acceptance import runs as small
from tests.apps import make_runs
from tests.browser import harness
from tests.browser.conftest import watched
from toolkit.runs import launch, listing

pytestmark = pytest.mark.xdist_group("live")  # one server for all of them
SOON = 120   # seconds for a process that loads TensorFlow on a machine with other work
OPTIONS = {"backbone": "cifar_resnet20", "size": 32, "weights": "none", "epochs": 1000, "resamples": 100,
           "patience": 50, "time_budget": "2h"}
GONE = (r"ERR_CONNECTION_REFUSED|WebSocket|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|Failed to fetch|"
        r"when disconnected from server")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """(a server of its own, its folder of runs), in which a run that was stopped offers itself to be begun alike."""
    root = tmp_path_factory.mktemp("live")
    data = small.draw(root / "data", dict.fromkeys(small.CLASSES, 30))
    (root / "runs").mkdir()
    with make_runs.running(root / "runs", "like", 0, data=str(data)) as live:
        live.run.note(options=OPTIONS)
        live.run.finish("stopped", "stopped by hand")
    server = harness.Server(root / "runs").start()
    try:
        yield server, root / "runs"
    finally:
        server.end()
        for folder in (root / "runs").iterdir():
            kill(folder)


def kill(folder):
    """End the process of a run at once; nothing where none lives."""
    if pid := worker(folder):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def worker(folder):
    """The process that holds a run's lock; None where none does."""
    lock = folder / "lock"
    if folder.name.startswith(".") or not launch.folders.held(lock):
        return None
    return int(re.match(r"process (\d+)", lock.read_text())[1])


def fresh(root, names):
    """The folder of the run that is there now and was not before."""
    found = [folder for folder in root.iterdir() if not folder.name.startswith(".") and folder.name not in names]
    return found[0] if len(found) == 1 else None


def epochs(folder):
    """How many epochs of tuning a run has told of, over all its sittings."""
    events = folder / "events.jsonl"
    return events.read_text().count('"name": "epoch"') if events.exists() else 0


def begun(page, server, root):
    """Start a run by its page, twice at once -> its folder, once it learns."""
    names = {folder.name for folder in root.iterdir()}
    harness.visit(page, server, "train", **{"from": "like"})
    page.get_by_role("button", name="Start", exact=True).dblclick()
    page.wait_for_url("**/run?run=*")
    folder = harness.until(lambda: fresh(root, names), SOON, "a run begins")
    harness.until(lambda: epochs(folder), SOON, "it learns")
    assert fresh(root, names) == folder  # a double click makes one run
    return folder


def test_H3_E4_D4_H4_a_run_outlives_server_and_plug_and_is_stopped(browser, place):
    server, root = place
    with watched(browser, server) as page:
        folder = begun(page, server, root)
        first = worker(folder)
        page.locator("canvas.marks, svg.marks").first.wait_for()
        page.wait_for_load_state("networkidle")  # a part of the page that is cut off while it comes is lost
        outlive(page, server, folder, first)
        unplug(page, folder)
        resume(page, folder, first)
        stop(page, root, folder)


def outlive(page, server, folder, pid):
    """E4: the server is killed and comes again on its port; the open tab goes on by itself."""
    page.watch.allowed.append(GONE)
    server.kill()
    assert worker(folder) == pid
    size = (folder / "events.jsonl").stat().st_size
    server.start()
    page.wait_for_function("() => !document.querySelector('[data-testid=stConnectionStatus]')")
    said = harness.words(page)
    harness.until(lambda: (page.wait_for_timeout(200), harness.words(page) != said)[1], 60, "the tab shows news again")
    assert worker(folder) == pid and (folder / "events.jsonl").stat().st_size > size and folder.name in page.url


def unplug(page, folder):
    """D4: the worker is killed; the page says so within five seconds, where nobody else wants the machine."""
    busy = max(1.0, os.getloadavg()[0] / os.cpu_count())
    kill(folder)
    page.get_by_text("Ended by the system before it was done").wait_for(timeout=5000 * busy)
    harness.says(page, "most likely out of memory")


def resume(page, folder, pid):
    """It goes on where it was."""
    before = epochs(folder)
    page.get_by_role("button", name="Resume").click()
    harness.until(lambda: worker(folder) not in (None, pid), SOON, "another process has the run")
    harness.until(lambda: epochs(folder) > before, SOON, "it learns again")


def stop(page, root, folder):
    """H4: stopping is said at once, unless it has led to a result already."""
    page.get_by_role("button", name="Stop and keep the best").click(timeout=SOON * 1000)
    finished = page.get_by_role("button", name="See the results")
    page.get_by_text(re.compile("^Stopping: ")).or_(finished).first.wait_for(timeout=20_000)
    finished.wait_for(timeout=SOON * 1000)
    assert listing.entry(root, folder.name).state.name == "finished"
    launch.stop(folder)  # once more, on a run that has ended: nothing happens
    assert listing.entry(root, folder.name).state.name == "finished"


def test_H7_H8_a_run_of_the_command_line_appears_live_and_is_deleted_once_it_has_ended(browser, place):
    server, root = place
    with watched(browser, server) as page, make_runs.running(root, "by-hand") as live:
        harness.visit(page, server, "run")
        shown = page.locator("[data-testid=stDataFrame]").first
        shown.wait_for()
        harness.visit(page, server, "run", run="by-hand")
        before = harness.words(page)
        live.epoch()
        live.tell("tune", 0.77, 12.0, "Tuning layer4. epoch 9 of at most 12")
        harness.until(lambda: (page.wait_for_timeout(200), "epoch 9 of at most 12" in harness.words(page))[1], 15,
                      "the page tells of the epoch")
        assert before != harness.words(page) and page.get_by_role("button", name="Delete this run").is_disabled()
        live.run.finish("finished", "done")
        page.get_by_role("button", name="Delete this run").and_(page.locator(":enabled")).click()
        dialog = page.get_by_role("dialog")
        harness.says(dialog, r"\d (kB|MB|bytes) go to the trash")
        dialog.get_by_role("button", name="Move to the trash").click()
        page.get_by_role("button", name="Undo").wait_for()
        assert not (root / "by-hand").exists()
        page.get_by_role("button", name="Undo").click()
        harness.until((root / "by-hand").exists, 15, "the run is back")


def test_H3_two_tabs_that_start_at_once_start_one_run(browser, place):
    server, root = place
    with watched(browser, server) as page:
        names, other = {folder.name for folder in root.iterdir()}, page.context.new_page()
        for tab in (page, other):
            harness.visit(tab, server, "train", **{"from": "like"})
        for tab in (page, other):
            tab.get_by_role("button", name="Start", exact=True).click(no_wait_after=True)
        folder = harness.until(lambda: (page.wait_for_timeout(100), fresh(root, names))[1], SOON, "one run begins")
        harness.until(lambda: (page.wait_for_timeout(100), all(told(tab, folder) for tab in (page, other)))[1], 60,
                      "both tabs are told")
        assert any("already starting" in harness.words(tab) for tab in (page, other)) and fresh(root, names) == folder
        kill(folder)


def told(tab, folder):
    """Whether a tab watches a run, or says that it was starting already."""
    return folder.name in tab.url or "already starting" in harness.words(tab)
