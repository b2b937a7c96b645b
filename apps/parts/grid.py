"""Many small pictures to choose from: only those in sight are loaded, and one key press goes to the next."""

from pathlib import Path

import streamlit as st

from toolkit.errors import plain as printable

TONES = ("green", "red", "orange", "blue", "gray")
HERE = Path(__file__).parent
show = st.components.v2.component("toolkit_grid", html='<div class="grid" role="group"></div>',
                                  css=(HERE / "grid.css").read_text("utf-8"), js=(HERE / "grid.js").read_text("utf-8"))


def grid(items, key, columns_min=120, selected=None, label="Pictures", act=None):
    """Show `items` and return the key of the one that was chosen just now; None where none was.

    items: dicts of key, src (a path of our own, as frame.url gives it), and optionally alt, caption, badge (a word
    over the picture), tone (of the badge, one of TONES) and action (words of a button below). columns_min: least width
    of a picture in pixels. selected: key of the picture that bears a frame. act(key): called before the page is drawn
    anew, when the button of a picture was pressed. All texts are shown as they are.
    """
    data = {"items": [cell(item) for item in items], "min": int(columns_min), "label": printable(label),
            "selected": None if selected is None else str(selected)}
    return show(key=key, data=data, on_clicked_change=lambda: None, on_acted_change=lambda: acted(key, act)).clicked


def acted(key, act):
    """Do what the button of a picture is for."""
    chosen = st.session_state[key].acted
    if act and chosen is not None:
        act(str(chosen))


def cell(item):
    """An item as the browser gets it."""
    src, tone = str(item.get("src") or ""), item.get("tone")
    texts = {name: printable(item.get(name) or "") for name in ("alt", "caption", "badge", "action")}
    return {"key": str(item["key"]), "src": src if src.startswith("/") and src[1:2] not in ("/", "\\") else "",
            "tone": tone if tone in TONES else "gray", **texts}
