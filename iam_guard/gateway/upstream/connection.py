"""One connection to a server: writes a request, reads its answer, then another."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from iam_guard.gateway.upstream.answer import HIGH_WATER, Answer, AnswerReader
from iam_guard.gateway.upstream.errors import UpstreamBrokenError
from iam_guard.gateway.upstream.reading import Reading


class Connection(Reading, asyncio.Protocol):
    """One connection.

    Args:
        reader: Makes heads.
        max_head_bytes: How long one may be.
        freed: Called with the connection when it can take another request.
        lost: Called with the connection when it has ended.

    Attributes:
        transport: Of asyncio.
        answer: What is being read; ``None`` when nothing is.
        last: What was read last, or is being read.
        heard: A byte of the answer has come.
        used: How many requests it has taken.
        sending: The request is not yet written to its end.
        idle_since: When it became free, on the clock of the event loop.
    """

    transport: asyncio.Transport

    def __init__(self, reader: AnswerReader, max_head_bytes: int, freed: Callable[[Connection], None],
                 lost: Callable[[Connection], None]) -> None:
        super().__init__(reader, max_head_bytes)
        self._freed = freed
        self._lost = lost
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._room: asyncio.Future[None] | None = None
        self._full = False
        self.last: Answer | None = None
        self.heard = False
        self.used = 0
        self.idle_since = 0.0

    # What the exchange calls.

    def ask(self, answer: Answer, head: bytes, body: bytes = b"", *, more: bool = False) -> None:
        """Write a request and read its answer into *answer*; *more* of the body follows."""
        self.answer = self.last = answer
        answer.connection = self
        answer.asked = True
        self.heard = False
        self.used += 1
        self.sending = more
        self._begin()
        answer.active = self._time()
        if not body:
            self.transport.write(head)
        elif len(body) <= HIGH_WATER:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def write(self, part: bytes) -> None:
        """Write a part of the request."""
        self.transport.write(part)

    async def room(self) -> None:
        """Wait until the server has taken most of what was written.

        Raises:
            UpstreamBrokenError: the connection has ended.
        """
        if self._full:
            self._room = self._loop.create_future()
            await self._room
        if self.transport.is_closing():
            raise UpstreamBrokenError("the server closed the connection")

    def sent(self) -> None:
        """Say that the request is written to its end."""
        self.sending = False
        if self.answer is None:  # the answer was faster
            self._settle()

    def close(self) -> None:
        """End the connection; nothing is lost that was written."""
        self.transport.close()

    def abort(self) -> None:
        """End the connection at once."""
        self._keep = False
        self.transport.abort()

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("socket")
        if peer is not None:  # a machine that lost its power says nothing; the kernel finds out
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        answer = self.answer
        if answer is None:
            self.abort()  # nobody asked for this: what comes next could be taken for the answer to somebody else
            return
        answer.active = self._time()
        self.heard = True
        self._read(answer, data)
        if answer.size > HIGH_WATER and not answer.complete and not self.transport.is_closing():
            self.transport.pause_reading()
            answer.resume = self._resume
        answer.wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self._keep = False
        answer, self.answer = self.answer, None
        if answer is not None:
            if self._uncounted and exc is None:
                answer.complete = True
                answer.wake()
            else:
                answer.fail(UpstreamBrokenError("the server closed the connection before its answer was complete"))
        self.resume_writing()
        self._lost(self)

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._full = True

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self._full = False
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)
        if self.answer is not None:
            self.answer.active = self._time()

    def _resume(self) -> None:
        if not self.transport.is_closing():
            self.transport.resume_reading()

    def _settle(self) -> None:
        """Be free for another request, or end."""
        if self._keep and not self.transport.is_closing():
            self._freed(self)
        else:
            self.transport.close()
