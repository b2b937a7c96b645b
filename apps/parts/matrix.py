"""The confusion matrix: as a picture of which a cell is clicked, and as a table for keys and screen readers."""

import numpy as np
import streamlit as st

from toolkit.errors import plain

MOST = 30       # classes that are drawn
ROOMY = 8       # classes up to which a cell holds its share too
NARROW = 14     # characters of a class's name at an axis
LEAST = 7       # pixels of a figure; a smaller one is left out
SOFT = 0.55     # opacity of a cell that holds its whole row: numbers stay readable in both themes
FAINT = 0.7     # opacity of a zero, still readable
INK = "luminance(background) < 0.5 ? '#ffffff' : '#1d2733'"
EDGE = "luminance(background) < 0.5 ? '#ffb454' : '#a33c00'"


def names(classes, longest=400):
    """Class names as they are shown: one line each, of bounded length, all different."""
    found = []
    for name in map(plain, classes):
        name = name if len(name) <= longest else name[:longest - 1] + "…"
        found.append(name if name not in found else f"{name} ({len(found) + 1})")
    return found


def drawn(matrix, classes, cell, key, on_change):
    """The matrix as a picture, rows labels, columns answers; `cell` (row, column) or None bears a frame.

    A click is told by on_change(); `clicked(key)` reads it there.
    """
    st.altair_chart(chart(matrix, classes, cell), key=key, on_select=on_change, width="stretch",
                    alt="Confusion matrix: rows are labels, columns the model's answers. The table form holds the same "
                        "numbers and can be used by keyboard.")


def clicked(key, classes=()):
    """The (row, column) that was clicked in the picture of that key; None where none is."""
    points = (st.session_state.get(key) or {}).get("selection", {}).get("cell") or [{}]
    return (int(points[0]["i"]), int(points[0]["j"])) if {"i", "j"} <= set(points[0]) else None


def chart(matrix, classes, cell=None):
    """The Altair chart of counts (k, k)."""
    import altair
    import pandas

    matrix, shown = np.asarray(matrix), names(classes, NARROW)
    k = len(shown)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    i, j = (part.ravel() for part in np.indices(matrix.shape))
    full = names(classes, 80)
    table = pandas.DataFrame({
        "i": i, "j": j, "row": [shown[n] for n in i], "column": [shown[n] for n in j], "label": [full[n] for n in i],
        "answer": [full[n] for n in j], "pictures": matrix.ravel(), "share": shares.ravel(),
        "chosen": [cell == (a, b) for a, b in zip(i.tolist(), j.tolist())],
        "percent": [f"{100 * share:.0f} %" for share in shares.ravel()]})
    axis = dict(labelLimit=120, ticks=False, domain=False, labelOverlap="parity" if k > ROOMY else False,
                labelColor=altair.ExprRef(INK), titleColor=altair.ExprRef(INK))
    base = altair.Chart(table).encode(
        x=altair.X("column:N", sort=shown, title="answer of the model", axis=altair.Axis(
            orient="top", labelAngle=0 if k <= 5 else -90, **axis)),
        y=altair.Y("row:N", sort=shown, title="label", axis=altair.Axis(**axis)),
        tooltip=[altair.Tooltip("label:N"), altair.Tooltip("answer:N"), altair.Tooltip("pictures:Q", format=","),
                 altair.Tooltip("percent:N", title="of the label")])
    point = altair.selection_point(name="cell", fields=["i", "j"], empty=False)
    shade = altair.Opacity("share:Q", scale=altair.Scale(domain=[0, 1], range=[0.03, SOFT]), legend=None)
    cells = base.mark_rect(color="#1f7fc8", cursor="pointer", cornerRadius=3).encode(opacity=shade).properties(
        name="cells").add_params(point)  # without a name it would get a new one each time, and all be drawn anew
    layers = [cells, *numbers(altair, base, k, int(matrix.max(initial=0))), base.mark_rect(
        aria=False, filled=False, stroke=altair.ExprRef(EDGE), strokeWidth=3, cornerRadius=3).transform_filter(
            altair.datum.chosen)]
    return altair.layer(*layers).properties(height=max(220, min(84, 560 // k + 6) * k + 60)).configure_view(
        strokeWidth=0).configure_scale(bandPaddingInner=0.04)


def numbers(altair, base, k, most):
    """The figures in the cells: counts, and shares below them where there is room; none where a cell is tiny."""
    ink = altair.ExprRef(INK)
    if k > MOST:
        return []
    digits = max(2, len(f"{most:,}"))
    size, up = (15, -8) if k <= ROOMY else (12, 0)
    text = base.mark_text(aria=False, fontSize=fitting(altair, size, k, digits), fontWeight=600, color=ink,
                          dy=up).encode(
        text=altair.Text("pictures:Q", format=","),
        opacity=altair.condition("datum.pictures > 0", altair.value(1), altair.value(FAINT)))
    if k > ROOMY:
        return [text]
    return [text, base.mark_text(aria=False, fontSize=fitting(altair, 12, k, 5), color=ink, dy=10).encode(
        text="percent:N", opacity=altair.condition("datum.pictures > 0", altair.value(1), altair.value(FAINT)))]


def fitting(altair, size, k, digits):
    """The size of figures that fit into a cell on a screen of any width; 0 where they could not be read."""
    room = f"width / {k} / {0.62 * digits:.2f}"
    return altair.ExprRef(f"{room} < {LEAST} ? 0 : min({size}, {room})")


def table(matrix, classes):
    """The matrix as a DataFrame: a row a label, a column an answer, and how many there are of each label."""
    import pandas

    shown, matrix = names(classes), np.asarray(matrix)
    columns = {f"→ {name}": matrix[:, j] for j, name in enumerate(shown)}
    return pandas.DataFrame({"Label": shown, **columns, "All": matrix.sum(axis=1)})


def listed(matrix, classes, key, on_change):
    """The matrix as a table whose cells can be chosen by keys; `chosen(key, classes)` reads which one is."""
    st.dataframe(table(matrix, classes), hide_index=True, key=key, on_select=on_change, selection_mode="single-cell",
                 column_config={"Label": st.column_config.TextColumn(pinned=True)},
                 alt="Confusion matrix: a row a label, a column an answer of the model")


def chosen(key, classes):
    """(row, column or None for all answers) of the cell chosen in the table of that key; None where none is."""
    cells = (st.session_state.get(key) or {}).get("selection", {}).get("cells") or []
    if not cells:
        return None
    row, column = cells[0]
    answers = [f"→ {name}" for name in names(classes)]
    return int(row), answers.index(column) if column in answers else None
