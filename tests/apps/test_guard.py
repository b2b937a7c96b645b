"""Who is answered, and by which headers."""

import asyncio
import base64
import hashlib
import json
import re
import tomllib
from pathlib import Path

import pytest

from apps.parts import guard, settings, tickets

ROOT = Path(__file__).resolve().parents[2]
PATHS = ("/", "/results", "/_stcore/host-config", "/_stcore/metrics", "/favicon.png", "/picture/runs/a/b.jpg",
         "/download/a/model.keras", "/upload/0123456789ab", "/static/none.js")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_told_without_the_cookie(server, path):
    answer = server.ask("GET", path, cookie=None)
    assert answer.status == 403 and b"Open the address that the terminal printed" in answer.body
    assert server.ask("GET", path, cookie=f"toolkit-{server.port}=0-{'0' * 64}").status == 403


def test_the_health_check_needs_none(server):
    assert server.ask("GET", "/_stcore/health", cookie=None).status == 200


@pytest.mark.parametrize("token", ["", "?token=", "?token=wrong", "?token=%00", "?ticket=x", "?token=ä"])
def test_a_wrong_secret_lets_nobody_in(server, token):
    answer = server.ask("GET", "/enter" + token.replace("ä", "%C3%A4"), cookie=None)
    assert answer.status == 403 and answer.headers["set-cookie"] is None


def test_the_cookie_is_for_this_browser_and_server_alone(server):
    answer = server.ask("GET", server.url.partition(str(server.port))[2], cookie=None)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"toolkit-{server.port}=") and "HttpOnly" in cookie and "SameSite=Strict" in cookie
    assert server.url.partition("token=")[2] not in cookie and answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given, led", [
    ("/results?run=a%20b", "/results?run=a%20b"), ("", "/"), ("https://evil.example/", "/"), ("//evil.example", "/"),
    ("/\\evil.example", "/"), ("/a\\b", "/"), ("/a\r\nSet-Cookie: x=1", "/"), ("evil", "/"), ("/é", "/")])
def test_the_first_address_leads_to_own_pages_only(server, given, led):
    from urllib.parse import quote

    answer = server.ask("GET", f"{server.url.partition(str(server.port))[2]}&next={quote(given, safe='')}", cookie=None)
    assert (answer.status, answer.headers["location"]) == (303, led)


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8501", "127.0.0.1.evil.example",
                                  "127.0.0.1@evil.example", "", "192.168.0.1", "127.0.0.1, evil.example"])
def test_I7_a_foreign_host_is_not_answered(server, host):
    assert server.ask("GET", "/", Host=host).status == 421
    assert server.ask("GET", "/_stcore/health", cookie=None, Host=host).status == 421
    assert server.socket(Host=host or "evil.example")[0] == 421


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]"])
def test_names_of_this_computer_are_answered(server, host):
    assert server.ask("GET", "/", Host=f"{host}:{server.port}").status == 200


FOREIGN = ("https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:1", "http://127.0.0.1.evil.example",
           "file://", "http://[", "chrome-extension://abc")


@pytest.mark.parametrize("origin", FOREIGN)
def test_I7_a_foreign_origin_changes_nothing(server, origin):
    for method, path in (("POST", "/upload/aaaaaaaaaaaa?path=a.csv"), ("DELETE", "/upload/aaaaaaaaaaaa"),
                         ("PUT", "/_stcore/upload_file/x/y"), ("POST", "/_stcore/agent/interact")):
        answer = server.ask(method, path, b"path,label\n", Origin=origin)
        assert answer.status == 403, (method, path)
    assert not (server.runs / ".dashboard/uploads/aaaaaaaaaaaa").exists()
    assert server.socket(Origin=origin)[0] == 403


def test_I7_a_socket_wants_our_origin_or_the_cookie(server):
    assert server.socket(Origin=server.origin)[0] == 101
    assert server.socket()[0] == 101
    assert server.socket(cookie=None)[0] == 403
    assert server.socket(cookie=None, Origin=server.origin)[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_I7_only_pages_are_opened_from_elsewhere(server, site):
    def ask(mode, dest, method="GET"):
        return server.ask(method, "/", Sec_Fetch_Site=site, Sec_Fetch_Mode=mode, Sec_Fetch_Dest=dest).status

    assert [ask("no-cors", "image"), ask("cors", "empty"), ask("navigate", "iframe"),
            ask("navigate", "document", "POST"), ask("navigate", "document")] == [403, 403, 403, 403, 200]


@pytest.mark.parametrize("method, path", [("POST", "/_stcore/agent/interact"), ("GET", "/_stcore/agent/openapi.json"),
                                          ("POST", "/_stcore/agent/mcp")])
def test_I7_no_programme_drives_the_pages(server, method, path):
    assert server.ask(method, path, b"{}" if method == "POST" else None).status == 403


def test_I7_security_headers_stand_on_every_answer(server):
    asked = {200: ("GET", "/"), 303: ("GET", server.url.partition(str(server.port))[2]), 400: ("GET", "/a/..%2f..%2fb"),
             404: ("GET", "/picture/x"), 405: ("POST", "/report/x"), 403: ("POST", "/_stcore/agent/mcp")}
    answers = {status: server.ask(*how) for status, how in asked.items()}
    answers[421] = server.ask("GET", "/", Host="evil.example")
    answers["health"] = server.ask("GET", "/_stcore/health", cookie=None)
    script = re.search(rb"static/js/index\.[\w-]+\.js", answers[200].body)[0].decode()
    answers["static"] = server.ask("GET", f"/{script}")
    for status, answer in answers.items():
        assert answer.status == (status if isinstance(status, int) else 200)
        assert {name: answer.headers[name] for name in guard.HEADERS} == guard.HEADERS
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"], status
    refused = server.socket(Host="evil.example")[1]
    assert all(f"{name}: {value.lower()}" in refused for name, value in guard.HEADERS.items())


def test_every_inline_script_of_the_page_is_known_by_its_hash(server):
    page = server.ask("GET", "/")
    inline = re.findall(r"<script>(.*?)</script>", page.body.decode(), re.S)
    rules = page.headers["content-security-policy"]
    assert inline and all(
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in rules for text in inline)
    assert f"connect-src 'self' ws://127.0.0.1:{server.port} wss://127.0.0.1:{server.port};" in rules
    assert "unsafe-eval" not in rules and "'unsafe-inline'" not in rules.partition("script-src")[2].partition(";")[0]


def test_the_server_sends_nothing_anywhere_and_shows_no_details():
    known = tomllib.loads((ROOT / "apps/.streamlit/config.toml").read_text("utf-8"))
    assert known["server"]["address"] == "127.0.0.1" and known["browser"]["gatherUsageStats"] is False
    assert known["server"]["enableXsrfProtection"] is True and known["server"]["enableAgentApi"] is False
    assert (known["client"]["showErrorDetails"], known["client"]["showErrorLinks"]) == ("none", False)


# The guard alone, around an app that says what reaches it.

def ask(here, method="GET", path="/", kind="http", client="127.0.0.1", query=b"", fail=False, **headers):
    """(status, headers, body) of the guard's answer; 299 where it let the request through."""
    async def app(scope, receive, send):
        if fail:
            raise RuntimeError("/pictures/patient.png")
        await send({"type": "http.response.start", "status": 299, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    sent = []

    async def send(message):
        sent.append(message)

    headers = {"host": "127.0.0.1:8501", **{name.replace("_", "-"): value for name, value in headers.items()}}
    scope = {"type": kind, "method": method, "path": path, "query_string": query, "client": (client, 1),
             "server": ("127.0.0.1", 8501), "headers": [(n.encode(), v.encode()) for n, v in headers.items()],
             "extensions": {"websocket.http.response": {}}}
    try:
        asyncio.run(guard.Guard(app, here)(scope, None, send))
    except RuntimeError:
        assert fail
    return sent[0]["status"], {n.decode(): v.decode() for n, v in sent[0]["headers"]}, sent[1]["body"].decode()


def made(tmp_path, gate, **more):
    return settings.Settings(tmp_path, 1000, gate=gate, token="t" * 43, **more)


def test_H10_an_error_of_the_server_says_nothing_of_paths(tmp_path):
    status, headers, body = ask(made(tmp_path, ""), fail=True)
    assert status == 500 and "somebody" not in body and headers["x-content-type-options"] == "nosniff"


def test_without_a_secret_this_computer_alone_is_answered(tmp_path):
    here = made(tmp_path, "")
    assert ask(here)[0] == ask(here, "POST", origin="http://127.0.0.1:8501")[0] == 299
    assert ask(here, client="192.168.0.7")[0] == 403
    assert ask(here, "POST")[0] == 403 and ask(here, kind="websocket")[0] == 403


def test_names_that_were_allowed_are_answered(tmp_path):
    here = made(tmp_path, "", hosts=frozenset({"lab.example.org"}))
    assert ask(here, host="lab.example.org:8501")[0] == 299
    assert ask(here, "POST", host="127.0.0.1:8501", origin="https://lab.example.org")[0] == 299  # behind a proxy
    assert ask(here, "POST", host="lab.example.org", origin="https://other.example.org")[0] == 403
    assert ask(here, host="other.example.org")[0] == 421


def test_with_logins_the_pages_are_open_and_our_routes_want_a_ticket(tmp_path):
    here = made(tmp_path, "login")
    assert ask(here)[0] == ask(here, path="/_stcore/host-config")[0] == 299
    assert all(ask(here, path=f"/{first}/x")[0] == 403 for first in guard.OWN)
    own, ticket = "http://127.0.0.1:8501", tickets.new()
    assert ask(here, "GET", "/enter", query=f"ticket={ticket}".encode())[0] == 403  # a GET changes nothing
    status, headers, _ = ask(here, "POST", "/enter", query=f"ticket={ticket}".encode(), origin=own)
    cookie = headers["set-cookie"].partition(";")[0]
    assert status == 204 and ask(here, path="/picture/x", cookie=cookie)[0] == 299
    assert ask(here, "POST", "/enter", query=f"ticket={ticket}".encode(), origin=own)[0] == 403  # once
    assert ask(made(tmp_path, "token"), path="/picture/x", cookie=cookie)[0] == 403
    name, _, value = cookie.partition("=")
    assert ask(here, path="/picture/x", cookie=f"{name}=9{value[1:]}")[0] == 403  # another end
    assert "Max-Age=0" in json.dumps(ask(here, path="/auth/logout")[1])


def test_a_secret_is_no_ticket_and_lets_in_below_a_base_path(tmp_path):
    here = made(tmp_path, "token", base="/tool")
    assert ask(here, path="/enter", query=b"token=" + b"t" * 43)[0] == 403
    status, headers, _ = ask(here, path="/tool/enter", query=b"token=" + b"t" * 43 + b"&next=/other")
    assert (status, headers["location"]) == (303, "/tool/") and "Path=/tool;" in headers["set-cookie"]
    assert ask(here, "POST", "/tool/enter", query=b"ticket=" + tickets.new().encode(),
               origin="http://127.0.0.1:8501")[0] == 403
