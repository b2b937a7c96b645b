"""How good a model is: its scores with their limits, beside what is simpler, and class by class."""

import streamlit as st

from apps.parts import address
from apps.parts.plain import plain
from toolkit.errors import plain as printable
from toolkit.report import words
from toolkit.runs import results as kept

PARTS = {"test": "Test", "validation": "Validation"}
TILES = ("roc_auc", "balanced_accuracy", "accuracy", "ece")
CLASSES = {"recall": "Sensitivity", "specificity": "Specificity", "precision": "Precision", "roc_auc": "ROC AUC"}
MANY, MIXED = 6, 5  # classes from which the mix-ups are listed, and how many of them
ONCE = ("The test pictures were used once, after everything was decided: nothing was trained, chosen or stopped by "
        "them.")
CHOSEN_BY = "By the validation pictures the model was chosen and calibrated, so these scores flatter it a little."
AFTERWARDS = "These pictures were brought to a finished model; nothing was chosen by them."


def verdict(found):
    """The result in plain words, and what must be known with it."""
    st.subheader(plain(words.verdict(found.facts)), anchor=False)
    for sentence in kept.warnings(found):
        st.warning(plain(sentence), icon=":material/warning:")
    if sentence := kept.small(found):
        st.info(plain(sentence), icon=":material/info:")


def page(found):
    """Scores of a part, the model that was kept, every class, and what the model does not know."""
    part = found.parts[0]
    if len(found.parts) > 1:
        part = address.chosen(st.segmented_control, "Part", list(found.parts), "part", part, required=True,
                              format_func=PARTS.get)
    block = found.metrics[part]
    tiles(block)
    kind = "" if found.evaluated else f"{PARTS[part].lower()} "
    st.caption(f"{block['n']:,} {kind}pictures; 95 % intervals from resampling {words.resampled(block)}. " + (
        AFTERWARDS if found.evaluated else ONCE if part == "test" else CHOSEN_BY))
    beside(found, part)
    model_kept(found)
    classes(found, part)
    mixed_up(found, part)
    knowledge(found)
    odd(found)


def tiles(block):
    """The scores that everybody asks for."""
    with st.grid(4, min_column_width=150):
        for name in TILES:
            if name in block:
                title, meaning = words.SCORES[name]
                with st.container(border=True, gap="xxsmall"):
                    st.metric(title, words.number(block[name]["value"]), help=meaning)
                    st.caption(plain(limits(block[name])))


def limits(score):
    """The interval of a score in words, or why there is none."""
    return words.between(score) or score.get("reason", "")


def cell(score):
    """A score with its interval; a dash and its reason where it is not defined."""
    if not score:
        return ""
    if score["value"] is None:
        return f"{words.NONE} ({score['reason']})"
    interval = words.between(score)
    return words.number(score["value"]) + (f" ({interval})" if interval else "")


def beside(found, part):
    """Every score, beside those of the probe, of the answer that looks at no picture, and of the run's own test."""
    metrics = found.metrics
    blocks = {"This model": metrics[part], "Probe": metrics["probe"].get(part, {}),
              "Biggest class": metrics.get("baseline", {}).get("majority", {}) if part == "test" else {},
              "On its own test part": metrics.get("model", {})}
    blocks = {title: block for title, block in blocks.items() if block}
    rows = [{"Score": title, **{other: cell(block.get(name)) for other, block in blocks.items()}}
            for name, (title, _) in words.SCORES.items() if name in metrics[part]]
    st.dataframe(rows, hide_index=True, alt="Every score of the model beside those of simpler answers",
                 column_config={"Score": st.column_config.TextColumn(pinned=True)})
    said = {"Probe": "Probe: a linear read-out of the network as it came, before any tuning.",
            "Biggest class": f"Biggest class: always answering {words.quoted([answer(found)])}."}
    st.caption(plain(" ".join(text for title, text in said.items() if title in blocks)))


def answer(found):
    """The class that the simplest answer always gives."""
    return found.metrics.get("baseline", {}).get("majority", {}).get("class") or "the most frequent class"


def model_kept(found):
    """Which model was kept, and why."""
    metrics = found.metrics
    if found.evaluated or not metrics["why"]:
        return
    st.subheader("Which model was kept", anchor=False)
    ended = f" Tuning ended early: {metrics['tuning_ended']}." if metrics["tuning_ended"] else ""
    st.markdown(plain(metrics["why"] + ended))
    if text := words.folds(found.facts) if "folds" in metrics else "":
        st.markdown(plain(text))


def classes(found, part):
    """A row a class."""
    st.subheader("Class by class", anchor=False)
    each = found.metrics[part]["per_class"]
    rows = [{"Class": printable(name), "Pictures": each[name]["n"],
             **{title: cell(each[name][row]) for row, title in CLASSES.items()}} for name in found.classes]
    st.dataframe(rows, hide_index=True, alt="Sensitivity, specificity and precision of each class",
                 column_config={"Class": st.column_config.TextColumn(pinned=True)})
    st.caption("Sensitivity: share of a class's pictures that the model finds. Specificity: share of the other "
               "pictures that it keeps out. Precision: share of its answers of that class that are right.")


def mixed_up(found, part):
    """Which classes are taken for which, where there are too many for a glance at the matrix."""
    pairs = words.confusions(found.facts, MIXED) if part == "test" and len(found.classes) >= MANY else []
    if not pairs:
        return
    st.subheader("Most frequent mix-ups", anchor=False)
    st.dataframe([{"Label": printable(pair["label"]), "Answer": printable(pair["answer"]), "Pictures": pair["n"],
                   "Of": pair["of"]} for pair in pairs], hide_index=True, width="content",
                 alt="The wrong answers that were given most often")


def knowledge(found):
    """What the model has seen and what not."""
    st.subheader("What the model knows, and what it does not", anchor=False)
    st.markdown("\n".join(f"- {plain(sentence)}" for sentence in kept.knowledge(found)))


def odd(found):
    """What was found wrong with the data, beside what falsifies scores and stands on top."""
    others = [one for one in found.findings if one.severity != "note" and one.check not in kept.FALSIFYING]
    if not others:
        return
    with st.expander(f"What is odd about the data ({len(others)})", icon=":material/warning:"):
        for one in others:
            st.markdown(f"{plain(one.sentence)} {plain(one.remedy)}")
