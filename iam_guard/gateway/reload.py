"""New settings for a gateway that is running: requests that have begun end with the old ones, others get the new."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iam_guard.asgi.types import ASGIApp, Message, Receive, Scope, Send
from iam_guard.errors import IAMGuardError, UnavailableError
from iam_guard.gateway.settings import GatewaySettings

_logger = logging.getLogger("iam_guard")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A gateway, made of settings and not started.

    Attributes:
        settings: What it was made of.
        app: The guard and what is behind it; speaks the lifespan protocol.
        is_ready: Whether requests can be decided.
        jwks: The keys that check assertions; ``None`` where there are none.
        files: What it was read from; a change of one of them is a reason to load again.
    """

    settings: GatewaySettings
    app: ASGIApp
    is_ready: Callable[[], bool]
    jwks: Callable[[], bytes] | None = None
    files: tuple[Path, ...] = ()


class Generation:
    """A gateway that runs, and whoever it serves.

    Args:
        loaded: What it is made of.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self._serving: set[asyncio.Task[Any]] = set()
        self._idle = asyncio.Event()
        self._idle.set()
        self._life = _Life(loaded.app)

    async def start(self) -> None:
        """Start the guard and everything around it.

        Raises:
            UnavailableError: it does not start.
        """
        await self._life.start()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a server runs each request in a task")
        self._serving.add(task)
        self._idle.clear()
        try:
            await self.loaded.app(scope, receive, send)
        finally:
            self._serving.discard(task)
            if not self._serving:
                self._idle.set()

    async def retire(self, seconds: float) -> None:
        """Close when everybody is served, and after some time in any case."""
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            _logger.warning("%d requests of replaced settings are ended", len(self._serving))
            for task in self._serving:
                task.cancel()
            await self._idle.wait()
        await self._life.close()


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


@dataclass(slots=True)
class ReloadStatus:
    """What became of the settings.

    Attributes:
        done: How often others were taken up.
        failed: How often they could not be.
        error: Why the last ones could not be; empty when they could.
    """

    done: int = 0
    failed: int = 0
    error: str = ""


@dataclass(slots=True)
class Reloading:
    """The application that a server runs: always the newest good settings.

    Attributes:
        generation: What serves new requests.
        load: Makes a gateway of the settings as they are now; it may block.
        on_change: Told of the new one before it serves; may refuse it with an error.
        status: What became of the settings.
    """

    generation: Generation
    load: Callable[[], Loaded]
    on_change: Callable[[Loaded], None] = lambda loaded: None
    status: ReloadStatus = field(default_factory=ReloadStatus)
    _retiring: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await self.generation.serve(scope, receive, send)

    async def reload(self) -> bool:
        """Take up the settings as they are now; when anything is wrong with them, the old ones stay.

        Returns:
            Whether they were taken up.
        """
        async with self._turn:
            try:
                loaded = await asyncio.to_thread(self.load)
                fresh = Generation(loaded)
                await fresh.start()
                await self._taken(fresh)
            except IAMGuardError as refused:
                self._keep(str(refused))
                return False
            except Exception as problem:
                _logger.exception("the settings could not be loaded")
                self._keep(type(problem).__name__)
                return False
            return True

    async def _taken(self, fresh: Generation) -> None:
        try:
            self.on_change(fresh.loaded)
        except BaseException:
            await fresh.retire(1)
            raise
        old, self.generation = self.generation, fresh
        self.status.done += 1
        self.status.error = ""
        seconds = fresh.loaded.settings.limits.linger_seconds
        task = asyncio.get_running_loop().create_task(old.retire(seconds))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)
        _logger.info("new settings are in use")

    def _keep(self, why: str) -> None:
        self.status.failed += 1
        self.status.error = why
        _logger.error("the settings are not taken up, those from before stay in use: %s", why)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self.generation.start()
        except IAMGuardError as refused:
            await send({"type": "lifespan.startup.failed", "message": str(refused)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        async with self._turn:
            await asyncio.gather(self.generation.retire(1), *self._retiring)
        await send({"type": "lifespan.shutdown.complete"})
