"""Files of a run read with suspicion: whole, bounded, and anew only when they have changed."""

import json
import os
import time

import pytest

from tests.apps import make_runs
from toolkit.errors import UntrustedError
from toolkit.files import to_json, write_atomic
from toolkit.runs import reading


def test_facts_are_what_a_file_holds(tmp_path):
    path = tmp_path / "run.json"
    path.write_text('{"a": 1, "b": "ä"}', "utf-8")
    assert reading.facts(path) == {"a": 1, "b": "ä"}


@pytest.mark.parametrize("text", ["", "[]", "3", "{", '{"a": }', "\0\1\2", "{" * 3000, "[" * 100_000, '{"a": 1} x'])
def test_I9_what_is_no_object_is_damaged(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    for _ in range(2):  # the second time it is remembered
        with pytest.raises(UntrustedError, match="run.json is damaged"):
            reading.facts(path)


def test_facts_of_no_file_are_refused_by_name(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long").write_text('{"a": "' + "x" * 100 + '"}')
    for name in ("nothing", "folder", "link", "pipe", "long"):
        with pytest.raises(UntrustedError, match=name):
            reading.facts(tmp_path / name, largest=50)


@pytest.mark.parametrize("more", [0, 50_000])
def test_a_changed_file_is_read_anew(tmp_path, more):
    path, filling = tmp_path / "status.json", "x" * more
    for number in range(5):  # of one length, within one tick of the clock
        write_atomic(path, to_json({"a": number, "b": filling}))
        assert reading.facts(path)["a"] == number
    first = reading.facts(path)
    assert reading.facts(path) is first


def test_a_file_that_is_replaced_between_two_looks_is_not_damaged(tmp_path, monkeypatch):
    path, opened = tmp_path / "status.json", reading.unblocked
    write_atomic(path, to_json({"a": 1}))

    def replaced_first(path, flags):
        monkeypatch.setattr(reading, "unblocked", opened)
        write_atomic(path, to_json({"a": 2, "b": "longer than before"}))
        return opened(path, flags)

    monkeypatch.setattr(reading, "unblocked", replaced_first)
    assert reading.facts(path)["a"] == 2


@pytest.mark.parametrize("value, wanted", [(1, 1), (0.5, 0.5), (True, None), ("1", None), (None, None), ([], None),
                                           (float("nan"), None), (float("inf"), None), (-float("inf"), None),
                                           (10**400, None), (-10**4000, None), (1e308, None)])
def test_a_number_is_one_that_can_be_shown(value, wanted):
    assert reading.number(value) == wanted


def test_a_number_lies_in_its_range():
    assert reading.number(2, 0, 1) is None and reading.number(-1, 0) is None and reading.number(1, 0, 1) == 1


def test_text_is_one_safe_line():
    assert reading.text("a\nb\x1b[31m\u202e\ud800") == "a\\nb\\x1b[31m\\u202e\\ud800"
    assert reading.text(3) == reading.text(None) == reading.text(["a"]) == ""
    assert len(reading.text("x" * 10_000, 50)) == 50


def test_E11_half_a_last_line_is_left_out_and_junk_is_counted(tmp_path):
    path = tmp_path / "events.jsonl"
    lines = ['{"phase": "read", "step": 0}', "junk", "[1]", '{"step": 3}', "", '{"phase": 5}', '{"phase": "tune"}']
    path.write_text("\n".join(lines) + '\n{"phase": "tune", "na')
    found, junk = reading.events(path)
    assert [event["phase"] for event in found] == ["read", "tune"] and junk == 4
    with path.open("a") as file:
        file.write('me": "epoch"}\n')
    assert len(reading.events(path)[0]) == 3


def test_events_keep_their_order_though_a_clock_jumps(tmp_path):
    path = tmp_path / "events.jsonl"
    times = ["2026-03-02T10:00:00+00:00", "2026-03-01T10:00:00+00:00", "2026-03-03T10:00:00+00:00"]
    path.write_text("".join(json.dumps({"phase": "x", "time": one, "step": n}) + "\n" for n, one in enumerate(times)))
    assert [event["step"] for event in reading.events(path)[0]] == [0, 1, 2]


def test_events_are_looked_at_from_their_end(tmp_path):
    path = tmp_path / "events.jsonl"
    with path.open("w") as file:
        for number in range(reading.LINES + 10):
            file.write(f'{{"phase": "tune", "step": {number}}}\n')
    began = time.process_time()
    found, junk = reading.events(path)
    assert time.process_time() - began < 1
    assert len(found) == reading.LINES and found[-1]["step"] == reading.LINES + 9 and not junk


def test_a_line_without_an_end_is_junk(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"phase": "read"}\n{"phase": "' + "x" * reading.LINE + '"}\n{"phase": "tune"}\n')
    found, junk = reading.events(path)
    assert [event["phase"] for event in found] == ["read", "tune"] and junk == 1


def test_the_log_is_its_last_lines_and_safe(tmp_path):
    path = tmp_path / "log.txt"
    path.write_bytes(b"first\n\n" + b"line\n" * 300 + "ä\x1b[2J\n".encode() + b"\xff\xfe\nno end")
    assert reading.log(path, 3) == ["ä\\x1b[2J", "\ufffd\ufffd", "no end"]
    assert len(reading.log(path, 200)) == 200
    assert reading.log(tmp_path / "nothing") == []


def test_no_reader_follows_a_link(tmp_path):
    (tmp_path / "log.txt").symlink_to("/etc/passwd")
    (tmp_path / "events.jsonl").symlink_to("/etc/passwd")
    assert reading.log(tmp_path / "log.txt") == [] and reading.events(tmp_path / "events.jsonl") == ([], 0)


def test_the_events_of_a_run_are_all_read(tmp_path):
    folder = make_runs.finished(tmp_path, "one")
    found, junk = reading.events(folder / "events.jsonl")
    assert found == make_runs.events(0) and not junk
