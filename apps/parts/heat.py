"""Where the model looked: heat maps that are there, and those that are computed on demand."""

import os
import streamlit as st

from apps.parts import frame
from apps.parts.plain import plain
from toolkit.errors import ToolkitError
from toolkit.run import paths
from toolkit.runs import launch

KIND = "heatmaps"
MEANING = ("Warm colours: what speaks for that answer, relative to the strongest place of this picture. It shows what "
           "the model went by, not whether it is right.")


def there(run, key):
    """Whether a picture has its heat maps."""
    return bool(key) and os.path.isfile(paths(run.folder).heatmaps / f"{key}.npz")


def possible(run):
    """Whether they can be computed: by the model of the run itself."""
    return paths(run.folder).model.is_file()


def maps(run, found, key):
    """(class, address of its heat map) of a picture, in the order of the classes; () where there are none."""
    if not there(run, key):
        return ()
    return tuple((name, frame.url("heat", run.id, key, f"{number}.png")) for number, name in enumerate(found.classes))


def arguments(run, keys):
    """What toolkit.heatmaps is told."""
    return [str(run.folder), "--only", ",".join(keys)]


def offer(run, key, keys):
    """A button that computes the heat maps of the pictures `keys`; how far it is, where that was done."""
    if there(run, key):
        st.caption(MEANING)
        return
    if not key or not possible(run):
        return
    if launch.alive(frame.root(), KIND, run.id):
        progress(run)
        return
    wanted = list(dict.fromkeys([key, *(one for one in keys if one and not there(run, one))]))
    st.button("Show what the model looked at", icon=":material/filter_center_focus:", key="results-heat",
              on_click=begin, args=(run, wanted), help=f"Computes the heat maps of {len(wanted)} "
              f"{'picture' if len(wanted) == 1 else 'pictures'}, which takes a moment. They are kept with the run.")
    fault = st.session_state.pop("results-heat-fault", "") or failed(run, key)
    if fault:
        st.error(plain(fault), icon=":material/error:")


def begin(run, keys):
    """Start to compute them, as a process of its own."""
    try:
        launch.start(frame.root(), KIND, run.id, "heatmaps", arguments(run, keys), wish=[KIND, run.id, *keys])
    except ToolkitError as error:
        st.session_state["results-heat-fault"] = str(error)


def asked(run):
    """Keys of the pictures that the last process was asked for."""
    command = (launch.record(frame.root(), KIND, run.id) or {}).get("command")
    after = command[command.index("--only") + 1:] if isinstance(command, list) and "--only" in command else []
    return after[0].split(",") if after and isinstance(after[0], str) else []


def failed(run, key):
    """Why the last process ended without the heat maps of this picture; "" where it was not asked for them."""
    if key not in asked(run):
        return ""
    return launch.complaint(frame.root(), KIND, run.id) or "The heat maps were not computed; the process ended early."


@st.fragment(run_every=1.0)
def progress(run):
    """How far they are; the page is drawn anew once, when they are there."""
    if not launch.alive(frame.root(), KIND, run.id):
        st.rerun()
    wanted = asked(run)
    done = sum(there(run, key) for key in wanted)
    st.progress(done / max(1, len(wanted)), f"Heat maps: {done} of {len(wanted)}" if done else
                "The model is being loaded")
