"""What a form holds is typed as a person would type it, and read back as it was."""

from dataclasses import asdict, fields

import pytest

from toolkit import commandline
from toolkit.options import Finetune, Predict

DATA = {"data": "pictures"}


def there_and_back(kind, command, values):
    return asdict(commandline.parse(kind, command, commandline.arguments(kind, values)))


@pytest.mark.parametrize("values, typed", [
    (DATA, ["pictures"]),
    ({**DATA, "epochs": 3, "probe_only": True}, ["pictures", "--epochs", "3", "--probe-only"]),
    ({**DATA, "epochs": None, "root": "", "probe_only": False}, ["pictures"]),
    ({**DATA, "learning_rate": 1e-4, "layer_decay": 0.65}, ["pictures", "--learning-rate", "0.0001", "--layer-decay",
                                                           "0.65"]),
    ({"data": "-x", "group_pattern": "-(a)", "depth": "-160..240"}, ["./-x", "--group-pattern=-(a)",
                                                                     "--depth=-160..240"])])
def test_what_is_given_is_typed_and_nothing_else(values, typed):
    assert sorted(commandline.arguments(Finetune, values)) == sorted(typed)


@pytest.mark.parametrize("values", [
    {**DATA, "group_pattern": "--(\\d+)", "time_budget": "10m", "learning_rate": 0.123456789, "folds": 5},
    {"data": "a folder", "root": "o'clock", "label_column": "what = it", "edits": "none", "seed": 7, "strict": True}])
def test_what_is_typed_is_read_back(values):
    read = there_and_back(Finetune, "finetune", values)
    assert {name: read[name] for name in values} == values


def test_several_places_are_typed_in_their_order():
    read = there_and_back(Predict, "predict", {"model": "run", "pictures": ["-b.png", "a.png"]})
    assert (read["model"], read["pictures"]) == ("run", ("./-b.png", "a.png"))


def test_every_default_is_left_out_or_read_back():
    defaults = {f.name: f.default for f in fields(Finetune) if f.name != "data"}
    read = there_and_back(Finetune, "finetune", {**DATA, **defaults})
    assert {name: read[name] for name in defaults} == defaults
