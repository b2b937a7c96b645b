"""What a model said of new pictures: how far it is, a table with small pictures, one of them large."""

import streamlit as st

from apps.parts import enlarged, frame, picking
from apps.parts.enlarged import named, source
from apps.parts.grid import grid
from apps.parts.plain import plain, short
from toolkit.errors import ToolkitError
from toolkit.runs import answers, folders, thresholds

PAGE = 60          # pictures at a time
EARLIER = 8        # answers that are listed at once
TOLD = 6           # classes whose numbers are shown above the table
SHOWS = {"all": "All", "unsure": "Not sure", "sure": "Sure", "unreadable": "Could not be read"}
ORDERS = {"asked": "as they came", "unsure first": "least sure first", "sure first": "surest first",
          "by class": "by answer"}
VIEWS = {"table": "Table", "pictures": "Pictures"}
ICONS = {"working": ":material/hourglass_top:", "answered": ":material/check_circle:", "failed": ":material/error:"}


def of_address():
    """The Answer that the address names; None, after a word where it is not there."""
    asked = st.query_params.get("answer", "")
    found = answers.answer(frame.root(), asked) if asked else None
    if asked and found is None:
        st.warning(f"There is no answer {plain(asked[:80])} here; it may have been deleted. Ask again below.")
    return found


def show(answer):
    """An answer, whatever its state."""
    st.subheader(plain(answer.title or answer.id), anchor=False)
    when = f" · {answer.asked.astimezone():%d %b %Y, %H:%M}" if answer.asked else ""
    st.caption(plain(f"{picking.label(answer)}{when}"))
    if answer.state == "working":
        working(answer.id)
        return
    if answer.state == "failed":
        st.error(plain(answer.message), icon=":material/error:")
    else:
        result(answer)
    actions(answer)


@st.fragment(run_every=1.0)
def working(name):
    """How far it is; the page is drawn anew once, when it has ended."""
    answer = answers.answer(frame.root(), name)
    if answer is None or answer.state != "working":
        st.rerun()
    left = f", about {max(1, round(answer.seconds_left))} s left" if answer.seconds_left is not None else ""
    st.progress(answer.progress or 0.0, plain(answer.message + left))
    st.caption("It goes on when this page is closed.")
    if st.button("Stop", icon=":material/stop_circle:", key="use-stop"):
        answers.stop(frame.root(), name)


def actions(answer):
    """What may be done with an answer."""
    with st.container(horizontal=True, vertical_alignment="center"):
        if answer.state == "answered":
            st.link_button("Download the table (CSV)", icon=":material/download:",
                           url=frame.url("download", answers.KIND, answer.id, "predictions.csv"))
        if st.button("Look at other pictures", icon=":material/add_photo_alternate:", key="use-other"):
            frame.go("use", run=answer.run, model="" if answer.run else answer.model)
        if st.button("Delete this answer", icon=":material/delete:", key="use-delete"):
            deleted(answer)
    if answer.model:
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(answers.command(answer.model, answer.pictures), language="bash", wrap_lines=True)


@st.dialog("Delete this answer?")
def deleted(answer):
    """The question; the answer goes for good."""
    st.markdown("The table and the small copies of the pictures are deleted for good, and pictures that were brought "
                "through the browser for it. Pictures in your folders stay.")
    with st.container(horizontal=True):
        st.button("Delete", type="primary", key="use-delete-yes", on_click=delete, args=(answer,))
        if st.button("Keep it", key="use-delete-no"):
            st.rerun()
    if fault := st.session_state.pop("use-fault", ""):
        st.error(plain(fault))
    elif "answer" not in st.query_params:
        st.rerun()


def delete(answer):
    """Delete an answer; the address forgets it."""
    try:
        answers.delete(frame.root(), answer.id)
        st.query_params.from_dict(frame.given({"run": answer.run}))
    except ToolkitError as error:
        st.session_state["use-fault"] = str(error)


def result(answer):
    """The numbers, the table and the picture of the address."""
    try:
        found = answers.table(answer.folder)
    except ToolkitError as error:
        st.error(f"This answer is damaged: {plain(error)} Ask again.")
        return
    marks, above = answers.marked(found, bounds(answer, found.classes)), st.container()
    below = sure_from(answer, found.classes)
    with above:
        numbers(found, below, marks)
    where = wanted(found, below)
    if len(where):
        listed(answer, found, marks, where, below)
    else:
        st.info("No picture is like that.")
    enlarged.of_address(answer, found, lambda row: mark(found, marks, row, below), where)


def bounds(answer, classes):
    """{class: threshold} that a person chose for the run's model."""
    folder = answer.run and folders.checked(frame.root(), answer.run)
    try:
        return {name: one["threshold"] for name, one in thresholds.read(folder, classes).items()} if folder else {}
    except ToolkitError as error:
        st.warning(f"The run's thresholds are not used: {plain(error)}")
        return {}


def sure_from(answer, classes):
    """The confidence below which an answer is marked as not sure, and what the run's own pictures say of it."""
    below = st.slider("Not sure below", 0.0, 1.0, 0.7, 0.05, key="below", bind="query-params", width=360,
                      help="Answers whose confidence is lower are marked. The table that you download holds all "
                      "probabilities, whatever is set here.")
    folder = answer.run and folders.checked(frame.root(), answer.run)
    evidence = folder and answers.evidence(folder, classes, below)
    if evidence:
        parts = [f"{right} of {of} {words} were right" for (right, of), words in
                 zip(evidence, (f"with less than {below:.2f}", "others")) if of]
        st.caption(f"Of the run's validation pictures, answers: {'; '.join(parts)}.")
    return below


def numbers(found, below, marks):
    """How many pictures were given which answer."""
    counts = answers.counted(found)
    unreadable, unsure = counts.pop(""), len(answers.chosen(found, "unsure", below=below))
    first = sorted(counts, key=counts.get, reverse=True)[:TOLD]
    with st.container(horizontal=True):
        st.metric("Pictures", f"{len(found):,}", border=True, width="content")
        for name in first:
            st.metric(plain(short(name, 24)), f"{counts[name]:,}", border=True, width="content")
        st.metric("Not sure", f"{unsure:,}", border=True, width="content")
        if marks.any():
            st.metric("Above your threshold", f"{(marks != '').sum():,}", border=True, width="content")
        if unreadable:
            st.metric("Could not be read", f"{unreadable:,}", border=True, width="content")
    if len(counts) > TOLD:
        st.caption(f"and {len(counts) - TOLD} more classes")


def wanted(found, below):
    """The rows that a person wants to see, in their order."""
    shows = [name for name in SHOWS if name != "unreadable" or (found.rows["error"] != "").any()]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        show = st.segmented_control("Show", shows, default="all", required=True, format_func=SHOWS.get, key="show",
                                    bind="query-params")
        classes = st.multiselect("Answer", found.classes, key="use-classes", placeholder="any", width=260)
        order = st.selectbox("Order", list(ORDERS), format_func=ORDERS.get, key="order", bind="query-params", width=200)
        st.segmented_control("As", list(VIEWS), default="table", required=True, format_func=VIEWS.get, key="view",
                             bind="query-params")
    return answers.chosen(found, show if show in shows else "all", tuple(classes), below, order)


def listed(answer, found, marks, where, below):
    """A page of the wanted rows."""
    pages = -(-len(where) // PAGE)
    if (st.session_state.get("page") or 1) > pages:
        st.session_state["page"] = pages
    slot, page = st.container(), 1
    if pages > 1:
        page = st.pagination(pages, key="page", bind="query-params")
        st.caption(f"{(page - 1) * PAGE + 1:,} to {min(page * PAGE, len(where)):,} of {len(where):,}")
    some = where[(page - 1) * PAGE:page * PAGE]
    with slot:
        (gallery if st.session_state.get("view") == "pictures" else table)(answer, found, marks, some, below)


def mark(found, marks, row, below):
    """What is to be said of a row in a word or two."""
    unsure = found.rows["confidence"].iat[row] < below
    above = [f"above your threshold: {marks[row]}"] if marks[row] else []
    return ", ".join([*(["not sure"] if unsure else []), *above])


def table(answer, found, marks, some, below):
    """Rows as a table; one that is chosen is shown large."""
    import pandas

    config, rows = st.column_config, found.rows.iloc[some]
    shown = pandas.DataFrame({
        "picture": [source(answer, key) for key in rows["key"]],
        "answer": [short(one, 60) for one in rows["predicted"]],
        "confidence": rows["confidence"].to_numpy(), "mark": [mark(found, marks, row, below) for row in some],
        "name": [short(named(answer, path), 60) for path in rows["path"]]})
    names = {"picture": config.ImageColumn("Picture", width=90), "answer": "Answer", "name": "File",
             "mark": config.TextColumn("Mark", width="medium" if any(marks) else 80),
             "confidence": config.NumberColumn("Confidence", format="%.3f")}
    if (rows["error"] != "").any():
        shown["error"] = [short(error, 200) for error in rows["error"]]
        names["error"] = config.TextColumn("Could not be read", width="medium")
    for number, name in enumerate(found.classes):
        shown[f"p{number}"] = found.probabilities[some, number]
        names[f"p{number}"] = config.NumberColumn(short(name, 40), format="%.3f")
    key = f"use-table-{answer.id}-{hash(some.tobytes())}"

    def choose():
        if picked := st.session_state[key].selection.rows:
            st.query_params["picture"] = str(some[picked[0]])

    st.dataframe(shown, hide_index=True, column_config=names, row_height=64, on_select=choose, key=key,
                 selection_mode="single-row", placeholder="–", height=min(640, 64 * len(some) + 40),
                 alt="Answers, a row a picture; a row that is chosen is shown large")


def gallery(answer, found, marks, some, below):
    """Rows as pictures."""
    rows, items = found.rows, []
    for row in map(int, some):
        unread, said = bool(rows["error"].iat[row]), mark(found, marks, row, below)
        caption = "could not be read" if unread else f"{rows['predicted'].iat[row]} {rows['confidence'].iat[row]:.2f}"
        items.append({"key": str(row), "src": source(answer, rows["key"].iat[row]), "caption": caption, "badge": said,
                      "alt": f"{caption}: {named(answer, rows['path'].iat[row])}", "tone": "orange"})
    clicked = grid(items, "use-grid", selected=st.query_params.get("picture"), label="Pictures with their answers")
    if clicked is not None:
        st.query_params["picture"] = clicked


def earlier(run=None):
    """Answers that were given before, by one run's model or by all; they open by their address."""
    found = answers.answers(frame.root(), run or None)
    if not found:
        return
    st.subheader("Earlier answers", anchor=False)
    more = len(found) > EARLIER and st.toggle(f"Show all {len(found):,}", key="use-earlier")
    for one in found if more else found[:EARLIER]:
        when = f", {one.asked.astimezone():%d %b %H:%M}" if one.asked else ""
        whose = "" if run else f" · {picking.label(one)}"
        frame.link("use", plain(f"{one.title or one.id}{when}{whose}"), ICONS[one.state], run=one.run, answer=one.id)
