"""Progress: what a person sees of a long step, in the terminal and in status.json."""

import io

import pytest

from toolkit import progress
from toolkit.errors import Stopped
from toolkit.progress import Progress, spoken

SHARES = {"read": 0.2, "tune": 0.8}


class Said:
    """Stands for a run; keeps what it is told."""

    def __init__(self):
        self.lines, self.states, self.events, self.stop = [], [], [], False

    def say(self, text):
        self.lines.append(text)

    def progress(self, *state):
        self.states.append(state)

    def stop_requested(self):
        return self.stop

    def event(self, phase, **more):
        self.events.append((phase, more))


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_D1_the_whole_share_grows_over_the_phases():
    run = Said()
    bar = Progress(run, SHARES)
    for phase, steps in (("read", 4), ("tune", 2)):
        step = bar.start(phase, f"{phase} now.")
        for done in range(1, steps + 1):
            step(done, steps)
    shares = [state[2] for state in run.states]
    assert shares == pytest.approx([0, 0.05, 0.1, 0.15, 0.2, 0.2, 0.6, 1.0])
    assert run.lines == ["read now.", "tune now."] and run.events == [("read", {"step": 0}), ("tune", {"step": 0})]
    assert run.states[2][:2] == ("running", "read") and run.states[2][4] == "read now."
    assert run.states[0][3] is None and run.states[-1][3] == pytest.approx(0.0)


def test_D1_a_terminal_shows_a_bar_with_the_time_left_and_nothing_stays(monkeypatch):
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    bar = Progress(Said(), SHARES)
    step = bar.start("tune", "Tuning.")
    step(1, 2, "epoch 1")
    step(2, 2, "epoch 2")
    bar.close()
    assert " 50%" in shown.getvalue() and "0 s left  epoch 2" in shown.getvalue() and "\n" not in shown.getvalue()
    assert shown.getvalue().endswith("\r\033[K")


def test_D1_without_a_terminal_a_plain_line_now_and_then(monkeypatch):
    run, clock = Said(), iter(range(0, 1000, 10))
    monkeypatch.setattr("sys.stderr", io.StringIO())
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    step = Progress(run, SHARES).start("tune", "Tuning.")
    for done in range(1, 5):
        step(done, 10, "epoch 1")
    assert run.lines == ["Tuning.", "  20%, 80 s left, epoch 1", "  40%, 60 s left, epoch 1"]


def test_E1_each_step_is_a_safe_point():
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Progress(Said(), SHARES, stop).start("read", "Reading.")(1, 2)


def test_H4_a_stop_file_is_said_once_and_ends_the_run_before_there_is_a_model():
    run = Said()
    bar = Progress(run, SHARES, finishing=("tune",))
    step = bar.start("read", "Reading.")
    step(1, 3)
    run.stop = True
    with pytest.raises(Stopped, match="^stopped on request before there was a model$"):
        step(2, 3)
    assert [state[0] for state in run.states] == ["running", "running", "stopping"]
    with pytest.raises(Stopped):
        bar.start("read", "Reading again.")
    assert run.lines == ["Reading.", "stopping on request, at the next safe point", "Reading again."]


def test_H4_with_a_model_the_work_is_brought_to_its_end():
    run = Said()
    run.stop = True
    step = Progress(run, SHARES, finishing=("tune",)).start("tune", "Tuning.")
    step(1, 2)
    step(2, 2)
    assert [state[0] for state in run.states] == ["stopping"] * 3
    with pytest.raises(Stopped, match="^stopped on request$"):  # of a command that makes none
        Progress(run, SHARES).start("tune", "Asking.")


def test_seconds_of_phases_add_up(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    bar = Progress(Said(), SHARES)
    for phase, took in (("read", 2.0), ("tune", 3.0), ("read", 0.5)):
        bar.start(phase, "")
        clock[0] += took
    assert bar.seconds(began=0.0) == {"read": 2.5, "tune": 3.0, "total": 5.5}
    bar.close()
    clock[0] += 1.0
    assert bar.seconds(began=0.0) == {"read": 2.5, "tune": 3.0, "total": 6.5}


def test_nothing_to_do_is_done():
    run = Said()
    Progress(run, SHARES).start("tune", "")(0, 0)
    assert run.states[-1][2] == 1.0


@pytest.mark.parametrize("seconds, words", [(None, "some time"), (0, "0 s"), (40.4, "40 s"), (180, "3 min"),
                                            (9000, "2.5 h")])
def test_times_are_spoken(seconds, words):
    assert spoken(seconds) == words
