"""A wish is typed as short as it can be, refused in the command's own words, and taken over from a run."""

from dataclasses import asdict, fields

import pytest

from apps.parts import wishes
from toolkit import commandline, options
from toolkit.options import Finetune

DATA = {"data": "sample:cells"}


def read_back(wish):
    return asdict(commandline.parse(Finetune, "finetune", wishes.typing(wish, "runs/x")))


def test_only_what_differs_is_typed():
    wish = {name: wishes.base(name) for name in wishes.FIELDS} | DATA | {"epochs": 3}
    assert wishes.typing(wish, "runs/x") == ["sample:cells", "--epochs", "3", "--run-dir", "runs/x"]


@pytest.mark.parametrize("preset", options.PRESETS)
def test_a_preset_is_typed_by_its_name_and_what_replaces_it_in_full(preset):
    wish = {name: wishes.base(name, preset) for name in wishes.FIELDS} | DATA | {"preset": preset}
    assert read_back(wish) == asdict(Finetune(**DATA, run_dir="runs/x", preset=preset, **options.PRESETS[preset]))
    assert read_back(wish | {"augment": "light", "size": 224, "seed": 5})["size"] == 224


@pytest.mark.parametrize("wish, said", [
    ({"device": "npu"}, "--device 'npu'"), ({"validation": 0.5, "test": 0.5}, "leave less than a fifth"),
    ({"group_pattern": "("}, "no regular expression"), ({"size": 9}, "allowed is 32 to 1024 pixels")])
def test_a_wrong_wish_is_refused_in_the_words_of_the_command(wish, said):
    assert said in wishes.fault(DATA | wish)


def test_a_right_wish_is_not_refused():
    assert wishes.fault(DATA | {"preset": "best", "learning_rate": 1e-3}) == ""


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\\b", "a\nb", "x" * 300, "\ud800"])
def test_I6_a_name_that_is_no_folder_is_refused(tmp_path, name):
    assert "is one word" in wishes.fault_of_name(tmp_path, name)


def test_a_name_that_is_taken_is_refused(tmp_path):
    (tmp_path / "first").mkdir()
    assert "already" in wishes.fault_of_name(tmp_path, "first") and wishes.fault_of_name(tmp_path, "second") == ""


def test_a_run_is_taken_over_but_for_what_is_odd_in_it():
    facts = asdict(Finetune(data="pictures", epochs=4, run_dir="runs/old")) | {
        "seed": "seven", "size": 9999, "gone": 1, "backbone": ["x"], "probe_only": 1}
    wish = wishes.of_run(facts)
    assert wishes.typing(wish, "runs/new") == ["pictures", "--epochs", "4", "--run-dir", "runs/new"]
    assert wishes.of_run("junk") == {}


def test_every_option_has_one_place_in_the_form():
    shown = [f.name for _, found in wishes.sections(wishes.ASKED) for f in found]
    assert sorted([*shown, *wishes.ASKED, *wishes.SITTING]) == sorted(f.name for f in fields(Finetune))
    assert all(heading[0].isupper() and found for heading, found in wishes.sections())


@pytest.mark.parametrize("f", fields(Finetune), ids=lambda f: f.name)
def test_every_option_can_be_asked(f):
    assert wishes.shape(f) in ("choice", "switch", "whole", "number", "text")
    assert commandline.flag(f.name) in wishes.about(f) and wishes.words(f)


def test_D8_whoever_is_before_is_counted(tmp_path, monkeypatch):
    from toolkit import queue

    monkeypatch.setenv("TOOLKIT_QUEUE", str(tmp_path))
    assert wishes.waiting("cpu") == 0
    with queue.Ticket(["cpu"]):
        assert wishes.waiting("cpu") == 1
    assert wishes.waiting("cpu") == 0
