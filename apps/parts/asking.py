"""New pictures for a model: dropped, or a folder or zip that lies here."""

from pathlib import Path

import streamlit as st

from apps.parts import frame
from apps.parts.plain import plain
from apps.parts.upload import upload
from toolkit.errors import ToolkitError
from toolkit.runs import answers

WAYS = {"bring": "Drop pictures or a zip", "path": "On this computer"}


def pictures(model):
    """The form; what is asked is shown at once."""
    st.subheader("New pictures", anchor=False)
    way = st.segmented_control("How do they come?", list(WAYS), default="bring", required=True, key="use-way",
                               format_func=WAYS.get)
    given = brought(model) if way == "bring" else typed(model)
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(answers.command(model.path, [given or "PICTURES"]), language="bash", wrap_lines=True)


def brought(model):
    """Pictures or a zip through the browser -> their path, None before there are any."""
    got = upload("use-pictures", ("pictures", "zip"), "Pictures, a folder of them, or a zip")
    pressed = st.button("Predict", type="primary", icon=":material/auto_awesome:", key="use-predict", disabled=not got)
    if pressed and got:
        title = Path(got["path"]).name if got["files"] == 1 else f"{got['files']:,} pictures"
        ask(model, got["path"], title, got["upload"])
    return got and got["path"]


def typed(model):
    """A path on this computer -> the path, None where none was typed."""
    with st.form("use-pictures-by-path", border=False):
        text = st.text_input("Path of a picture, a folder of pictures, or a zip", key="use-path",
                             placeholder="~/pictures/new").strip()
        pressed = st.form_submit_button("Predict", type="primary", icon=":material/auto_awesome:")
    try:
        path = answers.given(text) if text or pressed else None
    except ToolkitError as error:
        st.error(plain(error))
        if near := getattr(error, "near", None):
            st.button(f"Did you mean {plain(near)}?", on_click=meant, args=(str(near),), key="use-near")
        return None
    if pressed:
        ask(model, path, path.name)
    return path


def meant(path):
    """Put the path that was meant into the field."""
    st.session_state["use-path"] = path


def ask(model, path, title, upload=""):
    """Let the model look, and show how far it is."""
    try:
        started = answers.ask(frame.root(), model.path, [path], model.run, title, upload)
    except ToolkitError as error:
        st.error(plain(error))
        return
    st.query_params.from_dict(frame.given({"run": model.run, "answer": started.id}))
    st.rerun()
