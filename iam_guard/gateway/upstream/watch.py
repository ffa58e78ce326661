"""The watch over an exchange that takes its time.

It sends the rest of a long request, notices that the client has left, and ends an exchange in which nothing moves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import takewhile
from typing import TYPE_CHECKING

from iam_guard.gateway.upstream.connection import Connection
from iam_guard.gateway.upstream.errors import (
    ClientGoneError,
    ClientStalledError,
    UpstreamBusyError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
)

if TYPE_CHECKING:
    from iam_guard.gateway.upstream.exchange import Exchange

#: Seconds after which an exchange is watched; few ever are.
WATCHED_AFTER = 0.05


class Watch:
    """Over one exchange.

    Args:
        exchange: The exchange.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._receiving = False
        settings = exchange.settings
        # Not the patience of the moment: what comes next may have less of it.
        self._shortest = min(settings.pool_seconds, settings.connect_seconds, settings.head_seconds,
                             settings.stall_seconds)

    @property
    def running(self) -> bool:
        """Whether the client is being listened to."""
        return self._task is not None

    def send_rest(self, connection: Connection) -> None:
        """Send what follows of the body, then wait for the client's leaving."""
        self._start(self._send_rest(connection))

    def wait_for_leaving(self) -> None:
        """Free the server as soon as the client leaves."""
        self._start(self._until_gone())

    def stop(self) -> None:
        """The exchange is over."""
        if self._task is not None:
            self._task.cancel()
        if self._timer is not None:
            self._timer.cancel()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        self._task = self._loop.create_task(work)

    async def _send_rest(self, connection: Connection) -> None:
        exchange, answer = self._exchange, self._exchange.answer
        try:
            more = True
            while more:
                await connection.room()
                self._receiving = True
                message = await exchange.receive()
                self._receiving = False
                if message["type"] == "http.disconnect":
                    self._gone()
                    return
                more = message.get("more_body", False)
                framed = exchange.framed(message.get("body", b""), last=not more)
                if not connection.transport.is_closing():
                    connection.write(framed)
                    answer.active = self._loop.time()
            connection.sent()
        except UpstreamError as error:
            self._fail(error)
        except Exception as error:  # of what checks the body on its way: the server must never see its end
            exchange.client_error = error
            self._fail(ClientGoneError("the rest of the request is refused"))
        else:
            await self._until_gone()

    async def _until_gone(self) -> None:
        try:
            message = await self._exchange.receive()
        except Exception as error:
            self._exchange.client_error = error
            self._gone()
            return
        if message["type"] == "http.disconnect":
            self._gone()

    def _gone(self) -> None:
        self._fail(ClientGoneError("the client left before the end of the answer"))

    def _fail(self, error: UpstreamError) -> None:
        """End the exchange and free the server at once; not when its connection serves somebody else already."""
        answer = self._exchange.answer
        answer.fail(error)
        if answer.connection is not None and answer.connection.answer is answer:
            answer.connection.abort()

    # Time.

    def keep_time(self) -> None:
        """End the exchange when nothing has moved for too long, or look again later."""
        exchange = self._exchange
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        left = self._patience() - (self._loop.time() - exchange.answer.active)
        if left > 0:
            self._timer = self._loop.call_later(min(left, self._shortest), self.keep_time)
            return
        if (exchange.telling or not exchange.asking) and exchange.task is not None:
            exchange.cut = True
            exchange.task.cancel()
        else:
            self._fail(self._lateness())

    def _patience(self) -> float:
        exchange, settings = self._exchange, self._exchange.settings
        connection = exchange.answer.connection
        if not exchange.asking:
            return settings.stall_seconds
        if connection is None:
            return settings.pool_seconds if exchange.pool.full else settings.connect_seconds + 1
        return settings.stall_seconds if exchange.answer.status or connection.sending else settings.head_seconds

    def _lateness(self) -> UpstreamError:
        url, connection = self._exchange.settings.url, self._exchange.answer.connection
        if not self._exchange.asking:
            return ClientStalledError("the client does not send its request", untouched=True)
        if connection is None and self._exchange.pool.full:
            return UpstreamBusyError(f"all connections to '{url}' are in use", untouched=True)
        if connection is None:
            return UpstreamConnectError(f"no connection to '{url}' in time", untouched=True)
        if self._receiving and connection.sending:
            return ClientStalledError("the client does not send the rest of its request")
        return UpstreamTimeoutError(f"'{url}' was silent for too long")


class Lookout:
    """Sees which exchanges take their time, with one timer for all of them: a timer each would cost more."""

    def __init__(self) -> None:
        # In the order in which they began. Those that are over are not kept, lest all that they hold lives longer.
        self._young: dict[Exchange, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, exchange: Exchange) -> None:
        """Look at an exchange a little later."""
        self._young[exchange] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(WATCHED_AFTER, self._look)

    def remove(self, exchange: Exchange) -> None:
        """An exchange is over."""
        self._young.pop(exchange, None)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        grown = loop.time() - WATCHED_AFTER
        for exchange in list(takewhile(lambda one: one.since <= grown, self._young)):
            del self._young[exchange]
            exchange.look_after()
        self._timer = loop.call_later(WATCHED_AFTER, self._look) if self._young else None
