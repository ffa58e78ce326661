"""What a signature says of the body, and how the body is held to it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import sha256
from typing import TYPE_CHECKING

from iam_guard.errors import RequestRefusedError
from iam_guard.identity.sigv4.refusals import malformed, not_valid

if TYPE_CHECKING:
    from iam_guard.http.body import RequestBody
    from iam_guard.http.request import HTTPRequest
    from iam_guard.identity.sigv4.claim import Claim
    from iam_guard.identity.sigv4.rules import SignatureRules

UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = f"{SIGNED_CHUNKS}-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
#: Words for bodies in chunks.
IN_CHUNKS = frozenset({SIGNED_CHUNKS, SIGNED_TRAILER, UNSIGNED_TRAILER})
EMPTY = sha256(b"").hexdigest()

_HASH_HEADER = "x-amz-content-sha256"
_HASH = re.compile(r"[0-9a-f]{64}")
_HARMLESS_METHODS = frozenset({"GET", "HEAD"})


def declared_payload(request: HTTPRequest, claim: Claim, rules: SignatureRules) -> str:
    """What the request says stands for the body: a hash, a word of the payload rules, or ``""`` for nothing.

    Raises:
        AuthenticationError: it says two things, or something that is not accepted here.
    """
    values = request.header_values(_HASH_HEADER)
    if len(values) > 1:
        raise malformed("there is more than one hash of the body")
    if not values:
        return UNSIGNED if claim.expires is not None and rules.is_s3 else ""
    declared = values[0].strip()
    in_chunks = claim.expires is None and declared in IN_CHUNKS
    takes_chunks = rules.unsigned_payload if declared == UNSIGNED_TRAILER else rules.signed_chunks
    if not (declared == UNSIGNED or _HASH.fullmatch(declared) or (in_chunks and takes_chunks)):
        raise malformed("what stands for the body is not accepted here")
    return declared


async def hash_of_body(request: HTTPRequest, body: RequestBody | None, rules: SignatureRules) -> str:
    """The hash of a body of which nothing is said, so that all of it is needed.

    Raises:
        RequestRefusedError: it is larger than may be held.
    """
    if body is None:
        return EMPTY
    pieces = await body.read(rules.held_bytes)
    if pieces is None:
        raise RequestRefusedError("The request body is too large to be signed without x-amz-content-sha256.",
                                  status=413, code="body-too-large")
    return _hash_of(pieces)


async def hold_to(declared: str, request: HTTPRequest, body: RequestBody, rules: SignatureRules) -> None:
    """Hold the body to the hash that was signed: at once when it is small, while it streams when it is not.

    Raises:
        AuthenticationError: it is another body.
        RequestRefusedError: it is larger than is accepted.
    """
    pieces = await body.read(rules.held_bytes)
    if pieces is not None:
        if _hash_of(pieces) != declared:
            raise not_valid("the body is another than was signed")
    elif rules.larger_bodies == "refuse":
        raise RequestRefusedError("The request body is too large.", status=413, code="body-too-large")
    else:
        body.pass_through(HashCheck(declared))


async def check_unsigned(request: HTTPRequest, body: RequestBody | None, rules: SignatureRules) -> None:
    """Let a body that is not signed pass where that is accepted; where it is not, a request that reads has none.

    Raises:
        AuthenticationError: it is not accepted here.
    """
    if rules.unsigned_payload:
        return
    if request.method not in _HARMLESS_METHODS or (body is not None and await body.read(0) is None):
        raise malformed("the body is not signed")


def _hash_of(pieces: Iterable[bytes]) -> str:
    found = sha256()
    for piece in pieces:
        found.update(piece)
    return found.hexdigest()


class HashCheck:
    """Passes a body on one piece behind, so that the last one only comes when the hash is right.

    Args:
        declared: SHA-256 of the whole body, in hexadecimal.
    """

    def __init__(self, declared: str) -> None:
        self._declared = declared
        self._hash = sha256()
        self._held = b""

    def feed(self, piece: bytes) -> bytes:
        """See :class:`~iam_guard.http.body.BodyCheck`."""
        if not piece:
            return b""
        self._hash.update(piece)
        passed, self._held = self._held, piece
        return passed

    def finish(self) -> bytes:
        """See :class:`~iam_guard.http.body.BodyCheck`."""
        if self._hash.hexdigest() != self._declared:
            raise not_valid("the body is another than was signed")
        return self._held

    def headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """They describe the body as it is."""
        return headers
