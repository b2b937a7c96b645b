"""Outputs equal to keras.applications' with the same drawn weights, random batch statistics among them (C4)."""

import keras
import numpy as np
import pytest
import reference

from toolkit import backbones

SHAPE = (64, 97, 3)
NETWORKS = {
    "keras_resnet50": keras.applications.ResNet50, "keras_resnet50v2": keras.applications.ResNet50V2,
    "keras_resnet101": keras.applications.ResNet101, "keras_resnet101v2": keras.applications.ResNet101V2,
    "keras_resnet152": keras.applications.ResNet152, "keras_resnet152v2": keras.applications.ResNet152V2}


@pytest.mark.parametrize(
    "name", [name if "50" in name else pytest.param(name, marks=pytest.mark.slow) for name in NETWORKS])
def test_C4_logits_equal_keras_applications(name, fill):
    theirs = NETWORKS[name](weights=None, input_shape=SHAPE, classifier_activation=None)
    ours = backbones.build(name, include_top=True, shape=SHAPE)
    arrays = {weight.path: reference.drawn(weight.path, tuple(weight.shape)) for weight in theirs.weights}
    for weight in theirs.weights:
        weight.assign(arrays[weight.path])
    fill(ours, arrays)
    pictures = reference.pictures((2, *SHAPE))
    ours, theirs = (np.asarray(model(pictures, training=False)) for model in (ours, theirs))  # nothing is compiled
    reference.assert_equal(name, ours, theirs)
