"""What is looked at stands in the address: a widget shows what it says, and changing the widget changes it."""

import math

import streamlit as st


def word(name, options, default=None):
    """The parameter `name` where it is one of `options`, else `default`."""
    found = st.query_params.get(name)
    return next((option for option in options if found == str(option)), default)


def number(name, low, high, default=None):
    """The parameter `name` where it is a number low..high, else `default`."""
    try:
        found = float(st.query_params.get(name, ""))
    except ValueError:
        return default
    return found if math.isfinite(found) and low <= found <= high else default


def put(**values):
    """Change parameters; None or "" takes one away."""
    for name, value in values.items():
        if value in (None, ""):
            st.query_params.pop(name, None)
        elif st.query_params.get(name) != str(value):
            st.query_params[name] = str(value)


def chosen(widget, label, options, name, default=None, leave=(), always=False, **more):
    """A widget of one choice of `options`, bound to the parameter `name`; its default is not written there.

    leave: parameters that a change takes away, since they belong to what was chosen before. always: the default is
    written too, because it depends on what else the address says.
    """
    key = f"address-{name}"
    st.session_state[key] = word(name, options, default)
    return widget(label, options, key=key, on_change=follow, args=(name, key, None if always else default, leave),
                  **more)


def set_to(widget, label, low, high, name, default, **more):
    """A widget of a number low..high, bound to the parameter `name`."""
    key = f"address-{name}"
    st.session_state[key] = number(name, low, high, default)
    return widget(label, low, high, key=key, on_change=follow, args=(name, key, default, ()), **more)


def follow(name, key, default, leave):
    """Write what a widget says into the address."""
    value = st.session_state[key]
    value = round(value, 6) if isinstance(value, float) else value
    put(**{name: None if value == default else value}, **dict.fromkeys(leave))
