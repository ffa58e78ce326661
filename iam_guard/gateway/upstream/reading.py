"""Reads answers off a connection, one after the other.

httptools reads heads and chunks. A head that was read before is known by its bytes. A body whose length is known, or
that ends with the connection, is not looked into any more: its bytes are counted and handed on as they came.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import httptools

from iam_guard.gateway.upstream.answer import CHUNKED, UNTIL_CLOSED, Answer, AnswerReader
from iam_guard.gateway.upstream.errors import UpstreamBrokenError
from iam_guard.gateway.upstream.fields import Fields

_END = b"\r\n\r\n"
_MOST_INTERIM = 16
_SWITCHED = 101
_VERSIONS = frozenset({"1.0", "1.1"})


class Reading(ABC):
    """What reads; the connection itself is somebody else's matter.

    Args:
        reader: Makes heads.
        max_head_bytes: How long one may be.

    Attributes:
        answer: What is being read; ``None`` when nothing is.
        sending: The request is not yet written to its end.
    """

    def __init__(self, reader: AnswerReader, max_head_bytes: int) -> None:
        self._reader = reader
        self._max_head = max_head_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._raw: Fields = []
        self._head_bytes = 0
        self._interim = 0
        self._left = 0
        self._uncounted = False
        self._keep = False
        self.answer: Answer | None = None
        self.sending = False

    @abstractmethod
    def abort(self) -> None:
        """End the connection at once."""

    @abstractmethod
    def _settle(self) -> None:
        """Be free for another request, or end."""

    def _begin(self) -> None:
        """Be ready for the answer to another request."""
        self._head_bytes = self._interim = self._left = 0
        self._uncounted = self._keep = False
        self._raw = []

    def _read(self, answer: Answer, data: bytes) -> None:
        """Read what has come."""
        if self._uncounted:
            answer.put(data)
        elif self._left:
            self._count(answer, data)
        elif answer.status or self._head_bytes or not self._knows(answer, data):
            self._parse(answer, data)

    def _knows(self, answer: Answer, data: bytes) -> bool:
        """Take an answer whose head was read before; the parser, which is at rest, does not hear of it."""
        end = data.find(_END) + len(_END)
        known = None if answer.bodiless or answer.switches else self._reader.known.get(data[:end])
        if known is None:
            return False
        answer.status, answer.fields, answer.length = known
        self._keep = True
        if len(data) - end == answer.length:
            if answer.length:
                answer.put(data[end:])
            self._complete(answer)
        else:
            self._left = answer.length
            self._count(answer, data[end:])
        return True

    def _remember(self, answer: Answer, data: bytes) -> None:
        """Remember the head that *data* begins with, where it ends where the parser saw its end."""
        end = data.find(_END) + len(_END)
        if len(data) - end == answer.got:
            self._reader.remember(data[:end], answer)

    def _parse(self, answer: Answer, data: bytes) -> None:
        first = not self._head_bytes
        if not answer.status:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
            if not answer.status and self._head_bytes > self._max_head:
                raise UpstreamBrokenError("the head of the server's answer is too long")
        except httptools.HttpParserUpgrade as switch:
            answer.put(data[switch.args[0]:])
        except (httptools.HttpParserError, UpstreamBrokenError) as error:
            self._break(answer, error)
            return
        if first and answer.status and self._keep and not self._interim and not answer.bodiless:
            self._remember(answer, data)
        if answer.status and not answer.complete:
            self._see_the_end(answer)

    def _see_the_end(self, answer: Answer) -> None:
        """The head is read: know how the end of the answer will be recognised."""
        if answer.status == _SWITCHED:
            self._uncounted = True
        elif answer.bodiless or answer.length == 0:
            self._complete(answer, fresh=True)
        elif answer.length == UNTIL_CLOSED:
            self._uncounted = True
        elif answer.length != CHUNKED:
            self._left = answer.length - answer.got

    def _count(self, answer: Answer, data: bytes) -> None:
        if len(data) > self._left:
            answer.put(data[:self._left])
            self._keep = False  # what comes too much could be taken for the answer to somebody else
            self._complete(answer)
            self.abort()
            return
        answer.put(data)
        self._left -= len(data)
        if not self._left:
            self._complete(answer, fresh=True)

    def _complete(self, answer: Answer, *, fresh: bool = False) -> None:
        answer.complete = True
        self.answer = None
        if fresh:  # the parser is left behind in the middle of a message that it did not see the end of
            self._parser = httptools.HttpResponseParser(self)
        if not self.sending:
            self._settle()

    def _break(self, answer: Answer, error: Exception) -> None:
        if answer.bodiless and answer.status:
            answer.complete = True  # what came too much is not passed on
        if not answer.complete:
            cause = error.__context__ if isinstance(error.__context__, UpstreamBrokenError) else error
            detail = cause.detail if isinstance(cause, UpstreamBrokenError) else f"the answer is not HTTP: {cause}"
            answer.fail(UpstreamBrokenError(detail))
        self.answer = None
        self.abort()

    # What httptools calls.

    def on_message_begin(self) -> None:
        """A message begins."""
        if self.answer is None:
            raise UpstreamBrokenError("the server answers what nobody asked")
        self._raw = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head, or of the trailers."""
        self._raw.append((name, value))

    def on_headers_complete(self) -> None:
        """The head is complete."""
        answer = self.answer
        if answer is None:
            return
        raw, self._raw = self._raw, []
        if self._head_bytes > self._max_head and sum(len(n) + len(v) + 4 for n, v in raw) > self._max_head:
            raise UpstreamBrokenError("the head of the server's answer is too long")
        if self._parser.get_http_version() not in _VERSIONS:
            raise UpstreamBrokenError("the server answers in another version of HTTP")
        status = self._parser.get_status_code()
        if 100 <= status < 200 and not (status == _SWITCHED and answer.switches):
            self._see_interim(status)
        else:
            self._keep = self._parser.should_keep_alive()
            self._reader.read(answer, status, raw)

    def _see_interim(self, status: int) -> None:
        self._interim += 1
        if status == _SWITCHED or self._interim > _MOST_INTERIM:
            raise UpstreamBrokenError(f"the server answered with status {status}, which nobody asked for")

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        answer = self.answer
        if answer is None or not answer.status or answer.bodiless:
            raise UpstreamBrokenError("the server sends a body where none can be")
        answer.got += len(body)
        answer.put(body)

    def on_message_complete(self) -> None:
        """The message is complete, as httptools sees it."""
        answer = self.answer
        if answer is None or not answer.status or answer.status == _SWITCHED:
            return
        if self._raw:
            answer.trailers, self._raw = self._reader.trailers(self._raw), []
        if answer.length >= 0 and answer.got != answer.length and not answer.bodiless:
            raise UpstreamBrokenError("the server's answer is not as long as its Content-Length says")
        self._complete(answer)
