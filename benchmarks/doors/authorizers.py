"""Whom proxies ask: one who always agrees, and the guard.

The first decides nothing and is the cheapest authorizer that there can be in Python, so a proxy in front of it is
measured at its best.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]

_START: Message = {"type": "http.response.start", "status": 200, "headers": [
    (b"content-length", b"0"), (b"x-guard-principal", b"arn:app:iam::000000000000:user/ann"),
    (b"x-guard-account", b"000000000000"), (b"x-guard-decision-id", b"0123456789abcdef0123")]}
_BODY: Message = {"type": "http.response.body", "body": b""}
_DENIED: Message = {"type": "http.response.start", "status": 403, "headers": [(b"content-length", b"0")]}


async def agree(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Message]],
                send: Callable[[Message], Awaitable[None]]) -> None:
    """Let everybody pass who says anything about himself, so that a proxy that does not ask is noticed."""
    if scope["type"] == "http":
        known = any(name == b"authorization" for name, _ in scope["headers"])
        await send(_START if known else _DENIED)
        await send(_BODY)
