"""An Envoy with narrow limits, and an application that tells how a request arrives."""

from __future__ import annotations

import asyncio
import json
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from envoy_doors import EDGE, GrpcServing, envoy_running, is_ready
from forward_client import HOST, SECONDS, free_port
from forward_world import NAMES, Serving, World, bearer

from iam_guard.asgi.listening import Address
from iam_guard.gateway.envoy.writer import Surroundings, envoy_config
from iam_guard.gateway.settings import GatewaySettings
from iam_guard.sidecar.ext_authz.checks import Checks


@dataclass
class Watching:
    """An application that says how much of a body has come, and answers when it may."""

    pieces: list[int] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await _echo(receive, send)
            return
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                self.ends.append("left")
                return
            self.pieces.append(len(message["body"]))
            more = message["more_body"]
        self.ends.append("whole")
        if scope["path"].endswith("/thinks"):
            assert (await receive())["type"] == "http.disconnect"
            self.ends.append("left")
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        if scope["path"].endswith("/pours"):
            await self._pour(receive, send)
            return
        if scope["path"].endswith("/stalls"):
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            assert (await receive())["type"] == "http.disconnect"
            self.ends.append("left")
            return
        await send({"type": "http.response.body", "body": str(sum(self.pieces)).encode()})

    async def _pour(self, receive: Any, send: Any) -> None:
        """Say more than anybody takes, until somebody leaves."""
        left = asyncio.ensure_future(receive())
        while not left.done():
            await send({"type": "http.response.body", "body": b"a" * 65_536, "more_body": True})
            await asyncio.sleep(0)
        self.ends.append("left")

    def forget(self) -> None:
        self.pieces.clear()
        self.ends.clear()


async def _echo(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message["bytes"]})


@dataclass
class Limited:
    """An Envoy, and what is behind it."""

    port: int
    app: Watching
    world: World

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), SECONDS)

    def head(self, framing: str, target: str = "/docs/1", method: str = "POST", host: str = HOST) -> bytes:
        caller = bearer()["Authorization"]
        return f"{method} {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: {caller}\r\n{framing}\r\n\r\n".encode()

    def say(self, *parts: bytes) -> bytes:
        """Send these, and read until the end of the connection, or of what Envoy sends while it waits for more."""
        with self.connect() as connection:
            for part in parts:
                connection.sendall(part)
            return everything(connection)


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    found = bytearray()
    try:
        while piece := connection.recv(65_536):
            found += piece
    except ConnectionResetError:
        pass
    return bytes(found)


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


LAST = b"0\r\n\r\n"
Section = Callable[[int, int], dict[str, Any]]


@contextmanager
def limited(section: Section) -> Iterator[Limited]:
    """Run everything.

    Args:
        section: Makes the section ``gateway`` of the port to listen at and that of the application.
    """
    from msgspec import convert

    world, app, port = World(EDGE), Watching(), free_port()
    with ExitStack() as closing:
        folder = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        behind = closing.enter_context(Serving(app))
        guard = closing.enter_context(GrpcServing(Checks(world.asker, lambda: is_ready(world))))
        settings = convert(section(port, behind.port), GatewaySettings)
        config = envoy_config(settings, Surroundings(Address("127.0.0.1", guard.port), NAMES.names))
        closing.enter_context(envoy_running(folder, json.dumps(config), port))
        closing.callback(app.go_on.set)
        yield Limited(port, app, world)
