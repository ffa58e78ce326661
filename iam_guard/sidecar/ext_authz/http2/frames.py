"""Frames: how HTTP/2 cuts its messages (RFC 9113, section 4)."""

from __future__ import annotations

import struct
from collections.abc import Iterator

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, WITH_PRIORITY = 0x1, 0x1, 0x4, 0x8, 0x20
#: Settings of section 6.5.2.
INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_CONCURRENT_STREAMS, MAX_HEADER_LIST_SIZE = 4, 5, 3, 6
#: The longest frame that is taken; nobody may send a longer one unless told so.
FRAME_BYTES = 16_384
MAX_WINDOW = 2**31 - 1
#: Codes of section 7.
NO_ERROR, PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, REFUSED_STREAM, COMPRESSION_ERROR = 0, 1, 3, 6, 7, 9
ENHANCE_YOUR_CALM = 11
_HEAD = 9
#: The head of a frame: its length in two parts, kind, flags, stream.
HEAD_FORMAT = "HBBBI"
_head = struct.Struct(f">{HEAD_FORMAT}")

#: Kind, flags, stream, payload.
Frame = tuple[int, int, int, bytes]


class ConnectionFaultError(Exception):
    """The peer broke the rules in a way that ends the connection.

    Attributes:
        code: What it is told.
    """

    def __init__(self, code: int, why: str) -> None:
        super().__init__(why)
        self.code = code


class Cutter:
    """Cuts what arrives into frames, the preface first."""

    def __init__(self) -> None:
        self._held = b""
        self._begun = False

    def frames(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now.

        Raises:
            ConnectionFaultError: it is not HTTP/2, or a frame is too long.
        """
        held = self._held + data if self._held else data
        place = 0
        if not self._begun:
            if not PREFACE.startswith(held[:len(PREFACE)]):
                raise ConnectionFaultError(PROTOCOL_ERROR, "it does not speak HTTP/2")
            if len(held) < len(PREFACE):
                self._held = held
                return
            self._begun, place = True, len(PREFACE)
        size = len(held)
        while size - place >= _HEAD:
            high, low, kind, flags, stream = _head.unpack_from(held, place)
            end = place + _HEAD + (high << 8) + low
            if end - place > FRAME_BYTES + _HEAD:
                raise ConnectionFaultError(FRAME_SIZE_ERROR, "a frame is too long")
            if end > size:
                break
            payload = held[place + _HEAD:end]
            place = end
            yield kind, flags, stream & MAX_WINDOW, payload
        self._held = held[place:]


def frame_head(kind: int, flags: int, stream: int, length: int) -> bytes:
    """The bytes in front of a payload."""
    return _head.pack(length >> 8, length & 0xFF, kind, flags, stream)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """The bytes of a frame."""
    return frame_head(kind, flags, stream, len(payload)) + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """A frame that says settings of ours."""
    return frame(SETTINGS, 0, 0, b"".join([struct.pack(">HI", *pair) for pair in pairs]))


def number(kind: int, stream: int, value: int) -> bytes:
    """A frame whose payload is one number: a window's growth, or the end of a stream."""
    return frame(kind, 0, stream, struct.pack(">I", value))


def goaway(last: int, code: int) -> bytes:
    """The frame that ends a connection."""
    return frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


def unpadded(kind: int, flags: int, payload: bytes) -> bytes:
    """The payload without padding and priority (sections 6.1 and 6.2).

    Raises:
        ConnectionFaultError: there is more padding than payload.
    """
    if flags & PADDED:
        if not payload or payload[0] >= len(payload):
            raise ConnectionFaultError(PROTOCOL_ERROR, "a frame is padded wrongly")
        payload = payload[1:len(payload) - payload[0]]
    if kind == HEADERS and flags & WITH_PRIORITY:
        if len(payload) < 5:
            raise ConnectionFaultError(FRAME_SIZE_ERROR, "a priority is cut")
        payload = payload[5:]
    return payload


def told_settings(payload: bytes) -> list[tuple[int, int]]:
    """The settings that a peer says, the last one of each kind being the one that counts.

    Raises:
        ConnectionFaultError: they are cut, or out of bounds.
    """
    if len(payload) % 6:
        raise ConnectionFaultError(FRAME_SIZE_ERROR, "settings are cut")
    found = [struct.unpack_from(">HI", payload, place) for place in range(0, len(payload), 6)]
    for name, value in found:
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise ConnectionFaultError(FLOW_CONTROL_ERROR, "a window is too large")
        if name == MAX_FRAME_SIZE and not FRAME_BYTES <= value < 1 << 24:
            raise ConnectionFaultError(PROTOCOL_ERROR, "a length of frames is out of bounds")
    return [(name, value) for name, value in found]
