"""What names a request to AuthZEN, by which the admission of one that comes again is remembered."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

#: What differs between requests without a meaning for who sent them: framing is the server's, the id is given back.
_VARYING = frozenset({b"content-length", b"x-request-id"})


def key_of(scope: Mapping[str, Any]) -> Hashable:
    """Everything in an ASGI scope that judging a caller depends on; a port of the peer says nothing.

    What TLS says of a peer belongs to its connection and is none of it, so that makes every scope another.
    """
    client = scope.get("client")
    if "tls" in (scope.get("extensions") or ()):
        return object()
    return (scope["type"], scope["method"], scope.get("http_version"), scope.get("scheme"), scope["path"],
            scope.get("raw_path"), scope.get("query_string"), scope.get("root_path"), client and client[0],
            tuple([_field(name, value) if name in _VARYING else (name, value) for name, value in scope["headers"]]))


def _field(name: bytes, value: bytes) -> tuple[bytes, bytes | int]:
    """A length in digits and an id differ in nothing that counts when they take the same room in the head."""
    return (name, len(value)) if name == b"x-request-id" or value.isdigit() else (name, value)
