"""What the tests share: quiet libraries, and the folder of real data where there is one."""

import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")

import pytest


@pytest.fixture(scope="session")
def shared():
    """Folder with `data/`, from TOOLKIT_SHARED or beside the repository."""
    place = Path(os.environ.get("TOOLKIT_SHARED") or Path(__file__).parents[2] / "shared")
    if not (place / "data").is_dir():
        pytest.skip(f"real pictures are not here: no {place / 'data'} (TOOLKIT_SHARED names another folder)")
    return place
