"""What a picture looks like in a few numbers, measured once on the kept pixels, for checks that compare pictures."""

from functools import reduce
from typing import NamedTuple

import numpy as np

from toolkit.doctor import text

SIDE = 64    # of the thumbnail
BLOCK = 64   # pictures in memory at a time
BINS = 64    # of grey values
STRONG, WEAK = 60, 16  # distance of the channels, of 255, in a coloured mark; more than the noise of a JPEG file
DOTS = 8     # pixels of the smallest coloured mark
MARKS = 0.03  # share of a picture that coloured marks and their fringes cover at most
PLAIN = 1e-4  # variance (of 0..1) that is added to a picture's own: noise in a flat picture is not sharp


class Looks(NamedTuple):
    """Arrays (n,), and `thumbnails`, uint8 (n, SIDE, SIDE).

    brightness, contrast: mean and standard deviation of grey, 0..1. sharpness: energy of the Laplacian over the
    variance of grey. entropy: of BINS grey values, 0..6 bits. colour: mean distance of the largest from the smallest
    channel, 0..1. still: how many of three channels have a single value, 0 for grey. letters: of the longest line of
    text. tint: share of pixels with colour in a picture that is grey but for them, else 0.
    """

    brightness: np.ndarray
    contrast: np.ndarray
    sharpness: np.ndarray
    entropy: np.ndarray
    colour: np.ndarray
    still: np.ndarray
    letters: np.ndarray
    tint: np.ndarray
    thumbnails: np.ndarray


def measured(pixels, step=None, rows=None):
    """Looks of the `rows` (all if None) of `pixels`, which gives uint8 (m, height, width, 1 or 3) when indexed by m
    of them; step(done, of)."""
    wanted = np.arange(len(pixels)) if rows is None else rows
    count = len(wanted)
    numbers, thumbnails = np.empty((len(Looks._fields) - 1, count), np.float32), np.empty((count, SIDE, SIDE), np.uint8)
    for start in range(0, count, BLOCK):
        rows = np.arange(start, min(start + BLOCK, count))
        for row, picture in zip(rows, pixels[wanted[rows]]):
            numbers[:, row], thumbnails[row] = look(picture)
        if step:
            step(int(rows[-1]) + 1, count)
    return Looks(*numbers, thumbnails)


def look(picture):
    """(the numbers of Looks in their order, thumbnail) of uint8 (height, width, 1 or 3)."""
    import cv2

    colour, still, tint = 0.0, 0, 0.0
    grey, *others = cv2.split(picture)  # plane by plane: forty times faster than along the last axis
    if any(cv2.norm(grey, plane, cv2.NORM_INF) for plane in others):  # else a grey picture in three channels
        planes, grey = (grey, *others), cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        chroma = cv2.subtract(reduce(cv2.max, planes), reduce(cv2.min, planes))
        colour = cv2.mean(chroma)[0] / 255
        still = sum(plane.min() == plane.max() for plane in planes)
        tinted = int((chroma > STRONG).sum())
        tint = tinted / chroma.size if tinted >= DOTS and (chroma > WEAK).mean() < MARKS else 0.0
    mean, deviation = (float(values[0, 0]) / 255 for values in cv2.meanStdDev(grey))
    bends = cv2.norm(cv2.Laplacian(grey, cv2.CV_16S), cv2.NORM_L2SQR) / grey.size / 255 ** 2
    shares = cv2.calcHist([grey], [0], None, [BINS], [0, 256]).ravel() / grey.size
    entropy = float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
    thumbnail = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    sharpness = bends / (deviation ** 2 + PLAIN)
    return (mean, deviation, sharpness, entropy, colour, still, text.letters(grey), tint), thumbnail
