"""RUN: every run in a table; ?run=ID watches one, ?compare=A,B sets several side by side."""

import streamlit as st

from apps.parts import beside, frame, overview, watch
from apps.parts.plain import plain

compared, asked, run = beside.asked(), st.query_params.get("run", ""), frame.entry()
if compared:
    beside.page(compared)
elif run is not None:
    watch.page(run)
else:
    if asked:
        st.warning(f"There is no run {plain(asked[:80])} here; it may have been deleted or moved. These are the runs "
                   "that there are.")
    overview.page()
