"""A gateway whose engine is an Envoy: both run, are asked how they are, take up new settings, and stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import uvicorn

from iam_guard.asgi.reload import Watched
from iam_guard.asgi.serving import serving
from iam_guard.asgi.signals import cancelled, heeding_signals
from iam_guard.errors import ConfigurationError, Fault, UnavailableError
from iam_guard.gateway.envoy.process import EnvoyProcess
from iam_guard.gateway.envoy.version import Version
from iam_guard.gateway.patience import ConnectionRules
from iam_guard.gateway.reload import Generation, Loaded, Reloading
from iam_guard.gateway.settings import GatewaySettings
from iam_guard.gateway.status import StatusApp
from iam_guard.gateway.tally import Tally

_LOOK_SECONDS = 0.5
_STATUS_GRACE = 1


class EnvoyEngine:
    """Runs everything.

    Args:
        load: Makes a version of the settings as they are now; the first one is at hand.
        first: That one.
        process: The Envoy that the versions are delivered to.
        status: The socket of the status address; ``None`` for none.
        watched: The settings file, from before it was read.
    """

    def __init__(self, load: Callable[[], Version], first: Version, process: EnvoyProcess,
                 status: socket.socket | None, watched: Watched) -> None:
        self._gateway = Reloading(Generation(first), lambda: self._compatible(load()), self._taken)
        self._tally = Tally(first.counts)
        self._process = process
        self._status = status
        self._is_up = False
        self._watched = watched
        limits = first.settings.limits
        self._rules = ConnectionRules(limits.head_seconds, limits.body_seconds, 0)

    @property
    def _settings(self) -> GatewaySettings:
        return self._gateway.generation.loaded.settings

    async def serve(self, on_ready: Callable[[str], None]) -> None:
        """Serve until told to stop: SIGTERM or SIGINT stops, SIGHUP or a changed file reloads.

        Args:
            on_ready: Told where Envoy listens, when requests are served.

        Raises:
            UnavailableError: it does not start, or Envoy ends by itself.
        """
        stop, wanted = asyncio.Event(), asyncio.Event()
        async with contextlib.AsyncExitStack() as running:
            if self._status is not None:
                await running.enter_async_context(serving((self._status_config(), self._status)))
            await running.enter_async_context(self._running())
            running.enter_context(heeding_signals(stop, wanted))
            address = await self._process.admin.address()
            self._is_up = True
            on_ready(address)
            reloading = asyncio.create_task(self._reload_when(wanted))
            running.push_async_callback(cancelled, reloading)
            await self._until(stop)
            self._rules.ending = True
            await self._process.settle(self._settings.limits.settle_seconds)

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[None]:
        """The guard and Envoy, which is stopped first: it asks the guard until then."""
        try:
            await self._gateway.generation.start()
        except BaseException:
            await self._process.stop(0)
            raise
        try:
            yield
        finally:
            await self._process.stop(self._settings.limits.drain_seconds)
            await self._gateway.close()

    def _status_config(self) -> uvicorn.Config:
        app = StatusApp(self._gateway, self._rules, self._tally, lambda: self._is_up)
        return uvicorn.Config(app, interface="asgi3", lifespan="off", ws="none", log_config=None, access_log=False,
                              proxy_headers=False, server_header=False, timeout_graceful_shutdown=_STATUS_GRACE)

    def _taken(self, fresh: Loaded) -> None:
        self._tally.follow(fresh.counts, fresh.linger_seconds)

    def _compatible(self, fresh: Version) -> Version:
        refuse_lasting(self._settings, fresh.settings)
        return fresh

    async def _reload_when(self, wanted: asyncio.Event) -> None:
        """Reload when somebody wants it, or a file is another one than before."""
        while True:
            self._watched.follow(self._gateway.generation.loaded.files)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await wanted.wait()
            if self._watched.have_changed() or wanted.is_set():
                wanted.clear()
                await self._gateway.reload()

    async def _until(self, stop: asyncio.Event) -> None:
        ended, told = asyncio.create_task(self._process.wait()), asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            ended.cancel()
        if not stop.is_set():
            raise UnavailableError("Envoy has ended by itself; its log says why")


def refuse_lasting(running: GatewaySettings, wanted: GatewaySettings) -> None:
    """Refuse settings that need another Envoy, since it reads them only when it starts.

    Raises:
        ConfigurationError: with all of them that differ.
    """
    lasting: dict[str, tuple[Any, Any]] = {
        name: (getattr(running, name), getattr(wanted, name)) for name in ("listen", "status", "workers")}
    lasting |= {f"limits/{name}": (getattr(running.limits, name), getattr(wanted.limits, name))
                for name in ("max_connections", "linger_seconds", "write_seconds")}
    if faults := [Fault(f"'{name}' cannot change while Envoy runs", "start the gateway anew", f"/gateway/{name}")
                  for name, (before, now) in lasting.items() if before != now]:
        raise ConfigurationError(faults)
