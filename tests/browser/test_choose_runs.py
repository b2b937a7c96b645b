"""The table of runs, which only a browser can click: one is opened, several are compared, by mouse and by keyboard."""

from tests.browser import harness

ROW = 36        # pixels
MARK = 16       # pixels from the left: the tick box


def grid(page, server):
    """Open the table of runs -> where its canvas begins."""
    harness.visit(page, server, "run")
    box = page.locator("canvas").first.bounding_box()
    return box["x"], box["y"]


def tick(page, place, row):
    """Click the tick box of a row, 0 the first."""
    page.mouse.click(place[0] + MARK, place[1] + ROW * (row + 1) + ROW / 2)


def test_a_tick_opens_a_run_and_the_way_back_leads_to_all(page, server):
    place = grid(page, server)
    tick(page, place, 2)
    page.wait_for_url("**/run?run=*")
    harness.settled(page)
    page.get_by_role("button", name="All runs").click()
    page.wait_for_url(f"{server.base}/run")
    harness.settled(page)
    page.get_by_role("heading", name="Runs", exact=True, level=1).wait_for()
    page.wait_for_timeout(2500)  # what was ticked does not open by itself again
    assert "run=" not in page.url
    page.go_back()
    page.wait_for_url("**/run?run=*")


def test_H9_a_run_is_opened_by_keys_alone(page, server):
    grid(page, server)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "CANVAS":
            break
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Space")
    page.wait_for_url("**/run?run=*")


def test_F4_several_are_ticked_while_others_work(page, server):
    place = grid(page, server)
    page.get_by_text("Choose several").click()
    page.get_by_role("button", name="Compare", exact=True).wait_for()
    harness.settled(page)
    for row in (2, 3):
        tick(page, place, row)
        page.wait_for_timeout(1000)
    page.wait_for_timeout(3000)  # the table is shown anew meanwhile, and keeps what was ticked
    page.get_by_role("button", name="Compare 2 runs").click()
    page.wait_for_url("**/run?compare=*")
    harness.settled(page)
    page.get_by_role("heading", name="Compare runs", exact=True, level=1).wait_for()
