"""Speaks ASGI to an application in process, and plain bytes to a server on a socket."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

Headers = Iterable[tuple[str, str]]


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raised: BaseException | None = None

    def json(self) -> Any:
        return json.loads(self.body)


def http_scope(method: str, target: str, headers: Headers = (), **more: Any) -> dict[str, Any]:
    path, _, query = target.partition("?")
    fields = [("host", "app.example"), *headers] if more.pop("host", True) else list(headers)
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.3"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": unquote(path), "raw_path": path.encode(), "query_string": query.encode(),
        "root_path": "", "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in fields],
        "client": ("203.0.113.7", 50000), "server": ("app.example", 80), "state": {}, **more,
    }


def socket_scope(target: str, headers: Headers = (), **more: Any) -> dict[str, Any]:
    scope = http_scope("GET", target, headers, **{"scheme": "ws", "subprotocols": [],
                                                 "extensions": {"websocket.http.response": {}}, **more})
    del scope["method"]
    return {**scope, "type": "websocket"}


async def speak(app: Any, scope: Any, received: Iterable[Any], sent: Callable[[Any], Any]) -> None:
    """Run *app*; *received* is what the server says, then the client is silent for ever."""
    waiting = list(received)

    async def receive() -> Any:
        if waiting:
            return waiting.pop(0)
        return await asyncio.get_running_loop().create_future()

    async def send(message: Any) -> None:
        sent(message)

    await app(scope, receive, send)


def answer_of(messages: Iterable[Any]) -> Answer:
    answer = Answer(0)
    for message in messages:
        match message["type"].rsplit(".", 1):
            case "websocket", "close":
                return Answer(message["code"])
            case _, "start":
                answer.status = message["status"]
                answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            case _, "body":
                answer.body += message.get("body", b"")
    return answer


def call(app: Any, method: str, target: str, headers: Headers = (), body: bytes = b"", **scope: Any) -> Answer:
    """One HTTP request, in process."""
    return call_scope(app, http_scope(method, target, headers, **scope), body)


def call_scope(app: Any, scope: Any, body: bytes = b"") -> Answer:
    messages: list[Any] = []
    asyncio.run(speak(app, scope, [{"type": "http.request", "body": body, "more_body": False}], messages.append))
    return answer_of(messages)


def handshake(app: Any, target: str, headers: Headers = (), *received: Any, **scope: Any) -> tuple[Answer, list[Any]]:
    """One WebSocket handshake, in process; the client then says *received* and leaves."""
    messages: list[Any] = []
    said = [{"type": "websocket.connect"}, *received, {"type": "websocket.disconnect", "code": 1000}]
    asyncio.run(speak(app, socket_scope(target, headers, **scope), said, messages.append))
    return answer_of(messages), messages


# Bytes on a socket


def exchange(address: tuple[str, int], request: bytes) -> bytes:
    """Send bytes, and read until the server closes."""
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(request)
        received = bytearray()
        while chunk := connection.recv(65536):
            received += chunk
        return bytes(received)


def parse(response: bytes) -> Answer:
    head, _, body = response.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _unchunked(body)
    return Answer(int(first.split(" ")[1]), headers, body)


def _unchunked(body: bytes) -> bytes:
    whole = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        whole, body = whole + rest[:length], rest[length + 2:]
        if not length:
            break
    return whole
