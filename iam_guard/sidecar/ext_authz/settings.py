"""The two doors for Envoy, as the settings file names them."""

from __future__ import annotations

from typing import Annotated

import msgspec

from iam_guard.asgi.tls import TLSSettings
from iam_guard.errors import ConfigurationError, Fault
from iam_guard.http.address import TrustedProxies
from iam_guard.http.edge import EdgeSettings


class GrpcDoor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The gRPC door.

    Attributes:
        listen: ``HOST:PORT`` or ``unix:PATH``.
        tls: TLS there.
        peers: Addresses and networks that may ask, since they also say from where a client comes; who reaches a Unix
            socket may.
        seconds: How long a decision may take; then the call ends with an error.

    Raises:
        ConfigurationError: a peer is no address.
    """

    listen: str = "127.0.0.1:8183"
    peers: tuple[str, ...] = ("127.0.0.1", "::1")
    seconds: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    tls: TLSSettings | None = None

    def __post_init__(self) -> None:
        """Check the addresses."""
        _check_peers(self.peers)


class HttpDoor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The HTTP door. It answers every path, so it has a listener of its own.

    Attributes:
        listen: ``HOST:PORT`` or ``unix:PATH``.
        tls: TLS there.
        path_prefix: What Envoy puts in front of the client's path.
        described: Envoy sets ``X-Original-Client``, ``X-Original-Scheme`` and ``X-Original-Upgrade`` on each call
            whatever its client sends. Without them the client counts as Envoy itself, its connection as that of the
            call, and WebSockets are denied.
        peers: Addresses and networks that may ask; who reaches a Unix socket may.

    Raises:
        ConfigurationError: the prefix is none, or a peer is no address.
    """

    listen: str = "127.0.0.1:8184"
    path_prefix: str = ""
    described: bool = False
    peers: tuple[str, ...] = ("127.0.0.1", "::1")
    tls: TLSSettings | None = None

    def __post_init__(self) -> None:
        """Check the prefix and the addresses."""
        prefix = self.path_prefix
        if prefix and (not prefix.startswith("/") or prefix.endswith("/") or any(char in prefix for char in "?#% \\")):
            raise ConfigurationError(Fault(f"'{prefix}' is not a prefix of paths", "write it like '/check'",
                                           "/path_prefix"))
        _check_peers(self.peers)


def _check_peers(peers: tuple[str, ...]) -> None:
    for number, text in enumerate(peers):
        try:
            TrustedProxies([text])
        except ValueError:
            raise ConfigurationError(Fault(f"'{text}' is not an address or a network", "write it like '10.9.0.0/16'",
                                           f"/peers/{number}")) from None


def refuse_other_path(edge: EdgeSettings) -> None:
    """Refuse settings under which another path would be decided than the one that Envoy sends on.

    Raises:
        ConfigurationError: the guard is to resolve paths, and nobody would tell Envoy the result.
    """
    if edge.path_mode != "strict":
        raise ConfigurationError(Fault(
            "Envoy would send on the path as it came, and not the one that was resolved and decided",
            "remove 'path_mode'; Envoy resolves paths itself with 'normalize_path' and 'merge_slashes'",
            "/edge/path_mode"))
