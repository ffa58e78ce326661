"""A client that does not take its answer is cut off, and whatever served it is free (threat F06)."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from gateway_origin import SECONDS, Origin, wait_for
from gateway_world import Gateway, bearer, token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from iam_guard.gateway.patience import ConnectionRules, Patience

GATEWAY = {"limits": {"write_seconds": 1.0}}

MIB = 1_048_576
#: Much more than the kernel keeps for two ends of a connection.
LONG = 256 * MIB


def is_cut(client: socket.socket) -> bool:
    """Whether the other end has aborted, which it tells by a reset; nothing is read."""
    return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_a_client_that_never_reads_frees_its_upstream(gateway: Gateway, behind: Origin) -> None:
    wait_for(lambda: behind.open == 0, "no connection is left of before")
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(f"GET /items/1?size={LONG} HTTP/1.1\r\nHost: shop.example\r\n"
                       f"Authorization: Bearer {token('alice')}\r\n\r\n".encode())
        wait_for(lambda: behind.open == 1, "the request has arrived")
        wait_for(lambda: is_cut(client), "the connection is cut")
        wait_for(lambda: behind.open == 0, "the upstream is free")
    assert gateway.call("GET", "/items/1", bearer("alice")).status == 200


def test_one_that_reads_slowly_and_steadily_gets_all_of_it(gateway: Gateway) -> None:
    size = 24 * MIB
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(f"GET /items/1?size={size} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n"
                       f"Authorization: Bearer {token('alice')}\r\n\r\n".encode())
        got, pause = 0, threading.Event()
        while chunk := client.recv(2 * MIB):
            got += len(chunk)
            pause.wait(0.15)  # longer than write_seconds altogether
    assert size < got < size + 1000


def test_a_websocket_that_never_reads_frees_its_upstream(gateway: Gateway, behind: Origin) -> None:
    wait_for(lambda: behind.streams == 0, "no stream is left of before")
    with connect(f"ws://127.0.0.1:{gateway.port}/ws/feed", additional_headers=bearer("alice"), proxy=None,
                 open_timeout=SECONDS, close_timeout=0.1, max_queue=1) as client:
        with contextlib.suppress(ConnectionClosed, OSError):
            for _ in range(LONG // MIB):
                client.send(bytes(MIB))  # comes back, and nobody takes it
        wait_for(lambda: behind.streams == 0, "the upstream is free")


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("closes", [True, False])
def test_what_was_written_is_not_kept_for_ever_even_where_it_was_closed(loop: Callable[[], Any], closes: bool) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(unread(closes))


async def unread(closes: bool) -> None:
    """A real connection whose one end never reads: the other one is cut, though nobody writes any more."""
    rules = ConnectionRules(head_seconds=5, body_seconds=5, max_head_bytes=1, keep_seconds=5, write_seconds=0.2)
    lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    class Writer(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.patience = Patience(asyncio.get_running_loop(), rules, transport)
            transport.write(bytes(64 * MIB))
            if closes:
                transport.close()

        def pause_writing(self) -> None:
            self.patience.full()

        def resume_writing(self) -> None:
            self.patience.flows()

        def connection_lost(self, exc: Exception | None) -> None:
            self.patience.end()
            lost.set_result(None)

    server = await asyncio.get_running_loop().create_server(Writer, "127.0.0.1", 0)
    with socket.create_connection(server.sockets[0].getsockname()):
        await asyncio.wait_for(lost, SECONDS)
    server.close()
    await server.wait_closed()
