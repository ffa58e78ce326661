"""WebSockets: the handshake is our own and checked; after it, messages pass both ways until one side ends."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets
from upstream_peers import SOON, Scripted, scope_of, scripted, served, upstream
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

from iam_guard.gateway.upstream import UpstreamBrokenError, UpstreamConnectError

pytestmark = pytest.mark.usefixtures("loop")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FRONTS = pytest.mark.parametrize("ws", ["websockets-sansio"])


async def echo(connection: ServerConnection) -> None:
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in connection:
            await connection.send(message)


class Back:
    """A real WebSocket server that keeps how its connections ended."""

    def __init__(self, handler: Any = echo) -> None:
        self._handler = handler
        self.ended: asyncio.Queue[tuple[int | None, str | None]] = asyncio.Queue()
        self.requests: list[Any] = []
        self.open = 0

    async def __call__(self, connection: ServerConnection) -> None:
        self.requests.append(connection.request)
        self.open += 1
        await self._handler(connection)
        await connection.wait_closed()
        self.open -= 1
        self.ended.put_nowait((connection.close_code, connection.close_reason))


@asynccontextmanager
async def through(handler: Any = echo, *, ws: str = "websockets-sansio", subprotocols: Any = None,
                  **settings: Any) -> AsyncIterator[tuple[Back, str]]:
    """A real server behind the upstream behind uvicorn; the address of the latter."""
    back = Back(handler)
    async with serve(back, "127.0.0.1", 0, subprotocols=subprotocols, max_size=2**24) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with upstream(f"http://127.0.0.1:{port}", **settings) as app, served(app, ws=ws) as front:
            yield back, f"ws://127.0.0.1:{front}"


async def soon(waited: Any) -> Any:
    async with asyncio.timeout(SOON):
        return await waited


@FRONTS
def test_messages_pass_both_ways(ws: str) -> None:
    async def run() -> None:
        async with through(ws=ws) as (_, url), connect(url + "/feed", max_size=2**24) as client:
            for message in ("héllo", b"\x00\xff", "", b"", "x" * 70_000, bytes(1_000_000)):
                await client.send(message)
                assert await soon(client.recv()) == message

    asyncio.run(run())


def test_fragments_become_one_message() -> None:
    async def pieces(connection: ServerConnection) -> None:
        await connection.send(iter(["one ", "two ", "three"]))
        await connection.send(iter([b"1", b"", b"2"]))
        await connection.close(1000)

    async def run() -> None:
        async with through(pieces) as (_, url), connect(url) as client:
            assert [await soon(client.recv()) for _ in range(2)] == ["one two three", b"12"]

    asyncio.run(run())


def test_the_server_sees_the_request_that_was_decided_about() -> None:
    async def run() -> None:
        async with through() as (back, url):
            sent = {"X-Guard-Principal": "alice"}
            async with connect(url + "/a%2Fb?x=%2F", additional_headers=sent, origin="https://app.example"):
                pass
            [request] = back.requests
            assert request.path == "/a%2Fb?x=%2F"
            assert request.headers["X-Guard-Principal"] == "alice"
            assert request.headers["Origin"] == "https://app.example"
            assert request.headers.get_all("Sec-WebSocket-Version") == ["13"]
            assert len(request.headers.get_all("Sec-WebSocket-Key")) == 1
            assert "Sec-WebSocket-Extensions" not in request.headers
            assert request.headers.get_all("Connection") == ["Upgrade"]

    asyncio.run(run())


@FRONTS
def test_the_server_chooses_the_subprotocol(ws: str) -> None:
    async def run() -> None:
        async with through(ws=ws, subprotocols=["chat"]) as (back, url):
            async with connect(url, subprotocols=["other", "chat"]) as client:
                assert client.subprotocol == "chat"
            assert back.requests[0].headers["Sec-WebSocket-Protocol"] == "other, chat"

    asyncio.run(run())


@FRONTS
@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4403, "no longer allowed"), (1008, "policy")])
def test_how_the_client_ends_reaches_the_server(ws: str, code: int, reason: str) -> None:
    async def run() -> None:
        async with through(ws=ws) as (back, url):
            client = await connect(url)
            await client.close(code, reason)
            assert await soon(back.ended.get()) == (code, reason)

    asyncio.run(run())


@FRONTS
@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (4403, "no longer allowed"), (1011, "broken")])
def test_how_the_server_ends_reaches_the_client(ws: str, code: int, reason: str) -> None:
    async def end(connection: ServerConnection) -> None:
        await connection.send("last")
        await connection.close(code, reason)

    async def run() -> None:
        async with through(end, ws=ws) as (_, url), connect(url) as client:
            assert await soon(client.recv()) == "last"
            await soon(client.wait_closed())
            assert (client.close_code, client.close_reason) == (code, reason)

    asyncio.run(run())


@FRONTS
def test_a_client_that_vanishes_frees_the_server_at_once(ws: str) -> None:
    async def run() -> None:
        async with through(ws=ws) as (back, url):
            client = await connect(url)
            await client.send("here")
            assert await soon(client.recv()) == "here"
            _reset(client)
            code, _ = await soon(back.ended.get())
            assert code in {1005, 1006, 1001}

    asyncio.run(run())


def _reset(client: ClientConnection) -> None:
    """End a connection as a machine does that lost its power and came back."""
    client.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    client.transport.abort()


def test_a_server_that_vanishes_is_told_to_the_client() -> None:
    async def vanish(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    async def run() -> None:
        async with through(vanish) as (_, url), connect(url) as client:
            await client.send("go")
            await soon(client.wait_closed())
            assert client.close_code == 1011

    asyncio.run(run())


def test_a_message_that_is_too_long_ends_it() -> None:
    async def long(connection: ServerConnection) -> None:
        await connection.send("x" * 5_000)

    async def run() -> None:
        async with through(long, max_message_bytes=4_096) as (back, url), connect(url) as client:
            await soon(client.wait_closed())
            assert client.close_code == 1009
            code, _ = await soon(back.ended.get())
            assert code == 1009

    asyncio.run(run())


def test_fifty_at_once_stay_apart() -> None:
    asyncio.run(_many(50, 3))


@pytest.mark.nightly
def test_a_thousand_at_once_stay_apart() -> None:
    asyncio.run(_many(1_000, 20))


async def _many(count: int, rounds: int) -> None:
    async with through() as (back, url):
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(f"{url}/{number}", open_timeout=60))
                       for number in range(count)]
            for turn in range(rounds):
                await asyncio.gather(*(client.send(f"{turn} {number}") for number, client in enumerate(clients)))
                heard = await asyncio.gather(*(client.recv() for client in clients))
                assert heard == [f"{turn} {number}" for number in range(count)]
            assert back.open == count
        for _ in range(count):
            await soon(back.ended.get())
        assert back.open == 0


# Servers that do not do what they should.

def accept_of(head: bytes) -> bytes:
    [key] = [line[19:] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key: ")]
    return base64.b64encode(hashlib.sha1(key + GUID).digest())


SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
WRONG = {
    "no accept": SWITCH + b"\r\n",
    "wrong accept": SWITCH + b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    "two accepts": SWITCH + b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    "extension": SWITCH + b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    "subprotocol": SWITCH + b"Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: chat\r\n\r\n",
    "another upgrade": b"HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    "no upgrade": b"HTTP/1.1 101 X\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    "no connection": b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: %s\r\n\r\n",
    "no http": b"what?\r\n\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("answer", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("ws", ["websockets-sansio"])
def test_an_answer_that_is_none_to_our_handshake_opens_nothing(answer: bytes, ws: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        accept = accept_of(await server.head(reader))
        writer.write(answer.replace(b"%s", accept))
        await writer.drain()
        if answer:
            await reader.read()

    async def run() -> None:
        async with scripted(script) as server, upstream(server.url) as app, served(app, ws=ws) as port:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await soon(connect(f"ws://127.0.0.1:{port}"))
            assert refused.value.response.status_code == 502
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_what_comes_with_the_switch_is_not_lost() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        accept = accept_of(await server.head(reader))
        writer.write(SWITCH + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + b"\x81\x05hello\x88\x02\x03\xe8")
        await writer.drain()
        await reader.read()

    async def run() -> None:
        async with scripted(script) as server, upstream(server.url) as app, served(app) as port:
            async with connect(f"ws://127.0.0.1:{port}") as client:
                assert await soon(client.recv()) == "hello"
                await soon(client.wait_closed())
                assert client.close_code == 1000
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


@pytest.mark.parametrize("frame", [b"\x81\x02\xff\xfe", b"\xc1\x01x", b"\x83\x00", b"\x80\x01x", b"\x81\x81aaaax"])
def test_a_server_that_breaks_the_protocol_ends_it(frame: bytes) -> None:
    """Bad UTF-8, a reserved bit, an unknown kind, a fragment of nothing, a mask where none may be (RFC 6455)."""
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        accept = accept_of(await server.head(reader))
        writer.write(SWITCH + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n" + frame)
        await writer.drain()
        await reader.read()

    async def run() -> None:
        async with scripted(script) as server, upstream(server.url) as app, served(app) as port:
            async with connect(f"ws://127.0.0.1:{port}") as client:
                await soon(client.wait_closed())
                assert client.close_code in {1002, 1007}
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


@pytest.mark.parametrize("ws", ["websockets-sansio"])
@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n\r\nnever",
                                     b"Transfer-Encoding: chunked\r\n\r\n5\r\nnever\r\n0\r\n\r\n"])
def test_a_server_that_refuses_is_heard(ws: str, framing: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 409 Conflict\r\nX-Why: because\r\n" + framing)
        await writer.drain()
        await reader.read()

    async def run() -> None:
        async with scripted(script) as server, upstream(server.url) as app, served(app, ws=ws) as port:
            with pytest.raises(websockets.InvalidStatus) as refused:
                await soon(connect(f"ws://127.0.0.1:{port}"))
            answer = refused.value.response
            assert (answer.status_code, answer.headers["X-Why"], answer.body) == (409, "because", b"never")

    asyncio.run(run())


def test_a_server_in_front_that_cannot_send_an_answer_closes() -> None:
    async def run() -> None:
        sent: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = scope_of() | {"type": "websocket", "subprotocols": []}
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with upstream(f"http://127.0.0.1:{port}") as app:
            first = asyncio.Event()

            async def receive_once() -> dict[str, Any]:
                if first.is_set():
                    await asyncio.Event().wait()
                first.set()
                return {"type": "websocket.connect"}

            await app(scope, receive_once, send)
        assert [message["type"] for message in sent] == ["websocket.close"]

    asyncio.run(run())


def test_another_server_can_be_asked_for_the_same_socket() -> None:
    async def run() -> None:
        back = Back()
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with (serve(back, "127.0.0.1", 0) as server, upstream(f"http://127.0.0.1:{port}") as dead,
                    upstream(f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}") as alive):
            async def either(scope: Any, receive: Any, send: Any) -> None:
                if scope["type"] == "lifespan":
                    return
                with pytest.raises(UpstreamConnectError) as failed:
                    await dead.forward(scope, receive, send)
                assert failed.value.untouched
                assert failed.value.receive is not None
                await alive.forward(scope, failed.value.receive, send)

            async with served(either) as front, connect(f"ws://127.0.0.1:{front}") as client:
                await client.send("here")
                assert await soon(client.recv()) == "here"

    asyncio.run(run())


def test_half_a_refusal_is_not_followed_by_another() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        await server.head(reader)
        writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nhalf")
        await writer.drain()

    async def run() -> None:
        sent: list[dict[str, Any]] = []
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        said.put_nowait({"type": "websocket.connect"})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = scope_of(extensions={"websocket.http.response": {}}) | {"type": "websocket", "subprotocols": []}
        async with scripted(script) as server, upstream(server.url) as app:
            with pytest.raises(UpstreamBrokenError):
                await soon(app(scope, said.get, send))
        assert [message["type"] for message in sent].count("websocket.http.response.start") == 1
        assert not any(message.get("more_body") is False for message in sent)

    asyncio.run(run())


def test_a_client_that_leaves_during_the_handshake_frees_the_server() -> None:
    async def run() -> None:
        said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            said.put_nowait({"type": "websocket.disconnect", "code": 1006})
            await reader.read()

        async def send(message: dict[str, Any]) -> None:
            raise AssertionError("nobody is there")

        said.put_nowait({"type": "websocket.connect"})
        async with scripted(script) as server, upstream(server.url) as app:
            await soon(app(scope_of() | {"type": "websocket", "subprotocols": []}, said.get, send))
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_sockets_count_as_connections() -> None:
    async def run() -> None:
        async with through(max_connections=1, pool_seconds=0.1) as (_, url), connect(url):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await soon(connect(url))
            assert refused.value.response.status_code == 503

    asyncio.run(run())


def test_a_handshake_that_nobody_answers_ends() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        await reader.read()

    async def run() -> None:
        async with (scripted(script) as server, upstream(server.url, connect_seconds=0.1, head_seconds=0.1) as app,
                    served(app) as port):
            with pytest.raises(websockets.InvalidStatus) as refused:
                await soon(connect(f"ws://127.0.0.1:{port}"))
            assert refused.value.response.status_code == 504

    asyncio.run(run())


def test_pings_that_nobody_wants_answered_use_no_memory_without_end() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        accept = accept_of(await server.head(reader))
        writer.write(SWITCH + b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        writer.transport.pause_reading()
        while True:
            writer.write((b"\x89\x7d" + bytes(125)) * 1_000)
            await writer.drain()

    async def run() -> None:
        async with (scripted(script) as server, upstream(server.url, max_message_bytes=65_536) as app,
                    served(app) as port, connect(f"ws://127.0.0.1:{port}") as client):
            await soon(client.wait_closed())
            assert client.close_code == 1011
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_an_echo_of_more_than_both_sides_hold_does_not_stop() -> None:
    async def run() -> None:
        async with through() as (_, url), connect(url, max_size=2**24, max_queue=2) as client:
            sending = asyncio.create_task(_send_many(client))
            for number in range(40):
                assert await soon(client.recv()) == b"%04d" % number + bytes(500_000)
            await sending

    async def _send_many(client: ClientConnection) -> None:
        for number in range(40):
            await client.send(b"%04d" % number + bytes(500_000))

    asyncio.run(run())
