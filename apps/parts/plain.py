"""Names, paths and messages as they are: no mark of Markdown, no hidden character, no link comes to life in them."""

import re

from toolkit import errors

MARKS = re.compile(r"([!-/:-@\[-`{-~])")  # all of ASCII's punctuation; Markdown allows a backslash before each
JOINER = "\u2060"                         # has no width; parts what Streamlit replaces after Markdown has been read
ALIVE = re.compile(r"(?<=:)(?=//)|(?<=[Ww])(?=\.)|(?=@)|(?<=:)(?=[\w+-]+:)"          # links, addresses, emoji
                   r"|(?<=(?<!\S)[<~>-])(?=(?:->|[>=-])(?!\S)|-(?!\S))")                 # arrows and dashes alone


def plain(text):
    """`text` for st.markdown, labels, captions and messages, shown letter by letter; its line breaks stay."""
    lines = [errors.plain(line) for line in str(text).splitlines()] or [""]
    return "\\\n".join(escaped(line) for line in lines)


def escaped(line):
    """A line with every mark made harmless; blanks before it, which would make it code, do not break."""
    inner = line.lstrip(" ")
    return "\u00a0" * (len(line) - len(inner)) + MARKS.sub(r"\\\1", ALIVE.sub(JOINER, inner))


def short(path, n=48):
    """A path or name as one line of at most `n` characters: the end is kept, cut where a folder begins if possible.

    For st.text and st.code; `plain(short(...))` elsewhere.
    """
    line = errors.plain(path)
    if len(line) <= n:
        return line
    end = line[-(n - 1):]
    cut = end.find("/")
    return "…" + (end[cut:] if 0 <= cut < len(end) // 2 else end)
