"""The figures of a report: arrays and dicts in, SVG text out, drawn by matplotlib without a screen.

`standalone` is a file for a paper (light colours). `inline` is for an HTML page: it has no address, no script and no
own colours but CSS variables, so that it follows the page's light, dark and print themes. Text stays text.
"""

import io
import re
import warnings
from xml.etree import ElementTree

import numpy as np

from toolkit.errors import plain

# Okabe & Ito's colour-blind-safe order, darkened (light) and lightened (dark) to a contrast of 3 on the background
LIGHT = {"ink": "#1d2733", "soft": "#5a6673", "line": "#d5dbe1", "blue": "#0069a8", "red": "#c44e00",
         "green": "#00805c", "purple": "#a4508b", "ochre": "#9a6b00", "sky": "#2787b8", "brown": "#7a4a2b",
         "grey": "#6f7a85"}
DARK = {"ink": "#e4e9ee", "soft": "#a3afba", "line": "#38424d", "blue": "#62b0ea", "red": "#ff9152",
        "green": "#3fc79a", "purple": "#e19ac9", "ochre": "#e8b33c", "sky": "#8fd0f2", "brown": "#d3a183",
        "grey": "#95a1ac"}
CURVES = ("blue", "red", "green", "purple", "ochre", "sky", "brown", "grey")
STYLES = ("-", "--", "-.", ":")
WIDTH = 6.2  # inches of 72 units: one column of the page, so that 12.5 units of text stay readable on a phone
MOST_CURVES = 8
MOST_NUMBERS = 12  # classes up to which the confusion matrix holds its numbers
RC = {"svg.fonttype": "none", "svg.hashsalt": "toolkit", "text.parse_math": False, "font.size": 12.5,
      "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": LIGHT["soft"], "axes.linewidth": 0.8,
      "axes.labelcolor": LIGHT["soft"], "text.color": LIGHT["ink"], "xtick.color": LIGHT["soft"],
      "ytick.color": LIGHT["soft"], "axes.grid": True, "grid.color": LIGHT["line"], "grid.linewidth": 0.8,
      "axes.axisbelow": True, "legend.frameon": False, "legend.fontsize": 12, "lines.linewidth": 2,
      "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
      "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "figure.constrained_layout.use": True}


def short(name, most=20):
    """A name of bounded length without control characters."""
    name = plain(name)
    return name if len(name) <= most else name[:most - 1] + "…"


def _drawn(paint, height=4.2):
    """The SVG of a figure that `paint(axes)` fills; None where it paints nothing (returns False)."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(RC), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph")  # the reader's fonts show the text, not matplotlib's
        figure = Figure(figsize=(WIDTH, height))
        if paint(figure.add_subplot()) is False:
            return None
        figure.get_layout_engine().execute(figure)  # once; savefig would draw everything for it a second time
        figure.set_layout_engine("none")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
        return stream.getvalue()


def _legend(axes, **where):
    if axes.get_legend_handles_labels()[0]:
        axes.legend(**({"loc": "best", "handlelength": 1.8, "alignment": "left"} | where))


def confusion(matrix, classes):
    """Confusion matrix, counts (k, k): shade is the share of the label's row."""
    matrix = np.asarray(matrix)
    k = len(classes)

    def paint(axes):
        from matplotlib.patches import Rectangle

        shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
        for i, j in np.ndindex(k, k):
            axes.add_patch(Rectangle((j, i), 1, 1, facecolor=LIGHT["blue"], alpha=0.55 * float(shares[i, j]), lw=0))
            if k <= MOST_NUMBERS:
                axes.text(j + 0.5, i + 0.5, f"{100 * shares[i, j]:.0f} %" if k <= 6 else f"{matrix[i, j]}",
                          ha="center", va="center", fontweight="bold" if i == j else "normal")
        axes.set(xlim=(0, k), ylim=(k, 0), xlabel="answer of the model", ylabel="label")
        if k <= 40:
            names = [short(name, 16 if k <= 6 else 12) for name in classes]
            axes.set_xticks(np.arange(k) + 0.5, names, rotation=0 if k <= 4 else 90)
            axes.set_yticks(np.arange(k) + 0.5, names)
        for at in range(k + 1):
            axes.axhline(at, color=LIGHT["line"], lw=0.8)
            axes.axvline(at, color=LIGHT["line"], lw=0.8)
        axes.grid(False)
        axes.tick_params(length=0)

    return _drawn(paint, height=3.1 if k == 2 else 4.2 if k <= 6 else 5.6)


def _chosen(curves, classes, values):
    """The curves to draw, lowest score first beyond MOST_CURVES: [(curve, label)]."""
    present = [name for name in classes if name in curves]
    if len(classes) == 2:
        present = present[1:]
    if len(present) > MOST_CURVES:
        present = sorted(present, key=lambda name: (values.get(name) is None, values.get(name)))[:MOST_CURVES]
    return [(curves[name], f"{'–' if values.get(name) is None else format(values[name], '.3f')}  {short(name)}")
            for name in present]


def _curve_style(i):
    return {"color": LIGHT[CURVES[i % len(CURVES)]], "linestyle": STYLES[i % len(STYLES)]}


def roc(curves, classes, values):
    """ROC curve of each class against the rest; `values` {class: area} stands in the legend.

    curves: {class: {"sensitivity", "specificity", "precision"}}, arrays (m,) over falling thresholds, of the classes
    that have both sides.
    """
    def paint(axes):
        axes.plot([0, 1], [0, 1], color=LIGHT["soft"], lw=1, ls=":")
        for i, (curve, label) in enumerate(drawn):
            axes.plot(1 - curve["specificity"], curve["sensitivity"], label=label, **_curve_style(i))
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel="falsely found (1 − specificity)",
                 ylabel="found (sensitivity)")
        _legend(axes, loc="lower right", title="area")

    drawn = _chosen(curves, classes, values)
    return _drawn(paint) if drawn else None


def precision_recall(curves, classes, values):
    """Precision against recall of each class (see `roc`); `values` {class: average precision} stands in the legend."""
    def paint(axes):
        for i, (curve, label) in enumerate(drawn):
            axes.plot(curve["sensitivity"], curve["precision"], label=label, drawstyle="steps-pre", **_curve_style(i))
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.03), xlabel="recall (found of all there are)",
                 ylabel="precision (right of all found)")
        _legend(axes, loc="lower left", title="average precision")

    drawn = _chosen(curves, classes, values)
    return _drawn(paint) if drawn else None


def reliability(truth, probabilities, bins=15):
    """Share of right answers against stated confidence, in the bins of the calibration error; area is the number."""
    def paint(axes):
        confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
        bin_ = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
        held = np.unique(bin_)
        n = np.array([(bin_ == b).sum() for b in held])
        x, y = [[values[bin_ == b].mean() for b in held] for values in (confidence, right)]
        axes.plot([0, 1], [0, 1], color=LIGHT["soft"], lw=1, ls=":", label="as it should be")
        axes.plot(x, y, color=LIGHT["blue"], lw=1.2)
        axes.scatter(x, y, s=30 + 500 * n / n.sum(), color=LIGHT["blue"], alpha=0.75, lw=0,
                     label="this model (area: pictures)")
        axes.set(xlim=(0, 1.03), ylim=(-0.03, 1.06), xlabel="confidence of the answer", ylabel="share of right answers")
        _legend(axes, loc="lower right", markerscale=0.6)

    return _drawn(paint) if len(truth) else None


def confidence(truth, probabilities):
    """How many right and wrong answers were given at each confidence."""
    def paint(axes):
        top, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
        axes.hist([top[right], top[~right]], bins=np.linspace(0, 1, 21), stacked=True, label=["right", "wrong"],
                  color=[LIGHT["blue"], LIGHT["red"]], rwidth=0.92)
        axes.set(xlim=(min(0.5, 1 / probabilities.shape[1]), 1), xlabel="confidence of the answer", ylabel="pictures")
        axes.yaxis.get_major_locator().set_params(integer=True)
        _legend(axes, loc="upper left")

    return _drawn(paint) if len(truth) else None


def learning(history, probe_loss=None):
    """Loss of training and validation over all epochs, stages marked, the probe's validation loss as a line."""
    def paint(axes):
        for name, label, style in (("train_loss", "training", {"color": LIGHT["blue"]}),
                                   ("validation_loss", "validation", {"color": LIGHT["red"], "ls": "--"})):
            points = [(x, row[name]) for x, row in enumerate(history, 1) if _finite(row.get(name))]
            if points:
                axes.plot(*zip(*points), label=label, marker="o", ms=4, **style)
        if _finite(probe_loss):
            axes.axhline(probe_loss, color=LIGHT["soft"], lw=1.2, ls=":", label="probe, validation")
        _stages(axes, history)
        axes.set(xlabel="epoch, over all stages", ylabel="loss")
        _legend(axes)

    return _drawn(paint) if history else None


def rates(history):
    """Learning rate of each stage over all epochs, logarithmic; None where the history holds no rates."""
    names = list(dict.fromkeys(name for row in history for name in row.get("rates") or {}))

    def paint(axes):
        from matplotlib.ticker import NullFormatter

        for i, name in enumerate(names):
            points = [(x, row["rates"][name]) for x, row in enumerate(history, 1)
                      if (row.get("rates") or {}).get(name, 0) > 0]
            if points:
                axes.plot(*zip(*points), label=short(name), marker="o", ms=4, **_curve_style(i))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0e}".replace("e-0", "e-"))  # no mathematical text
        axes.yaxis.set_minor_formatter(NullFormatter())
        _stages(axes, history)
        axes.set(xlabel="epoch, over all stages", ylabel="learning rate")
        _legend(axes)

    return _drawn(paint) if names else None


def _finite(value):
    return isinstance(value, (int, float)) and np.isfinite(value)


def _stages(axes, history):
    """A rule and a name where another stage begins; whole numbers below."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlim(0.5, len(history) + 0.5)
    for x, row in enumerate(history):
        if not x or row.get("stage") != history[x - 1].get("stage"):
            axes.axvline(x + 0.5, color=LIGHT["line"], lw=1)
            axes.text(x + 0.6, 1.01, short(row.get("stage", ""), 14), transform=axes.get_xaxis_transform(),
                      color=LIGHT["soft"], va="bottom", fontsize=11)


def counts(table, classes, most=30):
    """Pictures of each class in each part, {part: {class: n}}: the `most` biggest classes."""
    def paint(axes):
        left = np.zeros(len(shown))
        for i, (part, sizes) in enumerate(table.items()):
            n = np.array([sizes.get(name, 0) for name in shown])
            axes.barh(np.arange(len(shown)), n, left=left, label=short(part), color=LIGHT[CURVES[i % len(CURVES)]],
                      height=0.62)
            left += n
        axes.set_yticks(np.arange(len(shown)), [short(name) for name in shown])
        axes.set(ylim=(len(shown) - 0.4, -0.6), xlabel="pictures")
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.figure.legend(loc="outside upper right", ncols=max(1, len(table)), handlelength=1)

    total = {name: sum(sizes.get(name, 0) for sizes in table.values()) for name in classes}
    shown = sorted(classes, key=lambda name: -total[name])[:most] if len(classes) > most else list(classes)
    return _drawn(paint, height=1.5 + 0.4 * len(shown)) if table and shown else None


def draw(facts):
    """Every figure the facts (see `page`) allow: {name: SVG}."""
    classes, test = facts["classes"], facts["metrics"]["test"]
    truth, probabilities = facts.get("predictions", {}).get("test", ([], np.zeros((0, len(classes)))))
    truth, probabilities = np.asarray(truth), np.asarray(probabilities, dtype=np.float64)

    def values(score):
        return {name: row.get(score, {}).get("value") for name, row in test.get("per_class", {}).items()}

    history, matrix = facts.get("history") or [], test.get("confusion")
    made = {
        "confusion": confusion(matrix, classes) if matrix else None,
        "roc": roc(facts.get("curves", {}), classes, values("roc_auc")),
        "precision_recall": precision_recall(facts.get("curves", {}), classes, values("average_precision")),
        "reliability": reliability(truth, probabilities), "confidence": confidence(truth, probabilities),
        "learning": learning(history, facts.get("probe_loss")), "rates": rates(history),
        "counts": counts(facts.get("counts") or {}, classes),
    }
    return {name: svg for name, svg in made.items() if svg}


def standalone(svg):
    """The SVG as a file: light colours on white."""
    return svg.replace("<defs>", '<rect width="100%" height="100%" fill="#ffffff"/>\n <defs>', 1)


def inline(svg, name, title):
    """The SVG as part of an HTML page: own ids, no namespaces, styles or metadata, `LIGHT` as CSS variables."""
    root = ElementTree.fromstring(svg)
    css = {colour: f"var(--{key})" for key, colour in LIGHT.items()}
    for parent in root.iter():
        for child in [c for c in parent if c.tag.endswith(("}metadata", "}style"))]:
            parent.remove(child)
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
        for key, value in list(node.attrib.items()):
            del node.attrib[key]
            key = key.rpartition("}")[2]
            if key == "style":
                value = re.sub(r"#[0-9a-f]{6}", lambda found: css.get(found[0], found[0]), value)
            elif key == "id":
                value = f"{name}-{value}"
            node.attrib[key] = re.sub(r"(url\(|^)#", rf"\g<1>#{name}-", value) if key != "style" else value
    for size in ("width", "height"):
        root.attrib.pop(size, None)
    root.attrib |= {"role": "img", "aria-label": title}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)
