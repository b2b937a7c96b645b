"""What a person types is found or answered with the nearest name; a folder says what lies in it."""

import os

import pytest

from toolkit.data import places
from toolkit.errors import DataError


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Ultrasound" / "benign").mkdir(parents=True)
    (tmp_path / "Ultrasound" / "benign" / "a.PNG").touch()
    (tmp_path / "Ultrasound" / ".hidden.png").touch()
    (tmp_path / "Ultrasound" / "labels.csv").write_text("Filename;Diagnosis;patient\na.png;x;1\n")
    (tmp_path / "notes.docx").touch()
    return tmp_path


@pytest.mark.parametrize("text, end, kind", [
    ("~/Ultrasound", "Ultrasound", "folder"), (' "{home}/Ultrasound/" ', "Ultrasound", "folder"),
    ("file://{home}/Ultrasound/labels.csv", "Ultrasound/labels.csv", "table")])
def test_what_is_typed_is_found(home, text, end, kind):
    assert places.found(text.format(home=home)) == (str(home / end), kind)


def test_a_sample_is_no_path():
    assert places.found("sample:cells") == ("sample:cells", "sample")


@pytest.mark.parametrize("typed, near", [("Ultrasuond", "Ultrasound"), ("Ultrasound/benigm/x", "Ultrasound/benign")])
def test_A4_a_typo_is_answered_with_the_near_name(home, typed, near):
    with pytest.raises(places.Missing, match="does not exist") as error:
        places.found(str(home / typed))
    assert error.value.near == home / near


@pytest.mark.parametrize("text", ["", "  ''", "https://a.example/b.zip", "a\0b", "x" * 5000, "~nobody-of-this-name/a",
                                  "{home}/notes.docx"])
def test_what_is_no_place_is_refused_in_a_sentence(home, text):
    with pytest.raises(DataError, match=r"\.$"):
        places.found(text.format(home=home))


def test_a_folder_says_what_lies_in_it(home):
    assert places.inside(home) == places.Inside(("Ultrasound",), (), 0, False)
    assert places.inside(home / "Ultrasound") == places.Inside(("benign",), ("labels.csv",), 0, False)
    assert places.inside(home / "Ultrasound" / "benign").pictures == 1


def test_a_large_folder_is_not_read_to_its_end(home, monkeypatch):
    monkeypatch.setattr(places, "MOST", 3)
    for number in range(9):
        (home / f"{number}.png").touch()
    assert places.inside(home).more


def test_a_folder_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be opened"):
        places.inside(tmp_path / "gone")


def test_a_header_tells_its_columns_and_what_they_look_like(home):
    columns, guess, rows = places.header(os.path.join(home, "Ultrasound", "labels.csv"))
    assert columns == ["Filename", "Diagnosis", "patient"]
    assert guess == {"path": "Filename", "label": "Diagnosis", "split": None, "group": None,
                     "patient": "patient"}
    assert rows == [("a.png", "x", "1")]


def test_a_table_that_is_too_large_for_a_look_is_refused(home, monkeypatch):
    monkeypatch.setattr(places, "LARGEST_TABLE", 10)
    with pytest.raises(DataError, match="larger than"):
        places.header(home / "Ultrasound" / "labels.csv")
