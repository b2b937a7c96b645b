"""Outputs of other libraries' networks with drawn weights; run by an interpreter that has the library.

    python reference.py timm|torchvision|keras_hub FOLDER NETWORK...

writes FOLDER/NETWORK.npz: `output`, (batch, height, width, channels) of features or (batch, classes) of logits, and for
every weight `shape/KEY`. Weights are drawn from their key and pictures from a seed, so that the reader draws the same
numbers and no file holds them.
"""

import sys
import zlib
from pathlib import Path

import numpy as np

PICTURES = (2, 74, 107, 3)               # even, odd and not square, at the stem and below: every rounding shows


def drawn(key, shape):
    """Weights called `key`, such that signals neither die nor grow, and each norm does something else."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    kind, values = key.replace("/", ".").rsplit(".", 1)[-1], rng.standard_normal(shape, np.float32)
    if kind in ("running_var", "moving_variance"):
        return rng.uniform(0.5, 2, shape).astype(np.float32)
    if len(shape) < 2:
        middle = 0.8 if kind in ("gamma", "weight") else 0
        return values * np.float32(0.1) + np.float32(middle)
    outputs = shape[-1] if kind == "kernel" else shape[0]
    return values * np.float32(np.sqrt(2 * outputs / np.prod(shape)))


def pictures(shape=PICTURES):
    return np.random.default_rng(0).standard_normal(shape, np.float32)


def assert_equal(name, given, expected):
    """The largest difference is at most 1e-4 of the output's scale, and the outputs are not all alike."""
    scale = np.abs(expected).max()
    difference = np.abs(given - expected).max() / scale
    print(f"{name}: {difference:.1e} of {scale:.3g}, which spreads by {expected.std():.3g}")
    assert given.shape == expected.shape
    assert difference <= 1e-4
    assert expected.std() > 0.01 * scale and not np.allclose(expected[0], expected[1], atol=1e-3 * scale)


def torch_network(library, name):
    import torch

    for operator, signature in (
        ("nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
        ("qnms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"),
    ):
        if not hasattr(torch.ops.torchvision, operator):  # torchvision's own do not load beside another torch build
            torch.library.define(f"torchvision::{operator}", signature)
    if library == "timm":
        import timm

        model = timm.create_model(name).eval()
    else:
        import torchvision

        model = torchvision.models.get_model(name, weights=None).eval()
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    model.load_state_dict({key: torch.from_numpy(drawn(key, shape)) for key, shape in shapes.items()}, strict=False)
    with torch.inference_mode():
        output = model(torch.from_numpy(pictures()).permute(0, 3, 1, 2))
    return shapes, output.numpy()


HUB = {
    "resnet18": dict(block_type="basic_block", stackwise_num_blocks=[2, 2, 2, 2]),
    "resnet34": dict(block_type="basic_block", stackwise_num_blocks=[3, 4, 6, 3]),
    "resnet50": dict(block_type="bottleneck_block", stackwise_num_blocks=[3, 4, 6, 3]),
    "resnet50_vd": dict(block_type="bottleneck_block_vd", stackwise_num_blocks=[3, 4, 6, 3]),
    "resnet18_v2": dict(block_type="basic_block", stackwise_num_blocks=[2, 2, 2, 2], use_pre_activation=True),
    "resnet50_v2": dict(block_type="bottleneck_block", stackwise_num_blocks=[3, 4, 6, 3], use_pre_activation=True),
}


def hub_network(name):
    import keras_hub

    deep = dict(input_conv_filters=[32, 32, 64], input_conv_kernel_sizes=[3, 3, 3])
    plain = dict(input_conv_filters=[64], input_conv_kernel_sizes=[7])
    model = keras_hub.models.ResNetBackbone(
        stackwise_num_filters=[64, 128, 256, 512], stackwise_num_strides=[1, 2, 2, 2], image_shape=PICTURES[1:],
        **(deep if name.endswith("vd") else plain), **HUB[name])
    shapes = {}
    for weight in model.weights:
        shapes[weight.path] = tuple(weight.shape)
        weight.assign(drawn(weight.path, shapes[weight.path]))
    return shapes, np.asarray(model.predict(pictures(), verbose=0))


def main(library, folder, *names):
    for name in names:
        shapes, output = hub_network(name) if library == "keras_hub" else torch_network(library, name)
        np.savez(Path(folder) / f"{name}.npz", output=output, **{f"shape/{key}": shapes[key] for key in shapes})


if __name__ == "__main__":
    main(*sys.argv[1:])
