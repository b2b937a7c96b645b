"""What a run says: the same numbers everywhere, of the pictures it says; odd data, names and places."""

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, log_loss, roc_auc_score

from tests.acceptance import runs
from tests.acceptance.conftest import ODD_CLASSES


def measured_on(folder):
    """(truth, probabilities, classes) of the test rows of predictions.csv."""
    table = pandas.read_csv(folder / "predictions.csv")
    table = table[table["split"] == "test"]
    names = [name.removeprefix("p_") for name in table.columns if name.startswith("p_")]
    return table["label"], table[[f"p_{name}" for name in names]].to_numpy(), names


def test_F1_report_metrics_model_and_predictions_hold_the_same_numbers(tuned):
    measured = runs.read(tuned / "metrics.json")
    truth, probabilities, names = measured_on(tuned)
    numbers = truth.map(names.index).to_numpy()
    answers = probabilities.argmax(1)
    again = {"accuracy": accuracy_score(numbers, answers),
             "balanced_accuracy": balanced_accuracy_score(numbers, answers),
             "roc_auc": roc_auc_score(numbers, probabilities, multi_class="ovr"),
             "log_loss": log_loss(numbers, probabilities)}
    page = (tuned / "report.html").read_text("utf-8")
    shown = {float(value) for value in re.findall(r'<data value="([^"]+)"', page)}
    card = runs.read(tuned / "model.json")["scores"]["test"]
    assert measured["test"]["n"] == card["n"] == len(truth)
    for name, value in again.items():
        score = measured["test"][name]
        assert score["value"] == pytest.approx(value, abs=1e-6) and score == card[name]
        assert score["low"] <= score["value"] <= score["high"]
        assert {score["value"], score["low"], score["high"]} <= shown, name
    assert f"Measured on {len(truth)} test pictures, used once" in runs.told(tuned)
    assert f"On {len(truth)} test pictures, used once" in (tuned / "log.txt").read_text("utf-8")
    assert np.array_equal(measured["test"]["confusion"], confusion_matrix(numbers, answers))


def test_F3_predictions_have_a_row_a_picture_and_sum_to_one(tuned):
    table, manifest = pandas.read_csv(tuned / "predictions.csv"), pandas.read_csv(tuned / "manifest.csv")
    measured = manifest[manifest["split"] != "train"]
    assert sorted(table["path"]) == sorted(measured["path"]) and set(table["split"]) == {"validation", "test"}
    probabilities = table[[f"p_{name}" for name in runs.CLASSES]]
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-6)
    assert list(table["predicted"]) == [name.removeprefix("p_") for name in probabilities.idxmax(axis=1)]
    assert table["path"].map(lambda path: path.split("/")[0]).equals(table["label"])


def test_F6_the_report_asks_for_nothing(tuned, trouble):
    for folder in (tuned, trouble.folder):
        page = (folder / "report.html").read_text("utf-8")
        assert len(page) > 20_000 and "<script" not in page and "@import" not in page
        links = re.findall(r"""(?:src|href|action|data|poster|srcset)\s*=\s*["']([^"']*)""", page)
        assert links and [link for link in links if not link.startswith(("#", "data:image/"))] == []
        assert [link for link in re.findall(r"url\(([^)]*)\)", page) if not link.strip("'\"").startswith("#")] == []
        assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_G1_G2_G3_F5_a_moved_run_gives_its_own_predictions_again(tmp_path, monkeypatch, tuned, data):
    monkeypatch.setenv("TOOLKIT_OFFLINE", "1")
    moved = shutil.copytree(tuned, tmp_path / "elsewhere" / "my run")
    assert runs.ask(moved, data, "--out", tmp_path / "out.csv") == 0
    given = {row["path"].removeprefix(f"{data}/"): row for row in runs.rows(tmp_path / "out.csv")}
    assert len(given) == 48 and not any(row["error"] for row in given.values())
    for row in runs.rows(tuned / "predictions.csv"):
        again = given[row["path"]]
        assert again["predicted"] == row["predicted"]
        for name in runs.CLASSES:
            assert float(again[f"p_{name}"]) == pytest.approx(float(row[f"p_{name}"]), abs=1e-5)


def test_G1_the_model_loads_where_this_package_is_not(tmp_path, tuned, data):
    for name in ("model.keras", "model.json"):
        shutil.copy(tuned / name, tmp_path)
    pixels = np.stack([runs.picture(kind, 77 + kind, 32) for kind in range(3)])
    np.save(tmp_path / "pixels.npy", pixels)
    script = ("import sys; sys.path = [p for p in sys.path if p]; sys.modules['toolkit'] = None\n"
              "import keras, numpy as np, json\n"
              "model = keras.saving.load_model('model.keras', compile=False)\n"
              "print(json.dumps(model.predict(np.load('pixels.npy'), verbose=0).tolist()))")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=runs.environment(PYTHONPATH=None),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    from toolkit import artifact

    model, facts = artifact.load(tuned)
    assert facts["classes"] == list(runs.CLASSES)
    assert np.allclose(json.loads(done.stdout.splitlines()[-1]), model.predict(pixels, verbose=0), atol=1e-5)


def test_G6_an_existing_output_is_refused_and_left(tmp_path, capsys, tuned, data):
    out = tmp_path / "mine.csv"
    out.write_text("mine")
    assert runs.ask(tuned, data, "--out", out) == 2
    runs.refused(capsys, out, "not overwritten")
    assert out.read_text() == "mine" and runs.ask(tuned, data, "--out", tmp_path / "no" / "folder.csv") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["mine.csv"]


def test_A1_A11_odd_folders_and_names_work_and_are_counted(trouble):
    assert trouble.code == 0
    assert runs.read(trouble.folder / "metrics.json")["classes"] == sorted(ODD_CLASSES)
    skipped = finding(trouble, "left out")
    assert all(f"{reason} ({n})" in skipped for reason, n in (("system file", 2), ("hidden", 1),
                                                               ("symbolic link, not followed", 2)))
    assert "  -Zellen größe 😀: 8 train, 3 validation, 10 test" in trouble.screen
    assert {row["label"] for row in runs.rows(trouble.folder / "manifest.csv")} == {
        "'" + name if name[0] in "=-" else name for name in ODD_CLASSES}


def test_A7_I3_unreadable_files_are_left_out_with_their_reasons(trouble):
    found = next(f for f in findings(trouble) if f["check"] == "unreadable")
    assert sorted(path.rpartition("/")[2] for path in found["pictures"]) == [
        "bomb.png", "cut.png", "drawing.jpg", "empty.jpg"]
    assert found["severity"] == "warning" and found["sentence"] in runs.told(trouble.folder)
    assert not {row["path"] for row in runs.rows(trouble.folder / "manifest.csv")} & set(found["pictures"])


def test_A8_odd_kinds_are_read_the_same_in_training_and_prediction(tmp_path, capsys, trouble):
    test = trouble.data / "test" / ODD_CLASSES[0]
    assert runs.ask(trouble.folder, test, "--out", tmp_path / "out.csv") == 0
    given = {row["path"].rpartition("/")[2]: row for row in runs.rows(tmp_path / "out.csv")}
    before = {row["path"].rpartition("/")[2]: row for row in runs.rows(trouble.folder / "predictions.csv")
              if row["path"].startswith(f"test/{ODD_CLASSES[0]}/")}
    assert given.keys() == before.keys() and len(given) == 10
    for name, row in before.items():
        for label in ODD_CLASSES:
            assert float(given[name][f"p_{label}"]) == pytest.approx(float(row[f"p_{label}"]), abs=1e-5), name
    converted = " ".join(f["sentence"] for f in findings(trouble) if f["check"] in ("converted", "rotation tags"))
    assert all(word in converted for word in ("16", "CMYK", "turned upright", "white"))
    assert "the smallest 1 x 1" in finding(trouble, "tiny") and finding(trouble, "tiny") in runs.told(trouble.folder)


def test_A9_copies_are_noted_conflicts_and_leaks_are_warned(trouble):
    assert "under more than one class" in finding(trouble, "label conflicts")
    leak = finding(trouble, "pictures across splits")
    assert "in more than one of train, validation and test" in leak and leak in runs.told(trouble.folder)
    assert f"warning: {leak}" in trouble.screen


def findings(trouble):
    return runs.read(trouble.folder / "doctor.json")["findings"]


def finding(trouble, check):
    return next(f["sentence"] for f in findings(trouble) if f["check"] == check)


def test_I4_hostile_names_are_plain_text_on_the_terminal_in_the_report_and_in_tables(trouble):
    for text in (trouble.screen, (trouble.folder / "log.txt").read_text("utf-8"),
                 (trouble.folder / "report.html").read_text("utf-8")):
        assert "\x1b" not in text and "\u202e" not in text and "31mred" in text
    page = (trouble.folder / "report.html").read_text("utf-8")
    assert "<img src=x" not in page and "&lt;img src=x onerror=y&gt;" in page
    card = (trouble.folder / "model_card.md").read_text("utf-8")
    assert "<img src=x" not in card.replace("\\<", "") and "\x1b" not in card
    for name in ("predictions.csv", "manifest.csv"):
        cells = pandas.read_csv(trouble.folder / name, dtype=str, keep_default_na=False)
        assert not cells.map(lambda cell: cell.startswith(("=", "+", "@", "\t", "-Z"))).any(axis=None)
        assert "'=cmd()" in set(cells["label"])


def test_I8_links_in_the_data_are_not_followed(trouble):
    paths = {row["path"] for row in runs.rows(trouble.folder / "manifest.csv")}
    assert len(paths) == 4 * 14 + 7 + 3 and not [path for path in paths if "link" in path]


def test_A11_long_reserved_and_slashed_class_names_of_a_table_work_to_the_end(tmp_path, data, fast):
    names = dict(zip(runs.CLASSES, ("a/b", "CON", "-" + "ä" * 199)))
    table = runs.table(tmp_path / "t.csv", [(f"{name}/{i}.png", names[name]) for name in names for i in range(16)])
    assert runs.tune(table, "--root", data, *fast, "--run-dir", tmp_path / "run") == 0
    assert runs.read(tmp_path / "run" / "metrics.json")["classes"] == sorted(names.values())
    assert runs.ask(tmp_path / "run", data, "--out", tmp_path / "out.csv") == 0
    answers = {row["predicted"].removeprefix("'") for row in runs.rows(tmp_path / "out.csv")}
    assert answers <= set(names.values()) and answers
    assert all(f"p_{name}" in runs.rows(tmp_path / "out.csv")[0] for name in names.values())
    assert all(name in runs.told(tmp_path / "run") for name in names.values())


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_A2_A10_a_table_in_any_encoding_keeps_its_groups_together(tmp_path, data, fast, encoding):
    lines = ["file;diagnose;Fall"]
    for name in runs.CLASSES:
        lines += [f"{name}/{i}.png;{name}-größe;{name}-{i // 2}" for i in range(16)]
    (tmp_path / "t.csv").write_text("\r\n".join(lines), encoding=encoding)
    arguments = ("--root", data, "--label-column", "diagnose", "--path-column", "file", "--group-column", "Fall")
    assert runs.tune(tmp_path / "t.csv", *arguments, *fast, "--run-dir", tmp_path / "run") == 0
    table = pandas.read_csv(tmp_path / "run" / "manifest.csv")
    assert len(table) == 48 and table.groupby("group")["split"].nunique().max() == 1
    assert table["group"].nunique() == 24 and set(table["split"]) == {"train", "validation", "test"}
    test = runs.read(tmp_path / "run" / "metrics.json")["test"]
    assert test["interval"]["unit"] == "group" and test["interval"]["units"] == test["n"] / 2
    said = runs.told(tmp_path / "run")
    assert "none of 24 stands in more than one part" in said and "No groups were given" not in said
    assert f"({test['n'] // 2} of them independent)" in said
    assert "blue-größe" in pandas.read_csv(tmp_path / "run" / "predictions.csv").to_string()
