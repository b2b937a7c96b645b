"""Cards: what stands in one is held to its form, and every card of ours says what a person needs."""

import re
import runpy
from pathlib import Path

import pytest

from toolkit.data import cards, manifest
from toolkit.errors import DataError, OptionError

EVERY = cards.names()
MEDMNIST = ("pathmnist chestmnist dermamnist octmnist pneumoniamnist retinamnist breastmnist bloodmnist tissuemnist "
            "organamnist organcmnist organsmnist").split()
LEAST = """title = "T"
subject = "plants"
about = "A."
task = "classification"
pictures = 2
classes = 2
licence = "MIT"
homepage = "https://example.org"
citation = "C"
sources = ["S"]
"""
FILES = '[[files]]\nfile = "a.zip"\nurls = ["https://example.org/a.zip"]\n'
REST = FILES + '[reading]\nsplit = "none"\n'


@pytest.fixture
def card(tmp_path):
    """Writes a card and reads it."""
    def made(text):
        (tmp_path / "mine").mkdir(exist_ok=True)
        (tmp_path / "mine" / "card.toml").write_text(text, encoding="utf-8")
        return cards.read(tmp_path / "mine" / "card.toml")
    return made


def test_the_sets_that_are_promised_have_cards():
    assert set(MEDMNIST) <= set(EVERY) and len(EVERY) - len(MEDMNIST) >= 8
    for name in MEDMNIST:
        found, _ = cards.find(name)
        assert found.sizes == (28, 224) and all(file.md5 for file in found.files)
    assert {cards.find(name)[0].subject for name in EVERY} == set(cards.SUBJECTS)
    assert cards.find("chestmnist")[0].task == "multi-label" and cards.find("retinamnist")[0].task == "ordinal"


def test_an_installation_takes_every_card_along(monkeypatch):
    setuptools = pytest.importorskip("setuptools")
    given, root = [], Path(cards.__file__).parents[2]
    monkeypatch.chdir(root)
    monkeypatch.setattr(setuptools, "setup", lambda data_files: given.extend(data_files))
    runpy.run_path(str(root / "setup.py"))
    assert given == [(f"share/toolkit/datasets/{name}", [f"datasets/{name}/card.toml"]) for name in EVERY]


@pytest.mark.parametrize("name", EVERY)
def test_every_card_says_what_a_person_needs(name):
    found, _ = cards.find(name)
    assert found.name == name and re.fullmatch(r"[a-z0-9-]+", name)
    assert found.about.endswith(".") and found.citation and found.licence and found.homepage.startswith("http")
    assert found.sources and found.traps and all(trap.endswith(".") for trap in found.traps)
    assert found.reading.split.startswith(("none", "train, validation, test"))
    assert bool(found.reading.group) == bool(found.reading.group_pattern)
    assert not found.meanings or len(found.meanings) == found.classes
    for result in found.results:
        assert result.model and result.score and result.on and result.paper
    for file in found.files:  # an address that cannot be held to a checksum at least cannot be changed on its way
        assert file.sha256 or file.md5 or all(url.startswith("https://") for url in file.urls)


def test_a_card_of_ones_own_is_read(card):
    found = card(LEAST + REST)
    assert (found.name, found.title, found.files[0].file, found.sizes) == ("mine", "T", "a.zip", ())
    assert cards.find(str(found.path))[0] == found


@pytest.mark.parametrize("text, said", [
    (LEAST + "colour = 1\n" + REST, "colour is no key here"),
    (LEAST + 'licens = "MIT"\n' + REST, "did you mean licence?"),
    (LEAST + REST + '[table]\nrow = "(?P<label>x)"\nnmaes = {}\n', "table: nmaes is no key here, did you mean names?"),
    (LEAST + REST + '[[results]]\nmodel = "a"\n', "results 1: score is missing"),
    (LEAST.replace('licence = "MIT"\n', "") + REST, "licence is missing"),
    (LEAST.replace('"MIT"', "3") + REST, "licence: wanted text, got 3"),
    (LEAST.replace("pictures = 2", 'pictures = "2"') + REST, "pictures: wanted a whole number, got '2'"),
    (LEAST.replace("pictures = 2", "pictures = true") + REST, "pictures: wanted a whole number, got True"),
    (LEAST.replace('["S"]', '"S"') + REST, "sources: wanted a list"),
    (LEAST.replace('["S"]', "[1]") + REST, "sources 1: wanted text, got 1"),
    (LEAST.replace("classification", "guessing") + REST, "task is 'guessing'; known: classification"),
    (LEAST.replace("plants", "music") + REST, "subject is 'music'; known: medical"),
    (LEAST + REST.replace("a.zip\"\n", "../a.zip\"\n", 1), "file wants a plain name"),
    (LEAST + REST.replace("a.zip\"\n", "whole\"\n", 1), "file wants a plain name"),
    (LEAST + REST.replace("https://example.org/a", "file:///etc/a"), "https:// or http://"),
    (LEAST + REST.replace('urls = ["', 'md5 = "123"\nurls = ["'), "md5 wants 32 hexadecimal digits"),
    (LEAST + FILES + REST, "each of another name"),
    (LEAST + REST + 'data = "../x"\n', "outside the fetched folder"),
    (LEAST + REST + 'group_pattern = "no brackets"\n', "group_pattern"),
    (LEAST + REST + '[table]\nrow = "("\n', "no regular expression"),
    (LEAST + REST + '[table]\nrow = "x"\n', "row wants a named group label"),
    (LEAST + REST + '[table]\nrow = "(?P<label>x)"\nlist = "a.csv"\n', "and path"),
    (LEAST + REST + '[table]\nrow = "(?P<label>x)"\nsplits = {val = ["a"]}\n', "splits are train, validation and test"),
    (LEAST + 'name = "x"\n' + REST, "name is no key"),
    ("title = \n", "is no TOML"),
])
def test_a_wrong_card_is_refused_by_file_and_key(card, tmp_path, text, said):
    with pytest.raises(DataError) as refused:
        card(text)
    assert said in str(refused.value) and str(tmp_path / "mine" / "card.toml") in str(refused.value)


@pytest.mark.parametrize("name, near", [("breastmist", "breastmnist"), ("eurosta", "eurosat"),
                                        ("ucmerced", "uc-merced")])
def test_B2_a_name_that_is_none_is_answered_with_the_near_one(name, near):
    with pytest.raises(OptionError, match=f"did you mean {near}?"):
        cards.find(name)


def test_B2_a_size_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(OptionError, match="28, 224 pixels"):
        cards.find("breastmnist")[0].version(64)
    with pytest.raises(OptionError, match="it has one version"):
        cards.find("beans")[0].version(224)


def test_A4_the_name_of_a_set_in_place_of_a_path_is_answered_with_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="python -m toolkit.fetch eurosat fetches"):
        manifest.read("eurosat")
    with pytest.raises(DataError, match="Name a folder"):
        manifest.read("eurosatt")


@pytest.mark.parametrize("name, size", [("breastmnist-224", 224), ("breastmnist_224", 224), ("BreastMNIST", None)])
def test_a_name_may_bear_the_size(name, size):
    found, wanted = cards.find(name)
    assert found.name == "breastmnist" and wanted == size
    assert [file.file for file in found.version(224)] == ["breastmnist_224.npz"]
    assert [file.file for file in found.version()] == ["breastmnist.npz"]
