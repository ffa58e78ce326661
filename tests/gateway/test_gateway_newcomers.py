"""A server that ends hears a client that was just accepted: its first request may be on its way."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest
import uvicorn

from iam_guard.asgi.serving import ReadyServer
from iam_guard.gateway.patience import ConnectionRules
from iam_guard.gateway.protocol import GatewayConfig
from iam_guard.sidecar.bounded import BoundedProtocol

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
Make = Callable[[], uvicorn.Config]


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def _gateway() -> uvicorn.Config:
    return GatewayConfig(_app, ConnectionRules(10, 10, 16_384), lifespan="off", log_level="error")


def _sidecar() -> uvicorn.Config:
    return uvicorn.Config(_app, http=BoundedProtocol, ws="none", lifespan="off", log_level="error")


both = pytest.mark.parametrize("make", [_gateway, _sidecar], ids=["gateway", "sidecar"])


async def _meet(make: Make, and_then: Callable[[Any, asyncio.StreamReader, asyncio.StreamWriter], Any]) -> None:
    """Start a server, connect, and end it as soon as the connection has been accepted."""
    server = ReadyServer(make())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await server.ready.wait()
        reader, writer = await asyncio.open_connection(*listening.getsockname())
        async with asyncio.timeout(10):
            while not server.server_state.connections:  # noqa: ASYNC110 - uvicorn tells nobody
                await asyncio.sleep(0)
            [accepted] = server.server_state.connections
            await and_then(accepted, reader, writer)
            writer.close()
            server.should_exit = True
            await running


@both
def test_its_request_is_answered_and_the_connection_ends(make: Make) -> None:
    async def hear(accepted: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.shutdown()
        writer.write(REQUEST)
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert answer.endswith(b"\r\n\r\nok")

    asyncio.run(_meet(make, hear))


@both
def test_one_that_says_nothing_is_not_waited_for_long(make: Make) -> None:
    async def hear(accepted: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.shutdown()
        assert await reader.read() == b""

    asyncio.run(_meet(make, hear))


@both
def test_one_that_was_answered_is_let_go_at_once(make: Make) -> None:
    async def hear(accepted: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\nok")
        accepted.shutdown()
        assert accepted.transport.is_closing()

    asyncio.run(_meet(make, hear))
