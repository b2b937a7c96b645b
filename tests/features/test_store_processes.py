"""Several processes and one store: at once, and killed."""

import random
import subprocess
import sys
from pathlib import Path

import numpy as np
from tests.features.filling import Source, keys, same

from toolkit.features.rows import Rows

ROOT = Path(__file__).resolve().parents[2]


def started(folder, scratch, count, mode):
    """A process that fills the shelf and has said "ready"."""
    code = "import sys; from tests.features import filling; filling.main(*sys.argv[1:])"
    process = subprocess.Popen([sys.executable, "-c", code, folder, scratch, str(count), mode], cwd=ROOT, text=True,
                               stdout=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process):
    """(rows that it computed, hash of all)."""
    made, found = process.communicate(timeout=60)[0].split()
    assert process.returncode == 0
    return int(made), found


def rows_of(opened, count):
    source = Source([(40,), (3, 3, 2)])
    return Rows(opened.shelf("maps", {}, source.shapes, "float32", count), keys(count), source), source


def test_two_runs_fill_one_shelf_at_once_and_a_third_computes_nothing(tmp_path, open_store):
    both = [started(tmp_path / "store", tmp_path / name, 400, "wait") for name in ("one", "two")]
    (tmp_path / "go").touch()
    (_, one), (_, two) = map(ended, both)
    assert one == two
    rows, source = rows_of(open_store(), 400)
    assert same(rows.fill(), 400) and source.made == []


def test_E3_a_run_that_is_killed_leaves_only_whole_rows(tmp_path, open_store):
    draw, count, kept = random.Random(0), 0, 0
    for _ in range(7):
        count += 60
        killed = started(tmp_path / "store", tmp_path / "killed", count, "slowly")
        try:
            killed.wait(draw.uniform(0.0, 0.15))
        except subprocess.TimeoutExpired:
            killed.kill()
        killed.communicate()
        run = open_store()
        rows, source = rows_of(run, count)
        assert same(rows.fill(), count) and run.said == []
        kept += 60 - len(source.made)
        run.close()
    assert kept > 0, "no killed run got as far as its first shard"
    assert np.array_equal(*(rows_of(open_store(), count)[0].read(np.arange(count))[1] for _ in range(2)))
