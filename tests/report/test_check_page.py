"""check.html: what was found, with pictures, within bounds, as text whatever the names say."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from tests.report.test_report import HOSTILE, LOADS, Reader, facts as run_facts
from toolkit.report import check, findings, page


def jpeg(seed=0, side=40):
    file = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 255, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


SMALL = jpeg()


def finding(check="dark", severity="warning", pictures=("a/0.png",), sentence="1 picture is dark.", remedy="Look.",
            **more):
    return {"check": check, "severity": severity, "pictures": list(pictures), "sentence": sentence, "remedy": remedy,
            **more}


def facts(*found, names=("benign", "malignant"), count=20, picture=lambda path: SMALL, **changes):
    """The facts of a look at `count` pictures, the classes in turn."""
    about = {f"a/{n}.png": {"label": names[n % len(names)], "part": ("train", "test")[n % 2]} for n in range(count)}
    return {"title": "Pictures: busi", "created": "2026-01-31", "classes": list(names),
            "counts": {"train": dict.fromkeys(names, 7), "validation": dict.fromkeys(names, 2),
                       "test": dict.fromkeys(names, 1)},
            "findings": list(found), "about": about, "picture": picture} | changes


def test_the_verdict_counts_and_says_what_comes_first():
    read = Reader(check.render(facts(finding("converted", "note"), finding(), finding("refused", "error", (), "No."),
                                     finding("tiny", "warning"), refused=["No."])))
    assert "20 pictures of 2 classes: 1 error, 2 warnings, 1 note." in read.text
    assert "A run with these options would refuse the data. No." in read.text
    assert "Begin with “dark”: Look." in read.text
    assert [row.split(",")[0] for row in re.findall(r"(?:Error|Warning|Note), \w+", read.text)] == [
        "Error", "Warning", "Warning", "Note"]


def test_the_table_adds_up():
    text = Reader(check.render(facts())).text
    assert "benign 7 2 1 10" in text and "all 14 4 2 20" in text and "Nothing is wrong with the data." in text


def test_targets_that_are_no_class_are_summed_up():
    told = {"task": "detection", "pictures": 200, "columns": ["boxes", "train", "in pictures"],
            "rows": [["RBC", 1306, 190], ["<b>", 3, None]], "lines": ["Boxes a picture: 1 to 30."]}
    text = Reader(check.render(facts(summary=told, classes=[], counts={}))).text
    assert "200 pictures for detection: nothing is wrong with them." in text and "RBC 1306 190 <b> 3" in text
    assert "Boxes a picture: 1 to 30." in text


def test_bundles_are_shown_together_with_class_and_part():
    read = Reader(check.render(facts(finding("label conflicts", pictures=("a/0.png", "a/1.png", "a/2.png", "a/4.png"),
                                             bundles=[["a/0.png", "a/1.png"], ["a/2.png", "a/4.png"]]))))
    groups = [a for tag, a in read.elements if a.get("class") == "bundle"]
    assert len(groups) == 2 and read.text.count("under 2 classes") == 1
    assert "benign train a/0.png malignant test a/1.png" in read.text
    assert [a["alt"] for tag, a in read.elements if tag == "img"] == ["benign", "malignant", "benign", "benign"]


def test_scores_are_words():
    text = Reader(check.render(facts(
        finding("label errors", pictures=("a/0.png",), scores=[.97], suggested=["malignant"]),
        finding("outliers", pictures=("a/1.png", "a/2.png"), scores=[4.25, float("nan")])))).text
    assert "labelled benign, looks like malignant, 3 % for its label" in text and "score 4.25" in text
    assert not re.search(r"\bnan\b", text)


def test_more_than_is_shown_is_counted():
    many = tuple(f"a/{n}.png" for n in range(500))
    text = Reader(check.render(facts(finding(pictures=many), finding("near", pictures=many, bundles=[
        list(many[n:n + 10]) for n in range(0, 500, 10)]), count=500))).text
    assert "24 of 500 pictures are shown." in text and "24 of 50 bundles of pictures are shown." in text
    assert "and 4 more" in text and "and 400 more, in doctor.json" in text


def test_the_page_stays_small_whatever_the_data():
    large, many = jpeg(side=300), tuple(f"{'x' * 5000}/{n}.png" for n in range(2000))
    rows = [finding(f"check {n}", "warning", many, "y" * 2000, bundles=[many[:100]] if n % 2 else [])
            for n in range(90)]
    names = [f"class {n} {'z' * 150}" for n in range(2000)]
    text = check.render(facts(*rows, names=names, picture=lambda path: large))
    assert len(text.encode()) < 8_000_000 and "And 1800 more, not listed." in text
    shown = re.findall(r'<li class="warning" id="finding-\d+">(.*?)</li>\n', text, re.S)
    assert len(large) > 50_000 and sum("<img" in one for one in shown) > 10  # the first finding does not take all


def test_a_picture_that_is_not_there_stops_nothing():
    pair = ["a/0.png", "gone.png"]
    read = Reader(check.render(facts(finding("unreadable", pictures=("gone.png",)),
                                     finding("twins", pictures=pair, bundles=[pair]),
                                     picture=lambda path: None if path == "gone.png" else SMALL)))
    assert [tag for tag, _ in read.elements].count("img") == 1 and "gone.png" in read.text and "no picture" in read.text


def test_data_of_which_nothing_could_be_looked_at():
    read = Reader(check.render({"title": "Pictures: x", "refused": ["only one class\n - a"],
                                "findings": [finding("refused", "error", (), "only one class\n - a")]}))
    assert "None of the pictures could be looked at: 1 error." in read.text and "only one class - a" in read.text


def test_F6_the_page_loads_nothing():
    text = check.render(facts(finding(), finding("b", "note"), finding("c", pictures=("a/1.png",)),
                              commands=[("all", "python -m x")], advice=["1 file left out."]))
    read = Reader(text)
    for tag, attributes in read.elements:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "video", "audio", "source")
        for name, value in attributes.items():
            assert name not in LOADS or value.startswith(("data:image/jpeg;base64,", "#")), (tag, name, value)
            assert not name.startswith("on")
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    assert "url(" not in style and "@import" not in style and "prefers-color-scheme: dark" in style
    assert "@media print" in style
    policy = next(a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:")
    names = [a["id"] for _, a in read.elements if "id" in a]
    for _, attributes in read.elements:
        if attributes.get("href"):
            assert names.count(attributes["href"][1:]) == 1
    sources = [a["src"] for tag, a in read.elements if tag == "img"]
    assert base64.b64decode(sources[0].partition(",")[2]) == SMALL


@pytest.mark.parametrize("hostile", HOSTILE)
def test_I4_hostile_names_are_text(hostile):
    rows = [finding(hostile, sentence=hostile, remedy=hostile, pictures=(hostile, "a/0.png"), suggested=[hostile] * 2,
                    scores=[.9, .8], bundles=[[hostile, "a/0.png"]] if n else []) for n in range(2)]
    given = facts(*rows, names=(hostile, "b"), title=hostile, refused=[hostile], skipped={hostile: 3}, edits=[hostile],
                  advice=[hostile], commands=[("x", hostile)])
    text = check.render(given)
    tags = {tag for tag, _ in Reader(text).elements}
    assert not tags & {"script", "b2"} and not any("onerror" in a for _, a in Reader(text).elements)
    assert all(a["src"].startswith("data:image/jpeg") for tag, a in Reader(text).elements if tag == "img")
    assert all(c == "\n" or c.isprintable() for c in text)


@pytest.mark.parametrize("odd", [{"scores": ["a", None]}, {"scores": [1]}, {"suggested": []}, {"bundles": [[]]},
                                 {"bundles": [["other.png"]]}, {"pictures": []}, {"check": ""}])
def test_odd_findings_are_drawn_as_far_as_they_go(odd):
    assert "1 picture is dark." in check.render(facts(finding(pictures=("a/0.png", "a/1.png")) | odd))


def test_every_finding_gets_pictures_before_any_gets_more():
    shown = findings.view(facts(finding(pictures=tuple(f"a/{n}.png" for n in range(20))), finding("b"), finding("c")),
                          4 * len(findings.address(SMALL)))
    assert [len(one["cards"]) for one in shown] == [2, 1, 1]


def test_the_report_of_a_run_shows_the_pictures_of_the_findings():
    given = run_facts(findings=[finding("label errors", pictures=("a/0.png",), scores=[.97], suggested=["malignant"])],
                      about={"a/0.png": {"label": "benign", "part": "train"}}, picture=lambda path: SMALL)
    text = page.render(given, {})
    assert "looks like malignant, 3 % for its label" in Reader(text).text and findings.address(SMALL) in text
    assert findings.address(SMALL) not in page.render(given | {"picture": None}, {})
