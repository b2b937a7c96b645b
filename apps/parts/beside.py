"""Runs side by side: how they learnt, in which options they differ, and which is better on the same test pictures."""

import streamlit as st

from apps.parts import frame, lines
from apps.parts.plain import plain
from apps.parts.watch import interval, number
from toolkit.runs import comparison, history, listing

MOST = 6
COLOURS = ("#1f7fc8", "#d9622b", "#7048e8", "#2f9e44", "#c2255c", "#9a6a00")  # of the runs, in their order
SCORES = {"roc_auc": "AUC", "balanced_accuracy": "Balanced accuracy", "accuracy": "Accuracy", "f1_macro": "F1, mean",
          "log_loss": "Log loss", "ece": "Calibration error"}
CURVES = {"validation_loss": "Validation loss", "validation_roc_auc": "Validation AUC", "train_loss": "Training loss"}


def asked():
    """Names of the runs that the address wants compared."""
    return list(dict.fromkeys(name for name in st.query_params.get("compare", "").split(",") if name))[:MOST]


def page(names):
    """The comparison."""
    frame.link("run", "All runs", ":material/arrow_back:")
    frame.heading("Compare runs", "The first one is what the others are measured against.")
    found = [listing.entry(frame.root(), name) if frame.valid(name) else None for name in names]
    for name, run in zip(names, found):
        if run is None:
            st.warning(f"There is no run {plain(name[:80])} here; it may have been deleted or moved.")
    runs = [run for run in found if run is not None]
    if len(runs) < 2:
        st.info("Two runs at least are wanted: tick them in the table of runs.", icon=":material/compare_arrows:")
        return
    marks = {run.id: chr(ord("A") + place) for place, run in enumerate(runs)}
    for run in runs:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{marks[run.id]}**")
            frame.badge(run.state)
            frame.link("run", plain(frame.label(run)), run=run.id)
    scores(runs, marks)
    differences(runs, marks)
    learnt(runs, marks)
    options(runs, marks)


def scores(runs, marks):
    """Test scores of each run with their intervals."""
    st.subheader("Scores on the test pictures", anchor=False)
    table = [{"run": marks[run.id], **{words: told((run.scores or {}).get(name)) for name, words in SCORES.items()}}
             for run in runs]
    st.dataframe(table, hide_index=True, alt="Test scores of each run with 95 % intervals")


def told(score):
    """A score with its interval."""
    if not score:
        return "–"
    return number(score["value"]) + (f" ({inner})" if (inner := interval(score)) else "")


def differences(runs, marks):
    """Every other run against the first, on the same pictures."""
    first, table = runs[0], []
    with st.spinner("Comparing picture by picture"):
        found = [(run, comparison.difference(run.folder, first.folder)) for run in runs[1:]]
    for run, difference in found:
        row = {"runs": f"{marks[run.id]} − {marks[first.id]}"}
        for metric in comparison.METRICS:
            score = difference.scores.get(metric)
            row[SCORES[metric]] = signed(score) if score else "–"
        table.append(row | {"verdict": verdict(difference, marks[run.id], marks[first.id])})
    st.markdown("**Difference on the same test pictures**", help="Both models are scored on the same resamples of the "
                "same pictures, those of one group or scene together: what is hard for both cancels out. A difference "
                "whose interval holds 0 may be chance.")
    st.dataframe(table, hide_index=True, alt="Paired difference of each run to the first, with 95 % intervals")


def signed(score):
    """A difference with its interval."""
    if score["value"] is None:
        return f"not defined: {score.get('reason', '')}"
    inner = "" if score["low"] is None else f" ({score['low']:+.3f} to {score['high']:+.3f})"
    return f"{score['value']:+.3f}{inner}"


def verdict(difference, run, first):
    """What the difference in AUC says, in words."""
    score = difference.scores.get("roc_auc")
    if not score:
        return difference.reason
    if score["low"] is None:
        return "no interval: too few independent pictures"
    if score["low"] <= 0 <= score["high"]:
        return f"no difference is proved on {difference.pictures:,} pictures"
    return f"{run if score['value'] > 0 else first} is better"


def learnt(runs, marks):
    """Curves of all runs over each other."""
    rows = [{"at": row["at"], "value": row[name], "of": marks[run.id], "round": row["round"], "stage": row["stage"],
             "figure": name} for run in runs for row in history.of(run.folder).epochs for name in CURVES if name in row]
    if not rows:
        return
    st.subheader("How they learnt", anchor=False)
    told = {row["of"] for row in rows}
    colours = {marks[run.id]: colour for run, colour in zip(runs, COLOURS) if marks[run.id] in told}
    figures = [name for name in CURVES if any(row["figure"] == name for row in rows)]
    for column, name in zip(st.columns(len(figures), gap="large"), figures):
        some = [row for row in rows if row["figure"] == name]
        with column:
            st.markdown(f"**{CURVES[name]}**")
            lines.drawn(some, CURVES[name].lower(), colours,
                        alt=f"{CURVES[name]} of the runs {', '.join(colours)} by epoch.")
    with st.expander("The numbers", icon=":material/table:"):
        st.dataframe([{"run": row["of"], "epoch": row["at"], "round": row["stage"], "figure": CURVES[row["figure"]],
                       "value": row["value"]} for row in rows], hide_index=True, alt="Figures of every epoch")


def options(runs, marks):
    """Only the options that are not the same."""
    st.subheader("Options that differ", anchor=False)
    found = comparison.options(runs)
    if not found:
        st.caption("All options are the same.")
        return
    st.dataframe([{"option": name, **{marks[run.id]: "–" if value is None else str(value)[:200]
                                      for run, value in zip(runs, values)}}
                  for name, values in found.items()], hide_index=True, width="content", alt="Options that differ")
