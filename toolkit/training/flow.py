"""How much the weights of each stage change: small where learning does not reach, large where it runs wild."""

import math

import numpy as np

BLOCK = 2**16  # numbers at a time, which a processor's cache holds


def changes(paths, before, after, stages):
    """{stage: length of the change of its weights, relative to their length before}; None where that was 0.

    paths: of the weights; before, after: their arrays, in that order; stages: {path: stage}.
    """
    sums = {}
    for path, old, new in zip(paths, before, after, strict=True):
        total = sums.setdefault(stages[path], [0.0, 0.0])
        for was, now in zip(blocks(old), blocks(new)):
            change = now - was
            total[0] += float(change @ change)
            total[1] += float(was @ was)
    return {stage: math.sqrt(change / length) if length else None for stage, (change, length) in sums.items()}


def blocks(array):
    """The numbers of a float array, BLOCK at a time."""
    flat = np.ravel(array)
    return (flat[start:start + BLOCK] for start in range(0, flat.size, BLOCK))
