"""The page Results in a real browser: what only one can do: clicks on the matrix, keys, and who can use it."""

import re

import pytest

from tests.browser import harness, looking
from tests.browser.conftest import ALL, watched
from toolkit.runs import results

VIEWS = [{"view": "pictures", "form": "table", "cell": "0,0"}, {"class": "b", "threshold": "0.3"}]


@pytest.mark.parametrize("given", VIEWS, ids=["table", "threshold"])
def test_H9_every_view_at_every_width_in_both_themes_for_everyone(browser, server, axe_script, given):
    with watched(browser, server) as page:
        looked_at(page, server, axe_script, **given)


def test_H9_one_picture_for_everyone(browser, server, runs, axe_script):
    with watched(browser, server) as page:
        looked_at(page, server, axe_script, view="pictures", show="all", picture=keys(runs)[0])


def looked_at(page, server, script, **given):
    """No sideways scroll and nothing grave for assistive devices, however the page is looked at."""
    harness.visit(page, server, "results", run=ALL, **given)
    assert looking.faults(page, script) == {}


def keys(runs, **wanted):
    """Names of pictures in the order in which the page shows them."""
    answers = results.read(runs / ALL).answers
    return list(answers.table["id"].iloc[answers.where(**wanted)])


def shown(page):
    """Names of the pictures in the grid."""
    return [one.get_attribute("data-key") for one in page.locator(".grid button").all()]


def shows(page, names):
    """Wait until exactly these pictures are in the grid."""
    harness.until(lambda: shown(page) == names, 30, f"the grid shows {names}")


def click(page, row, column, of=3):
    """Click a cell of the drawn matrix."""
    page.locator(".vega-embed .cells_marks path").nth(row * of + column).click(force=True)


@pytest.mark.parametrize("size", [harness.WIDE, harness.NARROW], ids=["wide", "narrow"])
def test_F2_a_click_on_a_cell_shows_exactly_its_pictures(page, server, runs, size):
    page.set_viewport_size(size)
    harness.visit(page, server, "results", run=ALL, view="pictures")
    for cell in ((1, 1), (2, 2)):
        click(page, *cell)
        page.wait_for_url(f"**cell={cell[0]}%2C{cell[1]}**")
        harness.settled(page)
        shows(page, keys(runs, cell=cell)[:24])
    page.reload()
    harness.settled(page)
    shows(page, keys(runs, cell=(2, 2))[:24])
    page.get_by_role("button", name="All classes").click()
    page.wait_for_url(re.compile("^((?!cell=).)*$"))
    harness.settled(page)
    shows(page, keys(runs, right=False)[:24])
    click(page, 2, 2)  # the same cell once more
    page.wait_for_url("**cell=2%2C2**")
    page.go_back()
    page.wait_for_url(re.compile("^((?!cell=).)*$"))
    harness.settled(page)
    click(page, 2, 2)
    page.wait_for_url("**cell=2%2C2**")


def test_F2_H9_the_table_form_is_used_by_keys_alone(page, server, runs):
    harness.visit(page, server, "results", run=ALL, view="pictures", form="table")
    table = page.locator("[data-testid=stDataFrame]").first
    box = table.bounding_box()
    table.click(position={"x": 0.55 * box["width"], "y": 50})
    page.wait_for_url(re.compile(r"cell=0%2C\d"))
    page.keyboard.press("ArrowDown")
    page.wait_for_url(re.compile(r"cell=1%2C\d"))
    harness.settled(page)
    column = int(re.search(r"cell=1%2C(\d)", page.url)[1])
    shows(page, keys(runs, cell=(1, column))[:24])


def test_one_picture_by_keys(page, server, runs):
    wanted = keys(runs, right=None)
    harness.visit(page, server, "results", run=ALL, view="pictures", show="all")
    first = page.locator(".grid button").first
    first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(f"**picture={wanted[0]}**")
    page.get_by_role("dialog").wait_for()
    harness.settled(page)
    page.keyboard.press("ArrowRight")
    page.wait_for_url(f"**picture={wanted[1]}**")
    harness.settled(page)
    page.keyboard.press("ArrowLeft")
    page.wait_for_url(f"**picture={wanted[0]}**")
    harness.settled(page)
    page.keyboard.press("Escape")
    page.wait_for_url(re.compile("^((?!picture=).)*$"))
    page.get_by_role("dialog").wait_for(state="detached")
    assert "view=pictures" in page.url


@pytest.mark.parametrize("view", ["scores", "pictures", "threshold", "files"])
def test_I4_hostile_names_run_nothing_and_ask_nobody(page, server, view):
    page.on("dialog", lambda dialog: pytest.fail(f"a name opened a dialog: {dialog.message}"))
    harness.visit(page, server, "results", run="hostile", view=view, show="all")
    said = harness.words(page)
    assert "was not foreseen" not in said and not set("\x1b\u202e") & set(said)
    assert page.locator("img[src*='evil.example'], a[href*='evil.example'], img[src='x']").count() == 0
