"""One server for all tests that ask one, and one search of the environment for all pages that are drawn."""

import functools

import pytest

from tests.apps.serving import Server


@pytest.fixture(scope="session", autouse=True)
def packages_are_searched_once():
    """Streamlit reads the metadata of every installed package for each page drawn, and finds no component of ours."""
    from streamlit.components.v2 import manifest_scanner

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manifest_scanner, "scan_component_manifests",
                      functools.cache(manifest_scanner.scan_component_manifests))
        yield


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A running dashboard that has let us in; its folder of runs is `server.runs`, uploads may have 500 MB."""
    runs = tmp_path_factory.mktemp("server") / "runs"
    found = Server(runs, "--upload-limit", "500MB").entered()
    found.runs = runs
    yield found
    found.end()
