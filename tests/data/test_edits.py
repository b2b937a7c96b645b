"""Decisions about pictures: applied where they fit, taken back, and never silently dropped."""

import json

import pandas
import pytest

from toolkit.data import edits, manifest
from toolkit.data.edits import Edit
from toolkit.errors import DataError, ResourceError

ROWS = pandas.DataFrame([(f"{i}.png", "ab"[i % 2], "", f"h{i}") for i in range(6)],
                        columns=["path", "label", "group", "sha256"], dtype=object)


def test_each_action_does_what_it_says():
    rows, notes = edits.applied(ROWS, [Edit("0.png", "h0", "exclude"), Edit("1.png", "h1", "relabel", "a"),
                                       Edit("2.png", "h2", "regroup", "p7"), Edit("3.png", "", "regroup", "p7")])
    assert list(rows["path"]) == [f"{i}.png" for i in range(1, 6)] and list(rows.index) == list(range(5))
    assert list(rows["label"]) == ["a", "a", "b", "a", "b"] and list(rows["group"]) == ["", "p7", "p7", "", ""]
    assert notes == ["Edits applied: 1 exclude, 1 relabel, 2 regroup."]
    assert len(ROWS) == 6 and ROWS["label"][1] == "b"


def test_later_lines_stand_above_and_undo_takes_back():
    rows, notes = edits.applied(ROWS, [
        Edit("0.png", "h0", "exclude"), Edit("0.png", "h0", "relabel", "b"), Edit("0.png", "h0", "undo"),
        Edit("1.png", "h1", "relabel", "c"), Edit("1.png", "h1", "relabel", "a"),
        Edit("2.png", "h2", "undo"), Edit("2.png", "h2", "exclude")])
    assert list(rows["path"]) == ["0.png", "1.png", "3.png", "4.png", "5.png"]
    assert list(rows["label"][:2]) == ["a", "a"] and notes == ["Edits applied: 1 exclude, 1 relabel."]


def test_edits_of_changed_or_absent_pictures_are_told_and_not_applied():
    rows, notes = edits.applied(ROWS, [Edit("0.png", "other", "exclude"), Edit("gone.png", "h9", "exclude")])
    assert len(rows) == 6 and len(notes) == 2
    assert "changed since" in notes[0] and "0.png" in notes[0] and "gone.png" in notes[1]


def test_a_file_goes_through_lines(tmp_path):
    path = tmp_path / edits.NAME
    wanted = [Edit("ä\n=x.png", "h0", "exclude", why="blurred"), Edit("1.png", "h1", "relabel", "größe 😀")]
    for edit in wanted:
        edits.append(path, edit)
    found = edits.read(path)
    assert [(e.path, e.action, e.value, e.why) for e in found] == [(e.path, e.action, e.value, e.why) for e in wanted]
    assert all(edit.time.endswith("+00:00") for edit in found) and len(path.read_text("utf-8").splitlines()) == 2


@pytest.mark.parametrize("line", ["{", "[]", "7", '{"path": "", "action": "exclude"}',
                                  '{"path": 7, "action": "exclude"}', '{"path": "x", "action": "burn"}',
                                  '{"path": "x", "action": "relabel"}',
                                  '{"path": "x", "action": "exclude", "value": "y"}', "[" * 3000])
def test_I4_a_line_that_is_no_edit_is_named(tmp_path, line):
    path = tmp_path / edits.NAME
    path.write_text(json.dumps({"path": "a", "action": "exclude"}) + "\n\n" + line + "\n")
    with pytest.raises(DataError, match="line 3"):
        edits.read(path)


def test_the_file_beside_the_data_is_found(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / edits.NAME).write_text("")
    assert edits.beside(tmp_path / "data") == edits.beside(tmp_path / "data" / "table.csv")
    assert edits.beside(tmp_path) is None and edits.beside("sample:cells") is None


def test_what_cannot_be_kept_is_said(tmp_path):
    with pytest.raises(ResourceError, match="the decision was not kept"):
        edits.append(tmp_path / "no" / edits.NAME, Edit("x", "", "exclude"))


def test_a_picture_that_cannot_be_read_can_be_left_out():
    rows = pandas.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": list("xyx")})
    facts = pandas.DataFrame({"error": ["", "empty file", "truncated"], "sha256": ["1", "", "3"]})
    samples = manifest.Samples(rows, None, "table", None)
    decided = [Edit("b.png", "", "exclude"), Edit("a.png", "", "exclude")]
    found, left, still = manifest.set_aside(samples, facts, decided)
    assert list(found.rows["path"]) == ["a.png", "c.png"] and list(left["sha256"]) == ["1", "3"]
    assert still == decided[1:] and found.edits == ("1 picture that cannot be read left out by the edits.",)
    assert manifest.set_aside(samples, facts, decided[1:])[0] is samples
