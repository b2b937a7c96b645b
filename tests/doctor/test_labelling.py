"""Every check of labels, grades and amounts finds its planted fault, and the summaries count rightly."""

import numpy as np
import pandas
import pytest

from tests.doctor.test_annotations import CLEAN_MASKS, boxes, contract, masks, rows
from toolkit.doctor import labelling, summary
from toolkit.doctor.checks import examine
from toolkit.doctor.targets import Targets

NAMES = ("oedema", "nodule", "effusion")
AMOUNTS = tuple(float(10 + i % 12) for i in range(40))
GRADES = tuple("0123"[i % 4] for i in range(40))


def several(**changed):
    truth = [tuple(name for bit, name in enumerate(NAMES) if (1 + i % 7) >> bit & 1) for i in range(40)]
    for row, names in changed.items():
        truth[int(row[1:])] = names
    order = tuple(dict.fromkeys([*NAMES, *(name for names in truth for name in names)]))
    return Targets("multi-label", tuple(truth), order, order)


def amounts(**changed):
    truth = list(AMOUNTS)
    for row, value in changed.items():
        truth[int(row[1:])] = value
    return Targets("regression", tuple(truth))


TWINS = several()
FAULTS = [
    ("no label", "note", {"3.png"}, several(r3=()), {}, "1 picture without any label"),
    ("labels always together", "warning", set(), Targets("multi-label", tuple(
        names + ("copy",) if "nodule" in names else names for names in TWINS.truth), (*NAMES, "copy")), {},
     "'nodule' and 'copy'"),
    ("labels at odds", "warning", {"2.png"},
     several(r2=("No_Finding", "nodule"), r5=("No_Finding",), r9=("No_Finding",)), {}, "nothing and something"),
    ("few of a label", "warning", set(), several(r3=("rare",)), {}, "'rare' (1)"),
    ("few of a label", "warning", set(), Targets("multi-label", TWINS.truth, NAMES, (*NAMES, "never")), {},
     "'never' (0)"),
    ("label conflicts", "warning", {"0.png", "1.png"}, several(), {"sha256": {1: "h0"}}, "different labels"),
    ("outlying targets", "warning", {"5.png", "6.png"}, amounts(r5=999.0, r6=2000.0), {}, "such as 2000 (6.png)"),
    ("label conflicts", "warning", {"0.png", "1.png"}, amounts(), {"fingerprint": {1: "f0"}}, "different targets"),
    ("empty grades", "warning", set(), Targets("ordinal", GRADES, tuple("0123"), tuple("01234")), {}, "'4'"),
]


CONTRACT = contract(FAULTS, labelling.CHECKS, **{"targets at odds": "label conflicts",
                                                 "labels together": "labels always together"})


@pytest.mark.parametrize("name, severity, pictures, targets, cells, word", FAULTS,
                         ids=[f"{number} {fault[0]}" for number, fault in enumerate(FAULTS)])
def test_every_check_finds_its_planted_fault(name, severity, pictures, targets, cells, word):
    found = [one for one in examine(rows(40, **cells), targets=targets) if one.check == name]
    assert len(found) == 1 and found[0].severity == severity and set(found[0].pictures) == pictures
    assert word in found[0].sentence and found[0].sentence.endswith(".") and found[0].remedy.endswith(".")
    assert len(labelling.CHECKS) == 5


def test_the_gravest_outlier_stands_first():
    (found,) = examine(rows(40), targets=amounts(r5=999.0, r6=2000.0))
    assert found.pictures == ("6.png", "5.png") and found.scores[0] > found.scores[1] > 5


@pytest.mark.parametrize("targets", [several(), amounts()])
def test_clean_targets_are_left_in_peace(targets):
    assert examine(rows(40), targets=targets) == []


def test_copies_with_one_target_are_only_copies():
    found = examine(rows(40, sha256={12: "h0"}), targets=amounts())
    assert [(one.check, one.severity) for one in found] == [("duplicates", "note")]
    assert "of the same class" not in found[0].sentence
    found = examine(rows(40, sha256={1: "h0"}), targets=amounts())
    assert [one.check for one in found] == ["label conflicts"]


def test_amounts_that_grow_by_factors_are_no_outliers():
    values = np.exp(np.random.default_rng(0).normal(0, 2, 300))
    assert examine(rows(300), targets=Targets("regression", tuple(values))) == []


def test_grades_are_classes_to_the_other_checks():
    found = examine(rows(40).assign(label=GRADES), targets=Targets("ordinal", GRADES, tuple("0123"), tuple("0123")))
    assert [one.check for one in found] == ["few pictures"]
    (conflict,) = [one for one in examine(rows(40, sha256={1: "h0"}).assign(label=GRADES), targets=Targets(
        "ordinal", GRADES, tuple("0123"), tuple("0123"))) if one.check != "few pictures"]
    assert conflict.check == "label conflicts" and "0.png (0) and 1.png (1)" in conflict.sentence


PART = np.array(["train"] * 24 + ["validation"] * 8 + ["test"] * 8, object)


def test_labels_are_summed_up():
    found = summary.of(several(), PART, "Balanced.")
    assert found["columns"] == ["label", "train", "validation", "test", "all", "share"] and found["pictures"] == 40
    row = {name: numbers for name, *numbers in found["rows"]}["nodule"]
    assert row[:3] == [sum("nodule" in names for names, where in zip(several().truth, PART) if where == part)
                       for part in ("train", "validation", "test")] and row[3] == sum(row[:3])
    assert "Most often together" in " ".join(found["lines"]) and found["lines"][-1] == "Balanced."
    assert found["labels"]["nodule"] == row[3] and found["without"] == 0


def test_amounts_are_summed_up():
    found = summary.of(amounts(), PART)
    name, number, low, first, middle, third, high = found["rows"][-1]
    assert (name, number, low, high) == ("all", 40, "10", "21") and float(middle) == np.median(AMOUNTS)
    assert found["targets"]["q3"] == np.quantile(AMOUNTS, 0.75) and sum(found["histogram"]) == 40
    assert "█" in found["lines"][0] and found["lines"][0].startswith("10 |")


def test_grades_boxes_and_masks_are_summed_up():
    grades = summary.of(Targets("ordinal", GRADES, tuple("0123"), tuple("01234")), PART)
    assert [row[0] for row in grades["rows"]] == list("01234") and grades["rows"][4][-1] == 0
    found = summary.of(boxes(count=40), PART)
    assert found["boxes"] == {"cell": 40, "dust": 40} and found["rows"][-1] == ("pictures", 24, 8, 8, 40, 40)
    assert found["rows"][0][1:] == (24, 8, 8, 40, 40) and "80 boxes of 2 classes" in found["lines"][0]
    found = summary.of(masks(*CLEAN_MASKS, None, b"no"), np.array([""] * 8, object))
    assert found["rows"] == [("unsplit", 8, 6, "7.7%"), ("all", 8, 6, "7.7%")] and found["with_mask"] == 6


def test_rows_may_be_without_any_box_or_mask():
    nothing = summary.of(Targets("detection", ((), ())), np.array(["train", "test"], object))
    assert "0 boxes" in nothing["lines"][0] and nothing["sides"] is None
    nothing = summary.of(Targets("segmentation", (None, None)), np.array(["train", "test"], object))
    assert "nothing is marked" in nothing["lines"][0] and isinstance(pandas.DataFrame(nothing["rows"]).shape, tuple)
