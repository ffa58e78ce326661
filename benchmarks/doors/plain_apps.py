"""The least that applications can be in Python: an authorizer, a decision point, and somebody who takes bodies.

None of them decides. A proxy that asks the first is measured at its best, and the second says what any endpoint for
decisions in Python pays before it has thought about anything.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_START: Message = {"type": "http.response.start", "status": 200, "headers": [
    (b"content-length", b"0"), (b"x-guard-principal", b"arn:app:iam::000000000000:user/ann"),
    (b"x-guard-account", b"000000000000"), (b"x-guard-decision-id", b"0123456789abcdef0123")]}
_BODY: Message = {"type": "http.response.body", "body": b""}
_DENIED: Message = {"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]}


async def agree(scope: Message, receive: Receive, send: Send) -> None:
    """Let everybody pass who says anything about himself, so that a proxy that does not ask is noticed."""
    if scope["type"] == "http":
        known = any(name == b"authorization" for name, _ in scope["headers"])
        await send(_START if known else _DENIED)
        await send(_BODY)


async def decide_nothing(scope: Message, receive: Receive, send: Send) -> None:
    """Read JSON, look at it, write JSON."""
    if scope["type"] == "http":
        body = b"".join([part async for part in _parts(receive)])
        asked = msgspec.json.decode(body)
        await _answer(send, msgspec.json.encode({"decision": asked["subject"]["id"] == "ann"}))


async def swallow(scope: Message, receive: Receive, send: Send) -> None:
    """Take a body of any length and say how long it was."""
    if scope["type"] == "http":
        length = 0
        async for part in _parts(receive):
            length += len(part)
        await _answer(send, b"%12d" % length)


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield message.get("body", b"")
        more = message.get("more_body", False)


async def _answer(send: Send, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]})
    await send({"type": "http.response.body", "body": body})
