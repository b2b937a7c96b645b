"""From which probability on a class is acted upon: chosen on validation pictures, its effect shown on test pictures."""

import streamlit as st

from apps.parts import address, curves
from apps.parts.plain import plain
from toolkit.errors import ToolkitError, UntrustedError
from toolkit.errors import plain as printable
from toolkit.evaluation import operating
from toolkit.report import words
from toolkit.runs import thresholds

PARTS = {"validation": "Validation", "test": "Test"}
SHARES = {
    "sensitivity": ("Sensitivity", "Share of the class's pictures that are marked."),
    "specificity": ("Specificity", "Share of the other pictures that are not marked."),
    "ppv": ("PPV", "Positive predictive value: share of the marked pictures that are of the class, at the prevalence."),
    "npv": ("NPV", "Negative predictive value: share of the unmarked pictures that are not of the class, at the "
                   "prevalence."),
}
ROWS = {"ppv": "PPV (positive predictive value)", "npv": "NPV (negative predictive value)", "tp": "Marked, rightly",
        "fp": "Marked, falsely", "fn": "Missed", "tn": "Not marked, rightly", "prevalence": "Prevalence"}
USUAL = 0.5
LEAVE = ("threshold",)      # of the address, when another class is chosen
ASKED = "results-keeping"   # in session_state: the sensitivity to keep, in %
FAULT = "results-threshold-fault"


@st.fragment
def page(run, found):
    """The threshold of one class: chosen, its effect, its curves, kept."""
    st.markdown("A picture is **marked** where the model's probability of a class is at least the threshold. Choose it "
                "for what a miss and a false alarm cost you; the model's answers themselves stay as they are.")
    kept = standing(run, found)
    name = class_of(found)
    if name is None:
        st.info("Choose the class that matters: the one that must not be missed, or must not be claimed in vain.",
                icon=":material/touch_app:")
        return
    number = found.classes.index(name)
    basis = basis_of(found)
    threshold, prevalence = controls(found, number, basis, kept.get(name, {}).get("threshold", USUAL))
    effects = {part: effect(found, number, part, threshold, prevalence) for part in PARTS if part in found.parts}
    figures(effects, basis, name)
    curves.page(found, number, basis, effects[basis])
    keep(run, found, name, basis, effects[basis], prevalence, kept)


def standing(run, found):
    """The thresholds that the run keeps."""
    try:
        return thresholds.read(run.folder, found.classes)
    except UntrustedError as error:
        st.warning(f"{plain(error)} Keeping a threshold writes it anew.", icon=":material/broken_image:")
        return {}


def class_of(found):
    """The class that is looked at; of more than two none until one is chosen."""
    names = list(found.classes)
    if len(names) == 2:
        return address.chosen(st.segmented_control, "Class that is marked", names, "class", names[0], LEAVE,
                              required=True, format_func=lambda name: plain(printable(name)))
    return address.chosen(st.selectbox, "Class that is marked", names, "class", None, LEAVE, width=360,
                          placeholder="Choose a class", format_func=printable)


def basis_of(found):
    """The part that the threshold is chosen on; a word where that spoils the test."""
    if "validation" not in found.parts:
        st.caption("There are no validation pictures here: the threshold is looked at on the pictures that were "
                   "measured on.")
        return "test"
    basis = address.chosen(st.segmented_control, "Chosen on", list(PARTS), "basis", "validation", required=True,
                           format_func=PARTS.get)
    if basis == "test":
        st.warning("A threshold that is chosen on test pictures makes their figures too good: they are untouched no "
                   "more.", icon=":material/warning:")
    return basis


def controls(found, number, basis, usual):
    """(threshold, prevalence or None for that of the pictures)."""
    left, middle, right = st.columns([3, 2, 2], gap="medium", vertical_alignment="bottom")
    with left:
        threshold = address.set_to(st.slider, "Threshold", 0.0, 1.0, "threshold", usual, step=0.001, format="%.3f")
    wanted = st.session_state.get(ASKED)
    if wanted is not None and keeping(found, number, basis, wanted) != threshold:
        st.session_state[ASKED] = None  # the threshold was moved since
    with middle:
        st.number_input("Keep sensitivity at least, %", 1.0, 100.0, None, 1.0, key=ASKED, format="%g",
                        placeholder="such as 95", on_change=keep_at_least, args=(found, number, basis),
                        help=f"Sets the highest threshold that keeps it on {PARTS[basis].lower()} pictures.")
    with right:
        share = address.set_to(st.number_input, "Prevalence, %", 0.0, 100.0, "prevalence", None, step=1.0, format="%g",
                               placeholder="as in these pictures",
                               help="How frequent the class is where the model will be used. It changes the predictive "
                                    "values, not sensitivity and specificity.")
    if fault := st.session_state.pop(FAULT, ""):
        st.error(plain(fault))
    return threshold, None if share is None else share / 100


def keeping(found, number, basis, wanted):
    """The highest threshold that keeps a sensitivity of `wanted` %; None where there is no picture of the class."""
    positive, score, _ = pictures(found, number, basis)
    return operating.keeping(positive, score, wanted / 100)


def keep_at_least(found, number, basis):
    """Set the threshold that keeps the sensitivity that was asked for."""
    wanted = st.session_state.get(ASKED)
    threshold = None if wanted is None else keeping(found, number, basis, wanted)
    if threshold is not None:
        address.put(threshold=threshold)
    elif wanted is not None:
        st.session_state[FAULT] = f"There is no {PARTS[basis].lower()} picture of this class."


def pictures(found, number, part):
    """(whether each picture of a part is of the class, its probability of it, its group or None)."""
    rows = found.answers.part(part)
    return found.answers.truth[rows] == number, found.answers.probabilities[rows, number], found.answers.groups(part)


def effect(found, number, part, threshold, prevalence):
    """What the threshold does to the pictures of a part: see toolkit.evaluation.operating.at."""
    positive, score, groups = pictures(found, number, part)
    return operating.at(positive, score, threshold, prevalence, groups)


def figures(effects, basis, name):
    """The four shares on the pictures that decide, and a table of every part with its counts."""
    part = "test" if "test" in effects else basis
    shown = effects[part]
    st.markdown(f"**On {PARTS[part].lower()} pictures**" + (
        f": {shown['n']:,} that the threshold was not chosen on" if part != basis else f": {shown['n']:,}"))
    with st.grid(4, min_column_width=150):
        for share, (title, meaning) in SHARES.items():
            with st.container(border=True, gap="xxsmall"):
                st.metric(title, words.percent(shown[share]["value"]), help=meaning)
                st.caption(plain(words.between(shown[share], words.percent) or shown[share].get("reason", "")))
    table = {"": [ROWS.get(row, SHARES[row][0] if row in SHARES else row) for row in (*SHARES, *operating.COUNTS,
                                                                                      "prevalence")]}
    for part, one in effects.items():
        table[PARTS[part] + (" (chosen on)" if part == basis else "")] = [
            *(cell(one[share]) for share in SHARES), *(f"{one[count]:,}" for count in operating.COUNTS),
            words.percent(one["prevalence"])]
    st.dataframe(table, hide_index=True, width="content", column_config={"": st.column_config.TextColumn(pinned=True)},
                 alt=f"What the threshold for {printable(name)} does to each part")
    st.caption("In brackets 95 % intervals: Wilson's, or of resampling, in which pictures of one group or scene stay "
               "together, where there are such. PPV and NPV hold at the prevalence in the last row.")


def cell(score):
    """A share with its interval in %, or a dash and why."""
    if score["value"] is None:
        return f"{words.NONE} ({score['reason']})"
    interval = words.between(score, words.percent)
    return words.percent(score["value"]) + (f" ({interval})" if interval else "")


def keep(run, found, name, basis, effect, prevalence, kept):
    """Keep the threshold with the run, or take it away."""
    if found.evaluated or run.state.name != "finished":
        st.caption("A threshold is kept with the run that made the model, once it has finished.")
        return
    before = kept.get(name)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Keep this threshold", type="primary", icon=":material/bookmark_add:", key="results-keep",
                  on_click=write, args=(run, found, name, effect["threshold"], basis, effect, prevalence),
                  disabled=before is not None and before["threshold"] == effect["threshold"])
        if before:
            st.button("Take it away", icon=":material/bookmark_remove:", key="results-unkeep", on_click=write,
                      args=(run, found, name, None))
        st.caption("The page Use marks pictures above it. The address holds it too, to be shared." if not before else
                   f"Kept for {plain(printable(name))}: {before['threshold']:g}"
                   + (f", chosen on {PARTS[before['part']].lower()} pictures" if before["part"] else "")
                   + ". The page Use marks pictures above it.")
    others = [f"{plain(printable(other))} {one['threshold']:g}" for other, one in kept.items() if other != name]
    if others:
        st.caption(f"Kept too: {', '.join(others)}.")


def write(run, found, name, threshold, basis="validation", effect=None, prevalence=None):
    """Write or remove a threshold; what stands in the way is said by the page."""
    shares = {share: effect[share]["value"] for share in ("sensitivity", "specificity")} if effect else {}
    try:
        thresholds.keep(run.folder, found.classes, name, threshold, basis, **shares, prevalence=prevalence)
    except ToolkitError as error:
        st.session_state[FAULT] = str(error)
