"""One browser, one server over hand-made runs in every state, and pages that may neither complain nor call outside."""

import contextlib
import csv
import os

import pytest

from tests.apps import make_answers, make_runs
from tests.browser import axe, harness
from tests.runs import make_looks
from toolkit.pixels import thumbnails
from toolkit.run import paths
from toolkit.runs import checks, folders

LONG = ("test_live.py", "test_whole_path.py")
ALL = "20260301-090000-cells"
LOOK, EVIL = f"{checks.identity(['/data/cells'])}-1", f"{checks.identity(['hostile'])}-1"


def pytest_collection_modifyitems(items):
    """What takes long comes first, so that two workers end at about the same time."""
    items.sort(key=lambda item: item.path.name not in LONG)


@pytest.fixture(scope="session")
def browser():
    if not harness.CHROMIUM.exists():
        said = f"{harness.CHROMIUM} is not here (Debian: apt-get install chromium)"
        if os.environ.get("TOOLKIT_BROWSER"):
            pytest.fail(f"TOOLKIT_BROWSER wants the browser's tests, and {said}")
        pytest.skip(said)
    pytest.importorskip("playwright", reason="pip install -r requirements-test.txt")
    with harness.chromium() as found:
        yield found


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """A folder of runs in every state, one of them working."""
    root = tmp_path_factory.mktemp("dashboard") / "runs"
    root.mkdir()
    make_runs.finished(root, ALL, n=120)
    make_runs.finished(root, "second", n=120, seed=1)
    make_runs.hostile(root, "hostile")
    make_runs.failed(root, "failed")
    make_runs.stopped(root, "stopped")
    make_runs.killed(root, "killed")
    make_runs.damaged(root, "damaged", next(iter(make_runs.DAMAGES)))
    make_answers.answered(root, "answer", run=ALL, n=130, unreadable=(3,))
    make_answers.answered(root, "hostile", run="hostile", classes=make_runs.HOSTILE, unreadable=(5,),
                          names=tuple(name.replace("/", "") for name in make_runs.HOSTILE))
    pictured(root, make_looks.look(root, "/data/cells", ["/data/cells"]))
    evil = " ".join(make_runs.HOSTILE)
    pictured(root, make_looks.look(root, f"/data/{make_runs.HOSTILE[0]}", ["hostile"], manifest=[
        (f"{name}/{number}.png", name, "train", name, f"{number:016x}" * 4, 100, 80, "L", name, name)
        for number, name in enumerate(make_runs.HOSTILE * 3)], found=[
        {"check": make_runs.HOSTILE[1], "severity": "warning", "pictures": [f"{make_runs.HOSTILE[1]}/1.png"],
         "sentence": evil, "remedy": evil}], left_out=[[evil, evil]], skipped={evil: 1}))
    with contextlib.ExitStack() as stack:
        stack.enter_context(make_runs.running(root, "running"))
        stack.enter_context(make_runs.queued(root, "queued"))
        yield root


def pictured(root, look):
    """Small copies for the pictures of a look."""
    here = paths(folders.checked(root, look, checks.KIND))
    keys = [row["sha256"][:16] for row in csv.DictReader(here.manifest.read_text("utf-8-sig").splitlines())
            if row.get("sha256")] if look != EVIL else [f"{number:016x}" for number in range(21)]
    thumbnails.write(here.thumbnails, keys, (make_runs.jpeg(number % 16) for number in range(len(keys))))


@pytest.fixture(scope="session")
def server(runs, tmp_path_factory):
    started = harness.Server(runs, TOOLKIT_STORE=str(tmp_path_factory.mktemp("browser-store")))
    try:
        yield started.start()
    finally:
        started.end()


@pytest.fixture
def page(browser, server):
    """A page of a browser that the server knows; the console stays silent and no host but this one is asked."""
    with watched(browser, server) as found:
        yield found


@contextlib.contextmanager
def watched(browser, server, **more):
    """A page whose faults are raised at the end."""
    with harness.context(browser, server, **more) as context:
        found = context.new_page()
        found.watch = context.watch
        try:
            yield found
        except BaseException:
            with contextlib.suppress(Exception):
                print(found.url, harness.words(found), *context.watch.said, sep="\n")  # what pytest shows of a failure
            raise
        assert context.watch.faults() == []


@pytest.fixture(scope="session")
def axe_script():
    found = axe.script()
    if found is None:
        pytest.skip(axe.MISSING)
    return found
