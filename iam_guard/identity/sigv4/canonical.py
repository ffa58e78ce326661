"""The canonical request: what a signature covers, made of the request as it was received.

Nothing is decoded on the way, so two requests with one canonical form are read alike by whoever serves them, but for
what Signature Version 4 itself does not see: the order of parameters, and the blanks within a header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_from_bytes

from iam_guard.identity.sigv4.claim import SIGNATURE_PARAMETER
from iam_guard.identity.sigv4.refusals import malformed

if TYPE_CHECKING:
    from iam_guard.http.request import HTTPRequest

_BLANKS = re.compile(r"[ \t]+")
#: What a path or query may hold as it is: everything but blanks, control characters and other than ASCII.
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def canonical_request(request: HTTPRequest, signed_headers: tuple[str, ...], payload_hash: str, *,
                      path_as_sent: bool = False) -> str:
    """Write what is signed.

    Args:
        request: As it was received.
        signed_headers: Names in lower case, in order.
        payload_hash: What stands for the body.
        path_as_sent: S3's rule: the path is covered as it was sent, and not encoded again.

    Raises:
        AuthenticationError: a signed header was not sent.
    """
    return "\n".join((
        request.method,
        quote(request.raw_path, safe=_PRINTABLE if path_as_sent else "/-_.~") or "/",
        canonical_query(request.query_string),
        *(f"{name}:{_header(request, name)}" for name in signed_headers),
        "",
        ";".join(signed_headers),
        payload_hash,
    ))


def canonical_query(query: bytes) -> str:
    """The parameters in order, without the signature; each as it was sent."""
    pairs = [pair.partition(b"=")[::2] for pair in query.split(b"&")] if query else []
    written = sorted((quote_from_bytes(name, _PRINTABLE), quote_from_bytes(value, _PRINTABLE)) for name, value in pairs)
    return "&".join(f"{name}={value}" for name, value in written if name != SIGNATURE_PARAMETER)


def _header(request: HTTPRequest, name: str) -> str:
    values = request.header_values(name)
    if not values:
        raise malformed("a header that is said to be signed was not sent")
    return ",".join(_BLANKS.sub(" ", value.strip(" \t")) for value in values)
