"""The head of a request, as it is written to a server: the target byte for byte as it was decided about."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from iam_guard.asgi.admissions import HEAD_KEY
from iam_guard.asgi.types import Scope
from iam_guard.engine.memo import Memo
from iam_guard.gateway.upstream.errors import UnsendableError
from iam_guard.gateway.upstream.fields import (
    NAMES_NOTHING,
    Fate,
    Field,
    Fields,
    options,
    request_passage,
    without_named,
)
from iam_guard.gateway.upstream.settings import ServerSettings

#: The key in a scope of a field that follows all others and belongs to one request alone. Where the server names the
#: bytes of the whole head, everything in front of it is written once for each list ``headers``, which nobody changes.
LAST_FIELD = "iam_guard.last_field"
#: Heads that are remembered.
_HEADS = 512
_TARGET = re.compile(rb"/[!-~\x80-\xff]*+")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_USUAL = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_LENGTH = re.compile(rb"[0-9]{1,18}")
_TRAILERS = "http.response.trailers"
_ASK_FOR_TRAILERS = ((b"te", b"trailers"), (b"connection", b"te"))
_COLON = b": ".join
_NO_BODY = frozenset({"GET", "HEAD", "OPTIONS", "DELETE", "TRACE"})


@dataclass(slots=True)
class RequestHead:
    """What is written before a body.

    Attributes:
        method: The method.
        text: Request line and header, without what says how long the body is.
        lines: How many lines these are.
        length: How long the body is said to be; ``None`` when the client did not know.
        repeatable: A second copy would do no harm, as far as the method tells.
    """

    method: str
    text: bytes
    lines: int
    length: int | None
    repeatable: bool

    def whole(self, body: bytes) -> bytes:
        """The head for a body that is known as a whole.

        Raises:
            UnsendableError: the body is not as long as was said, or a field could be read as two.
        """
        size = len(body)
        if self.length is not None and self.length != size:
            raise UnsendableError("the body is not as long as its Content-Length says", untouched=True)
        if size or self.length is not None or self.method not in _NO_BODY:
            return self._closed(b"content-length: %d\r\n\r\n" % size, 2)
        return self._closed(b"\r\n", 1)

    def streamed(self) -> bytes:
        """The head for a body that comes in parts.

        Raises:
            UnsendableError: a field could be read as two.
        """
        if self.length is None:
            return self._closed(b"transfer-encoding: chunked\r\n\r\n", 2)
        return self._closed(b"content-length: %d\r\n\r\n" % self.length, 2)

    def upgrade(self, more: Sequence[bytes]) -> bytes:
        """The head for a handshake.

        Args:
            more: Further lines, each with its end.

        Raises:
            UnsendableError: a field could be read as two.
        """
        return self._closed(b"".join(more) + b"\r\n", len(more) + 1)

    def with_field(self, field: Field) -> RequestHead:
        """The same with one more field at its end."""
        return RequestHead(self.method, b"%b%b: %b\r\n" % (self.text, *field), self.lines + 1, self.length,
                           self.repeatable)

    def _closed(self, end: bytes, more: int) -> bytes:
        head, lines = self.text + end, self.lines + more
        # One look at the whole finds a line end that somebody put into a value (threat H09).
        if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
            raise UnsendableError("a header field holds a line end or NUL", untouched=True)
        return head


class RequestWriter:
    """Writes heads for one server.

    Args:
        settings: Of the server.
        own_headers: Names that the gateway sets itself; a client cannot remove them through ``Connection``.
    """

    def __init__(self, settings: ServerSettings, own_headers: Iterable[str] = ()) -> None:
        self._passage = request_passage()
        self._known: Memo[int, tuple[Fields, RequestHead]] = Memo(_HEADS)
        self._host = settings.host.encode("ascii")
        self._authority = settings.address.authority.encode("ascii")
        self._own = frozenset(name.lower().encode("ascii") for name in own_headers)
        self._via = {version: f"{version} {settings.via}".encode("ascii")
                     for version in ("1.0", "1.1", "2", "2.0", "3")} if settings.via else {}

    def head(self, scope: Scope) -> RequestHead:
        """The head of the request that an ASGI scope of type ``http`` or ``websocket`` describes.

        Raises:
            UnsendableError: the request cannot be written as HTTP/1.1.
        """
        last: Field | None = scope.get(LAST_FIELD)
        if last is None or HEAD_KEY not in (scope.get("extensions") or ()):
            return self._made(scope, last)
        fields: Fields = scope["headers"]
        known = self._known.get(id(fields))
        if known is None or known[0] is not fields:
            known = self._known.keep(id(fields), (fields, self._made(scope)))
        return known[1].with_field(last)

    def _made(self, scope: Scope, last: Field | None = None) -> RequestHead:
        method = scope.get("method", "GET")
        if method not in _USUAL and not _METHOD.fullmatch(method):
            raise UnsendableError("the method is not a token", untouched=True)
        kept, connection, host, length, trailers = self._sorted(scope)
        if connection:
            kept = without_named(kept, connection, self._own)
        if via := self._via.get(scope.get("http_version", "1.1")):
            kept.append((b"via", via))
        if trailers:
            kept += _ASK_FOR_TRAILERS
        if last is not None:
            kept.append(last)
        fields = b"\r\n".join(map(_COLON, ((b"host", host), *kept)))
        text = b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode("ascii"), target(scope), fields)
        return RequestHead(method, text, len(kept) + 2, length, method in ("GET", "HEAD"))

    def _sorted(self, scope: Scope) -> tuple[Fields, list[bytes], bytes, int | None, bool]:
        kept: Fields = []
        connection: list[bytes] = []
        hosts: list[bytes] = []
        lengths: list[bytes] = []
        judge, known, passes = self._passage.judge, self._passage.known.get, Fate.PASSES
        trailers = False
        for sent, value in scope["headers"]:
            name, fate = known(sent) or judge(sent)
            if fate is passes:
                kept.append((name, value))
            elif fate is Fate.CONNECTION:
                if value not in NAMES_NOTHING:
                    connection.append(value)
            elif fate is Fate.REFUSED:
                raise UnsendableError("the name of a header field is not a token", untouched=True)
            elif name == b"host":
                hosts.append(value)
            elif name == b"content-length":
                lengths.append(value)
            elif name == b"te":
                trailers = b"trailers" in options([value]) and _TRAILERS in (scope.get("extensions") or ())
        return kept, connection, self._host_of(hosts), _length(lengths), trailers

    def _host_of(self, hosts: list[bytes]) -> bytes:
        if len(hosts) > 1:
            raise UnsendableError("there are two Host fields", untouched=True)
        return self._host or (hosts[0] if hosts else b"") or self._authority


def target(scope: Scope) -> bytes:
    """The request target, exactly as the guard's path and query are written; nothing is decoded or encoded anew.

    Raises:
        UnsendableError: it would break the request line, or is not a path.
    """
    path: Any = scope.get("raw_path")
    if path is None:
        path = quote(scope["path"], safe="/-_.~!$&'()*+,=:@;").encode("ascii")
    query = scope.get("query_string")
    whole: bytes = b"%b?%b" % (path, query) if query else path
    if not _TARGET.fullmatch(whole):
        raise UnsendableError("the request target is not a path", untouched=True)
    return whole


def _length(values: list[bytes]) -> int | None:
    if not values:
        return None
    if len(values) > 1 or not _LENGTH.fullmatch(values[0]):
        raise UnsendableError("Content-Length is not one number", untouched=True)
    return int(values[0])
