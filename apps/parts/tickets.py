"""Tickets that let a browser in once: a page whose user is known hands one out, the guard takes it back."""

import secrets
import threading
import time

LASTS = 60.0  # seconds
MOST = 1000

given, lock = {}, threading.Lock()


def new():
    """A ticket for one entry within LASTS seconds."""
    ticket, now = secrets.token_urlsafe(24), time.monotonic()
    with lock:
        for old in [old for old, until in given.items() if until < now] + list(given)[:max(0, len(given) - MOST)]:
            given.pop(old, None)
        given[ticket] = now + LASTS
    return ticket


def redeemed(ticket):
    """Whether a ticket is valid; it is not any more after this call."""
    with lock:
        return given.pop(ticket, 0.0) > time.monotonic()
