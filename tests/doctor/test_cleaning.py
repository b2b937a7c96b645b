"""What is suggested about findings: what goes, what is bound together, what is only marked."""

import io

import pandas
import pytest

from tests.doctor.test_checks import clean, planted
from toolkit.data import edits, manifest, table
from toolkit.doctor import checks, cleaning
from toolkit.doctor.findings import Finding


def suggested(rows, *more, **given):
    return cleaning.suggested(rows, [*checks.examine(rows), *more], **given)


def near(*bundles):
    return Finding("near duplicates", "warning", tuple(path for one in bundles for path in one), ".", ".", bundles)


def actions(found):
    return {edit.path: (edit.action, edit.value) for edit in found.edits}


def test_A9_one_copy_within_a_class_stays():
    rows = planted(fingerprint={2: "f0", 4: "f0"}, width={2: 200})
    found = suggested(rows)
    assert actions(found) == {"0.png": ("exclude", ""), "4.png": ("exclude", "")}  # 2.png is the largest
    assert found.edits[0].why == "a copy of 2.png" and found.edits[0].sha256 == "h0"
    assert "2 files left out" in found.said[0] and "10 pictures of 12 stay" in found.said[0]


def test_A9_the_copy_in_a_test_part_stays():
    rows = planted(fingerprint={2: "f0"}, width={2: 500}, split={0: "test", 2: "train"})
    assert actions(suggested(rows, given=True)) == {"2.png": ("exclude", "")}


def test_A9_a_picture_under_two_classes_goes_from_both():
    found = suggested(planted(sha256={1: "h0"}, fingerprint={2: "f0"}))
    assert set(actions(found).values()) == {("exclude", "")} and set(actions(found)) == {"0.png", "1.png", "2.png"}
    assert "a, b" in found.edits[0].why


def test_what_cannot_be_read_goes():
    found = suggested(clean(), unreadable=[("x.png", "a", "empty file" * 100)])
    assert actions(found) == {"x.png": ("exclude", "")} and len(found.edits[0].why) <= 230 and len(found.rows) == 12


def test_near_duplicates_become_one_group():
    rows = clean().assign(group="")
    rows.loc[9, "group"] = "near-0001"
    found = suggested(rows, near(("0.png", "1.png"), ("2.png", "3.png", "4.png")))
    groups = dict(zip(found.rows["path"], found.rows["group"]))
    assert groups["0.png"] == groups["1.png"] == "near-0002"  # that name was taken
    assert groups["2.png"] == groups["4.png"] == "near-0003" and groups["5.png"] == ""
    assert actions(found)["3.png"] == ("regroup", "near-0003") and "9.png" not in actions(found)


def test_groups_that_were_given_are_joined():
    rows = clean().assign(group=[f"g{i // 2}" for i in range(12)])
    found = suggested(rows, near(("0.png", "2.png")))
    assert {path: value for path, (_, value) in actions(found).items()} == dict.fromkeys(
        ("0.png", "1.png", "2.png", "3.png"), "g0 + g1")
    assert not actions(suggested(rows, near(("0.png", "1.png"))))  # they were together before


def test_a_copy_that_goes_still_binds():
    rows = planted(fingerprint={2: "f0"}, group={0: "p", 2: "q", 4: "q"})
    groups = dict(zip(suggested(rows).rows["path"], suggested(rows).rows["group"]))
    assert groups["0.png"] == groups["4.png"] == "p + q"


def test_many_groups_get_a_short_name_of_their_own():
    rows = clean(60).assign(group=[f"patient number {i}" for i in range(60)])
    found = suggested(rows, near(tuple(rows["path"])))
    (name,) = set(found.rows["group"])
    assert name == "patient number 0 and 59 more"


def test_labels_that_look_wrong_are_marked_and_stay():
    wrong = Finding("label errors", "warning", ("3.png", "0.png"), ".", ".", (), (.99, .9), ("a", "b"))
    dark = Finding("dark", "warning", ("3.png",), ".", ".")
    note = Finding("converted", "note", ("5.png",), ".", ".")
    found = suggested(clean(), wrong, dark, note)
    row = found.rows.set_index("path").loc["3.png"]
    assert (row["label"], row["suspected"], row["suggested"]) == ("b", "label errors (0.99); dark", "a")
    assert found.rows.set_index("path").loc["5.png", "suspected"] == "" and not found.edits
    assert "2 pictures marked" in found.said[0]


def test_near_duplicates_under_two_classes_are_marked():
    conflict = Finding("near duplicates in several classes", "warning", ("0.png", "1.png"), ".", ".",
                       (("0.png", "1.png"),))
    found = suggested(clean(), near(("0.png", "1.png"), ("2.png", "4.png")), conflict)
    marked = found.rows.loc[found.rows["suspected"] != "", "path"]
    assert set(marked) == {"0.png", "1.png"}


def test_a_split_stays_only_where_it_was_given():
    rows = planted(split={i: ("train", "test")[i % 2] for i in range(12)})
    assert set(suggested(rows, given=False).rows["split"]) == {""}
    assert set(suggested(rows, given=True).rows["split"]) == {"train", "test"}


def test_a_class_that_would_be_lost_is_said():
    found = suggested(pandas.concat([clean(4), clean(1).assign(path="c.png", label="c")], ignore_index=True))
    assert any("Class 'c' would lose its last picture" in line for line in found.said)


def test_nothing_to_do_is_nothing_said():
    found = suggested(clean())
    assert found.edits == () and found.said == () and list(found.rows["path"]) == list(clean()["path"])


@pytest.mark.parametrize("name", ["=cmd()|A1.png", "<b>.png", "a\u202eb.png"])
def test_I4_hostile_names_come_back_from_table_and_edits(tmp_path, name):
    rows = planted(fingerprint={2: "f0"}, path={0: name}).assign(mode="L", group="")
    found = suggested(rows, near((name, "3.png")))
    data = manifest.table(found.rows)
    assert b"\n=cmd" not in data
    frame = pandas.read_csv(io.BytesIO(data), dtype=str, keep_default_na=False)
    assert set(table.OWN) <= set(frame.columns) and {"suspected", "suggested"} <= set(frame.columns)
    file = tmp_path / "e.jsonl"
    file.write_text("".join(map(edits.line, found.edits)), "utf-8")
    stay, notes = edits.applied(rows, edits.read(file))
    assert list(stay["path"]) == list(found.rows["path"]) and list(stay["group"]) == list(found.rows["group"])
