"""One picture, large, and where the model looked: a heat map over it, whose strength and class change at once."""

from pathlib import Path

import streamlit as st

from toolkit.errors import plain

HERE = Path(__file__).parent
HTML = """<div class="overlay"><div class="stage"><img alt=""><img class="heat" alt=""><div class="lost" hidden>The
picture is not where it was any more, or cannot be read.</div></div><div class="controls" hidden>
<label>Heat map <input type="range" min="0" max="1" step="0.05" aria-label="Strength of the heat map"></label>
<label>for the answer <select aria-label="Class that the heat map is for"></select></label></div></div>"""
show = st.components.v2.component("toolkit_overlay", html=HTML, css=(HERE / "overlay.css").read_text("utf-8"),
                                  js=(HERE / "overlay.js").read_text("utf-8"))


def overlay(src, alt, key, heats=(), start=0):
    """Show the picture at `src` (a path of our own, as frame.url gives it).

    heats: (name of the class, src of its heat map) to choose from, `start` the first one shown; () for none.
    """
    show(key=key, data={"src": own(src), "alt": plain(alt), "start": int(start),
                        "heats": [{"name": plain(name), "src": own(one)} for name, one in heats]})


def own(src):
    """A path of our own server; "" for anything else."""
    return src if src.startswith("/") and src[1:2] not in ("/", "\\") else ""
