"""Beside the subject: what tells the class is warned of, and chance is not."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests.doctor import planted
from toolkit.doctor import shortcut, traits
from toolkit.doctor.findings import Case

COUNT = 240
SIDE = planted.labels(planted.rows()) == 1  # the second class
RNG = np.random.default_rng(0)
SIZES = planted.rows()["bytes"].to_numpy()
CONTRACT = {  # for test_every_check
    "shortcut": ({"rows": planted.rows(bytes=np.where(SIDE, SIZES * 2, SIZES)), "looks": planted.looks()},
                       "shortcut", "warning", set())}
PLANTED = {
    "file size": {"bytes": np.where(SIDE, SIZES * 2, SIZES)},
    "dimensions": {"width": np.where(SIDE, 500, 400), "bytes": 0},
    "camera": {"camera": np.where(SIDE & (RNG.random(COUNT) < 0.8), "ACME 7", "Other")},
    "rotation tag": {"note": np.where(SIDE & (RNG.random(COUNT) < 0.7), "turned upright (EXIF orientation 6)", "")},
    "file format": {"mode": np.where(SIDE, "L", "RGB")},
    "brightness": {"brightness": np.where(SIDE, 0.6, 0.5) + RNG.normal(0, 0.05, COUNT)},
    "marks": {"letters": np.where(SIDE & (RNG.random(COUNT) < 0.7), 8, 0)},
}


def found(rows, looks=None, near=None):
    return list(shortcut.CHECKS["shortcut"](Case(rows, looks=looks, near=near)))


def planted_in(name):
    given = PLANTED[name]
    if set(given) <= set(planted.looks()._fields):
        return planted.rows(), planted.looks(**given)
    return planted.rows(**given), planted.looks()


@pytest.mark.parametrize("name", PLANTED)
def test_every_trait_is_found_and_no_other(name):
    (told,) = found(*planted_in(name))
    assert told.severity == "warning" and f"subject: {name} alone" in told.sentence
    assert not [other for other in PLANTED if other != name and f"; {other} alone" in told.sentence]
    kind = next(trait.kind for trait in traits.traits(Case(*planted_in(name)[:1], looks=planted_in(name)[1]))
                if trait.name == name)
    assert told.remedy == shortcut.ADVICE[kind]


@pytest.mark.parametrize("name, words", [
    ("file size", "pictures of 'b' are larger files"), ("dimensions", "pictures of 'b' are "),
    ("camera", "'ACME 7', of the others 0%"), ("brightness", "pictures of 'b' are brighter"),
    ("marks", "'with such marks', of the others 0%")])
def test_the_sentence_says_in_which_way(name, words):
    assert words in found(*planted_in(name))[0].sentence


def test_the_area_is_that_of_the_planted_one():
    """Normal values that lie d apart have a ROC area of Phi(d / sqrt 2)."""
    from scipy.stats import norm

    for apart in (1.0, 1.5):
        side = np.arange(2000) % 2 == 1
        values = np.random.default_rng(1).normal(0.5 + 0.02 * apart * side, 0.02)
        (told,) = found(planted.rows(2000, bytes=0), planted.looks(2000, brightness=values))
        area = float(told.sentence.split("ROC AUC of ")[1].split()[0])
        low, high = map(float, told.sentence.split("interval ")[1].split(")")[0].split(" to "))
        assert area == pytest.approx(norm.cdf(apart / 2**0.5), abs=0.03) and low < area < high < low + 0.08


def test_what_is_not_monotone_is_found_too():
    values = np.where(SIDE, 0.5, np.where(RNG.random(COUNT) < 0.5, 0.3, 0.7)) + RNG.normal(0, 0.02, COUNT)
    assert "are of a kind of their own" in found(planted.rows(), planted.looks(brightness=values))[0].sentence


def test_traits_that_tell_the_class_together_are_warned_of():
    rng = np.random.default_rng(0)
    side = np.arange(1000) % 2
    weak = 0.5 + 0.05 * (rng.normal(size=1000) + 0.6 * side)
    rows = planted.rows(1000, camera=np.where(rng.random(1000) < 0.35 + 0.3 * side, "A", "B"))
    rows["bytes"] = (rows["bytes"] * (1 + 0.1 * (rng.normal(size=1000) + 0.6 * side))).astype(int)
    (told,) = found(rows, planted.looks(1000, brightness=weak))
    assert told.severity == "warning" and "together reach a ROC AUC of 0.7" in told.sentence
    assert all(shortcut.ADVICE[kind] in told.remedy for kind in (traits.TAKEN, traits.STORED, traits.LIT))


def test_one_class_of_several_is_enough():
    rows = planted.rows(600, "abcdef")
    rows["width"] = np.where(rows["label"] == "d", 800, rows["width"])
    (told,) = found(rows, planted.looks(600))
    assert told.severity == "warning" and "best for 'd' (1.00): pictures of 'd' are " in told.sentence


@pytest.mark.parametrize("count, classes", [(20, "ab"), (40, "ab"), (100, "ab"), (60, "abc"), (300, "abcdef")])
def test_chance_is_stated_and_not_warned_of(count, classes):
    warned = 0
    for seed in range(60):
        (told,) = found(planted.rows(count, classes, seed), planted.looks(count, seed))
        warned += told.severity != "note"
        assert told.severity != "note" or "tells little of the class" in told.sentence
    assert warned <= 1


def test_what_belongs_together_is_counted_once():
    """Forty patients of one class each, of whose pictures all have one size."""
    rows, warned = planted.rows(400, bytes=0), []
    patient = np.arange(400) // 10
    for seed in range(20):
        rng = np.random.default_rng(seed)
        rows["label"] = np.where(rng.permutation(np.arange(40) % 2 == 0)[patient], "a", "b")
        rows["width"] = rng.integers(200, 900, 40)[patient]
        near = SimpleNamespace(bundle=patient)
        warned.append([found(rows.assign(group=group), None, by)[0].severity == "warning"
                       for group, by in (("", None), ([f"p{one}" for one in patient], None), ("", near))])
    alone, grouped, alike = np.sum(warned, 0)
    assert alone >= 10 and grouped <= 1 and alike <= 1


def test_ten_against_ten_that_are_told_apart_in_full_are_warned_of():
    rows = planted.rows(20)
    rows["bytes"] += 10**6 * planted.labels(rows)
    assert found(rows)[0].severity == "warning"


def test_small_classes_and_arrays_are_left_aside():
    rows = planted.rows(label=np.where(np.arange(COUNT) < 4, "rare", "a"))
    assert found(rows) == [] and found(planted.rows(bytes=0, width=300, height=200)) == []
    rows = planted.rows(bytes=0, mode="array uint8 x 1", path=[f"train_images[{i}]" for i in range(COUNT)])
    assert [trait.name for trait in traits.traits(Case(rows))] == ["dimensions"]
