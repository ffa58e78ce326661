"""GatewayApp: what stands inside the guard, and hands every request that it lets in to an upstream."""

from __future__ import annotations

import json
from collections.abc import Sequence

from iam_guard.asgi.judge import STATE_KEY
from iam_guard.asgi.types import Message, Receive, Scope, Send
from iam_guard.gateway.balance import Balance
from iam_guard.gateway.passing import Passing
from iam_guard.gateway.routing import NoUpstreamError, Routing
from iam_guard.gateway.upstream import UpstreamError, answer_failure
from iam_guard.guard import InformedCaller
from iam_guard.http.response import PROBLEM_BASE

_DENIAL = "websocket.http.response"
_NO_UPSTREAM = {404: ("no-upstream", "Not found"), 421: ("misdirected", "Misdirected request")}
_TOO_LARGE = ("body-too-large", "Body too large")


class BodyTooLargeError(Exception):
    """The body is longer than is allowed."""


class GatewayApp:
    """Hands requests to upstreams. It trusts that a guard stands in front of it, and serves nobody otherwise.

    Args:
        routing: Leads to upstreams.
        passing: Makes what they are told.
        max_body_bytes: Longest body of a request; 0 for any.
    """

    def __init__(self, routing: Routing[Balance], passing: Passing, max_body_bytes: int = 0) -> None:
        self._routing = routing
        self._passing = passing
        self._most = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request that was let in.

        Raises:
            UnavailableError: the caller cannot be asserted.
            UpstreamError: the answer had begun, so that only the end of the connection can tell the client.
        """
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        caller: InformedCaller = scope["state"][STATE_KEY]
        request = caller.request
        try:
            balance = self._routing.find(request.host if request else "", scope["path"])
        except NoUpstreamError as missing:
            await refuse(missing.status, *_NO_UPSTREAM[missing.status], scope, send)
            return
        forwarded = self._passing.scope(caller, scope, balance.name, credentials=balance.credentials)
        try:
            if self._most and scope["type"] == "http":
                await self._forward_bounded(balance, forwarded, receive, send)
            else:
                await balance.forward(forwarded, receive, send)
        except UpstreamError as error:
            await answer_failure(error, scope, send)

    async def _forward_bounded(self, balance: Balance, scope: Scope, receive: Receive, send: Send) -> None:
        if _said_length(scope) > self._most:
            await refuse(413, *_TOO_LARGE, scope, send)
            return
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await balance.forward(scope, _bounded(receive, self._most), noting)
        except BodyTooLargeError:
            if started:
                raise
            await refuse(413, *_TOO_LARGE, scope, send)


def _said_length(scope: Scope) -> int:
    said: Sequence[bytes] = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(said[0]) if len(said) == 1 and said[0].isdigit() else 0


def _bounded(receive: Receive, most: int) -> Receive:
    left = most

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body") or b"")
        if left < 0:
            raise BodyTooLargeError
        return message

    return bounded


async def refuse(status: int, code: str, title: str, scope: Scope, send: Send) -> None:
    """Answer with a problem (RFC 9457) instead of an upstream, and end the connection."""
    body = json.dumps({"type": PROBLEM_BASE + code, "title": title, "status": status}).encode()
    fields = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body)),
              (b"cache-control", b"no-store"), (b"connection", b"close")]
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": status, "headers": fields})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
    elif _DENIAL in (scope.get("extensions") or ()):
        await send({"type": f"{_DENIAL}.start", "status": status, "headers": fields})
        await send({"type": f"{_DENIAL}.body", "body": body})
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": ""})


async def _live(receive: Receive, send: Send) -> None:
    while (await receive())["type"] != "lifespan.shutdown":
        await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.shutdown.complete"})
