"""Looks at data are found again, begun once, and read with suspicion."""

import json
import time
from datetime import datetime, timezone
from pathlib import Path

import pytest

from tests.runs import make_looks
from toolkit.data import edits, manifest
from toolkit.errors import DataError, UntrustedError
from toolkit.run import paths
from toolkit.runs import checks, folders, launch, tables


def folder(root, name):
    return Path(root, folders.KINDS["checks"], name)


@pytest.fixture
def slow(monkeypatch):
    """Processes that live for a moment in place of the command; each line that was asked for."""
    lines = []

    def spawn(stem, line):
        lines.append(line)
        real(stem, ["sleep", "3"])
    real = launch.spawn
    monkeypatch.setattr(launch, "spawn", spawn)
    return lines


def test_the_same_wish_is_the_same_look_and_another_is_another():
    assert checks.identity(["a", "--root", "b"]) == checks.identity(["a", "--root", "b"])
    assert checks.identity(["a"]) != checks.identity(["b"])


def test_H3_a_look_is_begun_once_and_found_again(tmp_path, slow):
    first = checks.begin(tmp_path, "d", ["d"], more=["--edits", "e"])
    again = checks.begin(tmp_path, "d", ["d"])
    assert (first.already, again.already, first.id) == (False, True, again.id) and len(slow) == 1
    assert checks.asked(tmp_path, first.id) == ["d"] and checks.asked(tmp_path, "x") is None
    assert slow[0][3:] == ["d", "--edits", "e", "--run-dir", str(folder(tmp_path, first.id))]
    assert checks.begin(tmp_path, "d", ["d"], again=True).already  # while it is under way


def test_a_finished_look_is_shown_until_one_looks_again(tmp_path, slow):
    name = make_looks.look(tmp_path, "d")
    assert checks.begin(tmp_path, "d", ["d"]) == launch.Started(name, True)
    assert checks.begin(tmp_path, "d", ["d"], again=True) == launch.Started(name[:13] + "2", False)
    assert checks.looks(tmp_path, ["d"]) == [name, name[:13] + "2"]


def test_a_failed_look_is_made_again(tmp_path, slow):
    name = make_looks.look(tmp_path, "d", state="failed", message="one class")
    assert checks.begin(tmp_path, "d", ["d"]).id == name[:13] + "2"


def test_old_looks_at_the_same_data_go_and_others_stay(tmp_path, slow):
    names = [make_looks.look(tmp_path, "d", number=n) for n in (1, 2, 3)]
    other = make_looks.look(tmp_path, "e")
    checks.begin(tmp_path, "d", ["d"], again=True)
    assert checks.looks(tmp_path, ["d"]) == [names[2], names[0][:13] + "4"] and folder(tmp_path, other).is_dir()


def test_the_last_look_at_each_data_is_offered(tmp_path):
    assert checks.recent(tmp_path) == []
    make_looks.look(tmp_path, "/data/d", number=9)
    last, other = make_looks.look(tmp_path, "/data/d", number=10), make_looks.look(tmp_path, "e", state="failed")
    assert [(one.id, one.data) for one in checks.recent(tmp_path)] == [(other, "e"), (last, "d")]
    assert len(checks.recent(tmp_path, 1)) == 1


def test_pictures_counts_and_columns_are_read(tmp_path):
    here = folder(tmp_path, make_looks.look(tmp_path))
    found = checks.pictures(here)
    assert len(found) == 30 and found[3].path == "malignant/3.png" and len(found[3].key) == 16
    assert checks.counts(found)["benign"] == {"train": 10, "validation": 2, "test": 3}
    assert checks.columns(here) == {"patient": 10}


def test_numbers_as_classes_are_in_their_order():
    assert manifest.ordered({"10", "9", "2"}) == ["2", "9", "10"]


def test_formula_cells_are_opened(tmp_path):
    row = list(next(make_looks.rows()))
    row[0], row[1] = "=cmd().png", "-4 to 5"
    here = folder(tmp_path, make_looks.look(tmp_path, manifest=[row]))
    assert (checks.pictures(here)[0].path, checks.pictures(here)[0].label) == ("=cmd().png", "-4 to 5")


def test_a_manifest_that_has_changed_is_read_anew(tmp_path):
    here = folder(tmp_path, make_looks.look(tmp_path))
    assert len(checks.pictures(here)) == 30
    text = paths(here).manifest.read_text("utf-8-sig").splitlines()[:11]
    paths(here).manifest.write_text("\n".join(text))
    assert len(checks.pictures(here)) == 10


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "path,label,split,group,sha256,width,height,mode,note\n\"",
                                  "path,label,split,group,sha256,width,height,mode,note\na,b,,,s,wide,1,,\n",
                                  "\xff\xfe"])
def test_I9_an_odd_manifest_is_damaged(tmp_path, text):
    here = folder(tmp_path, make_looks.look(tmp_path))
    paths(here).manifest.write_text(text, "latin-1")
    with pytest.raises(UntrustedError, match="damaged"):
        checks.pictures(here)


def test_I9_a_link_or_a_huge_manifest_is_not_read(tmp_path, monkeypatch):
    here = folder(tmp_path, make_looks.look(tmp_path))
    monkeypatch.setattr(tables, "LARGEST", 10)
    with pytest.raises(UntrustedError):
        checks.pictures(here)
    monkeypatch.setattr(tables, "LARGEST", 10 ** 6)
    paths(here).manifest.rename(tmp_path / "elsewhere")
    paths(here).manifest.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UntrustedError):
        checks.pictures(here)


def test_findings_come_gravest_first_and_odd_ones_not_at_all(tmp_path):
    odd = [7, {"severity": "worst"}, {"check": 1, "severity": "error", "pictures": ["a", 2], "sentence": ["x"]}]
    found = checks.findings(folder(tmp_path, make_looks.look(tmp_path, found=make_looks.findings(*odd))))
    assert [one.severity for one in found] == ["error", "warning", "note"]
    assert found[0] == checks.Finding("", "error", "", "", ("a",))


def test_H6_ten_thousand_pictures_are_read_at_once(tmp_path):
    here = folder(tmp_path, make_looks.look(tmp_path, manifest=make_looks.rows(10_000)))
    began = time.perf_counter()
    found = checks.pictures(here)
    checks.counts(found)
    assert len(found) == 10_000 and time.perf_counter() - began < 2


def test_decisions_lie_beside_the_data_or_with_us(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "t.csv").touch()
    assert checks.edits_file(tmp_path, str(data)) == (data / edits.NAME, False)
    assert checks.edits_file(tmp_path, str(data / "t.csv")) == (data / edits.NAME, False)
    path, told = checks.edits_file(tmp_path, "sample:cells")
    assert told and path.parent == tmp_path / ".dashboard" / "edits"
    assert checks.edits_file(tmp_path, str(tmp_path / "gone"))[1]


def test_decisions_are_kept_and_told_by_their_time(tmp_path):
    picture = checks.pictures(folder(tmp_path, make_looks.look(tmp_path)))[2]
    path = tmp_path / edits.NAME
    assert checks.decisions(path) == []
    checks.decide(path, picture, "relabel", "malignant")
    between = datetime.now(timezone.utc)
    time.sleep(0.002)
    checks.decide(path, picture, "exclude")
    found = checks.decisions(path)
    assert [one.action for one in checks.since(found, between)] == ["exclude"]
    assert len(checks.since(found, None)) == 2 and json.loads(path.read_text().splitlines()[0])["sha256"]
    assert set(edits.standing(found)[picture.path]) == {"relabel", "exclude"}
    with pytest.raises(DataError):
        checks.decide(path, picture, "relabel", "")


def test_what_was_left_out_is_told(tmp_path):
    here = folder(tmp_path, make_looks.look(
        tmp_path, groups=7, unreadable=[["a.png", "x", "empty"], [1, 2, 3]], left_out=[["b.txt", "no picture"], "c"],
        skipped={"no picture": 4, "odd": "many"}, edits=["Edits applied: 1 exclude.", 5]))
    assert checks.told(here) == checks.Told(7, (("a.png", "x", "empty"),), (("b.txt", "no picture"),),
                                            {"no picture": 4}, ("Edits applied: 1 exclude.",))
    assert checks.told(folder(tmp_path, make_looks.look(tmp_path, "other"))) == checks.Told(None, (), (), {}, ())


def near(**more):
    return {"check": "near duplicates", "severity": "warning", "pictures": ["a", "b", "c"], "sentence": "",
            "remedy": "", **more}


def test_what_belongs_together_and_what_is_suggested_is_read(tmp_path):
    given = near(bundles=[["a", "b"]], scores=[3, 2.5, 1], suggested=["x", "", "y"])
    (found,) = checks.findings(folder(tmp_path, make_looks.look(tmp_path, found=[given])))
    assert (found.bundles, found.scores, found.suggested) == ((("a", "b"),), (3, 2.5, 1), ("x", "", "y"))


@pytest.mark.parametrize("odd", [
    {"bundles": "ab"}, {"bundles": [["a", "gone"], "ab", 7, ["a"], ["a", "a"], [["a", "b"]]]}, {"bundles": {"a": "b"}},
    {"scores": [1, 2]}, {"scores": [1, 2, "3"]}, {"scores": [1, 2, 1e400]}, {"scores": [True, 1, 2]}, {"scores": 3},
    {"suggested": ["x"]}, {"suggested": ["x", 2, "y"]}, {"suggested": "xyz"}, {"severity": ["warning"]},
    {"scores": [1, 2, 3, 4], "pictures": ["a", 2, "b", "c"]}])
def test_I9_what_does_not_fit_the_pictures_of_a_finding_is_left_out(tmp_path, odd):
    text = json.dumps({"findings": [near() | odd]})
    here = folder(tmp_path, make_looks.look(tmp_path))
    paths(here).doctor.write_text(text)
    for found in checks.findings(here):
        assert (found.bundles, found.scores, found.suggested) == ((), (), ()) and found.pictures == ("a", "b", "c")


def test_H6_thousands_of_clusters_are_read_at_once(tmp_path):
    bundles = [[f"{n}.png", f"{n + 1}.png"] for n in range(0, 10_000, 2)]
    here = folder(tmp_path, make_looks.look(tmp_path, found=[near(
        pictures=[path for pair in bundles for path in pair], bundles=bundles, scores=[1] * 10_000)] * 20))
    began = time.perf_counter()
    assert len(checks.findings(here)[0].bundles) == 5000 and time.perf_counter() - began < 3


def pictured(row, group="", side=10, name=None):
    return checks.Picture(row, name or f"{row}.png", "x", "train", group, f"{row:064x}", side, side, "")


def test_the_largest_of_several_copies_stays():
    bundle = [pictured(0), pictured(1, side=20), pictured(2, side=20)]
    assert checks.copies(bundle) == [bundle[2], bundle[0]]


def test_what_is_kept_together_takes_its_groups_along():
    found = [pictured(0), pictured(1), pictured(2, "p"), pictured(3, "p"), pictured(4, "q")]
    assert checks.together(found, found[:2]) == dict.fromkeys(found[:2], "near-00000000")
    assert checks.together(found, [found[0], found[2]]) == {found[0]: "p"}
    assert checks.together(found, found[2:]) == dict.fromkeys(found[2:], "p + q")
    assert checks.together(found, found[2:4]) == {}


def test_several_decisions_are_kept_in_their_order(tmp_path):
    path = tmp_path / edits.NAME
    checks.decide_all(path, [(pictured(0), "relabel", "y"), (pictured(0), "undo", ""), (pictured(1), "exclude", "")])
    assert [one.action for one in checks.decisions(path)] == ["relabel", "undo", "exclude"]
    with pytest.raises(DataError):
        checks.decide_all(path, [(pictured(2), "exclude", ""), (pictured(2), "relabel", "")])
    assert len(checks.decisions(path)) == 3


def test_what_the_targets_are_is_told(tmp_path):
    given = {"columns": ["boxes", "train"], "rows": [["RBC", 3], ["WBC"], 7, ["x", None]], "lines": ["Some.", 3]}
    here = folder(tmp_path, make_looks.look(tmp_path, task="detection", summary=given))
    found = checks.told(here)
    assert (found.task, found.summary) == ("detection", (("boxes", "train"), (("RBC", "3"), ("x", "")), ("Some.",)))
    for odd in (None, [], {"columns": "ab"}, {"columns": [1]}):
        assert checks.summary(odd) is None
