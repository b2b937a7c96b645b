"""The dashboard, both ways in one file: imported it is the server `app`, run by Streamlit it is the page in its frame.

python -m toolkit.dashboard serves `app` behind the secret of its first address. So does `streamlit run
apps/dashboard.py` behind the same guard, without a secret that nobody could tell: it answers this computer alone.
"""

import sys
from pathlib import Path

import streamlit as st

if (root := str(Path(__file__).resolve().parents[1])) not in sys.path:
    sys.path.insert(0, root)  # streamlit run, from any folder, where the toolkit is not installed

if __name__ == "__main__":
    from apps.parts import frame, login

    if login.passed():
        frame.navigate()
else:
    from apps.parts import frame, server

    script = Path(__file__).resolve()
    app = st.App(script, on_script_error=frame.broken, **server.parts(script))
