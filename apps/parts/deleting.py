"""Deleting a run: asked once, with its size; it goes to the trash, and can be put back."""

import streamlit as st

from apps.parts import frame
from apps.parts.plain import plain
from toolkit.errors import ToolkitError
from toolkit.quantities import size_in_words
from toolkit.runs import folders, trash

GONE = "deleted"  # in session_state: the name in the trash of what was deleted last


def button(run, key, **more):
    """A button that asks whether the run (an Entry) shall go; more: of st.button."""
    if st.button("Delete this run", icon=":material/delete:", key=key, disabled=run.state.live,
                 help="Stop it first." if run.state.live else None, **more):
        asked(run)


@st.dialog("Delete this run?")
def asked(run):
    """The question; the answer moves the run, and the page is shown without it."""
    st.text(run.id)
    st.markdown(f"{size_in_words(folders.size(run.folder))} go to the trash, with the model, its scores and its "
                "report. You can put them back until the trash is emptied. Your pictures stay where they are.")
    with st.container(horizontal=True):
        st.button("Move to the trash", type="primary", key="delete-yes", on_click=move, args=(run.id,))
        if st.button("Keep it", key="delete-no"):
            st.rerun()
    if fault := st.session_state.pop("delete-fault", ""):
        st.error(plain(fault))
    elif "run" not in st.query_params:
        st.rerun()


def move(name):
    """Move a run to the trash; the address forgets it."""
    try:
        st.session_state[GONE] = trash.delete(frame.root(), name)
        st.query_params.clear()
    except ToolkitError as error:
        st.session_state["delete-fault"] = str(error)


def undo():
    """A word on what was deleted last, with a button that puts it back; nothing where nothing was."""
    kept = st.session_state.get(GONE)
    if not kept or kept not in trash.listed(frame.root()):
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"{plain(kept.partition('-')[2])} is in the trash.", width="stretch")
        if st.button("Undo", icon=":material/undo:", key="delete-undo"):
            try:
                st.query_params["run"] = trash.restore(frame.root(), kept)
            except ToolkitError as error:
                st.error(plain(error))
                return
            del st.session_state[GONE]
            st.rerun()
