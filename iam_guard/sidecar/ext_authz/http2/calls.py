"""gRPC on top of HTTP/2: one message asked, one answered (the gRPC project's PROTOCOL-HTTP2)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from typing import NamedTuple

from iam_guard.sidecar.ext_authz.http2.frames import END_HEADERS, END_STREAM, HEADERS, frame, frame_head
from iam_guard.sidecar.ext_authz.http2.hpack import literal

#: Status codes of gRPC.
OK, NOT_FOUND, UNIMPLEMENTED, INTERNAL, UNAVAILABLE = 0, 5, 12, 13, 14
_PREFIX = 5
_prefix = struct.Struct(">BI")
_STATUS_200 = b"\x88"
_HEAD = _STATUS_200 + literal(b"content-type", b"application/grpc")
_DONE = literal(b"grpc-status", b"0")
# Heads of the frames of these fields, without the stream.
_stream = struct.Struct(">I")
_BEGIN = frame_head(HEADERS, END_HEADERS, 0, len(_HEAD))[:-_stream.size]
_END = frame_head(HEADERS, END_HEADERS | END_STREAM, 0, len(_DONE))[:-_stream.size]
_TIMEOUT = re.compile(rb"([0-9]{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}


class Call(NamedTuple):
    """One call.

    Attributes:
        method: Path of the method.
        message: What is asked.
        seconds: How long the client waits; ``None``: as long as it takes.
    """

    method: str
    message: bytes
    seconds: float | None


class Reply(NamedTuple):
    """How a call ends.

    Attributes:
        status: Of gRPC.
        message: The answer; nothing unless the status is OK.
        why: For a status that is not.
    """

    status: int
    message: bytes = b""
    why: str = ""


class Head(NamedTuple):
    """What the header fields of a request say.

    Attributes:
        method: Path of the method.
        seconds: How long the client waits; ``None``: as long as it takes.
        refused: What is answered to a request that is no call.
    """

    method: str
    seconds: float | None
    refused: Reply | None = None


def head_of(fields: Iterable[tuple[bytes, bytes]]) -> Head:
    """What is said by header fields."""
    told = dict(fields)
    timeout = _TIMEOUT.fullmatch(told.get(b"grpc-timeout", b""))
    seconds = int(timeout[1]) * _UNITS[timeout[2]] if timeout else None
    is_call = told.get(b":method") == b"POST" and told.get(b"content-type", b"").startswith(b"application/grpc")
    return Head(told.get(b":path", b"").decode("latin-1"), seconds,
                None if is_call else Reply(UNIMPLEMENTED, why="this is a gRPC server"))


def call_of(head: Head, body: bytes) -> Call | Reply:
    """The call that a request is, or what is answered to a request that is none."""
    method, seconds, refused = head
    if refused is not None:
        return refused
    if len(body) < _PREFIX:
        return Reply(INTERNAL, why="there has to be one message")
    packed, length = _prefix.unpack_from(body)
    if length != len(body) - _PREFIX:
        return Reply(INTERNAL, why="there has to be one message")
    if packed:
        return Reply(UNIMPLEMENTED, why="messages are not compressed here")
    return Call(method, body[_PREFIX:], seconds)


def answer_frames(stream: int, reply: Reply) -> tuple[bytes, bytes, bytes]:
    """The frames of an answer: those in front, data that is still to be framed, and those behind."""
    status, message, why = reply
    if status == OK:
        number = _stream.pack(stream)
        return _BEGIN + number + _HEAD, _prefix.pack(0, len(message)) + message, _END + number + _DONE
    told = _HEAD + literal(b"grpc-status", b"%d" % status) + literal(b"grpc-message", why.encode("ascii"))
    return frame(HEADERS, END_HEADERS | END_STREAM, stream, told), b"", b""
