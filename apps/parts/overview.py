"""All runs in a table, what is done with those that are chosen, and the trash."""

import streamlit as st

from apps.parts import deleting, frame
from apps.parts.plain import plain
from toolkit.errors import ToolkitError
from toolkit.progress import spoken
from toolkit.quantities import size_in_words
from toolkit.runs import folders, listing, trash

MOST = 6        # runs beside each other
UNWANTED = "runs-unwanted"  # in session_state: names that somebody wants to delete
IN_TRASH = 20   # shown
ROW = 36        # pixels
COLUMNS = {"state": "State", "data": "Data", "started": "Started", "time": "Time", "kept": "Model kept", "auc": "AUC",
           "run": "Run"}


def page():
    """The table, or a word where there is nothing to show."""
    frame.heading("Runs", frame.VIEWS["run"][1])
    deleting.undo()
    runs = listing.runs(frame.root())
    if runs:
        several = st.toggle("Choose several", key="run-several", help="To see them side by side, or to delete them.")
        if names := st.session_state.pop(UNWANTED, None):
            unwanted(names)
        live = any(run.state.live for run in runs)
        st.fragment(table, run_every="2s" if live else None)(several, live)
    else:
        st.info("There is no run yet. Bring pictures, look at them, and start the first one.",
                icon=":material/model_training:")
        frame.link("data", "Bring pictures", ":material/add_photo_alternate:")
    thrown_away()


def table(several, live):
    """The runs; choosing one opens it. While one is at work this is shown anew every two seconds."""
    runs = listing.runs(frame.root())
    if live and not any(run.state.live for run in runs):
        st.rerun()
    ids = [run.id for run in runs]
    turn = st.session_state.get("run-turn", 0)
    event = st.dataframe(
        rows(runs), hide_index=True, on_select="rerun", selection_mode="multi-row" if several else "single-row",
        key=f"runs-{turn}-{several}-{hash(tuple(ids))}", height=min(640, ROW * len(runs) + 44), row_height=ROW,
        alt="Runs, newest first; choose one by its tick box", column_config={
            **{name: st.column_config.TextColumn(title) for name, title in COLUMNS.items()},
            "state": st.column_config.TextColumn(COLUMNS["state"], width=140), "time": st.column_config.TextColumn(
                COLUMNS["time"], width=70), "auc": st.column_config.TextColumn(
                    "AUC", width=170, help="On the test pictures, with its 95 % interval"),
            "started": st.column_config.TextColumn(COLUMNS["started"], width=135),
            "run": st.column_config.TextColumn(COLUMNS["run"], width=190)})
    chosen = picked(event, ids)
    if several:
        act(chosen)
    elif chosen:
        st.session_state["run-turn"] = turn + 1  # so that it is not chosen any more when one comes back
        st.query_params.from_dict({"run": chosen[0]})
        st.rerun()
    else:
        st.caption("Tick a run to open it; by keyboard with the arrow keys, then Shift and Space.")


def picked(event, ids):
    """Names of the rows that are chosen."""
    return [ids[row] for row in event["selection"]["rows"] if row < len(ids)]


def act(chosen):
    """What is done with several."""
    fits = 2 <= len(chosen) <= MOST
    words = f"Compare {len(chosen)} runs" if fits else "Compare"
    with st.container(horizontal=True):
        if st.button(words, type="primary", icon=":material/compare_arrows:", disabled=not fits, key="run-compare",
                     help=f"Two to {MOST} runs; tick them in the table."):
            st.query_params.from_dict({"compare": ",".join(chosen)})
            st.rerun()
        if st.button("Delete", icon=":material/delete:", disabled=not chosen, key="run-unwanted-ask"):
            st.session_state[UNWANTED] = chosen
            st.rerun()


@st.dialog("Delete these runs?")
def unwanted(names):
    """The question before several runs go to the trash."""
    found = [run for name in names if (run := listing.entry(frame.root(), name)) is not None]
    for run in found[:IN_TRASH]:
        st.text(run.id)
    if len(found) > IN_TRASH:
        st.caption(f"and {len(found) - IN_TRASH} more")
    total = sum(folders.size(run.folder) for run in found)
    st.markdown(f"{size_in_words(total)} go to the trash, and can be put back until it is emptied. What is at work "
                "stays.")
    with st.container(horizontal=True):
        st.button("Move to the trash", type="primary", key="unwanted-yes", on_click=moved, args=(names,))
        if st.button("Keep them", key="unwanted-no"):
            st.rerun()
    if st.session_state.pop("runs-moved", False):
        st.rerun()


def moved(names):
    """Move runs to the trash; what could not be moved is said."""
    st.session_state["runs-moved"] = True
    for name in names:
        try:
            trash.delete(frame.root(), name)
        except ToolkitError as error:
            st.session_state["trash-fault"] = f"{name}: {error}"


def rows(runs):
    """The table's columns."""
    import pandas

    return pandas.DataFrame([{
        "state": state(run.state), "data": run.data,
        "started": f"{run.started.astimezone():%Y-%m-%d %H:%M}" if run.started else "",
        "time": spoken(run.seconds) if run.seconds else "", "kept": kept(run), "auc": auc(run), "run": run.id}
        for run in runs], columns=list(COLUMNS))


def state(state):
    """A state in a word or two."""
    words = frame.BADGES[state.name][0]
    return f"{words} {state.progress:.0%}" if state.name == "running" else words


def kept(run):
    """The model that was kept, in a word."""
    return {"probe": "first answer"}.get(run.chosen, run.chosen)


def auc(run):
    """The test AUC with its interval."""
    score = (run.scores or {}).get("roc_auc", {})
    if score.get("value") is None:
        return "–" if run.scores else ""
    inner = "" if score.get("low") is None else f" ({score['low']:.3f} to {score['high']:.3f})"
    return f"{score['value']:.3f}{inner}"


def thrown_away():
    """The trash."""
    names = trash.listed(frame.root())
    if fault := st.session_state.pop("trash-fault", ""):
        st.error(plain(fault))
    if not names:
        return
    with st.expander(f"Trash: {len(names)} {'run' if len(names) == 1 else 'runs'}", icon=":material/delete:"):
        for name in names[:IN_TRASH]:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.text(trash.called(name), width="stretch")
                st.button("Put back", key=f"back-{name}", on_click=put_back, args=(name,),
                          help=f"Put {plain(trash.called(name))} back among the runs")
        if len(names) > IN_TRASH:
            st.caption(f"and {len(names) - IN_TRASH} more")
        if st.button("Empty trash", icon=":material/delete_forever:", key="trash-empty"):
            sure(len(names))


def put_back(name):
    """Put a run back among the others."""
    try:
        st.toast(f"{plain(trash.restore(frame.root(), name))} is back.", icon=":material/undo:")
    except ToolkitError as error:
        st.session_state["trash-fault"] = str(error)


@st.dialog("Empty the trash?")
def sure(count):
    """The question before deleted runs are gone for good."""
    found = folders.size(frame.root() / folders.HIDDEN / "trash")
    st.markdown(f"{count} {'run goes' if count == 1 else 'runs go'} for good, {size_in_words(found)}: models, scores "
                "and reports. This cannot be undone.")
    with st.container(horizontal=True):
        st.button("Delete for good", type="primary", key="trash-yes", on_click=emptied)
        if st.button("Keep them", key="trash-no"):
            st.rerun()
    if not trash.listed(frame.root()) or "trash-fault" in st.session_state:
        st.rerun()


def emptied():
    """Empty the trash."""
    if rest := trash.empty(frame.root()):
        st.session_state["trash-fault"] = f"{rest} could not be deleted: the system does not allow it."
