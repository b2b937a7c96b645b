"""The same scene is known though encoded, sized, cut, lit, turned or marked otherwise; another one is not."""

import cv2
import numpy as np
import pytest

from toolkit.doctor import align, near

COUNT = 24


def scene(seed, side=200):
    """A picture of blobs and texture, uint8 (side, side), as many of a trade look: a bright thing in the middle."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.normal(size=(9, 9)).astype(np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    texture = cv2.GaussianBlur(rng.normal(size=(side, side)).astype(np.float32), (0, 0), 4)
    picture = 90 + 12 * coarse + 120 * texture
    cv2.circle(picture, (side // 2, side // 2), side // 4, 200.0, -1)
    return np.clip(picture + 20 * texture, 0, 255).astype(np.uint8)


def small(picture):
    square = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)
    return cv2.resize(square, (near.SIDE, near.SIDE), interpolation=cv2.INTER_AREA)


def encoded(picture):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_GRAYSCALE)


def marked(picture):
    picture = picture.copy()
    cv2.putText(picture, "RT 5", (20, 30), cv2.FONT_HERSHEY_SIMPLEX, 0.6, 255, 1)
    return picture


CHANGES = {
    "encoded": encoded,
    "smaller": lambda picture: cv2.resize(picture, (90, 90), interpolation=cv2.INTER_AREA),
    "another shape": lambda picture: cv2.resize(picture, (260, 150), interpolation=cv2.INTER_AREA),
    "cut left and above": lambda picture: picture[14:, 12:],
    "cut on all sides": lambda picture: picture[9:-12, 11:-10],
    "brighter": lambda picture: np.clip(picture * 1.15 + 10, 0, 255).astype(np.uint8),
    "mirrored": lambda picture: np.ascontiguousarray(picture[:, ::-1]),
    "turned": lambda picture: np.ascontiguousarray(np.rot90(picture)),
    "mirrored and turned": lambda picture: np.ascontiguousarray(np.rot90(picture[:, ::-1], 3)),
    "marked": marked,
}


@pytest.fixture(scope="module")
def scenes():
    return [scene(seed) for seed in range(COUNT)]


def test_scenes_that_are_alike_are_not_the_same(scenes):
    found = near.found(np.stack([small(picture) for picture in scenes]))
    assert len(set(found.bundle)) == COUNT and not found.likeness.any() and (found.keys() == "").all()


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_found_and_nothing_else(scenes, change):
    pictures = [small(picture) for picture in (*scenes, *map(CHANGES[change], scenes))]
    found = near.found(np.stack(pictures))
    assert (found.bundle[:COUNT] == found.bundle[COUNT:]).all() and len(set(found.bundle)) == COUNT
    assert (found.likeness >= near.SAME).all() and found.likeness.max() <= 1.001
    assert len(set(found.keys())) == COUNT and "" not in found.keys()


def test_a_chain_of_likeness_is_one_cluster(scenes):
    walk = [scenes[0][:, shift:shift + 182] for shift in (0, 6, 12, 18)]
    found = near.found(np.stack([small(picture) for picture in (*walk, *scenes[1:])]))
    assert len(set(found.bundle[:4])) == 1 and len(set(found.bundle)) == COUNT


def test_pictures_without_detail_are_like_no_other():
    flat = [np.full((near.SIDE, near.SIDE), grey, np.uint8) for grey in (0, 0, 255, 120)]
    ramps = [np.tile(np.linspace(0, 250, near.SIDE).astype(np.uint8), (near.SIDE, 1))] * 2
    faint = [np.random.default_rng(seed).integers(99, 101, (near.SIDE, near.SIDE)).astype(np.uint8) for seed in (1, 2)]
    assert not near.found(np.stack([*flat, *faint])).likeness.any()
    near.found(np.stack(ramps))  # equal, and of next to no detail: either answer will do, an error will not


@pytest.mark.parametrize("count", [0, 1])
def test_nothing_to_compare(count):
    found = near.found(np.zeros((count, near.SIDE, near.SIDE), np.uint8))
    assert len(found.bundle) == len(found.likeness) == len(found.keys()) == count


def test_the_answer_does_not_depend_on_workers_or_order(scenes):
    pictures = np.stack([small(picture) for picture in (*scenes, *map(encoded, scenes))])
    order = np.random.default_rng(1).permutation(len(pictures))
    one, four, mixed = near.found(pictures, 1), near.found(pictures, 4), near.found(pictures[order])
    assert (one.bundle == four.bundle).all() and (one.likeness == four.likeness).all()
    same = one.bundle[order][:, None] == one.bundle[order]
    assert (same == (mixed.bundle[:, None] == mixed.bundle)).all()


def test_of_two_sides_only_what_stands_on_both_is_found(scenes):
    one, other = scenes[:10], scenes[10:]
    first = [*one, *map(encoded, one[:3])]                  # alike among themselves,
    second = [*other, *map(encoded, other[:3]), *map(marked, one[:2])]  # and two that are on both sides
    pictures = np.stack([small(picture) for picture in (*first, *second)])
    found = near.found(pictures, before=len(first))
    assert set(np.flatnonzero(found.likeness)) == {0, 1, 10, 11, len(pictures) - 2, len(pictures) - 1}
    assert found.bundle[0] == found.bundle[10] == found.bundle[-2]  # what both are like is one scene
    assert len(set(found.bundle)) == len(pictures) - 4
    half = near.found(pictures[:4], before=2)
    assert not half.likeness.any() and len(set(half.bundle)) == 4
    assert not near.found(pictures[:2], before=2).likeness.any()  # nobody is on the other side


@pytest.mark.parametrize("before", [0, COUNT])
def test_progress_goes_to_the_end(scenes, before):
    told = []
    near.found(np.stack([small(picture) for picture in (*scenes, *map(marked, scenes))]),
               step=lambda done, of: told.append(done / of), before=before)
    assert told == sorted(told) and told[-1] == 1.0


def test_alignment_finds_scale_and_shift():
    picture = small(scene(3)).astype(np.float32)
    wanted = near.Place(*(np.array([value]) for value in (0.93, 0.96, 1.5, -2.0)), near.SIDE)
    moved, seen = wanted.moved(picture[None])
    blurred = [cv2.GaussianBlur(one, (0, 0), 1.0)[None] for one in (moved[0], picture)]
    start = near.Place(*(np.array([value]) for value in (1.0, 1.0, 0.0, 0.0)), near.SIDE)
    for _ in range(2):
        start = align.aligned(*blurred, start)
    assert np.allclose(np.concatenate(start[:2]), (0.93, 0.96), atol=0.01)
    assert np.allclose(np.concatenate(start[2:4]), (1.5, -2.0), atol=0.3) and 0.8 < seen.mean() < 1


def test_an_axis_without_slopes_is_left_alone():
    stripes = np.tile(np.sin(np.arange(near.SIDE)) * 60 + 120, (near.SIDE, 1)).astype(np.float32)
    noisy = stripes + np.random.default_rng(0).normal(0, 2, stripes.shape).astype(np.float32)
    start = near.Place(*(np.array([value]) for value in (1.0, 1.0, 0.0, 0.0)), near.SIDE)
    found = align.aligned(stripes[None], noisy[None], start)
    assert abs(found.down[0]) < 0.5 and abs(found.scale_y[0] - 1) < 0.02


def test_many_pictures_at_once_are_changed_as_each_alone_would_be():
    thumbnails = np.stack([small(scene(seed)) for seed in range(3)])
    means = [cv2.resize(picture[4:60, 8:64], (near.SMALL, near.SMALL), interpolation=cv2.INTER_AREA)
             for picture in thumbnails]
    assert np.abs(near.smaller(thumbnails, 8, 4, 56) - means).max() <= 1  # grey level: OpenCV rounds halves otherwise
    pictures = thumbnails.astype(np.float32)
    for width in (1.0, 3.0, 6.0):
        alone = [cv2.GaussianBlur(picture, (0, 0), width) for picture in pictures]
        assert np.allclose(near.smoothed(pictures, width), alone, atol=1e-3)
    assert np.array_equal(align.slopes(pictures), np.gradient(pictures, axis=(2, 1)))
    parts = pictures.reshape(3, 8, -1)
    assert np.allclose(align.products(parts, 5), parts[:, :5] @ parts.transpose(0, 2, 1), rtol=1e-5)


def test_the_clusters_of_real_sets(shared):
    """All pairs of the list beside the pictures, which was made by the correlation of whole pictures."""
    import pandas

    from toolkit.pixels import decode, resize

    table = pandas.read_csv(shared / "data" / "busi" / "near_duplicates.csv")
    table = table[table["group"].map(table["group"].value_counts()) > 1]
    pictures = [resize.fit(decode.decode((shared / "data" / "busi" / "images" / name).read_bytes()).pixels, 224, 1,
                           "squash")[..., 0] for name in table["file"]]
    found = near.found(np.stack([cv2.resize(picture, (near.SIDE, near.SIDE), interpolation=cv2.INTER_AREA)
                                 for picture in pictures]))
    for _, rows in table.reset_index(drop=True).groupby("group"):
        assert len(set(found.bundle[rows.index])) == 1
