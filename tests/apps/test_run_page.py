"""The page Run: all runs, one at work or ended in any way, several beside each other."""

import os
import re
import time
from pathlib import Path

import pytest

from apps.parts import beside, ending, frame, overview, watch
from tests.apps import make_runs, pages
from tests.apps.pages import words
from tests.runs import worker
from toolkit import queue
from toolkit.errors import plain as printable
from toolkit.runs import comparison, folders, launch, listing, state, trash


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path / "queue"))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(comparison, "RESAMPLES", 100)
    (tmp_path / "runs").mkdir()
    return tmp_path / "runs"


def opened(**parameters):
    return pages.opened("run", **parameters)


def buttons(page):
    return {button.label: button for button in page.button}


def table(page, number=0):
    return page.dataframe[number].value


def test_without_a_run_the_way_to_the_data_is_shown(root):
    page = opened()
    assert "There is no run yet" in words(page) and not page.dataframe
    assert page.get("page_link")[0].proto.label == "Bring pictures"


def test_H7_all_runs_are_in_the_table_newest_first(root):
    make_runs.finished(root, "done", data="/data/cells")
    make_runs.damaged(root, "broken", "run.json is cut")
    with make_runs.running(root, "busy"), make_runs.queued(root, "waits"):
        found = table(opened())
    assert list(found["run"]) == ["waits", "busy", "done", "broken"]
    assert list(found["state"]) == ["queued", "running 47%", "finished", "damaged"]
    assert found["auc"][2] == "0.927 (0.796 to 1.000)" and found["kept"][2] == "layer4" and found["data"][2] == "cells"
    assert found["time"][2] == "2 min" and re.fullmatch(r"2026-03-01 \d\d:\d\d", found["started"][2])
    assert found["auc"][1] == "" and found["started"][3] == ""


def test_a_score_that_is_not_defined_is_a_dash(root):
    make_runs.damaged(root, "one", "metrics.json has NaN")
    assert table(opened())["auc"][0] == "–"


def test_a_tick_opens_a_run_and_ticks_compare_several():
    ids = ["a", "b", "c"]
    assert overview.picked({"selection": {"rows": [1]}}, ids) == ["b"]
    assert overview.picked({"selection": {"rows": [2, 0, 7]}}, ids) == ["c", "a"]  # a row that has gone is none


def test_several_are_compared_at_the_switch(root):
    make_runs.finished(root, "one")
    page = opened()
    assert "Compare" not in buttons(page)
    page.toggle(key="run-several").set_value(True).run()
    assert buttons(page)["Compare"].disabled and buttons(page)["Delete"].disabled and not page.exception


def test_H8_several_are_deleted_after_a_question_and_none_that_works(root):
    for name in ("one", "two", "three"):
        make_runs.finished(root, name)
    with make_runs.running(root, "busy"):
        page = opened()
        page.session_state[overview.UNWANTED] = ["one", "two", "busy"]
        page.run()
        assert "go to the trash" in words(page) and [text.value for text in page.text] == ["one", "two", "busy"]
        buttons(page)["Move to the trash"].click().run()
        assert not page.exception and "busy: The run is still working" in words(page)
        assert {run.id for run in listing.runs(root)} == {"three", "busy"}


@pytest.mark.parametrize("name", ["nothing", "../runs", "..%2f..", "/etc", "a\0b", "![x](http://evil.example/p.png)"])
def test_H2_an_unknown_run_is_a_friendly_word_and_the_list(root, name):
    make_runs.finished(root, "one")
    page = opened(run=name)
    assert "There is no run" in page.warning[0].value and list(table(page)["run"]) == ["one"]
    assert "](" not in page.warning[0].value and "![" not in page.warning[0].value


def test_a_run_at_work_is_shown_live(root):
    with make_runs.running(root, "one", epochs=3):
        page = opened(run="one")
    said = words(page)
    assert "running" in said and "Tuning layer4. epoch 3 of at most 12" in said
    assert "50%, about 40 s left" in said and re.search(r"Last news \d+ s ago", said)
    assert {"Stop and keep the best", "Cancel"} <= set(buttons(page)) and "Resume" not in buttons(page)
    assert buttons(page)["Delete this run"].disabled
    assert len(page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")) == 5


def test_no_news_are_said_in_orange(root):
    with make_runs.running(root, "one") as live:
        before = time.time() - 47
        os.utime(live.run.status, (before, before))
        page = opened(run="one")
    said = next(element.value for element in page.markdown if "No news" in element.value)
    assert said.startswith(":orange[") and re.search(r"No news for 4\d s", said)


def test_a_queued_run_says_what_is_before_it(root):
    with queue.Ticket(["cpu"]) as first, make_runs.queued(root, "one"), queue.Ticket(["cpu"]) as mine:
        first.sign(f"{(root / 'earlier').absolute()} (process 1)")
        mine.sign(f"{(root / 'one').absolute()} (process 2)")
        page = opened(run="one")
    assert "queued, 1 before you" in words(page) and [text.value for text in page.text] == ["earlier"]
    assert "Cancel" in buttons(page) and "Stop and keep the best" not in buttons(page) and not page.get("progress")


def test_H4_stop_is_shown_at_once(root):
    process = worker.begin(root / "one", "deaf")
    try:
        page = opened(run="one")
        buttons(page)["Stop and keep the best"].click().run()
        assert (root / "one" / "stop").exists() and not page.exception
        said = words(page)
        assert "stopping" in said and "Stopping at the next safe point" in said
        assert "Stop and keep the best" not in buttons(page) and "Cancel" in buttons(page)
    finally:
        process.kill()
        process.wait()


def test_H4_stop_on_a_run_that_has_just_died_is_harmless(root):
    with make_runs.running(root, "one") as live:
        page = opened(run="one")
    buttons(page)["Stop and keep the best"].click().run()
    assert not page.exception and "ended by the system" in words(page) and not live.run.stop.exists()


def test_cancel_is_asked_and_explained(root):
    process = worker.begin(root / "one")
    page = opened(run="one")
    buttons(page)["Cancel"].click().run()
    said = words(page)
    assert "makes no further epoch" in said and "ends it at its next safe point" in said and "Resume goes on" in said
    assert process.poll() is None
    buttons(page)["Cancel the run"].click().run()
    process.wait(10)
    assert not page.exception
    page = opened(run="one")
    assert "Resume" in buttons(page)


def test_what_is_starting_can_be_cancelled(root, monkeypatch):
    spawn = launch.spawn
    monkeypatch.setattr(launch, "spawn", lambda stem, line: spawn(stem, ["sleep", "60", ";", "toolkit.finetune"][:2]))
    monkeypatch.setattr(launch, "ours", lambda pid: True)
    launch.start(root, "runs", "one", "finetune", ["/data/cells"], data="/data/cells")
    page = opened(run="one")
    assert "starting" in words(page) and "The first word takes some seconds" in words(page)
    buttons(page)["Cancel"].click().run()
    buttons(page)["Cancel the run"].click().run()
    end = time.monotonic() + 10
    while launch.alive(root, "runs", "one"):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_at_the_end_the_page_is_shown_anew_once(root, monkeypatch):
    make_runs.finished(root, "one")
    seen, entry, head = [], frame.entry, watch.head
    at_work = listing.Entry("one", root / "one", state.State("running"), "finetune", "cells", {})
    monkeypatch.setattr(frame, "entry", lambda *name: at_work if not seen else entry(*name))
    monkeypatch.setattr(watch, "head", lambda run: (seen.append(run.state.name), head(run)))
    page = opened(run="one")
    assert seen == ["running", "finished"] and "See the results" in buttons(page)


def test_a_finished_run_leads_on(root):
    make_runs.finished(root, "one", n=120)
    page = opened(run="one")
    assert {metric.label: metric.value for metric in page.metric}["Model kept"] == "layer4"
    links = {link.proto.label: link.proto.query_string for link in page.get("page_link")}
    assert links["Use this model"] == "run=one" and links["Start a similar run"] == "from=one"
    assert page.get("link_button")[0].proto.url == "/report/one"
    assert "See the results" in buttons(page) and not buttons(page)["Delete this run"].disabled
    assert "Resume" not in buttons(page) and "Cancel" not in buttons(page)


def test_scores_have_their_intervals(root):
    make_runs.finished(root, "one")
    page = opened(run="one")
    scores = listing.entry(root, "one").scores["roc_auc"]
    auc = next(metric for metric in page.metric if metric.label == "AUC")
    assert auc.value == f"{scores['value']:.3f}" and auc.delta == f"{scores['low']:.3f} to {scores['high']:.3f}"


def test_charts_have_words_and_a_table(root):
    make_runs.finished(root, "one")
    page = opened(run="one")
    charts = page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
    said = [chart.proto.alt for chart in charts]
    assert len(said) == 5 and all(said) and "the probe's is 0.930" in said[1] and "12 epochs" in said[0]
    assert said[2].startswith("Learning rate by stage: head from 9.5e-05 to ")
    numbers = table(page)
    assert list(numbers["epoch"]) == list(range(1, 13)) and list(numbers["round"])[5:7] == ["layer4", "layer3"]
    assert {"train loss", "validation loss", "validation roc auc", "learning rate, head",
            "strength of the gradients, layer3", "relative change of the weights, layer4"} <= set(numbers.columns)


def test_how_it_was_begun_can_be_typed(root):
    make_runs.finished(root, "one", options={"epochs": 3, "backbone": "resnet18"})
    page = opened(run="one")
    line = next(code.value for code in page.code if code.value.startswith("python -m"))
    assert line == "python -m toolkit.finetune /data/cells --backbone resnet18 --epochs 3"
    assert "Options: 2 differ from the defaults" in words(page)


def test_failed_before_there_was_a_run_shows_the_commands_own_words(root):
    home = folders.own(root, "starts")
    (home / "runs-one.json").write_text('{"module": "finetune", "command": ["finetune", "/nowhere"], "data": "/no"}')
    (home / "runs-one.log").write_text("error: /nowhere does not exist; check [the](http://evil.example) name.\n")
    page = opened(run="one")
    assert words(page).count("/nowhere does not exist; check [the](http://evil.example) name.") >= 1
    assert "](" not in page.error[0].value and "Resume" not in buttons(page)
    assert "python -m toolkit.finetune /nowhere" in words(page) and not buttons(page)["Delete this run"].disabled


def test_D4_a_killed_run_says_why_and_what_to_do(root, monkeypatch):
    make_runs.killed(root, "one")
    begun = []
    monkeypatch.setattr(launch, "spawn", lambda stem, line: begun.append(line))
    page = opened(run="one")
    said = words(page)
    assert "out of memory" in said and "smaller batch size" in said and "ended by the system" in said
    buttons(page)["Resume"].click().run()
    assert not page.exception and begun[0][2:] == ["toolkit.finetune", "--resume", "--run-dir", str(root / "one")]


def test_a_failed_and_a_stopped_run_say_why(root):
    make_runs.failed(root, "one", "The disk is full; free some space.")
    page = opened(run="one")
    assert "The disk is full" in page.error[0].value and "Resume" in buttons(page)
    make_runs.stopped(root, "two")
    assert "Stopped by hand." in words(opened(run="two"))


@pytest.mark.parametrize("how", list(make_runs.DAMAGES)[::3])
def test_I9_a_damaged_run_is_shown(root, how):
    make_runs.damaged(root, "one", how)
    page = opened(run="one")
    make_runs.readable(root)
    assert "All runs" in buttons(page) and "Traceback" not in words(page)


def test_I4_names_are_shown_letter_by_letter(root):
    make_runs.hostile(root, "one")
    page = opened(run="one")
    alive = [element.value for kind in ("markdown", "caption", "error", "info", "title") for element in
             getattr(page, kind) if re.search(r"(?<!\\)!\[|(?<!\\)\]\(|(?<!\\)<img|(?<!\\):red\[", element.value)]
    alive += [element.label for element in (*page.expander, *page.button, *page.metric) if re.search(
        r"(?<!\\)!\[|(?<!\\)\]\(", element.label)]
    assert not alive
    assert printable("![x](http://evil.example/p.png)") in words(page)


def test_H8_a_run_is_deleted_and_put_back(root):
    make_runs.finished(root, "one")
    page = opened(run="one")
    buttons(page)["Delete this run"].click().run()
    buttons(page)["Move to the trash"].click().run()
    assert not page.exception and [trash.called(name) for name in trash.listed(root)] == ["one"]
    page = opened()
    assert "Trash: 1 run" in words(page)
    buttons(page)["Put back"].click().run()
    assert not page.exception and list(table(page)["run"]) == ["one"] and trash.listed(root) == []


def test_H8_the_trash_is_emptied_after_a_question(root):
    make_runs.finished(root, "one")
    trash.delete(root, "one")
    page = opened()
    buttons(page)["Empty trash"].click().run()
    assert "This cannot be undone" in words(page) and len(trash.listed(root)) == 1
    buttons(page)["Delete for good"].click().run()
    assert trash.listed(root) == [] and not page.exception


def test_F4_runs_on_the_same_pictures_are_compared(root):
    for number in (1, 2):
        make_runs.finished(root, f"run-{number}", n=120, seed=number, options={"epochs": number})
    page = opened(compare="run-1,run-2")
    scores, differences = table(page, 0), table(page, 1)
    assert list(scores["run"]) == ["A", "B"] and list(differences["runs"]) == ["B − A"]
    assert re.fullmatch(r"[+-]0\.\d{3} \([+-]0\.\d{3} to [+-]0\.\d{3}\)", differences["AUC"][0])
    charts = page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")
    assert len(charts) == 3 and all("A, B" in chart.proto.alt for chart in charts)
    options = table(page, 3)
    assert dict(zip(options["option"], zip(options["A"], options["B"]))) == {"seed": ("1", "2"), "epochs": ("1", "2")}


def test_F4_runs_on_other_pictures_are_marked(root):
    make_runs.finished(root, "one")
    make_runs.finished(root, "two", pictures=1)
    make_runs.failed(root, "three")
    found = table(opened(compare="one,two,three"), 1)
    assert found["verdict"][0] == "not comparable: the test pictures differ" and found["AUC"][0] == "–"
    assert found["verdict"][1] == "not comparable: one of them has no scores"


@pytest.mark.parametrize("asked", ["one", "one,nothing", "nothing,../x", "one,one"])
def test_a_comparison_needs_two_runs(root, asked):
    make_runs.finished(root, "one")
    assert "Two runs at least" in words(opened(compare=asked))


@pytest.mark.parametrize("score, words", [
    ({"value": 0.1, "low": 0.05, "high": 0.2}, "B is better"),
    ({"value": -0.1, "low": -0.2, "high": -0.01}, "A is better"),
    ({"value": 0.1, "low": -0.05, "high": 0.2}, "no difference is proved on 30 pictures"),
    ({"value": 0.1, "low": None, "high": None}, "no interval: too few independent pictures")])
def test_a_verdict_says_no_more_than_the_interval(score, words):
    assert beside.verdict(comparison.Difference({"roc_auc": score}, pictures=30), "B", "A") == words


def test_a_command_line_leaves_out_what_belongs_to_one_sitting():
    run = listing.Entry("one", Path("one"), state.State("finished"), "finetune", options={
        "data": "/d", "run_dir": "/runs/one", "resume": True, "epochs": 3, "new": 5, "rates": None, "seed": [1]})
    assert ending.line(run, None) == ("finetune", ["/d", "--epochs", "3"])
    nothing = listing.Entry("one", Path("one"), state.State("failed"))
    assert ending.line(nothing, ["finetune", "/d"]) == ("finetune", ["/d"]) and ending.line(nothing, [1]) is None
