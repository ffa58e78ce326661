"""OriginalRequest: the client's request, as a proxy describes it to the guard."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

Fields = tuple[tuple[bytes, bytes], ...]

_SOCKET_SCHEMES = {"http": "ws", "https": "wss"}


class OriginalRequest(msgspec.Struct, frozen=True):
    """One request of a client, recovered from what a proxy said.

    It is as far from being checked as the request of any client: whoever judges it takes the one snapshot of its
    scope that says what it is.

    Attributes:
        method: As the client sent it.
        target: Path and query, as the client sent them, not decoded.
        scheme: ``http`` or ``https``, of the client's own connection.
        host: Of the client's request; empty where it named none.
        peer: Address of who sent the request to whom: of the proxy, where forwarded headers tell about the client, or
            of the client itself, where the wire tells it. Empty when unknown.
        headers: Of the client's request, with names in lower case, without those that the proxy set to describe it.
        http_version: Of the client's connection.
        websocket: It is a WebSocket handshake.
    """

    method: str
    target: bytes
    scheme: str
    host: str
    peer: str
    headers: Fields = ()
    http_version: str = "1.1"
    websocket: bool = False

    def scope(self) -> dict[str, Any]:
        """The ASGI scope that a server would have made of the request.

        The target is cut at its first ``?`` before anything is decoded, and decoded once. Bytes that are not UTF-8
        become characters that no path may hold, so that the request is refused.
        """
        path, _, query = self.target.partition(b"?")
        decoded = unquote_to_bytes(path) if b"%" in path else path
        fields = list(self.headers)
        if b"host" in dict(fields):
            fields = [field for field in fields if field[0] != b"host"]
        if self.host:
            fields.insert(0, (b"host", self.host.encode("latin-1", "replace")))
        scope: dict[str, Any] = {
            "type": "websocket" if self.websocket else "http", "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": self.http_version, "scheme": self._scheme(), "root_path": "",
            "path": decoded.decode("utf-8", "replace"), "raw_path": path, "query_string": query,
            "headers": fields, "client": (self.peer, 0) if self.peer else None, "server": None, "state": {}}
        if not self.websocket:
            scope["method"] = self.method
        return scope

    def _scheme(self) -> str:
        return _SOCKET_SCHEMES.get(self.scheme, self.scheme) if self.websocket else self.scheme
