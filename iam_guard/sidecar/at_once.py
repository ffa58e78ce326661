"""Answers requests at once, in the moment in which their last byte arrives: no task, no scope, one write.

A program that asks the same way again and again sends the same head over a connection that it keeps. What such bytes
mean does not change, so a head that was read and answered once by the ordinary way of the server need not be read again
as long as the application remembers it. That is the whole of this: the application is shown the head and the body, and
answers, or says that the ordinary way has to. Whatever is not a whole request with a body of a told length, alone on a
quiet connection, goes there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from iam_guard.asgi.admissions import HEAD_KEY
from iam_guard.sidecar.prompt import PromptProtocol

Fields = list[tuple[bytes, bytes]]
#: Given the name of a head, a body and the ``X-Request-ID``: status, headers and body; or nothing, for the usual way.
AtOnce = Callable[[Hashable, bytes, bytes | None], tuple[int, Fields, bytes] | None]

_END = b"\r\n\r\n"
#: Two fields whose values differ from request to request and say nothing of the caller; whatever else is in them than
#: a plain word stays where it is, and makes the head another one.
_VARYING = re.compile(rb"(\r\n(?:[Cc]ontent-[Ll]ength|[Xx]-[Rr]equest-[Ii][Dd]): )([!-~]{1,256})(?=\r\n)")
_NAMES = re.compile(rb"\r\n(?:content-length|x-request-id)[ \t]*:", re.IGNORECASE)
#: Values that stand on several lines, and lines that end unusually, are not read here.
_UNUSUAL = re.compile(rb"\r\n[ \t]|(?<!\r)\n|\r(?!\n)")
_LONGEST_HEAD, _LONGEST_NUMBER = 32 * 1024, 8


class Whole(NamedTuple):
    """A whole request, as far as it can be told without reading it.

    Attributes:
        head: Everything in front of the body except two values, of which the lengths are here.
        body: The body.
        request_id: ``X-Request-ID``.
    """

    head: tuple[object, ...]
    body: bytes
    request_id: bytes | None


def whole_request(data: bytes) -> Whole | None:
    """Take *data* for one request with a body of a told length; ``None`` when it cannot be just that."""
    end = data.find(_END) + 2
    if not 2 <= end <= _LONGEST_HEAD:
        return None
    parts = _VARYING.split(data[:end])
    values = parts[2::3]
    length = request_id = None
    for name, value in zip(parts[1::3], values, strict=True):
        if name[2] in b"cC" and length is None:
            length = value
        elif name[2] in b"xX" and request_id is None:
            request_id = value
        else:
            return None  # twice
    if length is None or not length.isdigit() or len(length) > _LONGEST_NUMBER or int(length) != len(data) - end - 2:
        return None
    del parts[2::3]
    return Whole((*parts, *map(len, values)), data[end + 2:], request_id)


def is_usual(data: bytes, asked: Whole) -> bool:
    """Whether a head is written the way in which :func:`whole_request` understands everything that varies in it."""
    end = len(data) - len(asked.body)
    return not _UNUSUAL.search(data, 0, end) and len(_NAMES.findall(data, 0, end)) == 1 + (asked.request_id is not None)


class AtOnceProtocol(PromptProtocol):
    """uvicorn's protocol for an application that has a method ``at_once``, see :data:`AtOnce`."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._at_once: AtOnce | None = getattr(self.app, "at_once", None)
        if self.config.access_log or self.limit_concurrency is not None or self.root_path:
            self._at_once = None  # kept by the ordinary way alone
        self._is_between = True
        self._peer = ""
        self._before: tuple[bytes, int, Whole | None] = (b"", 0, None)
        self._head: Hashable = None
        self._last_answer = 0.0
        self._rendered: tuple[object, bytes] = (None, b"")

    def connection_made(self, transport: Any) -> None:
        """Begin a connection. On one with TLS the peer may say more of itself than its bytes do."""
        super().connection_made(transport)
        if self.scheme != "http":
            self._at_once = None
        self._peer = self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        """Answer a whole request at once, or pass *data* on."""
        self._head = None
        if self._at_once is not None and self._is_quiet() and (asked := self._whole(data)) is not None:
            answer = self._at_once(asked.head, asked.body, asked.request_id)
            if answer is not None:
                self._write(*answer)
                return
            if is_usual(data, asked):
                self._head = asked.head
        super().data_received(data)

    def _whole(self, data: bytes) -> Whole | None:
        """See :func:`whole_request`; a head is often the same to the byte as the one before on its connection."""
        before, size, found = self._before
        if found is not None and len(data) == size and data.startswith(before):
            return Whole(found.head, data[len(before):], found.request_id)
        found = whole_request(data)
        if found is not None:
            found = Whole((self._peer, *found.head), found.body, found.request_id)
            self._before = (data[:len(data) - len(found.body)], len(data), found._replace(body=b""))
        return found

    def _is_quiet(self) -> bool:
        """Whether nothing is under way: the next byte begins a request, and the one before is answered."""
        return (self._is_between and (self.cycle is None or self.cycle.response_complete)
                and not self.flow.write_paused and not self.transport.is_closing())

    def on_message_begin(self) -> None:
        """See uvicorn."""
        self._is_between = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """See uvicorn; the application learns how the same head will be called."""
        if self.parser.should_upgrade():
            self._at_once = None  # what follows may be another protocol
        elif (self._head is not None and self.parser.get_http_version() == "1.1" and self.parser.should_keep_alive()
              and not self.expect_100_continue):
            self.scope["extensions"] = {HEAD_KEY: {"name": self._head}}
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """See uvicorn."""
        self._is_between = True
        super().on_message_complete()

    def _write(self, status: int, headers: Fields, body: bytes) -> None:
        """Write an answer and account for it as the ordinary way does."""
        told = b"".join([b"%b: %b\r\n" % field for field in headers])
        self.transport.write(b"%b%b%b\r\n%b" % (STATUS_LINE[status], self._defaults(), told, body))
        self.server_state.total_requests += 1
        self._last_answer = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive,
                                                                self.timeout_keep_alive_handler)

    def _defaults(self) -> bytes:
        """The headers that the server adds; a new list once in a second."""
        fields = self.server_state.default_headers
        if self._rendered[0] is not fields:
            self._rendered = (fields, b"".join([b"%b: %b\r\n" % field for field in fields]))
        return self._rendered[1]

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection that was quiet for so long; one that was answered at once since then has time left."""
        left = self._last_answer + self.timeout_keep_alive - self.loop.time()
        if left <= 0 or self.transport.is_closing():
            super().timeout_keep_alive_handler()
        else:
            self.timeout_keep_alive_task = self.loop.call_later(left, self.timeout_keep_alive_handler)
