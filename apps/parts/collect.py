"""Pictures by hand: a class after the other, or a folder of class folders through the browser."""

import streamlit as st

from apps.parts import frame, starting
from apps.parts.plain import plain, short
from apps.parts.upload import upload
from toolkit.data.reading import count
from toolkit.errors import ToolkitError
from toolkit.quantities import size_in_words
from toolkit.runs import collecting, uploads

HOW = {"classes": "Class by class", "folder": "A folder of class folders"}


def by_hand():
    """Some pictures, through the browser."""
    how = st.segmented_control("In which order?", list(HOW), default="classes", required=True, key="data-how",
                               format_func=HOW.get)
    (class_by_class if how == "classes" else folder)()


def folder():
    """A whole folder, its subfolders being the classes."""
    got = upload("data-folder", ("pictures",), "Choose a folder that holds a folder of pictures for each class")
    if fresh(got, "data-folder-was"):
        starting.look({"data": got["path"]})


def class_by_class():
    """Name a class, bring its pictures, and so on; the address keeps what has come."""
    root, asked = frame.root(), st.query_params.get("collect", "")
    collection = asked if uploads.ID.fullmatch(asked) else st.session_state.setdefault("data-collect", collecting.new())
    label = st.text_input("Class", key="data-class-name", placeholder="such as healthy",
                          help="What all the pictures show that you choose next.")
    try:
        collecting.proper(label)
        got = upload(f"data-class-{label.strip()}", ("pictures",), f"Pictures of {label.strip()}")
        if fresh(got, f"data-class-was-{label.strip()}"):
            collecting.add(root, collection, label, got["upload"])
            st.query_params["collect"] = collection
    except ToolkitError as error:
        if label:
            st.error(plain(error))
    brought(root, collection)


def fresh(got, key):
    """Whether something came that was not here at the last run of the page."""
    if got is None or st.session_state.get(key) == got["upload"]:
        return False
    st.session_state[key] = got["upload"]
    return True


def brought(root, collection):
    """The classes that have come."""
    classes = collecting.classes(root, collection)
    for number, (label, pictures) in enumerate(classes.items()):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{plain(label)}**, {count(pictures, 'picture')}", width="stretch")
            st.button("Remove", icon=":material/delete:", key=f"data-drop-{number}", type="tertiary",
                      help=f"Remove the class {plain(label)}", on_click=drop, args=(root, collection, label))
    if len(classes) == 1:
        st.caption("Name a second class, and choose its pictures.")
    if len(classes) > 1 and st.button("Look at these pictures", type="primary", icon=":material/search:",
                                      key="data-look-collected"):
        starting.look({"data": str(collecting.folder(root, collection))})


def kept():
    """What came through the browser before, with its size; what no run needs can go."""
    root = frame.root()
    held = uploads.listed(root)
    if not held:
        return
    total = size_in_words(sum(one.bytes for one in held))
    place = st.expander(f"Kept from before ({total})", icon=":material/inventory_2:", key="data-kept",
                        on_change="rerun")
    if not place.open:
        return
    with place:
        for one in held:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"{plain(short(one.data.name, 60))}, {count(one.files, 'file')}, "
                            f"{size_in_words(one.bytes)}", width="stretch")
                if st.button("Look", icon=":material/search:", key=f"data-kept-look-{one.id}"):
                    starting.look({"data": str(one.data)})
                st.button("Delete", icon=":material/delete:", key=f"data-kept-delete-{one.id}", on_click=delete,
                          args=(root, one.id))


def delete(root, upload):
    """Delete an upload; what stands in the way is said by the page."""
    try:
        uploads.remove(root, upload)
    except ToolkitError as error:
        st.session_state["data-fault"] = str(error)


def drop(root, collection, label):
    """Remove a class; what stands in the way is said by the page."""
    try:
        collecting.drop(root, collection, label)
    except ToolkitError as error:
        st.session_state["data-fault"] = str(error)
