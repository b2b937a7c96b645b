"""How a run learns, as charts: losses, AUC beside the probe's, and rates, gradients and changes of weights by stage.

What is drawn stands as a table beneath, for whoever does not see it.
"""

import streamlit as st

HEIGHT = 270  # pixels, with legend and axes
POWER = "datum.value < 0.001 ? format(datum.value, '.0e') : format(datum.value, '~g')"  # of a mark on an axis
KINDS = {  # of a figure: (words, colour seen on light and on dark): always the same
    "train_loss": ("training", "#1f7fc8"), "validation_loss": ("validation", "#d9622b"),
    "validation_roc_auc": ("validation AUC", "#d9622b"),
}
STAGE_COLOURS = {"head": "#a61e4d", "layer4": "#1f7fc8", "layer3": "#2f9e44", "layer2": "#9a6a00", "layer1": "#7048e8",
                 "stem": "#868e96"}
OTHER = "#868e96"
BY_STAGE = {  # figure: (title, what a healthy one looks like)
    "rates": ("Learning rate", "Rises over the warm-up, then falls as a cosine; deeper stages get less."),
    "gradient_norms": ("Strength of the gradients", "Healthy: the stages stay within about a hundredfold of each other "
                       "and fall slowly. Near zero, a stage does not learn; rising more and more, the learning rate is "
                       "too high."),
    "update_norms": ("Relative change of the weights", "Healthy: a thousandth to a few hundredths an epoch at first, "
                     "then less. Far less changes nothing; far more forgets what the network knew."),
}
LOSSES = ("Healthy: both fall. When validation rises while training still falls, the pictures are being learnt by "
          "heart; the model of the best epoch is the one that is kept.")
AUC = "Above the probe's line, tuning brings more than the first answer from the frozen network."


def page(told):
    """Everything that a run told of its epochs so far (a toolkit.runs.history.History)."""
    if not told.epochs:
        return
    left, right = st.columns(2, gap="large")
    with left:
        losses(told)
    with right:
        auc(told)
    shown = [name for name in BY_STAGE if told.has(name)]
    for column, name in zip(st.columns(max(2, len(shown)), gap="large") if shown else (), shown):
        with column:
            by_stage(told, name)
    numbers(told)


def headed(title, about):
    """The name of a chart, and how to read it on demand."""
    st.markdown(f"**{title}**", help=about)


def losses(told):
    """Training and validation loss."""
    headed("Loss", LOSSES)
    rows = [{"at": row["at"], "value": row[name], "of": KINDS[name][0], "round": row["round"], "stage": row["stage"]}
            for row in told.epochs for name in ("train_loss", "validation_loss") if name in row]
    best = told.best
    st.altair_chart(lines(rows, "loss", {words: colour for words, colour in list(KINDS.values())[:2]}, told,
                          best=best["at"] if best else None), width="stretch", alt=spoken_loss(told))


def auc(told):
    """Validation AUC, with the probe's as a line."""
    headed("Validation AUC", AUC)
    rows = [{"at": row["at"], "value": row["validation_roc_auc"], "of": "tuned", "round": row["round"],
             "stage": row["stage"]} for row in told.epochs if "validation_roc_auc" in row]
    if not rows:
        st.caption("Not defined: the validation pictures lack a class.")
        return
    said = f"; the probe's is {told.probe:.3f}" if told.probe is not None else ""
    st.altair_chart(lines(rows, "AUC", {"tuned": KINDS["validation_roc_auc"][1]}, told, level=told.probe),
                    width="stretch", alt=f"Validation AUC, {span(rows)}{said}.")


def by_stage(told, name):
    """A figure of each stage, on a scale of powers of ten."""
    title, about = BY_STAGE[name]
    headed(title, about)
    rows = [{"at": row["at"], "value": value, "of": stage, "round": row["round"], "stage": row["stage"]}
            for row in told.epochs for stage, value in row.get(name, {}).items() if value > 0]
    if not rows:
        st.caption("All zero.")
        return
    known = list(STAGE_COLOURS)
    stages = sorted({row["of"] for row in rows}, key=lambda one: (known.index(one) if one in known else 99, one))
    colours = {stage: STAGE_COLOURS.get(stage, OTHER) for stage in stages}
    said = "; ".join(f"{stage} {span([row for row in rows if row['of'] == stage])}" for stage in stages)
    st.altair_chart(lines(rows, title.lower(), colours, told, True), width="stretch", alt=f"{title} by stage: {said}.")


def span(rows):
    """The first and the last value in words."""
    return f"from {rows[0]['value']:.3g} to {rows[-1]['value']:.3g}"


def spoken_loss(told):
    """The loss in words."""
    best = told.best
    return f"Loss over {len(told.epochs)} epochs" + (
        f"; the best validation loss, {best['validation_loss']:.3f}, is that of epoch {best['at']}." if best else ".")


def lines(rows, title, colours, told, powers=False, level=None, best=None):
    """The Altair chart of `rows` {at, value, of, round}: a line of each `of` in its colour, parted by rounds.

    level: a value drawn across, of the probe; best: an epoch that is marked.
    """
    import altair
    import pandas

    table = pandas.DataFrame(rows)
    base = altair.Chart(table).encode(
        x=altair.X("at:Q", title="epoch", axis=altair.Axis(tickMinStep=1, format="d"),
                   scale=altair.Scale(domain=[1, max(2, int(table["at"].max()))], nice=False)),
        y=altair.Y("value:Q", title=None, scale=altair.Scale(type="log") if powers else altair.Scale(zero=False),
                   axis=altair.Axis(labelExpr=POWER, tickCount=4) if powers else altair.Axis(format="~g", tickCount=5)),
        color=altair.Color("of:N", title=None, legend=altair.Legend(orient="top") if len(colours) > 1 else None,
                           scale=altair.Scale(domain=list(colours), range=list(colours.values()))),
        detail="round:N",
        tooltip=[altair.Tooltip("at:Q", title="epoch"), altair.Tooltip("of:N", title="of"),
                 altair.Tooltip("value:Q", title=title, format=".4g"), altair.Tooltip("stage:N", title="round")])
    layers = [base.mark_line(point=altair.OverlayMarkDef(size=28))]
    if level is not None:
        layers += across(level, "probe")
    if best is not None:
        layers.append(upright([{"at": best, "text": "best"}], [2, 2], "bottom"))
    if len(told.rounds) > 1:
        layers.append(upright([{"at": at - 0.5 if at > 1 else 1, "text": stage} for stage, at in told.rounds.items()],
                              [6, 3], "top"))
    return altair.layer(*layers).properties(height=HEIGHT)


def ink():
    """The colour of what is written into a chart."""
    return "#b0b8bd" if st.context.theme.type == "dark" else "#5c5f66"


def across(value, text):
    """A level line with its name."""
    import altair
    import pandas

    chart = altair.Chart(pandas.DataFrame([{"value": value, "text": f"{text} {value:.3f}"}])).encode(y="value:Q")
    return [chart.mark_rule(strokeDash=[6, 4], color=ink(), strokeWidth=1.5),
            chart.mark_text(align="right", dy=-8, color=ink()).encode(x=altair.value("width"), text="text:N")]


def upright(marks, dash, place):
    """Upright lines [{at, text}], with their names at the top or bottom."""
    import altair
    import pandas

    chart = altair.Chart(pandas.DataFrame(marks))
    return chart.mark_rule(strokeDash=dash, color=ink()).encode(x="at:Q") + chart.mark_text(
        align="left", dx=4, dy=8 if place == "top" else -8, color=ink()).encode(
            x="at:Q", y=altair.value(0 if place == "top" else "height"), text="text:N")


def numbers(told):
    """The same as a table."""
    import pandas

    with st.expander("The numbers", icon=":material/table:"):
        rows = []
        for row in told.epochs:
            flat = {"epoch": row["at"], "round": row["stage"], **{name: row.get(name) for name in KINDS}}
            for name, (title, _) in BY_STAGE.items():
                flat |= {f"{title.lower()}, {stage}": value for stage, value in row.get(name, {}).items()}
            rows.append(flat)
        table = pandas.DataFrame(rows).rename(columns={name: name.replace("_", " ") for name in KINDS})
        numeric = [name for name in table.columns if name not in ("epoch", "round")]
        st.dataframe(table, hide_index=True, alt="Figures of every epoch", column_config={
            name: st.column_config.NumberColumn(format="%.4g") for name in numeric})
