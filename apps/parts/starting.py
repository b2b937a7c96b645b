"""What the pages start: a look at data, a run. Each is one process, however often it is asked for."""

from dataclasses import fields

import streamlit as st

from apps.parts import frame, wishes
from apps.parts.plain import plain
from toolkit import options
from toolkit.commandline import arguments
from toolkit.errors import ToolkitError
from toolkit.runs import checks, launch

SHALLOW = "--no-features"


def look(values):
    """Look at data, values {option: value} of toolkit.check, and show the look; an error is shown where it is asked.

    At first without the network, which takes a minute for a thousand pictures: `deeper` is there for that.
    """
    begin(values["data"], arguments(options.Check, {"no_features": True} | values))


def deeper(entry):
    """Look at the same data with the network too: for wrong labels, and for pictures unlike the others."""
    begin(whole(entry), [one for one in typed(entry) if one != SHALLOW])


def shallow(entry):
    """Whether a look was one without the network."""
    return SHALLOW in typed(entry)


def begin(data, line, afresh=False):
    """Look at `data` by the arguments `line`; the decisions about them go along."""
    root = frame.root()
    try:
        path, told = checks.edits_file(root, data)
        more = arguments(options.Check, {"edits": str(path)}) if told and path.is_file() else ()
        started = checks.begin(root, data, line, more, afresh)
    except ToolkitError as error:
        st.error(plain(error))
        return
    frame.go("data", check=started.id)


def decided(wish):
    """A wish with the decisions about its pictures, where their file does not lie beside them."""
    path, told = checks.edits_file(frame.root(), wish["data"])
    return wish | ({"edits": str(path)} if told and path.is_file() else {})


def again(entry):
    """Look at the same data once more."""
    begin(whole(entry), typed(entry), True)


def typed(entry):
    """The arguments that a look was begun with."""
    return checks.asked(frame.root(), entry.id) or arguments(options.Check, looked_at(entry))


def whole(entry):
    """The path that a look is at, or sample:NAME."""
    begun = launch.record(frame.root(), checks.KIND, entry.id) or {}
    return str((entry.options or {}).get("data") or begun.get("data") or entry.data)


def looked_at(entry):
    """The options {name: value} that a look was begun with, but for what stands anyway and for its folder."""
    given = {f.name: f.default for f in fields(options.Check)}
    return {name: value for name, value in (entry.options or {"data": whole(entry)}).items()
            if name in given and value != given[name] and name not in ("run_dir", "out", "edits", "no_features")}


def run(wish, name):
    """Start a run of that name and show it; what is starting already is said, and led to."""
    root = frame.root()
    try:
        started = launch.start(root, "runs", name, "finetune", wishes.typing(wish, root / name), wish.get("data", ""),
                               wish=["runs", wishes.typing(wish, "")])
    except ToolkitError as error:
        st.error(plain(error))
        return
    if started.already:
        st.info("This run is already starting: one is made of one wish.", icon=":material/hourglass_top:")
        frame.link("run", "Watch it", ":material/arrow_forward:", run=started.id)
        return
    frame.go("run", run=started.id)


def line(wish, name):
    """The command that a run of that name is started by."""
    return launch.command("finetune", wishes.typing(wish, frame.root() / name))
