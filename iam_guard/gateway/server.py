"""One process of a gateway: serves, reloads and stops, and drops nothing on the way."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable, MutableSequence
from typing import Any

import uvicorn

from iam_guard.asgi import tls
from iam_guard.asgi.reload import Watched
from iam_guard.asgi.serving import serving
from iam_guard.asgi.signals import cancelled, heeding_signals
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.gateway.patience import ConnectionRules
from iam_guard.gateway.protocol import GatewayConfig
from iam_guard.gateway.reload import Generation, Loaded, Reloading
from iam_guard.gateway.settings import GatewaySettings
from iam_guard.gateway.status import StatusApp
from iam_guard.gateway.tally import Tally

_logger = logging.getLogger("iam_guard")
#: How often files are looked at.
_LOOK_SECONDS = 0.5
#: Beyond what the guard itself accepts, so that it is the guard that answers.
_MAX_HEAD_BYTES = 131_072
_STATUS_GRACE = 1


class GatewayServer:
    """A gateway in this process.

    Args:
        load: Makes a gateway of the settings as they are now.
        watched: The settings file, from before it is read.
        listening: The socket that clients connect to; closed in the end.
        status: The socket of the status address; ``None`` for none.
        parent: The process without which this one stops; 0 for none.
        counted: Room for what all workers count, and the place of this one in it; ``None`` for a worker alone.

    Raises:
        ConfigurationError: with everything that is wrong with the settings.
    """

    def __init__(self, load: Callable[[], Loaded], watched: Watched, listening: socket.socket,
                 status: socket.socket | None, parent: int = 0,
                 counted: tuple[MutableSequence[int], int] | None = None) -> None:
        loaded = load()
        self._settings = loaded.settings
        self._tls = tls.make_context(loaded.settings.tls) if loaded.settings.tls else None
        limits = loaded.settings.limits
        self._rules = ConnectionRules(limits.head_seconds, limits.body_seconds, _MAX_HEAD_BYTES, limits.keep_seconds,
                                      limits.write_seconds)
        self._gateway = Reloading(Generation(loaded), load, self._take)
        self._tally = Tally(loaded.counts, *(counted or ()))
        self._watched = watched
        self._sockets = listening, status
        self._parent = parent
        self._stop: asyncio.Event | None = None

    async def serve(self, on_ready: Callable[[], None] = lambda: None) -> None:
        """Serve until told to stop: SIGTERM or SIGINT stops, SIGHUP or a changed file reloads.

        Args:
            on_ready: Called when requests are served.

        Raises:
            UnavailableError: it does not start.
        """
        self._stop = asyncio.Event()
        wanted = asyncio.Event()
        listening, status = self._sockets
        async with contextlib.AsyncExitStack() as running:
            if status is not None:
                await running.enter_async_context(serving((self._status_config(), status)))
            await running.enter_async_context(serving((self._config(), listening)))
            running.enter_context(heeding_signals(self._stop, wanted))
            reloading = asyncio.get_running_loop().create_task(self._reload_when(wanted))
            running.push_async_callback(cancelled, reloading)
            on_ready()
            await self._stop.wait()
            self._rules.ending = True
            await asyncio.sleep(self._settings.limits.settle_seconds)

    def stop(self) -> None:
        """Stop as SIGTERM does."""
        if self._stop is not None:
            self._stop.set()

    def _config(self) -> GatewayConfig:
        limits = self._settings.limits
        more: dict[str, Any] = {"ssl_context_factory": lambda *_: self._tls} if self._tls is not None else {}
        return GatewayConfig(
            self._gateway, self._rules, interface="asgi3", lifespan="on",
            ws_per_message_deflate=False, ws_max_size=max(one.max_message_bytes for one in
                                                          self._settings.upstreams.values()),
            log_config=None, access_log=False, proxy_headers=False, server_header=False, date_header=False,
            limit_concurrency=limits.max_connections,
            timeout_graceful_shutdown=max(1, int(limits.drain_seconds)), **more)

    def _status_config(self) -> uvicorn.Config:
        return uvicorn.Config(StatusApp(self._gateway, self._rules, self._tally), interface="asgi3", lifespan="off",
                              ws="none", log_config=None, access_log=False, proxy_headers=False, server_header=False,
                              timeout_graceful_shutdown=_STATUS_GRACE)

    def _take(self, loaded: Loaded) -> None:
        """Take up what can change while clients are connected; refuse what cannot."""
        refuse_lasting(self._settings, loaded.settings)
        if self._tls is not None and loaded.settings.tls is not None:
            tls.make_context(loaded.settings.tls)  # proves the files before the running context is touched
            tls.load(self._tls, loaded.settings.tls)
        self._tally.follow(loaded.counts, loaded.linger_seconds)
        self._settings = loaded.settings
        for name in ("head_seconds", "body_seconds", "keep_seconds", "write_seconds"):
            setattr(self._rules, name, getattr(loaded.settings.limits, name))

    async def _reload_when(self, wanted: asyncio.Event) -> None:
        """Reload when somebody wants it or a file is another one than before; stop when the parent has gone."""
        while True:
            self._watched.follow(self._gateway.generation.loaded.files)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await wanted.wait()
            self._tally.publish()
            if self._parent and os.getppid() != self._parent:
                self.stop()
            if self._watched.have_changed() or wanted.is_set():
                wanted.clear()
                await self._gateway.reload()


def refuse_lasting(running: GatewaySettings, wanted: GatewaySettings) -> None:
    """Refuse settings that need a new process.

    Raises:
        ConfigurationError: with all of them that differ.
    """
    lasting = {"listen": (running.listen, wanted.listen), "status": (running.status, wanted.status),
               "workers": (running.workers, wanted.workers),
               "tls": (running.tls and _asked(running), wanted.tls and _asked(wanted))}
    if faults := [Fault(f"'{name}' cannot change while the gateway runs", "start it anew", f"/gateway/{name}")
                  for name, (before, now) in lasting.items() if before != now]:
        raise ConfigurationError(faults)


def _asked(settings: GatewaySettings) -> tuple[Any, ...]:
    """What of TLS stays as it was at the start; certificates do not."""
    chosen = settings.tls
    return () if chosen is None else (chosen.client_ca_file, chosen.client_required, chosen.minimum)
