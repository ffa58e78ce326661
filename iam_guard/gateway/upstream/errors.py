"""What can go wrong between the gateway and a server, as one tree.

    UpstreamError
    ├── UpstreamBusyError       all connections are in use, and none became free in time
    ├── UpstreamConnectError    no connection could be made
    ├── UpstreamTimeoutError    the server was silent for too long
    ├── UpstreamBrokenError     the server broke the connection or the protocol
    ├── ClientGoneError         the client left before the end; nothing is wrong with the server
    │   └── ClientStalledError    ... or took part too slowly to be waited for
    └── UnsendableError         the request cannot be written as HTTP/1.1 without becoming another one
"""

from __future__ import annotations

from typing import ClassVar

from iam_guard.asgi.types import Receive
from iam_guard.errors import IAMGuardError


class UpstreamError(IAMGuardError):
    """An exchange with a server failed.

    Args:
        detail: What happened, for the operator.

    Attributes:
        status: What the client is answered while nothing else has been.
        code: Last part of the type of the problem.
        blames_server: Whether this speaks against the server, as a health check counts it.
        untouched: Not one byte of the request was sent to the server: another may be asked, whatever the method is.
        started: The answer to the client had begun; nothing but the end of the connection can tell it more.
        receive: What another attempt has to receive from, because a part of the body may have been taken already.
    """

    status: ClassVar[int] = 502
    code: ClassVar[str] = "bad-gateway"
    blames_server: ClassVar[bool] = True

    def __init__(self, detail: str, *, untouched: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.untouched = untouched
        self.started = False
        self.receive: Receive | None = None


class UpstreamBusyError(UpstreamError):
    """All connections are in use, and none became free in time."""

    status, code, blames_server = 503, "upstream-busy", False


class UpstreamConnectError(UpstreamError):
    """No connection could be made: refused, unreachable, unknown name, or a certificate that does not hold."""


class UpstreamTimeoutError(UpstreamError):
    """The server was silent for too long."""

    status, code = 504, "gateway-timeout"


class UpstreamBrokenError(UpstreamError):
    """The server broke the connection or the protocol."""


class ClientGoneError(UpstreamError):
    """The client left before the end."""

    status, code, blames_server = 499, "client-gone", False


class ClientStalledError(ClientGoneError):
    """The client neither sent nor took anything for too long."""

    status, code = 408, "request-timeout"


class UnsendableError(UpstreamError):
    """The request cannot be written as HTTP/1.1 without becoming another one."""

    status, code, blames_server = 400, "invalid-request", False
