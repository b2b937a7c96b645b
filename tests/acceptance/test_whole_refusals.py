"""What the command refuses: the exit code, one sentence on standard error, and nothing created."""

import os
import pickle

import pytest

from tests.acceptance import runs
from toolkit.backbones import weights as table


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty working folder, in which a run would make runs/."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.parametrize("arguments, words", [
    (["--epoch", 3], ["--epoch ", "--epochs"]),
    (["--learning-rate", "fast"], ["--learning-rate", "a number", "fast"]),
    (["--layer-decay", 2], ["--layer-decay", "2", "to 1"]),
    (["--augment", "ligth"], ["--augment", "ligth", "light"]),
    (["--rates", "head=1e-3", "--layer-decay", 0.9], ["--rates", "--layer-decay", "exclude"]),
    (["--backbone", "resnet5O"], ["resnet5O", "resnet50"]),
    (["--backbone", "resnet18", "--train-from", "layer9"], ["--train-from", "layer9"]),
    (["--backbone", "cifar_resnet20", "--weights", "none", "--train-from", "layer4"], ["layer4", "layer3"]),
    (["--backbone", "resnet18", "--weights", "imagenett"], ["imagenett"]),
    (["--weights", "no/such.safetensors"], ["no/such.safetensors"]),
    (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
    (["--group-column", "patient"], ["--group-column", "for tables"]),
])
def test_B2_a_wrong_option_is_named_and_nothing_is_made(place, capsys, data, arguments, words):
    assert runs.tune(data, *arguments) == 2
    runs.refused(capsys, *words)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name, value, allowed", [("--size", 16, "32"), ("--size", 4096, "1024"),
                                                  ("--batch-size", 0, "1"), ("--channels", 2, "1, 3")])
def test_B5_a_size_that_no_network_takes_is_refused_before_the_data_are_looked_at(place, capsys, name, value, allowed):
    assert runs.tune("no/such/data", name, value) == 2
    runs.refused(capsys, name, value, allowed)
    assert list(place.iterdir()) == []


def empty(folder):
    folder.mkdir()
    return folder


def without_pictures(folder):
    (empty(folder) / "benign").mkdir()
    (folder / "benign" / "notes.txt").write_text("x")
    return folder


def near(folder):
    empty(folder)
    return folder.with_name("dtaa")


def one_class(folder):
    return runs.draw(folder, {"benign": 5})


def empty_class(folder):
    return runs.draw(folder, {"benign": 5, "normal": 5, "malignant": 0})


def accent_twins(folder):
    return runs.draw(folder, {"Caf\u00e9": 4, "Cafe\u0301": 4, "tea": 4})


def case_twins(folder):
    rows = [(runs.draw(folder, {"a": 4, "b": 4}) / "a" / "0.png", "Cat"), (folder / "b" / "0.png", "cat")]
    return runs.table(folder / "t.csv", [*rows, (folder / "b" / "1.png", "dog")])


def missing_files(folder):
    runs.draw(folder, {"a": 1})
    return runs.table(folder / "t.csv", [(f"gone {i}.png", "ab"[i % 2]) for i in range(30)] + [("/etc/hostname", "a")])


def unknown_column(folder):
    runs.draw(folder, {"a": 1})
    return runs.table(folder / "t.csv", [("a/0.png", "a")], ("path", "diagnosis_code"))


@pytest.mark.parametrize("make, words", [
    (unknown_column, ["label", "path", "diagnosis_code", "--label-column"]),          # A2
    (missing_files, ["30 files missing", "gone 0.png", "gone 19.png", "and 10 more", "/etc/hostname"]),  # A3
    (empty, ["is empty"]),                                                            # A4
    (without_pictures, ["No picture was found"]),
    (near, ["dtaa does not exist", "Did you mean", "data?"]),
    (one_class, ["only one class, 'benign'"]),                                        # A5
    (empty_class, ["'malignant'", "--ignore-empty"]),
    (accent_twins, ["Caf\\xe9", "Cafe\\u0301", "--merge-case"]),                                    # A11
    (case_twins, ["'Cat'", "'cat'", "--merge-case"]),
], ids=lambda value: getattr(value, "__name__", ""))
def test_A2_A3_A4_A5_A11_unusable_data_are_refused_before_a_run_is_made(tmp_path, place, capsys, make, words):
    data = make(tmp_path / "data")
    assert runs.tune(data, "--backbone", "cifar_resnet20", "--weights", "none") == 3
    runs.refused(capsys, *words)
    assert list(place.iterdir()) == []


def few_of_a_class(folder):
    return runs.draw(folder, {"benign": 6, "normal": 6, "rare": 2})


def one_group_a_class(folder):
    rows = [(f"{name}/{i}.png", name, name) for name in ("a", "b") for i in range(6)]
    runs.draw(folder, {"a": 6, "b": 6})
    return runs.table(folder / "t.csv", rows, ("path", "label", "group"))


def mostly_broken(folder):
    runs.draw(folder, {"a": 4, "b": 4})
    for i in range(3):
        (folder / "a" / f"{i}.png").write_bytes(b"no picture")
    return folder


def leaking(folder):
    runs.draw(folder / "train", {"a": 3, "b": 3})
    runs.draw(folder / "test", {"a": 3, "b": 3})
    return folder


@pytest.mark.parametrize("make, more, words", [
    (few_of_a_class, [], ["'rare'", "2 pictures", "3 are needed"]),                   # A6
    (mostly_broken, [], ["3 of 8 pictures cannot be read", "a/0.png", "--max-bad"]),  # A7
    (leaking, ["--strict"], ["on both sides", "a/0.png"]),                            # A9
    (one_group_a_class, [], ["class 'a'", "6 pictures in 1 separate group"]),         # A10
], ids=lambda value: getattr(value, "__name__", ""))
def test_A6_A7_A9_A10_what_only_the_pictures_show_fails_the_run_before_training(tmp_path, capsys, make, more, words):
    data = make(tmp_path / "data")
    assert runs.tune(data, "--backbone", "cifar_resnet20", "--weights", "none", "--size", 32, *more,
                     "--run-dir", tmp_path / "run") == 3
    said = runs.refused(capsys, *words)
    status = runs.read(tmp_path / "run" / "status.json")
    assert status["state"] == "failed" and said.splitlines()[0] == f"error: {status['message'].splitlines()[0]}"
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_A10_a_group_column_that_is_not_there_is_a_wrong_option(place, tmp_path, capsys):
    data = one_group_a_class(tmp_path / "data")
    assert runs.tune(data, "--group-column", "patient", "--backbone", "cifar_resnet20", "--weights", "none") == 2
    runs.refused(capsys, "'patient'", "path, label, group")
    assert list(place.iterdir()) == []


def test_C1_own_data_never_go_on_from_random_weights(tmp_path, capsys, monkeypatch, data):
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    assert runs.tune(data, "--offline", "--size", 32, "--run-dir", tmp_path / "run") == 3
    first = table.find("resnet50", "imagenet").sources[0].file
    runs.refused(capsys, first, tmp_path / "cache", "offline", "--weights none", "--weights FILE")
    assert runs.read(tmp_path / "run" / "status.json")["state"] == "failed"
    assert not [name for name in ("model.keras", "metrics.json", "report.html") if (tmp_path / "run" / name).exists()]


def test_C1_sample_data_go_on_from_random_weights_and_say_so_everywhere(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TOOLKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TOOLKIT_OFFLINE", "1")
    folder = tmp_path / "run"
    assert runs.tune("sample:cells", "--backbone", "resnet18", "--size", 32, "--resamples", 100, "--train-from", "head",
                     "--run-dir", folder) == 0
    assert "RANDOM weights" in capsys.readouterr().out and "RANDOM weights" in (folder / "log.txt").read_text("utf-8")
    assert "Random weights. This network began from random weights" in runs.told(folder)
    assert runs.read(folder / "model.json")["weights"]["random"] is True
    assert "random" in (folder / "model_card.md").read_text("utf-8")


def test_C2_damaged_cached_weights_are_named_and_kept(tmp_path, capsys, monkeypatch, data):
    cache = empty(tmp_path / "cache")
    monkeypatch.setenv("TOOLKIT_CACHE", str(cache))
    file = cache / table.find("resnet18", "imagenet").sources[0].file
    file.write_bytes(b"half")
    (cache / f"{file.name}.json").write_text('{"sha256": "0", "size": 4000}')
    assert runs.tune(data, "--backbone", "resnet18", "--size", 32, "--run-dir", tmp_path / "run") == 6
    runs.refused(capsys, file, "damaged", "--refetch")
    assert file.read_bytes() == b"half" and not (tmp_path / "run" / "model.keras").exists()


def test_C3_a_file_for_another_network_lists_what_does_not_fit(tmp_path, capsys, data, weights):
    assert runs.tune(data, "--backbone", "cifar_resnet32", "--size", 32, "--weights", weights,
                     "--run-dir", tmp_path / "run") == 6
    runs.refused(capsys, weights.name, "The file lacks", "layer1.3", "cifar_resnet20")
    assert not (tmp_path / "run" / "model.keras").exists()


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("name", ["w.pkl", "w.keras", "w.pth", "w.npz", "w.h5", "w.safetensors"])
def test_I5_weights_with_code_are_refused_unread_and_before_a_run_is_made(tmp_path, place, capsys, data, name):
    hostile = tmp_path / name
    hostile.write_bytes(pickle.dumps(Canary(str(tmp_path / "sung"))))
    assert runs.tune(data, "--backbone", "cifar_resnet20", "--weights", hostile) == 6
    runs.refused(capsys, hostile)
    assert runs.ask(hostile, data) == 6
    runs.refused(capsys, hostile.with_suffix(""))
    assert not (tmp_path / "sung").exists() and list(place.iterdir()) == []
    pickle.loads(hostile.read_bytes())
    assert (tmp_path / "sung").exists()  # the trap works
