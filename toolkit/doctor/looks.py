"""What a picture looks like in a few numbers, measured once on the kept pixels, for checks that compare pictures."""

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
    grey = picture[..., 0]
    if picture.shape[2] == 3:
        grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        red, green, blue = cv2.split(picture)  # plane by plane: forty times faster than along the last axis
        largest, smallest = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
        chroma = largest - smallest
        colour = float(chroma.mean()) / 255
        still = sum(plane.min() == plane.max() for plane in (red, green, blue)) if colour else 0
        tinted = int((chroma > STRONG).sum())
        tint = tinted / chroma.size if tinted >= DOTS and (chroma > WEAK).mean() < MARKS else 0.0
    share = grey.astype(np.float32) / 255
    variance = float(share.var())
    sharpness = float(np.square(cv2.Laplacian(share, cv2.CV_32F)).mean()) / (variance + PLAIN)
    shares = np.bincount(grey.ravel() // (256 // BINS), minlength=BINS) / grey.size
    entropy = float(-(shares[shares > 0] * np.log2(shares[shares > 0])).sum())
    thumbnail = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    numbers = float(share.mean()), variance ** 0.5, sharpness, entropy, colour, still, text.letters(grey), tint
    return numbers, thumbnail
