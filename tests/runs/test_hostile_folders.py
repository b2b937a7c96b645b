"""Folders made by an accident or by an enemy: every reader survives them, at once and in little memory."""

import os
import re
import time
import tracemalloc
from pathlib import Path

import pytest

from tests.apps import make_runs
from toolkit.errors import ToolkitError
from toolkit.pixels import thumbnails
from toolkit.runs import (answers, checks, comparison, folders, history, launch, listing, models, originals, predicted,
                          reading, results, scored, state, tables, thresholds, trash, uploads)

SECONDS = 1.0     # for one reader; a machine that does much else may take three times as long once
MEMORY = 300e6    # bytes
KEY = make_runs.rows(20)[6]["sha256"][:16]
READERS = {
    "answers.table": lambda root, folder: answers.table(folder),
    "checks.findings": lambda root, folder: checks.findings(folder),
    "checks.pictures": lambda root, folder: checks.pictures(folder),
    "checks.columns": lambda root, folder: checks.columns(folder),
    "checks.told": lambda root, folder: checks.told(folder),
    "comparison.difference": lambda root, folder: comparison.difference(folder, folder),
    "comparison.options": lambda root, folder: comparison.options([listing.entry(root, folder.name)] * 2),
    "folders.held": lambda root, folder: [folders.held(path) for path in folder.glob("*")],
    "folders.listed": lambda root, folder: folders.listed(root),
    "folders.size": lambda root, folder: folders.size(folder),
    "history.of": lambda root, folder: history.of(folder, 5.0),
    "launch.ahead": lambda root, folder: launch.ahead(folder, (listing.entry(root, folder.name).options or {})),
    "launch.cancel": lambda root, folder: launch.cancel(folder),
    "launch.heard": lambda root, folder: launch.heard(folder),
    "launch.stop": lambda root, folder: launch.stop(folder),
    "listing.entry": lambda root, folder: listing.entry(root, folder.name),
    "listing.runs": lambda root, folder: listing.runs(root),
    "models.of_run": lambda root, folder: models.of_run(root, folder.name),
    "originals.jpeg": lambda root, folder: originals.jpeg(folder, KEY, 100),
    "originals.located": lambda root, folder: originals.located(folder, KEY),
    "predicted.answers": lambda root, folder: predicted.answers(folder, make_runs.CLASSES),
    "reading.events": lambda root, folder: reading.events(folder / "events.jsonl"),
    "reading.facts": lambda root, folder: [reading.facts(path) for path in folder.glob("*.json")],
    "reading.log": lambda root, folder: reading.log(folder / "log.txt"),
    "results.read": lambda root, folder: results.read(folder),
    "results.random": lambda root, folder: results.random(folder),
    "results.there": lambda root, folder: results.there(folder),
    "scored.metrics": lambda root, folder: scored.metrics(folder),
    "state.of": lambda root, folder: [state.of(folder), state.of(folder, time.time())],
    "tables.rows": lambda root, folder: [list(tables.rows(path)) for path in folder.glob("*.csv")],
    "thresholds.read": lambda root, folder: thresholds.read(folder, make_runs.CLASSES),
    "thumbnails.read": lambda root, folder: thumbnails.read(folder / "thumbnails.zip", KEY),
    "uploads.files": lambda root, folder: uploads.data(folder, uploads.files(folder)),
    "trash.delete": lambda root, folder: trash.restore(root, trash.delete(root, folder.name)),
}


@pytest.fixture(params=list(make_runs.DAMAGES))
def damaged(tmp_path, request):
    yield make_runs.damaged(tmp_path, "one", request.param)
    make_runs.readable(tmp_path)


def survives(reader, folder):
    """Seconds that a reader took; what it may raise is an error that a page shows."""
    began = time.perf_counter()
    try:
        READERS[reader](folder.parent, folder)
    except ToolkitError as error:
        assert str(error) and "\n" not in str(error)
    return time.perf_counter() - began


def test_I9_every_reader_survives_within_a_second(damaged):
    before = sorted(path.name for path in damaged.parent.rglob("*"))
    took = {reader: survives(reader, damaged) for reader in READERS}
    again = {reader: survives(reader, damaged) for reader, seconds in took.items() if seconds > SECONDS}
    assert {reader: seconds for reader, seconds in again.items() if seconds > SECONDS} == {}
    after = sorted(path.name for path in damaged.parent.rglob("*") if ".dashboard" not in path.parts)
    assert after == before


@pytest.mark.parametrize("how", [how for how in make_runs.DAMAGES if any(
    word in how for word in ("gigabyte", "huge", "deep", "binary", "odd values"))])
def test_I9_memory_stays_small(tmp_path, how):
    folder = make_runs.damaged(tmp_path, "one", how)
    tracemalloc.start()
    try:
        for reader in READERS:
            tracemalloc.reset_peak()
            survives(reader, folder)
            assert tracemalloc.get_traced_memory()[1] < MEMORY, reader
    finally:
        tracemalloc.stop()


def test_I9_a_damaged_run_is_told_as_damaged(tmp_path):
    names = {how: str(number) for number, how in enumerate(make_runs.DAMAGES)}
    for how, name in names.items():
        make_runs.damaged(tmp_path, name, how)
    found = {run.id: run.state for run in listing.runs(tmp_path)}
    make_runs.readable(tmp_path)
    for how, name in names.items():
        bad_facts = how.startswith(("run.json", "status.json")) and "NaN" not in how and "missing" not in how
        if bad_facts and not (how.startswith("status.json has wrong") or "may not" in how):
            assert found[name].name == "damaged" and found[name].message, how
    assert sum(one.name == "finished" for one in found.values()) > 20  # what still tells its state does so


def test_I4_what_is_shown_of_a_hostile_run_is_printable(tmp_path):
    make_runs.hostile(tmp_path, "one")
    found = listing.entry(tmp_path, "one")
    told = history.of(tmp_path / "one")
    for text in (found.data, found.chosen, found.state.message, found.state.phase, *told.rounds, *told.phases,
                 *reading.log(tmp_path / "one" / "log.txt")):
        assert text.isprintable(), text


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_E6_what_may_not_be_read_is_no_crash(tmp_path):
    make_runs.damaged(tmp_path, "one", "the folder may not be read")
    make_runs.damaged(tmp_path, "two", "run.json may not be read")
    assert listing.entry(tmp_path, "one").state.name == listing.entry(tmp_path, "two").state.name == "damaged"
    make_runs.readable(tmp_path)


def test_every_room_that_reads_folders_is_asked_here():
    rooms = {path.stem for path in Path(state.__file__).parent.glob("*.py")
             if re.search(r"^def \w+\(folder\b", path.read_text(), re.MULTILINE)}
    assert rooms <= {reader.partition(".")[0] for reader in READERS}
