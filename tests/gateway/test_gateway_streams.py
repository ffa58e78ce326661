"""Bodies, event streams and WebSockets through the running gateway: nothing is collected, nobody is kept waiting."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import socket

import pytest
from gateway_origin import PIECE, SECONDS, Origin, wait_for
from gateway_world import Gateway, bearer, token
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as aconnect
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

GATEWAY = {"limits": {"head_seconds": 2.0}}

MIB = 1_048_576
#: What a gateway may grow by while a body passes that is many times as large.
MORE_KIB = 24 * 1024


def test_an_upload_passes_in_constant_memory(gateway: Gateway, behind: Origin) -> None:
    upload(gateway, behind, 64 * MIB)


@pytest.mark.nightly
def test_a_very_large_upload_passes_in_constant_memory(gateway: Gateway, behind: Origin) -> None:
    upload(gateway, behind, 2048 * MIB)


def upload(gateway: Gateway, behind: Origin, size: int) -> None:
    gateway.call("GET", "/items/1", bearer("root"))
    before = gateway.memory()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=300)
    try:
        pieces = (PIECE for _ in range(size // len(PIECE)))
        connection.request("PUT", "/files/pub/big", pieces, {**bearer("root"), "Host": "shop.example",
                                                             "Content-Length": str(size)})
        response = connection.getresponse()
        assert (response.status, response.read()) == (200, b"body of %d\n" % size)
    finally:
        connection.close()
    assert gateway.memory() - before < MORE_KIB


def test_a_body_in_the_smallest_pieces_passes_whole_and_in_its_order(gateway: Gateway, behind: Origin) -> None:
    pieces = 20_000
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(f"PUT /files/pub/small HTTP/1.1\r\nHost: shop.example\r\nTransfer-Encoding: chunked\r\n"
                       f"Connection: close\r\nAuthorization: Bearer {token('root')}\r\n\r\n".encode()
                       + b"".join(b"1\r\n%c\r\n" % (number % 251) for number in range(pieces)) + b"0\r\n\r\n")
        answer = b""
        while chunk := client.recv(65_536):
            answer += chunk
    assert answer.endswith(b"body of %d\n" % pieces)
    assert behind.seen[-1].digest == hashlib.sha256(bytes(number % 251 for number in range(pieces))).hexdigest()


def test_a_download_passes_in_constant_memory(gateway: Gateway) -> None:
    download(gateway, 64 * MIB)


@pytest.mark.nightly
def test_a_very_large_download_passes_in_constant_memory(gateway: Gateway) -> None:
    download(gateway, 2048 * MIB)


def download(gateway: Gateway, size: int) -> None:
    gateway.call("GET", "/items/1", bearer("root"))
    before = gateway.memory()
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=300)
    try:
        connection.request("GET", f"/files/pub/big?size={size}", headers=bearer("alice"))
        response = connection.getresponse()
        received = 0
        while piece := response.read(len(PIECE)):
            assert piece == PIECE
            received += len(piece)
        assert received == size
    finally:
        connection.close()
    assert gateway.memory() - before < MORE_KIB


def test_a_body_of_unknown_length_arrives_while_it_is_sent(gateway: Gateway, behind: Origin) -> None:
    behind.seen.clear()
    head = (f"PUT /files/pub/parts HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {token('root')}\r\n"
            "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n").encode()
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(head + b"5\r\nfirst\r\n")
        wait_for(lambda: behind.seen and behind.seen[0].body == 5, "the first part has arrived before the second")
        client.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        answer = b""
        while chunk := client.recv(65_536):
            answer += chunk
    assert answer.endswith(b"body of 11\n")
    assert behind.seen[0].values("transfer-encoding") == ["chunked"]


def test_a_client_that_waits_for_100_is_told_to_go_on(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(f"PUT /files/pub/x HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {token('root')}\r\n"
                       "Expect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n".encode())
        assert client.recv(65_536).startswith(b"HTTP/1.1 100 ")
        client.sendall(b"abc")
        answer = b""
        while chunk := client.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_refused_client_is_not_told_to_go_on(gateway: Gateway) -> None:
    answer = gateway.raw(b"PUT /files/pub/x HTTP/1.1\r\nHost: shop.example\r\nExpect: 100-continue\r\n"
                         b"Content-Length: 3\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")


def test_events_arrive_as_they_happen_and_a_client_that_leaves_frees_the_upstream(gateway: Gateway,
                                                                                 behind: Origin) -> None:
    wait_for(lambda: behind.streams == 0, "no stream is left of another test")
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=SECONDS)
    connection.request("GET", "/events", headers=bearer("alice"))
    response = connection.getresponse()
    assert [response.readline() for _ in range(4)] == [b"data: 0\n", b"\n", b"data: 1\n", b"\n"]
    assert behind.streams == 1
    response.close()
    connection.close()
    wait_for(lambda: behind.streams == 0, "the upstream is free")


def test_a_client_that_leaves_before_the_answer_frees_the_upstream(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/silent"] = b""
    wait_for(lambda: behind.streams == 0, "no stream is left of another test")
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(f"PUT /items/silent HTTP/1.1\r\nHost: shop.example\r\nAuthorization: Bearer {token('root')}\r\n"
                       "Content-Length: 3\r\n\r\nabc".encode())
        wait_for(lambda: behind.streams == 1, "the request has arrived")
    wait_for(lambda: behind.streams == 0, "the connection is closed")


def test_a_stream_ends_with_the_session(gateway: Gateway, behind: Origin) -> None:
    headers = {"Authorization": f"Bearer {token('alice', lifetime=4)}"}
    reply = gateway.call("GET", "/events", headers)  # returns at the end of the stream only
    assert reply.status == 200
    assert reply.body.startswith(b"data: 0\n\ndata: 1\n\n")
    wait_for(lambda: behind.streams == 0, "the upstream is free")


def test_a_websocket_passes_text_and_bytes_and_its_end(gateway: Gateway, behind: Origin) -> None:
    with connect(f"ws://127.0.0.1:{gateway.port}/ws/feed", additional_headers=bearer("alice"), proxy=None,
                 open_timeout=SECONDS) as client:
        client.send("hello")
        assert client.recv(SECONDS) == "echo hello"
        client.send(PIECE)
        assert client.recv(SECONDS) == PIECE
    seen = behind.seen[-1]
    assert seen.values("x-guard-principal") == ["arn:iamg:iam::t1:user/alice"]
    assert seen.values("authorization") == []
    wait_for(lambda: behind.streams == 0, "the upstream is free")


def test_a_websocket_ends_with_the_session(gateway: Gateway, behind: Origin) -> None:
    with connect(f"ws://127.0.0.1:{gateway.port}/ws/feed", proxy=None, open_timeout=SECONDS,
                 additional_headers={"Authorization": f"Bearer {token('alice', lifetime=4)}"}) as client:
        client.send("hello")
        assert client.recv(SECONDS) == "echo hello"
        with pytest.raises(ConnectionClosedError):
            client.recv(SECONDS)
        assert client.close_code == 1008  # RFC 6455 section 7.4.1: policy violation
    wait_for(lambda: behind.streams == 0, "the upstream is free")


def test_many_websockets_live_together(gateway: Gateway, behind: Origin) -> None:
    asyncio.run(live_together(gateway, behind, 50, rounds=3, pause=0.0))


@pytest.mark.nightly
def test_a_thousand_websockets_live_for_a_minute(gateway: Gateway, behind: Origin) -> None:
    asyncio.run(live_together(gateway, behind, 1000, rounds=12, pause=5.0))


async def live_together(gateway: Gateway, behind: Origin, count: int, *, rounds: int, pause: float) -> None:
    headers, opening = bearer("alice"), asyncio.Semaphore(50)

    async def opened() -> ClientConnection:
        async with opening:
            return await aconnect(f"ws://127.0.0.1:{gateway.port}/ws/feed", additional_headers=headers, proxy=None,
                                  open_timeout=60, ping_interval=None)

    async def talk(client: ClientConnection, said: str) -> None:
        await client.send(said)
        assert await asyncio.wait_for(client.recv(), 60) == f"echo {said}"

    clients = await asyncio.gather(*(opened() for _ in range(count)))
    assert behind.streams == count
    for turn in range(rounds):
        await asyncio.gather(*(talk(client, f"{turn}/{number}") for number, client in enumerate(clients)))
        await asyncio.sleep(pause)
    for client in clients[::2]:
        client.transport.abort()  # half of them vanish, the others say goodbye
    await asyncio.gather(*(client.close() for client in clients[1::2]))
    wait_for(lambda: behind.streams == 0, "the upstream is free")


def test_f06_a_slow_head_is_cut_off_and_others_are_served(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as slow:
        slow.sendall(b"GET /health HT")
        assert gateway.call("GET", "/health").status == 200
        assert slow.recv(65_536).startswith(b"HTTP/1.1 408 ")
        assert slow.recv(65_536) == b""


def test_f06_a_connection_that_says_nothing_is_closed(gateway: Gateway) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as silent:
        assert silent.recv(65_536) == b""
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        answer = b""
        while not answer.endswith(b"body of 0\n"):
            answer += idle.recv(65_536)
        idle.sendall(b"\r\n")  # no request either
        wait_for(lambda: idle.recv(65_536) == b"", "the connection is closed")


def test_f05_a_head_without_end_is_cut_off_before_it_fills_the_memory(gateway: Gateway) -> None:
    line = b"X-A: " + b"x" * 8185 + b"\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as endless:
        endless.sendall(b"GET /health HTTP/1.1\r\nHost: shop.example\r\n")
        sent = 0
        try:
            while sent < 64 * MIB:
                endless.sendall(line)
                sent += len(line)
        except ConnectionError:
            pass
    assert sent < 32 * MIB
