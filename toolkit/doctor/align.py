"""Many pairs of small pictures laid one upon the other at once, by scale and shift along each axis.

Gauss-Newton on the sum of squared differences up to gain and offset (Lucas and Kanade, IJCAI 1981). Scale and shift
along the axes are all that a crop or a resize to a square does, and such a change is a product of two small matrices,
one an axis, so that hundreds of pairs are aligned in a few array operations.
"""

from typing import NamedTuple

import numpy as np

STEPS = 5                  # of Gauss-Newton
FAINT = 0.5                # grey levels a pixel: along an axis whose slopes are fainter, noise alone would drive a step
FARTHEST = np.array([0.05, 0.05, 2.0, 2.0])[:, None]  # largest change of scales and of shifts (pixels) in a step
EDGE = 0.001               # pixels beyond the outermost one at which a picture is still seen
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
        """(`pictures` (m, side, side) as seen from these places, 1 where they are seen at all and else 0), float32."""
        middle, axis = (self.side - 1) / 2, np.arange(self.side, dtype=np.float32)
        scales, shifts = np.float32([self[1::-1], self[3:1:-1]])[..., None]  # (2, m, 1): down and across
        places = scales * (axis - np.float32(middle)) + (shifts + np.float32(middle))
        rows, columns = (np.abs(places - middle) < middle + EDGE).astype(np.float32)
        down, across = mixing(places)
        return down @ pictures @ across.transpose(0, 2, 1), rows[:, :, None] * columns[:, None]

    def changed(self, by):
        """The place after a step (4, m), kept within bounds."""
        least, most = np.array([SCALES, SCALES, *2 * [(-SHIFT * self.side, SHIFT * self.side)]]).T[..., None]
        return Place(*np.clip(np.array(self[:4]) + np.clip(by, -FARTHEST, FARTHEST), least, most), self.side)


def mixing(places):
    """Matrices (..., side, side) that interpolate linearly at `places` (..., side) along an axis, float32."""
    weights = places[..., None] - np.arange(places.shape[-1], dtype=np.float32)
    np.abs(weights, out=weights)
    np.subtract(1, weights, out=weights)
    return np.maximum(weights, 0, out=weights)


def aligned(first, second, place):
    """The Place from which `second` looks most like `first`, both float32 (m, side, side), sought from `place`.

    Blurred pictures find the way from further off. The parts, where the second is seen: how it changes with its two
    scales and its two shifts, it itself and 1, for gain and offset; then the first, which their sum shall resemble.
    """
    count, side = len(first), place.side
    y, x = np.indices((side, side), np.float32).reshape(2, -1) - np.float32((side - 1) / 2)
    parts = np.empty((count, 7, side * side), np.float32)
    parts[:, 6] = first.reshape(count, -1)
    damping = (FAINT * side) ** 2 * np.diag([*2 * [side ** 2 / 12], 1, 1, 1e-6, 1e-6])
    for _ in range(STEPS):
        moved, seen = place.moved(second)
        for number, values in enumerate((*slopes(moved), moved), 2):
            np.multiply(values, seen, out=parts[:, number].reshape(seen.shape))
        parts[:, 5] = seen.reshape(count, -1)
        np.multiply(parts[:, 2], x, out=parts[:, 0])
        np.multiply(parts[:, 3], y, out=parts[:, 1])
        sums = products(parts, 6)
        found = np.linalg.solve(sums[:, :, :6] + damping, sums[:, :, 6:])[..., 0].T
        gain = np.where(np.abs(found[4]) < 0.05, np.inf, found[4])  # nothing in common: stay
        place = place.changed(found[:4] * np.array([*place[:2], *place[:2]]) / gain)
    return place


def slopes(pictures):
    """(Slopes across, slopes down) of float32 (m, side, side), as np.gradient has them."""
    across, down = np.empty((2, *pictures.shape), np.float32)
    for slope, values in ((across.transpose(0, 2, 1), pictures.transpose(0, 2, 1)), (down, pictures)):
        np.subtract(values[:, 2:], values[:, :-2], out=slope[:, 1:-1])
        slope[:, 1:-1] *= 0.5
        slope[:, 0], slope[:, -1] = values[:, 1] - values[:, 0], values[:, -1] - values[:, -2]
    return across, down


def products(parts, count):
    """Sums (m, count, k) of the products of the first `count` of float32 `parts` (m, k, n) with all of them, float64.

    One part at a time: BLAS multiplies a long matrix of few rows by a column several times faster than by its like.
    """
    sums = np.empty((len(parts), count, parts.shape[1]))
    for one in range(count):
        column = (parts[:, one:] @ parts[:, one, :, None])[..., 0]
        sums[:, one, one:], sums[:, one:, one] = column, column[:, :count - one]
    return sums
