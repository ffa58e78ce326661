"""What a trusted proxy says about its client, and what is left of the headers of everybody else.

Both follow the peer address of the connection, never a header (promises S8 and S9).
"""

from __future__ import annotations

from collections.abc import Iterable, Set

from iam_guard.errors import RequestRefusedError
from iam_guard.http.address import forwarded_elements
from iam_guard.http.edge import EdgeSettings

Fields = Iterable[tuple[bytes, bytes]]

_SECURE = {"http": "https", "ws": "wss"}
_INSECURE = {"https": "http", "wss": "ws"}


def told_by_proxy(peer: str, scheme: str, headers: Fields, edge: EdgeSettings) -> tuple[str, str]:
    """Read the configured family of forwarded headers.

    Args:
        peer: Address of the trusted proxy.
        scheme: Of the connection itself.
        headers: All fields.
        edge: Which family, and who else is trusted.

    Returns:
        The address of the client, and the scheme of its own connection.

    Raises:
        RequestRefusedError: the family holds something that cannot be read.
    """
    if edge.forwarded == "forwarded":
        elements = forwarded_elements(_values(headers, b"forwarded"))
        hops = [element["for"] for element in elements if "for" in element]
        schemes = [element["proto"] for element in elements if "proto" in element]
    else:
        hops = _listed(headers, b"x-forwarded-for")
        schemes = _listed(headers, b"x-forwarded-proto")
    return edge.proxies.source(peer, hops), _scheme(scheme, schemes)


def kept_headers(headers: Fields, unknown: Set[bytes], trusted: bool,
                 edge: EdgeSettings) -> tuple[tuple[bytes, bytes], ...]:
    """Drop what the peer may not say, under every spelling of its name.

    Args:
        headers: All fields.
        unknown: Their names that are not known to be harmless, as sent.
        trusted: The peer is a trusted proxy.
        edge: Which names are whose.
    """
    dropped = {name for name in unknown if not edge.keeps(name, trusted)}
    return tuple([(name.lower(), value) for name, value in headers if name not in dropped])


def _values(headers: Fields, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


def _listed(headers: Fields, name: bytes) -> list[str]:
    return [one for value in _values(headers, name) for one in value.split(",") if one.strip()]


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
