"""Near duplicates: pictures of one scene, though encoded, sized, cut, turned, mirrored, lit or marked otherwise.

Likeness at a glance is no proof: pictures of one trade look alike. So a pair that looks alike is laid one upon the
other (`align`), and only where its fine detail agrees, which no two scenes share, is it called the same:

1. candidates: for each picture the NEIGHBOURS that resemble it most in SMALL x SMALL means, whole, cut or turned;
2. each pair aligned and compared at ever finer LEVELS, until its detail disagrees.

Measured on stained cells, breast ultrasound and magnetic tiles of 128 to 600 pixels: copies that were encoded anew at
JPEG qualities of 30 to 95, resized by 0.4 to 2 or cut by up to a tenth at each edge agree to 0.85 and more (a percent
of the tiles, which have hardly any detail, to less); different scenes agree to 0.66 at most. What was taken anew,
seconds apart or at another exposure, lies between 0.6 and 1.
"""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from toolkit.doctor.align import Place, aligned, products

SIDE = 64                   # of thumbnails
SMALL = 12                  # of the means that find candidates: enough to tell scenes, too few to tell crops
NEIGHBOURS = 12             # candidates of a picture
ALIKE = 0.75                # correlation of the means below which a pair is no candidate
SAME = 0.77                 # correlation of detail from which a pair is one
LEVELS = ((16, 1.0, 0.7), (32, 1.0, 0.68), (64, 1.0, SAME))  # side, blur in pixels, correlation below which it ends
WIDTH, EVEN = 3.0, 4.0      # of detail: pixels of the blur, and grey levels below which it is noise
COVERED = 0.5               # share of a picture that the other must cover
PLAIN = 0.1                 # mean square of detail (see `detail`) below which it is noise and tells nothing
BLOCK, BATCH = 256, 128     # rows of the candidates' matrix, and pairs, in memory at a time
CROPS = (0.06, 0.12)        # shares of a side that a crop may lack; alignment finds those between
WINDOWS = tuple((lost, left, top) for lost in CROPS
                for left, top in ((0, 0), (0, lost), (lost, 0), (lost, lost), (lost / 2, lost / 2)))
TURNS = tuple((mirrored, quarter) for mirrored in (False, True) for quarter in range(4))  # the identity first


class Near(NamedTuple):
    """bundle (n,): number of each picture's cluster; likeness (n,): to the one that is most like it, SAME..1, or 0."""

    bundle: np.ndarray
    likeness: np.ndarray

    def keys(self):
        """What rows of one cluster share (n,), "" for a row that stands alone."""
        alone = np.bincount(self.bundle)[self.bundle] == 1
        return np.where(alone, "", np.char.add("near-", self.bundle.astype(str))).astype(object)


def found(thumbnails, workers=2, step=None, before=0):
    """Near duplicates among `thumbnails`, uint8 grey (n, SIDE, SIDE) -> Near; step(done, of).

    before: so many of the first are one side and the others another, and only pairs of both sides are looked for; 0
    for all. Time grows with the square of n in the first pass only. Pictures without detail, such as black ones, are
    like no other: only an equal file is a copy of theirs.
    """
    from threadpoolctl import threadpool_limits

    count = len(thumbnails)
    if count < 2:
        return alone(count)
    with threadpool_limits(1):
        threads = ThreadPoolExecutor(workers)
        try:
            pairs, ways = candidates(thumbnails, threads, step, before)
            similarity = laid(thumbnails, pairs, ways, threads, step)
        finally:
            threads.shutdown(cancel_futures=True)
    return near(count, pairs, similarity)


def laid(thumbnails, pairs, ways, threads, step=None):
    """Similarity (m,) of candidates, 0 where they are not the same."""
    count, coarsest, starts = len(thumbnails), View.of(thumbnails, *LEVELS[0][:2]), range(0, len(pairs), BATCH)
    parts, similarity = [slice(start, start + BATCH) for start in starts], np.empty(len(pairs), np.float32)
    values = threads.map(lambda part: compared(thumbnails, pairs[part], ways[part], coarsest), parts)
    for part, similarity[part] in zip(parts, values):
        if step:
            step(count + min(part.stop, len(pairs)) * count // len(pairs), 2 * count)
    return similarity


def alone(count):
    """Near of `count` pictures that are all different."""
    return Near(np.arange(count), np.zeros(count, np.float32))


def near(count, pairs, similarity):
    """Near of `count` pictures, of which those `pairs` (m, 2) with a similarity are the same."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs, similarity = pairs[similarity > 0], similarity[similarity > 0]
    likeness = np.zeros(count, np.float32)
    for rows in pairs.T:
        np.maximum.at(likeness, rows, similarity)
    graph = coo_matrix((np.ones(len(pairs), np.int8), tuple(pairs.T)), shape=(count, count))
    return Near(connected_components(graph, directed=False)[1], likeness)


def candidates(thumbnails, threads, step=None, before=0):
    """(pairs (m, 2) of rows that look alike, ways (m,): by which of `ways_of` the first must be changed for it)."""
    count = len(thumbnails)
    whole = unit(np.concatenate([smaller(thumbnails[start:start + BLOCK]) for start in range(0, count, BLOCK)]))
    sides = [(0, before, before, count), (before, count, 0, before)] if before else [(0, count, 0, count)]
    blocks = [(range(start, min(start + BLOCK, end)), range(*others)) for first, end, *others in sides if range(*others)
              for start in range(first, end, BLOCK)]
    found = [(np.zeros(0, int), np.zeros(0, int), np.zeros(0, np.int8))]
    for (rows, _), part in zip(blocks, threads.map(lambda both: alike(thumbnails, whole, *both), blocks)):
        found.append(part)
        if step:
            step(rows.stop, 2 * count)
    rows, others, ways = (np.concatenate(parts) for parts in zip(*found))
    low, high = np.minimum(rows, others), np.maximum(rows, others)
    plain = ways == 0  # both directions would find such a pair
    keep = np.zeros(len(rows), bool)
    keep[np.unique(np.stack([low, high, np.where(plain, -1, rows), ways]), axis=1, return_index=True)[1]] = True
    return np.stack([rows[keep], others[keep]], 1), ways[keep]


def alike(thumbnails, whole, rows, others):
    """(rows, others, ways) of the nearest neighbours of the range `rows` in the range `others` of all means `whole`."""
    block, whole = thumbnails[rows.start:rows.stop], whole[others.start:others.stop]
    best, way = np.full((len(block), len(whole)), ALIKE, np.float32), np.zeros((len(block), len(whole)), np.int8)
    for number, means in enumerate(ways_of(block)):
        likeness = unit(means) @ whole.T
        better = likeness > best
        np.copyto(best, likeness, where=better)
        np.copyto(way, number, where=better)
    best[np.equal.outer(rows, others)] = ALIKE  # itself
    near = np.argpartition(-best, min(NEIGHBOURS, len(whole) - 1), axis=1)[:, :NEIGHBOURS]
    row, place = np.nonzero(np.take_along_axis(best, near, 1) > ALIKE)
    near = near[row, place]
    return rows.start + row, others.start + near, way[row, near]


def ways_of(block):
    """SMALL x SMALL means of thumbnails (m, SIDE, SIDE) as they are, turned and mirrored, then without their edges."""
    block = block.astype(np.float32)
    whole = smaller(block)
    for mirrored, quarter in TURNS:
        yield turned(whole, mirrored, quarter)  # the means of the turned picture
    for lost, left, top in WINDOWS:
        yield smaller(block, *(round(share * SIDE) for share in (left, top, 1 - lost)))


def turned(block, mirrored, quarter):
    """Thumbnails (m, side, side) mirrored left to right, then turned by quarters."""
    return np.rot90(block[:, :, ::-1] if mirrored else block, quarter, (1, 2))


def smaller(block, left=0, top=0, kept=SIDE):
    """SMALL x SMALL means, in whole grey levels, of a window of thumbnails (m, SIDE, SIDE), as float32."""
    down, across = averaging(top, kept), averaging(left, kept)
    return np.rint(down @ (block.reshape(-1, SIDE) @ across.T).reshape(-1, SIDE, SMALL))


def averaging(start, kept):
    """Matrix (SMALL, SIDE) that takes the means of as many equal parts of pixels `start` to `start + kept`."""
    edges, pixels = np.linspace(start, start + kept, SMALL + 1)[:, None], np.arange(SIDE)
    covered = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    return (covered.clip(0) * SMALL / kept).astype(np.float32)


def unit(means):
    """Pictures as vectors (n, d) of mean 0 and length 1; a plain one as zeros."""
    flat = means.reshape(len(means), -1).astype(np.float32)
    flat -= flat.mean(1, keepdims=True)
    return flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1.0)


def compared(thumbnails, pairs, ways, coarsest):
    """Similarity (m,) of pairs, 0 where they are not the same; coarsest: the View of all at the first of LEVELS."""
    result, rows, place = np.zeros(len(pairs), np.float32), np.arange(len(pairs)), begun(ways)
    for level, (side, width, enough) in enumerate(LEVELS):
        if not len(rows):
            break
        view, places = coarsest, pairs
        if level:  # a picture stands in many pairs, and is made ready once
            some, places = np.unique(pairs[rows], return_inverse=True)
            view = View.of(thumbnails[some], side, width)
        first, second = (view.of_rows(some) for some in places.reshape(-1, 2).T)
        first = first.turned(ways[rows])
        place = aligned(second.blurred, first.blurred, place.at(side))
        fine, covered = agreement(second.detail, first.detail, place)
        kept = (fine > enough) & (covered > COVERED)
        rows, place, fine = rows[kept], place.of_rows(kept), fine[kept]
    result[rows] = fine if len(rows) else 0
    return result


def begun(ways):
    """The Place, in SIDE pixels, from which alignment of each pair begins."""
    scale, right, down = np.ones(len(ways)), np.zeros(len(ways)), np.zeros(len(ways))
    for number, (lost, left, top) in enumerate(WINDOWS, len(TURNS)):
        mine = ways == number
        scale[mine], right[mine], down[mine] = 1 - lost, SIDE * (left - lost / 2), SIDE * (top - lost / 2)
    return Place(scale, scale, right, down, SIDE)


def agreement(first, second, place):
    """(correlation (m,) of detail where both cover the picture, the share (m,) of it that they do)."""
    moved, both = place.moved(second)
    parts = np.stack([first * both, moved * both, both], 1).reshape(len(first), 3, -1)
    sums = products(parts, 3)
    count, means = sums[:, 2, 2], sums[:, :2, 2:] / sums[:, 2:, 2:].clip(1)
    shared = sums[:, :2, :2] / count.clip(1)[:, None, None] - means * means.transpose(0, 2, 1)
    power = shared[:, 0, 0], shared[:, 1, 1]
    share = shared[:, 0, 1] / np.sqrt(np.maximum(power[0] * power[1], 0) + 1e-9)
    return np.where(np.minimum(*power) < PLAIN, 0, share), count / both[0].size


class View(NamedTuple):
    """Pictures (m, side, side) at one level: blurred, to be aligned, and their `detail`."""

    blurred: np.ndarray
    detail: np.ndarray

    @classmethod
    def of(cls, thumbnails, side, width):
        """Made from thumbnails of any side."""
        import cv2

        pictures = np.empty((len(thumbnails), side, side), np.float32)
        for number, picture in enumerate(thumbnails):
            pictures[number] = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
        return cls(smoothed(pictures, width), detail(pictures))

    def of_rows(self, rows):
        """Some of the pictures."""
        return View(self.blurred[rows], self.detail[rows])

    def turned(self, ways):
        """With those pictures turned that must be."""
        for way in set(ways[(ways > 0) & (ways < len(TURNS))].tolist()):
            for values in self:
                values[ways == way] = turned(values[ways == way], *TURNS[way])
        return self


def detail(pictures):
    """What a blur takes away from (m, side, side), in units of how much that is around each place and EVEN.

    So a faint texture counts as much as one bold edge, which many pictures of a kind share.
    """
    fine = pictures - smoothed(pictures, WIDTH)
    return fine / np.sqrt(smoothed(fine ** 2, 2 * WIDTH) + EVEN ** 2)


def smoothed(pictures, width):
    """float32 (m, side, side) after a Gaussian blur: many small pictures in two matrix products."""
    import cv2

    side = pictures.shape[1]
    along = cv2.GaussianBlur(np.eye(side, dtype=np.float32), (1, round(8 * width) | 1), 0, sigmaY=width)
    return along @ pictures @ along.T
