"""Connections: kept, limited, and never a reason to send a request twice that must be sent once."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from upstream_peers import OK, SOON, Scripted, answering, ask, scope_of, scripted, upstream

from iam_guard.errors import ConfigurationError
from iam_guard.gateway.upstream import ServerSettings, UpstreamApp, UpstreamBusyError, UpstreamConnectError
from iam_guard.gateway.upstream.answer import Answer
from iam_guard.gateway.upstream.settings import ServerAddress

pytestmark = pytest.mark.usefixtures("loop")


class Held:
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.asked = asyncio.Semaphore(0)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        while True:
            await server.head(reader)
            self.asked.release()
            await self.go.wait()
            writer.write(OK)
            await writer.drain()


@pytest.mark.parametrize("close", [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
                                   b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"])
def test_a_connection_that_the_server_will_close_is_not_kept(close: bytes) -> None:
    async def run() -> None:
        async with scripted(answering(close)) as server, upstream(server.url) as app:
            for _ in range(3):
                assert (await ask(app)).body == b"ok"
            assert server.connections == 3

    asyncio.run(run())


def test_requests_at_once_use_a_connection_each_up_to_the_limit_and_the_rest_wait() -> None:
    async def run() -> None:
        held = Held()
        async with scripted(held) as server, upstream(server.url, max_connections=3) as app:
            asks = [asyncio.create_task(ask(app, target=b"/%d" % number)) for number in range(8)]
            async with asyncio.timeout(SOON):
                for _ in range(3):
                    await held.asked.acquire()
            assert app.running == 8
            assert app.connections == server.connections == 3
            held.go.set()
            assert [told.body for told in await asyncio.gather(*asks)] == [b"ok"] * 8
            assert server.connections == 3
            assert app.running == 0

    asyncio.run(run())


def test_who_waits_too_long_for_a_connection_is_told_so_and_nothing_was_sent() -> None:
    async def run() -> None:
        held = Held()
        async with scripted(held) as server, upstream(server.url, max_connections=1, pool_seconds=0.1) as app:
            first = asyncio.create_task(ask(app))
            await held.asked.acquire()
            late = await ask(app, "POST", b"/late", parts=[b"x"])
            assert (late.status, late.header(b"retry-after")) == (503, [b"1"])
            assert not app._pool._waiting
            held.go.set()
            assert (await first).body == b"ok"
            assert (await ask(app, target=b"/next")).body == b"ok"
            assert [head.split(b" ")[1] for head in server.heads] == [b"/", b"/next"]

    asyncio.run(run())


def test_idle_connections_are_closed_after_a_while() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url, idle_seconds=0.1) as app:
            await ask(app)
            await server.until(lambda s: s.open == 0)
            assert app.connections == 0

    asyncio.run(run())


def test_no_more_idle_connections_are_kept_than_the_settings_say() -> None:
    async def run() -> None:
        held = Held()
        async with scripted(held) as server, upstream(server.url, max_idle=1) as app:
            asks = [asyncio.create_task(ask(app)) for _ in range(4)]
            for _ in range(4):
                await held.asked.acquire()
            held.go.set()
            await asyncio.gather(*asks)
            await server.until(lambda s: s.open == 1)

    asyncio.run(run())


def closing_quietly(times: int) -> Any:
    """Answers one request on a connection and closes it at the second, for the first *times* connections."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
        number = server.connections
        await server.head(reader)
        writer.write(OK)
        await writer.drain()
        await server.head(reader)
        if number > times:
            writer.write(OK)
            await writer.drain()
            await reader.read()

    return script


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_harmless_request_on_a_stale_connection_is_sent_again(method: str) -> None:
    async def run() -> None:
        async with scripted(closing_quietly(1)) as server, upstream(server.url) as app:
            assert (await ask(app)).status == 200
            assert (await ask(app, method, b"/again")).status == 200
            assert [head.split(b" ")[1] for head in server.heads] == [b"/", b"/again", b"/again"]

    asyncio.run(run())


# Threat G08: exactly one POST is seen by the server.
@pytest.mark.parametrize(("method", "headers", "parts", "settings"), [
    ("POST", [], [b"x"], {}), ("POST", [], [b""], {}), ("PUT", [], [b"x"], {}), ("DELETE", [], [b""], {}),
    ("PATCH", [], [b"x", b"y"], {}), ("GET", [], [b"a body"], {}), ("GET", [], [b""], {"retry": False}),
    ("OPTIONS", [], [b""], {}),
])
def test_any_other_request_is_sent_once(method: str, headers: list[tuple[bytes, bytes]], parts: list[bytes],
                                        settings: dict[str, Any]) -> None:
    async def run() -> None:
        async with scripted(closing_quietly(1)) as server, upstream(server.url, **settings) as app:
            assert (await ask(app)).status == 200
            assert (await ask(app, method, b"/once", headers, parts)).status == 502
            assert [head.split(b" ")[1] for head in server.heads] == [b"/", b"/once"]

    asyncio.run(run())


def test_a_request_on_a_new_connection_is_not_sent_again() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)

        async with scripted(script) as server, upstream(server.url) as app:
            assert (await ask(app)).status == 502
            assert len(server.heads) == 1

    asyncio.run(run())


def test_a_request_whose_answer_had_begun_is_not_sent_again() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            writer.write(OK)
            await writer.drain()
            await server.head(reader)
            writer.write(b"HTTP/1.1 2")
            await writer.drain()

        async with scripted(script) as server, upstream(server.url) as app:
            assert (await ask(app)).status == 200
            assert (await ask(app)).status == 502
            assert len(server.heads) == 2

    asyncio.run(run())


def test_a_connection_that_the_server_has_closed_meanwhile_is_not_used_for_what_cannot_be_repeated() -> None:
    """The close is in the kernel, and the event loop has had no turn to see it."""

    async def run() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        loop = asyncio.get_running_loop()

        async def serve_one() -> socket.socket:
            connection, _ = await loop.sock_accept(listener)
            await loop.sock_recv(connection, 65_536)
            await loop.sock_sendall(connection, OK)
            return connection

        async with upstream(f"http://127.0.0.1:{listener.getsockname()[1]}") as app:
            first = asyncio.create_task(serve_one())
            assert (await ask(app)).body == b"ok"
            second = asyncio.create_task(serve_one())
            (await first).close()
            told = await ask(app, "POST", parts=[b"x"])
            assert told.status == 200
            (await second).close()
        listener.close()

    asyncio.run(run())


def test_a_connection_that_was_idle_for_too_long_is_not_used_even_if_nobody_has_closed_it_yet() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url) as app:
            await ask(app)
            [connection] = app._pool._open
            connection.idle_since -= 5
            assert (await ask(app)).body == b"ok"
            assert server.connections == 2

    asyncio.run(run())


def test_a_connection_that_is_closing_is_not_used() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url) as app:
            await ask(app)
            [connection] = app._pool._open
            connection.abort()
            assert (await ask(app, "POST", parts=[b"x"])).body == b"ok"
            assert server.connections == 2

    asyncio.run(run())


def test_a_connection_that_ended_is_forgotten() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url) as app:
            await ask(app)
            [connection] = app._pool._open
            assert app._pool.idle == 1
            connection.abort()
            await server.until(lambda s: s.open == 0)
            assert (app.connections, app._pool.idle) == (0, 0)

    asyncio.run(run())


def test_a_connection_is_not_brought_to_who_waits_no_longer() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url, max_connections=1) as app:
            await ask(app)
            [connection] = app._pool._open
            assert app._pool.take(Answer(), careful=False) is connection
            gone, waiting = Answer(), Answer()
            assert app._pool.take(gone, careful=False) is app._pool.take(waiting, careful=False) is None
            gone.fail(UpstreamBusyError("too late"))
            app._pool.give_back(connection)
            assert (gone.connection, waiting.connection) == (None, connection)

    asyncio.run(run())


def test_a_connection_for_a_request_that_cannot_be_sent_stays_for_the_next() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url) as app:
            await ask(app)
            told = await ask(app, "POST", b"/", [(b"content-length", b"2")], [b"too long", b""])
            assert told.status == 400
            assert app._pool.idle == 1
            assert (await ask(app)).body == b"ok"
            assert (server.connections, len(server.heads)) == (1, 2)

    asyncio.run(run())


def test_refused_connections_are_told_apart_from_broken_ones() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        async with upstream(f"http://127.0.0.1:{port}") as app:
            assert (await ask(app)).status == 502
            told = await ask(app.forward, "POST", b"/", (), [b"a", b"b"])
            assert isinstance(told.error, UpstreamConnectError)
            assert (told.error.untouched, told.error.started, told.status) == (True, False, 0)
            assert told.error.receive is not None
            again = [await told.error.receive() for _ in range(2)]
            assert [message["body"] for message in again] == [b"a", b"b"]

    asyncio.run(run())


def test_another_server_can_be_asked_with_the_same_body() -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]

        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: Scripted) -> None:
            await server.head(reader)
            server.heads.append(await reader.readexactly(10))
            writer.write(OK)
            await writer.drain()

        async with (upstream(f"http://127.0.0.1:{port}") as dead, scripted(script) as server,
                    upstream(server.url) as alive):
            async def either(scope: Any, receive: Any, send: Any) -> None:
                try:
                    await dead.forward(scope, receive, send)
                except UpstreamConnectError as error:
                    await alive.forward(scope, error.receive, send)

            told = await ask(either, "POST", b"/", [(b"content-length", b"10")], [b"hello", b"world"])
            assert told.body == b"ok"
            assert server.heads[-1] == b"helloworld"

    asyncio.run(run())


def test_a_server_that_does_not_take_connections_is_waited_for_only_so_long() -> None:
    async def run() -> None:
        full = socket.socket()
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # the queue of connections that nobody accepts
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        async with upstream(f"http://127.0.0.1:{full.getsockname()[1]}", connect_seconds=0.2) as app:
            told = await ask(app)
            assert told.status == 502
        for filler in (*fillers, full):
            filler.close()

    asyncio.run(run())


def test_a_name_that_nobody_knows() -> None:
    async def run() -> None:
        async with upstream("http://nowhere.invalid") as app:
            assert (await ask(app)).status == 502

    asyncio.run(run())


def test_the_kernel_asks_whether_a_silent_server_is_still_there() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server, upstream(server.url) as app:
            await ask(app)
            [connection] = app._pool._open
            peer = connection.transport.get_extra_info("socket")
            assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    asyncio.run(run())


def test_closing_lets_what_runs_end_and_keeps_nothing() -> None:
    async def run() -> None:
        held = Held()
        async with scripted(held) as server, upstream(server.url) as app:
            running = asyncio.create_task(ask(app))
            await held.asked.acquire()
            app.close()
            closed = asyncio.create_task(app.closed())
            held.go.set()
            assert (await running).body == b"ok"
            async with asyncio.timeout(SOON):
                await closed
            assert app.connections == 0

    asyncio.run(run())


def test_the_lifespan_ends_with_the_connections() -> None:
    async def run() -> None:
        async with scripted(answering(OK)) as server:
            app = UpstreamApp(ServerSettings(server.url))
            await ask(app)
            messages, told = iter(["lifespan.startup", "lifespan.shutdown"]), []

            async def receive() -> dict[str, str]:
                return {"type": next(messages)}

            async def send(message: dict[str, str]) -> None:
                told.append(message["type"])

            await app({"type": "lifespan"}, receive, send)
            assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
            assert app.connections == 0

    asyncio.run(run())


def test_another_kind_of_connection_is_refused() -> None:
    async def run() -> None:
        async with upstream("http://127.0.0.1:9") as app:
            told = await ask(app, type="webtransport")
            assert isinstance(told.error, ConfigurationError)

    asyncio.run(run())


def test_a_cancelled_exchange_frees_its_connection() -> None:
    async def run() -> None:
        held = Held()
        async with scripted(held) as server, upstream(server.url, max_connections=1) as app:
            stopped = asyncio.create_task(app(scope_of(), _nothing, _nowhere))
            await held.asked.acquire()
            stopped.cancel()
            with pytest.raises(asyncio.CancelledError):
                await stopped
            held.go.set()
            assert (await ask(app)).body == b"ok"
            assert server.connections == 2

    asyncio.run(run())


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _nowhere(message: Any) -> None:
    """Nobody hears it."""


@pytest.mark.parametrize(("url", "address"), [
    ("http://a.example", ServerAddress("a.example", 80, authority="a.example")),
    ("http://a.example:8080/", ServerAddress("a.example", 8080, authority="a.example:8080")),
    ("https://a.example", ServerAddress("a.example", 443, secure=True, authority="a.example")),
    ("http://[::1]:8080", ServerAddress("::1", 8080, authority="[::1]:8080")),
    ("unix:/run/app.sock", ServerAddress(path="/run/app.sock")),
])
def test_addresses(url: str, address: ServerAddress) -> None:
    assert ServerAddress.from_url(url) == address


@pytest.mark.parametrize("url", ["", "a.example", "ftp://a", "http://", "http://a/path", "http://a?x", "http://a:0",
                                 "http://a:70000", "http://user@a", "unix:", "http://a b", "http://a\r\n"])
def test_what_is_no_address_of_a_server(url: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the address of a server"):
        ServerSettings(url)


@pytest.mark.parametrize(("settings", "told"), [
    ({"max_connections": 0}, "max_connections"), ({"idle_seconds": -1.0}, "idle_seconds"),
    ({"host": "a\r\nb"}, "header"), ({"ca_file": "x"}, "not https"), ({"key_file": "x"}, "cert_file"),
])
def test_wrong_settings_are_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        ServerSettings("http://a.example", **settings)


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigurationError, match=r"check /nowhere/ca\.pem"):
        UpstreamApp(ServerSettings("https://a.example", ca_file="/nowhere/ca.pem"))
