"""What every row of CHECKS keeps to: it finds its planted fault, and leaves clean and odd data in peace.

A new check is held to it by its fault: each test module of this folder may have a dict CONTRACT of
    row of CHECKS -> (case, check of the finding, severity, pictures)
where case is a dict of the fields of findings.Case, or a function that makes one, and pictures a set of paths or None.
"""

from importlib import import_module
from pathlib import Path

import pandas
import pytest

from tests.doctor import planted
from toolkit.doctor.checks import CHECKS
from toolkit.doctor.findings import SEVERITIES, Case

HERE = Path(__file__).parent
MODULES = [import_module(f"tests.doctor.{path.stem}") for path in sorted(HERE.glob("test_*.py"))
           if path.stem != Path(__file__).stem]
FAULTS = {row: fault for module in MODULES for row, fault in getattr(module, "CONTRACT", {}).items()}
every_check = pytest.mark.parametrize("row", CHECKS)


def case_of(row):
    made = FAULTS[row][0]
    return Case(**(made() if callable(made) else made))


def run(row, case):
    """The findings of a check, which must not have changed the rows."""
    before = case.rows.copy(deep=True)
    found = list(CHECKS[row](case))
    pandas.testing.assert_frame_equal(case.rows, before)
    return found


@every_check
def test_it_has_a_planted_fault(row):
    assert row in FAULTS, f"plant a fault for {row!r} in CONTRACT of a module in tests/doctor"


@every_check
def test_it_finds_its_planted_fault(row):
    _, check, severity, pictures = FAULTS[row]
    found = [finding for finding in run(row, case_of(row)) if finding.check == check]
    assert len(found) == 1 and found[0].severity == severity
    assert pictures is None or set(found[0].pictures) == pictures


@every_check
def test_what_it_says_is_whole(row):
    case = case_of(row)
    known = {*case.rows["path"], *(path for path, *_ in case.unreadable), *(path for path, _ in case.left_out)}
    for finding in run(row, case):
        assert finding.severity in SEVERITIES and finding.check and "\n" not in finding.sentence + finding.remedy
        for said in (finding.sentence, finding.remedy):
            assert said.endswith(".") and said[0] == said[0].upper() and "  " not in said and "nan" not in said.split()
        assert isinstance(finding.pictures, tuple) and set(finding.pictures) <= known
        assert len(set(finding.pictures)) == len(finding.pictures)
        assert all(isinstance(bundle, tuple) and len(bundle) > 1 for bundle in finding.bundles)
        assert {path for bundle in finding.bundles for path in bundle} <= set(finding.pictures)
        assert len(finding.scores) in (0, len(finding.pictures))
        assert list(finding.scores) == sorted(finding.scores, reverse=True)
        assert len(finding.suggested) in (0, len(finding.pictures))


@every_check
@pytest.mark.parametrize("split", ["", planted.split()], ids=["not split", "split"])
def test_clean_data_are_not_warned_of(row, split):
    case = Case(planted.rows(split=split), looks=planted.looks())
    assert not [finding for finding in run(row, case) if finding.severity != "note"]


def odd():
    """Cases that no check may stumble over."""
    one = planted.rows(1)
    yield "one picture", Case(one, looks=planted.looks(1))
    yield "no picture", Case(one[:0], looks=planted.looks(0))
    yield "no looks", Case(planted.rows(30))
    yield "one class", Case(planted.rows(30, ("a",)), looks=planted.looks(30))
    yield "a class a picture", Case(planted.rows(30, [str(i) for i in range(30)]), looks=planted.looks(30))
    empty = planted.rows(30, mode="", path=[f"{i}" for i in range(30)], sha256="", fingerprint="", bytes=0)
    yield "nothing known", Case(empty, looks=planted.looks(30))
    yield "no size", Case(planted.rows(30, width=0, height=0), looks=planted.looks(30))
    bare = planted.rows(30)[["path", "label", "split", "group", "sha256", "width", "height", "note"]]
    yield "fewer columns", Case(bare)
    for part in ("train", "test"):
        yield f"all {part}", Case(planted.rows(30, split=part), looks=planted.looks(30))
    yield "three in test", Case(planted.rows(30, split=["test"] * 3 + ["train"] * 27), looks=planted.looks(30))
    black = planted.looks(30)._replace(**dict.fromkeys(("brightness", "contrast", "sharpness", "entropy", "colour"),
                                                       planted.looks(30).still))
    yield "all black", Case(planted.rows(30), looks=black)
    hostile = "\x1b[31m'\"<b>=1+1\u202e\n{x}%s" + "x" * 300
    yield "hostile", Case(planted.rows(60, (hostile, "b"), note=hostile, mode=hostile, camera=hostile,
                                       split=planted.split(60)), looks=planted.looks(60), notes=(hostile,))
    yield "one group", Case(planted.rows(60, group="g", split=planted.split(60)), looks=planted.looks(60))


@every_check
@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in odd()])
def test_it_never_raises(row, case):
    for finding in run(row, case):
        assert finding.severity in SEVERITIES

