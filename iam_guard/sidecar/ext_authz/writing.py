"""Answers as Envoy reads them over gRPC.

An empty ``CheckResponse`` lets a request pass, since the code that is not there is the code of success. So each
message here begins as a denial, and only an answer that allows makes another of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from iam_guard.sidecar.answer import PREFLIGHT, Answer
from iam_guard.sidecar.ext_authz.messages import CheckResponse

#: Codes of ``google.rpc.Status``.
PERMISSION_DENIED, UNAUTHENTICATED = 7, 16
#: ``HeaderValueOption.append_action``: overwrite or add. ``append``, left unset, says the same to older Envoys.
_OVERWRITE = 2
# Of an answer that is no answer of ours on this wire: Envoy frames it, and caches nothing.
_NOT_FOR_UPSTREAM = frozenset({b"cache-control"})
_NOT_FOR_CLIENT = frozenset({b"content-length"})
# An admission in protobuf's wire format: a status whose code is 0, which is left out; then what is allowed.
_ALLOWED, _OPTION, _REMOVED = b"\x0a\x00\x1a", b"\x12", b"\x2a"
_HEADER, _KEY, _VALUE, _OVERWRITES = b"\x0a", b"\x0a", b"\x12", b"\x18\x02"
#: Lengths from here on take more than a byte.
_LONG = 0x80
_LENGTHS = [bytes([size]) for size in range(_LONG)]
#: Callers whose headers are remembered as bytes.
_KEPT_CALLERS = 4096
#: Names of headers with lengths of values for which the bytes in front are remembered.
_KEPT_LENGTHS = 1024


def response_of(answer: Answer) -> bytes:
    """The message that says *answer*.

    Args:
        answer: What is said; a guard that cannot decide is an error of the call and no message.
    """
    if answer.allowed is True and answer.status == 200:
        return _allowed(answer)
    message = CheckResponse()
    message.status.code = PERMISSION_DENIED
    _deny(message, answer)
    return message.SerializeToString()  # type: ignore[no-any-return]


def _allowed(answer: Answer) -> bytes:
    caller = answer.caller
    fields = [field for field in answer.headers if field not in caller and field[0] not in _NOT_FOR_UPSTREAM]
    options = _known_options(caller) + _options(fields)
    if answer.remove:
        options += b"".join([_sized(_REMOVED, name.encode()) for name in answer.remove])
    return _sized(_ALLOWED, options)


def _options(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Headers to set; Envoy takes one that it is to set to nothing for one that it need not set."""
    return b"".join([_option(name, value) if value else _sized(_REMOVED, name) for name, value in fields])


_known_options = lru_cache(maxsize=_KEPT_CALLERS)(_options)


def _option(name: bytes, value: bytes) -> bytes:
    """A header to set; text of this wire is UTF-8."""
    if not value.isascii():
        value = value.decode("latin-1").encode()
    return _before(name, len(value)) + value + _OVERWRITES


@lru_cache(maxsize=_KEPT_LENGTHS)
def _before(name: bytes, length: int) -> bytes:
    """What stands in front of the value of a header; it depends on the length of the value alone."""
    header = _sized(_KEY, name) + _VALUE + _number(length)
    option = _sized(_HEADER, header, length)
    return _sized(_OPTION, option, length + len(_OVERWRITES))


def _sized(kind: bytes, content: bytes, more: int = 0) -> bytes:
    """A field with a length in front of its content, of which so many bytes are still to come."""
    return kind + _number(len(content) + more) + content


def _number(size: int) -> bytes:
    if size < _LONG:
        return _LENGTHS[size]
    length = bytearray()
    while size >= _LONG:
        length.append(size & 0x7F | _LONG)
        size >>= 7
    length.append(size)
    return bytes(length)


def _deny(message: Any, answer: Answer) -> None:
    denied = message.denied_response
    if answer.status == 401:
        message.status.code = UNAUTHENTICATED
    denied.status.code = answer.status if answer.status == 401 or answer.outcome == PREFLIGHT else 403
    _add(denied.headers, [field for field in answer.headers if field[0] not in _NOT_FOR_CLIENT])
    denied.body = answer.body.decode("utf-8", "replace")
    if answer.outcome != PREFLIGHT:
        message.status.message = answer.outcome


def _add(options: Any, fields: Iterable[tuple[bytes, bytes]]) -> None:
    for name, value in fields:
        option = options.add()
        option.append_action = _OVERWRITE
        header = option.header
        header.key, header.value = name.decode("latin-1"), value.decode("latin-1")
