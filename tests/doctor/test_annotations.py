"""Every check of boxes and masks finds its planted fault and is silent on clean ones."""

import io

import numpy as np
import pandas
import pytest
from PIL import Image

from toolkit.data.reading import Box
from toolkit.doctor import annotations
from toolkit.doctor.checks import examine
from toolkit.doctor.targets import Targets, meant
from toolkit.pixels import labels

SIDE = 64
COLUMNS = ("path", "label", "split", "group", "sha256", "fingerprint", "width", "height", "note")


def rows(count, **cells):
    found = pandas.DataFrame([(f"{i}.png", "", "", f"g{i}", f"h{i}", f"f{i}", SIDE, SIDE, "") for i in range(count)],
                             columns=COLUMNS)
    for column, values in cells.items():
        for row, value in values.items():
            found.loc[row, column] = value
    return found


def boxes(*more, count=12):
    """Two good boxes a picture, and `more` boxes in the first."""
    good = [tuple(Box(name, 5 + i, 6, 25 + i, 30) for name in ("cell", "dust")[:1]) + (Box("dust", 35, 35, 50, 45 + i),)
            for i in range(count)]
    return Targets("detection", (good[0] + more, *good[1:]), ("cell", "dust"))


def png(numbers, mode=None, format="PNG"):
    file = io.BytesIO()
    Image.fromarray(np.asarray(numbers), mode).save(file, format)
    return file.getvalue()


def disc(value=255, x=30, y=30, radius=10, side=SIDE, dtype=np.uint8):
    down, across = np.mgrid[:side, :side]
    return np.where((across - x) ** 2 + (down - y) ** 2 <= radius**2, value, 0).astype(dtype)


def cells(number=5, first=1, side=SIDE):
    """A label image of `number` squares."""
    picture = np.zeros((side, side), np.uint8)
    for i in range(number):
        picture[4 + 12 * (i // 5):12 + 12 * (i // 5), 4 + 12 * (i % 5):12 + 12 * (i % 5)] = first + i
    return picture


def masks(*sources):
    found = [source and labels.facts(source) for source in sources]
    return Targets("segmentation", tuple(found), meaning=meant([mask for mask in found if mask and not mask.error]))


CLEAN_MASKS = [png(disc(x=20 + i)) for i in range(6)]
INSTANCES = [png(cells(3 + i)) for i in range(6)]
FAULTS = [  # name of the finding, severity, pictures, targets, cells of the rows, a word of the sentence
    ("boxes outside", "warning", {"0.png"}, boxes(Box("cell", 50, 5, 80, 20)), {}, "1 box in 1 picture reach"),
    ("boxes outside", "warning", {"0.png"}, boxes(Box("cell", -9, 5, 20, 20)), {}, "-9 to 20 across"),
    ("empty boxes", "warning", {"0.png"}, boxes(Box("cell", 9, 9, 9, 20)), {}, "no width or height"),
    ("empty boxes", "warning", {"0.png"}, boxes(Box("cell", 30, 9, 9, 20)), {}, "exchanged"),
    ("double boxes", "warning", {"0.png"}, boxes(Box("cell", 5, 6, 25, 30.5)), {}, "stand twice"),
    ("boxes of two classes", "warning", {"0.png"}, boxes(Box("dust", 5, 6, 25, 30)), {}, "under two classes"),
    ("tiny boxes", "warning", {"0.png"}, boxes(Box("cell", 9, 9, 11, 20)), {}, "a side under 4 pixels"),
    ("few boxes", "warning", set(), boxes(Box("rare", 9, 40, 29, 60)), {}, "'rare' (1 box in 1 picture)"),
    ("boxes around all", "note", {"0.png"}, boxes(Box("cell", 0, 0, 64, 64)), {}, "as large as the picture"),
    ("no box", "note", {"0.png"}, Targets("detection", ((), *boxes().truth[1:]), ("cell", "dust")), {}, "1 picture"),
    ("turned pictures", "warning", {"3.png"}, boxes(), {"note": {3: "turned upright (EXIF orientation 6)"}},
     "unturned"),
    ("label conflicts", "warning", {"0.png", "4.png"}, boxes(), {"sha256": {4: "h0"}}, "different boxes"),
    ("unreadable masks", "warning", {"6.png"}, masks(*CLEAN_MASKS, b"no"), {}, "not a picture (1)"),
    ("mask sizes", "warning", {"6.png"}, masks(*CLEAN_MASKS, png(disc(side=40))), {}, "40 x 40 for 6.png of 64 x 64"),
    ("mask sizes", "warning", {"0.png"}, masks(*CLEAN_MASKS), {"width": {0: 90}}, "of 90 x 64"),
    ("mask values", "warning", {"6.png"}, masks(*CLEAN_MASKS, png(disc(x=33), format="JPEG")), {}, "stored as JPEG"),
    ("mask values", "warning", {"6.png"}, masks(*CLEAN_MASKS, png(
        np.asarray(Image.fromarray(disc()).resize((32, 32)).resize((SIDE, SIDE), 2)))), {}, "resizing"),
    ("mask values", "warning", set(), masks(*CLEAN_MASKS, png(disc(1))), {}, "255 (6) and 1 (1)"),
    ("coloured masks", "warning", {"6.png"}, masks(*CLEAN_MASKS, png(np.stack([disc(), disc(9), disc(200)], 2))), {},
     "in colours"),
    ("empty masks", "note", {"6.png"}, masks(*CLEAN_MASKS, png(disc(0))), {}, "mark nothing"),
    ("full masks", "warning", {"6.png"}, masks(*CLEAN_MASKS, png(disc(radius=99))), {}, "mark all"),
    ("no mask", "note", {"6.png"}, masks(*CLEAN_MASKS, None), {}, "1 picture without a mask"),
    ("instance numbers", "note", {"6.png"}, masks(*INSTANCES, png(np.where(cells(20) == 7, 0, cells(20)))), {},
     "not 1 to the number"),
    ("instances in pieces", "note", {"6.png"}, masks(*INSTANCES, png(np.where(cells(9) == 9, 1, cells(9)))), {},
     "1 instance in 1 mask"),
    ("label conflicts", "warning", {"0.png", "4.png"}, masks(*CLEAN_MASKS), {"sha256": {4: "h0"}}, "different masks"),
]


def contract(faults, checks, **other):
    """The first of `faults` for each of `checks`, for test_every_check; other: findings not named like their row."""
    def told(row):
        name, severity, pictures, targets, cells, _ = next(one for one in faults if one[0] == other.get(row, row))
        return {"rows": rows(len(targets.truth), **cells), "targets": targets}, name, severity, pictures

    return {row: told(row) for row in checks}


CONTRACT = contract(FAULTS, annotations.CHECKS, instances="instance numbers")


@pytest.mark.parametrize("name, severity, pictures, targets, cells, word", FAULTS,
                         ids=[f"{number} {fault[0]}" for number, fault in enumerate(FAULTS)])
def test_every_check_finds_its_planted_fault(name, severity, pictures, targets, cells, word):
    found = [one for one in examine(rows(len(targets.truth), **cells), targets=targets) if one.check == name]
    assert len(found) == 1 and found[0].severity == severity and set(found[0].pictures) == pictures
    assert word in found[0].sentence and found[0].sentence.endswith(".") and found[0].remedy.endswith(".")


def test_every_check_has_a_planted_fault():
    found = set()
    for name, check in annotations.CHECKS.items():
        hits = {fault[0] for fault in FAULTS
                for one in examine(rows(len(fault[3].truth), **fault[4]), targets=fault[3]) if one.check == fault[0]}
        found |= hits
        assert name in hits or {"instances": "instance numbers"}.get(name) in hits, (name, check)
    assert found == {fault[0] for fault in FAULTS}


@pytest.mark.parametrize("targets", [boxes(), masks(*CLEAN_MASKS), masks(*INSTANCES)])
def test_clean_annotations_are_left_in_peace(targets):
    assert examine(rows(len(targets.truth)), targets=targets) == []


def test_what_numbers_in_masks_mean():
    assert masks(*CLEAN_MASKS).meaning == "one" and masks(*INSTANCES).meaning == "instances"
    classes = [png(np.where(disc(x=20, value=1 + i % 3) > 0, 1 + i % 3, np.roll(disc(value=1 + (i + 1) % 3), 25)))
               for i in range(6)]
    assert masks(*classes).meaning == "classes" and masks(png(disc(0))).meaning == ""


def test_masks_are_read_as_they_stand():
    deep = labels.read(png(cells(20).astype(np.uint16) + 300 * (cells(20) > 0).astype(np.uint16)))
    assert deep.numbers.max() == 320 and deep.mode.startswith("I")
    palette = Image.fromarray(cells(3))
    palette = palette.convert("L")
    palette.putpalette([0, 0, 0, 200, 0, 0, 0, 200, 0, 0, 0, 200] + [0] * 756)
    file = io.BytesIO()
    palette.save(file, "PNG")
    assert sorted(set(labels.read(file.getvalue()).numbers.ravel())) == [0, 1, 2, 3]
    grey = labels.facts(png(np.stack([disc()] * 3, 2)))
    assert grey.numbers == (255,) and not grey.coloured and grey.pieces == (1,)
    two = labels.facts(png(disc() | disc(x=55, y=55, radius=4)))
    assert two.pieces == (2,) and two.pixels == (int((disc() > 0).sum() + (disc(x=55, y=55, radius=4) > 0).sum()),)


@pytest.mark.parametrize("source, word", [(b"", "0 bytes"), (b"words", "not a picture"), (png(disc())[:90], "damaged")])
def test_A7_masks_that_cannot_be_read_say_why(source, word):
    assert word in labels.facts(source).error


def test_I3_a_mask_of_noise_is_not_counted_for_minutes():
    noise = np.random.default_rng(0).integers(0, 60_000, (400, 400)).astype(np.uint16)
    found = labels.facts(png(noise))
    assert found.pieces == () and not found.error and len(found.numbers) > 1000


def test_doubles_are_found_among_many_boxes():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 5000, (600, 2))
    found = [Box("cell", x, y, x + 20, y + 20) for x, y in corners] + [
        Box("cell", *corners[7] + 0.1, *corners[7] + 20.1), Box("cell", *corners[300], *corners[300] + 20)]
    assert {tuple(sorted(map(int, pair))) for pair in annotations.doubles(found)} == {(7, 600), (300, 601)}
    assert annotations.overlap(Box("a", 0, 0, 10, 10), Box("a", 5, 0, 15, 10)) == pytest.approx(1 / 3)
