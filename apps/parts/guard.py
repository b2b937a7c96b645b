"""Who may ask for what: everything that reaches the server comes through here first, pages, files and WebSockets.

| asked | unless | answer |
| --- | --- | --- |
| anything | the Host is a name of ours (a foreign one is another site's, which points to this computer) | 421 |
| anything | its Origin, where it has one, is ours | 403 |
| what changes something, and every WebSocket | it has an Origin, or the cookie | 403 |
| anything but a page that is opened | it comes from a page of ours, where the browser says from where | 403 |
| Streamlit's interface for programmes | never | 403 |
| anything but the health check | the browser has the cookie of the first address | 403 |

With logins, Streamlit's own paths are open and the pages ask who is there; our routes still want the cookie. With
neither, programmes of this computer alone are answered. Every answer, of an error too, bears HEADERS.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import re
import time
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from apps.parts import tickets

LOOPBACK = ("127.0.0.1", "localhost", "::1")
OWN = ("picture", "heat", "download", "report", "upload")  # first parts of our routes' paths
SAFE = ("GET", "HEAD")
LOGGED_IN = 12 * 3600  # seconds that a cookie lasts where people log in
HEADERS = {
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "x-frame-options": "DENY",
    "cross-origin-resource-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
}
POLICY = ("default-src 'self'; script-src 'self' {hashes} blob:; style-src 'self' 'unsafe-inline'; "
          "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'{sockets}; worker-src 'self' blob:; "
          "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'")
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>toolkit</title><style>:root{{color-scheme:light dark}}body{{font:16px/1.5 system-ui,sans-serif;max-width:34em;
margin:18vh auto;padding:0 1.5em}}</style><p>{text}</p>{more}"""
WANTED = "Open the address that the terminal printed."
AGAIN = '<p><a href="">Try again</a>, if this browser has opened it before.</p>'  # a link of ours brings the cookie


def policy():
    """The content policy of the pages: scripts are Streamlit's own files and the inline ones of its index.html."""
    import streamlit

    index = (Path(streamlit.__file__).parent / "static" / "index.html").read_text("utf-8")
    inline = re.findall(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", index, re.S)
    hashes = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in inline)
    return POLICY.replace("{hashes}", " ".join(f"'sha256-{one}'" for one in hashes))


class Guard:
    """ASGI middleware by the table above; `settings`: of apps.parts.settings."""

    def __init__(self, app, settings):
        self.app, self.settings = app, settings
        self.policy = policy()

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        asked = Asked(scope)
        dressed = self.dressed(send, asked)
        refused = self.refused(asked)
        if refused:
            return await answer(scope, dressed, *refused)
        if asked.path == f"{self.settings.base}/enter":
            return await self.enter(asked, scope, dressed)
        try:
            await self.app(scope, receive, dressed)
        except asyncio.CancelledError:  # the server ends, and what was still going on with it
            if scope["type"] == "http" and not dressed.started:
                await answer(scope, dressed, 503, "The server is ending.")
        except Exception:
            if scope["type"] == "http" and not dressed.started:
                await answer(scope, dressed, 500, "The server met an error that was not foreseen. Your data and your "
                             "runs are untouched.")
            raise

    def dressed(self, send, asked):
        """`send`, with our headers on every answer that begins; a policy of the route's own stays."""
        host = asked.header("host") if self.is_own_host(asked) else ""
        sockets = f" ws://{host} wss://{host}" if host else ""  # which 'self' does not mean in every browser
        rules = {**HEADERS, "content-security-policy": self.policy.replace("{sockets}", sockets)}
        more = [(name.encode(), value.encode()) for name, value in rules.items()]
        if self.settings.gate == "login" and asked.path == f"{self.settings.base}/auth/logout":
            more.append((b"set-cookie", f"{cookie_name(asked.port)}=; Path={self.settings.base or '/'}; Max-Age=0"
                         .encode()))

        async def dress(message):
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                dress.started = True
                given = {name.lower() for name, _ in message.get("headers", ())} - {b"set-cookie"}
                message = {**message, "headers": [*message.get("headers", ()), *(
                    header for header in more if header[0] not in given)]}
            await send(message)

        dress.started = False
        return dress

    def refused(self, asked):
        """(status, sentence) of what must not be answered; None where it may be."""
        here, known = self.settings, self.has_cookie(asked)
        if not self.is_own_host(asked):
            return 421, "This name is not one of this dashboard's."
        origin = asked.header("origin")
        if origin and not self.is_own_origin(origin, asked):
            return 403, "This came from a page of another site."
        if not origin and not known and (asked.websocket or asked.method not in SAFE):
            return 403, "This came from no page of the dashboard." if here.gate != "token" else WANTED
        foreign = asked.header("sec-fetch-site") in ("cross-site", "same-site")
        opened = (asked.header("sec-fetch-mode") == "navigate" and asked.header("sec-fetch-dest") == "document"
                  and asked.method in SAFE)
        if foreign and not opened:
            return 403, "This came from a page of another site."
        inner = asked.path.removeprefix(here.base) if asked.path.startswith(f"{here.base}/") else ""
        if "/_stcore/agent" in asked.path:
            return 403, "This interface is switched off."
        if inner == "/_stcore/health" and asked.method in SAFE or inner == "/enter":
            return None
        if here.gate == "token" and not known:
            return 403, WANTED
        if here.gate == "login" and not known and inner.strip("/").partition("/")[0] in OWN:
            return 403, "Open the dashboard and log in."
        if not here.gate and not asked.is_local:
            return 403, "This server answers its own computer alone; python -m toolkit.dashboard --host opens it."
        return None

    def is_own_host(self, asked):
        """Whether the Host is ours: of this computer alone, one that was allowed, or the address that was asked."""
        hosts = asked.headers.get("host", [])
        name = hostname(hosts[0]) if len(hosts) == 1 else None
        return bool(name) and (name in LOOPBACK or name in self.settings.hosts or name == asked.address)

    def is_own_origin(self, origin, asked):
        """Whether an Origin is that of our pages: the Host that was asked, or an allowed name before a proxy."""
        try:
            parts = urlsplit(origin)
            name, place = parts.hostname, parts.netloc.lower()
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not name:
            return False
        port = {"http": ":80", "https": ":443"}[parts.scheme]
        host = asked.headers["host"][0].lower()
        return place.removesuffix(port) == host.removesuffix(port) or name in self.settings.hosts - set(LOOPBACK)

    def has_cookie(self, asked):
        """Whether the browser was let in before."""
        if not self.settings.gate:
            return False
        until, _, _ = (found := asked.cookie(cookie_name(asked.port))).partition("-")
        if not re.fullmatch(r"\d{1,12}", until) or (self.settings.gate == "login") != (until != "0"):
            return False
        return (until == "0" or int(until) > time.time()) and hmac.compare_digest(
            found.encode(), self.cookie(asked.port, int(until)).encode())

    def cookie(self, port, until):
        """The value that lets a browser in, up to the second `until` (0: while the browser runs)."""
        text = f"{self.settings.gate} {port} {until}".encode()
        return f"{until}-{hmac.new(self.settings.token.encode(), text, 'sha256').hexdigest()}"

    async def enter(self, asked, scope, send):
        """Let a browser in that brings the secret of the first address, or the ticket of a page that knows its user."""
        given, here = parse_qs(asked.query), self.settings
        token, ticket = given.get("token", [""])[0], given.get("ticket", [""])[0]
        if here.gate == "token" and asked.method == "GET" and hmac.compare_digest(token.encode(), here.token.encode()):
            return await self.let_in(asked, scope, send, 303, 0, within(given.get("next", [""])[0], here.base))
        if here.gate == "login" and asked.method == "POST" and tickets.redeemed(ticket):
            return await self.let_in(asked, scope, send, 204, int(time.time()) + LOGGED_IN)
        return await answer(scope, send, 403, WANTED if here.gate != "login" else "Open the dashboard and log in.")

    async def let_in(self, asked, scope, send, status, until, location=None):
        """Answer with the cookie."""
        cookie = (f"{cookie_name(asked.port)}={self.cookie(asked.port, until)}; Path={self.settings.base or '/'}; "
                  f"HttpOnly; SameSite=Strict{'; Secure' if scope.get('scheme') == 'https' else ''}")
        headers = [(b"set-cookie", cookie.encode()), (b"cache-control", b"no-store")]
        if location:
            headers.append((b"location", location.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


class Asked:
    """What a request says of itself."""

    def __init__(self, scope):
        self.websocket, self.method = scope["type"] == "websocket", scope.get("method", "GET")
        self.path, self.query = scope["path"], scope.get("query_string", b"").decode("latin-1")
        self.headers = {}
        for name, value in scope["headers"]:
            self.headers.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1").strip())
        self.address, self.port = scope.get("server") or ("", 0)
        self.client = (scope.get("client") or ("", 0))[0]

    def header(self, name):
        """The value of a header; "" where there is none, all of them where there are several."""
        return ", ".join(self.headers.get(name, ()))

    def cookie(self, name):
        """The value of a cookie; "" where there is none."""
        for part in "; ".join(self.headers.get("cookie", ())).split(";"):
            key, _, value = part.strip().partition("=")
            if key == name:
                return value
        return ""

    @property
    def is_local(self):
        """Whether it comes from this computer."""
        try:
            return ipaddress.ip_address(self.client).is_loopback
        except ValueError:
            return False


def hostname(host):
    """The name of a Host header in lower case, without port; None where it is none."""
    found = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?", host)
    return found[1].strip("[]").rstrip(".").lower() if found else None


def cookie_name(port):
    """Browsers part cookies by name and host, not by port."""
    return f"toolkit-{port}"


def within(path, base):
    """`path` where it is one of our own pages, else the first page."""
    own = path.startswith(f"{base}/") and not re.match(r"/[/\\]", path) and path.isascii() and path.isprintable()
    return path if own and "\\" not in path else f"{base}/"


async def answer(scope, send, status, text):
    """Answer by a small page; a WebSocket is refused."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        return await send({"type": "websocket.close", "code": 1008})
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    body = PAGE.format(text=escape(text), more=AGAIN if text == WANTED else "").encode()
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"cache-control", b"no-store"),
               (b"content-length", str(len(body)).encode())]
    await send({"type": f"{kind}.response.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
