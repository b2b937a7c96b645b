"""python -m toolkit.dashboard: data, training, results and use of models in a browser, on this computer alone.

Prints one address, which holds a secret; the browser that opens it is let in, every other one is not. The server may
be ended at any time (Ctrl-C): what it has started goes on, and a page that is still open finds it again.
"""

import errno
import ipaddress
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import tomllib
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from toolkit import errors, options
from toolkit.commandline import parse
from toolkit.errors import OptionError, ResourceError, Terminated, plain
from toolkit.runs import folders, secret

PROJECT = Path(__file__).resolve().parents[1]
FIRST_PORT, PORTS = 8501, 100
WITHIN = 60.0  # seconds for the server to answer
KEPT = ("STREAMLIT_SERVER_BASE_URL_PATH", "STREAMLIT_THEME_")  # settings of the user's that weaken nothing
AUTH = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")


def main(arguments):
    """The command; returns when the server is ended, by a signal."""
    chosen = parse(options.Dashboard, "dashboard", arguments)
    signal.signal(signal.SIGTERM, terminated)
    runs = home(chosen.runs)
    back = login_address() if chosen.login else ""
    hosts = [*names(chosen), *([urlsplit(back).hostname or ""] if back else [])]
    if not (PROJECT / "apps" / "dashboard.py").is_file():
        raise ResourceError(f"{PROJECT / 'apps'} is not there; install the toolkit once more.")
    listening = bound(chosen.host, chosen.port)
    port = listening.getsockname()[1]
    environment(runs, chosen, hosts, port)
    if not is_loopback(chosen.host):
        print(f"warning: with --host {plain(chosen.host)} others in the network reach this dashboard, and what is sent "
              "is not encrypted; whoever has the address below, or may log in, sees and starts all runs.",
              file=sys.stderr)
    threading.Thread(target=announce, args=(chosen, port, address(chosen, runs, port, back)), daemon=True).start()
    serve(listening)


def terminated(number, frame):
    """SIGTERM ends the server, not what it has started."""
    raise Terminated


def home(given):
    """The folder of runs, absolute, made if it is missing. OptionError where it cannot be written."""
    runs = Path(given or os.environ.get("TOOLKIT_RUNS") or "runs").expanduser().absolute()
    own = folders.own(runs)
    try:
        tempfile.TemporaryFile(dir=own).close()
        tempfile.TemporaryFile(dir=runs).close()
    except OSError as error:
        raise OptionError(f"--runs {runs} cannot be written: {error.strerror}; name another folder.") from error
    return runs


def names(chosen):
    """The names, beside those of this computer alone, under which browsers may ask for the dashboard."""
    given = [name.strip().lower() for name in (chosen.allow or "").split(",") if name.strip()]
    wrong = next((name for name in given if any(c in "/:@*" or c.isspace() for c in name)), None)
    if wrong:
        raise OptionError(f"--allow {wrong!r}: wanted names of computers, such as lab-pc.example.org, without http:// "
                          "and port.")
    return [*given, socket.gethostname().lower() if is_any(chosen.host) else chosen.host.lower()]


def is_any(host):
    """Whether a host stands for all addresses of this computer."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host):
    """Whether nobody else's computer reaches a host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def login_address():
    """Where the provider sends browsers back to. OptionError where something that a login needs is missing."""
    try:
        metadata.version("Authlib")
    except metadata.PackageNotFoundError:
        raise OptionError("--login needs Authlib: pip install 'streamlit[auth]'") from None
    files = [place / ".streamlit" / "secrets.toml" for place in (Path.home(), Path.cwd(), PROJECT / "apps")]
    found = {}
    for file in files:
        try:
            found |= tomllib.loads(file.read_text("utf-8")) if file.is_file() else {}
        except (OSError, ValueError) as error:
            raise OptionError(f"{file} cannot be read: {error}.") from error
    auth, users = found.get("auth") or {}, (found.get("toolkit") or {}).get("users")
    provider = next((part for part in auth.values() if isinstance(part, dict)), {})
    missing = [name for name in AUTH if not (auth.get(name) or provider.get(name))]
    if missing:
        raise OptionError(f"--login needs {', '.join(missing)} in the section [auth] of {files[1]} (or of {files[0]}).")
    if not users or not all(isinstance(user, str) for user in users):
        raise OptionError(f"--login needs to know who may enter: users = [\"name@example.org\"] in the section "
                          f"[toolkit] of {files[1]}; \"*@example.org\" stands for all of one place.")
    return str(auth["redirect_uri"])


def bound(host, port):
    """A socket that listens on `port`, or on the next free one. OptionError where there is none."""
    try:
        family, kind, _, _, place = socket.getaddrinfo(host, port or FIRST_PORT, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise OptionError(f"--host {host!r} is no address of this computer ({error}).") from None
    for number in [port] if port else range(FIRST_PORT, FIRST_PORT + PORTS):
        listening = socket.socket(family, kind)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # free at once after a server that was killed
        try:
            listening.bind((place[0], number, *place[2:]))
            listening.listen(512)
            return listening
        except OSError as error:
            listening.close()
            if error.errno == errno.EADDRNOTAVAIL:
                raise OptionError(f"--host {host!r} is no address of this computer.") from None
            if port and error.errno == errno.EADDRINUSE:
                raise OptionError(f"--port {port} is in use by another program; leave --port out to take the next free "
                                  "one.") from None
            if error.errno != errno.EADDRINUSE:
                raise OptionError(f"--port {number} cannot be used: {error.strerror}; name another one.") from None
    raise OptionError(f"The ports {FIRST_PORT} to {FIRST_PORT + PORTS - 1} are all in use; name another by --port.")


def environment(runs, chosen, hosts, port):
    """What the app's own process reads: where the runs are, who may enter. Only our file sets how Streamlit serves."""
    for name in [name for name in os.environ if name.startswith("STREAMLIT_") and not name.startswith(KEPT)]:
        del os.environ[name]
    os.environ |= {
        "TOOLKIT_RUNS": str(runs), "TOOLKIT_GATE": "login" if chosen.login else "token",
        "TOOLKIT_HOSTS": ",".join(hosts), "TOOLKIT_UPLOAD_LIMIT": chosen.upload_limit,
        "STREAMLIT_SERVER_ADDRESS": chosen.host, "STREAMLIT_SERVER_PORT": str(port)}


def address(chosen, runs, port, back=""):
    """The first address, with the secret; where people log in, the one that they come back to."""
    if back:
        return back.replace("{port}", str(port)).removesuffix("oauth2callback")
    host = socket.gethostname() if is_any(chosen.host) else chosen.host
    base = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}/{f'{base}/' if base else ''}"
    return f"{url}enter?token={secret.token(runs)}"


def announce(chosen, port, url):
    """Print the address once the server answers, and open it in a browser."""
    import http.client
    import webbrowser

    host = chosen.host if not is_any(chosen.host) else "::1" if ":" in chosen.host else "127.0.0.1"
    base, until = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/"), time.monotonic() + WITHIN
    while time.monotonic() < until:
        try:
            asked = http.client.HTTPConnection(host, port, timeout=WITHIN)
            asked.request("GET", f"/{f'{base}/' if base else ''}_stcore/health")
            if asked.getresponse().status == 200:
                break
        except OSError:
            pass
        time.sleep(0.1)
    else:
        return
    print(f"The dashboard is at {url}", flush=True)
    screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if screen and not chosen.no_browser:
        webbrowser.open(url)


def serve(listening):
    """Serve the app until a signal ends it; the signal is raised again here."""
    here = os.getcwd()
    sys.path[:] = [entry for entry in sys.path if entry not in ("", here)]  # a folder apps/ of the user's is not ours
    if str(PROJECT) not in sys.path:
        sys.path.insert(0, str(PROJECT))
    import uvicorn

    arrived = []

    class Server(uvicorn.Server):
        """One that tells which signal ended it: raised again inside asyncio it is lost now and then."""

        def handle_exit(self, sig, frame):
            arrived.append(sig)
            super().handle_exit(sig, frame)

    server = Server(uvicorn.Config(
        "apps.dashboard:app", log_level="warning", access_log=False, server_header=False, ws_max_size=64 << 20,
        ws_ping_interval=30, ws_ping_timeout=30, ws_per_message_deflate=False, timeout_graceful_shutdown=2))
    server.run(sockets=[listening])
    if arrived:
        raise Terminated if arrived[0] == signal.SIGTERM else KeyboardInterrupt
    if not server.started:
        raise ResourceError("The server did not start; the lines above say why.")


if __name__ == "__main__":
    errors.command(main)
