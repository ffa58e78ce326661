"""Serves the applications of the demonstration, several in one event loop, each on a port of its own."""

from __future__ import annotations

import socket
from contextlib import AbstractAsyncContextManager
from typing import Any

import uvicorn

from iam_guard.asgi.listening import bound
from iam_guard.asgi.serving import serving

#: Seconds that open connections have to end.
GRACE = 2


def url_of(listening: socket.socket) -> str:
    """``http://127.0.0.1:40123``."""
    return f"http://{bound(listening)}"


def served(app: Any, listening: socket.socket) -> AbstractAsyncContextManager[object]:
    """Serve *app* while the context lasts.

    Raises:
        UnavailableError: the application did not start.
    """
    return serving((uvicorn.Config(app, lifespan="auto", ws="none", log_level="warning", access_log=False,
                                   timeout_graceful_shutdown=GRACE), listening))
