"""What a run will take, counted from paces: more of anything takes longer, and what is known takes nothing."""

from dataclasses import replace

import pytest

from toolkit.features.executor import BATCH
from toolkit.steps import costs

PACES = costs.Paces(size=100, start=5.0, light_start=2.0, listing=1.0, network=2.0, decode=0.01, known=0.001,
                    vary=0.002, first=1.0, frozen=0.02, exact_first=1.0, exact=0.04, probe=1e-11, score=1e-3,
                    write=1e-9, stage="layer4", step_first=5.0, step=0.3, held=0.01)
NET = costs.Network(everything=1000, below={"stem": 0, "layer3": 600, "layer4": 800, "head": 1000},
                    map_bytes={"stem": 0, "layer3": 400_000, "layer4": 200_000, "head": 4000},
                    parameters={"stem": 2_000_000, "layer3": 1_900_000, "layer4": 1_500_000, "head": 5000},
                    features=500)
COUNTS = costs.Counts(1000, 700, 150, 150)
PLAN = costs.Plan(size=100, channels=3, rounds=(("head", "layer4"),), epochs=8, patience=3, views=2, batch_size=16,
                  probe_only=False, folds=0, resamples=1000, budget=None, room=1e12)
MEMORY = {"frozen": 1e9, "tuned": 2e9}
FAST = PLAN._replace(rounds=())


def cost(plan=PLAN, paces=PACES, net=NET, counts=COUNTS, known=costs.Known()):
    return costs.cost(plan, paces, net, counts, known, MEMORY)


@pytest.mark.parametrize("plan", [PLAN, FAST, PLAN._replace(rounds=(("head", "layer4", "layer3", "stem"),)),
                                  PLAN._replace(probe_only=True, rounds=()), PLAN._replace(views=0)])
def test_a_range_lies_around_what_is_likely(plan):
    found = cost(plan)
    assert 0 < found["low"] < found["seconds"] < found["high"]
    assert found["memory"] > 1e9 and found["disk"] > 0 and isinstance(found["disk"], int)


@pytest.mark.parametrize("more", [{"plan": PLAN._replace(epochs=20)}, {"plan": PLAN._replace(views=4)},
                                  {"plan": PLAN._replace(folds=5)}, {"plan": PLAN._replace(size=200)},
                                  {"plan": PLAN._replace(rounds=(*PLAN.rounds, ("head", "layer4", "layer3")))},
                                  {"counts": costs.Counts(2000, 1400, 300, 300)},
                                  {"paces": replace(PACES, frozen=0.04)}, {"paces": replace(PACES, write=1e-7)}])
def test_more_work_takes_longer(more):
    usual, found = cost(), cost(**more)
    assert found["seconds"] > usual["seconds"] and found["high"] > usual["high"] and found["low"] >= usual["low"]
    assert found["disk"] >= usual["disk"] and found["memory"] >= usual["memory"]


def test_training_nothing_is_the_quickest_and_leaves_tensorflow_out():
    assert cost(FAST)["high"] < cost()["low"] and cost(FAST)["memory"] < cost()["memory"]
    assert cost(FAST, replace(PACES, light_start=5.0))["seconds"] - cost(FAST)["seconds"] == pytest.approx(3.0)


def test_what_the_store_knows_takes_neither_time_nor_room():
    known = cost(known=costs.Known(1.0, 1.0, 1.0, views=1.0))
    reading, looking = 1000 * (0.01 + 3 * 100**2 * 1e-9 - 0.001), 1.0 + 1000 * (0.02 + 2 * 500 * 1e-9)
    maps = 1.0 + (2 * 700 + 150) * (0.02 * 0.8 + 200_000 * 1e-9) + 700 * 0.002
    assert cost()["seconds"] - known["seconds"] == pytest.approx(reading + looking + maps, abs=0.2)
    assert known["disk"] < 0.2 * cost()["disk"]


def test_maps_that_come_with_features_take_only_the_writing():
    passed, probed = replace(PACES, passed=True), costs.Known(pooled=1.0)
    assert cost()["seconds"] - cost(paces=passed)["seconds"] == pytest.approx((700 + 150) * 0.02 * 0.8, abs=0.2)
    assert cost()["disk"] == cost(paces=passed)["disk"]
    dearer = cost(paces=passed, known=probed)["seconds"] - cost(known=probed)["seconds"]
    assert dearer == pytest.approx((700 + 150) * 0.02 * 0.2, abs=0.2)  # the whole network, where a probe was fitted
    below = replace(PACES, stage="layer3")  # they are not those of layer4
    assert cost(paces=below) == cost(paces=replace(below, passed=True))


LOOKING = replace(PACES, look=0.001, glance=0.0005, other=1e-7, lay=0.0004, alike=0.05)


def test_what_is_alike_is_laid_one_upon_the_other_unless_it_was():
    few, many = (costs.compared(PLAN, LOOKING, number, costs.Known()) for number in (100, 10_000))
    assert few == pytest.approx(100 * (0.001 + 0.0005 + 100 * 1e-7 + 99 * 0.05 * 0.0004))
    assert many == pytest.approx(10_000 * (0.001 + 0.0005 + 10_000 * 1e-7 + costs.PAIRS * 0.0004))
    assert costs.compared(PLAN, LOOKING, 100, costs.Known(looks=1.0)) == pytest.approx(few - 0.1)
    assert costs.compared(PLAN._replace(near=False), LOOKING, 100, costs.Known()) == pytest.approx(0.1)
    assert not costs.compared(PLAN, LOOKING, 100, costs.Known(looks=1.0, near=1.0))
    assert cost(paces=LOOKING)["seconds"] > cost()["seconds"]
    assert costs.at_size(200, LOOKING, NET)[0].look == 0.004 and costs.at_size(200, LOOKING, NET)[0].lay == 0.0004


def test_a_round_is_its_epochs_of_steps_and_validation():
    held = 160 * 0.01  # 150 pictures fill ten batches
    saved = 20 * 1_500_000 * 1e-9
    one = costs.tuned(PLAN, PACES, NET, COUNTS, costs.Known(1, 1, 1, views=1), "layer4", 1)
    two = costs.tuned(PLAN, PACES, NET, COUNTS, costs.Known(1, 1, 1, views=1), "layer4", 2)
    assert costs.batches(150) == 160 and BATCH == 16
    assert two - one == pytest.approx(43 * 0.3 + held + saved)
    assert one == pytest.approx(5.0 + 2 * held + 43 * 0.3 + saved)


def test_a_deeper_stage_costs_what_it_computes():
    known = costs.Known(1, 1, 1, views=1)
    deep = [costs.tuned(PLAN, PACES, NET, COUNTS, known, stage, 1) for stage in ("head", "layer4", "layer3", "stem")]
    assert deep == sorted(deep)
    step = (deep[2] - 5.0 - 20 * 1_900_000 * 1e-9) / (deep[1] - 5.0 - 20 * 1_500_000 * 1e-9)
    assert step == pytest.approx(2.0)  # layer3 and layer4 compute twice what layer4 alone does


def test_a_time_budget_ends_tuning_and_nothing_else():
    before, after = costs.around(PLAN._replace(budget=60.0), PACES, NET, COUNTS, costs.Known())
    assert cost(PLAN._replace(budget=1.0))["seconds"] == pytest.approx(before + after, abs=0.1)
    assert cost(PLAN._replace(budget=before + 20))["seconds"] == pytest.approx(before + 20 + after, abs=0.1)
    assert cost(PLAN._replace(budget=1e6)) == cost()


def test_views_that_do_not_fit_are_not_kept():
    assert costs.kept_views(PLAN, NET, COUNTS, "layer4") == 2
    assert costs.kept_views(PLAN._replace(room=200_000 * (150 + 700)), NET, COUNTS, "layer4") == 1
    assert costs.kept_views(PLAN._replace(room=1e6), NET, COUNTS, "layer4") == 0
    beside = 150 * (400_000 + 200_000)  # the round before measured itself by maps that stay
    assert costs.kept_views(PLAN._replace(room=beside + 400_000 * 700), NET, COUNTS, "layer3") == 1
    assert costs.kept_views(PLAN._replace(room=beside + 400_000 * 700 - 1), NET, COUNTS, "layer3") == 0
    assert costs.kept_views(PLAN, NET, COUNTS, "stem") == 0
    assert cost(PLAN._replace(room=1e6))["disk"] < cost()["disk"]


def test_larger_pictures_take_what_their_area_takes():
    paces, net = costs.at_size(200, PACES, NET)
    assert (paces.frozen, paces.step, paces.start) == (4 * PACES.frozen, 4 * PACES.step, PACES.start)
    assert net.map_bytes["layer4"] == 800_000 and net.parameters == NET.parameters
    assert costs.at_size(100, PACES, NET) == (PACES, NET)


def test_the_likely_number_of_epochs_is_between_the_least_and_all():
    for epochs in (1, 4, 12, 60):
        for patience in (1, 3, 100):
            plan = PLAN._replace(epochs=epochs, patience=patience)
            assert min(patience, epochs) <= costs.likely(plan) <= epochs
