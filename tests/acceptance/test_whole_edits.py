"""Decisions about pictures are honoured by a run, and no file of the user's changes."""

import pandas

from tests.acceptance import runs
from toolkit.data import edits


def test_edits_beside_the_data_are_honoured_and_told(tmp_path, fast):
    data = runs.draw(tmp_path / "data", dict.fromkeys(runs.CLASSES, 10))
    for edit in (edits.Edit("red/0.png", "", "exclude"), edits.Edit("blue/1.png", "", "relabel", "red"),
                 edits.Edit("red/2.png", "", "regroup", "lot 5"), edits.Edit("green/3.png", "", "regroup", "lot 5"),
                 edits.Edit("green/4.png", "stale", "exclude")):
        edits.append(data / edits.NAME, edit)
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    assert runs.tune(data, *fast, "--run-dir", tmp_path / "run") == 0
    rows = pandas.read_csv(tmp_path / "run" / "manifest.csv", keep_default_na=False).set_index("path")
    assert "red/0.png" not in rows.index and len(rows) == 29 and rows.loc["blue/1.png", "label"] == "red"
    assert rows.loc["red/2.png", "split"] == rows.loc["green/3.png", "split"]
    said = " ".join(found["sentence"] for found in runs.read(tmp_path / "run" / "doctor.json")["findings"])
    assert "Edits applied: 1 exclude, 1 relabel, 2 regroup." in said and "green/4.png" in said
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_edits_can_be_named_or_left_aside(tmp_path, fast):
    data = runs.draw(tmp_path / "data", dict.fromkeys(runs.CLASSES, 6))
    edits.append(data / edits.NAME, edits.Edit("red/0.png", "", "exclude"))
    edits.append(tmp_path / "mine.jsonl", edits.Edit("blue/0.png", "", "exclude"))
    for name, file, gone in (("none", "none", None), ("mine", tmp_path / "mine.jsonl", "blue/0.png")):
        assert runs.tune(data, *fast, "--run-dir", tmp_path / name, "--edits", file) == 0
        rows = set(pandas.read_csv(tmp_path / name / "manifest.csv")["path"])
        assert len(rows) == 18 - bool(gone) and gone not in rows and "red/0.png" in rows


def test_A13_edits_that_changed_between_sittings_are_noticed(tmp_path, fast, monkeypatch, capfd):
    from toolkit.features import frozen

    data, run = runs.draw(tmp_path / "data", dict.fromkeys(runs.CLASSES, 6)), tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(frozen.Frozen, "__init__", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert runs.tune(data, *fast, "--run-dir", run) == 130
    edits.append(data / edits.NAME, edits.Edit("red/0.png", "", "exclude"))
    assert runs.tune("--resume", "--run-dir", run) == 3
    assert "red/0.png: gone" in capfd.readouterr().err
