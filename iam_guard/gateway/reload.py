"""A gateway that is running takes up new settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from iam_guard.asgi import reload
from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.types import ASGIApp, Message, Receive, Scope, Send
from iam_guard.errors import IAMGuardError, UnavailableError
from iam_guard.gateway.settings import GatewaySettings

_logger = logging.getLogger("iam_guard")


class Counted(Protocol):
    """Whatever counts requests by their outcome."""

    @property
    def counts(self) -> Mapping[str, int]:
        """How many requests had which outcome."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A gateway, made of settings and not started.

    Attributes:
        settings: What it was made of.
        app: The guard and what is behind it; speaks the lifespan protocol.
        is_ready: Whether requests can be decided.
        jwks: The keys that check assertions; ``None`` where there are none.
        files: What it was read from; a change of one of them is a reason to load again.
        counts: How many requests had which outcome.
        metrics: Makes what answers a scraper, given the counts of all processes; ``None`` where the library is missing.
    """

    settings: GatewaySettings
    app: ASGIApp
    is_ready: Callable[[], bool]
    jwks: Callable[[], bytes] | None = None
    files: tuple[Path, ...] = ()
    counts: Callable[[], Mapping[str, int]] = dict
    metrics: Callable[[Counted], ASGIApp] | None = None

    @property
    def linger_seconds(self) -> float:
        """How long requests may go on after others have replaced it."""
        return self.settings.limits.linger_seconds

    def life(self) -> Part:
        """What starts and closes it."""
        return _Life(self.app)


class _Life:
    """Speaks the lifespan protocol with an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())
        await self._said.put({"type": "lifespan.startup"})
        answer = await self._heard.get()
        if answer["type"] != "lifespan.startup.complete":
            await self._task
            raise UnavailableError(answer.get("message") or "the gateway could not start")

    async def close(self) -> None:
        await self._said.put({"type": "lifespan.shutdown"})
        if self._task is not None:
            await self._task

    async def _run(self) -> None:
        scope: Scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        try:
            await self._app(scope, self._said.get, self._heard.put)
        except Exception as error:
            _logger.exception("the gateway could not start or stop as it should")
            await self._heard.put({"type": "lifespan.startup.failed", "message": str(error)})


Generation = reload.Generation[Loaded]


class Reloading(reload.Reloading[Loaded]):
    """The application that a server runs: always the newest good settings."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        """Serve one connection."""
        # A plain function: each coroutine around a request costs it something.
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        return self.generation.serve(self.generation.loaded.app(scope, receive, send))

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.generation.start()
        except IAMGuardError as refused:
            await send({"type": "lifespan.startup.failed", "message": str(refused)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self.close()
        await send({"type": "lifespan.shutdown.complete"})
