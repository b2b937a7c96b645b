"""Findings decided about as a person does it: one click, one key, and the way back."""

import pytest

from tests.browser import harness, looking
from tests.browser.conftest import pictured
from tests.runs import make_looks
from toolkit.data import edits

PAIRS = [["benign/2.png", "malignant/3.png"], ["benign/4.png", "benign/6.png"]]
FOUND = [
    {"check": "near duplicates", "severity": "warning", "sentence": "2 clusters.", "remedy": "Keep them together.",
     "pictures": [path for pair in PAIRS for path in pair], "bundles": PAIRS},
    {"check": "label errors", "severity": "warning", "sentence": "2 labels look wrong.", "remedy": "Look.",
     "pictures": ["benign/8.png", "malignant/9.png"], "scores": [.9, .97], "suggested": ["malignant", "benign"]}]


@pytest.fixture
def look(runs, tmp_path):
    """A look at data of its own -> (its name, the file of decisions)."""
    (tmp_path / "cells").mkdir()
    name = make_looks.look(runs, str(tmp_path / "cells"), [str(tmp_path / "cells")], found=FOUND)
    pictured(runs, name)
    return name, tmp_path / "cells" / edits.NAME


def decided(file, count):
    """What stands, once the file has `count` lines: {picture: {action: value}}."""
    harness.until(lambda: file.exists() and len(file.read_text().splitlines()) >= count, 30, f"{count} decisions")
    return {path: {action: edit.value for action, edit in actions.items()}
            for path, actions in edits.standing(edits.read(file)).items()}


def test_a_label_is_agreed_to_by_key_and_taken_back(page, server, look):
    name, file = look
    harness.visit(page, server, "data", check=name)
    first = page.get_by_role("button", name="It is benign: labelled malignant, looks like benign, 3 % for its label")
    first.focus()
    page.keyboard.press("Enter")
    assert decided(file, 1) == {"malignant/9.png": {"relabel": "benign"}}
    page.get_by_text("1 decision since this look").wait_for()
    harness.settled(page)
    page.get_by_role("button", name="It is malignant: labelled benign").wait_for()  # the other stays
    back = page.get_by_role("button", name="Take back: labelled malignant")
    back.wait_for()
    assert back.evaluate("one => one.getRootNode().activeElement === one")  # the key that did it undoes it
    page.keyboard.press("Enter")
    assert decided(file, 2) == {}
    harness.settled(page)


def test_the_copies_of_a_picture_go_by_one_click_and_u_brings_them_back(page, server, look):
    name, file = look
    harness.visit(page, server, "data", check=name)
    page.get_by_role("button", name="Keep the largest only").first.click()
    assert decided(file, 1) == {"malignant/3.png": {"exclude": ""}}
    page.get_by_role("button", name="Undo the last one").wait_for()
    harness.settled(page)
    page.keyboard.press("u")
    assert decided(file, 2) == {}
    harness.settled(page)
    page.get_by_role("button", name="Keep each together").click()
    stands = decided(file, 6)
    assert {path: list(actions) for path, actions in stands.items()} == {
        path: ["regroup"] for pair in PAIRS for path in pair}
    assert len({actions["regroup"] for actions in stands.values()}) == 2
    harness.settled(page)


def test_a_bundle_is_looked_at_picture_by_picture(page, server, look):
    name, _ = look
    harness.visit(page, server, "data", check=name)
    page.get_by_role("button", name="malignant · Training").first.click()
    harness.says(page.get_by_role("dialog"), "2 of 4")
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**picture=4**")
    harness.settled(page)


def test_H9_findings_at_every_width_in_both_themes_for_everyone(page, server, look, axe_script):
    harness.visit(page, server, "data", check=look[0])
    assert looking.faults(page, axe_script) == {}
