"""The benchmarks' tables: what is compared there is known to them, whatever else a measurement holds."""

import ast
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "benchmarks"
COMPARING = [path for path in sorted(FOLDER.glob("*.py")) if "bench.compare(" in path.read_text()]


@pytest.fixture(scope="module")
def table():
    sys.path.insert(0, str(FOLDER))
    try:
        import table
    finally:
        sys.path.remove(str(FOLDER))
    return table


def compared(path):
    """Names of the fields that a benchmark compares."""
    for call in ast.walk(ast.parse(path.read_text())):
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "compare":
            for side in call.args[1:3]:
                yield from (end.value for end in side.elts[1:] if isinstance(end, ast.Constant))


@pytest.mark.parametrize("path", COMPARING, ids=lambda path: path.stem)
def test_what_is_compared_is_known_to_the_table(path, table):
    assert set(compared(path)) <= {*table.FIELDS, "one"}


def test_a_table_pairs_rounds_and_says_what_was_missed(table):
    machine = {"processor": "P", "cores": 2, "memory_gb": 4.0, "flags": [], "system": "S", "python": "3",
               "versions": {}}
    same = {"bench": "b", "settings": {"epochs": 20}}
    rows = [same | {"machine": machine},
            *(same | {"case": name, "round": number, "cpu": seconds, "precision": "float32"}
              for name, figures in (("slow", (9.0, 12.0)), ("fast", (3.0, 3.0, 5.0)))
              for number, seconds in enumerate(figures)),
            *(same | {"compare": f"slow / fast, {wanted}", "over": ["slow", "cpu"], "under": ["fast", "cpu"],
                      "wanted": wanted, "kind": "ratio", "note": ""} for wanted in (">= 3", ">= 4"))]
    text = table.markdown(rows)
    assert "| slow / fast, >= 3 | 3.50 (3.00 to 4.00) | >= 3 | reached |" in text
    assert "| slow / fast, >= 4 | 3.50 (3.00 to 4.00) | >= 4 | **missed** |" in text
    assert "| fast | 3 | 3.0 (3.0 to 5.0) |" in text and "precision" not in text
