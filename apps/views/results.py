"""RESULTS: how good a model is, where it fails, from which probability on to act, and everything to take along."""

import streamlit as st

from apps.parts import address, frame, mistakes, saved, scores, threshold
from apps.parts.plain import plain
from toolkit.errors import UntrustedError
from toolkit.runs import results

VIEWS = {"scores": "Scores", "pictures": "Pictures", "threshold": "Threshold", "files": "Files"}
PARAMETERS = ("part", "cell", "picture", "show", "below", "order", "at", "class", "threshold", "prevalence", "basis")


def page():
    """The run that is asked for."""
    frame.heading("Results", frame.VIEWS["results"][1])
    run = frame.chosen(fits=lambda one: results.there(one.folder), empty="No run has results yet. Bring pictures and "
                       "train: the first answer takes less than a minute.")
    if run is None:
        return
    if st.session_state.get("results-run", run.id) != run.id:
        address.put(**dict.fromkeys(PARAMETERS))
    st.session_state["results-run"] = run.id
    if not ready(run):
        return
    try:
        found = results.read(run.folder, run.command)
    except UntrustedError as error:
        st.error(f"The results of this run are damaged: {plain(error)} Nothing of it is shown.",
                 icon=":material/broken_image:")
        frame.link("run", "Look at the run", ":material/monitoring:", run=run.id)
        return
    shown(run, found)


def ready(run):
    """Whether a run has results; a word where it has not."""
    if run.state.live:
        st.info("There are no results yet: this run is still at work.", icon=":material/hourglass_top:")
        frame.link("run", "Watch it", ":material/monitoring:", run=run.id)
        return False
    if run.state.name == "damaged":
        st.error(f"This run is damaged: {plain(run.state.message)}", icon=":material/broken_image:")
        return False
    if not results.there(run.folder):
        st.info("This run ended before it had results. " + plain(run.state.message), icon=":material/info:")
        frame.link("run", "See what happened, or go on with it", ":material/monitoring:", run=run.id)
        return False
    return True


def shown(run, found):
    """Verdict first, then one view at a time."""
    if run.state.name != "finished":
        st.info(f"This run was ended early; these are the results of its best model so far. {plain(run.state.message)}",
                icon=":material/pause:")
    scores.verdict(found)
    asked = "pictures" if {"cell", "picture"} & set(st.query_params) else "threshold" if {
        "threshold", "prevalence", "class"} & set(st.query_params) else "scores"
    view = address.chosen(st.segmented_control, "View", list(VIEWS), "view", asked, ("picture",), True,
                          required=True, format_func=VIEWS.get, label_visibility="collapsed")
    {"scores": lambda: scores.page(found), "pictures": lambda: mistakes.page(run, found),
     "threshold": lambda: threshold.page(run, found), "files": lambda: saved.page(run, found)}[view]()


page()
