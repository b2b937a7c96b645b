"""Charts of figures by epoch, as Vega-Lite: made by Altair once for the same figures, since that takes long."""

import copy
from functools import lru_cache

import streamlit as st

HEIGHT = 270  # pixels, with legend and axes
POWER = "datum.value < 0.001 ? format(datum.value, '.0e') : format(datum.value, '~g')"  # of a mark on an axis
INK = {True: "#b0b8bd", False: "#5c5f66"}  # of what is written into a chart, by whether the page is dark


def drawn(rows, title, colours, rounds=(), alt="", **more):
    """Show `rows`, dicts {at: epoch, value, of, round, stage}: a line of each `of` in its colour, parted by rounds.

    colours: {of: colour}; rounds: {stage: its first epoch}; more: powers (a scale of powers of ten), level (a value
    drawn across, of the probe), best (an epoch that is marked).
    """
    figures = tuple((row["at"], row["value"], row["of"], row["round"], row["stage"]) for row in rows)
    found = spec(figures, title, tuple(colours.items()), tuple(dict(rounds).items()),
                 st.context.theme.type == "dark", **more)
    st.vega_lite_chart(spec=copy.deepcopy(found), width="stretch", alt=alt)


@lru_cache(128)
def spec(figures, title, colours, rounds, dark, powers=False, level=None, best=None):
    """The Vega-Lite of such a chart."""
    import altair
    import pandas

    table, kinds = pandas.DataFrame(figures, columns=["at", "value", "of", "round", "stage"]), dict(colours)
    base = altair.Chart(table).encode(
        x=altair.X("at:Q", title="epoch", axis=altair.Axis(tickMinStep=1, format="d"),
                   scale=altair.Scale(domain=[1, max(2, int(table["at"].max()))], nice=False)),
        y=altair.Y("value:Q", title=None, scale=altair.Scale(type="log") if powers else altair.Scale(zero=False),
                   axis=altair.Axis(labelExpr=POWER, tickCount=4) if powers else altair.Axis(format="~g", tickCount=5)),
        color=altair.Color("of:N", title=None, legend=altair.Legend(orient="top") if len(kinds) > 1 else None,
                           scale=altair.Scale(domain=list(kinds), range=list(kinds.values()))),
        detail="round:N",
        tooltip=[altair.Tooltip("at:Q", title="epoch"), altair.Tooltip("of:N", title="of"),
                 altair.Tooltip("value:Q", title=title, format=".4g"), altair.Tooltip("stage:N", title="round")])
    layers = [base.mark_line(point=altair.OverlayMarkDef(size=28))]
    if level is not None:
        layers += across(level, f"probe {level:.3f}", INK[dark])
    if best is not None:
        layers.append(upright([(best, "best")], [2, 2], False, INK[dark]))
    if len(rounds) > 1:
        layers.append(upright([(at - 0.5 if at > 1 else 1, stage) for stage, at in rounds], [6, 3], True, INK[dark]))
    return altair.layer(*layers).properties(height=HEIGHT).to_dict(validate=False)


def across(value, text, ink):
    """A level line with its name."""
    import altair
    import pandas

    chart = altair.Chart(pandas.DataFrame([{"value": value, "text": text}])).encode(y="value:Q")
    return [chart.mark_rule(strokeDash=[6, 4], color=ink, strokeWidth=1.5),
            chart.mark_text(align="right", dy=-8, color=ink).encode(x=altair.value("width"), text="text:N")]


def upright(marks, dash, top, ink):
    """Upright lines at marks [(epoch, name)], with their names at the top or bottom."""
    import altair
    import pandas

    chart = altair.Chart(pandas.DataFrame(marks, columns=["at", "text"]))
    return chart.mark_rule(strokeDash=dash, color=ink).encode(x="at:Q") + chart.mark_text(
        align="left", dx=4, dy=8 if top else -8, color=ink).encode(
            x="at:Q", y=altair.value(0 if top else "height"), text="text:N")
