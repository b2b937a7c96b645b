"""What a run told of its learning, as curves, rounds and times."""

import json

import pytest

from tests.apps import make_runs
from toolkit.runs import history


def written(tmp_path, *events):
    """The History of these events."""
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return history.of(tmp_path)


def told(name, value, step=1, stage="layer4", **more):
    return {"phase": "tune", "name": name, "value": value, "step": step, "of": 12, "stage": stage, **more}


def test_epochs_of_all_rounds_are_in_a_line(tmp_path):
    found = history.of(make_runs.finished(tmp_path, "one"))
    assert [row["at"] for row in found.epochs] == list(range(1, 13))
    assert [(row["stage"], row["epoch"]) for row in found.epochs[5:7]] == [("layer4", 6), ("layer3", 1)]
    assert found.rounds == {"layer4": 1, "layer3": 7} and found.probe == 0.93 and found.of == 12 and found.junk == 0


def test_every_figure_is_the_one_that_was_told(tmp_path):
    found = history.of(make_runs.finished(tmp_path, "one"))
    for event in make_runs.events(0):
        if event["phase"] == "tune" and event.get("name") in (*history.FIGURES, *history.BY_STAGE):
            row = next(row for row in found.epochs if (row["stage"], row["epoch"]) == (event["stage"], event["step"]))
            assert row[event["name"]] == event["value"]
    assert set(found.epochs[6]["rates"]) == {"head", "layer4", "layer3"}
    assert all(found.has(name) for name in (*history.FIGURES, *history.BY_STAGE)) and not found.has("other")


def test_the_best_epoch_has_the_lowest_validation_loss(tmp_path):
    found = written(tmp_path, *(told("validation_loss", value, step) for step, value in enumerate((3, 1, 2), 1)))
    assert found.best["epoch"] == 2 and history.History().best is None


def test_an_epoch_that_was_done_again_counts_once(tmp_path):
    found = written(tmp_path, told("train_loss", 3.0, 1), told("train_loss", 2.0, 2), told("train_loss", 1.5, 2))
    assert [(row["at"], row["train_loss"]) for row in found.epochs] == [(1, 3.0), (2, 1.5)]


def test_a_run_that_is_at_work_grows(tmp_path):
    with make_runs.running(tmp_path, "one", epochs=1) as live:
        assert len(history.of(live.folder).epochs) == 1
        live.epoch()
        assert len(history.of(live.folder).epochs) == 2


def test_times_of_phases_sum_to_the_whole(tmp_path):
    found = history.of(make_runs.finished(tmp_path, "one"))
    assert list(found.phases) == ["start", "read", "features", "probe", "check", "tune", "score"]
    assert sum(found.phases.values()) == pytest.approx(110.4) and found.phases["tune"] == pytest.approx(63.5)


def test_the_phase_that_is_under_way_goes_on(tmp_path):
    written(tmp_path, {"phase": "read", "step": 0, "seconds": 2.0}, {"phase": "features", "step": 0, "seconds": 5.0})
    assert history.of(tmp_path, 9.0).phases == {"start": 2.0, "read": 3.0, "features": 4.0}
    assert history.of(tmp_path, 1.0).phases["features"] == 0.0


def test_E10_a_phase_is_never_shorter_than_nothing(tmp_path):
    found = written(tmp_path, {"phase": "read", "step": 0, "seconds": 50.0, "time": "2026-03-02T00:00:00+00:00"},
                    {"phase": "features", "step": 0, "seconds": 3.0, "time": "2026-03-01T00:00:00+00:00"},
                    {"phase": "probe", "step": 0, "seconds": 60.0})
    assert found.phases == {"start": 50.0, "read": 0.0, "features": 10.0, "probe": 0.0}


def test_a_run_in_two_sittings_spends_both(tmp_path):
    found = written(tmp_path, {"phase": "read", "step": 0, "seconds": 1.0},
                    {"phase": "tune", "step": 0, "seconds": 5.0}, {"phase": "end", "state": "stopped", "seconds": 9.0},
                    {"phase": "read", "step": 0, "seconds": 10.0},
                    {"phase": "tune", "step": 0, "seconds": 12.0}, {"phase": "end", "seconds": 20.0})
    assert found.phases["read"] == 6.0 and found.phases["tune"] == 12.0 and sum(found.phases.values()) == 20.0


@pytest.mark.parametrize("odd", [
    told("train_loss", "low"), told("train_loss", None), told("train_loss", 1e400), told("train_loss", [1]),
    told("train_loss", 1.0, step="one"), told("train_loss", 1.0, step=0), told("train_loss", 1.0, step=10**9),
    told("train_loss", 1.0, stage=7), told("train_loss", 1.0, stage=""), told("rates", 5), told("rates", {"head": "x"}),
    told("rates", {str(n): 1.0 for n in range(1000)}), told("gradient_norms", {"head": -1.0}), {"phase": "tune"},
    {"phase": "probe", "name": "validation_roc_auc", "value": "high"}, {"phase": "tune", "name": ["train_loss"]}],
    ids=lambda event: json.dumps(event)[:60])
def test_I9_what_is_odd_is_left_out(tmp_path, odd):
    found = written(tmp_path, told("validation_loss", 0.5), odd)
    assert len(found.epochs) == 1 and set(found.epochs[0]) == {"at", "round", "stage", "epoch", "validation_loss"}
    assert found.probe is None


def test_I9_no_more_rounds_than_a_run_has(tmp_path):
    found = written(tmp_path, *(told("train_loss", 1.0, stage=f"stage {n}") for n in range(500)))
    assert len(found.rounds) == history.ROUNDS


def test_a_folder_without_events_tells_nothing(tmp_path):
    assert history.of(tmp_path) == history.History() and history.of(tmp_path, 5.0).phases == {}
