"""What a look at data found: how many pictures of what, what is wrong with them, what was left out."""

from dataclasses import dataclass
from functools import cached_property

import streamlit as st

from apps.parts import address, decide, found, frame, starting
from apps.parts.plain import plain, short
from toolkit.errors import ToolkitError, UntrustedError
from toolkit.errors import plain as printable
from toolkit.run import FILES, paths
from toolkit.runs import checks, launch, listing

PARTS = {"train": "Training", "validation": "Validation", "test": "Test", "": "Not split"}
BARS = 12       # classes in the chart
REFUSED = "refused"     # the check that repeats why a run would not begin
DICOM = ("DICOM files want further packages: python -m pip install 'toolkit[dicom]', then look again. Only their "
         "pixels are read: no name, number or date of a header is kept.")


@dataclass(frozen=True)
class Seen:
    """A look that has ended: its Entry, pictures, Findings, Told, and the decisions about its pictures."""

    entry: object
    pictures: tuple
    findings: list
    told: object
    decisions: object

    @cached_property
    def doubts(self):
        """{picture: (the class it looks like, score)} of all labels that look wrong."""
        return {path: (better, score) for one in self.findings if one.suggested
                for path, better, score in zip(one.pictures, one.suggested, one.scores or [None] * len(one.pictures))
                if better}


def page(entry):
    """A look, live or ended."""
    frame.heading(f"Pictures: {entry.data or entry.id}", short(starting.whole(entry), 90))
    if entry.state.live:
        progress(entry.id)
        return
    if entry.state.name == "damaged":
        st.error(f"This look is damaged: {plain(entry.state.message)}")
    elif entry.state.name != "finished":
        refused(entry)
    seen = opened(entry)
    if seen is None:
        actions(entry, False)
        command(entry)
        return
    actions(entry, entry.state.name == "finished" and seen.told.task == "classification")
    with st.container():  # there at any time, so that what stands below keeps its place, and the keys theirs
        decide.since_the_look(seen, lambda: starting.again(entry))
    counted(seen)
    sections(seen)
    along(entry)
    command(entry)
    decide.dialog_of_address(seen)


@st.fragment(run_every=1.0)
def progress(name):
    """How far a look is; the page is drawn anew once, when it has ended."""
    entry = listing.entry(frame.root(), name, checks.KIND)
    if entry is None or not entry.state.live:
        st.rerun()
    left = entry.state.seconds_left
    words = entry.state.message or "Starting"
    st.progress(entry.state.progress, plain(words) + (f", about {max(1, round(left))} s left" if left else ""))
    st.caption("It goes on when this page is closed.")
    if st.button("Stop", icon=":material/stop_circle:", key="data-stop"):
        launch.cancel(entry.folder)


def refused(entry):
    """Why a look ended without a result, and what may be done."""
    if entry.state.name == "stopped":
        st.info("This look was stopped.", icon=":material/pause:")
        return
    message = launch.complaint(frame.root(), checks.KIND, entry.id) or entry.state.message
    st.error(f"A run would refuse these data. {plain(message)}", icon=":material/error:")
    if "dicom" in message.casefold():
        st.info(DICOM, icon=":material/medical_information:")


def opened(entry):
    """The Seen of a look; None where it left no pictures, or a word about what is wrong with it."""
    if not paths(entry.folder).manifest.exists():
        return None
    try:
        path, _ = checks.edits_file(frame.root(), starting.whole(entry))
        wrong = [one for one in checks.findings(entry.folder) if one.check != REFUSED]  # said above all else
        return Seen(entry, checks.pictures(entry.folder), wrong, checks.told(entry.folder),
                    decide.Decisions.read(path, entry.started))
    except UntrustedError as error:
        st.error(f"This look is damaged: {plain(error)} Look again.")
    except ToolkitError as error:
        st.error(plain(error))
    return None


def actions(entry, usable):
    """What comes next."""
    with st.container(horizontal=True):
        if usable and st.button("Go on to training", type="primary", icon=":material/arrow_forward:", key="data-train"):
            frame.go("train", check=entry.id)
        if entry.state.name == "failed" and st.button(
                "Go on with other options", icon=":material/tune:", key="data-options",
                help="Such as a higher share of unreadable pictures."):
            frame.go("train", check=entry.id)
        if usable and starting.shallow(entry) and st.button(
                "Look for wrong labels", icon=":material/rule:", key="data-deeper",
                help="By what the network sees, about a minute for a thousand pictures. A run does so by itself."):
            starting.deeper(entry)
        if st.button("Look again", icon=":material/refresh:", key="data-again", help="After files have changed."):
            starting.again(entry)
        if st.button("Other pictures", icon=":material/add_photo_alternate:", key="data-other"):
            frame.go("data")


def along(entry):
    """What a look leaves to take along: its page, and what it suggests."""
    here = paths(entry.folder)
    if not here.check.is_file() or not here.clean.is_file():
        return
    with st.expander("To take along: the findings as a page, and a clean manifest", icon=":material/download:"):
        with st.container(horizontal=True):
            st.link_button("Findings", frame.url("report", checks.KIND, entry.id), icon=":material/open_in_new:")
            for name, words in (("clean", "Clean manifest"), ("suggested", "The same as decisions")):
                st.link_button(words, frame.url("download", checks.KIND, entry.id, FILES[name]),
                               icon=":material/download:")
        st.caption("The findings with their pictures are one file for people, which loads nothing. The clean manifest "
                   "leaves out unreadable files, copies and pictures under two classes, and keeps near duplicates "
                   "together; labels that look wrong are marked and stay. The findings say how to train on it.")


def command(entry):
    """The command line of a look."""
    with st.expander("The same on the command line", icon=":material/terminal:"):
        st.code(launch.command("check", starting.typed(entry)), language=None, wrap_lines=True)


def counted(seen):
    """How many pictures of what, in which part."""
    counts = checks.counts(seen.pictures)
    groups = seen.told.groups or 0
    with st.container(horizontal=True):
        st.metric("Pictures", f"{len(seen.pictures):,}", border=True, width=150)
        if not seen.told.summary:
            st.metric("Classes", f"{len(counts):,}", border=True, width=150)
        st.metric("Groups", f"{groups:,}" if groups else "–", border=True, width=150,
                  help="Patients, plants or lots whose pictures are kept on one side of the split.")
        st.metric("Not read", f"{len(seen.told.unreadable):,}", border=True, width=150)
    if seen.told.summary:
        targets(*seen.told.summary)
        return
    rows = table(counts)
    left, right = st.columns([3, 2])
    with left:
        bars(rows[:-1][:BARS], list(rows[0])[1:-1])
        if len(counts) > BARS:
            st.caption(f"The first {BARS} of {len(counts)} classes; the table holds all.")
    with right:
        st.dataframe(rows, hide_index=True, alt="Pictures of each class and part")


def targets(columns, rows, lines):
    """What is to be learnt of pictures that have not one class each."""
    st.dataframe([dict(zip(map(printable, columns), map(printable, row))) for row in rows], hide_index=True,
                 alt="What is marked or named, by part")
    for line in lines:
        st.markdown(plain(line))
    st.caption("Data of this kind are checked and summed up; what is trained here is one class a picture.")


def bars(rows, parts):
    """Pictures of each class as bars of their parts, which keep their colours and their order everywhere."""
    import altair

    long = [{"Class": row["Class"], "Part": part, "place": place, "Pictures": row[part]}
            for row in rows for place, part in enumerate(parts)]
    chart = altair.Chart(altair.Data(values=long)).mark_bar().encode(
        x=altair.X("Pictures:Q", title=None), y=altair.Y("Class:N", sort=None, title=None),
        color=altair.Color("Part:N", sort=list(PARTS.values()), title=None, legend=altair.Legend(orient="top"),
                           scale=altair.Scale(domain=list(PARTS.values())[:len(parts)])),
        order="place:Q", tooltip=["Class:N", "Part:N", "Pictures:Q"])
    st.altair_chart(chart, height=100 + 36 * len(rows),
                    alt="Pictures of each class, by part; the table beside it holds the numbers")


def table(counts):
    """A row a class, a column a part, and all."""
    parts = [part for part in PARTS if any(part in row for row in counts.values())]
    rows = [{"Class": printable(label), **{PARTS[part]: row.get(part, 0) for part in parts}, "All": sum(row.values())}
            for label, row in counts.items()]
    total = {"Class": "All", **{PARTS[part]: sum(row[PARTS[part]] for row in rows) for part in parts},
             "All": sum(row["All"] for row in rows)}
    return [*rows, total]


def sections(seen):
    """Findings, pictures or what was left out, one at a time."""
    left_out = len(seen.told.unreadable) + sum(seen.told.skipped.values()) + len(seen.decisions.excluded)
    words = {"findings": f"Findings ({len(seen.findings)})", "pictures": f"Pictures ({len(seen.pictures):,})",
             "left-out": f"Left out ({left_out:,})"}
    show = address.chosen(st.segmented_control, "What to look at", list(words), "show", "findings", required=True,
                          format_func=words.get, label_visibility="collapsed")
    {"findings": found.page, "pictures": decide.gallery, "left-out": left}[show](seen)


def left(seen):
    """What was left out: by the person who looks, for want of being readable, for being no picture."""
    decide.taken_out(seen)
    if seen.told.unreadable:
        st.markdown(f"**Could not be read ({len(seen.told.unreadable):,})**")
        st.dataframe([dict(zip(("File", "Class", "Why"), map(printable, row))) for row in seen.told.unreadable],
                     hide_index=True,
                     alt="Files that could not be read, with the cause")
        if any("dicom" in why.casefold() for _, _, why in seen.told.unreadable):
            st.info(DICOM, icon=":material/medical_information:")
    if seen.told.skipped:
        st.markdown(f"**Passed over ({sum(seen.told.skipped.values()):,})**")
        st.dataframe([{"Why": printable(why), "Files": number} for why, number in seen.told.skipped.items()],
                     hide_index=True,
                     alt="Why files were passed over, with their number")
        if seen.told.left_out:
            with st.expander("Their names"):
                st.dataframe([dict(zip(("File", "Why"), map(printable, row))) for row in seen.told.left_out],
                             hide_index=True,
                             alt="Files that were passed over")
    if not (seen.told.unreadable or seen.told.skipped or seen.decisions.excluded):
        st.info("Nothing was left out.", icon=":material/check_circle:")
