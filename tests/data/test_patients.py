"""Patients are known by a hash that only this machine can form."""

import stat

import pandas
import pytest

from toolkit.data import patients


def rows(numbers, labels, group=""):
    return pandas.DataFrame({"label": labels, "group": group,
                             "patient": [patients.key(number, b"s" * 32) for number in numbers]}, dtype=object)


def test_a_key_is_the_same_for_the_same_number_and_secret_alone():
    assert patients.key("A 17", b"a" * 32) == patients.key("A 17", b"a" * 32) != patients.key("A 17", b"b" * 32)
    assert patients.key("A 17", b"a" * 32) != patients.key("A 18", b"a" * 32)
    assert patients.key("", b"a" * 32) == "" and "17" not in patients.key("A 17", b"a" * 32)[:9]


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path):
    made = patients.secret(tmp_path / "new")
    assert len(made) == 32 and patients.secret(tmp_path / "new") == made != patients.secret(tmp_path / "other")
    files = list((tmp_path / "new").iterdir())
    assert [file.name for file in files] == ["secret"] and stat.S_IMODE(files[0].stat().st_mode) == 0o600
    (tmp_path / "file").write_text("x")
    assert len(patients.secret(tmp_path / "file")) == 32  # no folder: another one each time


def test_A10_pictures_of_one_patient_are_one_group():
    found, note = patients.groups(rows("aabbccdd", list("xyxyxyxy")), 3)
    assert len(set(found)) == 4 and found[0] == found[1] != found[2] and "4 patients" in note


@pytest.mark.parametrize("numbers, labels, group, said", [
    ("aaaaaa", "xyxyxy", "", "1 patient for 6 pictures, too few"),      # one number for all: made anonymous
    ("aabbaabb", "xyxyxyxy", "", "2 patients for 8 pictures, too few"),
    ("abcdef", "xyxyxy", "ward", "")])                                  # the user's own groups stand
def test_numbers_that_part_nothing_are_left_aside(numbers, labels, group, said):
    table = rows(numbers, list(labels), group)
    found, note = patients.groups(table, 3)
    assert list(found) == [group] * len(numbers) and said in note and bool(note) == bool(said)


def test_without_numbers_there_is_nothing_to_say():
    assert patients.groups(rows(["", ""], ["x", "y"]), 3)[1] == ""
