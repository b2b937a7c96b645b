"""DATA, the home page: bring pictures, and see what is in them before anything is trained."""

import streamlit as st

from apps.parts import bring, frame, look
from toolkit.runs import checks, listing

asked = st.query_params.get("check", "")
entry = listing.entry(frame.root(), asked, checks.KIND) if checks.named(frame.root(), asked) else None
if asked and entry is None:
    st.warning("This look at data is not here any more; look at them again.")
if entry is not None:
    look.page(entry)
else:
    bring.page()
