"""By keys alone: every action of every page can be reached, and a task be done."""

import pytest

from tests.browser import harness
from tests.browser.conftest import ALL

SEEN = """() => {
    const shown = one => one.checkVisibility({visibilityProperty: true, opacityProperty: true}) &&
                         one.getBoundingClientRect().width > 0 && !one.closest('[inert]')
    const found = [], look = root => {
        for (const one of root.querySelectorAll('*')) {
            if (one.shadowRoot) look(one.shadowRoot)
            if (one.matches('button, a[href], input:not([type=hidden]), select, textarea, [role=combobox], summary') &&
                !one.disabled && one.tabIndex >= 0 && shown(one)) found.push(one)
        }
    }
    look(document.querySelector('[data-testid=stMain]'))
    window.wanted = new Set(found)
    return found.length
}"""
TICK = """() => {
    let one = document.activeElement
    while (one?.shadowRoot?.activeElement) one = one.shadowRoot.activeElement
    const group = one?.closest('[role=radiogroup], [data-testid=stButtonGroup], [role=group].grid, [role=tablist]')
    for (const other of [...window.wanted])
        if (other === one || group?.contains(other) || one?.contains(other)) window.wanted.delete(other)
    return window.wanted.size
}"""
LEFT = """() => [...window.wanted].map(
    one => (one.getAttribute('aria-label') || one.innerText || one.outerHTML).slice(0, 200))"""


@pytest.mark.parametrize("name, given", [("data", {}), ("train", {"from": ALL}), ("run", {}), ("run", {"run": ALL}),
                                         ("results", {"run": ALL}), ("results", {"run": ALL, "view": "pictures"}),
                                         ("results", {"run": ALL, "view": "threshold"}), ("use", {"run": ALL}),
                                         ("use", {"answer": "answer"})])
def test_H9_every_control_is_reached_by_the_tab_key(page, server, name, given):
    harness.visit(page, server, name, **given)
    many = page.evaluate(SEEN)
    assert many
    page.locator("body").focus()
    for _ in range(3 * many + 40):  # the navigation comes first, and the grid of a table has stops of its own
        page.keyboard.press("Tab")
        if not page.evaluate(TICK):
            break
    assert page.evaluate(LEFT) == []


def test_H9_a_cell_of_the_matrix_is_chosen_by_keys(page, server):
    harness.visit(page, server, "results", run=ALL, view="pictures", form="table")
    page.locator("[data-testid=stDataFrame]").first.click(position={"x": 5, "y": 5})
    page.locator("[data-testid=stDataFrame] canvas").first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    page.wait_for_url("**cell=**")
    harness.settled(page)
    assert "was not foreseen" not in harness.words(page)


def test_H9_a_dialog_is_left_by_escape_and_keys_lead_through_pictures(page, server):
    harness.visit(page, server, "use", answer="answer", picture="4")
    page.get_by_role("dialog").wait_for()
    page.keyboard.press("ArrowRight")
    page.wait_for_url("**picture=5**")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    page.wait_for_url(lambda url: "picture=" not in url)
