"""The page Use: a model, new pictures, what it said of them; and what the page says where something is missing."""

from types import SimpleNamespace

import pytest

from tests.apps import make_answers, make_runs, pages
from tests.apps.pages import words
from toolkit.errors import plain as printable
from toolkit.runs import answers, launch, thresholds

BOUND = ("show", "below", "order", "view", "page")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def asked(monkeypatch):
    """What was started, in place of a process."""
    calls = []

    def start(*arguments, **more):
        calls.append(arguments)
        return launch.Started(arguments[2], False)

    monkeypatch.setattr(launch, "start", start)
    return calls


def opened(**parameters):
    bound = {name: value for name, value in parameters.items() if name in BOUND}  # what the browser would read
    return pages.opened("use", bound, **{name: value for name, value in parameters.items() if name not in bound})


def button(page, label):
    return next(one for one in page.button if one.label == label)


def test_without_a_run_it_says_what_to_do(root):
    assert "There is no finished run yet" in words(opened())


@pytest.mark.parametrize("kind", ["unknown", "failed", "killed", "damaged"])
def test_H2_a_run_without_a_model_is_met_by_a_friendly_word(root, kind):
    make_runs.finished(root, "good", n=20)
    if kind != "unknown":
        {"failed": make_runs.failed, "killed": make_runs.killed, "damaged": lambda *place: make_runs.damaged(
            *place, next(iter(make_runs.DAMAGES)))}[kind](root, "bad")
    page = opened(run="bad")
    said = words(page)
    assert ("There is no run bad here" in said) if kind == "unknown" else (
        "holds no model" in said or "damaged" in said or "cannot be read" in said), said
    assert not any(one.label == "Predict" for one in page.button)


def test_a_running_run_has_no_model_yet(root):
    with make_runs.running(root, "now"):
        assert "has not finished" in words(opened(run="now"))


def test_a_finished_run_offers_its_model_and_the_lines_that_use_it(root):
    folder = make_runs.finished(root, "first", n=20)
    said = words(opened(run="first"))
    assert "Tells apart a, b, c" in said and f"python -m toolkit.predict {folder} PICTURES" in said
    assert f"load_model('{folder}/model.keras', compile=False)" in said and "resize((224, 224)" in said


def test_H3_what_is_typed_is_asked_and_shown_by_its_address(root, asked):
    folder = make_runs.finished(root, "first", n=20)
    (root / "new").mkdir()
    page = opened(run="first")
    page.segmented_control(key="use-way").set_value("path").run()
    page.text_input(key="use-path").set_value(f" {root}/new ")
    button(page, "Predict").click().run()
    assert not page.exception
    (place, kind, name, module, arguments, title), = asked
    assert (kind, module, title, arguments[:2]) == ("predictions", "predict", "new", [str(folder), str(root / "new")])
    assert (page.query_params["answer"], page.query_params["run"]) == (name, "first")


def test_A4_a_path_that_is_not_there_says_so_and_starts_nothing(root, asked):
    make_runs.finished(root, "first", n=20)
    (root / "pictures").mkdir()
    page = opened(run="first")
    page.segmented_control(key="use-way").set_value("path").run()
    page.text_input(key="use-path").set_value(f"{root}/picture")
    button(page, "Predict").click().run()
    assert "does not exist" in words(page) and not asked
    next(one for one in page.button if one.label.startswith("Did you mean")).click().run()
    assert page.text_input(key="use-path").value == f"{root}/pictures"


def test_G5_a_model_from_elsewhere_that_is_none_says_so(root):
    page = opened(model=str(root / "model.keras"))
    assert "does not exist" in words(page)
    folder = make_runs.finished(root, "first", n=20)
    assert "Tells apart a, b, c" in words(opened(model=str(folder)))
    (folder / "model.json").write_text("{")
    assert "damaged" in words(opened(model=str(folder)))


def test_H2_an_answer_opens_by_its_address(root):
    make_runs.finished(root, "first", n=20)
    make_answers.answered(root, "x", run="first", n=130, unreadable=(3,))
    page = opened(answer="x")
    numbers = {one.label: one.value for one in page.metric}
    assert numbers["Pictures"] == "130" and numbers["Could not be read"] == "1"
    assert sum(int(numbers[name]) for name in "abc") == 129
    rows = page.dataframe[0].value
    assert len(rows) == 60 and rows["picture"][0].startswith("/picture/predictions/x/")
    assert not isinstance(rows["picture"][3], str)
    assert rows["error"][3] == "empty file (0 bytes)" and rows["mark"][3] == "" and rows["name"][0] == "000.png"
    assert "1 to 60 of 130" in words(page) and "Of the run's validation pictures" in words(page)
    assert "There is no answer y here" in words(opened(answer="y"))


def test_rows_are_filtered_by_what_the_address_says(root):
    make_answers.answered(root, "x", n=130, unreadable=(3, 9))
    rows = opened(answer="x", show="unreadable").dataframe[0].value
    assert list(rows["name"]) == ["003.png", "009.png"]
    rows = opened(answer="x", show="unsure", below=0.6, order="unsure first").dataframe[0].value
    assert len(rows) and (rows["confidence"] < 0.6).all() and rows["confidence"].is_monotonic_increasing
    assert (rows["mark"] == "not sure").all()


def test_a_chosen_threshold_marks_pictures(root):
    folder = make_runs.finished(root, "first", n=20)
    thresholds.keep(folder, make_runs.CLASSES, "b", 0.25)
    make_answers.answered(root, "x", run="first", n=30)
    page = opened(answer="x")
    found = answers.table(root / ".dashboard/predictions/x")
    marked = found.probabilities[:, 1] >= 0.25
    assert [("above your threshold: b" in mark) for mark in page.dataframe[0].value["mark"]] == list(marked)
    assert {one.label: one.value for one in page.metric}["Above your threshold"] == str(marked.sum())


def test_one_picture_is_shown_large(root):
    make_answers.answered(root, "x", n=30, unreadable=(3,))
    page = opened(answer="x", picture="0")
    assert "1 of 30" in words(page) and "000.png" in words(page)
    assert len(page.get("progress")) == len(make_runs.CLASSES)
    assert "could not be read: empty file" in words(opened(answer="x", picture="3"))
    for other in ("30", "-1", "²", "9" * 50):
        assert not any(one.key == "use-next" for one in opened(answer="x", picture=other).button)


def test_one_leads_to_the_next_in_the_order_that_is_shown(root):
    make_answers.answered(root, "x", n=30)
    order = answers.chosen(answers.table(root / ".dashboard/predictions/x"), order="unsure first")
    page = opened(answer="x", order="unsure first", picture=str(order[1]))
    assert "2 of 30" in words(page)
    button(page, "Next").click().run()
    assert page.query_params["picture"] == str(order[2])


def test_where_the_model_looked_is_asked_for_once_and_shown_when_it_is_there(root, asked):
    folder = make_answers.answered(root, "x", n=30)
    page = opened(answer="x", picture="2")
    button(page, "Show what the model looked at").click().run()
    (place, kind, name, module, arguments), = asked
    assert (kind, name, module) == (answers.HEAT, "x", "heatmaps")
    assert arguments == ["/models/model.keras", "/new/002.png", "--out", folder / "heatmaps"]
    key = answers.table(folder).rows["key"][2]
    (folder / "heatmaps").mkdir()
    (folder / "heatmaps" / f"{key}.npz").write_bytes(b"")
    page = opened(answer="x", picture="2")
    assert not any(one.key == "use-heat" for one in page.button) and "Warm colours" in words(page)


def test_why_there_is_no_heat_map_is_said(root, monkeypatch):
    make_answers.answered(root, "x", n=30)
    monkeypatch.setattr(launch, "record", lambda *place: {"command": ["heatmaps", "m", "/new/002.png"]})
    monkeypatch.setattr(launch, "complaint", lambda *place: "memory ran out")
    assert "memory ran out" in words(opened(answer="x", picture="2"))
    assert "memory ran out" not in words(opened(answer="x", picture="1"))


def test_D4_work_that_failed_says_why(root):
    make_answers.answered(root, "x")
    (root / ".dashboard/predictions/x/predictions.csv").unlink()
    page = opened(answer="x")
    assert "most likely out of memory" in words(page) and not page.dataframe


def test_work_shows_how_far_it_is(root, monkeypatch):
    make_answers.answered(root, "x")
    (root / ".dashboard/predictions/x/predictions.csv").unlink()
    monkeypatch.setattr(launch, "alive", lambda *place: True)
    monkeypatch.setattr(launch, "log", lambda *place: ["64 of 256 pictures, about 12 s left"])
    monkeypatch.setattr(launch, "end", lambda *place: asked_to_end.append(place))
    asked_to_end = []
    page = opened(answer="x")
    assert [button.label for button in page.button] == ["Stop"]
    button(page, "Stop").click().run()
    assert asked_to_end == [(root, "predictions", "x")]


def test_I9_a_damaged_answer_says_so(root):
    make_answers.answered(root, "x")
    (root / ".dashboard/predictions/x/predictions.csv").write_text("path\nx")
    assert "This answer is damaged" in words(opened(answer="x"))


def test_an_answer_is_deleted_after_a_question(root):
    folder = make_answers.answered(root, "x")
    page = opened(answer="x")
    button(page, "Delete this answer").click().run()
    assert folder.exists()
    button(page, "Delete").click().run()
    assert not folder.exists() and "answer" not in page.query_params


def test_H8_a_run_is_deleted_after_a_question_and_put_back(root):
    folder = make_runs.finished(root, "first", n=20)
    page = opened(run="first")
    button(page, "Delete this run").click().run()
    assert folder.exists() and "B go to the trash" in words(page)
    button(page, "Move to the trash").click().run()
    assert not folder.exists() and "first is in the trash" in words(page)
    button(page, "Undo").click().run()
    assert folder.exists() and "Tells apart a, b, c" in words(page)


def test_earlier_answers_are_listed(root):
    make_answers.answered(root, "20260101-000000-a")
    page = opened()
    assert "Earlier answers" in words(page)


def test_I4_names_are_shown_as_plain_text(root):
    evil = make_runs.HOSTILE
    make_runs.hostile(root, "evil")
    make_answers.answered(root, "x", run="evil", classes=tuple(evil), names=tuple(one.replace("/", "") for one in evil))
    for parameters in ({"run": "evil"}, {"answer": "x"}, {"answer": "x", "picture": "1"},
                       {"answer": "x", "view": "pictures"}):
        page = opened(**parameters)
        kinds = (page.markdown, page.caption, page.error, page.info)
        shown = SimpleNamespace(markdown=[str(one.value) for kind in kinds for one in kind])
        for text in shown.markdown:
            assert "![x](http" not in text and "<img src=x" not in text and "\x1b" not in text, text
    rows = opened(answer="x").dataframe[0].value
    assert all(cell == printable(cell) for cell in rows["name"])
