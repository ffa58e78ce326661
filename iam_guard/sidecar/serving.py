"""Serves doors: a server for each listener in one event loop, started and stopped together."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager

import uvicorn

from iam_guard.asgi.lifespan import Part
from iam_guard.asgi.listening import Address, bound, let_go, open_socket
from iam_guard.asgi.types import ASGIApp
from iam_guard.errors import UnavailableError

#: Proxies keep connections to an authorizer; one that is closed at the wrong moment costs a client its answer.
KEEP_ALIVE = 75
_LOOK_AGAIN = 0.02


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs it."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        except SystemExit:
            raise UnavailableError("a server did not start") from None

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(apps: Mapping[Address, ASGIApp], parts: Sequence[Part], stop: asyncio.Event, *, grace: float,
                ready: Callable[[dict[Address, Address]], None]) -> None:
    """Serve until *stop* is set, or a server fails.

    Listeners are opened first, so that a start that cannot succeed fails before anything else begins; calls wait until
    the parts have started. At the end no new call is taken, those under way get *grace* seconds, and parts close last.

    Args:
        apps: What to serve where; no lifespan is run.
        parts: Started before and closed after.
        stop: Ends it.
        grace: Seconds.
        ready: Told when calls are answered: by what was asked for, where that is.

    Raises:
        OSError: naming an address that is taken or not ours.
        UnavailableError: a server did not start, or ended by itself.
    """
    async with AsyncExitStack() as closing:
        sockets = {}
        for address in apps:
            sockets[address] = open_socket(address)
            closing.callback(let_go, sockets[address], address)
        found = {address: bound(listening) for address, listening in sockets.items()}
        for part in parts:
            closing.push_async_callback(part.close)
            await part.start()
        servers = [_server(app, grace) for app in apps.values()]
        running = [asyncio.create_task(server.serve(sockets=[listening]))
                   for server, listening in zip(servers, sockets.values(), strict=True)]
        try:
            await _started(servers, running)
            ready(found)
            await _stopped(stop, running)
        finally:
            for server in servers:
                server.should_exit = True
            await asyncio.gather(*running, return_exceptions=True)


def _server(app: ASGIApp, grace: float) -> _Server:
    # Who asks is told by the connection alone: forwarded headers are the doors' own matter. Handshakes of WebSockets
    # reach the doors as requests, which they are answered as.
    return _Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="error", access_log=False,
                                  proxy_headers=False, server_header=False, timeout_keep_alive=KEEP_ALIVE,
                                  timeout_graceful_shutdown=max(1, round(grace))))


async def _started(servers: Sequence[_Server], running: Sequence[asyncio.Task[None]]) -> None:
    while not all(server.started for server in servers):
        for task in running:
            if task.done():
                await task
                raise UnavailableError("a server did not start")
        await asyncio.sleep(_LOOK_AGAIN)


async def _stopped(stop: asyncio.Event, running: Sequence[asyncio.Task[None]]) -> None:
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({stopping, *running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopping.cancel()
    if not stop.is_set():
        raise UnavailableError("a server ended by itself")
