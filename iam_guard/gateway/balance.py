"""Which server of an upstream gets a request: one that works, and of those the one with the least to do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from iam_guard.asgi.types import Receive, Scope, Send
from iam_guard.gateway.settings import HealthSettings
from iam_guard.gateway.upstream import UpstreamApp, UpstreamBusyError, UpstreamError

_logger = logging.getLogger("iam_guard")


class Server:
    """One server and what is known of its health.

    Args:
        app: Forwards to it.
        health: When it counts as working.
        clock: Seconds that only ever grow.

    Attributes:
        app: Forwards to it.
        works: Whether it is used.
    """

    def __init__(self, app: UpstreamApp, health: HealthSettings, clock: Callable[[], float]) -> None:
        self.app = app
        self.works = True
        self._health = health
        self._clock = clock
        self._in_a_row = 0
        self._rests_until = 0.0

    @property
    def url(self) -> str:
        """Where it is."""
        return self.app.settings.url

    @property
    def usable(self) -> bool:
        """Whether it gets requests now: it works, or may have recovered and nobody asks it but requests."""
        return self.works or (not self._health.path and self._clock() >= self._rests_until)

    def served(self) -> None:
        """A request was served."""
        if self.works:
            self._in_a_row = 0
        elif not self._health.path:
            self._turn(True)

    def answered(self) -> None:
        """It answered well when it was asked."""
        if self.works:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= self._health.good:
            self._turn(True)

    def failed(self, why: str) -> None:
        """It failed a request, or to answer when it was asked."""
        self._rests_until = self._clock() + self._health.rest_seconds
        if not self.works:
            self._in_a_row = 0
            return
        self._in_a_row += 1
        if self._in_a_row >= self._health.bad:
            self._turn(False, why)

    def _turn(self, works: bool, why: str = "") -> None:
        self.works, self._in_a_row = works, 0
        _logger.warning("the server %s %s", self.url, "works again" if works else f"is not used any more: {why}")


class Balance:
    """The servers of one upstream.

    Args:
        name: Of the upstream.
        servers: At least one.
        credentials: The caller's credentials are passed on.
    """

    def __init__(self, name: str, servers: Iterable[Server], *, credentials: bool = False) -> None:
        self.name = name
        self.servers = tuple(servers)
        self.credentials = credentials
        self._alone = self.servers[0] if len(self.servers) == 1 else None
        self._turns = 0

    @property
    def works(self) -> bool:
        """Whether any server is used."""
        return any(server.usable for server in self.servers)

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward to one server; to another one when no byte of the request has reached the first.

        Raises:
            UpstreamError: no server could be asked, or the one that was asked failed.
        """
        tried: list[Server] = []
        while True:
            server = self._pick(tried)
            tried.append(server)
            try:
                await server.app.forward(scope, receive, send)
            except UpstreamError as error:
                if error.blames_server:
                    server.failed(error.detail)
                if not error.untouched or error.started or not self._left(tried) or not _passing(error):
                    raise
                receive = error.receive or receive
            else:
                server.served()
                return

    def _pick(self, tried: list[Server]) -> Server:
        """The usable server with the least to do; equal ones take turns."""
        if self._alone is not None and self._alone.usable:
            return self._alone
        usable = self._left(tried)
        if not usable:
            raise UpstreamBusyError(f"no server of '{self.name}' works", untouched=True)
        self._turns += 1
        turn = self._turns % len(usable)
        return min((*usable[turn:], *usable[:turn]), key=lambda one: one.app.running)

    def _left(self, tried: list[Server]) -> list[Server]:
        return [server for server in self.servers if server.usable and server not in tried]


def _passing(error: UpstreamError) -> bool:
    """Whether another server may do better: it is no fault of the client."""
    return error.blames_server or isinstance(error, UpstreamBusyError)
