"""What models answered: asked for once, watched, read with suspicion, deleted with what was brought for it."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.apps import make_answers, make_runs
from toolkit.errors import DataError, OptionError, UntrustedError
from toolkit.runs import answers, folders, launch


@pytest.mark.parametrize("name", ["new pictures", "new pictures/0.png", "x.zip"])
def test_what_a_person_typed_is_found(tmp_path, pictures, name):
    (tmp_path / "x.zip").write_bytes(b"PK")
    assert answers.given(f' "{tmp_path / name}" ') == tmp_path / name


@pytest.mark.parametrize("name, says", [
    ("new picture", "does not exist"), ("x.csv", "no new pictures"), ("x.txt.gz", "is no data set"), ("", "Name a")])
def test_A4_what_holds_no_new_pictures_is_said(tmp_path, pictures, name, says):
    for file in ("x.csv", "x.txt.gz"):
        (tmp_path / file).write_bytes(b"x")
    with pytest.raises(DataError, match=says):
        answers.given(str(tmp_path / name) if name else name)


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "new pictures"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (20, 12), (80 * number, 90, 0)).save(folder / f"{number}.png")
    return folder


def ended(root, name):
    """The Answer once its process has ended."""
    until = time.monotonic() + 60
    while launch.alive(root, "predictions", name) or launch.code(root, "predictions", name) is None:
        assert time.monotonic() < until
        time.sleep(0.05)
    return answers.answer(root, name)


def test_G5_a_model_that_is_none_is_said_in_the_words_of_the_command(tmp_path, pictures):
    root, model = tmp_path / "runs", tmp_path / "model.keras"
    model.write_bytes(b"PK")
    started = answers.ask(root, model, [pictures], title="mine")
    assert not started.already
    found = ended(root, started.id)
    assert found.state == "failed" and "model.json is missing" in found.message and "error" not in found.message
    assert (found.model, found.pictures, found.title) == (str(model), (str(pictures),), "mine")
    assert found.asked is not None and answers.answers(root) == [found]


def test_H3_asked_twice_at_once_is_asked_once(tmp_path, pictures, monkeypatch):
    monkeypatch.setattr(launch, "spawn", lambda stem, line: lock_of(stem))
    first = answers.ask(tmp_path, "model.keras", [pictures])
    again = answers.ask(tmp_path, "model.keras", [pictures])
    other = answers.ask(tmp_path, "model.keras", [pictures / "0.png"])
    assert again.already and again.id == first.id and not other.already
    assert {folder.name for folder in folders.listed(tmp_path, "predictions")} == {first.id, other.id}
    with pytest.raises(OptionError, match="still looking"):
        answers.delete(tmp_path, first.id)


def lock_of(stem, held=[]):
    """Hold the lock of a start as its process would, until the tests are done."""
    import fcntl

    held.append(os.open(f"{stem}.lock", os.O_RDWR | os.O_CREAT, 0o600))
    fcntl.flock(held[-1], fcntl.LOCK_EX)


@pytest.mark.parametrize("line, state", [
    ("", ("Starting", None, None)),
    ("12 pictures to look at; the model is being loaded", ("The model is being loaded", None, None)),
    ("1,024 of 4,096 pictures, about 30 s left", ("Looking at pictures: 1,024 of 4,096", 0.25, 30.0)),
    ("5 of 10 files of the zip, about 2 s left", ("Unpacking: 5 of 10", 0.5, 2.0))])
def test_how_far_it_is_stands_in_what_the_command_says(line, state):
    assert answers.news(["1 file passed over", line, "something else"]) == state


@pytest.mark.parametrize("code, says", [(-15, "by hand"), (-9, "out of memory"), (None, "out of memory"),
                                        (1, "exit code 1")])
def test_D4_work_that_ended_without_a_word_is_said_to_have(tmp_path, code, says):
    name = make_answers.answered(tmp_path, "x").name
    (tmp_path / ".dashboard/predictions" / name / "predictions.csv").unlink()
    if code is not None:
        folders.own(tmp_path, "starts")
        launch.place(tmp_path, "predictions", name, ".code").write_text(f"{code}\n")
    found = answers.answer(tmp_path, name)
    assert found.state == "failed" and says in found.message


def test_stopping_ends_the_process(tmp_path, pictures):
    os.mkfifo(pictures / "wait.csv")  # a table that never comes
    started = launch.start(tmp_path, "predictions", "x", "finetune", [pictures / "wait.csv"])
    folders.own(tmp_path, "predictions", "x")
    assert answers.answer(tmp_path, started.id).state == "failed"  # no answer.json: it is none of ours
    until = time.monotonic() + 30
    while not answers.stop(tmp_path, "x"):
        assert time.monotonic() < until
        time.sleep(0.05)
    assert ended(tmp_path, "x").state == "failed" and launch.code(tmp_path, "predictions", "x") is not None


def test_a_table_has_a_row_a_picture(tmp_path):
    folder = make_answers.answered(tmp_path, "x", n=40, classes=("=dark", "Grün", "x"), unreadable=(3, 7))
    found = answers.table(folder)
    assert len(found) == 40 and found.classes == ("=dark", "Grün", "x") and found.probabilities.shape == (40, 3)
    rows = found.rows
    assert set(rows["predicted"]) <= {"=dark", "Grün", "x", ""}
    assert [row for row in range(40) if rows["error"][row]] == [3, 7]
    assert np.isnan(found.probabilities[[3, 7]]).all() and (rows["key"].iloc[[3, 7]] == "").all()
    assert all(len(key) == 16 for row, key in enumerate(rows["key"]) if row not in (3, 7))
    assert sum(answers.counted(found).values()) == 40 and answers.counted(found)[""] == 2


def test_rows_are_chosen_and_ordered(tmp_path):
    found = answers.table(make_answers.answered(tmp_path, "x", n=40, unreadable=(3, 7)))
    sure = found.rows["confidence"].to_numpy()
    assert list(answers.chosen(found)) == list(range(40))
    assert list(answers.chosen(found, "unreadable")) == [3, 7]
    low, high = (answers.chosen(found, show, below=0.8) for show in ("unsure", "sure"))
    assert (sure[low] < 0.8).all() and (sure[high] >= 0.8).all() and len(low) + len(high) == 38
    ordered = answers.chosen(found, order="unsure first")
    assert (np.diff(sure[ordered[:38]]) >= 0).all() and list(ordered[38:]) == [3, 7]
    assert (np.diff(sure[answers.chosen(found, order="sure first")[:38]]) <= 0).all()
    assert set(found.rows["predicted"].iloc[answers.chosen(found, classes=("b",))]) == {"b"}
    ranked = [found.classes.index(name) for name in
              found.rows["predicted"].iloc[answers.chosen(found, "sure", order="by class")]]
    assert ranked == sorted(ranked)


def test_marks_name_the_classes_above_their_threshold(tmp_path):
    found = answers.table(make_answers.answered(tmp_path, "x", n=20, unreadable=(3,)))
    marks = answers.marked(found, {"b": 0.3, "c": 0.2, "gone": 0.1})
    for row in range(20):
        b, c = found.probabilities[row, 1:]
        assert marks[row] == ", ".join([*(["b"] if b >= 0.3 else []), *(["c"] if c >= 0.2 else [])])
    assert set(answers.marked(found, {})) == {""}


@pytest.mark.parametrize("damage", ["no table", "numbers", "link", "bytes"])
def test_I9_a_table_that_is_none_is_refused(tmp_path, damage):
    folder = make_answers.answered(tmp_path, "x", n=4)
    path = folder / "predictions.csv"
    if damage == "no table":
        path.write_text("a,b\n1,2\n")
    elif damage == "numbers":
        path.write_text("path,predicted,confidence,p_a,p_b,error\nx,a,7,7,-6,\n")
    elif damage == "bytes":
        path.write_bytes(b"path,predicted,confidence,p_a,error\n\xff\xfe\x00\"")
    else:
        path.rename(tmp_path / "elsewhere.csv")
        path.symlink_to(tmp_path / "elsewhere.csv")
    with pytest.raises(UntrustedError, match="predictions.csv"):
        answers.table(folder)


def test_an_answer_without_copies_is_still_read(tmp_path):
    folder = make_answers.answered(tmp_path, "x", n=4)
    (folder / "manifest.csv").write_text("path,file,sha256\nother,/x,00\n")
    assert list(answers.table(folder).rows["key"]) == [""] * 4


def test_deleting_takes_the_pictures_that_were_brought_for_it_alone(tmp_path):
    brought = folders.own(tmp_path, "uploads", "0123456789ab")
    one, two = (make_answers.answered(tmp_path, name, upload="0123456789ab") for name in ("one", "two"))
    evil = make_answers.answered(tmp_path, "evil", upload="../../keep")
    Path(tmp_path, "keep").mkdir()
    answers.delete(tmp_path, "one")
    assert not one.exists() and brought.exists()
    answers.delete(tmp_path, "two")
    answers.delete(tmp_path, "evil")
    answers.delete(tmp_path, "../../keep")
    assert not (two.exists() or brought.exists() or evil.exists()) and Path(tmp_path, "keep").exists()


def test_answers_of_a_run_are_told_from_others(tmp_path):
    make_answers.answered(tmp_path, "20260101-000000-a", run="first")
    make_answers.answered(tmp_path, "20260102-000000-b", run="other")
    (make_answers.answered(tmp_path, "20260103-000000-c") / "answer.json").write_text("[")
    assert [one.id[-1] for one in answers.answers(tmp_path)] == ["c", "b", "a"]
    assert [one.id[-1] for one in answers.answers(tmp_path, "first")] == ["a"]


def test_evidence_counts_what_validation_pictures_say(tmp_path):
    folder = make_runs.finished(tmp_path, "x", n=100)
    low, high = answers.evidence(folder, make_runs.CLASSES, 0.8)
    assert low[1] + high[1] == 20 and 0 <= low[0] <= low[1] and high[0] <= high[1]
    assert answers.evidence(folder, make_runs.CLASSES, 0.0) == ((0, 0), (low[0] + high[0], 20))
    (folder / "predictions.csv").write_text("path\nx\n")
    assert answers.evidence(folder, make_runs.CLASSES, 0.8) is None
