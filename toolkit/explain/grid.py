"""Maps of several sizes onto one grid, so that the sum of all that they hold stays what it was."""

import functools

import numpy as np

FINEST = 56  # rows and columns of the grid, at most: a quarter of 224 pixels


def size_of(shapes):
    """(rows, columns) of the grid for maps of `shapes` (rows, columns): those of the finest, at most FINEST."""
    return tuple(min(FINEST, max(sides)) for sides in zip(*shapes))


def onto(maps, size):
    """`maps` (n, classes, height, width) on a grid of `size` (rows, columns), float64; the sum of each stays.

    Coarser ones are spread in between by linear weights, finer ones are added up.
    """
    down, across = (shares(side, aim) for side, aim in zip(maps.shape[2:], size))
    return np.matmul(np.matmul(down, maps), across.T)


@functools.lru_cache(64)
def shares(side, aim):
    """(aim, side): which share of each of `side` positions goes to each of `aim`."""
    ends, goals = np.arange(side + 1) / side, np.arange(aim + 1) / aim
    if side >= aim:
        found = np.clip(np.minimum(goals[1:, None], ends[None, 1:]) - np.maximum(goals[:-1, None], ends[None, :-1]),
                        0, None)
    else:
        middles = (np.arange(side) + 0.5) / side
        places = np.clip((np.arange(aim) + 0.5) / aim, middles[0], middles[-1])
        found = np.clip(1 - np.abs(places[:, None] - middles) * side, 0, None)
    return found / found.sum(0)
