"""Start-up and shutdown: the guard's own parts start before the application and stop after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Protocol

from iam_guard.asgi.types import ASGIApp, Message, Receive, Scope, Send
from iam_guard.errors import IAMGuardError

_logger = logging.getLogger("iam_guard")


class Part(Protocol):
    """Something that runs beside the application, such as a policy refresher."""

    async def start(self) -> None:
        """Begin; an error stops the start of the application."""

    async def close(self) -> None:
        """End."""


class Lifespan:
    """Passes the lifespan protocol on to an application, around the parts of the guard.

    Args:
        app: The application.
        parts: Started in this order, closed in the reverse one.
        check: Raises when the application must not start.
    """

    def __init__(self, app: ASGIApp, parts: Sequence[Part], check: Callable[[], None]) -> None:
        self._app = app
        self._parts = parts
        self._check = check

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run until the server shuts down."""
        startup = await receive()
        async with AsyncExitStack() as started:
            try:
                self._check()
                for part in self._parts:
                    started.push_async_callback(part.close)
                    await part.start()
            except Exception as error:
                # Wrong settings need their faults told, not where in our code they were found.
                _logger.error("the guard could not start: %s", error, exc_info=not isinstance(error, IAMGuardError))
                await started.aclose()
                await send({"type": "lifespan.startup.failed", "message": f"iam_guard could not start: {error}"})
                return
            await _Conversation(startup, receive, send, started).hold(self._app, scope)


class _Conversation:
    """One exchange of lifespan messages between server and application."""

    def __init__(self, startup: Message, receive: Receive, send: Send, started: AsyncExitStack) -> None:
        self._startup: Message | None = startup
        self._receive = receive
        self._send = send
        self._started = started
        self._answered = False

    async def hold(self, app: ASGIApp, scope: Scope) -> None:
        """Let the application speak; speak for one that does not know the protocol."""
        try:
            await app(scope, self._to_app, self._from_app)
        except Exception as error:
            if self._answered:
                raise
            _logger.info("the application does not support lifespan: %s", error)
        if not self._answered:
            await self._send({"type": "lifespan.startup.complete"})
            await self._receive()
            await self._from_app({"type": "lifespan.shutdown.complete"})

    async def _to_app(self) -> Message:
        message, self._startup = self._startup, None
        return message if message is not None else await self._receive()

    async def _from_app(self, message: Message) -> None:
        self._answered = True
        if message["type"] != "lifespan.startup.complete":
            await self._started.aclose()
        await self._send(message)
