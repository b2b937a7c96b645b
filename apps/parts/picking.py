"""Which model is asked: that of a run, or one from elsewhere."""

import streamlit as st

from apps.parts import frame
from apps.parts.plain import plain
from apps.parts.upload import upload
from toolkit.errors import ToolkitError
from toolkit.runs import listing, models, uploads

KINDS = {"run": "Of a run here", "file": "From elsewhere"}
LARGEST = 4 << 30  # bytes of a model that is brought


def model():
    """The Model (toolkit.runs.models) of the address, after what chooses another; None where there is none."""
    kind = st.segmented_control("Which model?", list(KINDS), default="file" if "model" in st.query_params else "run",
                                format_func=KINDS.get, key="use-kind", required=True, on_change=other)
    found = of_run() if kind == "run" else from_elsewhere()
    if found is not None:
        about(found)
    return found


def other():
    """The address forgets what belongs to the other kind of model."""
    for name in ("run", "model"):
        st.query_params.pop(name, None)


def of_run():
    """The model of the run of the address."""
    run = frame.chosen(("finished",), "There is no finished run yet. Train a model first, or use one from elsewhere.",
                       trained)
    if run is None:
        return None
    if run.state.name == "damaged":
        st.error(f"This run is damaged, and its model is not used: {plain(run.state.message)}")
        return None
    try:
        found = models.of_run(frame.root(), run.id)
    except ToolkitError as error:
        st.error(plain(error))
        return None
    if found is None:
        st.info("This run holds no model." if run.state.name == "finished" else
                "This run has not finished; it holds no model yet.")
        with st.container(horizontal=True):
            frame.link("run", "Look at the run", ":material/monitoring:", run=run.id)
    return found


def trained(run):
    """Whether a run trains a model: others measure one."""
    return run.command in ("finetune", "") or run.state.name == "damaged"


def from_elsewhere():
    """A model that lies here or comes by the browser."""
    asked = st.query_params.get("model", "")
    if "use-model" not in st.session_state:
        st.session_state["use-model"] = "" if uploads.ID.fullmatch(asked) else asked
    with st.form("use-by-path", border=False):
        st.text_input("Path of a model.keras, or of the folder that holds it", key="use-model",
                      placeholder="/models/first/model.keras")
        pressed = st.form_submit_button("Take this model", icon=":material/check:")
    got = upload("use-model-file", ("model",), "Or bring model.keras and model.json", LARGEST)
    if pressed:
        asked = st.query_params["model"] = st.session_state["use-model"]
    elif got and got["upload"] != st.session_state.get("use-brought"):
        asked = st.query_params["model"] = st.session_state["use-brought"] = got["upload"]
    if not asked:
        st.caption("Only models that this toolkit has made are taken. What is in the file is looked through before "
                   "anything of it is loaded, and nothing in it is run.")
        return None
    try:
        found = models.elsewhere(frame.root(), asked)
    except ToolkitError as error:
        st.error(plain(error))
        found = None
    if uploads.ID.fullmatch(asked) and uploads.held(frame.root(), asked):
        st.button("Remove the model that was brought", icon=":material/delete:", key="use-remove", on_click=remove,
                  args=(asked,))
    if fault := st.session_state.pop("use-model-fault", ""):
        st.error(plain(fault))
    return found


def remove(upload):
    """Delete a model that came by the browser."""
    try:
        uploads.remove(frame.root(), upload)
        st.query_params.pop("model", None)
    except ToolkitError as error:  # it is at work
        st.session_state["use-model-fault"] = str(error)


def about(found):
    """What a model tells apart, in a line."""
    wanted = found.facts["input"]
    names = ", ".join(found.classes[:12]) + (f" and {len(found.classes) - 12} more" if len(found.classes) > 12 else "")
    st.caption(f"Tells apart {plain(names)}. Pictures become {wanted['width']} × {wanted['height']} pixels"
               f"{', grey' if wanted['channels'] == 1 else ''}.")


def label(answer):
    """Whose model gave an answer, in a few words."""
    run = listing.entry(frame.root(), answer.run) if answer.run and frame.valid(answer.run) else None
    return frame.label(run) if run else answer.run or answer.model
