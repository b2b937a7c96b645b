"""Take a model along: its files, and the lines that use it elsewhere."""

import streamlit as st

from apps.parts import deleting, frame
from apps.parts.plain import plain
from toolkit.quantities import size_in_words
from toolkit.report import snippet

FILES = (("model.keras", ":material/deployed_code:"), ("model.json", ":material/data_object:"))


def along(model):
    """The files of a run's model, the code for them, and the end of the run."""
    st.subheader("Take the model along", anchor=False)
    st.caption("model.keras takes raw pixels and gives calibrated probabilities; it loads in every Keras from 3.6 on, "
               "where this toolkit is not installed. model.json says what the file cannot: classes, sizes, scores.")
    if model.run:
        with st.container(horizontal=True, vertical_alignment="center"):
            for name, icon in FILES:
                size = size_in_words((model.path / name).stat().st_size)
                st.link_button(f"{name} ({size})", frame.url("download", model.run, name), icon=icon)
    try:
        code = snippet.python(model.facts, model.file)
    except ValueError as error:
        st.warning(f"No lines of Python are known for it: {plain(error)}.")
    else:
        st.code(code, language="python", wrap_lines=True)
        st.caption("For pictures of 8 bits a channel. Deeper, transparent and DICOM pictures are read alike by this "
                   "page and the command line only.")
    if model.run and (run := frame.entry()):
        deleting.button(run, "use-delete-run")
