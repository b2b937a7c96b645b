"""A run to come: what it is made of, what belongs together, its name, and its start."""

from dataclasses import dataclass, fields

import streamlit as st

from apps.parts import form, frame, starting, wishes
from apps.parts.plain import plain, short
from toolkit import options
from toolkit.commandline import arguments
from toolkit.data import names
from toolkit.errors import UntrustedError
from toolkit.run import paths
from toolkit.runs import checks, launch, listing

SHOWN = 6
NETWORK = {f.name for f in fields(options.Network)}  # looks begun here are by the default one, whatever a run is by


@dataclass(frozen=True)
class Source:
    """What a run will be made of. `wish`: the options that come with it; `look`: Entry of the look at it, or None."""

    name: str
    wish: dict
    look: object = None


def asked():
    """The Source that the address names; None where it names none, or none that is there."""
    root, look, run = frame.root(), st.query_params.get("check", ""), st.query_params.get("from", "")
    if look and checks.named(root, look):
        entry = listing.entry(root, look, checks.KIND)
        return Source(f"check {look}", of_look(entry), entry)
    if run and frame.valid(run):
        entry = listing.entry(root, run)
        if entry.options and entry.command in ("finetune", ""):
            wish = wishes.of_run(entry.options)
            return Source(f"run {run}", wish, looked_at(root, wish))
    if look or run:
        st.warning("What the address names is not here any more; choose the pictures again.")
    return None


def of_look(entry):
    """The wish that a look leads to: the same data, read in the same way, with the decisions about them."""
    return starting.decided(wishes.of_run(starting.looked_at(entry)) | {"data": starting.whole(entry)})


def looked_at(root, wish):
    """The last look at the data of a wish; None where nobody has looked."""
    given = {name: value for name, value in wish.items() if name in options.Check.__dataclass_fields__
             and value != options.Check.__dataclass_fields__[name].default
             and name not in ("edits", "run_dir", "out", *NETWORK)}
    found = [name for further in ({}, {"no_features": True})
             for name in checks.looks(root, arguments(options.Check, given | further))]
    return listing.entry(root, found[-1], checks.KIND) if found else None


def offered():
    """Links to what may be trained on."""
    entries = [entry for entry in checks.recent(frame.root(), SHOWN) if entry.state.name == "finished"]
    if not entries:
        st.info("Bring pictures first: then you see what is in them, and what to train on.",
                icon=":material/add_photo_alternate:")
        frame.link("data", "Bring pictures", ":material/arrow_forward:")
        return
    st.subheader("On which pictures?", anchor=False)
    for entry in entries:
        when = f", looked at on {entry.started.astimezone():%d %b %H:%M}" if entry.started else ""
        frame.link("train", plain(f"{entry.data or entry.id}{when}"), ":material/photo_library:", check=entry.id)
    frame.link("data", "Other pictures", ":material/add_photo_alternate:")


@dataclass(frozen=True)
class Facts:
    """What a look knows that matters for a run."""

    pictures: tuple = ()
    groups: int = 0
    columns: dict | None = None


def facts(source):
    """Facts of a look; none where there is no look, or it is not to be read."""
    if source.look is None or not paths(source.look.folder).manifest.exists():
        return Facts()
    try:
        return Facts(checks.pictures(source.look.folder), checks.told(source.look.folder).groups or 0,
                     checks.columns(source.look.folder))
    except UntrustedError as error:
        st.warning(plain(error))
        return Facts()


def groups(source, seen):
    """What belongs together: asked where the data offer something. The answer stands in the options of the form."""
    shown = seen.pictures
    offer = names.offer([one.path for one in shown], [one.label for one in shown]) if shown else None
    found = wishes.groupings(source.wish, len(seen.pictures), seen.groups, seen.columns or {}, offer)
    if len(found) == 1:
        return
    now = {name: st.session_state[form.key(name)] or None for name in wishes.GROUPING}
    if now not in [said for _, said in found]:
        found.append(("As set under Advanced", now))
    place = "train-groups"
    st.session_state[place] = [said for _, said in found].index(now)
    st.radio("What belongs together?", range(len(found)), format_func=lambda n: plain(found[n][0]), key=place,
             on_change=lambda: form.put(found[st.session_state[place]][1]),
             help="Pictures of one patient, plant or lot must not be on both sides of the split: the scores would be "
             "better than the truth. Copies of a picture are kept together in any case.")


def run_name(source):
    """The name of the run, which its folder bears: of our making, then always a free one, until a person types one."""
    root, name, made = frame.root(), st.session_state.get("train-name"), st.session_state.get("train-name-made")
    other = st.session_state.get("train-name-of") != source.name
    if not name or name == made and (other or wishes.fault_of_name(root, name)):
        name = launch.new_id(source.wish.get("data", ""), root)
        st.session_state.update({"train-name": name, "train-name-made": name, "train-name-of": source.name})
    return st.text_input("Name of the run", key="train-name", persist_state="session",
                         help="Its folder below the folder of runs.").strip()


def summary(source, seen):
    """What will be trained on."""
    st.markdown(f"**{plain(listing.short(source.wish.get('data', '')) or 'Your pictures')}**")
    st.caption(plain(short(source.wish.get("data", ""), 60)))
    if seen.pictures:
        counts = checks.counts(seen.pictures)
        parts = {part: sum(row.get(part, 0) for row in counts.values()) for part in checks.PARTS}
        st.markdown(f"{len(seen.pictures):,} pictures of {len(counts):,} classes: {parts['train']:,} to learn from, "
                    f"{parts['validation']:,} for decisions, {parts['test']:,} for the scores.")
        frame.link("data", "What is in them", ":material/photo_library:", check=source.look.id)
    elif source.look is None:
        st.caption("Nobody has looked at these pictures yet; a run will.")


def begin(wish, name):
    """The command and the button that starts it."""
    starting_now = launch.alive(frame.root(), "runs", name)  # a press more is no second run, and no fault
    fault = wishes.fault(wish) or ("" if starting_now else wishes.fault_of_name(frame.root(), name))
    before = wishes.waiting(wish.get("device") or "auto", wish.get("devices") or 1)
    if before and not fault:
        st.info(f"{before} {'run is' if before == 1 else 'runs are'} at work: this one will wait as “queued, {before} "
                "before you”, and begin by itself.", icon=":material/schedule:")
    if fault:
        st.error(plain(fault))
    if st.button("Start", type="primary", icon=":material/play_arrow:", key="train-start", disabled=bool(fault)):
        starting.run(wish, name)
    st.caption("The same on the command line:")
    st.code(starting.line(wish, name), language=None, wrap_lines=True)  # colours of bash are too pale to read
