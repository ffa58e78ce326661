"""Bodies in signed chunks (``STREAMING-AWS4-HMAC-SHA256-PAYLOAD``): each is checked before any of it is passed on.

    SIZE;chunk-signature=SIGNATURE CRLF content CRLF ... 0;chunk-signature=SIGNATURE CRLF CRLF

Every signature covers the one before it, so chunks cannot be left out, repeated or put in another order. Source: the
S3 API reference, "Signature calculations: transferring payload in multiple chunks".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iam_guard.errors import RequestRefusedError
from iam_guard.identity.sigv4.payload import EMPTY
from iam_guard.identity.sigv4.refusals import malformed, not_valid
from iam_guard.identity.sigv4.signature import hexdigest, is_same, sign

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.sigv4.claim import Claim

_HEAD = re.compile(rb"(0|[1-9a-f][0-9a-f]{0,7});chunk-signature=([0-9a-f]{64})")
_LONGEST_HEAD = 8 + len(";chunk-signature=") + 64
_LENGTH = re.compile(r"0|[1-9][0-9]{0,17}")
_CODING = "aws-chunked"
_LENGTH_HEADER = "x-amz-decoded-content-length"
_REPLACED = frozenset({b"content-length", b"content-encoding", b"transfer-encoding", _LENGTH_HEADER.encode()})


class ChunkCheck:
    """Takes chunks apart, and passes on what is in those that are signed.

    Args:
        claim: The signature of the request, which the first chunk's goes on from.
        key: What signs.
        request: Says how much there is in all chunks together.
        limit: Largest chunk.

    Raises:
        AuthenticationError: it does not say how much there is.
    """

    def __init__(self, claim: Claim, key: bytes, request: HTTPRequest, limit: int) -> None:
        length = request.header(_LENGTH_HEADER) or ""
        if not _LENGTH.fullmatch(length):
            raise malformed("a body in chunks does not say how long it is without them")
        self._head = f"AWS4-HMAC-SHA256-PAYLOAD\n{claim.stamp}\n{claim.scope}\n"
        self._key, self._limit, self._signature = key, limit, claim.signature
        self._length = self._left = int(length)
        self._codings = _other_codings(request)
        self._waiting = bytearray()
        self._ended = False

    def feed(self, piece: bytes) -> bytes:
        """See :class:`~iam_guard.http.body.BodyCheck`."""
        self._waiting += piece
        passed = []
        while (chunk := self._next()) is not None:
            passed.append(chunk)
        return b"".join(passed)

    def finish(self) -> bytes:
        """See :class:`~iam_guard.http.body.BodyCheck`."""
        if not self._ended or self._waiting or self._left:
            raise not_valid("the chunks of the body are not all there")
        return b""

    def headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """They describe what is in the chunks."""
        kept = [(name, value) for name, value in headers if name not in _REPLACED]
        codings = [(b"content-encoding", self._codings.encode("latin-1"))] if self._codings else []
        return [*kept, *codings, (b"content-length", str(self._length).encode())]

    def _next(self) -> bytes | None:
        """The content of the next chunk that is there whole; ``None`` when more has to come first."""
        end = self._waiting.find(b"\r\n", 0, _LONGEST_HEAD + 2)
        if self._ended or end < 0:
            if self._waiting and (self._ended or len(self._waiting) >= _LONGEST_HEAD + 2):
                raise not_valid("a chunk of the body does not begin like one")
            return None
        size, signature = self._read_head(bytes(self._waiting[:end]))
        start, stop = end + 2, end + 2 + size
        if len(self._waiting) < stop + 2:
            return None
        if self._waiting[stop:stop + 2] != b"\r\n":
            raise not_valid("a chunk of the body does not end where it should")
        content = bytes(self._waiting[start:stop])
        self._check(content, signature)
        del self._waiting[:stop + 2]
        return content

    def _read_head(self, head: bytes) -> tuple[int, str]:
        found = _HEAD.fullmatch(head)
        if found is None:
            raise not_valid("a chunk of the body does not begin like one")
        size = int(found[1], 16)
        if size > self._limit:
            raise RequestRefusedError("A chunk of the request body is too large.", status=413, code="body-too-large")
        if size > self._left:
            raise not_valid("the chunks of the body hold more than they should")
        return size, found[2].decode()

    def _check(self, content: bytes, signature: str) -> None:
        text = f"{self._head}{self._signature}\n{EMPTY}\n{hexdigest(content)}"
        if not is_same(sign(self._key, text), signature):
            raise not_valid("a chunk of the body is another than was signed")
        self._signature, self._left, self._ended = signature, self._left - len(content), not content


def _other_codings(request: HTTPRequest) -> str:
    codings = [one.strip() for one in (request.header("content-encoding") or "").split(",")]
    return ", ".join(one for one in codings if one and one.lower() != _CODING)
