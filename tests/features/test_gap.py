"""How far a run says that its kept features lie from the network in float32: as far as they do, at any temperature."""

from types import SimpleNamespace

import numpy as np
import pytest
from tests import tiny
from tests.features.conftest import PIXELS

from toolkit.errors import ResourceError
from toolkit.evaluation.calibration import softmax
from toolkit.features import shelves, views
from toolkit.steps import tell

TEMPERATURE = 2.5
HELD = np.arange(12, 21)


@pytest.mark.parametrize("kept", ["float32", "float16"])
@pytest.mark.parametrize("stage, probe_only", [("probe", True), ("probe", False), ("layer2", False), ("stem", False)])
def test_the_gap_is_that_of_the_shipped_probabilities(features, stage, probe_only, kept):
    model, stages = tiny.network()
    net = SimpleNamespace(model=model, stages=stages, recipe=SimpleNamespace(architecture="tiny"))
    exact = model.predict(PIXELS.astype("float32"), verbose=0)
    first = exact + np.float32([0.02, 0, 0])  # what the probe said of its features
    case = SimpleNamespace(pixels=PIXELS, rows={"validation": HELD})
    chosen = SimpleNamespace(probe_only=probe_only, cache_dtype=kept)
    choice = SimpleNamespace(name=stage, model="probe" if stage == "probe" else "tuned")
    with features(model, dtype=kept) as seen:
        with views.source(model, seen, stages, np.arange(12), HELD, 1, 10**9)("stem" if stage == "probe" else stage):
            pass  # what training keeps
        tuned = SimpleNamespace(views={} if stage in ("probe", "stem") else {stage: 1})
        held = None if not tuned.views else views.logits(model, seen, stages, stage, HELD)
        shown = tell.shown(case, tell.calibrated(net, TEMPERATURE))
        said = tell.gap(chosen, case, net, seen, first, {"probe": exact, "tuned": exact}, choice, tuned, TEMPERATURE,
                        shown)
    near = first[HELD] if stage == "probe" else held
    wanted = None if near is None else np.abs(softmax(near, TEMPERATURE) - softmax(exact[HELD], TEMPERATURE))
    assert said["pictures"] == (tell.SHOWN if probe_only else len(HELD))
    if wanted is None:  # pictures entered, and no feature was kept
        assert said["probability"] is None
    else:
        assert said["probability"] == pytest.approx(wanted[:said["pictures"]].max(), abs=2e-6)
    if stage == "layer2":
        assert said["probability"] < (1e-6 if kept == "float32" else 1e-3)


def test_where_pictures_entered_a_full_disk_cannot_lose_the_run(features, monkeypatch):
    def full(*how):
        raise ResourceError("no room")

    model, stages = tiny.network()
    net = SimpleNamespace(model=model, stages=stages, recipe=SimpleNamespace(architecture="tiny"))
    exact = model.predict(PIXELS.astype("float32"), verbose=0)
    case = SimpleNamespace(pixels=PIXELS, rows={"validation": HELD})
    with features(model) as seen:
        with views.source(model, seen, stages, np.arange(12), HELD, 0, 10**9)("layer2") as inputs:
            inputs.held(inputs.model)
        monkeypatch.setattr(shelves.Shelf, "write", full)
        said = tell.gap(SimpleNamespace(probe_only=False, cache_dtype="float16"), case, net, seen, exact,
                        {"tuned": exact}, SimpleNamespace(name="layer2", model="tuned"),
                        SimpleNamespace(views={"layer2": 0}), 1.0, None)
        assert said["probability"] is None and said["pictures"] == len(HELD)
