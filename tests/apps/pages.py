"""A page of the dashboard as its script draws it, without a browser."""

import re
from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = Path(__file__).resolve().parents[2] / "apps" / "dashboard.py"
SAID = ("title", "subheader", "markdown", "caption", "error", "warning", "info", "success", "text", "code")


def opened(name, state=(), **parameters):
    """The page `name` at an address with `parameters`, drawn; state: what stands in its session_state before."""
    page = AppTest.from_file(APP, default_timeout=30)
    page.switch_page(f"views/{name}.py")
    for key, value in dict(state).items():
        page.session_state[key] = value
    for key, value in parameters.items():
        page.query_params[key] = str(value)
    return ran(page)


def ran(page):
    """The page, drawn once more."""
    page.run()
    assert not page.exception
    return page


def words(page):
    """All that is said on a page, escapes taken away."""
    said = [one.value for kind in SAID for one in getattr(page, kind)]
    said += [one.proto.text for one in page.get("progress")] + [one.label for one in page.expander]
    return re.sub(r"\\([!-/:-@\[-`{-~]|$)", r"\1", "\n".join(map(str, said)), flags=re.M).replace("\u2060", "")
