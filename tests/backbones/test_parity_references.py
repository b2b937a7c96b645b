"""Outputs equal to keras-hub's, timm's and torchvision's, each with the same drawn weights (C4).

TOOLKIT_REFERENCE_PYTHONS names interpreters that have them, parted as PATH is; what none of them has is skipped.
"""

import functools
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import reference

from toolkit import backbones

OURS_OF_HUB = {
    "resnet18": "resnet18", "resnet34": "resnet34", "resnet50": "resnet50", "resnet50_vd": "resnet50d",
    "resnet18_v2": "resnet18v2", "resnet50_v2": "resnet50v2"}  # 18 and 34 "vd" project in the very first block, too
TORCHVISION = [
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d", "resnext101_32x8d",
    "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"]
TIMM = [
    "resnet18d", "resnet34d", "resnet50d", "resnet101d", "resnet152d", "seresnet50", "seresnext50_32x4d",
    "res2net50_26w_4s", "resnetv2_18", "resnetv2_34", "resnetv2_50", "resnetv2_101", "resnetv2_152"]


def environment():
    """Ours, without what belongs to this interpreter or backend."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KERAS_"))}


@functools.cache
def interpreter(library):
    """The first of the named interpreters that has `library`, or None."""
    for python in filter(None, os.environ.get("TOOLKIT_REFERENCE_PYTHONS", "").split(os.pathsep)):
        asked = f"import importlib.util as u, sys; sys.exit(u.find_spec({library!r}) is None)"
        if subprocess.run([python, "-c", asked], env=environment()).returncode == 0:
            return python
    return None


def run_reference(library, name, folder):
    """(output, {key: array}) of the other library's network."""
    python = interpreter(library)
    if python is None:
        pytest.skip(f"no interpreter in TOOLKIT_REFERENCE_PYTHONS has {library}")
    done = subprocess.run([python, reference.__file__, library, str(folder), name], env=environment(),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(Path(folder) / f"{name}.npz") as file:
        shapes = {key.removeprefix("shape/"): tuple(file[key]) for key in file.files if key != "output"}
        return file["output"], {key: reference.drawn(key, shape) for key, shape in shapes.items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", OURS_OF_HUB)
def test_C4_features_equal_keras_hub(name, tmp_path, fill):
    expected, arrays = run_reference("keras_hub", name, tmp_path)
    model = backbones.build(OURS_OF_HUB[name], shape=reference.PICTURES[1:])
    fill(model, arrays)
    reference.assert_equal(f"keras_hub {name}", model.predict(reference.pictures(), verbose=0), expected)


@pytest.mark.slow
@pytest.mark.parametrize("library, name", [("torchvision", n) for n in TORCHVISION] + [("timm", n) for n in TIMM])
def test_C4_logits_equal_torch(library, name, tmp_path, fill):
    expected, arrays = run_reference(library, name, tmp_path)
    ours = f"resnet{name.split('_')[1]}v2" if name.startswith("resnetv2_") else name
    model = backbones.build(ours, include_top=True, shape=reference.PICTURES[1:])
    fill(model, arrays)
    reference.assert_equal(f"{library} {name}", model.predict(reference.pictures(), verbose=0), expected)
