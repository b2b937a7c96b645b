"""What stands around the pages: the guard before everything, our routes, and a sweep when the server starts."""

import contextlib

import streamlit as st
from starlette.middleware import Middleware

from apps.parts import guard, routes, settings
from toolkit.runs import uploads


def parts(script):
    """Arguments of st.App(script): middleware, routes, lifespan."""
    st.App(script)  # until one was made, the options in .streamlit/config.toml beside the script are not read
    here = settings.read()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        uploads.sweep(here.runs)
        yield {}

    return {"middleware": [Middleware(guard.Guard, settings=here)], "routes": routes.routes(here), "lifespan": lifespan}
