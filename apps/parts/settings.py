"""How the server was started; the launcher says it by variables of the environment.

| variable | what it is |
| --- | --- |
| TOOLKIT_RUNS | folder of runs (default: runs) |
| TOOLKIT_GATE | token: the secret of the first address lets in; login: people log in; else: this computer alone |
| TOOLKIT_HOSTS | names, beside those of this computer alone, under which browsers may ask, parted by commas |
| TOOLKIT_UPLOAD_LIMIT | largest upload (default: 20GB) |
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from toolkit import options
from toolkit.runs import secret


@dataclass(frozen=True)
class Settings:
    """`runs`: their folder; `upload_limit`: bytes; `gate`: token, login or ""; `base`: what paths begin with, or ""."""

    runs: Path
    upload_limit: int
    hosts: frozenset = frozenset()
    gate: str = ""
    base: str = ""
    token: str = field(default="", repr=False)


def read():
    """The Settings of this process. Raises OptionError where the folder of runs cannot be used."""
    import streamlit

    runs, gate = root(), os.environ.get("TOOLKIT_GATE", "")
    base = (streamlit.get_option("server.baseUrlPath") or "").strip("/")
    hosts = frozenset(name for name in os.environ.get("TOOLKIT_HOSTS", "").split(",") if name)
    return Settings(runs, upload_limit(), hosts, gate, f"/{base}" if base else "", secret.token(runs) if gate else "")


def root():
    """The folder of runs."""
    return Path(os.environ.get("TOOLKIT_RUNS") or "runs").absolute()


def upload_limit():
    """Bytes of the largest upload."""
    return options.size(os.environ.get("TOOLKIT_UPLOAD_LIMIT") or "20GB", "TOOLKIT_UPLOAD_LIMIT")
