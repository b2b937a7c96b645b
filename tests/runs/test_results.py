"""What a run found, read from its files: the same numbers everywhere, and nothing believed that does not fit."""

import csv
import json
import os
import resource
import time
from pathlib import Path

import numpy as np
import pytest

from tests.apps import make_runs
from tests.apps.damages import DAMAGES
from toolkit.data.spreadsheet import to_csv
from toolkit.errors import UntrustedError
from toolkit.evaluation import metrics
from toolkit.report import words
from toolkit.runs import predicted, results, scored, tables

EVIL = make_runs.HOSTILE


@pytest.fixture
def run(tmp_path):
    return make_runs.finished(tmp_path, "one")


def changed(folder, file, change):
    """The JSON file of a run after change(facts)."""
    path = folder / file
    facts = json.loads(path.read_text())
    change(facts)
    path.write_text(json.dumps(facts))
    return folder


def test_F1_the_numbers_are_those_of_metrics_json(run):
    found, told = results.read(run), json.loads((run / "metrics.json").read_text())
    for part in ("test", "validation"):
        for name in words.SCORES:
            assert {end: found.metrics[part][name][end] for end in scored.ENDS} == {
                end: told[part][name][end] for end in scored.ENDS}
        for name in found.classes:
            assert found.metrics[part]["per_class"][name]["n"] == told[part]["per_class"][name]["n"]
            for row in words.CLASS_SCORES:
                shown, kept = (block[part]["per_class"][name][row] for block in (found.metrics, told))
                assert shown["value"] == kept["value"]
    assert found.metrics["probe"]["test"]["roc_auc"]["value"] == told["probe"]["test"]["roc_auc"]["value"]
    assert found.metrics["baseline"]["majority"]["class"] == told["baseline"]["majority"]["class"]
    assert f"ROC AUC {told['test']['roc_auc']['value']:.3f}" in words.verdict(found.facts)
    assert found.parts == ("test", "validation") and not found.evaluated


def test_F2_a_cell_is_exactly_its_pictures(run):
    found = results.read(run)
    with (run / "predictions.csv").open(encoding="utf-8-sig") as file:
        table = list(csv.DictReader(file))
    for part in found.parts:
        matrix = found.answers.confusion(part)
        assert matrix.tolist() == json.loads((run / "metrics.json").read_text())[part]["confusion"]
        for i, label in enumerate(found.classes):
            assert matrix[i].sum() == sum(row["split"] == part and row["label"] == label for row in table)
            for j, answer in enumerate(found.classes):
                shown = found.answers.where(part, cell=(i, j))
                assert set(found.answers.table["path"].iloc[shown]) == {
                    row["path"] for row in table
                    if (row["split"], row["label"], row["predicted"]) == (part, label, answer)}
                assert len(shown) == matrix[i, j]


def test_scores_of_other_answers_are_refused(run):
    def move(facts):
        matrix = facts["test"]["confusion"]
        row = next(i for i in range(3) if matrix[i][i])
        matrix[row][row] -= 1
        matrix[row][(row + 1) % 3] += 1

    with pytest.raises(UntrustedError, match="do not belong together"):
        results.read(changed(run, "metrics.json", move))


def test_pictures_are_joined_by_path(run):
    found = results.read(run).answers
    with (run / "manifest.csv").open(encoding="utf-8-sig") as file:
        known = {row["path"]: row for row in csv.DictReader(file)}
    assert list(found.table["sha256"]) == [known[path]["sha256"] for path in found.table["path"]]
    assert list(found.table["group"]) == [known[path]["group"] for path in found.table["path"]]
    assert all(key == sha[:16] for key, sha in zip(found.table["key"], found.table["sha256"]))
    assert found.counts["train"] == {name: sum(row["split"] == "train" and row["label"] == name
                                               for row in known.values()) for name in found.classes}


def test_groups_are_what_is_resampled(run, tmp_path):
    bound = results.read(run)
    groups = bound.answers.groups("test")
    assert len(np.unique(groups)) == bound.metrics["test"]["interval"]["units"] < len(groups)
    alone = results.read(make_runs.finished(tmp_path, "alone", groups=False))
    assert alone.answers.groups("test") is None


def test_the_same_picture_twice_has_two_names_and_one_group(tmp_path):
    folder = make_runs.finished(tmp_path, "one", groups=False)
    text = (folder / "manifest.csv").read_text("utf-8-sig").splitlines()
    at = text[0].split(",").index("sha256")
    test = [number for number, line in enumerate(text) if ",test," in line][:2]
    first, second = (text[number].split(",") for number in test)
    second[at] = first[at]
    text[test[1]] = ",".join(second)
    (folder / "manifest.csv").write_text("\n".join(text) + "\n")
    found = results.read(folder).answers
    twins = found.table[found.table["sha256"] == first[at]]
    assert sorted(twins["id"]) == [first[at][:16], first[at][:16] + "-2"]
    assert [found.places[name] for name in twins["id"]] == list(twins.index)
    assert len(np.unique(found.groups("test"))) == len(found.part("test")) - 1


def test_near_duplicates_are_resampled_as_one(tmp_path):
    folder = make_runs.finished(tmp_path, "one", groups=False)
    before = results.read(folder).answers
    test, other = before.table["path"].iloc[before.part("test")].tolist(), before.table["path"].iat[-1]
    assert before.groups("test") is None
    told = [{"check": "near duplicates", "severity": "warning", "sentence": "alike", "remedy": "",
             "pictures": test[:5], "bundles": [test[:2], test[2:5]]},
            {"check": "duplicates", "severity": "note", "sentence": "the same", "remedy": "",
             "pictures": [test[4], test[5], other], "bundles": [[test[4], test[5]], [other, "gone.png"]]},
            {"check": "outliers", "severity": "note", "sentence": "odd", "remedy": "", "pictures": test,
             "bundles": [test]}]
    changed(folder, "doctor.json", lambda facts: facts["findings"].extend(told))
    groups = results.read(folder).answers.groups("test")
    assert groups[0] == groups[1] and len(set(groups[2:6])) == 1 and len(set(groups)) == len(test) - 4
    (folder / "doctor.json").write_text("{")
    assert results.read(folder).answers.groups("test") is None


def test_selection_and_order(run):
    found = results.read(run).answers
    wrong = found.where("test", right=False)
    assert len(wrong) and (found.truth[wrong] != found.answer[wrong]).all()
    assert (np.diff(found.loss[wrong]) <= 0).all()
    chosen = found.probabilities[np.arange(len(found)), found.truth]
    assert found.loss == pytest.approx(-np.log(chosen))
    assert (np.diff(found.sure[found.where(order="unsure")]) >= 0).all()
    assert (np.diff(found.sure[found.where(order="sure")]) <= 0).all()
    names = found.table["path"]
    assert list(names.iloc[found.where(order="path")]) == sorted(names.iloc[found.part("test")])
    below = found.where("validation", below=0.8)
    assert set(below) == {row for row in found.part("validation") if found.sure[row] < 0.8}
    assert set(found.where(label=1, predicted=1)) == set(found.where(cell=(1, 1)))
    assert set(found.where(label=1)) == {row for row in found.part("test") if found.truth[row] == 1}
    assert len(found.where(cell=(0, 0), right=False)) == 0


def test_loss_is_that_of_the_scores(run):
    found = results.read(run)
    rows = found.answers.part("test")
    assert found.answers.loss[rows].mean() == pytest.approx(found.metrics["test"]["log_loss"]["value"])
    assert metrics.log_loss(found.answers.truth[rows], found.answers.probabilities[rows]) == pytest.approx(
        found.answers.loss[rows].mean())


def test_D5_a_score_that_is_not_defined_keeps_its_reason(run):
    def undefine(facts):
        facts["test"]["roc_auc"] = {"value": None, "low": None, "high": None, "reason": "class 'c' has no picture"}

    found = results.read(changed(run, "metrics.json", undefine))
    assert found.metrics["test"]["roc_auc"] == {"value": None, "low": None, "high": None,
                                                "reason": "class 'c' has no picture"}
    assert "cannot be scored (class 'c' has no picture)" in words.verdict(found.facts)


def test_warnings_stand_by_what_falsifies_scores(run):
    assert results.warnings(results.read(run)) == []
    leak = {"check": "groups across splits", "severity": "warning", "pictures": [],
            "sentence": "2 groups in more parts.", "remedy": "Mend the split."}
    changed(run, "doctor.json", lambda facts: facts["findings"].append(leak))
    changed(run, "model.json", lambda facts: facts["weights"].update(random=True))
    found = results.warnings(results.read(run))
    assert found[0].startswith("This network began from random weights") and "2 groups in more parts. Mend" in found[1]


def test_what_is_left_without_known_pictures_is_told(run):
    n = results.read(run).metrics["test"]["n"]

    def leave(facts):
        block = json.loads(json.dumps(facts["test"]))
        block["confusion"][0][0] -= 2
        facts["test_without_copies"] = {**block, "n": n - 2}

    changed(run, "metrics.json", leave)
    said = results.warnings(results.read(run))
    assert len(said) == 1 and said[0].startswith(f"2 of the {n} pictures")
    assert f"on the other {n - 2} ROC AUC" in said[0]
    changed(run, "metrics.json", lambda facts: facts["test_without_copies"].update(n="many"))
    with pytest.raises(UntrustedError, match="without copies"):
        results.read(run)


def test_a_model_no_better_than_guessing_is_told_so(tmp_path):
    folder = make_runs.finished(tmp_path, "poor", skill=0.0, seed=2)
    assert any("not shown to be better than guessing" in one or "no more often" in one
               for one in results.warnings(results.read(folder)))


def test_limits_come_from_the_facts(run, tmp_path):
    found = results.read(run)
    said = " ".join(results.knowledge(found))
    counts = found.answers.counts["train"]
    assert f"It learnt from {sum(counts.values())} pictures" in said and "these 3 classes and no other" in said
    assert "Fewer than 20 training pictures" in said and "by resampling" in said
    assert "No groups were given" not in said and "none of 30 stands in more than one part" in said
    assert results.small(found).startswith("Only 6 independent pictures")
    large = results.read(make_runs.finished(tmp_path, "large", n=1200, groups=False))
    assert results.small(large) == "" and "No groups were given" in " ".join(results.knowledge(large))
    assert "Fewer than" not in " ".join(results.knowledge(large))


def test_copies_are_no_groups_and_groups_of_one_test_picture_are_some(run, tmp_path):
    def unit(name):
        return lambda facts: facts["test"]["interval"].update(unit=name)

    copies = results.read(changed(make_runs.finished(tmp_path, "copies", groups=False), "metrics.json", unit("group")))
    assert "No groups were given" in (said := " ".join(results.knowledge(copies))) and "more than one part" not in said
    assert "No groups were given" not in " ".join(results.knowledge(results.read(changed(run, "metrics.json",
                                                                                         unit("picture")))))


def test_groups_in_several_parts_are_told(run):
    text = (run / "manifest.csv").read_text("utf-8-sig")
    (run / "manifest.csv").write_text(text.replace("patient 01", "patient 04"), "utf-8-sig")
    said = " ".join(results.knowledge(results.read(run)))
    assert "1 of 29 stands in more than one part" in said and "none of" not in said


def evaluated(root, name):
    """The folder of a model measured on other pictures: no probe, no validation, no model file."""
    folder = make_runs.finished(root, name, command="evaluate", options={"model": "/runs/a"})
    rows = list(csv.reader((folder / "predictions.csv").open(encoding="utf-8-sig")))
    (folder / "predictions.csv").write_bytes(to_csv(rows[0], [row for row in rows if row[0] == "test"]))

    def reduce(facts):
        own = {"n": 55, **{name: facts["test"][name] for name in words.SCORES}}
        for gone in ("validation", "probe", "tuned", "chosen", "why", "gain", "temperature", "folds", "gap"):
            del facts[gone]
        facts["model"] = {"sha256": {}, "chosen": "layer4", "scores": {"test": own}}

    changed(folder, "metrics.json", reduce)
    (folder / "model.json").unlink()
    return folder


def test_a_model_measured_on_other_pictures(tmp_path):
    found = results.read(evaluated(tmp_path, "other"), "evaluate")
    assert found.evaluated and found.parts == ("test",) and found.metrics["probe"] == {}
    assert found.metrics["model"]["roc_auc"]["value"] is not None
    assert "measured on afterwards" in words.verdict(found.facts) and "never used" not in words.verdict(found.facts)
    assert results.knowledge(found) and results.warnings(found) == []


def test_I4_neutralised_cells_are_read_back(tmp_path):
    folder = make_runs.hostile(tmp_path, "evil")
    found = results.read(folder).answers
    assert set(found.classes) == set(EVIL)
    told = {row[2] for row in tables.rows(folder / "predictions.csv")} - {"label"}
    assert "'" + EVIL[2] in (folder / "predictions.csv").read_text("utf-8-sig") and EVIL[2] in told
    assert all(found.table["key"])


def test_there_is_nothing_before_there_are_scores(tmp_path):
    assert not results.there(make_runs.killed(tmp_path, "gone"))
    assert results.there(make_runs.finished(tmp_path, "one"))


@pytest.mark.parametrize("how", DAMAGES)
def test_I9_a_damaged_run_is_refused_or_read_never_more(tmp_path, how):
    folder = make_runs.damaged(tmp_path, "bad", how)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    try:
        found = results.read(folder)
        assert found.metrics["test"]["n"] == len(found.answers.part("test"))
    except UntrustedError as error:
        assert str(folder) not in str(error) and len(str(error)) < 400
    finally:
        make_runs.readable(tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kilobytes
    assert time.monotonic() - began < 10


HEAD = "split,path,label,predicted,p_a,p_b,p_c\n"
WRONG = {
    "no such class": HEAD + "test,x,q,a,1,0,0\n", "not the highest": HEAD + "test,x,a,b,1,0,0\n",
    "no numbers": HEAD + "test,x,a,a,one,0,0\n", "not finite": HEAD + "test,x,a,a,nan,0,0\n",
    "no sum of 1": HEAD + "test,x,a,a,0.9,0.9,0.9\n", "below 0": HEAD + "test,x,a,a,2,-1,0\n",
    "too few cells": HEAD + "test,x,a\n", "too many cells": HEAD + "test,x,a,a,1,0,0,0\n",
    "a part that trains": HEAD + "train,x,a,a,1,0,0\n", "empty": "",
    "classes in another order": "split,path,label,predicted,p_b,p_a,p_c\ntest,x,a,a,0,1,0\n",
    "a quote without end": HEAD + 'test,"x,a,a,1,0,0\n' * 3, "another encoding": "split\xff".encode("latin-1"),
}


@pytest.mark.parametrize("how", WRONG)
def test_I9_odd_answers_are_refused(run, how):
    text = WRONG[how]
    (run / "predictions.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UntrustedError, match="predictions.csv is"):
        predicted.answers(run, make_runs.CLASSES)


def test_I9_answers_of_no_picture_do_not_fit_the_scores(run):
    (run / "predictions.csv").write_text(HEAD)
    assert len(predicted.answers(run, make_runs.CLASSES)) == 0
    with pytest.raises(UntrustedError, match="do not belong together"):
        results.read(run)


def test_I9_a_line_without_end_is_refused_before_it_fills_the_memory(run):
    with (run / "predictions.csv").open("w") as file:
        file.write(HEAD + "test," + "x" * (tables.LINE + 10))
    with pytest.raises(UntrustedError, match="no end"):
        results.read(run)
    os.truncate(run / "predictions.csv", tables.LARGEST + 1)
    with pytest.raises(UntrustedError, match="at most 64 MB"):
        results.read(run)


def test_I9_more_cells_than_can_be_shown_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "CELLS", 100)
    (tmp_path / "t.csv").write_text("a,b\n" + "1,2\n" * 60)
    with pytest.raises(UntrustedError, match="more rows"):
        list(tables.rows(tmp_path / "t.csv"))


ODD = {
    "classes twice": lambda facts: facts.update(classes=["a", "a", "b"]),
    "one class": lambda facts: facts.update(classes=["a"]),
    "classes that are numbers": lambda facts: facts.update(classes=[1, 2, 3]),
    "no test part": lambda facts: facts.pop("test"),
    "a count that is text": lambda facts: facts["test"].update(n="12"),
    "a count that is true": lambda facts: facts["test"].update(n=True),
    "a matrix that is none": lambda facts: facts["test"].update(confusion=[[1, 2], [3]]),
    "a matrix of shares": lambda facts: facts["test"].update(confusion=[[0.5] * 3] * 3),
    "a matrix of other sum": lambda facts: facts["test"].update(confusion=[[1, 0, 0]] * 3),
    "a validation part that is text": lambda facts: facts.update(validation="good"),
}


@pytest.mark.parametrize("how", ODD)
def test_I9_odd_scores_are_refused(run, how):
    with pytest.raises(UntrustedError, match="metrics.json is damaged"):
        results.read(changed(run, "metrics.json", ODD[how]))


def test_I9_odd_values_become_nothing_with_a_reason(run):
    def spoil(facts):
        facts["test"].update(roc_auc={"value": "high", "low": [], "high": {}, "reason": 7}, accuracy=[1],
                             per_class={"a": 3}, interval="none")
        facts.update(chosen=3, why={"a": 1}, probe=[], baseline={"majority": 1}, folds=3, temperature="hot", model=7)

    found = results.read(changed(run, "metrics.json", spoil))
    assert found.metrics["test"]["roc_auc"] == {"value": None, "low": None, "high": None,
                                                "reason": "no reason is given"}
    assert "accuracy" not in found.metrics["test"] and found.metrics["why"] == ""
    assert words.verdict(found.facts) and results.knowledge(found) and results.small(found)


def test_files_are_read_again_only_when_they_change(run, monkeypatch):
    first = results.read(run).answers
    assert results.read(run).answers is first
    path = Path(run, "predictions.csv")
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(1, 1))
    assert results.read(run).answers is not first


def test_ten_thousand_pictures_are_read_in_a_second_and_then_at_once(tmp_path):
    folder = make_runs.finished(tmp_path, "large", n=50_000, resamples=0)
    began = time.process_time()
    found = results.read(folder)
    assert len(found.answers.part("test")) >= 10_000 and time.process_time() - began < 4
    began = time.process_time()
    again = results.read(folder)
    again.answers.where("test", right=False)
    assert time.process_time() - began < 0.3


def test_orders_are_those_that_are_offered(run):
    found = results.read(run).answers
    assert {len(found.where(order=order)) for order in predicted.ORDERS} == {len(found.part("test"))}
