"""One new picture, large: what the model answered, and on demand where it looked."""

import streamlit as st

from apps.parts import frame, heat
from apps.parts.overlay import overlay
from apps.parts.plain import plain, short
from apps.parts.turning import turn
from toolkit.errors import ToolkitError
from toolkit.errors import plain as printable
from toolkit.runs import answers, launch

MOST = 8            # classes whose probabilities are listed
FAULT = "use-heat-fault"


def source(answer, key):
    """The address of a small picture; None where there is none."""
    return frame.url("picture", answers.KIND, answer.id, f"{key}.jpg") if key else None


def named(answer, path):
    """A picture's path from where the person who asked knows it."""
    above = [f"{place.rstrip('/')}/" for place in answer.pictures if path.startswith(f"{place.rstrip('/')}/")]
    return path[len(max(above, key=len)):] if above else path


def of_address(answer, found, mark, where):
    """The picture that the address names. mark(row): what is to be said of it; where: rows Left and Right lead to."""
    asked = st.query_params.get("picture", "")
    if asked.isascii() and asked.isdecimal() and len(asked) < 9 and int(asked) < len(found):
        large(answer, found, mark, where)


def closed():
    """The address forgets the picture."""
    st.query_params.pop("picture", None)


@st.dialog("Picture", width="large", on_dismiss=closed)
def large(answer, found, mark, where):
    """One picture with its probabilities."""
    row = int(st.query_params.get("picture", "0"))
    facts = found.rows.iloc[row]
    turn("use", list(map(int, where)) if row in where else [row], row, to)
    if facts["error"]:
        st.error(f"This file could not be read: {plain(facts['error'])}")
    else:
        left, right = st.columns([3, 2], gap="medium")
        with left:
            shown(answer, found, facts)
        with right:
            said(found, row, facts, mark(row))
    st.text(short(named(answer, facts["path"]), 90))


def to(row):
    """Show another picture."""
    st.query_params["picture"] = str(row)


def shown(answer, found, facts):
    """The picture, its heat map over it where there is one."""
    key, heats = facts["key"], ()
    if not key:
        st.info("Which file this picture was is not known any more.")
        return
    if answers.explained(answer, key):
        heats = tuple((name, frame.url("heat", answers.KIND, answer.id, key, f"{number}.png"))
                      for number, name in enumerate(found.classes))
    first = found.classes.index(facts["predicted"]) if facts["predicted"] in found.classes else 0
    overlay(f"{source(answer, key)}?full=1", f"{named(answer, facts['path'])}, answered {facts['predicted']}",
            "use-overlay", heats, first)
    if heats:
        st.caption(heat.MEANING)
    else:
        offer(answer, key, facts["file"])


def offer(answer, key, file):
    """A button that computes the heat map, or how far that is."""
    if launch.alive(frame.root(), answers.HEAT, answer.id):
        computing(answer)
        return
    st.button("Show what the model looked at", icon=":material/filter_center_focus:", key="use-heat", on_click=explain,
              args=(answer, key, file), help="Computes a heat map of this picture, which takes some seconds.")
    if fault := st.session_state.pop(FAULT, "") or failed(answer, file):
        st.error(plain(fault), icon=":material/error:")


def explain(answer, key, file):
    """Begin to compute the heat map."""
    try:
        answers.explain(frame.root(), answer, key, file)
    except ToolkitError as error:
        st.session_state[FAULT] = str(error)


def failed(answer, file):
    """Why the last heat map that was asked for, if it was that of this picture, is not there."""
    command = (launch.record(frame.root(), answers.HEAT, answer.id) or {}).get("command")
    if not isinstance(command, list) or file not in command:
        return ""
    return launch.complaint(frame.root(), answers.HEAT, answer.id) or "The heat map was not computed; it ended early."


@st.fragment(run_every=1.0)
def computing(answer):
    """How far it is; shown anew once, when it is there."""
    if not launch.alive(frame.root(), answers.HEAT, answer.id):
        st.rerun()
    st.progress(0.0, "Looking where the model looks: it is being loaded")


def said(found, row, facts, mark):
    """The answer and the probabilities."""
    with st.container(horizontal=True):
        st.badge(plain(printable(facts["predicted"])), icon=":material/label:", color="blue")
        if mark:
            st.badge(plain(printable(mark)), icon=":material/flag:", color="orange")
    order = sorted(range(len(found.classes)), key=lambda number: -found.probabilities[row, number])[:MOST]
    for number in order:  # words rather than a table: they can be read aloud
        probability = float(found.probabilities[row, number])
        st.progress(min(1.0, probability), f"{plain(short(found.classes[number], 60))} {probability:.3f}")
    if len(found.classes) > MOST:
        st.caption(f"The {MOST} likeliest of {len(found.classes)} classes.")
