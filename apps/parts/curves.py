"""ROC and precision-recall curves of one class, with the point that the threshold chooses."""

import numpy as np
import streamlit as st

from toolkit.evaluation import operating
from toolkit.report import words

PARTS = {"validation": "validation", "test": "test"}
LINE, MARK = "#1f7fc8", "#d9622b"  # seen on light and on dark
HEIGHT = 300


def page(found, number, part, effect):
    """Both curves of the class `number` on a part; effect: what the threshold does there."""
    rows = found.answers.part(part)
    curve = operating.curve(found.answers.truth[rows] == number, found.answers.probabilities[rows, number])
    scores = found.metrics[part]["per_class"][found.classes[number]]
    found_share, marked = effect["sensitivity"]["value"], effect["marked"]
    left, right = st.columns(2, gap="medium")
    with left:
        st.markdown(f"**ROC curve** of the {PARTS[part]} pictures, area {words.number(scores['roc_auc']['value'])}")
        drawn(1 - curve["specificity"], curve["sensitivity"], curve["threshold"], "falsely marked (1 − specificity)",
              "found (sensitivity)", (gap(effect["specificity"]["value"]), found_share), "linear", True)
    with right:
        st.markdown(f"**Precision and recall** of the {PARTS[part]} pictures")
        drawn(curve["sensitivity"], curve["precision"], curve["threshold"], "recall (sensitivity)",
              "precision", (found_share, effect["tp"] / marked if marked else None),
              "step-before", False)


def gap(share):
    """1 - share, None where there is none."""
    return None if share is None else 1 - share


def drawn(x, y, threshold, across, up, point, interpolate, chance):
    """One curve and its point (x, y), or a word where it is not defined."""
    fine = np.isfinite(x) & np.isfinite(y)
    if fine.sum() < 2:
        st.caption("Not defined: these pictures are all of one kind.")
        return
    at = np.flatnonzero(fine)
    at = at[operating.corners(x[at], y[at])]
    st.altair_chart(chart(x[at], y[at], threshold[at], across, up, point, interpolate, chance), width="stretch",
                    alt=f"{up} against {across}; the point is the threshold's: {spoken(point)}")


def spoken(point):
    """A point in words."""
    return "not defined" if None in point else f"{point[0]:.3f} across, {point[1]:.3f} up"


def chart(x, y, threshold, across, up, point, interpolate, chance):
    """The Altair chart of a curve."""
    import altair
    import pandas

    table = pandas.DataFrame({"x": x, "y": y, "order": range(len(x)), "threshold": np.minimum(threshold, 1)})
    scale = altair.Scale(domain=[0, 1], nice=False)
    axes = {"x": altair.X("x:Q", title=across, scale=scale), "y": altair.Y("y:Q", title=up, scale=scale)}
    shown = [altair.Tooltip("threshold:Q", format=".3f"), altair.Tooltip("x:Q", title=across, format=".3f"),
             altair.Tooltip("y:Q", title=up, format=".3f")]
    layers = [altair.Chart(table).mark_line(color=LINE, strokeWidth=2.5, interpolate=interpolate).encode(
        **axes, order="order:Q", tooltip=shown)]
    if chance:
        layers.insert(0, altair.Chart(pandas.DataFrame({"x": [0, 1], "y": [0, 1]})).mark_line(
            color="#8a8f98", strokeDash=[2, 4], strokeWidth=1).encode(**axes))
    if None not in point:
        layers.append(altair.Chart(pandas.DataFrame({"x": [point[0]], "y": [point[1]]})).mark_point(
            filled=True, color=MARK, size=170, opacity=1, stroke="white", strokeWidth=1.5).encode(
            **axes, tooltip=[altair.Tooltip("x:Q", title=across, format=".3f"),
                             altair.Tooltip("y:Q", title=up, format=".3f")]))
    return altair.layer(*layers).properties(height=HEIGHT)
