"""The page Train: what will be trained, few questions, every option behind them, one run for one wish."""

import shlex
from dataclasses import fields

import pytest

from apps.parts import form, wishes
from tests.apps import make_runs, pages
from tests.apps.pages import words
from tests.runs import make_looks
from toolkit import options, queue
from toolkit.commandline import parse
from toolkit.files import to_json, write_atomic
from toolkit.runs import checks, estimates, launch


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_RUNS", str(tmp_path))
    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path / "queue"))
    return tmp_path


@pytest.fixture(autouse=True)
def estimated(monkeypatch):
    """Names of the estimates that were begun; nothing computes them."""
    names = []
    monkeypatch.setattr(estimates, "begin", lambda root, name, typed: names.append(name))
    return names


@pytest.fixture
def begun(monkeypatch):
    """The command lines of trainings that were started; processes that sleep stand for them."""
    lines, spawn = [], launch.spawn

    def sleeps(stem, line):
        lines.append(line[2:])
        spawn(stem, ["sleep", "10"])

    monkeypatch.setattr(launch, "spawn", sleeps)
    return lines


@pytest.fixture
def gone(monkeypatch):
    """Where the page led."""
    places = []
    monkeypatch.setattr("apps.parts.frame.go", lambda name, **more: places.append((name, more)))
    monkeypatch.setattr("apps.parts.frame.link", lambda *label, **more: None)
    return places


def opened(**parameters):
    return pages.opened("train", **parameters)


def line(page):
    """The arguments of the command that is shown."""
    return shlex.split(page.code[-1].value)[3:]


def advanced(page):
    page.session_state["train-advanced"] = True
    return page.run()


def test_without_data_it_says_what_to_do(root):
    assert "Bring pictures first" in words(opened())


def test_what_was_looked_at_is_offered(root):
    name = make_looks.look(root)
    page = opened()
    assert "Bring pictures first" not in words(page) and len(page.button) == 1
    assert line(page.button[0].click().run())[0] == "sample:cells" and name in page.query_params["check"]


def test_H2_an_unknown_look_or_run_is_met_by_a_friendly_word(root):
    for asked in ({"check": "0123456789ab-1"}, {"check": "../x"}, {"from": "gone"}):
        assert "not here any more" in words(opened(**asked))


def test_what_will_be_trained_is_said_with_its_command(root):
    page = opened(check=make_looks.look(root))
    assert "30 pictures of 2 classes: 20 to learn from, 5 for decisions, 5 for the scores" in words(page)
    assert line(page) == ["sample:cells", "--run-dir", str(root / page.text_input(key="train-name").value)]


def test_five_questions_at_most(root):
    page = opened(check=make_looks.look(root))
    assert len(page.radio) + len(page.selectbox) + len(page.text_input) + len(page.button_group) <= 5
    assert page.radio[0].options == ["Fast", "Balanced", "Best"] and "weights" in page.selectbox[0].options[0]


def test_H3_a_run_is_started_once_and_shown(root, begun, gone):
    look = make_looks.look(root)
    first, second = opened(check=look), opened(check=look)
    second.text_input(key="train-name").set_value("another").run()
    name, typed = first.text_input(key="train-name").value, line(first)
    first.button(key="train-start").click().run()
    first.button(key="train-start").click().run()
    assert "already starting" in words(first)
    second.button(key="train-start").click().run()
    assert begun == [["toolkit.finetune", *typed]] and gone == [("run", {"run": name})]
    assert "already starting" in words(second)


def test_a_preset_changes_what_is_typed_and_shown(root):
    page = opened(check=make_looks.look(root))
    page.radio(key="train-preset").set_value("best").run()
    assert line(page)[:3] == ["sample:cells", "--preset", "best"] and len(line(page)) == 5
    advanced(page)
    assert page.number_input(key="train-patience").value == options.PRESETS["best"]["patience"]
    page.number_input(key="train-patience").set_value(3).run()  # what stands without a preset
    assert "--patience" in line(page)
    page.radio(key="train-preset").set_value("balanced").run()
    assert line(page) == ["sample:cells", *line(page)[-2:]] and page.number_input(key="train-epochs").value is None


def test_every_option_is_there_marked_and_can_be_reset(root):
    page = advanced(opened(check=make_looks.look(root)))
    shown = {one.key for kind in (page.selectbox, page.text_input, page.number_input, page.toggle, page.radio)
             for one in kind}
    wanted = {form.key(f.name) for f in fields(options.Finetune) if f.name not in (*wishes.SITTING, "device")}
    assert wanted <= shown
    page.number_input(key="train-learning_rate").set_value(0.001)
    page.toggle(key="train-strict").set_value(True)
    page.text_input(key="train-time_budget").set_value("10m").run()
    chosen = parse(options.Finetune, "finetune", line(page))
    assert (chosen.learning_rate, chosen.strict, chosen.time_budget) == (0.001, True, "10m")
    assert "Changed: learning rate, time budget, strict" in words(page)
    assert "changed" in page.number_input(key="train-learning_rate").label
    page.button(key="train-reset").click().run()
    assert len(line(page)) == 3 and page.text_input(key="train-time_budget").value == ""


def test_B2_what_is_wrong_is_said_in_the_words_of_the_command(root):
    page = advanced(opened(check=make_looks.look(root)))
    page.text_input(key="train-time_budget").set_value("soon").run()
    assert "--time-budget 'soon': wanted a time such as 90s" in words(page)
    assert page.button(key="train-start").disabled


def known(root, name, **facts):
    """Write an estimate."""
    estimates.file(root, name).parent.mkdir(parents=True)
    one = {"seconds": 40, "low": 30, "high": 55, "memory": 1.4e9, "disk": 2e8}
    presets = {"fast": one, "balanced": one | {"seconds": 200}}
    write_atomic(estimates.file(root, name), to_json({"presets": presets} | facts))


def test_the_cost_is_estimated_by_itself_and_shown_when_it_is_known(root, estimated):
    look = make_looks.look(root)
    page = opened(check=look)
    assert len(set(estimated)) == 1 and not page.button(key="train-start").disabled
    known(root, estimated[0], refused={"best": "no"})
    page = opened(check=look)
    shown = [str(caption).replace("\\", "") for caption in page.radio(key="train-preset").proto.captions]
    assert "about 40 s, 1.4 GB of memory" in shown[0] and "not with these options" in shown[2]
    assert "About 3 min, 1.4 GB of memory" in words(page) and len(set(estimated)) == 1


def test_what_was_estimated_beside_other_work_can_be_estimated_anew(root, estimated):
    look = make_looks.look(root)
    opened(check=look)
    known(root, estimated[0], machine={"busy": True})
    page = opened(check=look)
    assert "had other work meanwhile" in words(page) and page.button(key="train-estimate").label == "Estimate anew"
    page.button(key="train-estimate").click().run()
    assert estimated == [estimated[0]] * 2


def test_another_wish_is_estimated_anew_and_another_preset_is_not(root, estimated):
    page = opened(check=make_looks.look(root))
    page.radio(key="train-preset").set_value("best").run()
    page.text_input(key="train-name").set_value("other").run()
    assert len(set(estimated)) == 1
    page.selectbox(key="train-backbone").set_value("resnet18").run()
    assert len(set(estimated)) == 2


def test_nothing_is_estimated_beside_a_run_unless_asked(root, estimated):
    with queue.Ticket(["cpu"]):
        page = opened(check=make_looks.look(root))
        assert not estimated
        page.button(key="train-estimate").click().run()
    assert len(estimated) == 1


def test_an_estimate_that_comes_holds_nothing_up(root, monkeypatch):
    monkeypatch.setattr(estimates, "of", lambda root, name: estimates.Estimate("coming", {}, {}))
    page = opened(check=make_looks.look(root))
    assert "estimating" in page.radio(key="train-preset").proto.captions[0]
    assert "need not wait" in words(page) and not page.button(key="train-start").disabled


def test_an_estimate_that_failed_says_why(root, monkeypatch):
    failed = estimates.Estimate("failed", {}, {}, message="no [weights]")
    monkeypatch.setattr(estimates, "of", lambda root, name: failed)
    assert "No estimate: no [weights]" in words(opened(check=make_looks.look(root)))


def test_a_name_that_is_taken_or_none_is_refused(root):
    (root / "taken").mkdir()
    page = opened(check=make_looks.look(root))
    for name, said in (("taken", "There is a run taken already"), ("../x", "is one word"), (".x", "is one word")):
        page.text_input(key="train-name").set_value(name).run()
        assert said in words(page) and page.button(key="train-start").disabled


def test_D8_it_says_that_it_will_wait(root):
    look = make_looks.look(root)
    with queue.Ticket(["cpu"]):
        assert "1 run is at work: this one will wait as “queued, 1 before you”" in words(opened(check=look))
    assert "queued" not in words(opened(check=look))


def test_what_belongs_together_is_asked_where_the_data_offer_it(root):
    page = opened(check=make_looks.look(root))
    shown = [one.replace("\\", "") for one in page.radio[1].options]
    assert shown == ["Each picture stands for itself", "By the column patient: 10 groups"]
    page.radio[1].set_value(1).run()
    assert line(page)[:3] == ["sample:cells", "--group-column", "patient"]
    advanced(page).text_input(key="train-group_pattern").set_value("(p)").run()
    assert page.radio[1].options[-1] == "As set under Advanced" and page.radio[1].value == 2
    page.radio[1].set_value(0).run()
    assert line(page)[1] == "--run-dir"


def test_groups_of_the_data_are_not_asked_for_again(root):
    assert len(opened(check=make_looks.look(root, groups=12)).radio) == 1


def test_the_columns_of_a_look_go_along(root):
    name = make_looks.look(root, "/data/t.csv", options={"label_column": "what", "root": "/pictures"})
    assert line(opened(check=name))[:5] == ["/data/t.csv", "--root", "/pictures", "--label-column", "what"]


def test_decisions_that_lie_elsewhere_go_along(root):
    name = make_looks.look(root)
    page = opened(check=name)
    assert "--edits" not in line(page)
    path, told = checks.edits_file(root, "sample:cells")
    checks.decide(path, checks.pictures(root / ".dashboard" / "checks" / name)[0], "exclude")
    assert told and line(page.run())[:3] == ["sample:cells", "--edits", str(path)]


@pytest.mark.parametrize("looked", [False, True])
def test_the_options_of_a_run_are_taken_over(root, looked):
    make_runs.finished(root, "old", n=20, options={"epochs": 7, "augment": "strong", "seed": 3})
    if looked:
        make_looks.look(root, "/data/cells", ["/data/cells", "--seed", "3"])
    page = opened(**{"from": "old"})
    assert line(page)[:-2] == ["/data/cells", "--seed", "3", "--augment", "strong", "--epochs", "7"]
    assert ("Nobody has looked" in words(page)) != looked


def test_I9_a_run_with_odd_options_is_taken_over_as_far_as_it_goes(root):
    odd = {"epochs": "<b>", "backbone": 7, "unheard": [1], "learning_rate": 1, "strict": "yes", "root": ["/"]}
    make_runs.finished(root, "odd", n=20, options=odd)
    name = make_looks.look(root, "/data/d", options=odd)
    for given, data in (({"from": "odd"}, "/data/cells"), ({"check": name}, "/data/d")):
        page = advanced(opened(**given))
        assert line(page)[0] == data and not page.exception


def test_a_network_that_is_not_known_stays_chosen_and_is_refused_at_the_start(root):
    make_runs.finished(root, "old", n=20, options={"backbone": "resnet9000"})
    assert opened(**{"from": "old"}).selectbox[0].value == "resnet9000"
