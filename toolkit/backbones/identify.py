"""Which network a file of weights is for, guessed from a few shapes, without building any network."""

import re

from toolkit.backbones.resnet_table import RESNETS


def guess(arrays):
    """One sentence on the networks whose weights `arrays` ({our name: array}) resemble most."""
    seen = seen_in(arrays)
    if not seen["depths"]:
        return "It is for no ResNet that is known here."
    distance = {name: sum(seen[key] != value for key, value in told_by(row).items()) for name, row in RESNETS.items()}
    least = min(distance.values())
    names = ", ".join(name for name, differences in distance.items() if differences == least)
    return f"It looks like weights of {names}." if least == 0 else f"It fits no network here; the nearest is {names}."


def seen_in(arrays):
    """What tells networks apart, as far as `arrays` show it."""
    blocks = {tuple(map(int, found.groups())) for name in arrays if (found := re.match(r"layer(\d+)\.(\d+)\.", name))}
    stages = range(1, max((stage for stage, _ in blocks), default=0) + 1)
    shape = {name.removesuffix("/kernel"): array.shape for name, array in arrays.items() if name.endswith("/kernel")}
    inner = shape.get("layer1.0.convs.0", shape.get("layer1.0.conv2", ()))
    return {
        "depths": tuple(1 + max((b for s, b in blocks if s == stage), default=-1) for stage in stages),
        "block": "res2" if "layer1.0.convs.0" in shape else "bottleneck" if "layer1.0.conv3" in shape else "basic",
        "stem": "deep" if "conv1.0" in shape else "cifar" if shape.get("conv1", ())[:1] == (3,) else "7x7",
        "width": shape.get("layer1.0.conv1", (None,))[-1],
        "group": inner[2] if len(inner) == 4 else None,
        "squeeze": "layer1.0.se.fc1" in shape,
        "preact": any(name.endswith(".norm/gamma") for name in arrays),
        "pooled": any(name.endswith(".downsample.1") for name in shape),
        "bias": "conv1/bias" in arrays,
        "prelu": any(name.endswith("/alpha") for name in arrays),
    }


def told_by(row):
    """The same facts as they follow from a row of the table."""
    width = row.widths[0] * row.base_width // 64 * row.groups if row.block != "basic" else row.widths[0]
    return {
        "depths": row.depths, "block": row.block, "stem": row.stem, "width": width * row.scales,
        "group": width // row.groups, "squeeze": row.squeeze > 0, "preact": row.preact, "pooled": row.shortcut == "D",
        "bias": row.conv_bias, "prelu": row.activation == "prelu",
    }
