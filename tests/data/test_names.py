"""Groups in file names: found by the user's pattern, offered where names look so."""

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
    ("benign ({number}{group}).png", False), ("{group}{number}.png", False), ("img_{number}{group}.png", False)])
def test_names_that_look_like_groups_are_offered(form, offered):
    paths = [form.format(group=f"{group:03}", number=number) for group in range(8) for number in range(4)]
    found = names.offer(paths)
    assert (found is not None) == offered
    if offered:
        assert found[1] == 8 and len(set(names.groups(paths, found[0])[0])) == 8
