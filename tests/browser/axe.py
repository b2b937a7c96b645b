"""axe-core, which looks at a page as an assistive device would: from the npm registry, kept beside the weights."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from toolkit.files import write_atomic

VERSION = "4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
GRAVE = ("serious", "critical")
MISSING = "axe-core is not here and no npm registry is in reach"


def kept():
    """Where the script is kept."""
    return Path(os.environ.get("TOOLKIT_CACHE") or Path.home() / ".cache" / "toolkit") / f"axe-{VERSION}.min.js"


def script():
    """The script's text; None where it cannot be had."""
    place = kept()
    if not place.is_file():
        if not shutil.which("npm"):
            return None
        with tempfile.TemporaryDirectory() as folder:
            try:
                subprocess.run(["npm", "pack", f"axe-core@{VERSION}", "--silent"], cwd=folder, check=True, timeout=120,
                               capture_output=True)
                with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
                    text = archive.extractfile("package/axe.min.js").read()
                place.parent.mkdir(parents=True, exist_ok=True)
            except (subprocess.SubprocessError, OSError, StopIteration, KeyError, tarfile.TarError):
                return None
            write_atomic(place, text)
    found = place.read_bytes()
    assert hashlib.sha256(found).hexdigest() == SHA256, f"{place} is not the file that was published"
    return found.decode()


def findings(page, text):
    """What is serious or critical on a page as it stands, a line each: rule, where, why."""
    if not page.evaluate("() => Boolean(window.axe)"):
        page.evaluate(text)
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [f"{one['id']}: {' '.join(map(str, node['target']))}: {' '.join(node['failureSummary'].split())[:300]}"
            for one in found["violations"] if one["impact"] in GRAVE for node in one["nodes"]]
