"""One run: what it is doing, how it learns, what it said; and the buttons that end it or go on with it."""

import streamlit as st

from apps.parts import deleting, ending, frame, learning
from apps.parts.plain import plain
from toolkit.progress import spoken
from toolkit.run import paths
from toolkit.runs import comparison, history, launch, listing, reading

QUIET = 30        # seconds without news from which that is said in orange
LINES = 60        # of the log
SHOWN = 400       # characters of an option's value
ICONS = {"failed": ":material/error:", "killed": ":material/power_off:", "damaged": ":material/broken_image:"}
ADVICE = {
    "killed": "Close other programmes, or begin anew with a smaller batch size or a smaller picture size; then it "
              "needs less memory. What it had learnt up to its last epoch is kept: it goes on from there.",
    "damaged": "Its files are not those of a run any more: a disk fault, or somebody changed them. It can be deleted.",
}


def page(run):
    """The page of a run (toolkit.runs.listing.Entry)."""
    deleting.undo()
    head(run)
    ending.dialog(run)
    st.fragment(news, run_every="1s" if run.state.live else None)(run.id, run.state.live)
    if run.scores and not run.state.live:
        results(run)
    st.fragment(curves, run_every="2s" if run.state.live else None)(run.id)
    details(run)
    with st.container(horizontal=True, vertical_alignment="center"):
        if run.command in ("finetune", "") and run.options:
            frame.link("train", "Start a similar run", ":material/replay:", **{"from": run.id})
        deleting.button(run, "run-delete")


def head(run):
    """Which run it is."""
    frame.link("run", "All runs", ":material/arrow_back:")
    st.title(plain(run.data or run.id), anchor=False)
    when = f"started {run.started.astimezone():%d %B %Y, %H:%M}" if run.started else ""
    st.caption(plain(" · ".join(filter(None, (run.id, when)))))


def news(name, live):
    """What the run is doing now; when it has ended, the whole page is shown anew, once."""
    run = listing.entry(frame.root(), name)
    if run is None or live and not run.state.live:
        st.rerun()
    if run.state.live:
        at_work(run)
    else:
        ended(run)


def at_work(run):
    """A run that lives."""
    state = run.state
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.badge(state)
        st.markdown(phase(state))
    if state.name == "queued":
        queue(run)
    else:
        st.progress(state.progress, text=f"{state.progress:.0%}{left(state)}")
        told(state)
    ending.buttons(run)


def phase(state):
    """The phase in words."""
    if state.name == "stopping":
        return f"Stopping at the next safe point; the best so far is then measured. {plain(state.message)}"
    if state.name == "starting":
        return "Starting. The first word takes some seconds."
    return plain(state.message or history.PHASES.get(state.phase, "Working"))


def left(state):
    """How long it will take, in words."""
    if state.name != "running" or state.seconds_left is None:
        return ""
    return f", about {spoken(max(1, state.seconds_left))} left of this step"


def told(state):
    """How long it has worked, and how old the last news are."""
    worked = f"Worked for {spoken(state.seconds)}. " if state.seconds else ""
    if state.age is None:
        st.caption(worked or "No news yet.")
    elif state.age > QUIET:
        st.markdown(f":orange[:material/warning: No news for {spoken(state.age)}.] {worked}It lives; some steps take "
                    "long without a word.")
    else:
        st.caption(f"{worked}Last news {spoken(state.age)} ago.")


def queue(run):
    """What waits before a run."""
    names = launch.ahead(run.folder, run.options or {})
    st.markdown("It begins by itself as soon as what is before it has ended" + (":" if names else "."))
    for name in names[:10]:
        st.text(name)


def ended(run):
    """A run that does not live any more."""
    state = run.state
    with st.container(horizontal=True, vertical_alignment="center"):
        frame.badge(state)
        if state.seconds:
            st.markdown(f"after {spoken(state.seconds)}")
    if state.name in ICONS:
        st.error(plain(state.message) or "It left no word.", icon=ICONS[state.name])
    elif state.name == "stopped":
        st.info(sentence(state.message), icon=":material/pause:")
    elif state.message not in ("", "done"):
        st.info(sentence(state.message.removeprefix("done; ")), icon=":material/info:")
    if state.name in ADVICE:
        st.markdown(ADVICE[state.name])
    if state.resumable and run.command == "finetune" and paths(run.folder).run.exists():
        ending.resume(run)


def sentence(text):
    """A message as a sentence."""
    return plain(text[:1].upper() + text[1:].rstrip(".") + ".") if text else "It was ended."


def results(run):
    """The scores in short, and where to read on."""
    with st.container(horizontal=True):
        for name, words in (("roc_auc", "AUC"), ("balanced_accuracy", "Balanced accuracy"), ("accuracy", "Accuracy")):
            if score := (run.scores or {}).get(name):
                st.metric(words, number(score["value"]), interval(score), delta_color="off", delta_arrow="off",
                          border=True, width=170)
        if run.chosen:
            st.metric("Model kept", "first answer" if run.chosen == "probe" else plain(run.chosen), border=True,
                      width=170, help="The probe, or the deepest stage that was tuned.")
    with st.container(horizontal=True, vertical_alignment="center"):
        kind = "primary" if run.state.name == "finished" else "secondary"
        if st.button("See the results", type=kind, icon=":material/insights:", key="run-results"):
            frame.go("results", run=run.id)
        frame.link("use", "Use this model", ":material/photo_camera:", run=run.id)
        if paths(run.folder).report.exists():
            st.link_button("Report", frame.url("report", run.id), icon=":material/description:", type="tertiary")


def number(value):
    """A score in three digits, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def interval(score):
    """A score's interval in words."""
    return None if score.get("low") is None else f"{score['low']:.3f} to {score['high']:.3f}"


def curves(name):
    """How the run learns."""
    run = listing.entry(frame.root(), name)
    if run is None:
        return
    found = history.of(run.folder, run.state.seconds if run.state.live else None)
    if found.epochs:
        st.subheader("How it learns", anchor=False)
        learning.page(found)
    elif run.state.live and found.probe is not None:
        st.info(f"The first answer, from the network as it came: validation AUC {found.probe:.3f}.",
                icon=":material/bolt:")
    spent(found)
    log(run, found)


def spent(found):
    """The time used by each phase."""
    phases = {name: seconds for name, seconds in found.phases.items() if seconds >= 0.05}
    if not phases:
        return
    total = sum(phases.values())
    with st.expander(f"Time: {spoken(total)}", icon=":material/timer:"):
        st.dataframe([{"phase": history.PHASES.get(name, name), "seconds": round(seconds, 1), "share": seconds / total}
                      for name, seconds in phases.items()], hide_index=True, width="content",
                     alt="Seconds of each phase", column_config={
                         "share": st.column_config.ProgressColumn(format="percent", color="#0b7285")})


def log(run, found):
    """The last lines that the run said."""
    said = reading.log(paths(run.folder).log, LINES) or launch.log(frame.root(), "runs", run.id, LINES)
    if not said:
        return
    with st.expander("Log", icon=":material/subject:", expanded=run.state.name in ("failed", "killed")):
        st.code("\n".join(said), language=None, wrap_lines=True, height=min(420, 60 + 26 * len(said)))
        if found.junk:
            st.caption(f"{found.junk:,} lines of events.jsonl are none and were left out.")


def details(run):
    """How the run was begun."""
    typed = (launch.record(frame.root(), "runs", run.id) or {}).get("command")
    if line := ending.line(run, typed):
        with st.expander("The same on the command line", icon=":material/terminal:"):
            st.code(launch.command(*line), language="bash", wrap_lines=True)
    found = comparison.changed(run.options, ending.usual(run.command))
    if found:
        with st.expander(f"Options: {len(found)} differ from the defaults", icon=":material/tune:"):
            st.dataframe([{"option": str(name), "value": str(value)[:SHOWN]} for name, value in found.items()],
                         hide_index=True, width="content", alt="Options that differ from the defaults")
