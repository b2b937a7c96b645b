"""The plan of tuning: how many views a budget leaves, and what is said of them."""

import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from toolkit import options
from toolkit.features import views
from toolkit.steps import tuning
from toolkit.training.stages import Plan

PLAN = Plan((("head", "layer4"),), epochs=4, views=2, learning_rate=0.01, layer_decay=0.5, rates=None,
            optimizer="adamw", weight_decay=0.01, clip_norm=1.0, warmup=0.1, batch_size=16, patience=2,
            batch_statistics="still", seed=0)


def kept(pictures, spent=0.0, pace=0.1, epochs=4, **chosen):
    """Views that are kept in a run with the options `chosen` that has worked for `spent` seconds."""
    def paced():
        assert "time_budget" in chosen, "the network is measured for a budget alone"
        return pace

    run = SimpleNamespace(facts={}, note=lambda **facts: run.facts.update(facts))
    seen = SimpleNamespace(pace=paced, store=SimpleNamespace(room=lambda unshared: unshared))
    began = time.monotonic() - spent
    found = tuning.kept_views(options.Finetune(data="x", **chosen), seen, run, pictures, epochs, began)
    assert run.facts["views"] == {"kept": found, "room": tuning.UNSHARED}
    assert tuning.kept_views(options.Finetune(data="x"), seen, run, 1, 12, began) == found, "every sitting has the same"
    return found


@pytest.mark.parametrize("wanted, pictures, chosen", [
    (4, 600, {}), (2, 600, {"time_budget": "10m"}), (1, 600, {"time_budget": "4m"}),
    (1, 600, {"time_budget": "10m", "spent": 500}), (4, 600, {"time_budget": "10m", "pace": 0.01, "spent": 500}),
    (1, 1601, {}), (2, 1601, {"augment": "strong"}), (2, 1601, {"augment": "medium", "time_budget": "11m"}),
    (1, 1601, {"augment": "medium", "time_budget": "10m"}),
    (1, 1601, {"augment": "none"}), (1, 100, {"augment": "none"}), (1, 1601, {"augment": "strong", "epochs": 1}),
    (3, 1601, {"cache_views": 3}), (1, 100, {"augment": "strong", "cache_views": 1}), (0, 100, {"cache_views": 0})])
def test_views_are_those_that_pictures_budget_and_policy_ask_for(wanted, pictures, chosen):
    assert kept(pictures, **chosen) == wanted


@pytest.mark.parametrize("changes, words", [
    ({}, "at most 4 epochs each, 2 views of a picture."),
    ({"views": 1}, "1 view of a picture: pictures are not varied; --cache-views 2 or more, or 0, varies them."),
    ({"views": 1, "epochs": 1}, "1 view of a picture: pictures are not varied; --cache-views 0 varies them."),
    ({"views": 1, "augment": "none"}, "each, pictures as they are."),
    ({"views": 0}, "each picture varied afresh each epoch."),
    ({"views": 1, "rounds": (("head", "layer4", "stem"),)}, "each picture varied afresh each epoch."),
    ({"rounds": ()}, "No stage is tuned: the probe is the result.")])
def test_it_is_said_how_pictures_are_varied(changes, words):
    assert tuning.intention(replace(PLAN, **changes)).endswith(words)


@pytest.mark.parametrize("resumed, what, heeded", [(False, views.MEASURING, 1), (True, views.MEASURING, 2),
                                                   (True, views.KEEPING, 1)])
def test_D7_a_limit_waits_until_the_round_that_is_gone_on_with_is_read(tmp_path, monkeypatch, resumed, what, heeded):
    from toolkit.training import stages

    between, rounds = [], []
    monkeypatch.setattr(views, "source", lambda *given: between.append(given[7]) or rounds.append)
    monkeypatch.setattr(tuning.learn, "weights", lambda *given: None)
    monkeypatch.setattr(tuning, "validation", lambda *given: None)
    run = SimpleNamespace(facts={"views": {"room": 0}}, checkpoints=tmp_path / "kept", checkpoint=tmp_path / "last.npz",
                          stop_requested=lambda: bool(rounds), event=None)
    if resumed:
        run.checkpoint.touch()

    def tune(model, layers, source, *given):
        for stage in ("layer4", "layer3"):
            source(stage)
            between[0](1, 2, what)

    monkeypatch.setattr(stages, "tune", tune)
    case = SimpleNamespace(rows={"train": [], "validation": []}, truth=lambda part: [], classes=())
    anything = SimpleNamespace(loss=lambda *given: None, targets=lambda *given: None, model=None, stages={})
    progress = SimpleNamespace(start=lambda *given: lambda *step: None)
    chosen = options.Finetune(data="x", resume=resumed, run_dir="x")
    tuned, error = tuning.tune(chosen, case, anything, anything, None, PLAN, run, progress, 0.0)
    assert (tuned.stopped, error, len(rounds)) == ("stopped on request", None, heeded)
