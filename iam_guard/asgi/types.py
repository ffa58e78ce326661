"""The names of the ASGI specification."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
#: Frameworks have narrower types of their own for the three; all of them are applications.
ASGIApp = Callable[[Any, Any, Any], Awaitable[None]]
