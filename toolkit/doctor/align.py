"""Many pairs of small pictures laid one upon the other at once, by scale and shift along each axis.

Gauss-Newton on the sum of squared differences up to gain and offset (Lucas and Kanade, IJCAI 1981). Scale and shift
along the axes are all that a crop or a resize to a square does, and such a change is a product of two small matrices,
one an axis, so that hundreds of pairs are aligned in a few array operations.
"""

from typing import NamedTuple

import numpy as np

STEPS = 5                  # of Gauss-Newton
FAINT = 0.5                # grey levels a pixel: along an axis whose slopes are fainter, noise alone would drive a step
FARTHEST = 0.05, 2.0       # largest change of scale and of shift (pixels) in a step
SCALES, SHIFT = (0.6, 1.6), 0.25  # bounds of scale, and of shift as a share of the side


class Place(NamedTuple):
    """Where the second picture of each pair is looked at for the first: arrays (m,) of scales and shifts in pixels.

    side: of the picture that these are pixels of.
    """

    scale_x: np.ndarray
    scale_y: np.ndarray
    right: np.ndarray
    down: np.ndarray
    side: int

    def at(self, side):
        """The same place in pictures of another side."""
        return self._replace(right=self.right * side / self.side, down=self.down * side / self.side, side=side)

    def of_rows(self, rows):
        """The places of some pairs."""
        return Place(*(values[rows] for values in self[:4]), self.side)

    def moved(self, pictures):
        """(`pictures` (m, side, side) as seen from these places, where they are seen at all (m, side, side))."""
        across, down = mixing(self.scale_x, self.right, self.side), mixing(self.scale_y, self.down, self.side)
        seen = (down.sum(2) > 0.999)[:, :, None] & (across.sum(2) > 0.999)[:, None, :]
        return down @ pictures @ across.transpose(0, 2, 1), seen

    def changed(self, by):
        """The place after a step (m, 4), kept within bounds."""
        by = np.clip(by, *([sign * limit for limit in FARTHEST for _ in range(2)] for sign in (-1, 1)))
        shifts = [np.clip(values + change, -SHIFT * self.side, SHIFT * self.side)
                  for values, change in zip((self.right, self.down), by.T[2:])]
        scales = [np.clip(values + change, *SCALES) for values, change in zip(self[:2], by.T[:2])]
        return Place(*scales, *shifts, self.side)


def mixing(scale, shift, side):
    """Matrices (m, side, side) that interpolate linearly along an axis at scale * (x - middle) + middle + shift."""
    middle = (side - 1) / 2
    places = scale[:, None] * (np.arange(side) - middle) + middle + shift[:, None]
    return np.maximum(0, 1 - np.abs(places[:, :, None] - np.arange(side))).astype(np.float32)


def aligned(first, second, place):
    """The Place from which `second` looks most like `first`, both float32 (m, side, side), sought from `place`.

    Blurred pictures find the way from further off.
    """
    x = np.arange(place.side, dtype=np.float32) - (place.side - 1) / 2
    fixed, ones = first.reshape(len(first), place.side ** 2, 1), np.arange(6)
    parts = np.empty((len(first), 6, place.side, place.side), np.float32)
    damping = (FAINT * place.side) ** 2 * np.array([*2 * [place.side ** 2 / 12], 1, 1, 1e-6, 1e-6])
    for _ in range(STEPS):
        moved, seen = place.moved(second)
        down, across = np.gradient(moved, axis=(1, 2))
        parts[:, 2], parts[:, 3] = across, down
        parts[:, :2] = parts[:, 2:4]
        parts[:, 0] *= x
        parts[:, 1] *= x[:, None]
        parts[:, 4], parts[:, 5] = moved, 1
        parts *= seen[:, None]
        flat = parts.reshape(len(first), 6, -1)
        square = (flat @ flat.transpose(0, 2, 1)).astype(np.float64)
        square[:, ones, ones] += damping
        found = np.linalg.solve(square, (flat @ fixed).astype(np.float64))[..., 0]
        gain = np.where(np.abs(found[:, 4]) < 0.05, np.inf, found[:, 4])[:, None]  # nothing in common: stay
        scales = np.stack(place[:2], 1)
        place = place.changed(np.concatenate([found[:, :2] * scales, found[:, 2:4] * scales], 1) / gain)
    return place
