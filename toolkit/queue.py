"""Whose turn it is to compute on a device: first come, first served, for one user of one machine, without a daemon.

    DEVICE/counter         number of the ticket that was made last; its lock is held while tickets are made
    DEVICE/000000000042    a ticket: whose it is; its lock is held while its owner waits and works

The locks are flocks, which the system frees after any death: a ticket whose lock is free has no owner any more, and
goes as soon as somebody sees it. Tickets are numbered, not dated, since a clock may jump. Devices are cpu, gpu0, gpu1,
... in $TOOLKIT_QUEUE, else in $TOOLKIT_CACHE/queue/HOST, else in ~/.cache/toolkit/queue/HOST (a home may serve several
machines). Where that folder cannot be written or locked nobody waits.
"""

import contextlib
import fcntl
import glob
import os
import platform
import re
import tempfile
import time
from itertools import takewhile
from pathlib import Path

from toolkit.errors import OptionError, plain

TICKET = re.compile(r"\d{12}")
CARDS = ("/dev/nvidia[0-9]*", "/dev/dxg")  # NVIDIA's on Linux; on Windows' Linux, which does not number them
VISIBLE = "CUDA_VISIBLE_DEVICES"
NARROWED = {}  # VISIBLE as `narrow` has set it: as the user had it


def usual_folder():
    """Where the queues lie."""
    own, cache = os.environ.get("TOOLKIT_QUEUE"), os.environ.get("TOOLKIT_CACHE")
    host = re.sub(r"[^\w-]", "-", platform.node())[:64] or "here"
    try:
        if own:
            return Path(own).expanduser()
        return (Path(cache).expanduser() if cache else Path.home() / ".cache" / "toolkit") / "queue" / host
    except RuntimeError:                 # no HOME, and a user whom the system does not know
        return Path(tempfile.gettempdir()) / f"toolkit-queue-{os.getuid()}"


def devices(device, count=1):
    """Names of what --device `device` with `count` GPUs computes on, such as ["cpu"] or ["gpu0", "gpu1"].

    Told from the system's files and CUDA_VISIBLE_DEVICES, since asking TensorFlow costs seconds and memory. Raises
    OptionError as `card` does.
    """
    if device == "cpu" or not any(glob.glob(pattern) for pattern in CARDS):
        return ["cpu"]
    seen = [card(device)] if device.startswith("gpu:") else visible()
    cards = map(str, range(count)) if seen is None else seen[:count]
    return [f"gpu{re.sub(r'[^A-Za-z0-9-]', '-', one)}" for one in cards] or ["cpu"]


def visible():
    """The cards that the user's CUDA_VISIBLE_DEVICES shows to programs, in their order; None where it is not set."""
    now = os.environ.get(VISIBLE)
    listed = NARROWED.get(now, now)
    if listed is None:
        return None
    return list(takewhile(lambda card: card not in ("", "-1"), (card.strip() for card in listed.split(","))))


def card(device):
    """What CUDA calls the card of --device gpu:N: the Nth that is visible, from 0 on. OptionError beyond them."""
    number, seen = int(device[4:]), visible()
    if seen is None:
        return str(number)
    if number >= len(seen):
        raise OptionError(f"--device {device}: {VISIBLE} shows {len(seen)} here ({', '.join(seen) or 'none'}), counted "
                          "from gpu:0 on; use --device auto or cpu, or name one of them.")
    return seen[number]


def narrow(device):
    """Show programs the card of --device gpu:N alone; what the user had set is still known to `visible`."""
    only, now = card(device), os.environ.get(VISIBLE)
    NARROWED[only] = NARROWED.get(now, now)
    os.environ[VISIBLE] = only


class Ticket:
    """A place in the queue of each of `devices`, kept until `close` or the end of the process, however it ends.

    Raises OptionError where it should not `wait` and somebody is there. `fault` says why there is no queue, else None.
    """

    def __init__(self, devices, wait=True):
        self.held, self.key, self.fault = {}, None, None  # {path: handle}
        try:
            with contextlib.ExitStack() as counters:  # all at once: whoever is first on one device is so on the others
                folders = [usual_folder() / device for device in sorted(set(devices))]
                numbers = [counters.enter_context(counted(folder)) for folder in folders]
                if not wait:
                    refuse_busy(folders)
                self.key = f"{os.getpid()}-{numbers[0]}"
                for folder, number in zip(folders, numbers):
                    self.take(folder, number)
        except OSError as error:
            self.fault = f"{usual_folder()} cannot be used ({error.strerror})"
            self.close()

    def take(self, folder, number):
        """Make a ticket, which has its owner's name and lock before it can be seen."""
        path, new = folder / f"{number:012d}", folder / ".new"
        self.held[path] = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(self.held[path], fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.sign(f"process {os.getpid()}")
        new.rename(path)

    def sign(self, text):
        """Write on the tickets whose they are."""
        data = f"{self.key}\n{plain(text)}\n".encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):  # a full disk takes no place away
            for handle in self.held.values():
                os.pwrite(handle, data, 0)
                os.ftruncate(handle, len(data))

    def before(self):
        """{key: whose it is} of every ticket that stands before this one on any of its devices."""
        found = {}
        for mine in self.held:
            found |= dict(owner for path in tickets(mine.parent) if path.name < mine.name and (owner := owner_of(path)))
        return found

    def wait(self, told, look=lambda: None, poll=0.5):
        """Return, with the seconds that passed, when no ticket stands before this one.

        told(number, its words): at once where some do, and whenever their number changes. look(): every `poll` seconds,
        may raise to give up.
        """
        began, last = time.monotonic(), 0
        while number := len(self.before()):
            if number != last:
                told(number, f"queued, {number} before you")
            last = number
            look()
            time.sleep(poll)
        return time.monotonic() - began if last else 0.0

    def close(self):
        """Give the place up."""
        for path, handle in self.held.items():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            os.close(handle)
        self.held = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()


@contextlib.contextmanager
def counted(folder):
    """The number of the next ticket, while no other process makes one there."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(folder / "counter", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        (folder / ".new").unlink(missing_ok=True)  # of a process that died while it made a ticket
        known = re.match(rb"\d{1,12}", os.pread(handle, 12, 0))
        number = 1 + max([int(known[0]) if known else 0, *(int(path.name) for path in tickets(folder))])
        os.pwrite(handle, f"{number:012d}".encode(), 0)
        yield number
    finally:
        os.close(handle)


def tickets(folder):
    """Paths of the tickets of a device, first come first."""
    try:
        return [folder / name for name in sorted(os.listdir(folder)) if TICKET.fullmatch(name)]
    except OSError:  # somebody cleared it away
        return []


def owner_of(path):
    """(key, whose it is) of a ticket; None where its owner is no more, and then it is removed, or is another user."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look do not take each other for the owner
        path.unlink(missing_ok=True)
    except BlockingIOError:
        key, _, text = os.pread(handle, 4000, 0).decode("utf-8", "replace").partition("\n")
        return key or path.name, plain(text.partition("\n")[0]) or "another process"
    except OSError:
        pass
    finally:
        os.close(handle)
    return None


def refuse_busy(folders):
    """OptionError where one of the devices has an owner."""
    for folder in folders:
        owner = next((owner for path in tickets(folder) if (owner := owner_of(path))), None)
        if owner:
            device = "the processor" if folder.name == "cpu" else folder.name
            raise OptionError(f"{device} is busy with {owner[1]}; leave --no-wait out to wait.")
