"""What the tests share: quiet libraries, and the folder of real data where there is one."""

import gc
import os
import tempfile
from pathlib import Path

COMPILED = tempfile.TemporaryDirectory(prefix="toolkit-compiled-")  # of this process; gone at its end
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
# JAX compiles for each network anew what it has compiled for the one before, unless it may look it up.
os.environ |= {"JAX_COMPILATION_CACHE_DIR": COMPILED.name, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
               "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1"}
gc.set_threshold(10_000, 10, 10)  # graphs of networks are many objects that stay

import pytest


@pytest.fixture(scope="session")
def shared():
    """Folder with `data/`, from TOOLKIT_SHARED or beside the repository."""
    place = Path(os.environ.get("TOOLKIT_SHARED") or Path(__file__).parents[2] / "shared")
    if not (place / "data").is_dir():
        pytest.skip(f"real pictures are not here: no {place / 'data'} (TOOLKIT_SHARED names another folder)")
    return place


@pytest.fixture(scope="session", autouse=True)
def own_store(tmp_path_factory):
    """Keep what the tests compute out of the store that the user's own runs share, and the tests out of their queue."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOOLKIT_STORE", str(tmp_path_factory.mktemp("store")))
        patch.setenv("TOOLKIT_QUEUE", str(tmp_path_factory.mktemp("queue")))
        yield


@pytest.fixture
def server():
    """A web server on this computer, see `local_server`."""
    from local_server import Server

    server = Server()
    yield server
    server.shutdown()
