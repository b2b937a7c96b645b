"""The table of weights: its rows name sources and facts, and scale pixels as their origin asks."""

import os

import numpy as np
import pytest

from toolkit.backbones import formats, weights
from toolkit.backbones.resnet_table import RESNETS
from toolkit.errors import OptionError


def test_every_row_names_its_sources_and_facts():
    files = [source.file for listed in weights.WEIGHTS for source in listed.sources]
    assert len(set(files)) == len(files)
    for listed in weights.WEIGHTS:
        assert listed.network in RESNETS and listed.architecture in RESNETS and listed.licence
        assert listed.values in ("0..1", "0..255") and listed.channels in ("RGB", "BGR")
        for source in listed.sources:
            assert source.kind == "npm" or source.url.startswith("https://")
            assert formats.READERS[os.path.splitext(source.file)[1]]
            algorithm, _, digits = source.hash.partition(":")
            assert algorithm in ("", "md5", "sha256", "sha512") and set(digits) <= set("0123456789abcdef")


def test_networks_with_public_weights_have_a_default():
    without = {name for name in RESNETS if not weights.for_network(name)}
    assert without == {name for name in RESNETS if name.startswith(("cifar_", "plain_"))}
    assert weights.for_network("resnet50")[0].architecture == "keras_resnet50"
    assert weights.for_network("keras_resnet50")[0] is weights.find("resnet50", "imagenet")
    with pytest.raises(OptionError, match="did you mean tv_in1k"):
        weights.find("resnet18", "tv_in1")
    with pytest.raises(OptionError, match="none"):
        weights.find("cifar_resnet20", "imagenet")


def test_pixels_are_scaled_as_each_origin_asks():
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 2, 3))
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for tag, expected in (("tv_in1k", (pixels / 255 - mean) / std),
                          ("keras", pixels - np.array([123.68, 116.779, 103.939]))):
        scale, offset = weights.scaling(weights.find("resnet50", tag))
        assert np.allclose(pixels * scale + offset, expected)
    scale, offset = weights.scaling(weights.find("keras_resnet50v2", "keras"))
    assert np.allclose(pixels * scale + offset, pixels / 127.5 - 1)
    assert [len(part) for part in weights.scaling(weights.find("resnet50", "keras"), 5)] == [5, 5]
