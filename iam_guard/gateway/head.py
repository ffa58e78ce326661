"""Heads of answers to clients, written at once where that is safe, with a date on each (RFC 9110 section 6.6.1)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple

Field = tuple[bytes, bytes]

_COLON = b": ".join
#: What no value may hold: control characters, save the tab.
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_BODILESS = frozenset({204, 304})
#: What says more about the message or the connection than is looked at here.
_UNUSUAL = frozenset({b"connection", b"transfer-encoding", b"upgrade", b"trailer"})
_REMEMBERED = 2048
_STATUS = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus}


class Head(NamedTuple):
    """The head of an answer.

    Attributes:
        text: On the wire.
        length: Of the body; ``None`` for one in chunks.
    """

    text: bytes
    length: int | None


class HeadWriter:
    """Writes heads of answers.

    Args:
        clock: Seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._second = -1
        self._date = b""
        self._known: set[bytes] = {b"date"}

    @property
    def date(self) -> bytes:
        """What ``Date`` says now."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._date = second, formatdate(second, usegmt=True).encode("ascii")
        return self._date

    def write(self, status: int, fields: Sequence[Field], *, bodiless: bool, last: bool) -> Head | None:
        """Write the head of an answer whose names have been seen before, and which is plain in every other way.

        Args:
            status: Of the answer.
            fields: Its header; names in lower case.
            bodiless: No body follows, whatever the header says.
            last: The connection ends with the answer.

        Returns:
            ``None`` for a head that somebody has to look at more closely.
        """
        said = dict(fields)
        line = _STATUS.get(status)
        if line is None or len(said) != len(fields) or not self._known.issuperset(said):
            return None
        told = fields if b"date" in said else [*fields, (b"date", self.date)]
        text = b"\r\n".join(map(_COLON, told))
        if len(text.translate(None, _CONTROLS)) != len(text) - 2 * (len(told) - 1):
            return None
        length = said.get(b"content-length")
        if length is None:
            return self._unmeasured(line, text, last, bodiless or status in _BODILESS)
        if not length.isdigit():
            return None
        end = b"\r\nconnection: close\r\n\r\n" if last else b"\r\n\r\n"
        return Head(line + text + end, 0 if bodiless else int(length))

    def _unmeasured(self, line: bytes, text: bytes, last: bool, bodiless: bool) -> Head:
        more = b"\r\nconnection: close" if last else b""
        if bodiless:
            return Head(b"%b%b%b\r\n\r\n" % (line, text, more), 0)
        return Head(b"%b%b%b\r\ntransfer-encoding: chunked\r\n\r\n" % (line, text, more), None)

    def dated(self, fields: Iterable[Field]) -> list[Field]:
        """The header of an answer that could not be written at once; its names are remembered.

        Args:
            fields: Of any form that a server accepts. Whoever writes them has to check them.
        """
        told = list(fields)
        names = {name for name, _ in told}
        if not any(name.lower() == b"date" for name in names):
            told.append((b"date", self.date))
        return told

    def learn(self, fields: Iterable[Field]) -> None:
        """Remember the names of a header that was checked and written."""
        for name, _ in fields:
            # Names come from strangers: remember no more than a bound.
            if len(self._known) < _REMEMBERED and name == name.lower() and name not in _UNUSUAL:
                self._known.add(name)

    def refusal(self, status: HTTPStatus) -> bytes:
        """A whole answer without a body, after which the connection ends."""
        return b"%bdate: %b\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (_STATUS[status], self.date)
