"""The ResNet family as rows: what sets one network apart from another, and the facts known of it.

A network that `RESNETS` lacks is one more row; only a kind of block that no row has is code (`resnet.py`). This module
imports no Keras, so that tables and help can be printed at once.

Sources, by the field each brought: depths, shortcut A and B arXiv:1512.03385 · preact 1603.05027
base_width 1605.07146 · groups 1611.05431 · zero_last 1706.02677 · squeeze 1709.01507
deep stem, shortcut D 1812.01187 · scales 1904.01169 · prelu 1502.01852
"""

import difflib
from dataclasses import dataclass

from toolkit.errors import OptionError

ACTIVATIONS = ("relu", "prelu")
SHORTCUTS = ("A", "B", "D")


@dataclass(frozen=True)
class Row:
    # facts, with the head of `classes` and pictures of `size` x `size` pixels
    parameters: int                      # trained numbers
    statistics: int                      # batch means and variances, which keras.applications counts as parameters too
    multiply_adds: int                   # of one picture: convolutions and the head
    paper: str                           # arXiv number
    # structure
    depths: tuple = (3, 4, 6, 3)         # blocks per stage
    block: str = "bottleneck"            # basic | bottleneck | res2 (not with preact)
    widths: tuple = (64, 128, 256, 512)  # planes per stage; every block but basic puts out four times as many
    groups: int = 1                      # groups of the 3x3 convolution
    base_width: int = 64                 # channels of one group per 64 planes: 4 in "32x4d", 128 in "wide 2"
    scales: int = 1                      # slices of Res2Net's 3x3 convolution
    preact: bool = False                 # V2: norm and activation ahead of each convolution
    stem: str = "7x7"                    # 7x7 | deep (three 3x3) | cifar (one 3x3, no pooling)
    pool: str = "lowest"                 # the stem's max-pooling pads with: lowest (torch) | zeros (keras.applications)
    shortcut: str = "B"                  # to a new width by: A zero channels | B 1x1 | D average pool, then 1x1
    stride_on: str = "3x3"               # a bottleneck strides on: 3x3 (torchvision) | 1x1 (keras.applications)
    stride_at: str = "first"             # a stage strides at its block: first | last (keras.applications V2)
    squeeze: int = 0                     # reduction of squeeze-and-excitation; 0 leaves it out
    activation: str = "relu"             # one of ACTIVATIONS
    zero_last: bool = True               # a block starts as the identity: last gamma 0, in V2 the last kernel
    conv_bias: bool = False              # keras.applications keeps biases that its norms undo
    epsilon: float = 1e-5                # of the norms
    momentum: float = 0.9                # of the norms, as Keras counts it (torch: 0.1)
    # native use
    classes: int = 1000
    size: int = 224                      # pixels


V1, V2, NEXT, WIDE = "1512.03385", "1603.05027", "1611.05431", "1605.07146"
SQUEEZE, TRICKS, RES2, PRELU = "1709.01507", "1812.01187", "1904.01169", "1502.01852"

BASIC = dict(block="basic")
D = dict(stem="deep", shortcut="D")
PREACT = dict(preact=True)
KERAS = dict(stride_on="1x1", conv_bias=True, epsilon=1.001e-5, momentum=0.99)
KERAS_V2 = dict(PREACT, stride_at="last", pool="zeros", conv_bias=True, epsilon=1.001e-5, momentum=0.99)
CIFAR = dict(block="basic", widths=(16, 32, 64), stem="cifar", shortcut="A", classes=10, size=32)
PLAIN = dict(block="basic", widths=(64,), stem="cifar", activation="prelu", classes=10, size=32)

DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}  # 50 has 34's

RESNETS = {
    "resnet18": Row(11_689_512, 9_600, 1_814_073_344, V1, DEPTHS[18], **BASIC),
    "resnet34": Row(21_797_672, 17_024, 3_663_761_408, V1, DEPTHS[34], **BASIC),
    "resnet50": Row(25_557_032, 53_120, 4_089_184_256, V1),
    "resnet101": Row(44_549_160, 105_344, 7_801_405_440, V1, DEPTHS[101]),
    "resnet152": Row(60_192_808, 151_424, 11_513_626_624, V1, DEPTHS[152]),
    "keras_resnet50": Row(25_583_592, 53_120, 3_857_973_248, V1, **KERAS),
    "keras_resnet101": Row(44_601_832, 105_344, 7_570_194_432, V1, DEPTHS[101], **KERAS),
    "keras_resnet152": Row(60_268_520, 151_424, 11_282_415_616, V1, DEPTHS[152], **KERAS),
    "resnet18d": Row(11_708_744, 9_728, 2_053_713_920, TRICKS, DEPTHS[18], **BASIC, **D),
    "resnet34d": Row(21_816_904, 17_152, 3_903_401_984, TRICKS, DEPTHS[34], **BASIC, **D),
    "resnet50d": Row(25_576_264, 53_248, 4_328_824_832, TRICKS, **D),
    "resnet101d": Row(44_568_392, 105_472, 8_041_046_016, TRICKS, DEPTHS[101], **D),
    "resnet152d": Row(60_212_040, 151_552, 11_753_267_200, TRICKS, DEPTHS[152], **D),
    "resnet18v2": Row(11_687_720, 7_808, 1_814_073_344, V2, DEPTHS[18], **BASIC, **PREACT),
    "resnet34v2": Row(21_795_880, 15_232, 3_663_761_408, V2, DEPTHS[34], **BASIC, **PREACT),
    "resnet50v2": Row(25_549_352, 45_440, 4_089_184_256, V2, **PREACT),
    "resnet101v2": Row(44_541_480, 97_664, 7_801_405_440, V2, DEPTHS[101], **PREACT),
    "resnet152v2": Row(60_185_128, 143_744, 11_513_626_624, V2, DEPTHS[152], **PREACT),
    "keras_resnet50v2": Row(25_568_360, 45_440, 3_482_255_360, V2, **KERAS_V2),
    "keras_resnet101v2": Row(44_577_896, 97_664, 7_194_476_544, V2, DEPTHS[101], **KERAS_V2),
    "keras_resnet152v2": Row(60_236_904, 143_744, 10_906_697_728, V2, DEPTHS[152], **KERAS_V2),
    "resnext50_32x4d": Row(25_028_904, 68_224, 4_230_479_872, NEXT, groups=32, base_width=4),
    "resnext101_32x8d": Row(88_791_336, 202_880, 16_414_015_488, NEXT, DEPTHS[101], groups=32, base_width=8),
    "resnext101_64x4d": Row(83_455_272, 202_880, 15_460_270_080, NEXT, DEPTHS[101], groups=64, base_width=4),
    "wide_resnet50_2": Row(68_883_240, 68_224, 11_398_021_120, WIDE, base_width=128),
    "wide_resnet101_2": Row(126_886_696, 137_856, 22_753_050_624, WIDE, DEPTHS[101], base_width=128),
    "seresnet50": Row(28_088_024, 53_120, 4_091_699_200, SQUEEZE, squeeze=16),
    "seresnext50_32x4d": Row(27_559_896, 68_224, 4_232_994_816, SQUEEZE, groups=32, base_width=4, squeeze=16),
    "res2net50_26w_4s": Row(25_699_120, 59_492, 4_255_166_464, RES2, block="res2", base_width=26, scales=4),
    "cifar_resnet20": Row(269_722, 1_376, 40_551_040, V1, (3,) * 3, **CIFAR),
    "cifar_resnet32": Row(464_154, 2_272, 68_862_592, V1, (5,) * 3, **CIFAR),
    "cifar_resnet44": Row(658_586, 3_168, 97_174_144, V1, (7,) * 3, **CIFAR),
    "cifar_resnet56": Row(853_018, 4_064, 125_485_696, V1, (9,) * 3, **CIFAR),
    "cifar_resnet110": Row(1_727_962, 8_096, 252_887_680, V1, (18,) * 3, **CIFAR),
    # same channels throughout, so each shortcut is the identity: conv-BN-PReLU-conv-BN-add-PReLU
    "plain_prelu10": Row(299_018, 1_152, 303_760_000, PRELU, (4,), **PLAIN),
}


def find(name):
    """The row called `name`; OptionError naming near ones otherwise."""
    if name in RESNETS:
        return RESNETS[name]
    near = difflib.get_close_matches(str(name).lower(), RESNETS, n=3, cutoff=0.5)
    raise OptionError(f"No network is called {name!r}; " + (
        f"did you mean {' or '.join(near)}?" if near else "`python -m toolkit.backbones` lists all."))
