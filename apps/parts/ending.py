"""Buttons that end a run or go on with it, and what a person would type for it."""

import dataclasses

import streamlit as st

from apps.parts import frame
from apps.parts.plain import plain
from toolkit import options
from toolkit.commandline import arguments
from toolkit.errors import ToolkitError
from toolkit.runs import launch

CANCELLED = "run-cancelled"  # in session_state: names of runs that were told to end now
ASKED = "run-asked"          # which run the dialog is about
OWN = ("run_dir", "resume", "accept_changed_data")  # options of one sitting
KINDS = {"finetune": options.Finetune, "evaluate": options.Evaluate}


def buttons(run):
    """Stop and keep the best, or cancel; for a run that lives."""
    gone = run.id in st.session_state.get(CANCELLED, ())
    with st.container(horizontal=True):
        if run.state.name == "running" and run.command == "finetune":
            st.button("Stop and keep the best", icon=":material/stop_circle:", type="primary", key="run-stop",
                      on_click=stop, args=(run,), disabled=gone,
                      help="No further epoch: the best model so far is measured and becomes the result.")
        if st.button("Cancel", icon=":material/cancel:", key="run-cancel", disabled=gone):
            st.session_state[ASKED] = run.id
            st.rerun()  # the page shows the dialog: of what is shown anew every second it would not stay
    if gone:
        st.caption("It was told to end, and does so at its next safe point.")
    if fault := st.session_state.pop("run-fault", ""):
        st.error(plain(fault))


def dialog(run):
    """The dialog, where somebody has pressed Cancel."""
    if st.session_state.pop(ASKED, "") == run.id and run.state.live:
        asked(run)


@st.dialog("Cancel this run?")
def asked(run):
    """What the two ways of ending a run are."""
    if run.state.name in ("running", "stopping") and run.command == "finetune":
        st.markdown("**Stop and keep the best** makes no further epoch: the best model so far is measured on the test "
                    "pictures and becomes the result, with its report. Before the first answer there is none to keep.")
        st.markdown("**Cancel** ends it at its next safe point, as stopped: the epochs that it has done are kept, and "
                    "Resume goes on to the end that it would have had. Where it was tuning, the best so far is "
                    "measured before it ends.")
    else:
        st.markdown("It has not begun to work; nothing is lost.")
    with st.container(horizontal=True):
        st.button("Cancel the run", type="primary", key="run-cancel-yes", on_click=cancel, args=(run,))
        if run.state.name == "running" and run.command == "finetune":
            st.button("Stop and keep the best", key="run-stop-yes", on_click=stop, args=(run,))
        st.button("Let it work", key="run-cancel-no", on_click=closed)
    if st.session_state.pop("run-answered", False):
        st.rerun()


def closed():
    """The dialog has its answer."""
    st.session_state["run-answered"] = True


def stop(run):
    """Ask a run to end and keep the best."""
    done(lambda: launch.stop(run.folder))


def cancel(run):
    """End a run now, or what has not become one yet."""
    if done(lambda: launch.cancel(run.folder) or launch.end(frame.root(), "runs", run.id)):
        st.session_state[CANCELLED] = {*st.session_state.get(CANCELLED, ()), run.id}


def done(act):
    """Whether an act found a run that lives; what went wrong is kept for the page."""
    closed()
    try:
        return act()
    except ToolkitError as error:
        st.session_state["run-fault"] = str(error)
        return False


def resume(run):
    """A button that goes on with a run that ended early."""
    if st.button("Resume", icon=":material/play_arrow:", type="primary", key="run-resume",
                 help="It goes on where it ended, with the options that it began with."):
        try:
            launch.resume(frame.root(), run.id)
        except ToolkitError as error:
            st.error(plain(error))
            return
        st.session_state.get(CANCELLED, set()).discard(run.id)
        st.rerun()


def usual(command):
    """{option: its default} of a command, with what its preset stands for left out."""
    return {f.name: f.default for f in dataclasses.fields(KINDS.get(command, options.Finetune))}


def line(run, typed):
    """(command, arguments) that begin such a run, in a folder of its own: by its options, else as they were typed."""
    if not run.options:
        fine = isinstance(typed, list) and typed and all(isinstance(word, str) for word in typed)
        return (typed[0], typed[1:]) if fine else None
    usually = usual(run.command)
    named = {name: value for name, value in run.options.items() if name in usually and value != usually[name]
             and isinstance(value, (str, int, float, bool)) and name not in OWN}
    return run.command or "finetune", arguments(KINDS.get(run.command, options.Finetune), named)
