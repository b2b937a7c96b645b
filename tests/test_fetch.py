"""python -m toolkit.fetch: every card, from a local server, with a wrong checksum, a cut connection and a good one."""

import hashlib
import io
import json
import os
import re
import shutil
import socket
import sys
import threading
import zipfile

import card_sets
import pytest

from toolkit import commandline, errors, fetch, options
from toolkit.data import cards, fetching, manifest, names, targets

VERSIONS = [pytest.param(name, size, id=f"{name}-{size}" if size else name)
            for name in cards.names() for size in cards.find(name)[0].sizes or (None,)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for name in ("TOOLKIT_OFFLINE", "HF_HUB_OFFLINE", "TOOLKIT_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def served(server, tmp_path):
    """served(name, size, harm) -> (path of a card whose files the server has, {file: bytes})."""
    def made(name="breastmnist", size=None, harm=False):
        card, _ = cards.find(name)
        files = card.version(size)
        bodies = card_sets.bodies(card, files)
        server.files |= bodies
        harmed = [files[0].file] if harm else []
        return card_sets.rewritten(card, tmp_path / "cards", bodies, server.url(), harmed), bodies
    return made


def run(*arguments):
    return errors.guarded(fetch.main, [str(one) for one in arguments])


def sized(size):
    return ["--size", size] if size else []


@pytest.mark.parametrize("name, size", VERSIONS)
def test_every_card_is_fetched_and_read_by_the_toolkit(served, server, here, capsys, name, size):
    path, bodies = served(name, size)
    assert run(path, *sized(size), "--yes") == 0
    assert len(server.asked) == len(bodies)
    out = here / "data" / (f"{name}-{size}" if size == 224 and name != "dermamnist-c" else name)
    record = json.loads((out / "fetched.json").read_text("utf-8"))
    assert all(one["held against"] == ["bytes", "md5", "sha256"] for one in record["files"])
    assert [one.name for one in out.parent.iterdir()] == [out.name]  # nothing half-made is left
    said = card_sets.commands(capsys.readouterr().out)
    card = cards.read(path)
    assert set(said) == ({"check", "finetune"} if card.task != "multi-label" else {"check"})
    chosen = commandline.parse(options.Check, "check", said["check"])
    assert (chosen.group_pattern or "") == card.reading.group_pattern
    if "finetune" in said:
        assert commandline.parse(options.Finetune, "finetune", said["finetune"]).data == chosen.data
    read_as_the_card_says(card, manifest.read(chosen.data, asked=targets.Asked(chosen.task)))


def read_as_the_card_says(card, samples):
    """What the toolkit finds in a stand-in: task, two classes, split, groups, and nothing that lies beside."""
    rows = samples.rows
    assert samples.task == card.task and len(set(rows["label"])) == 2
    assert set(rows["split"]) == ({""} if card.reading.split == "none" else {"train", "validation", "test"})
    if card.name in card_sets.CLASS_FOLDERS:
        assert len(rows) == 6 * card_sets.EACH and not rows["path"].str.contains("mask|Background|Thumbs").any()
    if card.reading.group_pattern:
        assert len(set(names.groups(list(rows["path"]), card.reading.group_pattern)[0])) == 4
    assert samples.read(0) is not None


@pytest.mark.parametrize("name, size", VERSIONS)
def test_every_card_with_a_wrong_checksum_is_refused_and_nothing_is_kept(served, here, capsys, name, size):
    path, bodies = served(name, size, harm=True)
    assert run(path, *sized(size), "--yes") == 6
    said = capsys.readouterr().err
    assert "sha256" in said and "is not as published" in said and "deleted and is not used" in said
    assert not (here / "data").exists()


@pytest.mark.parametrize("name, size", VERSIONS)
def test_every_card_goes_on_where_a_connection_was_cut(served, server, here, name, size):
    path, bodies = served(name, size)
    server.cuts = 1
    assert run(path, *sized(size), "--yes") == 0
    first = next(iter(bodies))
    (_, none), (_, rest) = [one for one in server.asked if one[0] == first]
    start = int(rest.removeprefix("bytes=").rstrip("-"))
    assert none is None and len(bodies[first]) // 2 - 2**16 <= start <= len(bodies[first]) // 2
    assert (next((here / "data").iterdir()) / "fetched.json").is_file()


def test_what_a_broken_call_left_is_gone_on_with_by_the_next(served, server, here, monkeypatch):
    path, bodies = served()
    monkeypatch.setattr(fetching, "TRIES", 1)
    server.cuts = 1
    assert run(path, "--yes") == 3
    assert [one.name for one in (here / "data").iterdir()] == [".breastmnist.fetching"]
    assert run(path, "--yes") == 0
    assert server.asked[1][1] not in (None, "bytes=0-")
    assert [one.name for one in (here / "data").iterdir()] == ["breastmnist"]


@pytest.mark.parametrize("marked, ranges, resumed", [(False, True, True), (True, False, False)])
def test_a_rest_is_used_where_it_may_be(served, server, here, marked, ranges, resumed):
    path, bodies = served()
    server.cuts, server.marked, server.ranges = 1, marked, ranges
    assert run(path, "--yes") == 0
    assert (here / "data" / "breastmnist" / "breastmnist.npz").read_bytes() == bodies["breastmnist.npz"]
    assert len(server.asked) == 2 and server.asked[1][1].startswith("bytes=")


def test_a_set_that_is_there_is_not_fetched_again(served, server, here, capsys):
    path, _ = served("beans")
    run(path, "--yes")
    asked = len(server.asked)
    capsys.readouterr()
    assert run(path) == 0  # no licence is asked for again
    said = capsys.readouterr().out
    assert "already" in said and card_sets.commands(said)["check"] == ["data/beans/table.csv"]
    assert len(server.asked) == asked
    next((here / "data" / "beans" / "train").rglob("*.jpg")).unlink()
    assert run(path, "--yes") == 3
    assert "delete the folder" in capsys.readouterr().err


def test_licence_citation_and_size_are_shown_before_anything_is_asked(served, server, here, capsys):
    path, _ = served()
    assert run(path) == 2  # not a terminal, and no --yes
    shown = capsys.readouterr()
    card = cards.read(path)
    for text in (card.licence, card.licence_url, "Yang, Shi, Wei", "MB in breastmnist.npz", "md5 and sha256",
                 "near copy"):
        assert text in " ".join(shown.out.split()), text
    assert "--yes" in shown.err and not server.asked and not list(here.iterdir())


@pytest.mark.parametrize("answer, code", [("yes", 0), ("Y", 0), ("no", 2), ("", 2)])
def test_the_licence_is_asked_for_on_a_terminal(served, monkeypatch, answer, code):
    path, _ = served()
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert run(path) == code


def test_a_file_without_a_published_checksum_says_that_it_cannot_be_verified(served, here, capsys):
    path, bodies = served("busi")
    text = path.read_text("utf-8")
    path.write_text(re.sub(r'"(bytes|md5|sha256)" = ("\w+"|\d+),? ?', "", text).replace(", }", "}"), encoding="utf-8")
    assert run(path, "--yes") == 0
    said = capsys.readouterr().out
    
    assert "none is published" in said and hashlib.sha256(bodies["Dataset_BUSI.zip"]).hexdigest() in said
    assert json.loads((here / "data/busi/fetched.json").read_text())["files"][0]["held against"] == []


def test_a_length_that_is_not_the_published_one_is_refused_before_it_has_come(served, server, here, capsys):
    path, bodies = served()
    server.files["breastmnist.npz"] += bytes(9)
    assert run(path, "--yes") == 6
    assert "at most" in capsys.readouterr().err and not (here / "data").exists()


def test_a_mirror_comes_first_and_may_be_a_folder(served, server, here, tmp_path, monkeypatch, capsys):
    path, bodies = served()
    server.files["mirror/breastmnist/breastmnist.npz"] = server.files.pop("breastmnist.npz")
    assert run(path, "--yes", "--mirror", server.url("mirror")) == 0
    assert [name for name, _ in server.asked] == ["mirror/breastmnist/breastmnist.npz"]
    place = tmp_path / "disk" / "breastmnist"
    place.mkdir(parents=True)
    (place / "breastmnist.npz").write_bytes(bodies["breastmnist.npz"])
    monkeypatch.setenv("TOOLKIT_MIRROR", str(tmp_path / "disk"))
    assert run(path, "--yes", "--offline", "--out", "again") == 0
    assert len(server.asked) == 1 and (here / "again" / "breastmnist.npz").is_file()
    (place / "breastmnist.npz").write_bytes(b"other")
    assert run(path, "--yes", "--offline", "--out", "third") == 6  # a mirror is held to the same checksums
    assert (place / "breastmnist.npz").read_bytes() == b"other" and not (here / "third").exists()


def test_the_publisher_is_asked_where_a_mirror_lacks_the_file(served, server, capsys):
    path, _ = served()
    assert run(path, "--yes", "--mirror", server.url("empty")) == 0
    assert "answered 404" in capsys.readouterr().out and len(server.asked) == 2


def test_C1_without_a_network_it_ends_soon_and_says_what_to_do(served, here, capsys, monkeypatch):
    assert fetching.PATIENCE + fetch.ASKED < 30
    monkeypatch.setattr(fetching, "PATIENCE", 2.0)
    path, _ = served()
    text = path.read_text("utf-8")
    mute = socket.socket()  # takes connections and never says a word
    mute.bind(("127.0.0.1", 0))
    mute.listen(20)
    silent = f"http://127.0.0.1:{mute.getsockname()[1]}/"
    path.write_text(re.sub(r"http://127.0.0.1:\d+/", silent, text), encoding="utf-8")
    codes = []
    thread = threading.Thread(target=lambda: codes.append(run(path, "--yes")), daemon=True)
    thread.start()
    thread.join(10)
    mute.close()
    assert codes == [3] and not (here / "data").exists()
    assert run(path, "--yes", "--offline") == 3
    said = capsys.readouterr().err
    assert "no answer" in said and "offline mode" in said and "--mirror DIR" in said and "breastmnist.npz" in said


def test_E5_a_full_disk_is_said_before(served, server, here, monkeypatch, capsys):
    path, _ = served()
    monkeypatch.setattr(fetching.shutil, "disk_usage", lambda _: type("Disk", (), {"free": 3}))
    assert run(path, "--yes") == 4
    assert "3 are free" in capsys.readouterr().err and not server.asked and not (here / "data").exists()


def test_a_folder_that_is_somebody_elses_is_left_alone(served, server, here, capsys):
    path, _ = served()
    (here / "mine").mkdir()
    (here / "mine" / "notes.txt").write_text("mine")
    assert run(path, "--yes", "--out", "mine") == 2
    assert "--out" in capsys.readouterr().err and os.listdir(here / "mine") == ["notes.txt"] and not server.asked
    shutil.rmtree(here / "mine")
    (here / "mine").mkdir()  # an empty one is taken
    assert run(path, "--yes", "--out", "mine") == 0
    other, _ = served("beans")
    assert run(other, "--yes", "--out", "mine") == 2
    assert "holds breastmnist" in capsys.readouterr().err


def test_what_a_call_had_no_time_to_tidy_up_is_tidied_by_the_next(served, server, here):
    path, _ = served()
    run(path, "--yes")
    (here / "data" / ".breastmnist.fetching").mkdir()
    (here / "data" / ".breastmnist.fetching" / "breastmnist.npz").write_bytes(b"old")
    assert run(path) == 0 and [one.name for one in (here / "data").iterdir()] == ["breastmnist"]


def test_two_at_once_take_turns(served, server, here):
    path, bodies = served("beans")
    codes = []
    threads = [threading.Thread(target=lambda: codes.append(run(path, "--yes"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert codes == [0, 0, 0] and len(server.asked) == len(bodies)
    assert [one.name for one in (here / "data").iterdir()] == ["beans"]


def test_I1_a_hostile_archive_leaves_nothing_outside(served, server, here, tmp_path, capsys):
    path, bodies = served("beans")
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("../../escaped.jpg", b"x")
    card = cards.read(path)
    bodies["train.zip"] = server.files["train.zip"] = body.getvalue()
    path = card_sets.rewritten(card, tmp_path / "hostile", bodies, server.url())
    assert run(path, "--yes") == 6
    assert "climbs out" in capsys.readouterr().err
    assert not list(tmp_path.rglob("escaped.jpg")) and not (here / "data" / "beans").exists()


def test_a_set_that_its_publisher_changed_is_refused_whole(served, server, here, tmp_path, capsys):
    path, bodies = served("cassava")
    card = cards.read(path)
    bodies["cassavaleafdata.zip"] = card_sets.packed("x.zip", {"other/a.jpg": b"x"})
    server.files |= bodies
    assert run(card_sets.rewritten(card, tmp_path / "changed", bodies, server.url()), "--yes") == 3
    assert "its publisher has changed it" in capsys.readouterr().err and not (here / "data" / "cassava").exists()


def test_without_a_name_every_set_is_listed(capsys):
    assert run() == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[1:-1]] == cards.names()


@pytest.mark.parametrize("arguments, said", [
    (["breastmist"], "did you mean breastmnist?"), (["breastmnist", "--size", "64"], "28, 224"),
    (["beans", "--size", "28"], "one version"), (["--yes"], "NAME is missing"),
    (["beans", "--yess"], "did you mean --yes?"),
    (["nowhere/card.toml"], "cannot be opened"), (["beans", "--size", "many"], "--size wants a whole number")])
def test_B2_what_is_wrong_is_named_and_nothing_is_made(here, capsys, arguments, said):
    assert run(*arguments) in (2, 3)
    assert said in capsys.readouterr().err and not list(here.iterdir())


def test_a_hostile_card_is_shown_as_plain_text(served, capsys):
    path, _ = served()
    text = path.read_text("utf-8").replace("Breast ultrasound", "Breast \\u001b[31m\\u202eultrasound")
    path.write_text(text, encoding="utf-8")
    run(path)
    shown = capsys.readouterr()
    assert "\x1b" not in shown.out + shown.err and "\u202e" not in shown.out + shown.err
