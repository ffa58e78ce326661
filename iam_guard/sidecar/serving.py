"""Serves doors: a server for each listener in one event loop, all of them always by the newest settings."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Hashable, Mapping
from contextlib import AsyncExitStack
from importlib.util import find_spec
from typing import Any, Protocol

import uvicorn

from iam_guard.asgi.listening import Address
from iam_guard.asgi.reload import Generation, Reloading
from iam_guard.asgi.serving import serving
from iam_guard.asgi.tls import Renewable, renewable
from iam_guard.asgi.types import ASGIApp, Receive, Scope, Send
from iam_guard.errors import UnavailableError
from iam_guard.sidecar.doors import nothing_here
from iam_guard.sidecar.loaded import GrpcAnswers, Listener, Sidecar

#: Proxies keep connections to an authorizer; one that is closed at the wrong moment costs a client its answer.
KEEP_ALIVE = 75


class Entrance:
    """The application of one listener, whatever the settings say of it at the moment.

    Args:
        reloading: The settings.
        address: Of the listener.
    """

    def __init__(self, reloading: Reloading[Sidecar], address: Address) -> None:
        self._reloading, self._address = reloading, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one call on; it ends with the settings that it began with."""
        generation = self._reloading.generation
        await generation.serve(self._app(generation)(scope, receive, send))

    def at_once(self, head: Hashable, body: bytes, sent: bytes | None) -> Any:
        """What is answered without waiting; see :mod:`iam_guard.sidecar.at_once`."""
        answer = getattr(self._app(self._reloading.generation), "at_once", None)
        return None if answer is None else answer(head, body, sent)

    def promptly(self, scope: Mapping[str, Any]) -> Any:
        """The same for a call whose head was read; see :mod:`iam_guard.sidecar.prompt`."""
        answer = getattr(self._app(self._reloading.generation), "promptly", None)
        return None if answer is None else answer(scope)

    def _app(self, generation: Generation[Sidecar]) -> ASGIApp:
        found = generation.loaded.listeners.get(self._address)
        return nothing_here if found is None or isinstance(found.answers, GrpcAnswers) else found.answers


class _Server(Protocol):
    """Serves one listener."""

    async def start(self) -> None: ...

    def take(self, listener: Listener, generation: Generation[Sidecar]) -> None: ...

    async def close(self) -> None: ...


class Station:
    """The servers of one process.

    Args:
        reloading: What they serve.
    """

    def __init__(self, reloading: Reloading[Sidecar]) -> None:
        self._reloading = reloading
        self._servers: dict[Address, tuple[tuple[bool, ...], _Server]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._closing = False
        #: Set when a server ended by itself.
        self.failed = asyncio.Event()

    async def follow(self, sockets: Mapping[Address, socket.socket]) -> None:
        """Serve by the newest settings: where nothing changed, the same servers; others begin and end.

        Args:
            sockets: Those that listen, for everything that is to be served; they are duplicated.

        Raises:
            UnavailableError: a server did not start.
        """
        generation = self._reloading.generation
        listeners = generation.loaded.listeners
        for address, (kind, server) in list(self._servers.items()):
            if address in listeners and listeners[address].kind == kind:
                server.take(listeners[address], generation)
            else:
                del self._servers[address]
                self._leaving.add(task := asyncio.create_task(server.close()))
                task.add_done_callback(self._leaving.discard)
        for address in [one for one in listeners if one not in self._servers]:
            server = self._server(address, listeners[address], sockets[address].dup())
            self._servers[address] = listeners[address].kind, server
            await server.start()

    async def close(self) -> None:
        """Take no new calls, and end when those under way have ended, or their time is over."""
        self._closing = True
        await asyncio.gather(*(server.close() for _, server in self._servers.values()), *self._leaving)

    def _server(self, address: Address, listener: Listener, listening: socket.socket) -> _Server:
        tls = None if listener.tls is None else renewable(listener.tls)
        generation = self._reloading.generation
        if isinstance(listener.answers, GrpcAnswers):
            return _GrpcServer(listener.answers, listening, tls, generation)
        return _HttpServer(Entrance(self._reloading, address), listening, tls, generation.loaded.told.grace_seconds,
                           self._ended, at_once=listener.answers_at_once)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not self._closing and (task.cancelled() or task.exception() is not None):
            self.failed.set()


class _HttpServer:
    """uvicorn's, for one listener."""

    def __init__(self, entrance: Entrance, listening: socket.socket, tls: Renewable | None, grace: float,
                 ended: Callable[[asyncio.Task[None]], None], *, at_once: bool) -> None:
        self._socket, self._tls, self._ended = listening, tls, ended
        self._running = AsyncExitStack()
        secure: dict[str, Any] = {} if tls is None else {"ssl_context_factory": lambda *_: tls}
        # Who asks is told by the connection alone: forwarded headers are the doors' own matter. Handshakes of
        # WebSockets reach the doors as requests, which they are answered as.
        self._config = uvicorn.Config(
            entrance, http=_protocol(at_once=at_once), lifespan="off", ws="none", log_config=None,
            access_log=False, proxy_headers=False, server_header=False, timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=_whole_seconds(grace), **secure)

    async def start(self) -> None:
        (task,) = await self._running.enter_async_context(serving((self._config, self._socket)))
        task.add_done_callback(self._ended)

    def take(self, listener: Listener, generation: Generation[Sidecar]) -> None:
        _renew(self._tls, listener.tls)
        self._config.timeout_graceful_shutdown = _whole_seconds(generation.loaded.told.grace_seconds)

    async def close(self) -> None:
        await self._running.aclose()


class _GrpcServer:
    """The door's own, for one listener."""

    def __init__(self, answers: GrpcAnswers, listening: socket.socket, tls: Renewable | None,
                 generation: Generation[Sidecar]) -> None:
        from iam_guard.sidecar.ext_authz.server import GrpcServer  # brings the libraries of an extra

        self._tls, self._grace = tls, generation.loaded.told.grace_seconds
        self._server = GrpcServer(answers.checks, answers.door, listening, tls, generation.serve)

    async def start(self) -> None:
        await self._server.start()

    def take(self, listener: Listener, generation: Generation[Sidecar]) -> None:
        if not isinstance(listener.answers, GrpcAnswers):
            raise UnavailableError("a server of gRPC was given something else")
        _renew(self._tls, listener.tls)
        self._grace = generation.loaded.told.grace_seconds
        self._server.take(listener.answers.checks, listener.answers.door, generation.serve)

    async def close(self) -> None:
        await self._server.close(self._grace)


def _renew(lasting: Renewable | None, newest: ssl.SSLContext | None) -> None:
    if lasting is not None and newest is not None:
        lasting.newest = newest


def _whole_seconds(grace: float) -> int:
    return max(1, round(grace))


def _protocol(*, at_once: bool) -> Any:
    if find_spec("httptools") is None:
        return "auto"
    from iam_guard.sidecar.at_once import AtOnceProtocol  # bring a library of an extra
    from iam_guard.sidecar.prompt import PromptProtocol

    return AtOnceProtocol if at_once else PromptProtocol
