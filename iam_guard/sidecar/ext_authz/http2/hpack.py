"""Header fields as HTTP/2 packs them (RFC 7541), read; what is written here is never packed."""

from __future__ import annotations

from collections import deque
from functools import lru_cache

from iam_guard.sidecar.ext_authz.http2.huffman import HuffmanError, decoded

Field = tuple[bytes, bytes]

_huffman = lru_cache(maxsize=1024)(decoded)
#: Appendix A: names, some with a value, from number 1 on.
_NAMES = (
    b":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 "
    b":status=204 :status=206 :status=304 :status=400 :status=404 :status=500 accept-charset "
    b"accept-encoding=gzip,deflate accept-language accept-ranges accept access-control-allow-origin age allow "
    b"authorization cache-control content-disposition content-encoding content-language content-length "
    b"content-location content-range content-type cookie date etag expect expires from host if-match "
    b"if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards "
    b"proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
    b"strict-transport-security transfer-encoding user-agent vary via www-authenticate "
)
_STATIC: tuple[Field, ...] = tuple([(name, value.replace(b",", b", ")) for name, _, value in (
    one.partition(b"=") for one in _NAMES.split())])
#: What a field takes of the table besides its name and value (section 4.1).
_OVERHEAD = 32
TABLE_BYTES = 4096
#: Longest list of fields, counted like the table (RFC 9113 section 6.5.2).
LIST_BYTES = 16_384
_MAX_NUMBER = 1 << 20


class PackingError(ValueError):
    """What was sent is no list of fields; the connection cannot be understood any further."""


class Unpacker:
    """Reads the lists of fields of one connection, each of which may refer to those before it.

    Attributes:
        changes: How often a block has changed what the next ones mean.
    """

    def __init__(self) -> None:
        self.changes = 0
        self._table: deque[Field] = deque()
        self._size = 0
        self._limit = TABLE_BYTES

    def fields(self, block: bytes) -> list[Field]:
        """The fields of a whole block.

        Raises:
            PackingError: it is none, or too long.
        """
        found: list[Field] = []
        place = size = 0
        try:
            while place < len(block):
                field, place = self._next(block, place, not found)
                if field is not None:
                    found.append(field)
                    size += len(field[0]) + len(field[1]) + _OVERHEAD
                if size > LIST_BYTES:
                    raise PackingError("the header fields are too long")
        except (IndexError, HuffmanError) as error:
            raise PackingError("the header fields cannot be read") from error
        return found

    def _next(self, block: bytes, place: int, first: bool) -> tuple[Field | None, int]:
        """The field at a place, and the place behind it (section 6)."""
        byte = block[place]
        if byte & 0x80:
            number, place = _number(block, place, 7)
            return self._at(number), place
        if byte & 0xE0 == 0x20:
            if not first:
                raise PackingError("the table changes in the middle of a block")
            limit, place = _number(block, place, 5)
            if limit > TABLE_BYTES:
                raise PackingError("the table is to be longer than it may be")
            self._limit = limit
            self.changes += 1
            self._shrink()
            return None, place
        kept = bool(byte & 0x40)
        number, place = _number(block, place, 6 if kept else 4)
        if number:
            name = self._at(number)[0]
        else:
            name, place = _string(block, place)
        value, place = _string(block, place)
        if kept:
            self._keep((name, value))
        return (name, value), place

    def _at(self, number: int) -> Field:
        if not number:
            raise PackingError("there is no field 0")
        if number <= len(_STATIC):
            return _STATIC[number - 1]
        return self._table[number - len(_STATIC) - 1]

    def _keep(self, field: Field) -> None:
        self.changes += 1
        self._table.appendleft(field)
        self._size += len(field[0]) + len(field[1]) + _OVERHEAD
        self._shrink()

    def _shrink(self) -> None:
        while self._size > self._limit:
            name, value = self._table.pop()
            self._size -= len(name) + len(value) + _OVERHEAD


def literal(name: bytes, value: bytes) -> bytes:
    """A field, written so that nobody keeps it (section 6.2.2)."""
    return b"\0" + _length(name) + name + _length(value) + value


def _length(text: bytes) -> bytes:
    size = len(text)
    if size < 127:
        return bytes((size,))
    out, size = bytearray((127,)), size - 127
    while size > 127:
        out.append(size & 127 | 128)
        size >>= 7
    out.append(size)
    return bytes(out)


def _number(block: bytes, place: int, bits: int) -> tuple[int, int]:
    """A number whose first *bits* share a byte with something else (section 5.1)."""
    most = (1 << bits) - 1
    number, place, shift = block[place] & most, place + 1, 0
    if number < most:
        return number, place
    while True:
        byte = block[place]
        place += 1
        number += (byte & 127) << shift
        shift += 7
        if number > _MAX_NUMBER or shift > 28:
            raise PackingError("a number is too large")
        if byte < 128:
            return number, place


def _string(block: bytes, place: int) -> tuple[bytes, int]:
    packed = block[place] & 128
    size, place = _number(block, place, 7)
    text = block[place:place + size]
    if len(text) < size:
        raise PackingError("a string is cut")
    return _huffman(text) if packed else text, place + size
