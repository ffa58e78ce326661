"""The header fields of a request: bounded, well-formed, and each single-valued one there at most once.

Framing is checked again although servers parse it, because they differ in what they let through
(threats, section 3): two lengths or an odd transfer coding never reach an application.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set

from iam_guard.errors import RequestRefusedError
from iam_guard.http.edge import HARMLESS, EdgeSettings

Field = tuple[bytes, bytes]

_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NONE: Set[bytes] = frozenset()
# As numbers: bytes are searched for a number several times faster than for a string of one byte.
_LINE_FEED, _RETURN, _NUL = b"\n\r\0"
#: Bytes of ``: `` and the end of the line.
_PUNCTUATION = 4
#: No harmless name takes more room than this, with its punctuation.
_HARMLESS_ROOM = max(map(len, HARMLESS)) + _PUNCTUATION
_SINGLE = frozenset({b"access-control-request-method", b"authorization", b"content-length", b"content-type",
                     b"host", b"origin", b"transfer-encoding"})


def check_headers(fields: list[Field] | tuple[Field, ...], edge: EdgeSettings) -> tuple[dict[bytes, bytes], Set[bytes]]:
    """Check all fields at once, in as few steps as possible.

    Returns:
        The fields by lower-case name (of repeated ones the last), and the names, as sent, that are not known
        to be harmless.

    Raises:
        RequestRefusedError: too large (431), or malformed (400).
    """
    index: dict[bytes, bytes] = dict(fields)
    if len(index) == len(fields):
        values = b"".join(index.values())
    else:
        _check_repeated(fields)
        values = b"".join([value for _, value in fields])
    unknown = _NONE if edge.harmless.issuperset(index) else index.keys() - edge.harmless
    if unknown or len(values) + _HARMLESS_ROOM * len(fields) > edge.max_header_bytes:
        _check_size(fields, edge)
    if _LINE_FEED in values or _RETURN in values or _NUL in values:
        raise _malformed("A header holds a line break or NUL.")
    if unknown:
        index = _check_names(index, fields, unknown)
    if b"transfer-encoding" in index or b"content-length" in index:
        _check_framing(index)
    return index, unknown


def _check_size(fields: Iterable[Field], edge: EdgeSettings) -> None:
    if sum(len(name) + len(value) + _PUNCTUATION for name, value in fields) > edge.max_header_bytes:
        raise RequestRefusedError("The request headers are too large.", status=431, code="headers-too-large")


def _check_names(index: dict[bytes, bytes], fields: Iterable[Field], unknown: Set[bytes]) -> dict[bytes, bytes]:
    """Check the names that are not known to be harmless; lower-case them, as ASGI servers should have."""
    for name in unknown:
        if not _NAME.fullmatch(name):
            raise _malformed("A header name is malformed.")
    names = b"".join(unknown)
    if names.lower() == names:
        return index
    lowered = [(name.lower(), value) for name, value in fields]
    _check_repeated(lowered)
    return dict(lowered)


def _check_repeated(fields: Iterable[Field]) -> None:
    seen: set[bytes] = set()
    for name, _ in fields:
        if name in _SINGLE:
            if name in seen:
                raise _malformed("A header that may occur once was sent twice.")
            seen.add(name)


def _check_framing(index: dict[bytes, bytes]) -> None:
    """RFC 9112 section 6.3: one length, in digits, or the chunked coding alone."""
    length, coding = index.get(b"content-length"), index.get(b"transfer-encoding")
    if length is not None and (coding is not None or not length.isdigit()):
        raise _malformed("The length of the request body is ambiguous.")
    if coding is not None and coding.strip().lower() != b"chunked":
        raise _malformed("The transfer coding of the request is not supported.")


def _malformed(description: str) -> RequestRefusedError:
    return RequestRefusedError(description, code="invalid-request")
