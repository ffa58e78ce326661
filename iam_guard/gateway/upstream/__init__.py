"""The HTTP/1.1 client side of the gateway: one server somewhere else, spoken to without changing a byte.

``UpstreamApp(ServerSettings("http://127.0.0.1:8080"))`` is an ASGI application.
"""

from iam_guard.gateway.upstream.app import UpstreamApp, answer_failure
from iam_guard.gateway.upstream.errors import (
    ClientGoneError,
    ClientStalledError,
    UnsendableError,
    UpstreamBrokenError,
    UpstreamBusyError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
)
from iam_guard.gateway.upstream.settings import ServerSettings

__all__ = [
    "ClientGoneError",
    "ClientStalledError",
    "ServerSettings",
    "UnsendableError",
    "UpstreamApp",
    "UpstreamBrokenError",
    "UpstreamBusyError",
    "UpstreamConnectError",
    "UpstreamError",
    "UpstreamTimeoutError",
    "answer_failure",
]
