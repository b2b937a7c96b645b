"""The page Results: the same numbers as everywhere, exactly the pictures of a cell, thresholds; words else."""

import json
import re
from urllib.parse import quote

import pytest

from tests.apps import make_runs, pages
from tests.apps.damages import DAMAGES
from tests.apps.pages import ran, words
from tests.runs.test_results import evaluated
from toolkit.data import edits
from toolkit.errors import plain as printable
from toolkit.evaluation import operating
from toolkit.report import words as report
from toolkit.runs import launch, results, thresholds


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLKIT_RUNS", str(tmp_path))
    return tmp_path


@pytest.fixture
def run(root):
    return make_runs.finished(root, "one")


def opened(**parameters):
    return pages.opened("results", **{name.rstrip("_"): value for name, value in {"run": "one", **parameters}.items()})


def asked(page, name):
    """A parameter of the address, None where there is none."""
    found = page.query_params.get(name)
    return found[0] if isinstance(found, list) and found else found or None


def cells(page):
    """What all tables of a page hold, as text."""
    return "\n".join(frame.value.to_csv() for frame in page.dataframe)


def shown(page):
    """The items of the grid of pictures, as the browser gets them; [] where there is none."""
    return next((json.loads(one.proto.mixed.json or one.proto.json)["items"]
                 for one in page.get("bidi_component") if one.proto.component_name.endswith("grid")), [])


def by_key(found, key):
    return next(one for one in found if one.key == key)


def test_without_a_run_it_says_what_to_do(root):
    assert "No run has results yet" in words(opened(run=""))


def test_D1_F1_the_verdict_comes_first_with_the_numbers_of_the_report(run):
    told = json.loads((run / "metrics.json").read_text())
    page = opened()
    said = words(page)
    auc = told["test"]["roc_auc"]
    assert f"ROC AUC {auc['value']:.3f}, 95 % interval {auc['low']:.3f} to {auc['high']:.3f}" in said
    assert page.subheader[0].value.replace("\\", "").startswith("On ") and "always answering" in said
    assert {one.label: one.value for one in page.metric} == {
        report.SCORES[name][0]: f"{told['test'][name]['value']:.3f}" for name in (
            "roc_auc", "balanced_accuracy", "accuracy", "ece")}
    for name, (title, _) in report.SCORES.items():
        for block in (told["test"], told["probe"]["test"], told["baseline"]["majority"]):
            assert report.number(block[name]["value"]) in cells(page), title
    assert "used once" in said and "6 independent units (pictures of one group" in said and told["why"] in said
    assert "1 picture under more than one class. Decide which class is right." in said


def test_D6_classes_stand_with_their_counts_and_limits(run):
    told = json.loads((run / "metrics.json").read_text())["test"]["per_class"]
    table = cells(opened())
    for name, row in told.items():
        value, low, high = (row["recall"][end] for end in ("value", "low", "high"))
        assert f"{name},{row['n']},{value:.3f} ({low:.3f} to {high:.3f})" in table


def test_validation_scores_are_shown_on_demand_and_named_as_such(run):
    told = json.loads((run / "metrics.json").read_text())["validation"]
    page = opened(part="validation")
    assert by_key(page.metric, None).value == f"{told['roc_auc']['value']:.3f}"
    assert "flatter it a little" in words(page) and "used once" not in words(page)


def test_D5_a_score_that_is_not_defined_is_a_dash_with_its_reason(run):
    path = run / "metrics.json"
    facts = json.loads(path.read_text())
    facts["test"]["roc_auc"] = {"value": None, "low": None, "high": None, "reason": "class 'c' has no picture"}
    path.write_text(json.dumps(facts))
    page = opened()
    assert next(one for one in page.metric if one.label == "ROC AUC").value == "–"
    assert "class 'c' has no picture" in words(page) and "– (class 'c' has no picture)" in cells(page)


def test_what_falsifies_scores_is_said_at_once(run):
    doctor = json.loads((run / "doctor.json").read_text())
    doctor["findings"].append({"check": "groups across splits", "severity": "warning", "pictures": [],
                               "sentence": "2 groups in more than one part.", "remedy": "Mend the split."})
    (run / "doctor.json").write_text(json.dumps(doctor))
    model = json.loads((run / "model.json").read_text())
    model["weights"]["random"] = True
    (run / "model.json").write_text(json.dumps(model))
    said = [one.value.replace("\\", "") for one in opened(view="files").warning]
    assert said[0].startswith("This network began from random weights") and said[1].startswith("2 groups in more than")


@pytest.mark.parametrize("part", ["test", "validation"])
def test_F2_every_cell_shows_exactly_its_pictures(run, part):
    found = results.read(run).answers
    matrix = found.confusion(part)
    for cell in ((0, 0), (1, 1), *((i, j) for i in range(3) for j in range(3) if i != j and matrix[i, j])):
        page = opened(cell=f"{cell[0]},{cell[1]}", part=part)
        items = shown(page)
        assert {item["key"] for item in items} == set(found.table["id"].iloc[found.where(part, cell=cell)])
        assert len(items) == matrix[cell]
        assert f"**{matrix[cell]}** answer" in words(page)


def test_F2_H9_the_matrix_has_a_table_form_with_the_same_numbers(run):
    page = opened(view="pictures", form="table")
    table = page.dataframe[0].value
    matrix = results.read(run).answers.confusion("test")
    assert table.iloc[:, 1:-1].to_numpy().tolist() == matrix.tolist()
    assert table["All"].tolist() == matrix.sum(1).tolist() and table["Label"].tolist() == list(make_runs.CLASSES)


@pytest.mark.parametrize("cell", ["x", "9,9", "-1,0", "0,0,0", "٣,0"])
def test_I6_an_odd_cell_in_the_address_is_no_cell_or_a_row(run, cell):
    assert "Confusion matrix" in words(opened(view="pictures", cell=cell))


def test_mistakes_come_worst_first_and_can_be_filtered(root):
    found = results.read(make_runs.finished(root, "one", n=600, seed=3)).answers
    wrong = found.where("test", right=False)
    page = opened(view="pictures")
    assert [item["key"] for item in shown(page)] == list(found.table["id"].iloc[wrong])[:24]
    assert all(item["tone"] == "red" and "→" in item["caption"] for item in shown(page))
    everything = opened(view="pictures", show="all", order="unsure")
    assert [item["key"] for item in shown(everything)] == list(found.table["id"].iloc[found.where(order="unsure")])[:24]
    assert "1 to 24 of 120" in words(everything)
    second = opened(view="pictures", show="all", order="unsure", at=2)
    assert [item["key"] for item in shown(second)] == list(found.table["id"].iloc[found.where(order="unsure")])[24:48]
    below = opened(view="pictures", show="all", below=80)
    assert {item["key"] for item in shown(below)} <= set(found.table["id"].iloc[found.where(below=0.8)])


def test_a_filter_changes_the_address(run):
    page = opened(view="pictures")
    by_key(page.selectbox, "results-label").set_value(1)
    ran(page)
    assert asked(page, "cell") == "1,"
    by_key(page.selectbox, "results-answer").set_value(2)
    ran(page)
    assert asked(page, "cell") == "1,2"
    by_key(page.button, "results-clear").click()
    ran(page)
    assert asked(page, "cell") is None and asked(page, "view") == "pictures"


def test_one_picture_is_shown_with_its_probabilities_and_ways_on(run):
    found = results.read(run).answers
    rows = found.where("test", label=1)
    key = found.table["id"].iat[rows[0]]
    page = opened(cell="1,", show="all", picture=key)
    table = page.dataframe[-1].value
    assert dict(zip(table["Class"], table["Probability"])) == pytest.approx(
        dict(zip(found.classes, found.probabilities[rows[0]])))
    assert list(table["Probability"]) == sorted(table["Probability"], reverse=True)
    assert found.table["path"].iat[rows[0]] in words(page) and f"1 of {len(rows)}" in words(page)
    assert by_key(page.button, "results-before").disabled
    by_key(page.button, "results-next").click()
    ran(page)
    assert asked(page, "picture") == found.table["id"].iat[rows[1]]


@pytest.mark.parametrize("picture", ["never", "../../etc", "0" * 16])
def test_H2_a_picture_that_is_not_there_is_passed_over(run, picture):
    assert "Confusion matrix" in words(opened(view="pictures", picture=picture))


def test_a_label_that_looks_wrong_is_written_down_and_taken_back(root, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    found = results.read(make_runs.finished(root, "one", data=str(data))).answers
    row = found.where("test")[0]
    page = opened(view="pictures", show="all", picture=found.table["id"].iat[row])
    others = [name for name in found.classes if name != found.table["label"].iat[row]]
    by_key(page.button, "results-class-1").click()
    ran(page)
    kept = edits.read(data / edits.NAME)
    assert [(one.path, one.sha256, one.action, one.value) for one in kept] == [
        (found.table["path"].iat[row], found.table["sha256"].iat[row], "relabel", others[0])]
    assert f"→ {others[0]}" in words(page)
    by_key(page.button, "results-undo").click()
    ran(page)
    assert edits.standing(edits.read(data / edits.NAME)) == {}
    by_key(page.button, "results-out").click()
    ran(page)
    assert [one.action for one in edits.read(data / edits.NAME)] == ["relabel", "undo", "exclude"]


def test_heat_maps_are_asked_for_once_and_shown_when_they_are_there(run, monkeypatch):
    calls = []
    monkeypatch.setattr(launch, "start", lambda *arguments, **more: calls.append(arguments))
    found = results.read(run).answers
    row = found.where("test", right=True)[0]
    key = found.table["key"].iat[row]
    page = opened(view="pictures", show="right", picture=key)
    by_key(page.button, "results-heat").click()
    ran(page)
    (_, kind, name, module, arguments), = calls
    assert (kind, name, module, arguments[:2]) == ("heatmaps", "one", "heatmaps", [str(run), "--only"])
    wanted = arguments[2].split(",")
    assert wanted[0] == key and set(wanted) == set(found.table["key"].iloc[found.where("test", right=True)[:24]])
    (run / "heatmaps").mkdir()
    (run / "heatmaps" / f"{key}.npz").write_bytes(b"")
    page = opened(view="pictures", show="right", picture=key)
    assert not any(one.key == "results-heat" for one in page.button)


def test_heat_maps_need_a_model(root):
    folder = evaluated(root, "one")
    (folder / "model.keras").unlink()
    key = results.read(folder, "evaluate").answers.table["key"].iat[0]
    page = opened(view="pictures", show="all", picture=key)
    assert not any(one.key == "results-heat" for one in page.button)


def test_of_two_classes_the_first_is_marked_and_of_more_one_must_be_chosen(root):
    make_runs.finished(root, "two", classes=("x", "y"))
    make_runs.finished(root, "one")
    page = opened(run="two", view="threshold")
    assert asked(page, "class") is None and "On test pictures" in words(page)
    page = opened(view="threshold")
    assert "Choose the class that matters" in words(page) and "On test pictures" not in words(page)


def test_a_threshold_shows_its_effect_on_the_test_pictures(run):
    found = results.read(run).answers
    rows = found.part("test")
    effect = operating.at(found.truth[rows] == 1, found.probabilities[rows, 1], 0.3, 0.05, found.groups("test"))
    page = opened(class_="b", threshold=0.3, prevalence=5)
    shown = {one.label: one.value for one in page.metric}
    assert shown == {title: report.percent(effect[name]["value"]) for name, title in (
        ("sensitivity", "Sensitivity"), ("specificity", "Specificity"), ("ppv", "PPV"), ("npv", "NPV"))}
    assert report.between(effect["ppv"], report.percent) in cells(page)
    assert "that the threshold was not chosen on" in words(page) and "Validation (chosen on)" in cells(page)
    assert "ROC curve** of the validation pictures" in words(page)


def test_a_threshold_that_is_chosen_on_test_pictures_is_warned_of(run):
    page = opened(class_="b", basis="test")
    assert "untouched no more" in words(page) and "ROC curve** of the test pictures" in words(page)


def test_a_sensitivity_that_is_to_be_kept_sets_the_threshold(run):
    found = results.read(run).answers
    rows = found.part("validation")
    page = opened(view="threshold", class_="b")
    by_key(page.number_input, "results-keeping").set_value(95.0)
    ran(page)
    wanted = operating.keeping(found.truth[rows] == 1, found.probabilities[rows, 1], 0.95)
    assert float(asked(page, "threshold")) == wanted
    assert by_key(page.slider, "address-threshold").value == wanted


def test_a_threshold_is_kept_with_the_run_and_taken_away(run):
    page = opened(class_="b", threshold=0.3)
    by_key(page.button, "results-keep").click()
    ran(page)
    kept = thresholds.read(run, make_runs.CLASSES)["b"]
    assert kept["threshold"] == 0.3 and kept["part"] == "validation" and kept["sensitivity"] is not None
    assert "Kept for b: 0.3, chosen on validation pictures" in words(page)
    assert by_key(page.button, "results-keep").disabled
    again = opened(view="threshold", class_="b")
    assert by_key(again.slider, "address-threshold").value == 0.3
    by_key(again.button, "results-unkeep").click()
    ran(again)
    assert thresholds.read(run, make_runs.CLASSES) == {}


@pytest.mark.parametrize("values", [{"threshold": "nan", "class": "b"}, {"threshold": "7", "prevalence": "-1"},
                                    {"class": "q", "basis": "train"}, {"view": "everything"},
                                    {"view": "pictures", "part": "train", "at": "99", "order": "up", "show": "none"}])
def test_I6_odd_values_in_the_address_are_passed_over(run, values):
    assert "never used in training" in words(opened(**values))


def test_I9_a_damaged_thresholds_file_is_said(run):
    (run / "thresholds.json").write_text("[]")
    assert "thresholds.json is damaged" in words(opened(class_="b"))


def test_what_is_left_is_offered_by_our_own_routes(run):
    page = opened(view="files")
    links = {one.proto.url for one in page.get("link_button")}
    assert "/report/one" in links
    assert {f"/download/one/{name}" for name in ("report.html", "model.keras", "model.json", "model_card.md",
                                                 "predictions.csv", "metrics.json", "manifest.csv")} <= links
    assert not any("folds" in link for link in links)


def test_a_model_measured_on_other_pictures_is_shown_as_such(root):
    evaluated(root, "one")
    for view in ("scores", "pictures", "threshold", "files"):
        said = words(opened(view=view, class_="b"))
        assert "measured on afterwards" in said and "never used in training" not in said
    table = cells(opened())
    assert "On its own test part" in table and "Probe" not in table
    said = words(opened(view="threshold", class_="b"))
    assert "no validation pictures here" in said and "kept with the run that made the model" in said


def test_H4_a_run_at_work_has_no_results_yet(root):
    make_runs.finished(root, "done")
    with make_runs.running(root, "one"):
        assert "no results yet" in words(opened())


def test_D4_runs_that_ended_early_say_why(root):
    make_runs.failed(root, "one", "The loss became non-finite in epoch 3; lower --learning-rate.")
    assert "ended before it had results" in words(opened()) and "non-finite in epoch 3" in words(opened())
    make_runs.killed(root, "killed")
    assert "out of memory" in words(opened(run="killed"))


def test_a_run_that_was_stopped_after_it_had_a_model_shows_it(root):
    make_runs.finished(root, "one", state="stopped", message="stopped by hand")
    said = words(opened())
    assert "ended early; these are the results of its best model so far" in said and "ROC AUC" in said
    assert not any(one.key == "results-keep" for one in opened(class_="b").button)


@pytest.mark.parametrize("how", [how for how in DAMAGES if how.partition(".")[0] in (
    "metrics", "predictions", "manifest", "thumbnails", "only run")])
def test_I9_a_damaged_run_is_said_to_be(root, how):
    make_runs.damaged(root, "one", how)
    said = words(opened(view="pictures"))
    assert "damaged" in said or "ended before it had results" in said or "never used in training" in said


@pytest.mark.parametrize("view", ["scores", "pictures", "threshold", "files"])
def test_I4_hostile_names_are_shown_letter_by_letter(root, view):
    folder = make_runs.hostile(root, "one")
    found = results.read(folder).answers
    for name in make_runs.HOSTILE[1], make_runs.HOSTILE[6]:
        page = opened(view=view, class_=name, show="all", cell=f"{found.classes.index(name)},")
        for one in (*page.markdown, *page.caption, *page.info, *page.warning, *page.subheader):
            assert not re.search(r"(?<!\\)!\[|(?<!\\)<img|\x1b|\u202e|(?<!\\)\]\(http", str(one.value)), one.value
    if view == "pictures":
        captions = {item["caption"] for item in shown(opened(view=view, show="right"))}
        assert captions <= {printable(name) for name in make_runs.HOSTILE}
        row = next(row for row in found.where("test") if found.table["label"].iat[row] == make_runs.HOSTILE[0])
        page = opened(view=view, show="all", picture=found.table["id"].iat[row])
        assert quote(found.table["key"].iat[row]) and not page.exception


def test_another_run_does_not_inherit_what_was_looked_at(root):
    make_runs.finished(root, "one")
    make_runs.finished(root, "two", seed=1)
    page = opened(cell="1,2", view="pictures")
    page.selectbox[0].set_value("two")
    ran(page)
    assert asked(page, "run") == "two" and asked(page, "cell") is None and asked(page, "view") == "pictures"


def test_ten_thousand_test_pictures_are_shown_in_two_seconds(root):
    import time

    make_runs.finished(root, "one", n=50_000, resamples=0)
    opened(view="pictures")
    for view in ("scores", "pictures", "threshold"):
        began = time.process_time()
        opened(view=view, class_="b")
        assert time.process_time() - began < 2, view
