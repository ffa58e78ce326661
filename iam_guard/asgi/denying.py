"""How a denial leaves: on HTTP, on a WebSocket handshake, and out of an application that raised it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.errors import (
    AccessDeniedError,
    AuthenticationError,
    IAMGuardError,
    RequestRefusedError,
    UnavailableError,
)
from iam_guard.http.response import Denial

#: What an application may raise to have it answered here.
ANSWERED = (AccessDeniedError, AuthenticationError, RequestRefusedError, UnavailableError)

#: RFC 6455 section 7.4.1: policy violation.
POLICY_VIOLATION = 1008
_DENIAL_RESPONSE = "websocket.http.response"


async def send_denial(denial: Denial, scope: Scope, send: Send) -> None:
    """Send *denial* instead of running the application.

    A handshake gets a real HTTP answer where the server offers that (the ASGI extension "Websocket Denial
    Response"); otherwise it is closed before it is accepted, which clients see as 403.
    """
    if scope["type"] == "http":
        await _send_response("http.response", denial, scope["method"] == "HEAD", send)
    elif _DENIAL_RESPONSE in (scope.get("extensions") or ()):
        await _send_response(_DENIAL_RESPONSE, denial, False, send)
    else:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": "access denied"})


async def _send_response(kind: str, denial: Denial, without_body: bool, send: Send) -> None:
    await send({"type": f"{kind}.start", "status": denial.status, "headers": list(denial.headers)})
    await send({"type": f"{kind}.body", "body": b"" if without_body else denial.body})


class DenialResponse:
    """A denial as an ASGI application, for frameworks that call what an exception handler returns."""

    def __init__(self, denial: Denial) -> None:
        self.status_code = denial.status
        self._denial = denial

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send_denial(self._denial, scope, send)


def register_handlers(app: Any, denial_of: Callable[[IAMGuardError], Denial]) -> None:
    """Teach *app*, and applications mounted in it, to answer our errors.

    Starlette and FastAPI would answer 500 before the error reaches the middleware around them. They are
    recognised by what they offer, ``add_exception_handler`` and ``routes``. A handler of the application's
    own is kept.
    """

    async def answer(connection: Any, error: Any) -> DenialResponse:
        if connection.scope["type"] != "http":
            raise error  # the middleware knows how far the handshake has come
        return DenialResponse(denial_of(error))

    _register(app, answer, set())


def _register(app: Any, answer: Callable[..., Any], seen: set[int]) -> None:
    if id(app) in seen:
        return
    seen.add(id(app))
    if add := getattr(app, "add_exception_handler", None):
        own = getattr(app, "exception_handlers", ())
        for error in ANSWERED:
            if error not in own:
                add(error, answer)
    for route in getattr(app, "routes", None) or ():
        if (mounted := getattr(route, "app", None)) is not None:
            _register(mounted, answer, seen)
