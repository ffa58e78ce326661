"""The connections to one server: kept, lent, limited."""

from __future__ import annotations

import asyncio
import select
from collections import deque
from collections.abc import Callable

from iam_guard.gateway.upstream.answer import Answer, AnswerReader
from iam_guard.gateway.upstream.connection import Connection
from iam_guard.gateway.upstream.errors import UpstreamConnectError
from iam_guard.gateway.upstream.settings import ServerSettings
from iam_guard.gateway.upstream.watch import Lookout


class Pool:
    """Lends connections to one server.

    Args:
        settings: Of the server.

    Attributes:
        lookout: Over the exchanges with the server.

    Raises:
        ConfigurationError: its certificates cannot be loaded.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._address = settings.address
        self._tls = settings.tls()
        self._reader = AnswerReader()
        self._idle: deque[Connection] = deque()
        self._open: set[Connection] = set()
        self._waiting: deque[Answer] = deque()
        self._dials: set[asyncio.Task[None]] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._last: asyncio.Future[None] | None = None
        self._clock: Callable[[], float] | None = None
        self._closed = False
        self.lookout = Lookout()

    @property
    def idle(self) -> int:
        """Connections that nobody uses."""
        return len(self._idle)

    @property
    def open(self) -> int:
        """Connections there are."""
        return len(self._open)

    @property
    def full(self) -> bool:
        """No further connection may be made."""
        return len(self._open) + len(self._dials) >= self._settings.max_connections

    @property
    def clock(self) -> Callable[[], float]:
        """The time of the event loop that the connections live in."""
        if self._clock is None:
            self._clock = asyncio.get_running_loop().time
        return self._clock

    def take(self, answer: Answer, *, careful: bool) -> Connection | None:
        """Lend a connection that is free, or have one brought to *answer* as soon as there is one.

        Args:
            answer: Gets the connection, or the reason why there is none.
            careful: The request cannot be sent twice, so look whether the server has closed the connection.
        """
        oldest = self.clock() - self._settings.idle_seconds
        while self._idle:
            connection = self._idle.pop()
            if connection.transport.is_closing():
                continue
            if connection.idle_since >= oldest and not (careful and self._has_news(connection)):
                answer.connection = connection
                return connection
            connection.abort()
        self._waiting.append(answer)
        self._dial()
        return None

    def give_back(self, connection: Connection) -> None:
        """Take back a connection that can be used again."""
        while self._waiting:
            answer = self._waiting.popleft()
            if answer.error is None:
                answer.connection = connection
                answer.wake()
                return
        if self._closed or len(self._idle) >= self._settings.max_idle:
            connection.close()
            return
        connection.idle_since = self.clock()
        self._idle.append(connection)
        if self._sweep is None:
            self._sweep_later()

    def forget(self, answer: Answer) -> None:
        """Bring *answer* nothing any more."""
        if answer in self._waiting:
            self._waiting.remove(answer)

    def close(self) -> None:
        """Close what is free now, and what is in use when it comes back."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        while self._idle:
            self._idle.pop().close()

    async def gone(self) -> None:
        """Wait until every connection has ended, after :meth:`close`."""
        while self._open or self._dials:
            self._last = asyncio.get_running_loop().create_future()
            await self._last

    def abort(self) -> None:
        """End every connection at once."""
        self.close()
        for connection in tuple(self._open):
            connection.abort()

    def _dial(self) -> None:
        if not self.full and len(self._dials) < len(self._waiting):
            dial = asyncio.get_running_loop().create_task(self._connect())
            self._dials.add(dial)
            dial.add_done_callback(self._dialled)

    def _dialled(self, dial: asyncio.Task[None]) -> None:
        self._dials.discard(dial)
        if not dial.cancelled() and (error := dial.exception()) is not None:
            self._fail_next(error)
        self._dial()
        self._tell_last()

    def _fail_next(self, error: BaseException) -> None:
        while self._waiting:
            answer = self._waiting.popleft()
            if answer.error is None:
                why = str(error) or type(error).__name__
                answer.fail(UpstreamConnectError(f"no connection to '{self._settings.url}': {why}", untouched=True))
                return

    async def _connect(self) -> None:
        loop, address = asyncio.get_running_loop(), self._address
        async with asyncio.timeout(self._settings.connect_seconds):
            if address.path:
                _, connection = await loop.create_unix_connection(self._make, address.path)
            else:
                name = (self._settings.server_name or address.host) if self._tls else None
                _, connection = await loop.create_connection(self._make, address.host, address.port, ssl=self._tls,
                                                             server_hostname=name)
        self._open.add(connection)
        self.give_back(connection)

    def _make(self) -> Connection:
        return Connection(self._reader, self._settings.max_head_bytes, self.give_back, self._lost)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if self._waiting:
            self._dial()
        self._tell_last()

    def _tell_last(self) -> None:
        if self._last is not None and not self._last.done() and not self._open and not self._dials:
            self._last.set_result(None)

    def _sweep_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._sweep = loop.call_later(self._settings.idle_seconds / 2, self._sweep_now)

    def _sweep_now(self) -> None:
        """Close what was free for too long."""
        self._sweep = None
        oldest = asyncio.get_running_loop().time() - self._settings.idle_seconds
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().close()
        if self._idle:
            self._sweep_later()

    def _has_news(self, connection: Connection) -> bool:
        """Whether the server has sent or closed something that the event loop has not looked at yet.

        TLS may have something to say at any time, so nothing follows from it there.
        """
        if self._tls is not None or not hasattr(select, "poll"):
            return False
        look = select.poll()
        look.register(connection.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(look.poll(0))
