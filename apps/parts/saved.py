"""What a run leaves to take along: report, model, answers."""

import os

import streamlit as st

from apps.parts import frame
from apps.parts.plain import plain
from toolkit.quantities import size_in_words
from toolkit.run import FILES, paths
from toolkit.runs import launch

FOR = {  # name in toolkit.run.FILES: (title, what it is for)
    "report": ("Report", "One file for people, complete in itself"),
    "model": ("Model", "Loads in Keras 3.6 and later, without this toolkit"),
    "model_facts": ("Facts of the model", "Classes, input, scores, licence; belongs to the model"),
    "model_card": ("Model card", "What whoever gets the model alone should know"),
    "predictions": ("Answers", "A row a picture with all probabilities, for Excel and pandas"),
    "folds": ("Answers over folds", "The same of the probe, for every picture"),
    "metrics": ("Scores", "Every figure of this page"),
    "manifest": ("Pictures", "Which picture stood in which part"),
    "doctor": ("Findings", "What is odd about the data"),
}


def page(run, found):
    """Report, files, and the commands that do the same."""
    here = paths(run.folder)
    if here.report.is_file():
        with st.container(horizontal=True):
            st.link_button("Open the report", frame.url("report", run.id), icon=":material/open_in_new:",
                           type="primary")
            frame.link("use", "Use the model", ":material/image_search:", run=run.id)
    elif found.evaluated:
        st.info("A measurement of a model on other pictures has no report and no model of its own.",
                icon=":material/info:")
    st.subheader("Files", anchor=False)
    for name, (title, about) in FOR.items():
        path = getattr(here, name)
        if path.is_file() and not path.is_symlink():
            offered(run, name, title, about, path.stat().st_size)
    st.caption("They lie in the run's folder, which may be moved: nothing in it depends on where it is.")
    with st.expander("On the command line"):
        if here.model.is_file():
            st.code(launch.command("predict", [run.folder, "PICTURES", "--out", "answers.csv"]), language="bash")
            st.code(launch.command("evaluate", [run.folder, "OTHER_DATA"]), language="bash")
        st.code(f"{os.fspath(run.folder)}", language=None)


def offered(run, name, title, about, size):
    """A file to download."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.link_button(f"{title} ({size_in_words(size)})", frame.url("download", run.id, FILES[name]), width=260,
                       icon=":material/download:")
        st.caption(f"{plain(FILES[name])}: {about}.", width="content")
