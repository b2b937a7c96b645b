"""The report and the model card: the same numbers, no request, hostile names as text."""

import base64
import io
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from toolkit.evaluation import baseline, calibration, operating
from toolkit.evaluation.scores import scores
from toolkit.report import card, figures, page, words

HOSTILE = ["<img src=http://evil.example/x onerror=alert(1)>", "![x](http://evil.example/y.png) **b** www.evil.example",
           "\u202egnp.exe\n=cmd()", "_under $x^2$ {{ 7 * 7 }} | `c`",
           "\x1b[31mred\x1b[0m </style></svg><script>x</script>"]
LOADS = {"src", "href", "srcset", "action", "formaction", "background", "poster", "data", "cite", "ping", "manifest"}


class Reader(HTMLParser):
    """Elements with their attributes, text, and the exact numbers of a page."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.numbers, self._value = [], [], [], None
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._value = float(dict(attributes)["value"]) if tag == "data" else None

    def handle_data(self, data):
        self.words.append(data)
        if self._value is not None:
            self.numbers.append((self._value, data))
            self._value = None


def facts(classes=("benign", "malignant", "normal"), n=60, seed=0, groups=None, **changes):
    """A whole set of facts, as a run would give them."""
    random, k = np.random.default_rng(seed), len(classes)
    truth, classes = np.arange(n) % k, list(classes)

    def answers(lift):
        return calibration.softmax(random.normal(size=(n, k)) + lift * np.eye(k)[truth])

    final, probe = answers(2.5), answers(1.0)
    wrong = np.flatnonzero(final.argmax(axis=1) != truth)
    return {
        "title": "a run", "task": "classification", "created": "2026-01-31", "classes": classes,
        "metrics": {
            "schema": 1, "task": "classification", "classes": classes, "test": scores(truth, final, classes, groups),
            "validation": scores(truth, probe, classes), "chosen": "layer4",
            "baseline": {"majority": baseline.majority(truth, truth, classes)},
            "probe": {"test": scores(truth, probe, classes), "validation": scores(truth, probe, classes)}},
        "predictions": {"test": (truth, final)}, "curves": operating.curves(truth, final, classes),
        "history": [{"stage": stage, "epoch": epoch, "train_loss": 1 / epoch, "validation_loss": 1.1 / epoch,
                     "rates": {stage: 1e-3 / epoch}} for stage in ("head", "layer4") for epoch in (1, 2, 3)],
        "findings": [{"check": "conflict", "severity": "error", "sentence": f"In two classes: {classes[0]}",
                      "remedy": "Remove one.", "pictures": [f"{classes[0]}/1.png"]}],
        "counts": {part: {name: n // k for name in classes} for part in ("train", "validation", "test")},
        "skipped": {"truncated": 2}, "converted": {"16 bit": 3},
        "mistakes": [{"path": f"{classes[truth[i]]}/{i}.png", "label": classes[truth[i]],
                      "predicted": classes[final[i].argmax()], "probability": float(final[i].max()),
                      "thumbnail": np.full((40, 60, 3), 90, np.uint8)} for i in wrong],
        "network": {"backbone": "resnet18", "weights": "imagenet", "licence": "MIT", "size": 64, "channels": 3,
                    "resize": "crop", "random": False},
        "decision": f"layer4 was kept: it ranks {classes[0]} better.", "options": {"seed": 3},
        "seconds": {"probe": 1.5, "total": 75.0}, "probe_loss": 0.7, "machine": {"cores": 2}, "run": {"seed": 3},
    } | changes


def entries(block):
    return {name: row for name, row in block.items() if isinstance(row, dict) and "value" in row}


def test_F1_the_report_shows_the_numbers_of_metrics_json_with_counts_and_intervals():
    given = facts()
    read = Reader(page.render(given, {}))
    exact = {value for value, _ in read.numbers}
    test = given["metrics"]["test"]
    blocks = [test, given["metrics"]["validation"], given["metrics"]["probe"]["test"],
              given["metrics"]["baseline"]["majority"]]
    for row in [row for block in blocks for row in entries(block).values()] + [
            row[name] for row in test["per_class"].values() for name in words.CLASS_SCORES]:
        assert {row[key] for key in ("value", "low", "high") if row[key] is not None} <= exact
    for value, shown in read.numbers:
        assert shown in (words.number(value), words.percent(value))
    assert "60 test pictures, used once" in read.text and "1000 resamples of 60 pictures" in read.text


def test_F1_the_card_shows_the_same_figures_as_the_report():
    given = facts()
    text = card.text(given)
    for row in entries(given["metrics"]["test"]).values():
        assert f"{words.number(row['value'])} ({words.between(row)})" in text or row["low"] is None
    assert words.verdict(given) in text.replace("\\", "")


def test_F2_the_confusion_table_sums_to_the_counts_of_the_classes():
    given = facts()
    table = page._matrix(given)
    assert [row["sum"] for row in table["rows"]] == [given["metrics"]["test"]["per_class"][name]["n"]
                                                     for name in given["classes"]]
    assert sum(table["sums"]) == table["n"] == 60
    many = facts([f"c{i:02d}" for i in range(20)], n=200)
    assert page._matrix(many) is None and "Most frequent confusions" in page.render(many, {})
    pairs = words.confusions(many, most=1000)
    assert sum(pair["n"] for pair in pairs) == len(many["mistakes"])


@pytest.mark.parametrize("classes", [("benign", "malignant"), HOSTILE])
def test_F6_the_report_loads_nothing(classes):
    text = page.render(facts(classes, title="http://evil.example/"))
    read = Reader(text)
    for tag, attributes in read.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "video", "audio", "source")
        for name, value in attributes.items():
            assert name not in LOADS or value.startswith(("data:image/jpeg;base64,", "#")), (tag, name, value)
            assert not name.startswith("on") and (name != "style" or "url(" not in value)
            assert "url(" not in value or re.fullmatch(r"url\(#[\w.-]+\)", value)
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in style and "@import" not in style and text.count("<style") == 1
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")
    assert "prefers-color-scheme: dark" in style and "@media print" in style


def test_F6_every_reference_within_the_page_has_its_target_once():
    read = Reader(page.render(facts()))
    names = [a["id"] for _, a in read.elements if "id" in a]
    for _, attributes in read.elements:
        for value in attributes.values():
            for target in re.findall(r"^#([\w.-]+)$|url\(#([\w.-]+)\)", value or ""):
                assert names.count(target[0] or target[1]) == 1, target


def test_I4_hostile_names_are_text_in_the_report():
    given = facts(HOSTILE, title=HOSTILE[0], decision=HOSTILE[4], skipped={HOSTILE[0]: 1},
                  options={HOSTILE[4]: HOSTILE[0]})
    text = page.render(given)
    read = Reader(text)
    tags = {tag for tag, _ in read.elements}
    assert "script" not in tags and not any("onerror" in a for _, a in read.elements)
    assert all(a["src"].startswith("data:image/jpeg") for tag, a in read.elements if tag == "img")
    assert HOSTILE[0] in read.text and "\\u202egnp.exe\\n=cmd()" in read.text
    assert "{{ 7 * 7 }}" in read.text and "_under $x^2$" in read.text
    for c in text:
        assert c == "\n" or c.isprintable(), hex(ord(c))
    tame = Reader(page.render(facts([f"c{i}" for i in range(5)], title="t"), {}))
    assert {tag for tag, _ in tame.elements} == {tag for tag, _ in Reader(page.render(given, {})).elements}


def test_I4_hostile_names_are_text_in_the_card():
    text = card.text(facts(HOSTILE, title=HOSTILE[1], decision="- " + HOSTILE[0]))
    before, code, after = text.split("```")
    assert code == card.text(facts(HOSTILE[::-1])).split("```")[1]  # the lines are the same whatever the names are
    for line in (before + after).splitlines():
        bare = re.sub(r"\\.", "", line)
        if not line.startswith("> "):
            assert not re.search(r"[<`\[\]*]|!\[|www\.|://", bare), line
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {len(re.sub(r"\\.", "", line).split("|")) - 2 for line in tables}
    assert widths == {4, 7}
    assert [card.escaped(name) for name in ("- a", "12. a", "=a", "0.950")] == ["\\- a", "12\\. a", "\\=a", "0\\.950"]
    assert "\u202e" not in text and "\x1b" not in text


def test_thumbnails_are_small_and_made_anew():
    grey, wide = page.thumbnail(np.zeros((500, 300, 1))), page.thumbnail(np.full((20, 2000, 3), 200, np.uint8))
    for address, size in ((grey, (106, 176)), (wide, (176, 2))):
        head, _, body = address.partition(",")
        picture = Image.open(io.BytesIO(base64.b64decode(body)))
        assert head == "data:image/jpeg;base64" and picture.format == "JPEG"
        assert picture.size == size and not picture.getexif()


def test_D5_an_undefined_score_is_a_dash_with_its_reason():
    given = facts()
    truth = np.arange(40) % 2
    given["metrics"]["test"] = scores(truth, calibration.softmax(np.eye(3)[truth]), given["classes"])
    given["predictions"] = {"test": (truth, calibration.softmax(np.eye(3)[truth]))}
    given["curves"] = operating.curves(*given["predictions"]["test"], given["classes"])
    assert list(given["curves"]) == ["benign", "malignant"]
    read = Reader(page.render(given, {}))
    assert "– class 'normal' has no picture in this part" in read.text
    assert "cannot be scored (class 'normal' has no picture in this part)" in words.verdict(given)
    assert not re.search(r"\b(nan|(?<!\[)None|inf)\b", read.text)
    assert "ROC AUC is not defined: class 'normal' has no picture in this part." in words.caveats(given)
    assert not re.search(r"\bnan\b", card.text(given))


def test_D6_imbalance_is_told_and_the_majority_stands_beside():
    given = facts(("common", "rare"), counts={"train": {"common": 990, "rare": 10}})
    read = Reader(page.render(given, {}))
    assert "The biggest class has 99 times the pictures of the smallest" in read.text
    assert "always answering 'common' would be right for 50.0 %" in read.text


def test_random_weights_and_results_no_better_than_guessing_are_said_at_the_top():
    given = facts(network={"random": True})
    assert Reader(page.render(given, {})).text.count("began from random weights") == 1
    assert "began from random weights" in card.text(given)
    truth = np.arange(40) % 2
    given["metrics"]["test"] = scores(truth, np.tile([0.6, 0.4], (40, 1)), given["classes"][:2])
    assert "not shown to be better than guessing" in words.judgement(given)
    assert not words.judgement(facts()) and not words.random_weights(facts())


def test_what_is_left_without_known_test_pictures_is_said():
    given = facts()
    assert words.without_copies(given) == ""
    truth = np.arange(8) % len(given["classes"])
    known, classes = given["metrics"]["test"]["n"] - 8, given["classes"]
    given["metrics"]["test_without_copies"] = scores(truth, np.eye(len(classes))[truth], classes)
    said = words.without_copies(given)
    assert said.startswith(f"{known} of the {known + 8} pictures") and "on the other 8 ROC AUC is 1.000" in said
    assert said in Reader(page.render(given, {})).text and said in card.text(given)
    given["metrics"]["test_without_copies"] = scores(truth[:0], np.zeros((0, len(classes))), classes)
    assert "no other is left" in words.without_copies(given) and page.render(given, {})


def test_groups_are_named_where_there_are_any():
    given = {"named": 20, "parted": 0, "without": 0}
    with_groups = facts(groups=np.arange(60) // 3) | {"groups": given}
    assert "60 test pictures never used in training (20 of them independent)" in words.verdict(with_groups)
    said = " ".join(words.caveats(with_groups))
    assert "No groups were given" not in said and "none of 20 stands in more than one part." in said
    assert "only 20 independent pictures" in said and "resampling 20 independent units: pictures of one group" in said
    for text in (Reader(page.render(with_groups, {})).text, card.text(with_groups).replace("\\", "")):
        assert "20 independent units (pictures of one group, and copies and near duplicates" in text


def test_copies_in_the_test_part_are_no_groups():
    copies = facts(groups=np.minimum(np.arange(60), 57)) | {"groups": {"named": 0, "parted": 0, "without": 180}}
    said = " ".join(words.caveats(copies))
    assert "No groups were given" in said and "part." not in said and "58 independent units" in said
    assert "60 test pictures never used in training (58 of them independent)" in words.verdict(copies)
    assert all("No groups were given" in text for text in (page.render(copies, {}), card.text(copies)))


def test_groups_of_one_test_picture_each_were_given():
    said = " ".join(words.caveats(facts() | {"groups": {"named": 90, "parted": 0, "without": 0}}))
    assert "No groups" not in said and "none of 90 stands in more than one part." in said and "units" not in said


@pytest.mark.parametrize("groups, more, said", [
    ((9, 2, 0), {}, "2 of 9 stand in more than one part, as in the split that came with"),
    ((9, 0, 3), {}, "; 3 pictures have none: if some show one patient, plant or lot, they"),
    ((9, 0, 0), {"part": "pictures"}, "Groups were given: 9 among the measured pictures."),
    ((0, 0, 9), {"part": "pictures"}, "otherwise the intervals are too narrow")])
def test_what_became_of_groups_is_said_as_it_is(groups, more, said):
    groups = dict(zip(("named", "parted", "without"), groups))
    found = words.caveats(facts(**more) | {"groups": groups})
    assert sum(said in sentence for sentence in found) == 1
    assert any("none of" in sentence for sentence in found) == (not more and not groups["parted"])


def test_the_least_facts_make_a_report_and_a_card():
    given = {name: facts()[name] for name in ("title", "classes")}
    given["metrics"] = {"test": facts()["metrics"]["test"]}
    assert Reader(page.render(given)).text.startswith("a run")
    assert card.text(given).startswith("# a run")


def test_the_probe_stands_as_a_line_among_the_learning_curves():
    assert "probe, validation" in figures.draw(facts())["learning"]
    assert "probe, validation" not in figures.draw(facts(probe_loss=None))["learning"]


def test_every_figure_is_drawn_and_deterministic():
    drawings = figures.draw(facts())
    assert list(drawings) == list(page.TITLES)
    assert drawings == figures.draw(facts())
    for name, svg in drawings.items():
        inside = figures.inline(svg, name, "a & \"b\"")
        assert "http" not in inside and not re.search(r"#[0-9a-f]{6}", inside) and "mathdefault" not in svg
        ElementTree.fromstring(inside)


def test_figures_with_classes_without_pictures_and_without_predictions():
    truth, p = np.zeros(10, int), np.tile([0.7, 0.2, 0.1], (10, 1))
    assert operating.curves(truth, p, list("abc")) == {}  # no class has both sides
    assert figures.roc({}, list("abc"), {}) is None
    assert figures.draw(facts(predictions={}, curves={}, history=[], counts={})).keys() == {"confusion"}
    history = [{"stage": "head", "epoch": 1, "train_loss": None, "validation_loss": float("nan")}]
    assert figures.learning(history, None) and figures.rates(history) is None


def test_write_leaves_the_page_the_figures_and_the_card(tmp_path):
    page.write(tmp_path / "report.html", facts(), tmp_path / "figures")
    card.write(tmp_path / "model_card.md", facts())
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == set(page.TITLES)
    assert (tmp_path / "report.html").read_text("utf-8").startswith("<!doctype html>")
    assert (tmp_path / "model_card.md").read_text("utf-8").startswith("# a run")
    for path in (tmp_path / "figures").iterdir():
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


@pytest.mark.parametrize("seconds, said", [(None, "–"), (3.21, "3.2 s"), (119.2, "119 s"), (200, "3 min 20 s"),
                                           (7500, "2 h 5 min")])
def test_durations_are_said_in_plain_units(seconds, said):
    assert words.duration(seconds) == said
