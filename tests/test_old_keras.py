"""model.keras loads in Keras 3.6, 3.10, 3.12 and 3.15.1 where toolkit cannot be imported, with the same outputs."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
VERSIONS = ("3.15.1", "3.12.4", "3.10.0", "3.6.0")
KINDS = {  # one small network of every kind of block, stem and shortcut
    "basic": ("resnet18", {}), "bottleneck": ("resnet50", {}), "stride_on_1x1": ("keras_resnet50", {}),
    "deep_stem": ("resnet50d", {}), "preact": ("resnet50v2", {}), "preact_last": ("keras_resnet50v2", {}),
    "groups": ("resnext50_32x4d", {}), "squeeze": ("seresnet50", {}), "res2": ("res2net50_26w_4s", {}),
    "option_A": ("cifar_resnet20", {"widths": (16, 32)}), "prelu": ("plain_prelu10", {"depths": (2,), "widths": (16,)}),
    "prelu_7x7": ("resnet18", {"activation": "prelu"}),
}
SIDE, CLASSES = 48, 3


def network(kind):
    """A classifier as a run makes it: raw pixels, pooled features of all stages, temperature, probabilities."""
    import keras
    from keras import layers

    from toolkit import backbones
    from toolkit.backbones import resnet

    name, changes = KINDS[kind]
    row = replace(backbones.find(name), **{"depths": (2, 1), "widths": (64, 128), **changes})
    body = resnet.build(row, shape=(SIDE, SIDE, 3), name=f"{kind}_body")
    randomise(body)
    ends = [layer for layer in body.layers if layer.name.count(".") == 1 and layer.name.startswith("layer")
            and layer.name.split(".")[1].isdigit()]
    features = keras.Model(body.input, [layer.output for layer in ends], name=f"{kind}_features")
    image = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = layers.Rescaling([1 / 58.4, 1 / 57.1, 1 / 57.4], [-2.12, -2.04, -1.8])(image)
    pooled = [layers.GlobalAveragePooling2D()(level) for level in keras.tree.flatten(features(x))]
    x = layers.Concatenate()(pooled) if len(pooled) > 1 else pooled[0]
    x = layers.Dense(CLASSES)(layers.Dropout(0.2)(x))
    x = layers.Activation("softmax", dtype="float32")(layers.Rescaling(0.5)(x))
    return keras.Model(image, x, name=kind)


def randomise(model):
    """Random batch statistics, gains and biases, so that a swap of any two would show."""
    draw = np.random.default_rng(0)
    ranges = {"gamma": (0.5, 1.5), "moving_variance": (0.5, 1.5), "alpha": (0.1, 0.4), "beta": (-0.3, 0.3),
              "moving_mean": (-0.3, 0.3), "bias": (-0.3, 0.3)}
    for weight in model.weights:
        low_high = ranges.get(weight.path.split("/")[-1])
        if low_high:
            weight.assign(draw.uniform(*low_high, weight.shape))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """Paths of the .keras files of all kinds, each beside the outputs of the model it was written from."""
    import keras

    from toolkit import artifact

    draw = np.random.default_rng(1)
    pixels = draw.integers(0, 256, (2, SIDE, SIDE, 3), dtype="uint8")
    floats = draw.uniform(0, 255, (2, SIDE, SIDE, 3)).astype("float32")
    paths = []
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        model = network(kind)
        facts = {"task": "classification", "classes": list("abc"),
                 "input": {"height": SIDE, "width": SIDE, "channels": 3, "resize": "crop", "decoder": "1"}}
        paths.append(artifact.write(folder, model, facts, pixels))
        expected = {f"{name}_outputs": keras.ops.convert_to_numpy(model(given.astype("float32"), training=False))
                    for name, given in (("pixels", pixels), ("floats", floats))}
        assert np.ptp(expected["pixels_outputs"]) > 0.01, f"{kind}: outputs too plain to tell anything"
        np.savez(paths[-1].with_suffix(".npz"), pixels=pixels, floats=floats, **expected)
    return paths


def installed(version):
    """Folder with that Keras alone, kept under .cache; None where the environment has it. Skips without a registry."""
    if metadata.version("keras") == version:
        return None
    folder = ROOT / ".cache" / f"keras-{version}"
    if not (folder / f"keras-{version}.dist-info" / "RECORD").is_file():
        done = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade", "--target",
                               str(folder), f"keras=={version}"], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"Keras {version} cannot be fetched: {(done.stderr.strip().splitlines() or ['no reason'])[-1]}")
    return folder


@pytest.mark.parametrize("version", VERSIONS)
def test_every_kind_of_block_loads_in_keras(version, kept):
    folder = installed(version)
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"}
    environment.pop("PYTHONPATH", None)
    if folder:
        environment["PYTHONPATH"] = str(folder)
    done = subprocess.run([sys.executable, "-P", "-s", str(ROOT / "tests" / "old_keras.py"), version, *map(str, kept)],
                          capture_output=True, text=True, env=environment, cwd=kept[0].parent)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["keras"] == version
    assert len(found["differences"]) == len(KINDS)
    assert {Path(file).parent.name: value for file, value in found["differences"].items() if not value <= 1e-5} == {}
