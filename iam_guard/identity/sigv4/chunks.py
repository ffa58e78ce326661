"""Bodies in chunks (``STREAMING-AWS4-HMAC-SHA256-PAYLOAD`` and its kin): each is checked before it is passed on.

    SIZE;chunk-signature=SIGNATURE CRLF content CRLF ... 0;chunk-signature=SIGNATURE CRLF [trailer] CRLF

Every signature covers the one before it, so chunks cannot be left out, repeated or put in another order. Without
signatures, where that is accepted, a trailer follows with a checksum of the whole. Source: the S3 API reference,
"Signature calculations: transferring payload in multiple chunks".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from iam_guard.errors import RequestRefusedError
from iam_guard.identity.sigv4.payload import EMPTY, SIGNED_CHUNKS, UNSIGNED_TRAILER
from iam_guard.identity.sigv4.refusals import malformed, not_valid
from iam_guard.identity.sigv4.signature import hexdigest, is_same, sign
from iam_guard.identity.sigv4.trailers import ANNOUNCED, MAX_TRAILER, Trailer

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.sigv4.claim import Claim

_SIZE = rb"(0|[1-9a-f][0-9a-f]{0,7})"
_HEAD = re.compile(_SIZE + rb";chunk-signature=([0-9a-f]{64})")
_UNSIGNED_HEAD = re.compile(_SIZE + rb"()")
_LONGEST_HEAD = 8 + len(";chunk-signature=") + 64
_LENGTH = re.compile(r"0|[1-9][0-9]{0,17}")
_CODING = "aws-chunked"
_LENGTH_HEADER = "x-amz-decoded-content-length"
_REPLACED = frozenset({b"content-length", b"content-encoding", b"transfer-encoding", _LENGTH_HEADER.encode(),
                       ANNOUNCED.encode()})


class ChunkCheck:
    """Takes chunks apart, and passes on what is in those that are signed.

    Args:
        claim: The signature of the request, which the first chunk's goes on from.
        key: What signs.
        request: Says how much there is in all chunks together, and what follows them.
        limit: Largest chunk.
        word: What the request says stands for the body.

    Raises:
        AuthenticationError: it does not say how much there is, or what follows.
    """

    def __init__(self, claim: Claim, key: bytes, request: HTTPRequest, limit: int, word: str = SIGNED_CHUNKS) -> None:
        length = request.header(_LENGTH_HEADER) or ""
        if not _LENGTH.fullmatch(length):
            raise malformed("a body in chunks does not say how long it is without them")
        self._is_signed = word != UNSIGNED_TRAILER
        self._trailer = None if word == SIGNED_CHUNKS else Trailer(request, is_signed=self._is_signed)
        self._stamp = f"{claim.stamp}\n{claim.scope}\n"
        self._key, self._limit, self._signature = key, limit, claim.signature
        self._length = self._left = int(length)
        self._codings = _other_codings(request)
        self._waiting = bytearray()
        self._has_last = self._is_over = False

    def feed(self, piece: bytes) -> bytes:
        """See :class:`~iam_guard.http.body.BodyCheck`."""
        self._waiting += piece
        passed = []
        while not self._has_last and (chunk := self._next()) is not None:
            passed.append(chunk)
        if self._has_last:
            self._take_end()
        return b"".join(passed)

    def finish(self) -> bytes:
        """See :class:`~iam_guard.http.body.BodyCheck`."""
        if not self._is_over or self._left:
            raise not_valid("the chunks of the body are not all there")
        return b""

    def headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """They describe what is in the chunks."""
        kept = [(name, value) for name, value in headers if name not in _REPLACED]
        codings = [(b"content-encoding", self._codings.encode("latin-1"))] if self._codings else []
        return [*kept, *codings, (b"content-length", str(self._length).encode())]

    def _next(self) -> bytes | None:
        """The content of the next chunk that is there whole; ``None`` when more has to come first, or none comes."""
        end = self._waiting.find(b"\r\n", 0, _LONGEST_HEAD + 2)
        if end < 0:
            if len(self._waiting) >= _LONGEST_HEAD + 2:
                raise not_valid("a chunk of the body does not begin like one")
            return None
        size, signature = self._read_head(bytes(self._waiting[:end]))
        start, stop = end + 2, end + 2 + size
        if size == 0:
            self._check(b"", signature)
            del self._waiting[:start]
            self._has_last = True
            return None
        if len(self._waiting) < stop + 2:
            return None
        if self._waiting[stop:stop + 2] != b"\r\n":
            raise not_valid("a chunk of the body does not end where it should")
        content = bytes(self._waiting[start:stop])
        self._check(content, signature)
        del self._waiting[:stop + 2]
        return content

    def _take_end(self) -> None:
        """What follows the last chunk: the trailer, if there is to be one, and an empty line; nothing after it."""
        mark = b"\r\n\r\n" if self._trailer else b"\r\n"
        end, length = self._waiting.find(mark), len(self._waiting)
        if length > MAX_TRAILER or (self._is_over and length) or 0 <= end != length - len(mark):
            raise not_valid("something else follows the chunks of the body than should")
        if end < 0:
            return
        if self._trailer is not None:
            signature = self._trailer.read(bytes(self._waiting[:end]))
            self._check_trailer(self._trailer, signature)
        self._waiting.clear()
        self._is_over = True

    def _read_head(self, head: bytes) -> tuple[int, str]:
        found = (_HEAD if self._is_signed else _UNSIGNED_HEAD).fullmatch(head)
        if found is None:
            raise not_valid("a chunk of the body does not begin like one")
        size = int(found[1], 16)
        if size > self._limit:
            raise RequestRefusedError("A chunk of the request body is too large.", status=413, code="body-too-large")
        if size > self._left:
            raise not_valid("the chunks of the body hold more than they should")
        return size, found[2].decode()

    def _check(self, content: bytes, signature: str) -> None:
        if self._is_signed:
            self._check_signature("AWS4-HMAC-SHA256-PAYLOAD", f"{EMPTY}\n{hexdigest(content)}", signature)
        if self._trailer is not None:
            self._trailer.update(content)
        self._left -= len(content)

    def _check_trailer(self, trailer: Trailer, signature: str) -> None:
        if self._is_signed:
            self._check_signature("AWS4-HMAC-SHA256-TRAILER", trailer.digest, signature)

    def _check_signature(self, kind: str, covered: str, signature: str) -> None:
        """Compare a signature, which covers the one before it."""
        text = f"{kind}\n{self._stamp}{self._signature}\n{covered}"
        if not is_same(sign(self._key, text), signature):
            raise not_valid("a part of the body is another than was signed")
        self._signature = signature


def _other_codings(request: HTTPRequest) -> str:
    codings = [one.strip() for one in (request.header("content-encoding") or "").split(",")]
    return ", ".join(one for one in codings if one and one.lower() != _CODING)
