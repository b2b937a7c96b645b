"""Boxes and masks that cannot be meant: outside their picture, empty, doubled, of another size, in other numbers."""

from collections import Counter

import numpy as np

from toolkit.data.reading import count
from toolkit.doctor.findings import Finding

SLACK = 1.0     # pixels that a box may reach beyond its picture: formats count edges from 0 or from 1
SAME = 0.95     # intersection over union of two boxes, from which they are one
SMALL = 4       # pixels: a side below it is hardly seen at any input size
WHOLE = 0.98    # share of its picture, from which a box says nothing of where a thing is
FEW, APART = 10, 3  # boxes of a class, and pictures that show it, below which no part has enough
SHOWN = 20      # names in a sentence


def _rows(case, task):
    """(path, width, height, truth) of each picture where the data are for `task`; nothing elsewhere."""
    if case.targets is not None and case.targets.task == task:
        yield from zip(case.rows["path"], case.rows["width"], case.rows["height"], case.targets.truth)


def _wrong_boxes(case, check, fault, what, remedy, severity="warning"):
    """The finding about boxes of which fault(box, width, height) is true."""
    bad = [(path, box) for path, width, height, boxes in _rows(case, "detection") for box in boxes
           if fault(box, width, height)]
    if bad:
        paths, (path, box) = tuple(dict.fromkeys(path for path, _ in bad)), bad[0]
        yield Finding(check, severity, paths, f"{count(len(bad), 'box')} in {count(len(paths), 'picture')} {what}, "
                      f"such as {box.name!r} of {path}: {box.left:.6g} to {box.right:.6g} across, {box.top:.6g} to "
                      f"{box.bottom:.6g} down.", remedy)


def _outside(case):
    yield from _wrong_boxes(
        case, "boxes outside", lambda box, width, height: box.left < -SLACK or box.top < -SLACK
        or box.right > width + SLACK or box.bottom > height + SLACK, "reach beyond the picture",
        "Correct them; where all are so, the boxes were drawn on pictures of another size, or before they were turned.")


def _empty_boxes(case):
    yield from _wrong_boxes(case, "empty boxes", lambda box, *_: not (box.right > box.left and box.bottom > box.top),
                            "have no width or height, or their edges are exchanged", "Draw them anew or remove them.")


def _tiny_boxes(case):
    yield from _wrong_boxes(
        case, "tiny boxes", lambda box, *_: 0 < min(box.right - box.left, box.bottom - box.top) < SMALL,
        f"have a side under {SMALL} pixels", "See that they are no slips of the hand.")


def _whole_boxes(case):
    def fault(box, width, height):
        across = min(box.right, width) - max(box.left, 0)
        return across > 0 and across * (min(box.bottom, height) - max(box.top, 0)) >= WHOLE * width * height

    yield from _wrong_boxes(case, "boxes around all", fault, "are as large as the picture",
                            "See that they are meant: they do not say where the thing is.", "note")


def overlap(one, other):
    """Intersection over union of two boxes, 0..1."""
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    both = across * down if across > 0 and down > 0 else 0.0
    areas = sum(max(box.right - box.left, 0) * max(box.bottom - box.top, 0) for box in (one, other))
    return both / (areas - both) if areas > both else 0.0


def doubles(boxes):
    """Pairs (i, j) of the boxes of one picture that are one and the same."""
    if len(boxes) < 2:
        return []
    edges = np.array([(box.left, box.top, box.right, box.bottom) for box in boxes], float)
    side = np.maximum(edges[:, 2:] - edges[:, :2], 0).max(1)
    order, found = np.argsort(edges[:, 0], kind="stable"), []
    for place, i in enumerate(order):  # boxes that begin far to the right cannot be the same
        for j in order[place + 1:]:
            if edges[j, 0] - edges[i, 0] > (1 - SAME) * side[i] + 1:
                break
            if overlap(boxes[i], boxes[j]) > SAME:
                found.append((i, j))
    return found


def _doubled(case):
    same, differ = Counter(), Counter()
    for path, _, _, boxes in _rows(case, "detection"):
        for i, j in doubles(boxes):
            (same if boxes[i].name == boxes[j].name else differ)[path] += 1
    for check, found, words, remedy in (
            ("double boxes", same, "stand twice, nearly edge on edge",
             "Remove one of each two: the thing counts twice."),
            ("boxes of two classes", differ, "are drawn around one thing under two classes",
             "Decide which class is right and remove the other box.")):
        if found:
            yield Finding(check, "warning", tuple(found), f"{count(sum(found.values()), 'box')} in "
                          f"{count(len(found), 'picture')} {words}.", remedy)


def _few_boxes(case):
    boxes, pictures = Counter(), Counter()
    for _, _, _, found in _rows(case, "detection"):
        boxes.update(box.name for box in found)
        pictures.update({box.name for box in found})
    rare = [name for name in boxes if boxes[name] < FEW or pictures[name] < APART]
    if rare:
        shown = ", ".join(f"{name!r} ({count(boxes[name], 'box')} in {count(pictures[name], 'picture')})"
                          for name in rare[:SHOWN])
        yield Finding("few boxes", "warning", (), f"{count(len(rare), 'class')} with fewer than {FEW} boxes or {APART} "
                      f"pictures: {shown}.", "Gather more, join classes, or leave these out.")


def _boxless(case):
    bare = tuple(path for path, _, _, boxes in _rows(case, "detection") if not boxes)
    if bare:
        yield Finding("no box", "note", bare, f"{count(len(bare), 'picture')} without any box.",
                      "Right where they show nothing that is looked for; otherwise they were forgotten.")


def _turned(case):
    """Pictures that were turned upright, whose boxes and masks may be as the file lies."""
    if case.targets is not None and case.targets.task in ("detection", "segmentation"):
        noted = case.rows["note"].str.contains("turned upright", regex=False).to_numpy()
        paths = tuple(path for path, turned, truth in zip(case.rows["path"], noted, case.targets.truth)
                      if turned and truth)
        if paths:
            yield Finding("turned pictures", "warning", paths, f"{count(len(paths), 'picture')} with boxes or masks "
                          "turned upright, as the camera was held; many programs draw on them unturned.",
                          "Look at some; turn the files themselves and draw anew where boxes lie elsewhere.")


def _masks(case):
    """(path, width, height, Facts) of pictures whose mask can be read."""
    for path, width, height, mask in _rows(case, "segmentation"):
        if mask is not None and not mask.error:
            yield path, width, height, mask


def _unreadable_masks(case):
    bad = [(path, mask.error) for path, _, _, mask in _rows(case, "segmentation") if mask is not None and mask.error]
    if bad:
        reasons = ", ".join(f"{reason} ({number})" for reason, number in Counter(why for _, why in bad).most_common(6))
        yield Finding("unreadable masks", "warning", tuple(path for path, _ in bad),
                      f"{count(len(bad), 'mask')} cannot be read: {reasons}.",
                      "Replace them, or leave the pictures out.")


def _maskless(case):
    bare = tuple(path for path, _, _, mask in _rows(case, "segmentation") if mask is None)
    if bare:
        yield Finding("no mask", "note", bare, f"{count(len(bare), 'picture')} without a mask.",
                      "Right where they show nothing that is looked for; otherwise the mask is missing.")


def _mask_sizes(case):
    bad = [(path, width, height, mask) for path, width, height, mask in _masks(case)
           if (width, height) != (mask.width, mask.height)]
    if bad:
        turned = sum((height, width) == (mask.width, mask.height) for _, width, height, mask in bad)
        path, width, height, mask = bad[0]
        words = f"; {turned} lie on their side" if turned else ""
        yield Finding("mask sizes", "warning", tuple(path for path, *_ in bad), f"{count(len(bad), 'mask')} of another "
                      f"size than the picture, such as {mask.width} x {mask.height} for {path} of {width} x {height}"
                      f"{words}.", "Export them at the size of their pictures, without interpolation.")


def _empty_masks(case):
    kinds = (("empty masks", "note", lambda mask: not mask.numbers, "that mark nothing",
              "Right where nothing that is looked for is there; otherwise the drawing was lost."),
             ("full masks", "warning", lambda mask: mask.share == 1.0, "that mark all of the picture",
              "See that foreground and background are not exchanged, and that 0 is the background."))
    for check, severity, fault, words, remedy in kinds:
        paths = tuple(path for path, _, _, mask in _masks(case) if fault(mask))
        if paths:
            yield Finding(check, severity, paths, f"{count(len(paths), 'mask')} {words}.", remedy)


def _mask_values(case):
    """Numbers that no one meant: masks of one thing that are not only two numbers, and colours."""
    targets = case.targets
    found = list(_masks(case))
    coloured = tuple(path for path, _, _, mask in found if mask.coloured)
    if coloured:
        yield Finding("coloured masks", "warning", coloured, f"{count(len(coloured), 'mask')} in colours: their "
                      "numbers are not told, only that colours differ, and one number may be two colours in two masks.",
                      "Export label images, one number a class or thing, as PNG.")
    if found and targets.meaning == "one":
        grey = [(path, mask) for path, _, _, mask in found if set(mask.numbers) - {255} and len(mask.numbers) > 1]
        usual = Counter(mask.numbers for _, _, _, mask in found if len(mask.numbers) == 1)
        if grey:
            lossy = sum(mask.lossy for _, mask in grey)
            why = "stored as JPEG, which blurs edges" if lossy == len(grey) else "as after resizing with interpolation"
            yield Finding("mask values", "warning", tuple(path for path, _ in grey),
                          f"{count(len(grey), 'mask')} with numbers between background and foreground ({why}), up to "
                          f"{max(len(mask.numbers) for _, mask in grey)} in one mask.",
                          "Export them as PNG with 0 and 255 alone, and resize by the nearest pixel.")
        if len(usual) > 1:
            words = " and ".join(f"{numbers[0]} ({number})" for numbers, number in usual.most_common(4))
            yield Finding("mask values", "warning", (),
                          f"The thing looked for is marked by different numbers: {words}.",
                          "Use one number, 255 or 1, in all masks.")


def _instances(case):
    if case.targets is None or case.targets.meaning != "instances":
        return
    gaps = tuple(path for path, _, _, mask in _masks(case)
                 if mask.numbers and mask.numbers != tuple(range(1, len(mask.numbers) + 1)))
    if gaps:
        yield Finding("instance numbers", "note", gaps, f"{count(len(gaps), 'mask')} whose numbers are not 1 to the "
                      "number of things.", "Nothing, unless things were removed by mistake.")
    torn = [(path, number) for path, _, _, mask in _masks(case) if (number := sum(n > 1 for n in mask.pieces))]
    if torn:
        yield Finding("instances in pieces", "note", tuple(path for path, _ in torn),
                      f"{count(sum(number for _, number in torn), 'instance')} in {count(len(torn), 'mask')} in more "
                      "than one piece.", "See whether two things bear one number, or a few pixels lie apart.")


CHECKS = {"unreadable masks": _unreadable_masks, "mask sizes": _mask_sizes, "mask values": _mask_values,
          "boxes outside": _outside, "empty boxes": _empty_boxes, "double boxes": _doubled, "tiny boxes": _tiny_boxes,
          "few boxes": _few_boxes, "turned pictures": _turned, "empty masks": _empty_masks,
          "boxes around all": _whole_boxes, "instances": _instances, "no box": _boxless, "no mask": _maskless}
