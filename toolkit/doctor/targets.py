"""What is to be learnt of pictures that have not one class each: labels, amounts, grades, boxes, masks."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from toolkit.data import targets
from toolkit.data.reading import Box

ONE_PIECE = 0.9     # share of numbers in one piece from which a mask's numbers are things, not classes
NEAR_WHITE = 192    # of 255
BETWEEN = 8         # different numbers below which masks have classes rather than blurred edges
CLASSES = 32        # different numbers of all masks up to which they may be classes


@dataclass(frozen=True)
class Targets:
    """Of each row its `truth`: a tuple of names (multi-label), a float (regression), a grade (ordinal), a tuple of Box
    in pixels (detection), pixels.labels.Facts or None where there is no mask (segmentation). `names`: of the labels,
    grades or classes, in order; `order`: all grades or labels that there may be.

    `meaning` of the numbers in masks: "one" thing, "classes", or "instances", each a thing of its own; "" elsewhere.
    """

    task: str
    truth: tuple
    names: tuple = ()
    order: tuple = ()
    meaning: str = ""


def of(samples, workers=2, step=None):
    """Targets of data.manifest.Samples that have been prepared; masks are opened here, step(done, of) after each.

    None for a classification.
    """
    rows, task, names, meaning = samples.rows, samples.task, samples.classes, ""
    if task == "classification":
        return None
    if task == "multi-label":
        truth = [targets.names_of(label, samples.delimiter) for label in rows["label"]]
    elif task == "regression":
        truth = targets.parsed(rows["label"])
    elif task == "ordinal":
        truth = list(rows["label"])
    elif task == "detection":
        sizes = zip(rows["path"], rows["width"], rows["height"])
        truth = [tuple(in_pixels(box, width, height) for box in samples.boxes.get(path, ()))
                 for path, width, height in sizes]
        names = targets.ordered({box.name for boxes in truth for box in boxes})
    else:
        truth = masks(samples, workers, step)
        meaning = meant([mask for mask in truth if mask is not None and not mask.error])
    return Targets(task, tuple(truth), tuple(names), tuple(samples.order), meaning)


def in_pixels(box, width, height):
    """`box` with its edges in pixels of a picture of that size."""
    if not box.relative:
        return box
    return Box(box.name, box.left * width, box.top * height, box.right * width, box.bottom * height, False, box.kind)


def masks(samples, workers, step):
    """The Facts of each row's mask, None where it has none."""
    from concurrent.futures import ThreadPoolExecutor

    from toolkit.pixels import labels

    paths, found = [samples.masks.get(path) for path in samples.rows["path"]], []
    with ThreadPoolExecutor(workers) as pool:
        try:
            for facts in pool.map(lambda path: path and labels.facts(path), paths):
                found.append(facts)
                if step:
                    step(len(found), len(paths))
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return found


def meant(masks):
    """What the numbers of masks mean: "one", "instances" or "classes"; "" where no mask marks anything."""
    kinds = {number for mask in masks for number in mask.numbers}
    if not kinds:
        return ""
    if len(kinds) == 1 or kinds == {1, 255} or nearly_binary(masks):
        return "one"
    several = [mask for mask in masks if mask.numbers]
    counted = [mask for mask in several if mask.pieces]
    single = [number == 1 for mask in counted for number in mask.pieces]
    runs = np.mean([contiguous(mask.numbers) for mask in several])
    things = single and np.mean(single) >= ONE_PIECE and runs >= ONE_PIECE
    many = len(kinds) > CLASSES or len({len(mask.numbers) for mask in several}) > 2
    return "instances" if len(kinds) > 255 or things and many else "classes"


def contiguous(numbers):
    """Whether sorted numbers are 1 to their count, but for a few that are missing."""
    return numbers[0] >= 1 and len(numbers) >= ONE_PIECE * numbers[-1]


def nearly_binary(masks):
    """Whether masks of 0 and 255 were resized or stored as JPEG: most is near 255, and between lies a bit of all."""
    sizes = Counter()
    for mask in masks:
        sizes.update(dict(zip(mask.numbers, mask.pixels)))
    if max(sizes) != 255 or len(sizes) < BETWEEN:
        return False
    if any(mask.lossy for mask in masks):  # noise around 0
        sizes = Counter({number: size for number, size in sizes.items() if number > 255 - NEAR_WHITE})
    high = sum(size for number, size in sizes.items() if number >= NEAR_WHITE)
    between = [size for number, size in sizes.items() if number < NEAR_WHITE]
    return high >= 0.5 * sizes.total() and max(between, default=0) <= 0.05 * sizes.total()
