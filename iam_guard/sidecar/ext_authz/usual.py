"""What Envoys usually send, read without protobuf.

A message is a handful of fields and a dozen headers, of which protobuf makes as many objects that are asked once. What
is read here is what protobuf would have read; anything that is not of the usual shape is left to it.
"""

from __future__ import annotations

from functools import lru_cache

from iam_guard.engine.memo import Memo
from iam_guard.sidecar.ext_authz.described import Described
from iam_guard.sidecar.original import Fields

# A field begins with a byte of its number and its kind: here always something with a length, unless said otherwise.
_ATTRIBUTES = _SOURCE = _ADDRESS = _NAME = 0x0A
_REQUEST, _HTTP, _HOST_ADDRESS, _VALUE, _RAW_VALUE, _CERTIFICATE = 0x22, 0x12, 0x12, 0x12, 0x1A, 0x2A
_METHOD, _HEADER, _PATH, _HOST, _SCHEME, _PROTOCOL, _BODY, _RAW_BODY, _HEADERS = (
    0x12, 0x1A, 0x22, 0x2A, 0x32, 0x52, 0x5A, 0x62, 0x6A)
#: Numbers: how much was received of the body, which is not used, and a port.
_RECEIVED, _PORT = 0x48, 0x18
_TEXTS = frozenset({_METHOD, _PATH, _HOST, _SCHEME, _PROTOCOL, _BODY, _RAW_BODY})
#: Numbers behind the sixteenth take two bytes, and so does a length of 128; three are left to protobuf.
_LONG = 0x80
#: Headers, and descriptions of where a request came from, that are remembered, and the longest of them.
_KEPT, _LONGEST_KEPT, _SHORT = 1024, 256, 64
#: Headers of which there are few: nothing in them is a secret, or a client's own.
_ALIKE = frozenset(
    b":authority :method :scheme accept accept-charset accept-encoding accept-language cache-control connection "
    b"content-length content-type dnt host origin pragma priority sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform "
    b"sec-fetch-dest sec-fetch-mode sec-fetch-site sec-fetch-user sec-gpc te upgrade-insecure-requests user-agent "
    b"x-envoy-expected-rq-timeout-ms x-envoy-external-address x-envoy-internal x-forwarded-for "
    b"x-forwarded-proto x-requested-with".split())

_Places = dict[int, tuple[int, int]]
_NOWHERE = (0, 0)


class _UnusualError(Exception):
    """It may still be a message."""


class UsualMessages:
    """Reads them; remembers headers that many clients send alike."""

    def __init__(self) -> None:
        self._peer = lru_cache(maxsize=_KEPT)(_peer)
        # Apart, since the same bytes say less in a map.
        self._in_map: Memo[bytes, tuple[bytes, bytes]] = Memo(_KEPT)
        self._in_list: Memo[bytes, tuple[bytes, bytes]] = Memo(_KEPT)

    def read(self, message: bytes) -> Described | None:
        """What a ``CheckRequest`` says; ``None`` where protobuf has to read it.

        Args:
            message: As it came.
        """
        try:
            return self._described(message)
        except (_UnusualError, IndexError):
            return None

    def _described(self, message: bytes) -> Described:
        attributes = _places(message, *_places(message, 0, len(message)).get(_ATTRIBUTES, _NOWHERE))
        begin, end = attributes.get(_SOURCE, _NOWHERE)
        source, certificate = (self._peer if end - begin <= _SHORT else _peer)(message[begin:end])
        request = _places(message, *attributes.get(_REQUEST, _NOWHERE))
        texts, headers = self._http(message, *request.get(_HTTP, _NOWHERE))
        if not b"".join(texts.values()).isascii():
            raise _UnusualError
        told = texts.get
        return Described(told(_METHOD, b""), told(_PATH, b""), told(_HOST, b""), told(_SCHEME, b""),
                         told(_PROTOCOL, b""), headers, told(_RAW_BODY) or told(_BODY, b""), source, certificate)

    def _http(self, data: bytes, place: int, end: int) -> tuple[dict[int, bytes], Fields]:
        """The fields of the request that are used, and its headers."""
        texts: dict[int, bytes] = {}
        headers: list[tuple[bytes, bytes]] = []
        listed: list[tuple[bytes, bytes]] = []
        known = self._in_map
        while place < end:
            kind, size = data[place], data[place + 1]
            place += 2
            if size >= _LONG:
                size, place = _size(data, place)
            stop = place + size
            if kind == _HEADER:
                entry = data[place:stop]
                headers.append(known.get(entry) or _header(entry, _VALUE, known))
            elif kind in _TEXTS:
                if kind in texts:
                    raise _UnusualError
                texts[kind] = data[place:stop]
            elif kind == _HEADERS and not listed:
                listed = self._listed(data, place, stop)
            elif kind == _RECEIVED:
                stop = place
            elif kind != _NAME:  # what the request is called in logs
                raise _UnusualError
            place = stop
        if place != end or (headers and listed):
            raise _UnusualError
        return texts, _checked_map(headers) if headers else _checked(listed)

    def _listed(self, data: bytes, place: int, end: int) -> list[tuple[bytes, bytes]]:
        """Headers one by one, as they were sent."""
        found, known = [], self._in_list
        while place < end:
            kind, size = data[place], data[place + 1]
            place += 2
            if size >= _LONG:
                size, place = _size(data, place)
            if kind != _NAME:
                raise _UnusualError
            entry = data[place:place + size]
            found.append(known.get(entry) or _header(entry, _RAW_VALUE, known))
            place += size
        if place != end:
            raise _UnusualError
        return found


def _places(data: bytes, place: int, end: int) -> _Places:
    """Where the fields of a message are, by the byte that they begin with."""
    found: _Places = {}
    while place < end:
        kind, size = data[place], data[place + 1]
        place += 2
        if kind & 7 != 2 or kind >= _LONG or kind in found or kind < 8:
            raise _UnusualError
        if size >= _LONG:
            size, place = _size(data, place)
        found[kind] = place, place + size
        place += size
    if place != end:
        raise _UnusualError
    return found


def _size(data: bytes, place: int) -> tuple[int, int]:
    """A length of two bytes, of which the first was read."""
    second = data[place]
    if second >= _LONG:
        raise _UnusualError
    return data[place - 1] & 0x7F | second << 7, place + 1


def _peer(data: bytes) -> tuple[str, bytes]:
    """The address of a peer, and its certificate."""
    found = _places(data, 0, len(data))
    begin, end = found.get(_CERTIFICATE, _NOWHERE)
    certificate = data[begin:end]
    address = _places(data, *found.get(_ADDRESS, _NOWHERE))
    text = _host_address(data, *address.get(_ADDRESS, _NOWHERE))
    if not certificate.isascii() or not text.isascii():
        raise _UnusualError
    return text.decode("ascii"), certificate


def _host_address(data: bytes, place: int, end: int) -> bytes:
    """The address in front of the number of a port."""
    if place == end:
        return b""
    size = data[place + 1]
    stop = place + 2 + size
    if data[place] != _HOST_ADDRESS or size >= _LONG or stop > end or not _is_port(data[stop:end]):
        raise _UnusualError
    return data[place + 2:stop]


def _is_port(data: bytes) -> bool:
    """Whether nothing is left but one number of at most three bytes."""
    return not data or (data[0] == _PORT and 2 <= len(data) <= 4 and data[-1] < _LONG
                        and all(byte >= _LONG for byte in data[1:-1]))


def _header(entry: bytes, kind: int, known: Memo[bytes, tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    """A name and a value; those that others send too are remembered."""
    size = entry[1]
    middle = 2 + size
    if entry[0] != _NAME or size >= _LONG or middle > len(entry):
        raise _UnusualError
    name, value = entry[2:middle], b""
    if middle < len(entry):
        size, begin = entry[middle + 1], middle + 2
        if size >= _LONG:
            size, begin = _size(entry, begin)
        if entry[middle] != kind or begin + size != len(entry):
            raise _UnusualError
        value = entry[begin:]
    if name in _ALIKE and len(entry) <= _LONGEST_KEPT:
        return known.keep(entry, (name, value))
    return name, value


def _checked_map(headers: list[tuple[bytes, bytes]]) -> Fields:
    """The headers of a map: no name is there twice, and values are text."""
    found = dict(headers)
    if len(found) < len(headers) or not b"".join(found.values()).isascii():
        raise _UnusualError
    return _checked(headers)


def _checked(headers: list[tuple[bytes, bytes]]) -> Fields:
    """The same headers, whose names are in lower case already."""
    names = b"".join([name for name, _ in headers])
    if not names.isascii() or names.lower() != names:
        raise _UnusualError
    return tuple(headers)
