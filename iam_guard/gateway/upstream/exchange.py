"""One HTTP request, from an ASGI server to an upstream server, and its answer back.

Nothing is collected: parts of the body pass in both directions as they come, and whichever side is slow slows the
other. Most exchanges are over within milliseconds and are nothing but this; others get a :class:`Watch`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from iam_guard.asgi.types import Message, Receive, Scope, Send
from iam_guard.gateway.upstream.answer import CHUNKED, Answer
from iam_guard.gateway.upstream.connection import Connection
from iam_guard.gateway.upstream.errors import (
    ClientGoneError,
    ClientStalledError,
    UnsendableError,
    UpstreamBrokenError,
    UpstreamError,
)
from iam_guard.gateway.upstream.pool import Pool
from iam_guard.gateway.upstream.request import RequestHead
from iam_guard.gateway.upstream.settings import ServerSettings
from iam_guard.gateway.upstream.watch import Watch

_TRAILERS = "http.response.trailers"
_SHORT = frozenset({"GET", "HEAD", "OPTIONS", "DELETE"})


class Exchange:
    """One exchange.

    Args:
        settings: Of the server.
        pool: Its connections.
        head: Of the request.
        scope: Of the client's connection.
        receive: Of the client's connection.
        send: Of the client's connection.

    Attributes:
        answer: Of the server.
        task: The one that runs this, where somebody may have to wake it.
        since: When the exchange began, on the clock of the event loop.
        telling: A message for the client is under way.
        cut: The client is too slow, and the task was cancelled for that.
        client_error: What was raised by whatever checks the body on its way.
    """

    # What most exchanges never change costs nothing as long as it stands here.
    task: asyncio.Task[Any] | None = None
    watch: Watch | None = None
    asking = False
    telling = False
    cut = False
    client_error: Exception | None = None
    _started = False
    _length = 0

    def __init__(self, settings: ServerSettings, pool: Pool, head: RequestHead, scope: Scope, receive: Receive,
                 send: Send) -> None:
        self.settings = settings
        self.pool = pool
        self.head = head
        self.receive = receive
        self._scope = scope
        self._send = send
        self.answer = Answer(bodiless=head.method == "HEAD")
        self.since = self.answer.active = pool.clock()

    async def run(self) -> None:
        """Forward the request and pass the answer on.

        Raises:
            UpstreamError: it failed; the error says how far it had come.
        """
        self.pool.lookout.add(self)
        if self.head.method not in _SHORT:
            self.task = asyncio.current_task()
        first: Message = {"type": "http.disconnect"}
        try:
            first = await self.receive()
            self.asking = True
            if self.watch is not None and not first.get("more_body"):
                self.watch.wait_for_leaving()
            await self._ask(first)
            await self._pass_on(self.answer)
        except UpstreamError as error:
            if self.client_error is not None:
                raise self.client_error from None
            error.started = self._started
            error.receive = receive_again(first, self.receive)
            raise
        except asyncio.CancelledError:
            if not self.cut or self.task is None:
                raise
            self.task.uncancel()
            raise self._stalled() from None
        finally:
            self._let_go()

    # Asking.

    async def _ask(self, first: Message) -> None:
        if first["type"] == "http.disconnect":
            raise ClientGoneError("the client left before its request was forwarded", untouched=True)
        body, more = first.get("body", b""), first.get("more_body", False)
        head = self.head.streamed() if more else self.head.whole(body)
        repeatable = self.head.repeatable and self.settings.retry and not body and not more
        while True:
            connection = self.pool.take(self.answer, careful=not repeatable) or await self._brought()
            again = repeatable and connection.used > 0
            self._write(connection, head, body, more)
            try:
                while not self.answer.status:
                    await self.answer.changed()
                return
            except UpstreamBrokenError:
                if not again or connection.heard:
                    raise
            self.answer = Answer(bodiless=self.answer.bodiless)
            self.answer.active = self.pool.clock()

    async def _brought(self) -> Connection:
        """Wait for a connection that is still one when it comes."""
        answer = self.answer
        while True:
            await answer.changed()
            connection = answer.connection
            if connection is not None and not connection.transport.is_closing():
                return connection
            if connection is not None:
                answer.connection = None
                if (connection := self.pool.take(answer, careful=True)) is not None:
                    return connection

    def _write(self, connection: Connection, head: bytes, body: bytes, more: bool) -> None:
        if not more:
            connection.ask(self.answer, head, body)
            return
        connection.ask(self.answer, head, self.framed(body), more=True)
        self.watch = self.watch or Watch(self)
        self.watch.send_rest(connection)

    def framed(self, body: bytes, *, last: bool = False) -> bytes:
        """A part of the body as it stands on the wire.

        Raises:
            UnsendableError: there is more or less of it than was said.
        """
        self._length += len(body)
        said = self.head.length
        if said is None:
            framed = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return framed + b"0\r\n\r\n" if last else framed
        if self._length > said or (last and self._length < said):
            raise UnsendableError("the body is not as long as its Content-Length says")
        return body

    # Answering.

    async def _pass_on(self, answer: Answer) -> None:
        trailers = answer.length == CHUNKED and _TRAILERS in (self._scope.get("extensions") or ())
        start: Message = {"type": "http.response.start", "status": answer.status, "headers": answer.fields}
        if trailers:
            start["trailers"] = True
        self._started = True
        await self._send(start)
        while not answer.complete:
            if answer.size:
                await self._tell(answer.take())
            else:
                await answer.changed()
        await self._send({"type": "http.response.body", "body": answer.take(), "more_body": False})
        if trailers:
            await self._tell_trailers(answer.trailers)

    async def _tell(self, part: bytes) -> None:
        """Send a part of the answer; a client that takes none for too long is cut off."""
        if self.task is None:
            self.task = asyncio.current_task()
        self.telling = True
        await self._send({"type": "http.response.body", "body": part, "more_body": True})
        self.telling = False
        self.answer.active = self.pool.clock()

    async def _tell_trailers(self, fields: Sequence[tuple[bytes, bytes]]) -> None:
        await self._send({"type": "http.response.trailers", "headers": fields})

    # Ending.

    def look_after(self) -> None:
        """Have the exchange watched, because it takes its time."""
        self.watch = self.watch or Watch(self)
        if self.asking and not self.watch.running:
            self.watch.wait_for_leaving()
        self.watch.keep_time()

    def _stalled(self) -> ClientStalledError:
        stalled = ClientStalledError("the client does not send its request, or does not take its answer")
        stalled.started = self._started
        return stalled

    def _let_go(self) -> None:
        """Leave nothing behind, however the exchange ended."""
        self.pool.lookout.remove(self)
        if self.watch is not None:
            self.watch.stop()
        answer = self.answer
        connection = answer.connection
        if connection is None:
            self.pool.forget(answer)
        elif connection.last is answer:
            if connection.answer is answer or connection.sending:
                connection.abort()
        elif not answer.asked and not connection.transport.is_closing():
            self.pool.give_back(connection)  # brought, and not used


def receive_again(first: Message, receive: Receive) -> Receive:
    """Receive *first* once more, then what comes."""
    held = [first]

    async def again() -> Message:
        return held.pop() if held else await receive()

    return again
