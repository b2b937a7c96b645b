"""One picture of a run, large: what the model answered, where it looked, and what a person decides about its label."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import streamlit as st

from apps.parts import address, decide, frame, heat
from apps.parts.overlay import overlay
from apps.parts.plain import plain, short
from apps.parts.turning import turn
from toolkit.data import edits
from toolkit.errors import ToolkitError
from toolkit.errors import plain as printable
from toolkit.runs import checks

MOST = 8        # classes whose probabilities are listed
PARTS = {"test": "Test", "validation": "Validation"}


@dataclass(frozen=True)
class Facts:
    """A picture as decisions want it."""

    path: str
    sha256: str
    label: str


def facts(found, row):
    """The Facts of an answer."""
    one = found.answers.table.iloc[row]
    return Facts(one["path"], one["sha256"], one["label"])


def address_of(run, key):
    """The address of a picture's small copy; "" where the picture is not known."""
    return frame.url("picture", "runs", run.id, f"{key}.jpg") if key else ""


def decisions(run):
    """The decisions about the data of a run; None where they cannot be read or there are no data to decide about."""
    options = run.options or {}
    data, own = options.get("data"), options.get("edits")
    if not isinstance(data, str) or not data:
        return None
    try:
        if isinstance(own, str) and Path(own).suffix == Path(edits.NAME).suffix and Path(own).is_file():
            return decide.Decisions.read(Path(own), run.started)
        return decide.Decisions.read(checks.edits_file(frame.root(), data)[0], run.started)
    except (ToolkitError, OSError, ValueError):
        return None


def closed():
    """The address forgets the picture."""
    address.put(picture=None, view="pictures")


@st.dialog("Picture", width="large", on_dismiss=closed)
def dialog(run, found, rows, shown):
    """The picture of the address. rows: those through which Left and Right lead; shown: those of the page."""
    row = found.answers.places.get(st.query_params.get("picture", ""))
    if row is None:
        st.info("This picture is not among the answers of the run.")
        return
    one = found.answers.table.iloc[row]
    turn("results", led_through(found, row, rows), row, partial(to, found))
    left, right = st.columns([3, 2], gap="medium")
    with left:
        if one["key"]:
            overlay(address_of(run, one["key"]) + "?full=1", f"{one['label']}, answered {one['predicted']}",
                    "results-overlay", heat.maps(run, found, one["key"]), int(found.answers.answer[row]))
        else:
            st.info("Which file this picture was is not known: the run's manifest does not name it.")
        heat.offer(run, one["key"], [found.answers.table["key"].iat[other] for other in shown])
    with right:
        said(found, row)
        decision(run, found, row)


def led_through(found, row, rows):
    """The rows through which Left and Right lead from a picture."""
    return rows if row in rows else tuple(map(int, found.answers.where(found.answers.table["split"].iat[row])))


def to(found, row):
    """Show another picture."""
    address.put(picture=found.answers.table["id"].iat[row])


def said(found, row):
    """Label, answer and probabilities."""
    one, answers = found.answers.table.iloc[row], found.answers
    right = bool(answers.right[row])
    with st.container(horizontal=True):
        st.badge(f"Label: {plain(one['label'])}", icon=":material/label:", color="gray")
        st.badge(f"Answer: {plain(one['predicted'])}", color="green" if right else "red",
                 icon=":material/check:" if right else ":material/close:")
    order = np.argsort(-answers.probabilities[row], kind="stable")
    listed = list(dict.fromkeys([*order[:MOST].tolist(), int(answers.truth[row])]))
    st.dataframe([{"Class": printable(found.classes[number]), "Probability": float(answers.probabilities[row, number])}
                  for number in listed], hide_index=True, alt="Probability of each class",
                 column_config={"Probability": st.column_config.ProgressColumn(format="percent", min_value=0,
                                                                               max_value=1)})
    if len(found.classes) > len(listed):
        st.caption(f"The {len(listed)} of {len(found.classes)} classes that matter here.")
    st.text(short(one["path"], 90))
    st.caption(plain(" · ".join(filter(None, (PARTS[one["split"]], f"group {one['group']}" if one["group"] else "",
                                              f"loss {answers.loss[row]:.2f}")))))


def decision(run, found, row):
    """What may be decided about the label."""
    decided, one = decisions(run), facts(found, row)
    if decided is None:
        return
    word, tone = decided.of(one)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown("**Does the label look wrong?**", width="content")
        if word:
            st.badge(plain(word), icon=":material/edit:", color=tone)
    decide.choices("results", decided, one, found.classes)
    st.caption(f"Kept in {plain(short(decided.path, 70))}; the next run honours it, this one stays as it is. Look at "
               "right answers too: labels that are mended only where the model disagrees flatter it.")
