"""How a run learns, as charts: losses, AUC beside the probe's, and rates, gradients and changes of weights by stage.

What is drawn stands as a table beneath, for whoever does not see it.
"""

import streamlit as st

from apps.parts import lines

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
    lines.drawn(rows, "loss", dict(list(KINDS.values())[:2]), told.rounds, spoken_loss(told),
                best=best["at"] if best else None)


def auc(told):
    """Validation AUC, with the probe's as a line."""
    headed("Validation AUC", AUC)
    rows = [{"at": row["at"], "value": row["validation_roc_auc"], "of": "tuned", "round": row["round"],
             "stage": row["stage"]} for row in told.epochs if "validation_roc_auc" in row]
    if not rows:
        st.caption("Not defined: the validation pictures lack a class.")
        return
    said = f"; the probe's is {told.probe:.3f}" if told.probe is not None else ""
    lines.drawn(rows, "AUC", {"tuned": KINDS["validation_roc_auc"][1]}, told.rounds,
                f"Validation AUC, {span(rows)}{said}.", level=told.probe)


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
    lines.drawn(rows, title.lower(), colours, told.rounds, f"{title} by stage: {said}.", powers=True)


def span(rows):
    """The first and the last value in words."""
    return f"from {rows[0]['value']:.3g} to {rows[-1]['value']:.3g}"


def spoken_loss(told):
    """The loss in words."""
    best = told.best
    return f"Loss over {len(told.epochs)} epochs" + (
        f"; the best validation loss, {best['validation_loss']:.3f}, is that of epoch {best['at']}." if best else ".")


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
