"""Starting and ending the dashboard."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.apps.serving import ROOT, Server, free_port
from toolkit import dashboard, errors
from toolkit.runs import secret


def refused(capsys, *arguments):
    """What is said of a start that is refused with 2."""
    code = errors.guarded(dashboard.main, [str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert code == 2 and said.err.startswith("error: ") and said.err.count("\n") == 1 and not said.out
    return said.err


@pytest.fixture(autouse=True)
def own_environment(monkeypatch):
    """What a start leaves in the process of the test is taken back."""
    before = signal.getsignal(signal.SIGTERM)
    for name in ("TOOLKIT_RUNS", "TOOLKIT_GATE", "TOOLKIT_HOSTS", "TOOLKIT_UPLOAD_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    yield
    signal.signal(signal.SIGTERM, before)


def test_H1_a_given_port_that_is_busy_is_refused(tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"--port {port} is in use" in refused(capsys, "--runs", tmp_path / "runs", "--port", port)


def test_H1_without_a_port_the_next_free_one_is_taken():
    first, second = dashboard.bound("127.0.0.1", None), dashboard.bound("127.0.0.1", None)
    try:
        assert dashboard.FIRST_PORT <= first.getsockname()[1] < second.getsockname()[1]
        assert first.getsockname()[0] == "127.0.0.1" and not os.get_inheritable(first.fileno())
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("arguments, words", [
    (("--runs", "{file}"), "cannot be made"), (("--runs", "{file}/below"), "cannot be made"),
    (("--host", "203.0.113.9"), "--host '203.0.113.9'"), (("--host", "no.such.host.invalid"), "--host"),
    (("--port", "0"), "1 to 65535"), (("--upload-limit", "much"), "--upload-limit 'much'"),
    (("--allow", "http://x.org"), "--allow 'http://x.org'"), (("--prot", "1"), "did you mean --port?")])
def test_B2_wrong_options_are_refused(tmp_path, capsys, arguments, words):
    file = tmp_path / "file"
    file.write_bytes(b"")
    known = () if "--runs" in arguments else ("--runs", tmp_path / "runs")
    assert words in refused(capsys, *known, *(one.replace("{file}", str(file)) for one in arguments))


def test_a_login_needs_its_section(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(dashboard.metadata, "version", lambda name: "1.6")  # as if Authlib were there
    place = tmp_path / ".streamlit" / "secrets.toml"
    start = ("--runs", tmp_path / "runs", "--login")
    assert "redirect_uri, cookie_secret, client_id" in refused(capsys, *start)
    place.parent.mkdir()
    place.write_text("[auth")
    assert "cannot be read" in refused(capsys, *start)
    known = ('[auth]\nredirect_uri = "https://Lab.example.org/oauth2callback"\ncookie_secret = "x"\n[auth.one]\n'
             'client_id = "x"\nclient_secret = "x"\nserver_metadata_url = "x"\n')
    place.write_text(known)
    assert "who may enter" in refused(capsys, *start)
    place.write_text(known + '[toolkit]\nusers = ["*@example.org"]\n')
    assert dashboard.login_address() == "https://Lab.example.org/oauth2callback"
    assert dashboard.address(None, tmp_path, 8501, "http://localhost:{port}/oauth2callback") == "http://localhost:8501/"


def test_the_secret_stays_and_is_for_its_owner_alone(tmp_path):
    first, path = secret.token(tmp_path), tmp_path / ".dashboard" / "token"
    assert secret.FORM.fullmatch(first) and secret.token(tmp_path) == first
    assert path.stat().st_mode & 0o777 == 0o600 and path.parent.stat().st_mode & 0o777 == 0o700
    path.chmod(0o644)  # somebody else may have read it
    second = secret.token(tmp_path)
    path.write_text("short")
    third = secret.token(tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    fourth = secret.token(tmp_path)
    assert len({first, second, third, fourth}) == 4 and not (tmp_path / "elsewhere").exists()
    assert path.stat().st_mode & 0o777 == 0o600 and not path.is_symlink()


def listening(port):
    """Addresses on which somebody listens at a port, as the system writes them."""
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            address, number = line.split()[1].split(":")
            if int(number, 16) == port and line.split()[3] == "0A":
                found.append(address)
    return found


def test_H1_E4_one_address_of_this_computer_and_an_open_page_outlives_the_server(tmp_path):
    first = Server(tmp_path / "my runs", STREAMLIT_SERVER_ADDRESS="0.0.0.0", STREAMLIT_SERVER_ENABLE_AGENT_API="true")
    first.entered()
    assert first.first == f"The dashboard is at http://127.0.0.1:{first.port}/enter?token={first.url[-43:]}\n"
    assert listening(first.port) == ["0100007F"]
    assert first.ask("POST", "/_stcore/agent/interact", b"{}").status == 403
    assert first.ask("GET", "/").status == 200 and first.socket()[0] == 101
    first.process.kill()
    first.process.wait()
    left = tmp_path / "my runs/.dashboard/uploads/0123456789ab/.00.part"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    second = Server(tmp_path / "my runs", port=first.port).entered()  # the port is free at once
    assert second.url == first.url and not left.parent.exists()
    second.cookie = first.cookie
    assert second.ask("GET", "/").status == 200 and second.socket()[0] == 101
    assert second.end(signal.SIGINT) == (130, "")


def test_E2_sigterm_ends_the_server_while_something_still_comes(tmp_path):
    server = Server(tmp_path).entered()
    line = socket.create_connection(("127.0.0.1", server.port))
    line.sendall(f"POST /upload/0123456789ab?path=a.zip HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nCookie: "
                 f"{server.cookie}\r\nOrigin: {server.origin}\r\nContent-Length: 99999999\r\n\r\nPK\3\4{'x' * 4096}"
                 .encode())
    while not list(tmp_path.glob(".dashboard/uploads/*/.*.part")):
        pass
    code, said = server.end(signal.SIGTERM)
    line.close()
    assert code == 143 and "Traceback" not in said
    assert not list(tmp_path.glob(".dashboard/uploads/*"))


def test_streamlit_run_serves_the_same_app_behind_the_guard(tmp_path):
    port, elsewhere = free_port(), tmp_path / "apps"
    elsewhere.mkdir()
    server = Server(tmp_path, port=port, within=elsewhere, PYTHONPATH="", TOOLKIT_RUNS=str(tmp_path / "runs"), line=[
        "-m", "streamlit", "run", ROOT / "apps" / "dashboard.py", "--server.port", port]).answering()
    page = server.ask("GET", "/")
    assert page.status == 200 and page.headers["x-frame-options"] == "DENY" and listening(port) == ["0100007F"]
    assert server.ask("GET", "/", Host="evil.example").status == 421
    assert server.ask("POST", "/upload/0123456789ab?path=a.csv", b"path", Origin="https://evil.example").status == 403
    assert server.ask("POST", "/upload/0123456789ab?path=a.csv", b"path", Origin="none").status == 403
    assert server.ask("POST", "/upload/0123456789ab?path=a.csv", b"path").status == 200
    assert server.socket()[0] == 403 and server.socket(Origin=server.origin)[0] == 101
    server.end(signal.SIGINT)


def test_B1_help_loads_no_server():
    code = ("import runpy, sys, atexit\natexit.register(lambda: print(*{'streamlit', 'uvicorn', 'pandas'} & "
            "set(sys.modules)))\nsys.argv = ['x', '--help']\n"
            "runpy.run_module('toolkit.dashboard', run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and "--no-browser" in done.stdout and done.stdout.splitlines()[-1] == ""
