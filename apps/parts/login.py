"""The door of the pages where people log in: who they are, whether they may enter, and the cookie for our routes."""

import fnmatch
import os
import time

import streamlit as st

from apps.parts import frame, guard, tickets
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
        st.set_page_config(page_title="toolkit", page_icon=str(frame.HERE / "parts" / "icon.png"))
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
    """Whether the browser has the cookie of our routes; a page fetches it when its session begins, and now and then."""
    if time.time() < st.session_state.get("login-until", 0):
        return True
    st.session_state.setdefault("login-ticket", tickets.new())
    done = enter(key="login-enter", data={"ticket": st.session_state["login-ticket"],
                                          "url": f"{frame.url('enter')}?ticket="}, on_entered_change=lambda: None)
    if done.entered:
        del st.session_state["login-ticket"]
        st.session_state["login-until"] = time.time() + guard.LOGGED_IN / 2
        st.rerun()
    st.caption("One moment …" if done.entered is None else "This page could not be opened; load it once more.")
    return False
