"""Where a request came from, and which of its headers the application may believe (promises S8 and S9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from iam_guard.errors import RequestRefusedError
from iam_guard.http.address import forwarded_elements, is_trusted, peer_text, source_address
from iam_guard.http.edge import EdgeSettings

Fields = Iterable[tuple[bytes, bytes]]

_SECURE = {"http": "https", "ws": "wss"}
_INSECURE = {"https": "http", "wss": "ws"}


class Origin(NamedTuple):
    """What is known about the sender, and the headers that remain."""

    client: str
    source_ip: str
    scheme: str
    trusted: bool
    headers: tuple[tuple[bytes, bytes], ...]


def origin_of(client: Sequence[object] | None, scheme: str, headers: Fields, index: Mapping[bytes, bytes],
              count: int, edge: EdgeSettings) -> Origin:
    """Judge the peer and drop what it may not say.

    Args:
        client: ``scope["client"]``.
        scheme: Of the connection itself.
        headers: All fields.
        index: The same by lower-case name.
        count: How many there were.
        edge: Whom to believe.

    Raises:
        RequestRefusedError: a trusted proxy forwarded something that cannot be read.
    """
    peer = peer_text(str(client[0])) if client else ""
    trusted = bool(edge.networks) and is_trusted(peer, edge.networks)
    source = peer
    if trusted:
        source, scheme = _told(peer, scheme, headers, edge)
    if edge.harmless.issuperset(index):
        kept = tuple(map(_pair, headers))
    else:
        kept = tuple([(name.lower(), value) for name, value in headers
                      if name in edge.harmless or edge.keeps(name.decode("latin-1"), trusted)])
    return Origin(peer, source, scheme, trusted, kept)


def _pair(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return field if type(field) is tuple else (field[0], field[1])


def _told(peer: str, scheme: str, headers: Fields, edge: EdgeSettings) -> tuple[str, str]:
    """Read the configured family of a trusted proxy: the client's address and scheme."""
    if edge.forwarded == "forwarded":
        values = _values(headers, b"forwarded")
        elements = forwarded_elements(values) if values else []
        hops = [element["for"] for element in elements if "for" in element]
        schemes = [element["proto"] for element in elements if "proto" in element]
    else:
        hops = [hop for value in _values(headers, b"x-forwarded-for") for hop in value.split(",") if hop.strip()]
        schemes = [one for value in _values(headers, b"x-forwarded-proto") for one in value.split(",") if one.strip()]
    return source_address(peer, hops, edge.networks), _scheme(scheme, schemes)


def _values(headers: Fields, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _scheme(scheme: str, told: Iterable[str]) -> str:
    """Encrypted only when every proxy on the way says so; nothing said leaves the connection's own."""
    words = {word.strip().lower() for word in told}
    if not words:
        return scheme
    if not words <= {"http", "https", "ws", "wss"}:
        raise RequestRefusedError("A forwarded scheme cannot be read.", code="invalid-request")
    if words <= {"https", "wss"}:
        return _SECURE.get(scheme, scheme)
    return _INSECURE.get(scheme, scheme)
