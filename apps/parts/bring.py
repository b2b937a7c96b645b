"""The ways in which pictures come: a path on this computer, a zip, some pictures by hand, a table."""

import os
from pathlib import Path

import streamlit as st

from apps.parts import address, collect, frame, starting
from apps.parts.plain import plain, short
from apps.parts.upload import upload
from toolkit.data import places
from toolkit.errors import ToolkitError
from toolkit.errors import plain as printable
from toolkit.runs import checks, launch

WAYS = {"path": "On this computer", "zip": "A zip", "files": "Some pictures", "table": "A table"}
SHOWN = 6   # earlier looks
COLUMNS = {"path": "Picture's file", "label": "Class", "split": "Part (train, validation, test)",
           "group": "What belongs together (patient, plant, lot)"}


def page():
    """The first page."""
    frame.heading("Bring your pictures", "Some hundred pictures that you have sorted are enough for a model that sorts "
                  "new ones, with honest numbers and the reasons why, in minutes.")
    st.markdown(":material/lock: **Everything stays on this computer.** No picture, name or number is sent anywhere.")
    sample()
    st.subheader("Your pictures", anchor=False)
    way = address.chosen(st.segmented_control, "How do they come?", list(WAYS), "way", "path", required=True,
                         format_func=WAYS.get)
    {"path": by_path, "zip": by_zip, "files": collect.by_hand, "table": by_table}[way]()
    if way != "path":
        collect.kept()
    if fault := st.session_state.pop("data-fault", ""):
        st.error(plain(fault))
    earlier()


def sample():
    """The way for those who have no pictures at hand."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown("**No pictures at hand?** 346 drawn blood cells, with faults among them that are found.",
                    width="stretch")
        if st.button("Try with sample data", icon=":material/science:", key="data-sample"):
            starting.look({"data": "sample:cells"})
        if st.button("Train on the sample", icon=":material/play_arrow:", key="data-sample-train",
                     help="Looks and trains at once: a first result in a minute or two."):
            wish = starting.decided({"data": "sample:cells", "preset": "fast"})
            starting.run(wish, launch.new_id(wish["data"], frame.root()))


def by_path():
    """A folder, table, .npz or zip that lies here: nothing is copied."""
    asked = st.query_params.get("data", "")
    if "data-path" not in st.session_state:
        st.session_state["data-path"] = asked
    with st.form("data-by-path", border=False):
        st.text_input("Path of a folder, a table (CSV, TSV, Parquet), an .npz or a zip", key="data-path",
                      placeholder="~/pictures", help="A folder with one folder of pictures for each class, or with "
                      "train, val and test of such folders. Nothing is copied or changed.")
        table = Path(st.session_state["data-path"]).suffix.lower() in places.manifest.TABLES  # its columns come next
        pressed = st.form_submit_button("Take this table" if table and asked else "Look at these pictures",
                                        icon=":material/search:", key="data-path-taken",
                                        type="secondary" if table and asked else "primary")
    if pressed:
        asked = st.query_params["data"] = st.session_state["data-path"]
    data, kind = found(asked) if asked and asked == st.session_state["data-path"] or pressed else (None, None)
    if kind == "table":
        mapping(data)
    elif data and pressed:
        starting.look({"data": data})
    browse()


def found(text):
    """(data, kind) of what a person typed; (None, None) after a word on what is wrong with it and what was meant."""
    try:
        return places.found(text)
    except places.Missing as missing:
        st.error(plain(missing))
        if missing.near:
            st.button(f"Did you mean {plain(missing.near)}?", key="data-near", on_click=choose,
                      args=(str(missing.near),))
    except ToolkitError as error:
        st.error(plain(error))
    return None, None


def choose(path):
    """Put a path into the field and the address."""
    st.session_state["data-path"] = st.query_params["data"] = path


def browse():
    """The folders of this computer by buttons, for who would not type."""
    opened = st.expander("Browse the folders of this computer", icon=":material/folder_open:", key="data-browse",
                         on_change="rerun")
    if not opened.open:
        return
    here = Path(st.session_state.setdefault("data-here", os.path.expanduser("~")))
    with opened:
        st.text(short(here, 100))
        try:
            inside = places.inside(here)
        except ToolkitError as error:
            st.error(plain(error))
            inside = places.Inside((), (), 0, False)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            st.button("Up", icon=":material/arrow_upward:", on_click=enter, args=(str(here.parent),), key="data-up",
                      disabled=here.parent == here)
            for what, names in (("Open a folder", inside.folders), ("Take a file", inside.files)):
                if names:
                    key = f"data-{what}-{here}"
                    st.selectbox(what, names, None, key=key, on_change=step, args=(key, str(here)), width=260,
                                 placeholder=f"{len(names)} here")
            st.button("Take this folder", icon=":material/check:", on_click=choose, args=(str(here),), key="data-take")
        st.caption(f"{len(inside.folders)} folders and {inside.pictures} pictures lie here"
                   + (f", of the first {places.MOST} names." if inside.more else "."))


def enter(path):
    """Open a folder in the browser."""
    st.session_state["data-here"] = path


def step(key, here):
    """Follow what was chosen in a folder: into a folder, or to a file."""
    path = os.path.join(here, st.session_state[key])
    (enter if os.path.isdir(path) else choose)(path)


def by_zip():
    """A zip or .npz that comes through the browser."""
    st.caption("Of class folders, of a table with its pictures, or a MedMNIST .npz. It is written to this computer's "
               "disk as it comes; if it lies here already, its path is quicker.")
    got = upload("data-zip", ("zip", "npz"), "Choose a zip")
    if collect.fresh(got, "data-zip-was"):
        starting.look({"data": got["path"]})


def by_table():
    """A table that lies here or comes through the browser."""
    st.caption("A row a picture, with its file and its class; parts and groups if you have them. CSV, TSV or Parquet.")
    text = st.text_input("Path of the table", key="data-table", placeholder="~/pictures/labels.csv")
    got = upload("data-table-file", ("table",), "Or choose a table", places.LARGEST_TABLE)
    if not text.strip() and not got:
        return
    data, kind = found(text if text.strip() else got["path"])
    if kind == "table":
        mapping(data)
    elif data:
        st.error("This is no table; wanted a CSV, TSV or Parquet file.")


def mapping(data):
    """Which column of a table is what."""
    try:
        columns, guess, rows = places.header(data)
    except ToolkitError as error:
        st.error(plain(error))
        return
    st.dataframe([dict(zip(map(printable, columns), map(printable, row))) for row in rows], hide_index=True,
                 alt="The first rows of the table")
    chosen = {}
    with st.form("data-columns", border=False):
        place = st.grid(min_column_width=320)
        for what, words in COLUMNS.items():
            free = [] if guess[what] or what in ("path", "label") else [None]  # a column so called is always read
            likely = guess[what] or (guess["patient"] if what == "group" else None)
            options = [*free, *columns]
            chosen[what] = place.selectbox(words, options, options.index(likely) if likely else None if not free else 0,
                                        format_func=lambda name: "none" if name is None else name,
                                        key=f"data-column-{what}-{data}")
        root = place.text_input("Folder that the paths start from", key=f"data-root-{data}",
                             placeholder=str(Path(data).parent), help="Left empty: the folder of the table.")
        if st.form_submit_button("Look at these pictures", type="primary", icon=":material/search:",
                                 key="data-columns-taken"):
            begin_table(data, root, chosen, guess)


def begin_table(data, root, chosen, guess):
    """Begin a look at a table, unless a column is missing or the root is no folder."""
    if not chosen["path"] or not chosen["label"]:
        st.error("Choose the column that names the picture's file and the one that names its class.")
        return
    values = {"data": data, **{f"{what}_column": name for what, name in chosen.items() if name != guess[what]}}
    if root.strip():
        try:
            values["root"], kind = places.found(root)
        except ToolkitError as error:
            st.error(plain(error))
            return
    starting.look(values)


def earlier():
    """Links to what was looked at before."""
    entries = checks.recent(frame.root(), SHOWN)
    if entries:
        st.subheader("Looked at before", anchor=False)
    for entry in entries:
        when = f", {entry.started.astimezone():%d %b %H:%M}" if entry.started else ""
        frame.link("data", plain(f"{entry.data or entry.id}{when}"), ":material/photo_library:", check=entry.id)
