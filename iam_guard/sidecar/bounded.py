"""uvicorn's protocol, with bounds that it lacks, and without mixing up what belongs to different requests."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from iam_guard.asgi.serving import NEWCOMER_SECONDS

#: Requests that a caller may send before it has the answers to those in front of them.
_MOST_WAITING = 100
#: Seconds in which a call that has begun to arrive has to be there; its caller is a program nearby.
ARRIVAL_SECONDS = 30.0
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._in_head = False
        self._late: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        """See uvicorn."""
        self._in_time()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See uvicorn; what has begun to arrive has to arrive in time (threat F06)."""
        super().data_received(data)
        if self._in_head or (self.cycle is not None and self.cycle.more_body):
            if self._late is None:
                self._late = self.loop.call_later(ARRIVAL_SECONDS, self._is_late)
        elif self._late is not None:
            self._in_time()

    def on_message_begin(self) -> None:
        """See uvicorn."""
        self._in_head = True
        if self._late is not None:
            self._in_time()  # each has its own time
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See uvicorn; the header is complete, whatever trailers come (threat H07), and few requests wait (F05)."""
        self._in_head = False
        super().on_headers_complete()
        if len(self.pipeline) > _MOST_WAITING:
            raise ValueError("too many requests wait")  # the parser stops here, and the connection ends
        self.headers = list(self.headers)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, and close; never in the middle of the answer to another one."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            super().send_400_response(msg)
            return
        if cycle.more_body and not cycle.response_started and not self.pipeline:
            super().send_400_response(msg)  # it is the body of the request which is to be answered next
        self.transport.close()
        cycle.disconnected = True  # it says nothing more
        cycle.message_event.set()

    def _in_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _is_late(self) -> None:
        if self._in_head and (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
        self.transport.close()

    def shutdown(self) -> None:
        """See uvicorn; a client that was just accepted is heard first."""
        heard = self.cycle is not None
        if not heard and not self.transport.is_closing():
            self.loop.call_later(NEWCOMER_SECONDS, super().shutdown)
        else:
            super().shutdown()
