"""A page in each theme and at each width: nothing reaches sideways, nothing is grave for assistive devices."""

import time

from tests.browser import axe, harness

LOOKS = [("light", harness.WIDE), ("dark", harness.NARROW)]  # each theme and each width once
WIDER = """() => Math.max(...[document.documentElement, ...document.querySelectorAll(
    '[data-testid=stMain], [data-testid=stAppViewContainer]')].map(one => one.scrollWidth - one.clientWidth))"""


def faults(page, script, pause=400):
    """{what is wrong with an open page: in which look, or by how much}. script: of axe; pause: ms after each change."""
    found = {}
    for scheme, size in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        page.wait_for_timeout(pause)
        look = f"{scheme} {size['width']}"
        if wide := sideways(page):
            found[f"{look} sideways"] = wide
        for fault in axe.findings(page, script):
            found.setdefault(fault, look)
    return found


def sideways(page, patience=5.0):
    """By how many pixels a page is wider than its window, once its charts have followed."""
    wide, end = page.evaluate(WIDER), time.monotonic() + patience
    while wide and time.monotonic() < end:
        page.wait_for_timeout(200)
        wide = page.evaluate(WIDER)
    return wide
