"""What a person sees of a long step: a bar with the time left on a terminal, else a plain line now and then."""

import os
import sys
import time

from toolkit.errors import Stopped, plain

LINE_EVERY = 15.0  # seconds between two plain lines
BAR_EVERY = 0.1    # seconds between two drawings of the bar
NEWS_EVERY = 2     # seconds between two lines of news


class Progress:
    """Progress of a run through its phases, in the terminal and in status.json.

    shares: {phase: its share of the whole}, in order. `stop()` is called at every step and may raise. Where the run's
    stop file is there, starts and steps raise Stopped, but in the phases `finishing`: there is a model already.
    """

    def __init__(self, run, shares, stop=lambda: None, finishing=()):
        self.run, self.shares, self.stop, self.finishing = run, shares, stop, finishing
        self.asked = False
        self.phase, self.message, self.began, self.told, self.drawn = None, "", 0.0, 0.0, 0.0
        self.spent, self.first = {}, None

    def start(self, phase, message):
        """Begin a phase and return its step(done, of, note="")."""
        self.close()
        self.phase, self.message = phase, message
        self.began = self.told = time.monotonic()
        self.first = None
        self.run.say(message)
        self.run.event(phase, step=0)
        self.show(0.0, None)
        return self.step

    def step(self, done, of, note=""):
        """Show that `done` of `of` is done."""
        self.stop()
        moment = time.monotonic()
        share = done / of if of else 1.0
        if not self.first or not self.first[1]:  # what came before the first step says nothing of the steps to come
            self.first = (moment, share)
        since, gone = moment - self.first[0], share - self.first[1]
        left = since * (1 - share) / gone if gone > 0 else None
        self.show(share, left, note)
        if sys.stderr.isatty():
            if moment - self.drawn >= BAR_EVERY or done == of:
                self.drawn = moment
                self.draw(share, left, note)
        elif moment - self.told >= LINE_EVERY:
            self.told = moment
            self.run.say(f"  {share:.0%}, {spoken(left)} left{', ' + note if note else ''}")

    def show(self, share, left, note=""):
        """Write status.json, and heed the stop file, which is said once."""
        if not self.asked and self.run.stop_requested():
            self.asked = True
            self.run.say("stopping on request, at the next safe point")
        self.run.progress("stopping" if self.asked else "running", self.phase, self.whole(share), left,
                          f"{self.message} {note}".strip())
        if self.asked and self.phase not in self.finishing:
            raise Stopped("stopped on request" + (" before there was a model" if self.finishing else ""))

    def queued(self, ticket):
        """Wait for the turn of `ticket`, a queue.Ticket, told in status.json and log.txt -> seconds that passed."""
        def told(number, words):
            self.run.progress("queued", "queue", 0.0, None, words, queued_as=number)
            self.run.event("queue", "before", number)
            self.run.say(words)

        def look():
            self.stop()
            if self.run.stop_requested():
                raise Stopped("stopped while queued")

        ticket.sign(f"{self.run.folder.absolute()} (process {os.getpid()})")
        if ticket.fault:
            self.run.say(f"No queue: {ticket.fault}; this run does not wait for others.")
        with self.run.paused():
            seconds = ticket.wait(told, look)
        if seconds:
            self.run.note(times={"queued": round(seconds, 3)})
            self.run.progress("running", "start", 0.0, None, "starting")
        return seconds

    def whole(self, share):
        """Share of the whole run, 0..1, at `share` of the present phase."""
        before = 0.0
        for phase, weight in self.shares.items():
            if phase == self.phase:
                return before + weight * share
            before += weight
        return before

    def draw(self, share, left, note):
        """One line, drawn over itself."""
        filled = round(28 * share)
        print(f"\r  {'█' * filled}{'░' * (28 - filled)} {share:4.0%}  {spoken(left)} left  {note}\033[K",
              end="", file=sys.stderr, flush=True)

    def seconds(self, began):
        """{phase: seconds so far}, and "total" since the moment `began`."""
        moment = time.monotonic()
        running = {self.phase: self.spent.get(self.phase, 0.0) + moment - self.began} if self.phase else {}
        return {name: round(value, 3) for name, value in (self.spent | running | {"total": moment - began}).items()}

    def close(self):
        """End the phase and take its bar away."""
        if self.phase:
            self.spent[self.phase] = self.spent.get(self.phase, 0.0) + time.monotonic() - self.began
            self.phase = None
        if self.drawn:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        self.drawn = 0.0


def spoken(seconds):
    """"40 s", "3 min" or "2.5 h"; "some time" where it is not known."""
    if seconds is None:
        return "some time"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class News:
    """A line of progress now and then: news(done, of)."""

    def __init__(self, what):
        self.what, self.began = what, time.monotonic()
        self.told = self.began

    def __call__(self, done, of):
        now = time.monotonic()
        if now - self.told > NEWS_EVERY and done < of:
            self.told, left = now, (now - self.began) / done * (of - done)
            tell(f"{done:,} of {of:,} {self.what}, about {left:.0f} s left")


def tell(text):
    """A line on standard error, so that standard output holds the table alone."""
    encoding = sys.stderr.encoding or "utf-8"
    print(plain(text).encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr, flush=True)
