"""The form of a run: its questions, and every option behind them, made from the options themselves.

What a person has set stands in session_state under `train-NAME`; it survives a look at another page, not a reload.
"""

import streamlit as st

from apps.parts import wishes
from apps.parts.plain import plain
from toolkit import options

OF = "train-of"     # what the form was filled from
COPIED = ("preset", *(name for name in wishes.FIELDS if name not in ("preset", *wishes.SITTING)))
LINES = {"fast": "The linear read-out of a network that is not changed: a good first answer.",
         "balanced": "Then its upper stage is tuned, and kept only where that helps.",
         "best": "Tuned longer, from more views of each picture: the most time for the last bit."}


def key(name):
    """Where the value of an option stands."""
    return f"train-{name}"


def fill(source, wish):
    """Put a wish into the form, once for each source; a form that is in use stays as it is.

    But decisions about pictures may have come since, and with them their file.
    """
    if st.session_state.get(OF) == source and all(key(name) in st.session_state for name in COPIED):
        if wish.get("edits") and not st.session_state[key("edits")]:
            put({"edits": wish["edits"]})
        return
    st.session_state[OF] = source
    preset = wish.get("preset") or "balanced"
    put({name: wishes.base(name, preset) if wish.get(name) is None else wish[name] for name in COPIED})


def put(wish):
    """Set options in the form; a text that is None is an empty field."""
    for name, value in wish.items():
        shape = wishes.shape(wishes.FIELDS[name])
        whole = shape == "number" and isinstance(value, int)  # 1 of a run.json that was written by hand
        st.session_state[key(name)] = "" if value is None and shape == "text" else float(value) if whole else value


def values():
    """The wish that the form holds."""
    return {name: st.session_state[key(name)] for name in COPIED}


def base(name):
    """What stands for an option under the preset that is chosen."""
    return wishes.base(name, st.session_state.get(key("preset")) or "balanced")


def reset(names):
    """Give options back what stands."""
    put({name: base(name) for name in names})


def preset_changed():
    """Take the new preset's values where nobody had set another one."""
    before, now = st.session_state.get("train-preset-before", "balanced"), st.session_state[key("preset")]
    for name in {name for preset in options.PRESETS.values() for name in preset}:
        if st.session_state[key(name)] == wishes.base(name, before):
            st.session_state[key(name)] = wishes.base(name, now)


def preset(costs):
    """How much work: the first question; costs: {preset: words such as "about 40 s, 1.4 GB"}."""
    st.session_state["train-preset-before"] = st.session_state[key("preset")]
    captions = [f"{LINES.get(name, '')} {f'**{plain(costs[name])}**' if costs.get(name) else ''}".strip()
                for name in options.PRESETS]
    st.radio("How thoroughly?", list(options.PRESETS), format_func=lambda name: wishes.PRESETS.get(name, name),
             captions=captions, key=key("preset"), on_change=preset_changed, persist_state="session")


def network():
    """Which network."""
    words = wishes.networks()
    here = st.session_state[key("backbone")]
    st.selectbox("Which network?", list(words) if here in words else [here, *words], key=key("backbone"),
                 format_func=lambda name: words.get(name, name), persist_state="session",
                 help="ResNet-50 is a good choice for most pictures; a smaller one is faster.")


def device():
    """On what: asked where there is a choice."""
    if wishes.queue.devices("auto") == ["cpu"]:
        return
    choices = list(dict.fromkeys(["auto", "gpu", "cpu", st.session_state[key("device")]]))
    st.segmented_control("On what?", choices, key=key("device"), required=True, persist_state="session",
                         format_func={"auto": "The best there is", "gpu": "GPU", "cpu": "Processor"}.get)


def advanced():
    """Every other option, under the headings of its source."""
    names = [f.name for _, found in wishes.sections(wishes.ASKED) for f in found]
    changed = [name for name in names if name in wishes.changed(values())]
    place = st.expander("Advanced: every option", icon=":material/tune:", key="train-advanced", on_change="rerun")
    if changed:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption("Changed: " + ", ".join(wishes.words(wishes.FIELDS[name]).lower() for name in changed))
            st.button("Reset", icon=":material/restart_alt:", key="train-reset", on_click=reset, args=(changed,))
    if not place.open:
        return
    with place:
        for heading, found in wishes.sections(wishes.ASKED):
            st.markdown(f"**{heading}**")
            with st.grid(min_column_width=240, vertical_alignment="bottom"):
                for f in found:
                    ask(f, f.name in changed)


def ask(f, changed):
    """One option; what was changed bears a mark."""
    mark = " :blue-badge[changed]" if changed else ""
    more = {"key": key(f.name), "help": plain(wishes.about(f)), "persist_state": "session"}
    label, shape, bounds = wishes.words(f) + mark, wishes.shape(f), f.metadata
    if shape == "choice":
        st.selectbox(label, list(bounds["choices"]), format_func=str, **more)
    elif shape == "switch":
        st.toggle(label, **more)
    elif shape == "text":
        st.text_input(label, placeholder="as it comes" if f.default is None else "", **more)
    else:
        high = bounds["high"] if bounds["high"] is not None else bounds["short_of"]
        st.number_input(label, bounds["low"], high, None if f.default is None else "min", wishes.steps(f),
                        "%d" if shape == "whole" else "%g", placeholder="by the data", **more)
