"""One request of a client and its answer: uvicorn's, which leaves in fewer pieces and says when it was made."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from iam_guard.gateway.head import Head, HeadWriter

#: Bodies up to this size are copied behind their heads; longer ones are cheaper to write by themselves.
_COPIED = 65_536


class GatewayCycle(RequestResponseCycle):
    """One request and its answer.

    The head waits for the first part of the body, and both are written together; when no part comes in the same turn
    of the event loop, the head leaves by itself.

    Parts of the body of the request are handed on as they came; uvicorn would copy each of them twice.

    Attributes:
        heads: Writes heads.
        waiting: Bytes of the body that nobody has taken.
    """

    heads: HeadWriter
    waiting = 0
    _head = b""
    _parts: list[bytes] | None = None

    def put(self, part: bytes) -> None:
        """Add a part of the body of the request."""
        if self._parts is None:
            self._parts = []
        self._parts.append(part)
        self.waiting += len(part)
        self.message_event.set()

    async def receive(self) -> Any:
        """The next message for the application."""
        message = await super().receive()
        if message["type"] == "http.request" and (parts := self._parts):
            message["body"] = parts[0] if len(parts) == 1 else b"".join(parts)
            self._parts, self.waiting = None, 0
        return message

    async def send(self, message: Any) -> None:
        """Send one message of the application."""
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.response_started:
            await self._start(message)
        elif kind == "http.response.body" and self.response_started and not self.response_complete:
            self._pass(message.get("body", b""), message.get("more_body", False))
        else:
            await super().send(message)  # says what is wrong with it

    async def _start(self, message: Any) -> None:
        fields = message.get("headers") or ()
        head = self.heads.write(message["status"], fields, bodiless=self.scope["method"] == "HEAD",
                                last=not self.keep_alive)
        if head is None:
            dated: Any = {**message, "headers": self.heads.dated(fields)}
            await super().send(dated)
            self.heads.learn(dated["headers"])
        else:
            self._hold(head)

    def _hold(self, head: Head) -> None:
        self.response_started = True
        self.waiting_for_100_continue = False
        self.chunked_encoding = head.length is None
        self.expected_content_length = head.length or 0
        self._head = head.text
        asyncio.get_running_loop().call_soon(self._let_go)

    def _let_go(self) -> None:
        """Write the head, if it still waits."""
        if self._head and not self.disconnected:
            head, self._head = self._head, b""
            self.transport.write(head)

    def _pass(self, body: bytes, more: bool) -> None:
        """Write a part of the body, behind the head if that still waits."""
        data = self._framed(body, more)
        head, self._head = self._head, b""
        if len(data) > _COPIED and head:
            self.transport.writelines((head, data))
        elif head or data:
            self.transport.write(head + data)
        if not more:
            self._complete()

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self.chunked_encoding and self.scope["method"] != "HEAD":
            end = b"" if more else self._end_of_chunks()
            return b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end
        if self.scope["method"] == "HEAD":
            self.expected_content_length = 0
            return b""
        self.expected_content_length -= len(body)
        if self.expected_content_length < 0 or (self.expected_content_length and not more):
            raise RuntimeError("the body is not as long as its Content-Length says")  # ends the connection
        return body

    def _end_of_chunks(self) -> bytes:
        return b"0\r\n\r\n"

    def _complete(self) -> None:
        self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
