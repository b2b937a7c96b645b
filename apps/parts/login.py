"""The door of the pages where people log in: who they are, whether they may enter, and the cookie for our routes."""

import fnmatch
import os

import streamlit as st

from apps.parts import guard, tickets
from apps.parts.plain import plain

ENTER = """
export default function ({ data, setStateValue }) {
  if (data.ticket === window.toolkitTicket) return
  window.toolkitTicket = data.ticket
  fetch(data.url + encodeURIComponent(data.ticket), { method: "POST", credentials: "same-origin" })
    .then(answer => setStateValue("entered", answer.ok), () => setStateValue("entered", false))
}
"""
enter = st.components.v2.component("toolkit_enter", js=ENTER)


def passed():
    """Whether the page may be shown; where not, what the user has to do is shown instead."""
    if os.environ.get("TOOLKIT_GATE") != "login":
        return True
    if not st.user.is_logged_in:
        st.title("toolkit", anchor=False)
        st.button("Log in", type="primary", on_click=st.login)
        return False
    if not may_enter(st.user):
        st.warning(f"{plain(st.user.get('email') or 'This account')} may not enter here; ask who runs this dashboard.")
        st.button("Log out", on_click=st.logout)
        return False
    return has_cookie()


def may_enter(user):
    """Whether a logged-in user is one of those that secrets.toml names."""
    email = str(user.get("email") or "").casefold()
    users = [str(one).casefold() for one in st.secrets.get("toolkit", {}).get("users", [])]
    return bool(email) and user.get("email_verified", True) is not False and any(
        fnmatch.fnmatchcase(email, one) for one in users)


def has_cookie():
    """Whether the browser has the cookie of our routes; it is fetched at the first page of a session."""
    name = guard.cookie_name(st.get_option("server.port"))
    if st.session_state.get("login-entered") or name in st.context.cookies and "login-asked" not in st.session_state:
        return True
    st.session_state.setdefault("login-asked", tickets.new())
    base = (st.get_option("server.baseUrlPath") or "").strip("/")
    done = enter(key="login-enter", data={"ticket": st.session_state["login-asked"],
                                          "url": f"/{base}/enter?ticket=" if base else "/enter?ticket="},
                 on_entered_change=lambda: None)
    if done.entered:
        st.session_state["login-entered"] = True
        st.rerun()
    st.caption("One moment …" if done.entered is None else "This page could not be opened; load it once more.")
    return False
