"""Bodies pass as they come, in constant memory; the slow side slows the other, and who leaves frees the other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from upstream_peers import OK, SOON, Scripted, ask, raw, scope_of, scripted, served, upstream

from iam_guard.errors import AuthenticationError
from iam_guard.gateway.upstream import ClientGoneError, ClientStalledError, UpstreamTimeoutError
from iam_guard.gateway.upstream.answer import HIGH_WATER

MIB = 2**20
pytestmark = pytest.mark.usefixtures("loop")


async def pushing(writer: asyncio.StreamWriter, size: int, sent: list[int]) -> None:
    """Write *size* bytes as fast as they are taken, and keep count."""
    part = bytes(65_536)
    for _ in range(size // len(part)):
        writer.write(part)
        sent[0] += len(part)
        await writer.drain()


class Client:
    """An ASGI server whose client acts step by step."""

    def __init__(self, app: Any, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None) -> None:
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.told: list[dict[str, Any]] = []
        self.heard = asyncio.Event()
        self.takes = asyncio.Event()
        self.takes.set()
        self.task = asyncio.create_task(app(scope_of(method, b"/", headers or []), self.sent.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.told.append(message)
        self.heard.set()
        await self.takes.wait()

    def says(self, body: bytes = b"", *, more: bool = False) -> None:
        self.sent.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def leaves(self) -> None:
        self.sent.put_nowait({"type": "http.disconnect"})

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.told)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not condition():
                self.heard.clear()
                await self.heard.wait()

    async def ended(self) -> BaseException | None:
        async with asyncio.timeout(SOON):
            await asyncio.wait([self.task])
        return self.task.exception()


@asynccontextmanager
async def client(app: Any, *args: Any) -> AsyncIterator[Client]:
    made = Client(app, *args)
    try:
        yield made
    finally:
        made.task.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await made.task


@asynccontextmanager
async def client_of(server: Scripted, **settings: Any) -> AsyncIterator[tuple[Any, Client]]:
    async with upstream(server.url, **settings) as app, client(app, "POST") as one:
        yield app, one


def test_parts_are_passed_on_when_they_come() -> None:
    """Server-sent events: each is with the client before the next exists."""

    async def run() -> None:
        turn = asyncio.Semaphore(0)

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(5):
                await turn.acquire()
                event = b"data: %d\n\n" % number
                writer.write(b"%x\r\n%b\r\n" % (len(event), event))
            writer.write(b"0\r\n\r\n")

        async with scripted(script) as server, upstream(server.url) as app, client(app) as one:
            one.says()
            await one.until(lambda: len(one.told) == 1)
            for number in range(5):
                turn.release()
                await one.until(lambda number=number: one.body.endswith(b"data: %d\n\n" % number))
            assert await one.ended() is None

    asyncio.run(run())


@pytest.mark.parametrize("head", [b"Content-Length: %d\r\n\r\n", b"\r\n"])
def test_a_client_that_reads_slowly_slows_the_server(head: bytes) -> None:
    async def run() -> None:
        sent, size = [0], 256 * MIB

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n" + (head % size if b"%" in head else head))
            await pushing(writer, size, sent)

        async with scripted(script) as server, upstream(server.url) as app, client(app) as one:
            one.takes.clear()
            one.says()
            await one.until(lambda: len(one.told) == 1)
            await still(lambda: sent[0])
            # What two sockets and one asyncio stream hold, and no more.
            assert sent[0] < 64 * MIB
            assert _held(app) <= HIGH_WATER + 2 * 262_144
            one.leaves()
            await server.until(lambda s: s.open == 0)  # though nobody has taken what was sent
            one.takes.set()
            assert await one.ended() is None

    asyncio.run(run())


def test_a_server_that_reads_slowly_slows_the_client() -> None:
    async def run() -> None:
        patient = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            await patient.wait()
            await reader.read()

        taken = [0]

        async def endless() -> dict[str, Any]:
            taken[0] += 65_536
            return {"type": "http.request", "body": bytes(65_536), "more_body": True}

        async def send(message: Any) -> None:
            raise AssertionError("there is no answer")

        async with scripted(script) as server, upstream(server.url) as app:
            task = asyncio.create_task(app(scope_of("POST"), endless, send))
            await still(lambda: taken[0])
            assert 0 < taken[0] < 64 * MIB
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            patient.set()
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


async def still(count: Callable[[], int]) -> None:
    """Wait until a number that grows stays the same for a while."""
    async with asyncio.timeout(SOON):
        before, quiet = -1, 0
        while quiet < 20 or not before:
            now = count()
            quiet = quiet + 1 if now == before else 0
            before = now
            await asyncio.sleep(0.005)


async def watched(app: Any) -> None:
    """Wait until there are exchanges, and all are old enough to be watched."""
    async with asyncio.timeout(SOON):
        while True:
            if app.running and not app._pool.lookout._young:
                return
            await asyncio.sleep(0.005)


def _held(app: Any) -> int:
    return max((connection.answer.size for connection in app._pool._open if connection.answer), default=0)


@pytest.mark.parametrize("phase", ["asking", "sending", "waiting", "reading"])
def test_a_client_that_vanishes_frees_its_server_at_once(phase: str) -> None:
    async def run() -> None:
        reached = asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            if phase == "reading":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
            reached.set()
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app, client(app, "POST") as one:
            if phase == "asking":
                one.leaves()
                assert await one.ended() is None
                assert server.connections == 0
                return
            one.says(b"x", more=phase == "sending")
            async with asyncio.timeout(SOON):
                await reached.wait()
            if phase == "reading":
                await one.until(lambda: one.body == b"some")
            one.leaves()
            await server.until(lambda s: s.open == 0)
            assert await one.ended() is None
            assert [message for message in one.told if message.get("more_body") is False] == []

    asyncio.run(run())


def test_a_client_that_vanishes_is_told_apart_from_a_server_that_fails() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app, client(app.forward) as one:
            one.says()
            await server.until(lambda s: s.connections == 1)
            one.leaves()
            error = await one.ended()
            assert isinstance(error, ClientGoneError)
            assert not error.blames_server

    asyncio.run(run())


def test_a_client_that_leaves_after_its_answer_frees_nobody_elses_connection() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            while True:
                await server.head(reader)
                writer.write(OK)
                await writer.drain()

        async with scripted(script) as server, upstream(server.url) as app:
            for _ in range(3):
                async with client(app) as one:
                    one.says()
                    assert await one.ended() is None
                    one.leaves()
            assert server.connections == 1

    asyncio.run(run())


def test_a_client_that_leaves_while_it_takes_its_answer_frees_nobody_elses_connection() -> None:
    async def run() -> None:
        go, asked = asyncio.Event(), asyncio.Event()

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(OK)
            await server.head(reader)
            asked.set()
            await go.wait()
            writer.write(OK)
            await writer.drain()
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app, client(app) as one:
            one.takes.clear()
            one.says()
            await one.until(lambda: len(one.told) == 1)
            other = asyncio.create_task(ask(app))
            await asked.wait()
            await watched(app)
            one.leaves()
            await still(lambda: one.sent.qsize() + 1)
            go.set()
            assert (await other).body == b"ok"
            assert server.connections == 1
            one.takes.set()
            assert await one.ended() is None

    asyncio.run(run())


def test_a_client_that_sends_slowly_is_waited_for() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            await reader.readuntil(b"\r\n0\r\n\r\n")
            writer.write(OK)
            await writer.drain()

        async with scripted(script) as server, client_of(server, stall_seconds=0.4) as (_, one):
            for _ in range(20):
                one.says(b"x", more=True)
                await asyncio.sleep(0.03)
            one.says()
            assert await one.ended() is None
            assert one.body == b"ok"

    asyncio.run(run())


def test_an_answer_may_come_before_the_request_is_complete() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app, client(app, "POST") as one:
            one.says(b"part", more=True)
            assert await one.ended() is None
            assert (one.told[0]["status"], one.body) == (413, b"no")
            # The rest of the request never comes, so nothing else may be asked on that connection.
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_a_connection_whose_answer_was_faster_than_the_request_is_used_again() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            for _ in range(2):
                await server.head(reader)
                writer.write(OK)
                await writer.drain()
                await reader.readuntil(b"\r\n0\r\n\r\n")
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app:
            for _ in range(2):
                async with client(app, "POST") as one:
                    one.says(b"part", more=True)
                    one.takes.clear()
                    await one.until(lambda one=one: len(one.told) == 1)
                    one.says(b"rest")
                    await still(lambda one=one: one.sent.qsize() + 1)
                    one.takes.set()
                    assert await one.ended() is None
                    assert one.body == b"ok"
            assert (server.connections, app.connections) == (1, 1)

    asyncio.run(run())


def test_both_directions_at_once() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while size := int(await reader.readline(), 16):
                part = await reader.readexactly(size + 2)
                writer.write(b"%x\r\n%b" % (size, part.upper()))
            await reader.readline()
            writer.write(b"0\r\n\r\n")
            await writer.drain()
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app:
            async with client(app, "POST") as one:
                for word in (b"one ", b"two ", b"three"):
                    one.says(word, more=True)
                    await one.until(lambda word=word: one.body.endswith(word.upper()))
                one.says()
                assert await one.ended() is None
                assert one.body == b"ONE TWO THREE"
            assert server.connections == 1
            assert app.connections == 1

    asyncio.run(run())


@pytest.mark.parametrize("error", [AuthenticationError("the body is another"), ValueError("anything")])
def test_a_body_that_is_found_to_be_wrong_never_reaches_its_end(error: Exception) -> None:
    async def run() -> None:
        received = []

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            received.append(await reader.read())

        parts = iter([{"type": "http.request", "body": b"some", "more_body": True}])

        async def receive() -> dict[str, Any]:
            for part in parts:
                return part
            raise error

        async def send(message: Any) -> None:
            raise AssertionError("nobody is to be told here")

        async with scripted(script) as server, upstream(server.url) as app:
            with pytest.raises(type(error)):
                await app(scope_of("POST"), receive, send)
            await server.until(lambda s: s.open == 0)
            assert received in ([b"4\r\nsome\r\n"], [])

    asyncio.run(run())


@pytest.mark.parametrize(("first", "status"), [(b"", 504), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsome", 200),
                                               (b"HTTP/1.1 200 OK\r\n", 504)])
def test_a_silent_server_is_not_waited_for_for_ever(first: bytes, status: int) -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(first)
            await reader.read()

        async with scripted(script) as server, upstream(server.url, head_seconds=0.2, stall_seconds=0.2) as app:
            told = await ask(app)
            assert told.status == status
            if status == 200:
                assert isinstance(told.error, UpstreamTimeoutError)
                assert not told.complete
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_a_server_that_goes_on_slowly_is_waited_for() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n")
            for _ in range(20):
                writer.write(b"x")
                await asyncio.sleep(0.03)

        async with scripted(script) as server, upstream(server.url, head_seconds=0.4, stall_seconds=0.4) as app:
            told = await ask(app)
            assert (told.error, told.body) == (None, b"x" * 20)

    asyncio.run(run())


def test_a_client_that_begins_late_and_then_stops_is_not_waited_for_for_ever() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await reader.read()

        async with scripted(script) as server, upstream(server.url, stall_seconds=0.3) as app, \
                client(app, "POST") as one:
            await watched(app)
            one.says(b"some", more=True)
            assert await one.ended() is None
            assert one.told[0]["status"] == 408
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_a_server_may_think_no_longer_because_the_client_was_slow() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await reader.read()

        async with scripted(script) as server, client_of(server, head_seconds=0.2, stall_seconds=600,
                                                               connect_seconds=600, pool_seconds=600) as (app, one):
            one.says(b"some", more=True)
            await watched(app)
            one.says(b"rest")
            assert await one.ended() is None
            assert one.told[0]["status"] == 504

    asyncio.run(run())


@pytest.mark.parametrize("sent", [0, 1])
def test_a_client_that_does_not_send_its_request_is_not_waited_for_for_ever(sent: int) -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await reader.read()

        async with scripted(script) as server, upstream(server.url, stall_seconds=0.2) as app, \
                client(app, "POST") as one:
            if sent:
                one.says(b"some", more=True)
            assert await one.ended() is None
            assert one.told[0]["status"] == 408
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


def test_a_client_that_does_not_take_its_answer_is_not_waited_for_for_ever() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await pushing(writer, 64 * MIB, [0])

        async with scripted(script) as server, upstream(server.url, stall_seconds=0.2) as app, client(app) as one:
            one.says()
            await one.until(lambda: len(one.told) >= 2)
            one.takes.clear()
            error = await one.ended()
            assert isinstance(error, ClientStalledError)
            assert error.started
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())


# Through a real server in front.

@asynccontextmanager
async def gateway(script: Any, **config: Any) -> AsyncIterator[tuple[Scripted, int]]:
    async with scripted(script) as server, upstream(server.url) as app, served(app, **config) as port:
        yield server, port


HTTP = pytest.mark.parametrize("http", ["httptools", "h11"])


@HTTP
def test_half_an_answer_looks_like_half_an_answer_to_the_client(http: str) -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n")

        async with gateway(script, http=http) as (_, port):
            answer = await raw(port, b"GET / HTTP/1.1\r\nHost: app.example\r\n\r\n")
            assert b"half" in answer
            assert not answer.endswith(b"0\r\n\r\n")

    asyncio.run(run())


@HTTP
def test_not_modified_keeps_the_connection_of_the_client(http: str) -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            while True:
                await server.head(reader)
                writer.write(b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9\r\n\r\n")

        async with gateway(script, http=http) as (_, port):
            request = b"GET / HTTP/1.1\r\nHost: app.example\r\n"
            answer = await raw(port, request + b"\r\n" + request + b"Connection: close\r\n\r\n")
            assert answer.count(b"HTTP/1.1 304 ") == 2

    asyncio.run(run())


@HTTP
def test_a_vanished_client_frees_its_server_through_a_real_server(http: str) -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\ndata: 1\n\n")
            await reader.read()

        async with gateway(script, http=http) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /events HTTP/1.1\r\nHost: app.example\r\n\r\n")
            await reader.readuntil(b"data: 1\n\n")
            socket_ = writer.get_extra_info("socket")
            socket_.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            await server.until(lambda s: s.open == 0)

    asyncio.run(run())
