"""The gRPC server of the door, in the event loop where every other door decides."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Any

from iam_guard.asgi.listening import let_go, open_socket, read_address
from iam_guard.errors import UnavailableError
from iam_guard.http.address import TrustedProxies
from iam_guard.sidecar.ext_authz import messages
from iam_guard.sidecar.ext_authz.checks import UNDECIDED, Checks
from iam_guard.sidecar.ext_authz.http2.calls import NOT_FOUND, OK, UNIMPLEMENTED, Call, Reply
from iam_guard.sidecar.ext_authz.http2.connection import Connection
from iam_guard.sidecar.ext_authz.settings import GrpcDoor

_LOOK_AGAIN = 0.02


Serve = Callable[[Awaitable[bytes]], Awaitable[bytes]]


async def plainly(call: Awaitable[bytes]) -> bytes:
    """Run a call."""
    return await call


class GrpcServer:
    """Serves the door; a part that starts and closes with a program.

    Args:
        checks: Answers calls.
        door: Where it listens, and who may ask.
        listening: A socket that listens there already, and that others share; it is closed in the end, and its file
            is left. Without it, one is opened.
        tls: Speak TLS; plain otherwise.
        serve: Runs each call that has to wait for something.

    Attributes:
        port: Where it listens on TCP, once it has started.
    """

    def __init__(self, checks: Checks, door: GrpcDoor, listening: socket.socket | None = None,
                 tls: ssl.SSLContext | None = None, serve: Serve = plainly) -> None:
        self._checks = checks
        self._door = door
        self._serve = serve
        self._address = read_address(door.listen)
        self._peers = TrustedProxies(door.peers)
        self._connections: set[Connection] = set()
        self._socket, self._shares = listening, listening is not None
        self._tls = tls
        self._server: asyncio.AbstractServer | None = None
        self.port = 0

    def take(self, checks: Checks, door: GrpcDoor, serve: Serve = plainly) -> None:
        """Answer calls that begin from now on by others, as *door* says; clients whom it may not know any more go."""
        peers, self._checks, self._door, self._serve = self._door.peers, checks, door, serve
        if set(peers) != set(door.peers):
            self._peers = TrustedProxies(door.peers)
            for connection in list(self._connections):
                connection.leave()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is taken or not ours.
        """
        loop = asyncio.get_running_loop()
        self._socket = self._socket or open_socket(self._address)
        if not self._address.is_unix:
            self.port = self._socket.getsockname()[1]
        # The way for Unix sockets would remove the file at the end, which may be shared.
        self._server = await loop.create_server(self._connection, sock=self._socket, ssl=self._tls)

    async def close(self, seconds: float | None = None) -> None:
        """Take no new calls, let those that have begun end, and stop.

        Args:
            seconds: How long they get; by default what a decision may take.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.leave()
        try:
            async with asyncio.timeout(self._door.seconds if seconds is None else seconds):
                while self._connections:  # noqa: ASYNC110 - they leave one by one
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            for connection in list(self._connections):
                connection.abort()
        if self._socket is not None:
            if self._shares:
                self._socket.close()
            else:
                let_go(self._socket, self._address)
            self._socket = None

    def _connection(self) -> Connection:
        return Connection(self, self._may_ask, self._connections)

    def at_once(self, calls: Sequence[Call]) -> list[Reply | None]:
        """See :class:`~iam_guard.sidecar.ext_authz.http2.answering.Answering`."""
        checked = iter(self._checks.at_once([call.message for call in calls if call.method == messages.CHECK]))
        return [next(checked) if call.method == messages.CHECK else self._other(call) for call in calls]

    def _other(self, call: Call) -> Reply:
        if call.method != messages.HEALTH_CHECK:
            return Reply(UNIMPLEMENTED, why="no such method")
        found = self._checks.health(call.message)
        return Reply(NOT_FOUND, why="no such service") if found is None else Reply(OK, found)

    async def answer(self, call: Call) -> Reply:
        """The answer to a check that has to wait for something."""
        seconds = self._door.seconds if call.seconds is None else min(self._door.seconds, call.seconds)
        try:
            async with asyncio.timeout(seconds):
                return Reply(OK, await self._serve(self._checks.check(call.message)))
        except (UnavailableError, TimeoutError):
            return UNDECIDED

    def _may_ask(self, peer: Any) -> bool:
        """Whether a peer may ask; who may open a Unix socket may."""
        if self._address.is_unix:
            return True
        return isinstance(peer, tuple) and self._peers.judge(str(ip_address(peer[0].partition("%")[0])))[1]
