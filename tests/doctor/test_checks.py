"""Every check finds its planted fault and is silent on clean rows."""

import pandas

from toolkit.data import splits
from toolkit.doctor.checks import SEVERITIES, examine

COLUMNS = ("path", "label", "split", "group", "sha256", "fingerprint", "width", "height", "note")


def clean(count=12):
    rows = [(f"{i}.png", "ab"[i % 2], "", f"g{i}", f"h{i}", f"f{i}", 100, 80, "") for i in range(count)]
    return pandas.DataFrame(rows, columns=COLUMNS)


def planted(**cells):
    """Clean rows with `column={row: value}`."""
    rows = clean()
    for column, values in cells.items():
        for row, value in values.items():
            rows.loc[row, column] = value
    return rows


PARTS = {i: ("train", "train", "train", "train", "validation", "test")[i // 2] for i in range(12)}
CONTRACT = {  # for test_every_check
    "unreadable": ({"rows": clean(), "unreadable": [("x.png", "a", "empty")]}, "unreadable", "warning", {"x.png"}),
    "label conflicts": ({"rows": planted(sha256={1: "h0"})}, "label conflicts", "warning", {"0.png", "1.png"}),
    "duplicates": ({"rows": planted(fingerprint={2: "f0"})}, "duplicates", "note", {"0.png", "2.png"}),
    "across splits": ({"rows": planted(split=PARTS, group={10: "g0"})}, "groups across splits", "warning",
                      {"0.png", "10.png"}),
    "class missing": ({"rows": planted(split={**PARTS, 9: "train"})}, "class missing", "warning", set()),
    "imbalance": ({"rows": pandas.concat([clean(20).iloc[::2], clean(2).iloc[1:]])}, "imbalance", "warning", set()),
    "tiny": ({"rows": planted(width={4: 1}, height={4: 1})}, "tiny", "warning", {"4.png"}),
    "burnt-in text": ({"rows": planted(note={5: "DICOM: text may be burnt into the pixels, the header does not say"})},
                      "burnt-in text", "warning", {"5.png"}),
    "groups in names": ({"rows": planted(path={i: f"patient{i // 3}_{i}.png" for i in range(12)},
                                         group=dict.fromkeys(range(12), ""))}, "groups in names", "warning", set()),
    "converted": ({"rows": planted(note={3: "palette applied"})}, "converted", "note", {"3.png"}),
    "left out": ({"rows": clean(), "left_out": [("Thumbs.db", "system file")]}, "left out", "note", {"Thumbs.db"}),
    "reading": ({"rows": clean(), "notes": ["Classes joined."]}, "reading", "note", set()),
}


def checks_of(rows, **more):
    """(check, severity) of all findings but that the pictures are few."""
    return [(each.check, each.severity) for each in examine(rows, **more) if each.check != "few pictures"]


def test_clean_rows_are_left_in_peace():
    assert checks_of(clean()) == checks_of(planted(split=PARTS)) == []


def test_A9_the_same_picture_across_a_given_split():
    rows = planted(split=PARTS, sha256={10: "h0"})
    assert checks_of(rows) == [("pictures across splits", "warning"), ("duplicates", "note")]
    found = next(each for each in examine(rows) if each.check == "pictures across splits")
    assert "1 picture in more than one of train" in found.sentence and "--strict" in found.remedy


def moved(**cells):
    """What is found after the given split of `planted(split=PARTS, **cells)` was mended."""
    rows = planted(split=PARTS, **cells)
    given = rows["split"].copy()
    rows["split"] = splits.mended(given, splits.bind(rows["group"], rows["sha256"], rows["fingerprint"]), rows["label"])
    return [each for each in examine(rows, given=given) if "across" in each.check]


def test_A9_A10_what_was_moved_is_said():
    found, = moved(sha256={10: "h0", 8: "h3"}, fingerprint={4: "f10"})
    assert found.check == "pictures across splits" and found.bundles == (("0.png", "4.png", "10.png"),
                                                                         ("3.png", "8.png"))
    assert "3 pictures moved: 2 from train to test, 1 from train to validation; such as 0.png to test, for 10.png; "\
           "3.png to validation, for 8.png." in found.sentence and "--keep-split" in found.remedy
    found, = moved(group={10: "g0", 1: "g0"})
    assert (found.check, found.pictures) == ("groups across splits", ("0.png", "1.png", "10.png"))
    assert "1 group in more than one" in found.sentence and "2 pictures moved: 2 from train to test" in found.sentence


def test_A9_A10_a_bundle_by_copies_and_groups_is_told_once_as_copies():
    assert [each.check for each in moved(sha256={10: "h0"}, group={2: "g10"})] == ["pictures across splits"]
    assert [each.check for each in moved(sha256={2: "h0"}, group={10: "g2"})] == ["groups across splits"]
    assert [each.check for each in moved(sha256={10: "h0"}, group={11: "g1"})] == ["pictures across splits",
                                                                                "groups across splits"]


def test_D6_imbalance_is_warned_from_one_to_ten():
    def rows(large):
        return pandas.concat([clean(2 * large).iloc[::2], clean(2).iloc[1:]])
    assert not [each for each in examine(rows(9)) if each.check == "imbalance"]
    assert "1 to 10" in next(each for each in examine(rows(10)) if each.check == "imbalance").sentence


def test_A8_conversions_are_summed_up():
    rows = planted(note={0: "palette applied", 1: "palette applied; transparency laid over white",
                         2: "floating point, -1..1 scaled to 0..255", 3: "floating point, 0..9 scaled to 0..255",
                         4: "turned upright (EXIF orientation 6)", 5: "turned upright (EXIF orientation 3)"})
    sentences = sorted(each.sentence for each in examine(rows) if each.check in ("converted", "rotation tags"))
    assert sentences == ["1 picture converted: transparency laid over white.", "2 pictures converted: floating point.",
                         "2 pictures converted: palette applied.",
                         "2 pictures turned upright by the camera's rotation tag (EXIF)."]


def test_the_gravest_come_first():
    rows = planted(note={0: "palette applied"}, width={4: 1})
    order = [SEVERITIES.index(severity) for _, severity in checks_of(rows, left_out=[("x", "hidden")])]
    assert order == sorted(order) and len(order) == 3
