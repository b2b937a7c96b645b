"""Every page, in every state of a run, in a real browser: what it asks for, how it looks, who can use it."""

import re

import pytest

from tests.apps import make_runs
from tests.browser import harness, looking
from tests.browser.conftest import ALL, EVIL, LOOK, watched

STATES = ("running", "queued", "failed", "stopped", "killed", "damaged")
ADDRESSES = [("data", {}), ("data", {"check": LOOK}), ("data", {"check": LOOK, "show": "pictures"}), ("train", {}),
             ("train", {"check": LOOK}), ("train", {"from": ALL}), ("run", {}), ("run", {"run": ALL}),
             ("run", {"run": "running"}), ("run", {"run": "killed"}), ("run", {"compare": f"{ALL},second"}),
             ("results", {"run": ALL}), ("results", {"run": ALL, "view": "pictures"}),
             ("results", {"run": ALL, "view": "threshold"}), ("results", {"run": ALL, "view": "files"}),
             ("use", {"run": ALL}), ("use", {"model": "/nowhere"}), ("use", {"answer": "answer"}),
             ("use", {"answer": "answer", "view": "Pictures"}), ("use", {"answer": "answer", "picture": "4"})]
IDS = ["-".join([name, *(f"{value}" for value in given.values())]) for name, given in ADDRESSES]


@pytest.mark.parametrize("name, given", ADDRESSES, ids=IDS)
def test_H9_every_page_at_every_width_in_both_themes_for_everyone(browser, server, axe_script, name, given):
    with watched(browser, server) as page:
        harness.visit(page, server, name, **given)
        page.wait_for_timeout(500)  # charts come after the words
        found = looking.faults(page, axe_script, pause=250)
        page.set_viewport_size({"width": 640, "height": 450})  # 1280 at 200 %
        page.wait_for_timeout(200)
        assert (found, looking.sideways(page)) == ({}, 0)


@pytest.mark.parametrize("name", ("run", "results", "use"))
def test_H2_every_state_of_a_run_is_met_by_words(page, server, name):
    for state in STATES:
        harness.visit(page, server, name, run=state)
        assert "was not foreseen" not in harness.words(page), state


@pytest.mark.parametrize("name", ("run", "results", "use"))
def test_H2_an_unknown_run_is_said_and_others_are_offered(page, server, name):
    harness.visit(page, server, name, run="never")
    said = harness.words(page)
    assert re.search(r"\bnever\b", said) and "was not foreseen" not in said


@pytest.mark.parametrize("name, given", [("run", {"run": "hostile"}), ("results", {"run": "hostile"}),
                                         ("use", {"run": "hostile"}), ("use", {"answer": "hostile"}),
                                         ("use", {"answer": "hostile", "picture": "1"}),
                                         ("use", {"answer": "hostile", "view": "Pictures"}), ("run", {}),
                                         ("train", {"from": "hostile"}), ("data", {"check": EVIL}),
                                         ("data", {"check": EVIL, "show": "pictures"}), ("train", {"check": EVIL})])
def test_I4_hostile_names_run_nothing_and_ask_nobody(page, server, name, given):
    page.on("dialog", lambda dialog: pytest.fail(f"a name opened a dialog: {dialog.message}"))
    harness.visit(page, server, name, **given)
    said = harness.words(page)
    assert "was not foreseen" not in said
    assert page.locator("img[src*='evil.example'], a[href*='evil.example'], img[src='x']").count() == 0
    assert not set("\x1b\u202e") & set(said)


def test_I4_names_are_readable_as_they_are(page, server):
    harness.visit(page, server, "use", run="hostile")
    harness.says(page, re.escape(make_runs.HOSTILE[0]))


def test_H2_a_second_tab_and_a_refresh_show_the_same(page, server):
    harness.visit(page, server, "use", answer="answer", show="Not sure")
    first = harness.words(page)
    assert "answer" in page.url and "of the run's validation pictures" in first.lower()
    page.reload()
    harness.settled(page)
    assert harness.words(page) == first
    other = page.context.new_page()
    other.goto(page.url)
    harness.settled(other)
    assert harness.words(other) == first


def test_H2_back_leads_back(page, server):
    harness.visit(page, server, "use", run=ALL)
    page.get_by_role("button", name=re.compile("^new")).first.click()
    page.get_by_text("Not sure below").wait_for()
    page.go_back()
    page.get_by_text("Take the model along").wait_for()
    assert "answer=" not in page.url


FAULTY = """from toolkit.runs import answers
def broken(*arguments):
    raise RuntimeError("/secret/Patient Name.png")
answers.answers = broken
"""


def test_H10_an_unforeseen_error_shows_neither_path_nor_name_and_other_pages_go_on(browser, runs, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(FAULTY)
    server = harness.Server(runs, PYTHONPATH=f"{tmp_path}:{harness.ROOT}").start()
    try:
        with watched(browser, server) as page:
            harness.visit(page, server, "use", run=ALL)
            page.get_by_text("Copy details").click()
            page.get_by_text("RuntimeError").wait_for()
            harness.says(page, "was not foreseen")
            assert not re.search(r"secret|Patient|/|Traceback", page.locator("[data-testid=stCode]").last.inner_text())
            assert "secret" not in page.content()
            harness.visit(page, server, "run")
            assert "was not foreseen" not in harness.words(page)
    finally:
        server.end()


def test_H1_only_this_computer_is_listened_on(server):
    lines = open(f"/proc/{server.process.pid}/net/tcp").read().splitlines()[1:]
    places = {line.split()[1] for line in lines if line.split()[3] == "0A" and line.split()[1].endswith(
        f":{server.port:04X}")}
    assert places == {f"0100007F:{server.port:04X}"}
