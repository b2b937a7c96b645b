"""Decisions about single pictures: leave out, give another class, take back. They are written down, no more."""

from dataclasses import dataclass, replace
from pathlib import Path

import streamlit as st

from apps.parts import address, frame
from apps.parts.grid import grid
from apps.parts.overlay import overlay
from apps.parts.plain import plain, short
from apps.parts.turning import turn
from toolkit.data import edits
from toolkit.errors import ToolkitError
from toolkit.errors import plain as printable
from toolkit.runs import checks

PAGE = 60       # pictures
KEYS = 9        # classes that have a key of their own
PARTS = {"all": "All parts", "train": "Training", "validation": "Validation", "test": "Test"}
AMONG = "data-among"    # in session_state: the rows through which Left and Right lead,
LAST = "data-last"      # and what undoes the last decision: (path of the file, edits)


@dataclass(frozen=True)
class Decisions:
    """`path`: the file they stand in; `standing`: {picture: {action: Edit}}; `fresh`: how many came since the look."""

    path: Path
    standing: dict
    fresh: int

    @classmethod
    def read(cls, path, started):
        """Those of a file. Raises DataError."""
        found = checks.decisions(path)
        return cls(path, edits.standing(found), len(checks.since(found, started)))

    @property
    def excluded(self):
        """The Edits that leave a picture out."""
        return [actions["exclude"] for actions in self.standing.values() if "exclude" in actions]

    def of(self, picture):
        """(word, tone) of what stands for a picture as it is now; ("", "") where nothing does."""
        actions = self.standing.get(picture.path, {})
        if any(edit.sha256 and edit.sha256 != picture.sha256 for edit in actions.values()):
            return "", ""
        if "exclude" in actions:
            return "left out", "red"
        if "relabel" in actions and actions["relabel"].value != picture.label:
            return f"→ {actions['relabel'].value}", "blue"
        if "regroup" in actions and actions["regroup"].value != getattr(picture, "group", ""):
            return "kept together", "green"
        return "", ""


    def label(self, picture):
        """The class that a picture has by now."""
        edit = self.standing.get(picture.path, {}).get("relabel")
        return edit.value if edit and edit.sha256 in ("", picture.sha256) else picture.label

    def group(self, picture):
        """The group that a picture has by now."""
        edit = self.standing.get(picture.path, {}).get("regroup")
        return edit.value if edit and edit.sha256 in ("", picture.sha256) else picture.group


def since_the_look(seen, again):
    """A word on decisions that the numbers of this page do not know yet; again(): look once more."""
    large = "picture" in st.query_params
    if not large and (fault := st.session_state.pop("data-fault", "")):
        st.error(plain(fault))
    if not seen.decisions.fresh:
        return
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        number = seen.decisions.fresh
        st.markdown(f":material/edit_note: {number} {'decision' if number == 1 else 'decisions'} since this look; the "
                    "next run honours them. Look again to see the numbers with them.", width="stretch")
        if st.session_state.get(LAST, ("",))[0] == str(seen.decisions.path):
            st.button("Undo the last one", icon=":material/undo:", key="data-undo-last", on_click=undo_last,
                      shortcut=None if large else "u")  # beside a large picture U is for that picture
        if st.button("Look again", icon=":material/refresh:", key="data-again-decided"):
            again()


def gallery(seen):
    """All pictures, by class and part, a page at a time."""
    labels = list(checks.counts(seen.pictures))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label = address.chosen(st.selectbox, "Class", ["", *labels], "class", "", ("page",), width=240,
                               format_func=lambda one: one or "All classes")
        part = address.chosen(st.segmented_control, "Part", list(PARTS), "part", "all", ("page",), required=True,
                              format_func=PARTS.get)
    rows = [one.row for one in seen.pictures if label in ("", one.label) and part in ("all", one.part)]
    if not rows:
        st.info("There is no picture of this class in this part.")
        return
    pictures(seen, rows, "page", PAGE)


def pictures(seen, rows, key, most):
    """A page of the pictures `rows`, which the parameter `key` of the address turns; the chosen one goes there too."""
    slot, page = st.container(), paged(key, len(rows), most)
    with slot:
        items = [item(seen, seen.pictures[row]) for row in rows[(page - 1) * most:page * most]]
        choose(grid(items, f"data-{key}-grid", selected=st.query_params.get("picture")), rows)


def paged(key, count, most):
    """The number of the page, from 1 on, of `count` things, `most` at a time, with what turns it."""
    pages = max(1, -(-count // most))
    page = int(address.number(key, 1, pages, 1))
    if pages > 1:
        name = f"data-{key}-turn"
        if st.session_state.get(name, page) != page:  # the address was changed by hand, or a filter
            st.session_state[name] = page
        st.pagination(pages, default=page, key=name, on_change=lambda: address.put(**{
            key: None if st.session_state[name] == 1 else st.session_state[name]}))
        st.caption(f"{(page - 1) * most + 1:,} to {min(page * most, count):,} of {count:,}")
    return page


def choose(clicked, rows):
    """Show a picture that was clicked large; Left and Right lead through `rows` from there."""
    if clicked is not None:
        st.query_params["picture"], st.session_state[AMONG] = clicked, tuple(rows)


def item(seen, picture):
    """A picture as the grid wants it."""
    badge, tone = seen.decisions.of(picture)
    return {"key": str(picture.row), "src": frame.url("picture", checks.KIND, seen.entry.id, f"{picture.key}.jpg"),
            "alt": f"{picture.label}: {picture.path}", "caption": picture.label, "badge": badge, "tone": tone}


def dialog_of_address(seen):
    """The picture that the address names, large."""
    asked = st.query_params.get("picture", "")
    if asked.isdecimal() and len(asked) < 9 and int(asked) < len(seen.pictures):
        dialog(seen)


def closed():
    """The address forgets the picture."""
    st.query_params.pop("picture", None)


@st.dialog("Picture", width="large", on_dismiss=closed)
def dialog(seen):
    """One picture, what is known of it, and what may be decided."""
    asked = st.query_params.get("picture", "0")
    picture = seen.pictures[int(asked)]
    try:
        decided = Decisions.read(seen.decisions.path, seen.entry.started)
    except ToolkitError as error:
        st.error(plain(error))
        return
    turn("data", led_through(seen, picture), picture.row, to)
    overlay(frame.url("picture", checks.KIND, seen.entry.id, f"{picture.key}.jpg") + "?full=1",
            f"{picture.label}: {picture.path}", "data-large")
    word, tone = decided.of(picture)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(plain(picture.label), icon=":material/label:", color="gray")
        if word:
            st.badge(plain(word), icon=":material/edit:", color=tone)
    st.text(short(picture.path, 90))
    facts = [PARTS.get(picture.part, ""), f"{picture.width} × {picture.height} pixels", picture.note,
             f"group {picture.group}" if picture.group else ""]
    st.caption(plain(" · ".join(fact for fact in facts if fact)))
    better, score = seen.doubts.get(picture.path, ("", None))
    if better and better != picture.label:
        st.markdown(plain(f"Its label looks wrong: {doubted(picture, better, score)}."))
    choices("data", decided, picture, checks.counts(seen.pictures), better)
    st.caption(f"Kept in {plain(short(decided.path, 70))}; the picture itself stays as it is.")


def led_through(seen, picture):
    """The rows through which Left and Right lead from a picture."""
    among = [row for row in st.session_state.get(AMONG, ()) if row < len(seen.pictures)]
    return among if picture.row in among else list(range(len(seen.pictures)))


def to(row):
    """Show another picture."""
    st.query_params["picture"] = str(row)


def doubted(picture, better, score):
    """Why a label is doubted, in words; score: 1 less the probability of the label, or None."""
    said = f"labelled {printable(picture.label)}, looks like {printable(better)}"
    return said + (f", {100 * (1 - score):.0f} % for its label" if score is not None and 0 <= score <= 1 else "")


def choices(key, decided, picture, labels, better=""):
    """What may be decided about a picture: another one of `labels`, to leave it out, to take that back.

    key: what the keys of the buttons begin with; better: the class that is suggested, or "". What stands in the way is
    said here.
    """
    others = [label for label in labels if label != picture.label]
    if len(others) < KEYS:
        with st.container(horizontal=True):
            for number, label in enumerate(others, 1):
                st.button(f"It is {plain(printable(label))}", shortcut=str(number), key=f"{key}-class-{number}",
                          on_click=keep_all, args=(decided, [(picture, "relabel", label)]),
                          type="primary" if label == better else "secondary")
    else:
        label = st.selectbox("It is", others, others.index(better) if better in others else None,
                             key=f"{key}-class-{picture.path}", placeholder="Choose a class", format_func=printable)
        st.button("Give this class", key=f"{key}-class-give", disabled=label is None, on_click=keep_all,
                  args=(decided, [(picture, "relabel", label)]))
    with st.container(horizontal=True):
        st.button("Leave out", icon=":material/visibility_off:", shortcut="x", key=f"{key}-out", on_click=keep_all,
                  args=(decided, [(picture, "exclude", "")]), disabled=decided.of(picture)[0] == "left out")
        st.button("Take back", icon=":material/undo:", shortcut="u", key=f"{key}-undo", on_click=keep_all,
                  args=(decided, [(picture, "undo", "")]), disabled=picture.path not in decided.standing)
    if fault := st.session_state.pop("data-fault", ""):
        st.error(plain(fault))


def keep_all(decided, what):
    """Write decisions down, (picture, action, value) each, and remember what undoes them; a fault is said where it is
    looked for."""
    paths = {picture.path: picture.sha256 for picture, _, _ in what}
    before = [one for path, sha256 in paths.items()
              for one in (edits.Edit(path, sha256, "undo"), *decided.standing.get(path, {}).values())]
    try:
        checks.decide_all(decided.path, what)
        st.session_state[LAST] = (str(decided.path), before)
    except ToolkitError as error:
        st.session_state["data-fault"] = str(error)


def undo_last():
    """Let stand again what stood before the last decision, or the last press that made several."""
    path, before = st.session_state.pop(LAST, ("", []))
    try:
        if path:
            edits.append(path, *(replace(edit, time=checks.now()) for edit in before))
    except ToolkitError as error:
        st.session_state["data-fault"] = str(error)


def leave_out(seen, rows):
    """Leave several pictures out."""
    keep_all(seen.decisions, [(seen.pictures[row], "exclude", "") for row in rows
                              if seen.decisions.of(seen.pictures[row])[0] != "left out"])


def taken_out(seen):
    """The pictures that a person has left out, each with a way back."""
    excluded = seen.decisions.excluded
    if not excluded:
        return
    st.markdown(f"**By you ({len(excluded):,})**")
    for number, edit in enumerate(excluded[:PAGE]):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.button("Take back", icon=":material/undo:", key=f"data-back-{number}", on_click=take_back,
                      args=(seen.decisions.path, edit))
            st.text(short(edit.path, 80))
    if len(excluded) > PAGE:
        st.caption(f"And {len(excluded) - PAGE:,} more, in {plain(short(seen.decisions.path, 70))}.")


def take_back(path, edit):
    """Undo all that stands for a picture."""
    try:
        edits.append(path, edits.Edit(edit.path, edit.sha256, "undo", time=checks.now()))
    except ToolkitError as error:
        st.session_state["data-fault"] = str(error)
