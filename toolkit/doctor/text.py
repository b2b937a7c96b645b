"""Lines of text drawn into a picture: a hint, on kept pixels, that would rather miss than be wrong.

A letter is a compact stroke, brighter or darker than all around it; a line of text is several of one height on one base
line, equally bright, with nothing like it above or below. Measured on pictures of 224 pixels: of random words, drawn in
sizes of 10 to 28 pixels and several colours on 1,900 pictures of all kinds, 47 % are found (25 % where a picture three
times as large was made small; 75 % of capitals on dark grounds). Of 780 pictures of breast ultrasound 30 are hinted at:
29 bear text, one a dotted frame. Of 1,227 pictures of cells, nuclei and metal none is, of 400 cut-outs of photographs
of a temple and a flower 11, for the temple's railings.
"""

import numpy as np

STROKE = 9           # pixels: strokes are narrower
CONTRAST = 45        # grey values of a stroke above what is around it
HEIGHT = (5, 26)     # of a letter, pixels
LETTERS, PARTS = 5, 3  # of a line, fewest; letters that touch are one part
MOST = 250           # parts from which a picture is simply rough
BASE, TALL, GAP = 0.15, 0.42, 0.9  # by how much of the height two neighbours may differ in base line, height, place
PEAK = 35            # grey values by which the brightest points of two neighbours may differ
ALIKE = 0.7          # area of the smallest part of a line in that of its largest, at most
QUIET = 0.15         # strokes above and below a line, of those in it


def letters(grey):
    """Letters of the longest line of text in uint8 (height, width); 0 where there is none."""
    import cv2

    return max(_longest(grey), _longest(cv2.bitwise_not(grey)))


def _longest(grey):
    """The same of bright text."""
    import cv2

    hat = cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, np.ones((STROKE, STROKE), np.uint8))
    strokes = cv2.threshold(hat, CONTRAST, 1, cv2.THRESH_BINARY)[1]
    if cv2.countNonZero(strokes) < PARTS * HEIGHT[0]:
        return 0
    boxes, area = _parts(strokes)
    width, height = boxes[2] - boxes[0], boxes[3] - boxes[1]
    full, narrow = area / (width * height), width <= 0.45 * height
    kept = np.flatnonzero((height >= HEIGHT[0]) & (height <= HEIGHT[1]) & (width <= 3 * height)
                          & (full > 0.15) & ((full <= 0.76) | narrow))  # a round spot is fuller than a letter
    if not PARTS <= len(kept) <= MOST:
        return 0
    kept = kept[np.argsort(boxes[0, kept], kind="stable")]
    lines = _lines(grey, boxes[:, kept], area[kept])
    return max((count for count, box in lines if _alone(strokes, *box)), default=0)


def _parts(strokes):
    """(boxes (4, n): left, top, right, bottom, areas (n,)) of connected strokes, uint8 (height, width) of 0 and 1.

    OpenCV's own statistics look at each pixel of the ground too, which takes longer than all else here.
    """
    import cv2

    labels = cv2.connectedComponents(strokes, ltype=cv2.CV_16U)[1].ravel()
    places = np.flatnonzero(strokes.view(bool))
    labels = labels[places]
    area = np.bincount(labels)[1:]
    y, x = np.divmod(places[np.argsort(labels, kind="stable")], strokes.shape[1])  # part by part, each row by row
    ends = np.cumsum(area)
    starts = ends - area
    left, right = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    return np.array([left, y[starts], right + 1, y[ends - 1] + 1]), area


def _lines(grey, boxes, area):
    """(letters, box) of chains of parts, which are boxes (4, n) from left to right, as _parts has them."""
    left, top, right, bottom = boxes
    width, height, order = right - left, bottom - top, np.arange(len(left))
    tall = np.maximum(height[:, None], height)
    gap = left - right[:, None]  # [i, j]: from part i to part j

    def like(values, most):
        return abs(values[:, None] - values) <= most

    follows = (gap >= -1) & (gap <= GAP * tall) & (order[:, None] < order)
    follows &= like(bottom, np.maximum(1, BASE * tall)) & like(height, np.maximum(1, TALL * tall))
    if not (follows.any(0) & follows.any(1)).any():  # most pictures: no part has both a next one and one before
        return
    peaks = np.array([grey[y:end, x:edge].max() for x, y, edge, end in boxes.T.tolist()], int)
    follows &= like(peaks, PEAK)
    count = np.maximum(1, np.round(width / (0.8 * height))).astype(int)
    broad, parts, before = (width > 0.45 * height).astype(int), np.ones(len(left), int), np.full(len(left), -1)
    for part in np.flatnonzero(follows.any(0)):
        earlier = np.flatnonzero(follows[:, part])
        before[part] = last = earlier[np.argmax(parts[earlier])]
        for sums in (count, broad, parts):
            sums[part] += sums[last]
    for part in np.flatnonzero((parts >= PARTS) & (broad >= parts / 2) & (count >= LETTERS)):
        chain = [part]
        while before[chain[-1]] >= 0:
            chain.append(before[chain[-1]])
        if area[chain].min() <= ALIKE * area[chain].max():  # rows of equal things are windows, beads, marks of a ruler
            yield int(count[part]), (*boxes[:2, chain].min(1), *boxes[2:, chain].max(1))


def _alone(strokes, left, top, right, bottom):
    """Whether there are hardly any strokes right above and below a box."""
    height = bottom - top
    beside = strokes[max(0, top - height):max(0, top - 1), left:right].sum(dtype=int) \
        + strokes[bottom + 1:bottom + height, left:right].sum(dtype=int)
    return beside <= QUIET * strokes[top:bottom, left:right].sum(dtype=int)
