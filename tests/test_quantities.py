"""Quantities are read as people write them, and written so that they are read back."""

import pytest

from toolkit import quantities


@pytest.mark.parametrize("number, words", [(0, "0 bytes"), (999, "999 bytes"), (1000, "1 kB"), (95_211_180, "95.2 MB"),
                                           (20 * 10**9, "20 GB")])
def test_bytes_in_words(number, words):
    assert quantities.size_in_words(number) == words


@pytest.mark.parametrize("text", ["1 kB", "95.2 MB", "20 GB"])
def test_words_are_read_back(text):
    assert quantities.size_in_words(quantities.size(text)) == text
