"""M05: a WebSocket that pinged and never read, or sent empty pieces of a message, filled the memory."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from gateway_attack import Front, flood, request, who
from gateway_origin import wait_for
from websockets.sync.client import connect

MASK = b"\0\0\0\0"
HANDSHAKE = (b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")


@contextmanager
def opened(front: Front) -> Iterator[socket.socket]:
    with front.connected() as client:
        client.sendall(request(b"GET /ws/feed", HANDSHAKE, who("root")))
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        yield client


def test_pings_whose_answers_nobody_reads_end_the_connection(front: Front) -> None:
    before = front.resident()
    with opened(front) as client:
        flood(client, (b"\x89\xfd" + MASK + b"p" * 125) * 500, 60_000_000)
    wait_for(lambda: front.behind.streams == 0, "the upstream's socket has ended too")
    assert front.resident() < before + 24


@pytest.mark.nightly
@pytest.mark.parametrize("piece", [b"", b"x"])
def test_pieces_of_a_message_take_no_more_room_than_it(front: Front, piece: bytes) -> None:
    before, most = front.resident(), 24_000_000 if not piece else 14_000_000
    with opened(front) as client:
        client.sendall(b"\x01\x80" + MASK)
        flood(client, (bytes([0, 0x80 | len(piece)]) + MASK + piece) * 20_000, most)
        assert front.gateway.call("GET", "/public/x").status == 200
        assert front.resident() < before + 24


def test_a_message_in_pieces_is_one(front: Front) -> None:
    with connect(f"ws://127.0.0.1:{front.gateway.port}/ws/feed",
                 additional_headers={"Authorization": who("root").decode()[15:].strip()}) as sock:
        sock.send(["a", "", "b", "", "ü"], text=True)
        assert sock.recv() == "echo abü"
        sock.send([b"1", b"", b"2"])
        assert sock.recv() == b"12"
