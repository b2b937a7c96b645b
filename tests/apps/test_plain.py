"""Hostile names in places that read Markdown."""

import re
import string

import pytest

from apps.parts import grid
from apps.parts.plain import JOINER, plain, short

HOSTILE = ("![x](http://evil.example/p.png)", "[x](javascript:alert(1))", "<img src=x onerror=y>", "a_b_c **d**",
           "1. x", "$x^2$", ":red[x]", "`x`", "# x", "- x", "~~x~~", "=cmd()", "&amp;", "a\\b", "|x|y|", "<!-- x -->")


def shown(text):
    """What a reader of Markdown makes of backslashes before punctuation."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text).replace(JOINER, "")


@pytest.mark.parametrize("text", [*HOSTILE, *string.punctuation, string.punctuation])
def test_I4_every_mark_is_escaped_and_shown(text):
    assert shown(plain(text)) == text
    bare = re.sub(r"\\[!-/:-@\[-`{-~]", "", plain(text))  # what bears no backslash
    assert not set(bare) & set(string.punctuation)


@pytest.mark.parametrize("text", ["http://evil.example", "see www.evil.example", "a@evil.example", ":smile:", ":+1:",
                                  "a -> b", "a <- b", "a -- b", "a <-> b", "a >= b", "a <= b", "a ~= b"])
def test_I4_nothing_comes_to_life_after_markdown(text):
    seen = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", plain(text))  # what later replacements look at
    assert seen != text and seen.replace(JOINER, "") == text


def test_hidden_characters_are_shown_and_plain_words_stay():
    assert plain("a\u202eb\x1b[31m\0") == r"a\\u202eb\\x1b\[31m\\x00"
    assert plain("Zellen größe 😀 --runs x-y") == r"Zellen größe 😀 \-\-runs x\-y"


def test_lines_stay_lines_and_make_no_code():
    assert plain("one:\n    two") == "one\\:\\\n\u00a0\u00a0\u00a0\u00a0two" and plain("") == ""


def test_a_long_path_keeps_its_end():
    assert short("/a/b.png", 20) == "/a/b.png"
    assert short("/pictures/of/a/trade/data/class/picture.png", 24) == "…/data/class/picture.png"
    assert short("x" * 100, 10) == "…" + "x" * 9 and "\\n" in short("a\nb")


def test_a_grid_gets_texts_and_own_addresses_alone():
    made = grid.cell({"key": 1, "src": "https://evil.example/x.png", "caption": "a\u202eb", "tone": "x"})
    assert made == {"key": "1", "src": "", "alt": "", "caption": "a\\u202eb", "badge": "", "action": "",
                    "tone": "gray"}
    assert grid.cell({"key": "k", "src": "/picture/a", "tone": "red"})["src"] == "/picture/a"
    assert grid.cell({"key": "k", "src": "//evil.example/a"})["src"] == ""
