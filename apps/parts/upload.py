"""Bring files through the browser: dropped or chosen, with progress and a way to stop, written to disk by a route."""

from pathlib import Path

import streamlit as st

from apps.parts import frame, settings
from toolkit.data.folders import LITTER
from toolkit.data.manifest import TABLES
from toolkit.data.reading import SUFFIXES
from toolkit.errors import plain as printable
from toolkit.runs import uploads

KINDS = {  # kind: (suffixes, in words)
    "zip": ((".zip",), "a zip"), "table": (TABLES, "a table"), "npz": ((".npz",), "an .npz file"),
    "pictures": (tuple(sorted(SUFFIXES)), "pictures"),
    "model": (uploads.MODEL, "a model.keras with its model.json"),
}
HERE = Path(__file__).parent
HTML = """
<div class="zone" role="group" aria-labelledby="label">
  <p class="label" id="label"></p>
  <p class="hint" id="hint"></p>
  <p class="choose">
    <button type="button" class="files" aria-describedby="hint">Choose files</button>
    <button type="button" class="folder" aria-describedby="hint">Choose a folder</button>
    <span class="or">or drop them here</span>
  </p>
  <div class="coming" hidden>
    <progress max="1" value="0" aria-labelledby="label"></progress>
    <p class="much"></p>
    <button type="button" class="cancel">Cancel</button>
  </div>
  <p class="told" role="status"></p>
  <details class="out" hidden><summary></summary><ul></ul></details>
  <button type="button" class="again" hidden>Go on</button>
  <input type="file" class="pick-files" multiple hidden tabindex="-1" aria-hidden="true">
  <input type="file" class="pick-folder" webkitdirectory hidden tabindex="-1" aria-hidden="true">
</div>
"""
show = st.components.v2.component("toolkit_upload", html=HTML, css=(HERE / "upload.css").read_text("utf-8"),
                                  js=(HERE / "upload.js").read_text("utf-8"))


def upload(key, kinds=("zip", "pictures", "table", "npz"), label="Bring pictures", limit=None):
    """What came by this element: {"upload": id, "path": what a command takes, "files": n, "bytes": b}; None before.

    kinds: of KINDS; with pictures, folders too. limit: bytes, no more than the server's own (default: that).
    """
    most = min(limit or settings.upload_limit(), settings.upload_limit())
    words = [KINDS[kind][1] for kind in kinds]
    data = {
        "url": frame.url("upload", ""), "label": printable(label), "limit": most, "folders": "pictures" in kinds,
        "suffixes": [suffix for kind in kinds for suffix in KINDS[kind][0]], "litter": sorted(LITTER),
        "deepest": uploads.DEEPEST, "alone": [suffix for suffix in uploads.ZIPS],
        "words": f"{', '.join(words[:-1])} or {words[-1]}" if words[1:] else words[0]}
    done = show(key=key, data=data, on_done_change=lambda: None).done
    found = uploads.held(frame.root(), done) if isinstance(done, str) and uploads.ID.fullmatch(done) else None
    return found and {"upload": found.id, "path": str(found.data), "files": found.files, "bytes": found.bytes}
