"""One HTTP request, from an ASGI server to an upstream server, and its answer back.

Nothing is collected: parts of the body pass in both directions as they come, and whichever side is slow slows the
other. Most exchanges are over within milliseconds and need no task of their own; one that is not gets a watch, which
sends the rest of the body, notices that the client has left, and keeps the time.
"""

from __future__ import annotations

import asyncio
from typing import Any

from iam_guard.asgi.types import Message, Receive, Scope, Send
from iam_guard.gateway.upstream.answer import Answer
from iam_guard.gateway.upstream.connection import Connection
from iam_guard.gateway.upstream.errors import (
    ClientGoneError,
    ClientStalledError,
    UnsendableError,
    UpstreamBrokenError,
    UpstreamBusyError,
    UpstreamConnectError,
    UpstreamError,
    UpstreamTimeoutError,
)
from iam_guard.gateway.upstream.pool import Pool
from iam_guard.gateway.upstream.request import RequestHead
from iam_guard.gateway.upstream.settings import ServerSettings

#: Seconds after which an exchange is watched; few ever are.
_WATCHED_AFTER = 0.05
_TRAILERS = "http.response.trailers"


class Exchange:
    """One exchange.

    Args:
        settings: Of the server.
        pool: Its connections.
        head: Of the request.
        scope: Of the client's connection.
        receive: Of the client's connection.
        send: Of the client's connection.
    """

    __slots__ = ("_answer", "_client_error", "_clock", "_cut", "_head", "_length", "_pool", "_receive", "_scope",
                 "_send", "_settings", "_slow", "_started", "_task", "_timer", "_to_client", "_to_receive", "_watch")

    def __init__(self, settings: ServerSettings, pool: Pool, head: RequestHead, scope: Scope, receive: Receive,
                 send: Send) -> None:
        self._settings = settings
        self._pool = pool
        self._head = head
        self._scope = scope
        self._receive = receive
        self._send = send
        self._answer = Answer(bodiless=head.method == "HEAD")
        self._started = False
        self._watch: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._client_error: Exception | None = None
        self._to_client = self._to_receive = self._cut = self._slow = False
        self._length = 0

    async def run(self) -> None:
        """Forward the request and pass the answer on.

        Raises:
            UpstreamError: it failed; the error says how far it had come.
        """
        loop = asyncio.get_running_loop()
        self._clock = loop.time
        self._answer.active = loop.time()
        self._task = asyncio.current_task()
        self._timer = loop.call_later(_WATCHED_AFTER, self._grow_slow)
        try:
            self._to_receive = True
            first = await self._receive()
            self._to_receive = False
            await self._forward(first)
        except UpstreamError as error:
            if self._client_error is not None:
                raise self._client_error from None
            error.started = self._started
            error.receive = _again(first, self._receive)
            raise
        except asyncio.CancelledError:
            if not self._cut or self._task is None:
                raise
            self._task.uncancel()
            stalled = ClientStalledError("the client does not send its request, or does not take its answer")
            stalled.started = self._started
            raise stalled from None
        finally:
            self._let_go()

    async def _forward(self, first: Message) -> None:
        if first["type"] == "http.disconnect":
            raise ClientGoneError("the client left before its request was forwarded", untouched=True)
        body, more = first.get("body", b""), first.get("more_body", False)
        head = self._head.streamed() if more else self._head.whole(body)
        if self._slow and not more:
            self._watch = asyncio.get_running_loop().create_task(self._until_gone())
        await self._ask(head, body, more)
        await self._pass_on(self._answer)

    # Asking.

    async def _ask(self, head: bytes, body: bytes, more: bool) -> None:
        repeatable = self._settings.retry and self._head.repeatable and not body and not more
        while True:
            connection = await self._connection(careful=not repeatable)
            again = repeatable and connection.used > 0
            self._write(connection, head, body, more)
            try:
                while not self._answer.status:
                    await self._answer.changed()
                return
            except UpstreamBrokenError:
                if not again or self._answer.status or connection.heard:
                    raise
            self._answer = Answer(bodiless=self._head.method == "HEAD")

    async def _connection(self, *, careful: bool) -> Connection:
        while True:
            answer = self._answer
            answer.active = self._clock()
            connection = self._pool.take(answer, careful=careful)
            while connection is None:
                await answer.changed()
                connection = answer.connection
            if not connection.transport.is_closing():
                return connection
            answer.connection = None

    def _write(self, connection: Connection, head: bytes, body: bytes, more: bool) -> None:
        if not more:
            connection.ask(self._answer, head, body)
            return
        connection.ask(self._answer, head, self._framed(body), more=True)
        self._watch = asyncio.get_running_loop().create_task(self._send_rest(connection))

    def _framed(self, body: bytes, last: bool = False) -> bytes:
        """A part of the body as it stands on the wire."""
        self._length += len(body)
        said = self._head.length
        if said is None:
            framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return framed + b"0\r\n\r\n" if last else framed
        if self._length > said or (last and self._length < said):
            raise UnsendableError("the body is not as long as its Content-Length says")
        return body

    # Answering.

    async def _pass_on(self, answer: Answer) -> None:
        trailers = answer.length == -1 and _TRAILERS in (self._scope.get("extensions") or ())
        start: Message = {"type": "http.response.start", "status": answer.status, "headers": answer.fields}
        if trailers:
            start["trailers"] = True
        self._started = True
        await self._tell(start)
        while True:
            if answer.size or answer.complete:
                part, last = answer.take(), answer.complete
                await self._tell({"type": "http.response.body", "body": part, "more_body": not last})
                if last:
                    break
            else:
                await answer.changed()
        if trailers:
            await self._tell({"type": "http.response.trailers", "headers": answer.trailers})

    async def _tell(self, message: Message) -> None:
        self._to_client = True
        await self._send(message)
        self._to_client = False
        self._answer.active = self._clock()

    # Watching.

    def _grow_slow(self) -> None:
        """The exchange takes its time: see whether the client is still there, and keep the clock."""
        self._slow = True
        if self._watch is None and not self._to_receive:
            self._watch = asyncio.get_running_loop().create_task(self._until_gone())
        self._check_time()

    async def _send_rest(self, connection: Connection) -> None:
        """Send what follows of the body, then watch for the client's leaving."""
        answer = self._answer
        try:
            more = True
            while more:
                await connection.room()
                self._to_receive = True
                message = await self._receive()
                self._to_receive = False
                if message["type"] == "http.disconnect":
                    self._gone(connection)
                    return
                more = message.get("more_body", False)
                if answer.connection is connection and not connection.transport.is_closing():
                    connection.write(self._framed(message.get("body", b""), not more))
                    answer.active = self._clock()
            connection.sent()
        except UpstreamError as error:
            answer.fail(error)
            self._drop(connection)
            return
        except Exception as error:  # of what checks the body on its way: the server must never see its end
            self._client_error = error
            answer.fail(ClientGoneError("the rest of the request is refused"))
            self._drop(connection)
            return
        await self._until_gone()

    async def _until_gone(self) -> None:
        """Watch for the client's leaving."""
        try:
            message = await self._receive()
        except Exception as error:
            self._client_error = error
            message = {"type": "http.disconnect"}
        if message["type"] == "http.disconnect":
            self._gone(self._answer.connection)

    def _gone(self, connection: Connection | None) -> None:
        self._answer.fail(ClientGoneError("the client left before the end of the answer"))
        self._drop(connection)

    def _drop(self, connection: Connection | None) -> None:
        """Free the server at once; not when the connection serves somebody else already."""
        if connection is not None and connection.answer is self._answer:
            connection.abort()

    def _check_time(self) -> None:
        """End an exchange in which nothing has moved for too long, or look again later."""
        left = self._patience() - (self._clock() - self._answer.active)
        if left > 0:
            self._timer = asyncio.get_running_loop().call_later(left, self._check_time)
            return
        self._timer = None
        first = self._to_receive and self._watch is None
        if (first or self._to_client) and self._task is not None:
            self._cut = True
            self._task.cancel()
            return
        self._answer.fail(self._lateness())
        self._drop(self._answer.connection)

    def _patience(self) -> float:
        answer, settings = self._answer, self._settings
        if self._to_receive and self._watch is None:
            return settings.stall_seconds
        if answer.connection is None:
            return settings.pool_seconds if self._pool.full else settings.connect_seconds + 1
        waits_for_head = not answer.status and not answer.connection.sending
        return settings.head_seconds if waits_for_head else settings.stall_seconds

    def _lateness(self) -> UpstreamError:
        url, answer = self._settings.url, self._answer
        if answer.connection is None and self._pool.full:
            return UpstreamBusyError(f"all connections to '{url}' are in use", untouched=True)
        if answer.connection is None:
            return UpstreamConnectError(f"no connection to '{url}' in time", untouched=True)
        if self._to_receive and answer.connection.sending:
            return ClientStalledError("the client does not send the rest of its request")
        return UpstreamTimeoutError(f"'{url}' was silent for too long")

    def _let_go(self) -> None:
        """Leave nothing behind, however the exchange ended."""
        if self._timer is not None:
            self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()
        answer = self._answer
        connection = answer.connection
        if connection is None:
            self._pool.forget(answer)
        elif connection.answer is answer or (answer.complete and connection.sending and connection.last is answer):
            connection.abort()
        elif not answer.asked and not connection.transport.is_closing():
            self._pool.give_back(connection)  # brought, and not used
        self._task = None


def _again(first: Message, receive: Receive) -> Receive:
    """Receive *first* once more, then what comes."""
    held = [first]

    async def receive_again() -> Message:
        return held.pop() if held else await receive()

    return receive_again
