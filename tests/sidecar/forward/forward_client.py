"""A client that sends what it is told, byte for byte."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

HOST = "shop.example"
SECONDS = 20.0


@dataclass
class Reply:
    """What a client got."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name: str) -> str:
        return ", ".join(self.values(name))


class _Verbatim(http.client.HTTPConnection):
    """Sends a target that is no ASCII as it is."""

    def _encode_request(self, request: str) -> bytes:
        return request.encode("latin-1")


def http_call(port: int, method: str, target: str, headers: Iterable[tuple[str, str]] = (), body: bytes | None = None,
              *, host: str = HOST, seconds: float = SECONDS, framed: bool = False) -> Reply:
    """Send one request exactly as it is written here; *framed*: the headers say how long the body is."""
    connection = _Verbatim("127.0.0.1", port, timeout=seconds)
    try:
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", host)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None and not framed:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Reply(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def socket_call(port: int, target: str, headers: dict[str, str]) -> Reply:
    """Open a WebSocket; 101 when a message comes back."""
    try:
        with connect(f"ws://{HOST}{target}", additional_headers=headers, proxy=None, compression=None,
                     open_timeout=SECONDS, close_timeout=SECONDS,
                     sock=socket.create_connection(("127.0.0.1", port), SECONDS)) as opened:
            opened.send("hello")
            assert opened.recv(SECONDS) == "echo hello"
            return Reply(101)
    except InvalidStatus as error:
        response = error.response
        return Reply(response.status_code, list(response.headers.raw_items()), response.body or b"")


PREFLIGHT = {"Origin": "https://front.example", "Access-Control-Request-Method": "GET"}
KINDS = ("GET", "POST", "HEAD", "OPTIONS", "WS")


def send(port: int, kind: str, target: str, headers: dict[str, str]) -> Reply:
    """One of the five kinds of request."""
    if kind == "WS":
        return socket_call(port, target, headers)
    more = PREFLIGHT if kind == "OPTIONS" else {}
    body = b"a body" if kind == "POST" else None
    return http_call(port, kind, target, [*headers.items(), *more.items()], body)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Wait until something is so; the test fails when it takes too long."""
    end = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < end, f"waited in vain until {what}"
        time.sleep(0.01)


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
