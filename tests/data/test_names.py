"""Groups in file names: found by the user's pattern, offered where names look so."""

import pandas
import pytest

from toolkit.data import names
from toolkit.errors import DataError


def test_the_brackets_of_a_pattern_hold_the_group():
    paths = ["a/patient7_1.png", "b/patient7_2.png", "a/patient12.png", "a/other.png"]
    found, note = names.groups(paths, r"patient(\d+)")
    assert found == ["7", "7", "12", ""] and note == "By the pattern in their names 3 pictures of 4 belong to 2 groups."


def test_B2_a_pattern_that_fits_nothing_is_an_error():
    with pytest.raises(DataError, match=r"'lot\(\.\)' fits none of 2 pictures|fits none of 2 paths, such as 'a.png'"):
        names.groups(["a.png", "b.png"], "lot(.)")


@pytest.mark.parametrize("pattern, word", [("patient", "no group in brackets"), ("(", "no regular expression")])
def test_B2_what_is_no_pattern_is_refused(pattern, word):
    with pytest.raises(ValueError, match=word):
        names.checked(pattern)


@pytest.mark.parametrize("form, offered", [
    ("class/patient_{group}_{number}.png", True), ("Patient {group} view {number}.dcm", True),
    ("P{group}_{number}.png", True),
    ("wafer{group}-die{number}.tif", True), ("x/{group}_{number}.png", True),
    ("person{group}_virus_{number}.jpeg", True), ("CNV-{group}-{number}.jpeg", True),
    ("{group}_{number:03}.png", True), ("chip 4/lot7-{group}/die{number}.tif", False),
    ("train/NEG/patient{group}/study1/view{number}.jpg", True), ("batch 1/patient{group}_{number}.png", True),
    ("plot{group}{number}.png", False), ("COVID-19 ({number}{group}).png", False),
    ("ISIC_00{group}{number}.jpg", False), ("exp{number}_num_4{group}.jpg", False),
    ("crazing_{number}{group}.jpg", False), ("IMG_20230101_1{group}{number}.jpg", False),
    ("CRC-HE-03.tif_Row_{group}_Col_1{number}.tif", False), ("DSC_{group}{number}.JPG", False),
    ("{group}{number}ab-93f1-4c/0a{number}.png", False), ("slide{group}{number}.png", False),
    ("benign ({number}{group}).png", False), ("{group}{number}.png", False), ("img_{number}{group}.png", False)])
def test_names_that_look_like_groups_are_offered(form, offered):
    paths = [form.format(group=f"{group:03}", number=number) for group in range(8) for number in range(4)]
    found = names.offer(paths)
    assert (found is not None) == offered
    if offered:
        assert found[1] == 8 and len(set(names.groups(paths, found[0])[0])) == 8


def test_classes_are_not_offered_as_groups():
    paths = [f"n0{kind}_{number:03}.jpg" for kind in range(4) for number in range(9)]
    assert names.offer(paths) is not None and names.offer(paths, [path[:3] for path in paths]) is None
    assert names.offer(paths, ["ab"[i % 2] for i in range(36)]) is not None


@pytest.mark.parametrize("place", ["busi", "magnetic_tile", "nuclei", "bccd"])
def test_names_of_real_sets_without_groups_are_left_in_peace(shared, place):
    folder = shared / "data" / place
    paths = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.suffix in (".jpg", ".png")
             and "masks" not in path.parts]
    assert len(paths) > 90 and names.offer(paths, [path.split("/")[-2] for path in paths]) is None


def test_the_sample_patients_are_offered(tmp_path):
    from toolkit.data.samples import cells

    rows = pandas.read_csv(cells.make(tmp_path))
    found = names.offer(list(rows["path"]), list(rows["label"]))
    together = {pair for pair in zip(names.groups(rows["path"], found[0])[0], rows["group"]) if pair[0]}
    assert found[1] == 56 and len(together) == 56
