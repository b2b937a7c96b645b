"""What a run will cost, estimated by a process of its own; nobody waits for it."""

import os

import streamlit as st

from apps.parts import frame, wishes
from apps.parts.plain import plain
from toolkit import options
from toolkit.commandline import arguments
from toolkit.errors import ToolkitError
from toolkit.runs import estimates


FREE = ("preset", "seed", "learning_rate", "layer_decay", "rates", "weight_decay", "label_smoothing", "clip_norm",
        "warmup", "class_weights", "strict", "keep_split", "no_wait")  # change what is learnt, not what it takes


def asked(wish, seen):
    """(name of the estimate of a wish, the arguments that ask for it); seen: plan.Facts of its pictures."""
    said = {name: value for name, value in wishes.changed(wish).items() if name not in FREE}
    typed = arguments(options.Estimate, said)
    pictures = [one.sha256 for one in seen.pictures] or [changed(wish["data"])]
    return estimates.identity(typed, pictures), typed


def changed(data):
    """When data that nobody has looked at were changed last, as text."""
    try:
        return str(os.stat(data).st_mtime_ns)
    except (OSError, ValueError):
        return ""


def begun(wish, seen):
    """The Estimate of a wish, begun now where there is none yet, unless a run is at work or the wish is refused."""
    root, (name, typed) = frame.root(), asked(wish, seen)
    found = estimates.of(root, name)
    if found.state == "none" and not wishes.waiting(wish.get("device") or "auto") and not wishes.fault(wish):
        found = begin(name, typed)
    return found


def begin(name, typed):
    """Begin an estimate -> Estimate."""
    try:
        estimates.begin(frame.root(), name, typed)
    except ToolkitError as error:
        return estimates.Estimate("failed", {}, {}, message=str(error))
    return estimates.of(frame.root(), name)


def words(found):
    """{preset: such as "about 40 s, 1.4 GB of memory"}, as far as an Estimate knows."""
    if found.state == "coming":
        return dict.fromkeys(options.PRESETS, "estimating …")
    return {name: "not with these options" for name in found.refused} | {
        name: cost.words for name, cost in found.costs.items()}


def shown(found, wish, seen):
    """What the run that is asked for will take."""
    preset = wish.get("preset")
    if found.state == "coming":
        coming(*asked(wish, seen))
    elif found.state == "known" and preset in found.costs:
        st.markdown(f":material/timer: A{found.costs[preset].words[1:]}")
        st.caption(found.costs[preset].more + (". The computer had other work meanwhile: alone it is quicker."
                                               if found.busy else "."))
    elif found.state == "known" and preset in found.refused:
        st.caption(plain(found.refused[preset]))
    elif found.state == "failed":
        st.caption(f"No estimate: {plain(found.message)}")
    if (found.state in ("none", "failed") or found.busy) and not wishes.fault(wish):
        words = "Estimate anew" if found.busy else "Estimate time and memory"
        if st.button(words, icon=":material/timer:", key="train-estimate",
                     help="Computes for some seconds; a run that is at work meanwhile is a little slower."):
            begin(*asked(wish, seen))
            st.rerun()


@st.fragment(run_every=1.0)
def coming(name, typed):
    """A word until the estimate is there; then the page is drawn anew, once."""
    if estimates.of(frame.root(), name).state != "coming":
        st.rerun()
    st.caption(":material/timer: Estimating time and memory … Start need not wait for it.")
