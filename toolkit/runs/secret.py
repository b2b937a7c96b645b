"""The secret of the first address: who has it may enter. It stays the same, so that open pages outlive the server."""

import os
import re
import secrets
import stat

from toolkit.errors import OptionError
from toolkit.runs import folders

FORM = re.compile(r"[A-Za-z0-9_-]{43}")  # 256 bits


def token(root):
    """The secret of a folder of runs, readable for its owner alone; made at the first call, anew where it was open."""
    path = folders.own(root) / "token"
    for _ in range(3):
        found = kept(path)
        if found:
            return found
        try:
            path.unlink(missing_ok=True)  # damaged, a link, or readable for others
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            continue                      # another server was faster
        except OSError as error:
            raise OptionError(f"{path} cannot be written: {error.strerror}; name another folder by --runs.") from error
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32))
    raise OptionError(f"{path} cannot be kept for one user alone; name another folder by --runs.")


def kept(path):
    """The secret in a file that only its owner may read; None where there is none."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(handle, "rb") as file:
        facts = os.fstat(handle)
        if not stat.S_ISREG(facts.st_mode) or facts.st_mode & 0o077 or facts.st_uid != os.getuid():
            return None
        text = file.read(100).decode("ascii", "replace")
    return text if FORM.fullmatch(text) else None
