"""How far a download is: a bar on a terminal, else a plain line now and then."""

import sys
import time

EVERY = 5.0  # seconds between two plain lines
LONGEST = 24  # characters of a name beside the bar, which must fit 80 columns


class Progress:
    """Shows bytes done, of all, and the time left."""

    def __init__(self, name, say):
        self.name, self.say = name, say
        self.began = self.told = time.monotonic()
        self.start = None                # bytes that an earlier attempt had brought
        self.bar = self.task = None

    def show(self, done, whole):
        """done, whole: bytes; whole is None where the server does not say."""
        self.start = done if self.start is None else self.start
        if sys.stderr.isatty():
            self.draw(done, whole)
        elif time.monotonic() - self.told >= EVERY:
            self.told = time.monotonic()
            self.say(f"{self.name}: {done / 1e6:.0f} MB" + self.left(done, whole))

    def left(self, done, whole):
        speed = (done - self.start) / max(time.monotonic() - self.began, 1e-3)
        if not whole or speed <= 0:
            return ""
        return f" of {whole / 1e6:.0f} MB, {(whole - done) / speed:.0f} s left"

    def draw(self, done, whole):
        if self.bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
            from rich.progress import Progress as Bar

            self.bar = Bar(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                           TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            short = self.name if len(self.name) <= LONGEST else f"{self.name[:LONGEST - 1]}…"
            self.task = self.bar.add_task(short)
            self.bar.start()
        self.bar.update(self.task, completed=done, total=whole)

    def close(self):
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
