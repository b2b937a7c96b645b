"""The dashboard as a person meets it: a server of its own, a real browser, and a watch over what the browser does.

Nothing may be said on a page's console, and no request may leave this computer; `Watch.faults` tells of both.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAGES = ("data", "train", "run", "results", "use")
OURS = ("127.0.0.1", "localhost")
PROBES = re.compile(r"/\w+/_stcore/(health|host-config)$")  # Streamlit looks for its base path; the 404 is the answer
RESTS = """() => {
    const app = document.querySelector('[data-testid=stApp]')
    return app && app.dataset.testScriptState === 'notRunning' && document.querySelector('[data-testid=stMain] h1') &&
           !document.querySelector('[data-testid=stSkeleton], [data-stale=true]')
}"""
PATIENCE = 60_000  # milliseconds; a page is there in two seconds, unless the machine has much else to do


class Server:
    """`python -m toolkit.dashboard` on a port of its own over the folder `runs`; `address` lets a browser in."""

    def __init__(self, runs, **environment):
        self.runs, self.environment, self.process, self.address = Path(runs), environment, None, ""
        self.port = free_port()

    @property
    def base(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self):
        """Start it and wait until it has printed its address."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "toolkit.dashboard", "--runs", self.runs, "--port", str(self.port), "--no-browser"],
            cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **self.environment}, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"http://\S+", line):
                self.address = found[0]
                return self
        raise AssertionError(f"the server did not start: {''.join(said)}")

    def kill(self):
        """Kill it as the system would; what it started goes on."""
        self.end(signal.SIGKILL)

    def end(self, number=signal.SIGTERM):
        """End it by a signal and wait."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process:
            self.process.stdout.close()


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Watch:
    """What the pages of a browser context said and asked for. `allowed`: patterns of console lines that are meant."""

    def __init__(self, context):
        self.said, self.hosts, self.allowed = [], set(), []
        context.on("console", self.heard)
        context.on("weberror", lambda error: self.said.append(f"uncaught: {error.error}"))
        context.on("request", lambda request: self.asked(request.url))
        context.on("page", lambda page: page.on("websocket", lambda socket: self.asked(socket.url)))

    def heard(self, message):
        place = (message.location or {}).get("url", "")
        if message.type == "error" and not (PROBES.search(urlsplit(place).path) and "404" in message.text):
            self.said.append(f"{message.text} ({place})")

    def asked(self, url):
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ws", "wss"):
            self.hosts.add(parts.hostname)

    def faults(self):
        """Console errors that nobody allowed, and hosts that are not this computer."""
        errors = [line for line in self.said if not any(re.search(pattern, line) for pattern in self.allowed)]
        return errors + [f"asked {host}" for host in sorted(self.hosts - set(OURS))]


@contextlib.contextmanager
def chromium():
    """Debian's browser, driven by playwright."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def context(browser, server, **more):
    """A browser context that the server has let in, with a Watch as `context.watch`."""
    made = browser.new_context(**{"viewport": WIDE, "color_scheme": "light", **more})
    made.set_default_timeout(PATIENCE)
    made.watch = Watch(made)
    made.request.get(server.address)  # the cookie alone; the whole path goes in by a page
    try:
        yield made
    finally:
        made.close()


def settled(page, seconds=PATIENCE / 1000):
    """Wait until a page has been drawn, its script rests, and its words stay what they are."""
    until(lambda: page.evaluate(RESTS), seconds, "a page is drawn")
    before, told = None, words(page)
    while before != told:
        page.wait_for_timeout(300)
        before, told = told, words(page) if page.evaluate(RESTS) else None


def words(page):
    """What a page says, without its navigation."""
    return page.locator("[data-testid=stMain]").inner_text()


def says(place, pattern, seconds=PATIENCE / 1000):
    """Wait until a page or a part of it says what `pattern` finds; a click is answered later than it is made."""
    part = place.locator("[data-testid=stMain]") if hasattr(place, "goto") else place
    try:
        return until(lambda: re.search(pattern, part.inner_text(), re.M), seconds, pattern)
    except AssertionError as error:
        raise AssertionError(f"{error}; it says: {part.inner_text()}") from None


def visit(page, server, name, **parameters):
    """Open a page by its address."""
    from urllib.parse import urlencode

    page.goto(f"{server.base}/{name}" + (f"?{urlencode(parameters)}" if parameters else ""))
    settled(page)
    return page


def until(condition, seconds, what):
    """Wait for `condition()` to be true; its value."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError(f"{what} within {seconds} s")
