"""What all pages share: where the runs are, which page is next, which run is looked at, what an error looks like.

The truth lies in the run folders and in the address (`?run=...`): a refreshed page, a second tab and a bookmark show
the same.
"""

import platform
import traceback
from importlib import metadata
from pathlib import Path

import streamlit as st

from apps.parts.plain import plain
from apps.parts.settings import root
from toolkit.runs import folders, listing

VIEWS = {  # page: (title, what it is for)
    "data": ("Data", "Bring pictures and see what is in them"),
    "train": ("Train", "Start a run"),
    "run": ("Run", "Watch runs, stop them, compare them"),
    "results": ("Results", "See how good a model is, and where it fails"),
    "use": ("Use", "Let a model look at new pictures"),
}
HERE = Path(__file__).resolve().parents[1]
STYLE = """<style>[data-selected="true"] [data-testid="stMarkdownContainer"] p, [data-testid="stSliderThumbValue"] p
{color: light-dark(#0b5563, #7cd0de)}</style>"""  # words in the primary colour, on which white words are to be read too
BADGES = {  # state: (words, colour, icon)
    "starting": ("starting", "blue", ":material/hourglass_top:"), "queued": ("queued", "blue", ":material/schedule:"),
    "running": ("running", "blue", ":material/autorenew:"),
    "stopping": ("stopping", "orange", ":material/stop_circle:"),
    "finished": ("finished", "green", ":material/check_circle:"), "stopped": ("stopped", "gray", ":material/pause:"),
    "failed": ("failed", "red", ":material/error:"), "killed": ("ended by the system", "red", ":material/power_off:"),
    "damaged": ("damaged", "red", ":material/broken_image:"),
}


def navigate():
    """The frame around every page, and the page that the address asks for."""
    st.set_page_config(page_title="toolkit", page_icon=str(HERE / "parts" / "icon.png"), layout="wide")
    pages = {name: st.Page(HERE / "views" / f"{name}.py", title=title, url_path=name)
             for name, (title, _) in VIEWS.items() if (HERE / "views" / f"{name}.py").exists()}
    first = st.Page(to_first, title="toolkit", url_path="start", default=True, visibility="hidden")
    st.html(STYLE)
    page = st.navigation([first, *pages.values()], position="top")
    st.session_state["here"] = page.url_path
    page.run()


def to_first():
    """The bare address leads to the first page: a default page's own path would not be found."""
    go("data")


def file(name):
    """The file of a page, as st.switch_page and st.page_link want it."""
    return f"views/{name}.py"


def go(name, **parameters):
    """Show another page; `parameters` become its address."""
    st.switch_page(file(name), query_params=given(parameters))


def link(name, label, icon=None, **parameters):
    """A link to a page, this one too: there Streamlit's own would leave the address as it is."""
    if name == st.session_state.get("here"):
        key = "-".join(["link", name, label, *(f"{one}={value}" for one, value in sorted(given(parameters).items()))])
        if st.button(label, icon=icon, type="tertiary", key=key):
            go(name, **parameters)
        return
    st.page_link(file(name), label=label, icon=icon, query_params=given(parameters))


def given(parameters):
    """The parameters that have a value, as text."""
    return {key: str(value) for key, value in parameters.items() if value not in (None, "")}


def heading(title, about=""):
    """The title of a page, with a line of what it is for."""
    st.title(plain(title), anchor=False)
    if about:
        st.caption(plain(about))


def entry():
    """The run that the address names (toolkit.runs.listing.Entry); None where it names none, or none of ours."""
    name = st.query_params.get("run", "")
    return listing.entry(root(), name) if name and valid(name) else None


def valid(name):
    """Whether a name may be that of a run, there or not."""
    return folders.checked(root(), name) is not None or listing.launch.record(root(), "runs", name) is not None


def chosen(states=None, empty="There is no run yet.", fits=None):
    """The run of the address, after a picker of all runs; None, after a friendly word, where there is nothing to show.

    states: only runs in these states are offered, such as ("finished",); fits(run): and only those that it agrees to.
    """
    runs = [run for run in listing.runs(root()) if (states is None or run.state.name in states)
            and (fits is None or fits(run))]
    asked, here = st.query_params.get("run", ""), entry()
    if asked and here is None:
        st.warning(f"There is no run {plain(asked[:80])} here; it may have been deleted or moved. Choose another one.")
    if not runs and here is None:
        st.info(empty)
        link("data", "Bring pictures", ":material/add_photo_alternate:")
        return None
    ids = [run.id for run in runs]
    if here is not None and here.id not in ids:
        ids.insert(0, here.id)
    words = {run.id: label(run) for run in [*runs, *([here] if here else [])]}
    index = ids.index(here.id) if here else None
    name = st.selectbox("Run", ids, index, format_func=lambda one: words[one], key=f"chosen-{asked}",
                        placeholder="Choose a run")
    if name and name != (here.id if here else None):
        st.query_params["run"] = name
        st.rerun()
    return here


def label(run):
    """A run in a line of plain text."""
    auc = (run.scores or {}).get("roc_auc", {}).get("value")
    parts = [run.data or run.id, f"{run.started.astimezone():%d %b %H:%M}" if run.started else "",
             BADGES[run.state.name][0] if run.state.name != "finished" else "", f"AUC {auc:.3f}" if auc else ""]
    return " · ".join(part for part in parts if part) + f"  ({run.id})"


def badge(state):
    """A run's state as a coloured word with a sign."""
    words, colour, icon = BADGES[state.name]
    st.badge(words, icon=icon, color=colour)


def broken(error):
    """Show a short word in place of an uncaught error, with details that hold no path and no name; for st.App."""
    st.error("This page met an error that was not foreseen. Your data and your runs are untouched; other pages and "
             "running work go on.", icon=":material/error:")
    with st.expander("Copy details"):
        st.code(details(error), language=None)
    return True


def details(error):
    """What a developer needs of an error: kind, places in the code, versions; no message, which may hold names."""
    steps = [f"  {Path(step.filename).name}:{step.lineno} {step.name}"
             for step in traceback.extract_tb(error.__traceback__) if "site-packages" not in step.filename]
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in ("streamlit", "pandas", "numpy"))
    return "\n".join([type(error).__name__, *steps[-8:], f"Python {platform.python_version()}, {packages}"])


def url(*parts):
    """The address of an own route, below the base path of the server."""
    from urllib.parse import quote

    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    return "/".join(["", *([base] if base else []), *(quote(str(part), safe="") for part in parts)])
