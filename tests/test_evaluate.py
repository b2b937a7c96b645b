"""A finished model on other labelled pictures: the same scores as in its run, and a word where they are not new."""

import hashlib
import zipfile

import numpy as np
import pandas
import pytest

from tests.acceptance import runs
from toolkit import errors, evaluate
from toolkit.data import edits
from toolkit.runs import results


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def measure(*arguments):
    """Exit code of `python -m toolkit.evaluate` with `arguments`, run here."""
    return errors.guarded(evaluate.main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(run folder, folder of its data)."""
    place = tmp_path_factory.mktemp("evaluate")
    data = runs.draw(place / "data", dict.fromkeys(runs.CLASSES, 16))
    weights = runs.weight_file(place / "mine.safetensors")
    assert runs.tune(data, *runs.SMALL, "--weights", weights, "--train-from", "head", "--run-dir", place / "run") == 0
    return place / "run", data


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Class folders of pictures that no run has seen."""
    folder = tmp_path_factory.mktemp("others")
    for kind, name in enumerate(runs.CLASSES):
        (folder / name).mkdir()
        for i in range(8):
            runs.Image.fromarray(runs.picture(kind, 50_000 + 100 * kind + i)).save(folder / name / f"{i}.png")
    return folder


def test_the_runs_own_test_pictures_give_its_own_scores(trained, tmp_path):
    run, data = trained
    rows = pandas.read_csv(run / "manifest.csv")
    table = runs.table(tmp_path / "test.csv", rows[rows["split"] == "test"][["path", "label"]].itertuples(index=False))
    assert measure(run, table, "--root", data, "--run-dir", tmp_path / "out", "--resamples", 100) == 0
    found, own = runs.read(tmp_path / "out" / "metrics.json"), runs.read(run / "metrics.json")
    for name in ("roc_auc", "accuracy", "log_loss"):
        assert found["test"][name]["value"] == pytest.approx(own["test"][name]["value"], abs=1e-5), name
    assert found["baseline"]["majority"]["class"] == own["baseline"]["majority"]["class"]
    before = pandas.read_csv(run / "predictions.csv").set_index("path")
    after = pandas.read_csv(tmp_path / "out" / "predictions.csv").set_index("path")
    columns = [f"p_{name}" for name in runs.CLASSES]
    assert np.allclose(after[columns], before.loc[after.index, columns], atol=1e-5)
    assert runs.read(tmp_path / "out" / "run.json")["state"] == "finished"


def test_other_pictures_are_measured_with_intervals_and_named(trained, others, tmp_path, capfd):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in trained[0].iterdir())
    assert measure(trained[0], others, "--run-dir", tmp_path / "out") == 0
    score = runs.read(tmp_path / "out" / "metrics.json")["test"]["balanced_accuracy"]
    assert score["low"] <= score["value"] <= score["high"] and score["value"] > 0.5
    said = capfd.readouterr().out
    assert "On 24 pictures: AUC" in said and "test pictures of its own run the model had AUC" in said
    assert sorted((path.name, path.stat().st_mtime_ns) for path in trained[0].iterdir()) == before
    manifest = pandas.read_csv(tmp_path / "out" / "manifest.csv")
    assert set(manifest["split"]) == {"test"} and len(manifest) == 24
    with zipfile.ZipFile(tmp_path / "out" / "thumbnails.zip") as archive:
        assert sorted(archive.namelist()) == sorted(f"{sha256[:16]}.jpg" for sha256 in manifest["sha256"])


def found(folder):
    return {(one["check"], one["severity"]): one for one in runs.read(folder / "doctor.json")["findings"]}


def test_A9_pictures_of_the_training_are_warned_of_and_refused_by_strict(trained, tmp_path, capfd):
    run, data = trained
    assert measure(run, data, "--run-dir", tmp_path / "out") == 0
    learnt = (pandas.read_csv(run / "manifest.csv")["split"] != "test").sum()
    said = capfd.readouterr().out
    assert f"warning: {learnt} pictures of 48 stood in the training or validation part" in said
    assert runs.read(tmp_path / "out" / "doctor.json")["findings"][0]["check"] == "seen in training"
    assert measure(run, data, "--run-dir", tmp_path / "strict", "--strict") == 3
    both = runs.read(tmp_path / "out" / "metrics.json")
    assert both["test"]["n"] == 48 and both["test_without_copies"]["n"] == 48 - learnt
    own = runs.read(run / "metrics.json")["test"]
    assert both["test_without_copies"]["accuracy"]["value"] == pytest.approx(own["accuracy"]["value"])
    assert f"{learnt} of these 48 share a copy" in said and f"on the other {48 - learnt}: AUC" in said


def test_A9_pictures_of_the_training_in_other_files_are_known_while_the_store_has_them(trained, others, tmp_path):
    run, data = trained
    learnt = pandas.read_csv(run / "manifest.csv").query("split == 'train'")["path"].iloc[:3]
    folder = tmp_path / "data"
    runs.shutil.copytree(others, folder)
    for number, path in enumerate(learnt):
        runs.Image.open(data / path).save(folder / path.split("/")[0] / f"again {number}.bmp")
    assert measure(run, folder, "--run-dir", tmp_path / "out") == 0
    assert len(found(tmp_path / "out")["seen in training", "warning"]["pictures"]) == 3
    assert runs.read(tmp_path / "out" / "metrics.json")["test_without_copies"]["n"] == 24
    assert measure(run, folder, "--run-dir", tmp_path / "fresh", "--cache-dir", tmp_path / "no store") == 0
    note = found(tmp_path / "fresh")["seen in training", "note"]
    assert "no longer kept by this machine" in note["sentence"]
    assert "test_without_copies" not in runs.read(tmp_path / "fresh" / "metrics.json")


def decide(folder, *decisions):
    """Edits beside the data `folder`: (path, action, value); a path that begins with ! names other bytes."""
    lines = []
    for path, action, value in decisions:
        sha = digest(folder / path) if not path.startswith("!") else "0" * 64
        lines.append(edits.line(edits.Edit(path.removeprefix("!"), sha, action, value)))
    (folder / edits.NAME).write_text("".join(lines), "utf-8")


def test_edits_that_give_a_class_the_model_lacks_are_refused_before_anything_is_made(trained, others, tmp_path, capfd):
    folder = tmp_path / "data"
    runs.shutil.copytree(others, folder)
    decide(folder, ("red/0.png", "relabel", "purple"), ("red/1.png", "relabel", "blue"))
    assert measure(trained[0], folder, "--run-dir", tmp_path / "out") == 3
    said = capfd.readouterr().err
    assert said.startswith("error: The edits give classes that the model does not know: 'purple'; it knows 'blue', ")
    assert not (tmp_path / "out").exists()
    decide(folder, ("red/0.png", "relabel", "purple"), ("red/0.png", "exclude", ""), ("!red/2.png", "relabel", "pink"))
    assert measure(trained[0], folder, "--run-dir", tmp_path / "out") == 0  # what is left out or changed has no class
    assert runs.read(tmp_path / "out" / "metrics.json")["test"]["n"] == 23


def test_edits_in_another_spelling_are_merged_where_that_is_asked(trained, others, tmp_path, capfd):
    folder = tmp_path / "data"
    runs.shutil.copytree(others, folder)
    decide(folder, ("red/0.png", "relabel", "Blue"))
    assert measure(trained[0], folder, "--run-dir", tmp_path / "refused") == 3
    assert "'Blue' (like 'blue'); it knows" in (said := capfd.readouterr().err) and "--merge-case" in said
    assert not (tmp_path / "refused").exists()
    assert measure(trained[0], folder, "--merge-case", "--run-dir", tmp_path / "out") == 0
    rows = {row["path"]: row["label"] for row in runs.rows(tmp_path / "out" / "manifest.csv")}
    assert rows["red/0.png"] == "blue" and "Class 'Blue' is taken for 'blue'." in (
        tmp_path / "out" / "doctor.json").read_text()


def test_edits_of_one_class_alone_are_applied(trained, others, tmp_path, capfd):
    folder = tmp_path / "data"
    runs.shutil.copytree(others / "red", folder / "red")
    decide(folder, ("red/0.png", "exclude", ""))
    assert measure(trained[0], folder, "--run-dir", tmp_path / "out") == 0
    measured = runs.read(tmp_path / "out" / "metrics.json")["test"]
    assert measured["n"] == 7 and measured["roc_auc"]["value"] is None and measured["per_class"]["red"]["n"] == 7
    decide(folder, *[(f"red/{i}.png", "exclude", "") for i in range(8)])
    assert measure(trained[0], folder, "--run-dir", tmp_path / "none") == 3
    assert "The edits leave no picture: take some of them back." in capfd.readouterr().err


def darker(source, target, share=0.85):
    """The same scene with less light, in another file."""
    runs.Image.fromarray((np.asarray(runs.Image.open(source)) * share).astype(np.uint8)).save(target)


def test_A9_scenes_of_the_training_are_known_though_no_pixel_is_the_same(trained, others, tmp_path, capfd):
    run, data = trained
    learnt = pandas.read_csv(run / "manifest.csv").query("split != 'test'")["path"]
    folder, wanted = tmp_path / "data", {}
    runs.shutil.copytree(others, folder)
    for number, path in enumerate([learnt.iloc[0], learnt.iloc[-1]]):
        wanted[f"{path.split('/')[0]}/again {number}.png"] = path
        darker(data / path, folder / list(wanted)[-1])
    assert measure(run, folder, "--run-dir", tmp_path / "out") == 0
    finding = found(tmp_path / "out")["near duplicates seen in training", "warning"]
    assert set(finding["pictures"]) == set(wanted) and ("seen in training", "warning") not in found(tmp_path / "out")
    first = finding["pictures"][0]
    assert "2 pictures of 26 show the same scene" in finding["sentence"]
    assert f"such as {first} and {wanted[first]}: the scores" in finding["sentence"]
    both = runs.read(tmp_path / "out" / "metrics.json")
    assert both["test"]["n"] == 26 and both["test_without_copies"]["n"] == 24
    said = capfd.readouterr().out
    assert "Laying pictures that are alike" in said and "2 of these 26 share a copy, a near copy" in said
    assert '"near"' in (tmp_path / "out" / "events.jsonl").read_text()
    assert measure(run, folder, "--run-dir", tmp_path / "strict", "--strict") == 3
    assert "show the same scene" in capfd.readouterr().err
    assert measure(run, folder, "--run-dir", tmp_path / "fresh", "--cache-dir", tmp_path / "no store") == 0
    assert "what they show" in found(tmp_path / "fresh")["seen in training", "note"]["sentence"]


def test_A9_scenes_that_only_the_new_pictures_share_are_not_the_trainings(trained, others, tmp_path):
    folder = tmp_path / "data"
    runs.shutil.copytree(others, folder)
    darker(folder / "red" / "0.png", folder / "red" / "again.png")
    assert measure(trained[0], folder, "--run-dir", tmp_path / "out") == 0
    assert not [check for check, severity in found(tmp_path / "out") if "seen in training" in check]
    assert "test_without_copies" not in runs.read(tmp_path / "out" / "metrics.json")


def test_pictures_of_one_scene_are_resampled_as_one(trained, others, tmp_path, capfd):
    folder = tmp_path / "data"
    runs.shutil.copytree(others, folder)
    for number in range(3):
        darker(folder / "red" / "0.png", folder / "red" / f"again {number}.png", 0.9 - 0.1 * number)
    darker(folder / "blue" / "1.png", folder / "blue" / "again.png")
    assert measure(trained[0], folder, "--run-dir", tmp_path / "out") == 0
    measured = runs.read(tmp_path / "out" / "metrics.json")
    assert measured["test"]["n"] == 28
    assert {name: measured["test"]["interval"][name] for name in ("unit", "units")} == {"unit": "group", "units": 24}
    said = found(tmp_path / "out")["near duplicates", "warning"]["sentence"]
    assert said.startswith("6 pictures of 28 show the same") and "2 scenes in all" in said
    assert said.endswith("and are resampled as one for the intervals.") and said in capfd.readouterr().out
    assert len(np.unique(results.read(tmp_path / "out", "evaluate").answers.groups("test"))) == 24


def test_A10_groups_of_the_training_are_pointed_out(trained, tmp_path, others, capfd):
    run, data = trained
    place = tmp_path / "run"
    runs.shutil.copytree(run, place)
    rows = pandas.read_csv(place / "manifest.csv", keep_default_na=False, dtype=str, encoding="utf-8-sig")
    rows["group"] = [f"p{i}" for i in range(len(rows))]
    rows.to_csv(place / "manifest.csv", index=False)
    trained_on = rows[rows["split"] == "train"]["group"].iloc[0]
    table = runs.table(tmp_path / "new.csv", [(f"{name}/{i}.png", name, trained_on if i < 2 else f"new {i}")
                                              for name in runs.CLASSES for i in range(8)], ("path", "label", "group"))
    assert measure(place, table, "--root", others, "--run-dir", tmp_path / "out") == 0
    assert f"6 pictures of 1 group, such as {trained_on!r}" in capfd.readouterr().out
    assert runs.read(tmp_path / "out" / "metrics.json")["test_without_copies"]["n"] == 18
    assert measure(place, table, "--root", others, "--strict", "--run-dir", tmp_path / "strict") == 3


def test_a_model_without_its_run_says_that_nothing_is_known(trained, others, tmp_path):
    (tmp_path / "alone").mkdir()
    for name in ("model.keras", "model.json"):
        runs.shutil.copy(trained[0] / name, tmp_path / "alone" / name)
    assert measure(tmp_path / "alone" / "model.keras", others, "--run-dir", tmp_path / "out") == 0
    assert "nobody can say" in found(tmp_path / "out")["seen in training", "note"]["sentence"]


def test_of_data_with_a_split_the_test_part_is_measured(trained, others, tmp_path):
    rows = [(f"{name}/{i}.png", name, "test" if i < 3 else "train") for name in runs.CLASSES for i in range(8)]
    table = runs.table(tmp_path / "all.csv", rows, ("path", "label", "split"))
    assert measure(trained[0], table, "--root", others, "--run-dir", tmp_path / "out") == 0
    assert runs.read(tmp_path / "out" / "metrics.json")["test"]["n"] == 9


def test_one_class_alone_has_no_auc_but_an_accuracy(trained, others, tmp_path):
    table = runs.table(tmp_path / "red.csv", [(f"{name}/{i}.png", name) for name in runs.CLASSES[1:] for i in range(8)])
    assert measure(trained[0], table, "--root", others, "--run-dir", tmp_path / "out") == 0
    found = runs.read(tmp_path / "out" / "metrics.json")["test"]
    assert found["roc_auc"]["value"] is None and found["roc_auc"]["reason"] and found["accuracy"]["value"] >= 0


def test_A5_A11_one_class_alone_and_other_spellings_are_measured(trained, others, tmp_path, capfd):
    folder = tmp_path / "data"
    runs.shutil.copytree(others / "red", folder / "RED")
    assert measure(trained[0], folder, "--run-dir", tmp_path / "refused") == 3
    assert "'RED' (like 'red'); it knows 'blue', 'green', 'red'" in (said := capfd.readouterr().err)
    assert "--merge-case" in said and not (tmp_path / "refused").exists()
    assert measure(trained[0], folder, "--merge-case", "--run-dir", tmp_path / "out") == 0
    measured = runs.read(tmp_path / "out" / "metrics.json")["test"]
    assert measured["n"] == 8 and measured["roc_auc"]["reason"] and measured["per_class"]["red"]["n"] == 8
    assert {row["label"] for row in runs.rows(tmp_path / "out" / "manifest.csv")} == {"red"}


@pytest.mark.parametrize("form", ["zip", "table", "npz", "larger"])
def test_A1_A2_every_format_and_size_is_measured(trained, others, tmp_path, form):
    data = tmp_path / "data"
    paths = [(f"{name}/{i}.png", name) for name in runs.CLASSES for i in range(8)]
    if form == "zip":
        data = runs.shutil.make_archive(str(data), "zip", others)
    elif form == "table":
        data = runs.table(others / "table.csv", paths)
    elif form == "npz":
        data = tmp_path / "data.npz"
        arrays = np.stack([np.asarray(runs.Image.open(others / path).resize((28, 28))) for path, _ in paths])
        labels = np.array([[runs.CLASSES.index(name)] for _, name in paths], np.uint8)
        np.savez(data, **{f"{part}_{kind}": array for part in ("train", "val", "test")
                          for kind, array in (("images", arrays), ("labels", labels))})
    else:
        for path, name in paths:
            (data / name).mkdir(parents=True, exist_ok=True)
            runs.Image.open(others / path).resize((120, 90)).save(data / path)
    code = measure(trained[0], data, "--run-dir", tmp_path / "out")
    (others / "table.csv").unlink(missing_ok=True)
    if form == "npz":       # its classes are numbers, which this model does not know
        assert code == 3
    else:
        assert code == 0 and runs.read(tmp_path / "out" / "metrics.json")["test"]["n"] == 24


@pytest.mark.parametrize("change, code, words", [
    (lambda folder: (folder / "red").rename(folder / "purple"), 3, "classes that the model does not know: 'purple'"),
    (lambda folder: None, 2, "MODEL and DATA are wanted")])
def test_B2_what_cannot_be_measured_makes_nothing(trained, others, tmp_path, capfd, change, code, words):
    folder = tmp_path / "data"
    runs.shutil.copytree(others, folder)
    change(folder)
    given = (trained[0], folder) if code == 3 else (trained[0],)
    assert measure(*given, "--run-dir", tmp_path / "out") == code
    assert words in capfd.readouterr().err and not (tmp_path / "out").exists()


def test_test_data_are_the_whole_test_part(trained, others, tmp_path):
    weights = trained[0].parent / "mine.safetensors"
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", others)
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "run") == 0
    rows = pandas.read_csv(tmp_path / "run" / "manifest.csv")
    outside = rows["path"].str.startswith("test-data/")
    assert (rows["split"] == "test").equals(outside) and outside.sum() == 24
    assert rows["split"].value_counts()["validation"] >= 6
    assert runs.read(tmp_path / "run" / "metrics.json")["test"]["n"] == 24


def test_edits_beside_the_test_data_are_honoured(trained, others, tmp_path):
    weights, folder = trained[0].parent / "mine.safetensors", tmp_path / "data"
    runs.shutil.copytree(others, folder)
    (folder / "label_edits.jsonl").write_text('{"path": "red/0.png", "sha256": "", "action": "exclude"}\n'.replace(
        '"sha256": ""', f'"sha256": "{digest(folder / "red" / "0.png")}"'))
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", folder)
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "run") == 0
    assert runs.read(tmp_path / "run" / "metrics.json")["test"]["n"] == 23
    assert runs.tune(trained[1], *given, "--edits", "none", "--run-dir", tmp_path / "all") == 0
    assert runs.read(tmp_path / "all" / "metrics.json")["test"]["n"] == 24


def test_edits_that_give_the_test_data_a_class_of_their_own_are_refused(trained, others, tmp_path, capfd):
    weights, folder = trained[0].parent / "mine.safetensors", tmp_path / "data"
    runs.shutil.copytree(others, folder)
    decide(folder, ("red/0.png", "relabel", "Purple"), ("red/1.png", "relabel", "Blue"))
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", folder, "--probe-only")
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "refused") == 3
    assert ("By the edits the test data have classes that the data do not have: 'Blue' (like 'blue'), 'Purple'; these "
            "have 'blue', 'green', 'red'.") in capfd.readouterr().err
    decide(folder, ("red/1.png", "relabel", "Blue"))
    assert runs.tune(trained[1], *given, "--merge-case", "--run-dir", tmp_path / "run") == 0
    rows = {row["path"]: row["label"] for row in runs.rows(tmp_path / "run" / "manifest.csv")}
    assert rows["test-data/red/1.png"] == "blue" and set(rows.values()) == set(runs.CLASSES)


def test_A6_D5_test_data_may_lack_classes_and_their_scores_are_undefined(trained, others, tmp_path, capfd):
    weights, folder = trained[0].parent / "mine.safetensors", tmp_path / "data"
    for name in runs.CLASSES[1:]:
        runs.shutil.copytree(others / name, folder / name)
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", folder)
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "run") == 0
    measured = runs.read(tmp_path / "run" / "metrics.json")
    assert measured["test"]["n"] == 16 and measured["test"]["roc_auc"]["value"] is None
    assert measured["test"]["per_class"]["blue"]["n"] == 0 and measured["test"]["accuracy"]["low"] is not None
    assert measured["validation"]["roc_auc"]["value"] is not None and "per_class" in measured["baseline"]["majority"]
    assert "No test picture of 1 class: 'blue'" in capfd.readouterr().out
    said = runs.told(tmp_path / "run")
    assert "ROC AUC is not defined: class 'blue' has no picture in this part." in said
    assert results.read(tmp_path / "run").metrics["test"]["per_class"]["blue"]["recall"]["reason"]


def test_A9_A10_copies_and_patients_of_the_test_data_leave_training(trained, others, tmp_path, capfd):
    weights, folder = trained[0].parent / "mine.safetensors", tmp_path / "data"
    runs.shutil.copytree(others, folder)
    runs.Image.open(trained[1] / "red" / "0.png").save(folder / "red" / "known.bmp")
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", folder)
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "run") == 0
    rows = pandas.read_csv(tmp_path / "run" / "manifest.csv").set_index("path")
    assert rows.loc["red/0.png", "split"] == "test" and (rows["split"] == "test").sum() == 26
    assert "red/0.png to test, for test-data/red/known.bmp" in capfd.readouterr().out
    said = runs.told(tmp_path / "run")  # copies make bundles, not groups
    assert "26 test pictures never used in training (25 of them independent)" in said and "No groups were given" in said


def test_A9_scenes_of_the_test_data_are_left_out_of_a_second_score(trained, others, tmp_path, capfd):
    weights, folder = trained[0].parent / "mine.safetensors", tmp_path / "data"
    runs.shutil.copytree(others, folder)
    darker(trained[1] / "red" / "0.png", folder / "red" / "known.png")
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", folder)
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "run") == 0
    rows = pandas.read_csv(tmp_path / "run" / "manifest.csv").set_index("path")
    assert rows.loc["red/0.png", "split"] != "test" and rows.loc["test-data/red/known.png", "split"] == "test"
    assert ("1 of 25 pictures of the test data shows the same scene as pictures of the data to learn from (1 scene in "
            "both), such as test-data/red/known.png and red/0.png: the scores") in capfd.readouterr().out
    both = runs.read(tmp_path / "run" / "metrics.json")
    assert both["test"]["n"] == 25 and both["test_without_copies"]["n"] == 24
    assert runs.tune(trained[1], *given, "--strict", "--run-dir", tmp_path / "strict") == 3
    assert "test-data/red/known.png" in capfd.readouterr().err


def test_A9_test_data_that_hold_training_pictures_are_refused_by_strict(trained, tmp_path, capfd):
    weights = trained[0].parent / "mine.safetensors"
    given = (*runs.SMALL, "--weights", weights, "--train-from", "head", "--test-data", trained[1], "--strict")
    assert runs.tune(trained[1], *given, "--run-dir", tmp_path / "run") == 3
    assert "both sides" in capfd.readouterr().err
