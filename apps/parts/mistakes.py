"""The confusion matrix and the pictures behind it: those that are wrong first, or exactly those of one cell."""

from dataclasses import dataclass

import streamlit as st

from apps.parts import address, matrix, picture
from apps.parts.grid import grid
from apps.parts.plain import plain
from toolkit.errors import plain as printable
from toolkit.runs import predicted

PAGE = 24
WIDE = 8                # classes from which the matrix takes the whole width
SHOWN = {"wrong": "Wrong", "right": "Right", "all": "All"}
FORMS = {"picture": "Picture", "table": "Table"}
PARTS = {"test": "Test", "validation": "Validation"}
TURN = "results-matrix-turn"    # in session_state: counts what changed the cell beside a click on the matrix


@dataclass(frozen=True)
class Wanted:
    """What the address asks for; label and answer are numbers of classes or None for any."""

    part: str
    label: int | None
    answer: int | None
    show: str
    below: float | None
    order: str

    @property
    def cell(self):
        return (self.label, self.answer) if None not in (self.label, self.answer) else None


def wanted(found):
    """What the address asks for."""
    label, answer = cell(found)
    whole = label is not None and answer is not None
    return Wanted(address.word("part", found.parts, found.parts[0]), label, answer,
                  "all" if whole else address.word("show", SHOWN, "wrong"), address.number("below", 0, 100),
                  address.word("order", predicted.ORDERS, "loss"))


def cell(found):
    """(label, answer) that the address names, each a number of a class or None."""
    label, _, answer = st.query_params.get("cell", "").partition(",")
    return tuple(int(text) if text.isascii() and text.isdecimal() and len(text) < 5 and int(text) < len(found.classes)
                 else None for text in (label, answer))


def to_cell(label=None, answer=None, turned=True):
    """Put a cell into the address; turned: by something else than a click on the matrix."""
    text = ",".join("" if one is None else str(one) for one in (label, answer))
    address.put(cell=None if text == "," else text, at=None, picture=None, view="pictures")
    if turned:
        turn()


def page(run, found):
    """The matrix beside the pictures, or above them where it is wide."""
    if len(found.parts) > 1:
        address.chosen(st.segmented_control, "Part", list(found.parts), "part", found.parts[0], ("at", "picture"),
                       required=True, format_func=PARTS.get)
    asked = wanted(found)
    if len(found.classes) <= WIDE:
        left, right = st.columns([5, 6], gap="medium")
    else:
        left, right = st.container(), st.container()
    with left:
        confusion(found, asked)
    with right:
        pictures(run, found, asked)


def confusion(found, asked):
    """The matrix in one of its two forms."""
    counts, many = found.answers.confusion(asked.part), len(found.classes) > matrix.MOST
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.markdown("**Confusion matrix**", width="content")
        form = "table" if many else address.chosen(
            st.segmented_control, "Form of the matrix", list(FORMS), "form", "picture", required=True,
            format_func=FORMS.get, label_visibility="collapsed")
    key, read = matrix_key(form, asked), matrix.clicked if form == "picture" else matrix.chosen
    before = read(key, found.classes)
    if before is not None and before != (asked.label, asked.answer):  # the address was changed by other means
        turn()
        key = matrix_key(form, asked)
    if form == "picture":
        matrix.drawn(counts, found.classes, asked.cell, key, lambda: clicked(read(key, found.classes)))
    else:
        matrix.listed(counts, found.classes, key, lambda: clicked(read(key, found.classes)))
    right = int(counts.trace())
    st.caption(f"Rows are labels, columns the model's answers: {right:,} of {int(counts.sum()):,} are right. "
               + ("Choose a cell to see its pictures." if form == "table" else
                  "Click a cell to see its pictures; percentages are of the label."))


def matrix_key(form, asked):
    """The key of the matrix: another one whenever what is chosen there is no longer what is shown."""
    return f"results-matrix-{form}-{asked.part}-{st.session_state.get(TURN, 0)}"


def turn():
    """Let the matrix forget what was chosen in it."""
    st.session_state[TURN] = st.session_state.get(TURN, 0) + 1


def clicked(place):
    """A cell of the matrix was chosen, or given up."""
    to_cell(*(place or ()), turned=False)


def pictures(run, found, asked):
    """The pictures that are wanted, a page at a time, and the chosen one large."""
    filters(found, asked)
    rows = found.answers.where(asked.part, label=asked.label, predicted=asked.answer,
                               right={"wrong": False, "right": True}.get(asked.show),
                               below=None if asked.below is None else asked.below / 100, order=asked.order)
    summary(found, asked, len(rows))
    pages = max(1, -(-len(rows) // PAGE))
    at = int(address.number("at", 1, pages, 1))
    shown = rows[(at - 1) * PAGE:at * PAGE]
    decided = picture.decisions(run)
    items = [item(run, found, row, decided) for row in shown]
    key = grid(items, "results-grid", columns_min=112, selected=st.query_params.get("picture"),
               label="Pictures, each with its label and the model's answer") if items else None
    if pages > 1:
        paging(pages, at, len(rows))
    if key is not None:
        address.put(picture=key)
    if st.query_params.get("picture") in found.answers.places:
        picture.dialog(run, found, tuple(map(int, rows)), tuple(map(int, shown)))


def paging(pages, at, number):
    """Which page of the pictures is shown."""
    st.session_state["results-at"] = at
    st.pagination(pages, key="results-at", on_change=lambda: address.put(
        at=None if st.session_state["results-at"] == 1 else st.session_state["results-at"]))
    st.caption(f"{(at - 1) * PAGE + 1:,} to {min(at * PAGE, number):,} of {number:,}")


def filters(found, asked):
    """Which pictures, and in which order."""
    numbers, shown = list(range(len(found.classes))), matrix.names(found.classes)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if asked.cell is None:
            address.chosen(st.segmented_control, "Answers", list(SHOWN), "show", "wrong", ("at", "picture"),
                           required=True, format_func=SHOWN.get, label_visibility="collapsed")
        with st.popover("Filter and order", icon=":material/filter_list:", width="content"):
            for name, title, value in (("label", "Label", asked.label), ("answer", "Model's answer", asked.answer)):
                st.session_state[f"results-{name}"] = value
                st.selectbox(title, numbers, key=f"results-{name}", on_change=filtered, placeholder="Any",
                             format_func=shown.__getitem__)
            address.set_to(st.number_input, "Less sure than, %", 0.0, 100.0, "below", None, step=5.0, placeholder="Any",
                           format="%g")
            address.chosen(st.selectbox, "Order", list(predicted.ORDERS), "order", "loss", ("at",),
                           format_func=lambda one: predicted.ORDERS[one].capitalize())


def filtered():
    """A label or an answer was chosen beside the matrix."""
    to_cell(st.session_state["results-label"], st.session_state["results-answer"])


def summary(found, asked, number):
    """How many pictures, of what, and a way back to all."""
    names = matrix.names(found.classes, 60)
    said = {"wrong": "wrong answers", "right": "right answers", "all": "answers"}[asked.show]
    if number == 1:
        said = said.removesuffix("s")
    of = "" if asked.label is None else f" for pictures labelled {names[asked.label]}"
    to = "" if asked.answer is None else f", answered {names[asked.answer]}"
    sure = "" if asked.below is None else f", less sure than {asked.below:g} %"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{number:,}** " + plain(said + of + to + sure), width="content")
        if asked.label is not None or asked.answer is not None:
            st.button("All classes", icon=":material/close:", type="tertiary", key="results-clear", on_click=to_cell)
    if not number and asked.show == "wrong":
        st.success("No picture is answered wrongly here.", icon=":material/check_circle:")
    elif not number:
        st.info("There is no such picture.")


def item(run, found, row, decided):
    """A picture as the grid wants it."""
    facts, answers = found.answers.table.iloc[row], found.answers
    label, answer, sure = facts["label"], facts["predicted"], f"{100 * answers.sure[row]:.0f} %"
    right = bool(answers.right[row])
    word, _ = decided.of(picture.facts(found, row)) if decided else ("", "")
    return {"key": facts["id"], "src": picture.address_of(run, facts["key"]),
            "alt": f"label {label}, answer {answer}, {sure} sure, {printable(facts['path'])}",
            "caption": label if right else f"{label} → {answer}", "badge": word or sure,
            "tone": "blue" if word else "green" if right else "red"}
