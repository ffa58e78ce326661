"""Messages as Envoy sends them, written by hand in the wire format of protobuf; no code under test makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def field(number: int, value: bytes | str | int) -> bytes:
    """One field: a number, or something with a length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def fields(*pairs: tuple[int, bytes | str | int]) -> bytes:
    return b"".join(field(number, value) for number, value in pairs)


def parsed(message: bytes) -> dict[int, list[Any]]:
    """The fields of a message: numbers, or bytes."""
    found: dict[int, list[Any]] = {}
    place = 0

    def number() -> int:
        nonlocal place
        value = shift = 0
        while True:
            byte = message[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(message):
        key = number()
        if key & 7 == 0:
            found.setdefault(key >> 3, []).append(number())
        else:
            assert key & 7 == 2, f"wire type {key & 7}"
            length = number()
            found.setdefault(key >> 3, []).append(message[place:place + length])
            place += length
    return found


def check(method: str = "GET", path: str = "/docs/1", headers: Mapping[str, str] | None = None, *,
          host: str = "shop.example", scheme: str = "http", protocol: str = "HTTP/1.1", source: str = "203.0.113.7",
          raw: Iterable[tuple[str, str]] = (), more: bytes = b"", peer: bytes = b"") -> bytes:
    """A ``CheckRequest`` (numbers of fields: envoy/service/auth/v3/attribute_context.proto)."""
    entries = b"".join(field(3, fields((1, name), (2, value))) for name, value in (headers or {}).items())
    listed = b"".join(field(1, fields((1, name), (3, value))) for name, value in raw)
    http = fields((2, method), (4, path), (5, host), (6, scheme), (10, protocol)) + entries + more
    http += field(13, listed) if listed else b""
    address = field(1, field(1, fields((2, source), (3, 40000)))) if source else b""
    return field(1, field(1, address + peer) + field(4, field(2, http)))


class Told:
    """A ``CheckResponse``, read by its numbers."""

    def __init__(self, message: bytes) -> None:
        self.message = message
        top = parsed(message)
        status = parsed(top.get(1, [b""])[-1])
        self.code: int = status.get(1, [0])[-1]
        denied, allowed = parsed(top.get(2, [b""])[-1]), parsed(top.get(3, [b""])[-1])
        self.is_denied, self.is_allowed = 2 in top, 3 in top
        self.status: int = parsed(denied.get(1, [b""])[-1]).get(1, [0])[-1]
        self.options = [parsed(one) for one in (*denied.get(2, []), *allowed.get(2, []))]
        self.body: bytes = denied.get(3, [b""])[-1]
        self.removed = [one.decode() for one in allowed.get(5, [])]

    @property
    def headers(self) -> dict[str, str]:
        pairs = [parsed(option[1][0]) for option in self.options]
        return {pair[1][0].decode(): pair.get(2, [b""])[0].decode() for pair in pairs}
