"""A dashboard's server as a process of its own, and a browser's part played by hand."""

import base64
import http.client
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """`python -m toolkit.dashboard` on a folder of runs; `url`: what it printed, `cookie`: what its first page gave."""

    def __init__(self, runs, *arguments, port=None, line=None, within=None, **environment):
        self.port = port or free_port()
        line = line or ["-m", "toolkit.dashboard", "--runs", runs, "--port", self.port, "--no-browser", *arguments]
        self.process = subprocess.Popen(
            [sys.executable, *map(str, line)], cwd=within or ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env={**os.environ, "PYTHONPATH": str(ROOT), **environment})
        self.url = self.cookie = ""

    def entered(self):
        """Wait for the address, and go through it; the server itself."""
        self.first = self.process.stdout.readline()
        found = re.search(r"http://\S+", self.first)
        assert found, self.first + self.process.stdout.read()
        self.url = found[0]
        parts = urlsplit(self.url)
        answer = self.ask("GET", f"{parts.path}?{parts.query}", cookie=None)
        assert answer.status == 303, answer.status
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return self

    def answering(self):
        """Wait for the health check; for a server that prints no address of ours."""
        until = time.monotonic() + 40
        while time.monotonic() < until:
            try:
                if self.ask("GET", "/_stcore/health").status == 200:
                    return self
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server does not answer")

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method, path, body=None, cookie="", **headers):
        """The answer, with `body` read and headers by name in lower case. cookie: None for none; _ stands for -."""
        headers = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        cookie = self.cookie if cookie == "" else cookie
        if cookie:
            headers["Cookie"] = cookie
        if method not in ("GET", "HEAD"):
            headers.setdefault("Origin", self.origin)
            if headers["Origin"] == "none":
                del headers["Origin"]
        asked = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            asked.request(method, path, body, headers)
            answer = asked.getresponse()
            answer.body = answer.read()
            return answer
        finally:
            asked.close()

    def socket(self, cookie="", **headers):
        """Status of a WebSocket's handshake, and its headers as text."""
        cookie = self.cookie if cookie == "" else cookie
        known = {"Host": f"127.0.0.1:{self.port}", "Upgrade": "websocket", "Connection": "Upgrade",
                 "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(), "Sec-WebSocket-Version": "13",
                 "Cookie": cookie or None, **headers}
        lines = [f"{name}: {value}" for name, value in known.items() if value]
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as wire:
            wire.sendall("\r\n".join(["GET /_stcore/stream HTTP/1.1", *lines, "", ""]).encode())
            said = b""
            while b"\r\n\r\n" not in said and (more := wire.recv(4096)):
                said += more
        return int(said.split()[1]), said.decode("latin-1").lower()

    def memory(self):
        """Bytes of memory that the process has now."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def end(self, number=None):
        """End it by a signal -> (exit code, what it printed after its address)."""
        self.process.terminate() if number is None else self.process.send_signal(number)
        said = self.process.communicate(timeout=20)[0]
        return self.process.returncode, said
