"""python -m toolkit.heatmaps: a file a picture, and nothing else in the run is touched."""

import hashlib
import json
import os
import shutil
import signal
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from tests.explain import networks

from toolkit import errors, heatmaps, options, progress
from toolkit.data.spreadsheet import to_csv
from toolkit.explain import overlay, stored

NAMES = ("class 0", "class 1")
ANSWERS = [  # split, label, probability of class 1: what the run's model said
    ("test", 0, 0.9), ("test", 0, 0.6), ("test", 0, 0.2), ("test", 0, 0.45), ("test", 1, 0.01), ("test", 1, 0.97),
    ("validation", 0, 0.99), ("validation", 1, 0.7), ("train", 0, None), ("train", 1, None)]
ORDER = (4, 0, 1, 3, 2, 5)  # of the test pictures: mistakes, the surest first, then the least sure right ones


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(run folder, data, keys of the pictures in the order of ANSWERS)."""
    place = tmp_path_factory.mktemp("heat")
    run, data = place / "run", place / "=data"
    run.mkdir()
    networks.finished(run, 2, 3, seed=5, resize="crop")
    rows, keys = [], []
    for number, (split, label, _) in enumerate(ANSWERS):
        path = data / NAMES[label] / f"=picture {number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(networks.pixels(1, size=40, seed=number)[0][:20]).save(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        keys.append(digest[:16])
        rows.append([str(path.relative_to(data)), NAMES[label], split, "", digest])
    (run / "manifest.csv").write_bytes(to_csv(("path", "label", "split", "group", "sha256"), rows, mark=True))
    (run / "predictions.csv").write_bytes(to_csv(
        ("split", "path", "label", "predicted", *(f"p_{name}" for name in NAMES)),
        [[row[2], row[0], row[1], NAMES[answer[2] > 0.5], 1 - answer[2], answer[2]]
         for row, answer in zip(rows, ANSWERS) if answer[2] is not None], mark=True))
    facts = {"schema": 1, "command": "finetune", "state": "finished", "options": asdict(options.Finetune(str(data)))}
    (run / "run.json").write_text(json.dumps(facts))
    return run, data, keys


@pytest.fixture
def run(made, tmp_path):
    """A copy of the run, its data still where they are."""
    return shutil.copytree(made[0], tmp_path / "a run")


def heat(*arguments):
    return errors.guarded(heatmaps.main, [str(argument) for argument in arguments])


def contents(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def refused(capsys, *words):
    said = capsys.readouterr().err
    assert "Traceback" not in said and [word for word in words if str(word) not in said] == [], said


def test_mistakes_come_first_and_nothing_else_of_the_run_changes(run, made, capsys):
    before, (_, _, keys) = contents(run), made
    assert heat(run, "--limit", 4) == 0
    said = capsys.readouterr()
    assert said.out == "" and "4 pictures to look at" in said.err and "class activation" in said.err
    assert stored.available(run) == {keys[number] for number in ORDER[:4]}
    after = contents(run)
    assert {path: after[path] for path in before} == before
    assert {path.parent.name for path in after.keys() - before.keys()} == {"heatmaps"}
    assert heat(run) == 0 and stored.available(run) == {keys[number] for number in ORDER}
    again = contents(run)
    assert {path: again[path] for path in after} == after  # those that were there are not made again
    assert "4 pictures of 6 done before" in capsys.readouterr().err


def test_what_is_kept_is_exact_and_lies_on_the_picture(run, made):
    from toolkit import artifact
    from toolkit.pixels import resize

    _, data, keys = made
    model, _ = artifact.load(run)
    assert heat(run, "--only", ",".join(keys[number] for number in (5, 7))) == 0
    assert stored.available(run) == {keys[5], keys[7]}
    for number in (5, 7):
        found = stored.read(run / "heatmaps", keys[number])
        assert found.maps.shape == (2, 14, 14) and found.method == "class activation"
        pixels = np.asarray(Image.open(data / NAMES[1] / f"=picture {number}.png"))
        wanted = model.predict_on_batch(resize.fit(pixels, 14, 3, "crop")[None])[0]
        assert found.probabilities == pytest.approx(np.asarray(wanted), abs=1e-6)
        told = np.log(found.probabilities.astype(float))
        assert found.maps.astype(float).sum((1, 2)) == pytest.approx(told - told.mean(), abs=5e-3)  # of half floats
        assert found.place == (0.25, 0, 0.75, 1)  # the middle of 40 x 20 pixels
        assert overlay.laid(run, keys[number], 1).startswith(b"\x89PNG")


def test_pictures_of_a_folder_by_a_model_alone(made, tmp_path, capsys):
    run, data, keys = made
    model, out = tmp_path / "m.keras", tmp_path / "out"
    shutil.copy(run / "model.keras", model)
    shutil.copy(run / "model.json", tmp_path / "m.json")
    (data / NAMES[0] / "broken\n.png").write_bytes(b"no picture")
    try:
        assert heat(model, data / NAMES[0], data / NAMES[1] / "=picture 4.png", "--out", out) == 0
    finally:
        (data / NAMES[0] / "broken\n.png").unlink()
    refused(capsys, "broken\\n.png ", f"heat maps of 7 pictures -> {out}")
    assert stored.keys_in(out) == {keys[number] for number in (0, 1, 2, 3, 4, 6, 8)}
    assert oct(out.stat().st_mode)[-3:] == "700"
    assert heat(model, data / NAMES[0]) == 2
    refused(capsys, "is no run folder; --out DIR")


def test_by_another_model_or_damaged_they_are_made_again(run, made, capsys):
    only = made[2][0]
    assert heat(run, "--only", only) == 0
    first = stored.read(run / "heatmaps", only)
    networks.finished(run, 2, 3, seed=6, resize="crop")
    assert heat(run, "--only", only) == 0
    second = stored.read(run / "heatmaps", only)
    assert second.model != first.model and not np.array_equal(first.maps, second.maps)
    (run / "heatmaps" / f"{only}.npz").write_bytes(b"half")
    assert heat(run, "--only", only) == 0 and np.array_equal(stored.load(run, only)[0], second.maps)


@pytest.mark.parametrize("arguments, code, words", [
    (("--only", "0" * 16), 2, ("--only " + "0" * 16, "no such picture")),
    (("--only", "KEY"), 2, ("--only 'KEY'", "16 hexadecimal")),
    (("picture.png", "--only", "0" * 16), 2, ("exclude each other",)),
    (("nowhere.png",), 3, ("nowhere.png does not exist",)),
    (("--limit", "0"), 2, ("limit",)),
])
def test_what_cannot_be_is_said_in_a_sentence(run, capsys, arguments, code, words):
    assert heat(run, *arguments) == code
    refused(capsys, *words)
    assert not stored.available(run)


def test_without_a_model_or_a_run_there_is_nothing_to_explain(made, tmp_path, capsys):
    assert heat() == 2
    refused(capsys, "MODEL is wanted")
    assert heat(tmp_path) == 2
    refused(capsys, "holds no model.keras")
    for name in ("model.keras", "model.json"):
        shutil.copy(made[0] / name, tmp_path)
    assert heat(tmp_path, "--out", tmp_path / "out") == 2
    refused(capsys, "holds no answers of a run", "name PICTURES")
    for name in ("run.json", "predictions.csv"):
        shutil.copy(made[0] / name, tmp_path)
    assert heat(tmp_path) == 2
    refused(capsys, "does not say which files", "name PICTURES")


def test_data_that_are_gone_or_changed_are_said(run, made, tmp_path, capsys):
    _, data, keys = made
    facts, moved = json.loads((run / "run.json").read_text()), shutil.copytree(data, tmp_path / "copy")
    facts["options"]["data"] = str(moved)
    (run / "run.json").write_text(json.dumps(facts))
    (moved / NAMES[0] / "=picture 0.png").unlink()
    shutil.copy(moved / NAMES[0] / "=picture 2.png", moved / NAMES[0] / "=picture 1.png")
    assert heat(run, "--limit", 3) == 0
    refused(capsys, "=picture 0.png is not among the data any more", "=picture 1.png is another picture")
    assert stored.available(run) == {keys[4]}
    assert heat(run, "--only", keys[0]) == 3
    refused(capsys, "none of 1 picture can be read", "=picture 0.png")
    shutil.rmtree(moved)
    assert heat(run) == 3
    refused(capsys, f"read from {moved}", "does not exist", "or name PICTURES")


def test_another_head_is_asked_by_gradients_and_says_so(run, made, capsys):
    from toolkit import artifact
    from toolkit.pixels.decode import DECODER

    facts = {"task": "classification", "classes": list(NAMES),
             "input": {"height": 14, "width": 14, "channels": 3, "resize": "pad", "decoder": DECODER}}
    artifact.write(run, networks.with_another_head(2), facts, networks.pixels(2))
    assert heat(run, "--only", made[2][3]) == 0
    assert "method: grad-cam" in capsys.readouterr().err
    found = stored.read(run / "heatmaps", made[2][3])
    assert found.method == "grad-cam" and found.maps.shape == (2, 7, 7) and found.place[1] < 0 < 1 < found.place[3]


def test_how_far_it_is_and_how_long_it_takes_is_told(run, monkeypatch, capsys):
    monkeypatch.setattr(progress, "NEWS_EVERY", -1)
    monkeypatch.setattr(heatmaps, "READ_AT_ONCE", 2)
    assert heat(run) == 0
    said = capsys.readouterr().err
    assert said.count(" of 6 pictures, about ") == 2 and " s left" in said


def test_an_interruption_leaves_whole_files_and_no_rests(run, monkeypatch):
    honest = stored.write

    def write(*arguments):
        honest(*arguments)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(heatmaps, "READ_AT_ONCE", 1)
    monkeypatch.setattr(stored, "write", write)
    assert heat(run) == 143
    assert len(stored.available(run)) == 1 and len(list((run / "heatmaps").iterdir())) == 1
