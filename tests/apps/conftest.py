"""One server for all tests that ask one."""

import pytest

from tests.apps.serving import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running dashboard that has let us in; its folder of runs is `server.runs`, uploads may have 500 MB."""
    runs = tmp_path_factory.mktemp("server") / "runs"
    found = Server(runs, "--upload-limit", "500MB").entered()
    found.runs = runs
    yield found
    found.end()
