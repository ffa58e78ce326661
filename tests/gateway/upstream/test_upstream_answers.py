"""What a client is told: where an answer ends, and that one which ends nowhere is not passed off as whole."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from upstream_peers import OK, Told, answering, ask, scripted, upstream

from iam_guard.gateway.upstream import UpstreamBrokenError


def told_by(answer: bytes, method: str = "GET", *, split: int = 0, then_close: bool = False, times: int = 1,
            **more: object) -> tuple[list[Told], int]:
    """What clients are told when a server gives *answer*, and how many connections that took."""

    async def run() -> tuple[list[Told], int]:
        async with scripted(answering(answer, split=split, then_close=then_close)) as server, \
                upstream(server.url, head_seconds=2, stall_seconds=2) as app:
            told = [await ask(app, method, **more) for _ in range(times)]
            return told, server.connections

    return asyncio.run(run())


WHOLE = [
    # (answer, ends with the connection, body): RFC 9112 section 6.3
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", False, b"hello"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False, b""),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n1;x=y\r\n!\r\n0\r\n\r\n", False, b"hello!"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n0\r\n\r\n", False, b""),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: 1\r\n\r\n", False, b"hi"),
    (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", True, b"until the end"),
    (b"HTTP/1.0 200 OK\r\n\r\nuntil the end", True, b"until the end"),
    (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", False, b"ok"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", False, b""),
    (b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 100\r\n\r\n", False, b""),
    (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK, False, b"ok"),
    (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, False, b"ok"),
    (b"HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", False, b"no"),
]


@pytest.mark.parametrize(("answer", "closes", "body"), WHOLE)
@pytest.mark.parametrize("split", [0, 1, 7])
def test_a_whole_answer_is_passed_on(answer: bytes, closes: bool, body: bytes, split: int) -> None:
    told, connections = told_by(answer, split=split, then_close=closes, times=2)
    assert [(one.error, one.complete, one.body) for one in told] == [(None, True, body)] * 2
    assert connections == (2 if closes else 1)


def test_status_and_fields_are_those_of_the_server() -> None:
    answer = (b"HTTP/1.1 418 Teapot\r\nServer: pot\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\n"
              b"Content-Length: 2\r\n\r\nno")
    [told], _ = told_by(answer)
    assert told.status == 418
    assert sorted(told.headers) == [(b"content-length", b"2"), (b"server", b"pot"), (b"set-cookie", b"a=1"),
                                    (b"set-cookie", b"b=2"), (b"x-empty", b"")]
    assert told.header(b"set-cookie") == [b"a=1", b"b=2"]


@pytest.mark.parametrize("length", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_head_has_no_body_whatever_it_says(length: bytes) -> None:
    told, _ = told_by(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n", "HEAD", times=2)
    assert [(one.error, one.status, one.body, one.complete) for one in told] == [(None, 200, b"", True)] * 2
    if b"5" in length:
        assert told[0].header(b"content-length") == [b"5"]


def test_a_body_after_head_is_not_taken_for_the_next_answer() -> None:
    evil = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
    told, connections = told_by(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(evil) + evil, "HEAD", times=2)
    assert [(one.status, one.body) for one in told] == [(200, b"")] * 2
    assert connections == 2


BROKEN = [
    b"",
    b"HTTP/1.1 200",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
    b"hello, world\r\n\r\n",
    b"HTTP/1.1 99 Low\r\n\r\n",
    b"HTTP/1.1 600 High\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\nfoo",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\nfoo",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX y: 1\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-A: 1\rX-B: 2\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: 1\r\n" % n for n in range(8_000)) + b"Content-Length: 0\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n" * 50 + OK,
    b"HTTP/2.0 200 OK\r\n\r\n",
]


@pytest.mark.parametrize("answer", BROKEN)
@pytest.mark.parametrize("split", [0, 1000])
def test_an_answer_without_a_proper_head_becomes_502(answer: bytes, split: int) -> None:
    [told], connections = told_by(answer, "POST", split=split, then_close=True)
    assert (told.error, told.status) == (None, 502)
    assert connections == 1
    assert told.header(b"cache-control") == [b"no-store"]
    assert b"127.0.0.1" not in told.body


CUT = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    # Threat F04: data that is not followed by the end of its line.
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX2\r\n45\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n-1\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nfffffffffffffffff\r\n",
]


@pytest.mark.parametrize("answer", CUT)
@pytest.mark.parametrize("split", [0, 1])
def test_half_an_answer_is_never_completed(answer: bytes, split: int) -> None:
    [told], _ = told_by(answer, split=split, then_close=True)
    if told.status == 502:  # known before the client was told anything
        return
    assert (told.status, told.complete) == (200, False)
    assert isinstance(told.error, UpstreamBrokenError)
    assert told.error.started


@pytest.mark.parametrize("first", [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nX-Evil: ",
    b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 44\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
])
@pytest.mark.parametrize("split", [0, 11])  # so that one piece holds an end and what follows it
def test_what_follows_an_answer_is_nobodys_answer(first: bytes, split: int) -> None:
    async def run() -> None:
        async with scripted(answering(first, OK, split=split)) as server, upstream(server.url) as app:
            one = await ask(app)
            assert one.complete
            assert b"evil" not in one.body
            other = await ask(app)
            assert (other.status, b"evil" in other.body) in {(200, False), (204, False), (304, False)}
            assert not other.header(b"x-evil")
            assert server.connections == 2

    asyncio.run(run())


def test_a_server_that_speaks_unasked_loses_its_connection() -> None:
    async def run() -> None:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: object) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
            await writer.drain()
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            await reader.read()

        async with scripted(script) as server, upstream(server.url) as app:
            assert (await ask(app)).body == b"ok"
            await server.until(lambda s: s.open == 0)
            assert (await ask(app)).body == b"ok"

    asyncio.run(run())


@pytest.mark.parametrize("name", [b"Connection", b"Keep-Alive", b"Proxy-Authenticate", b"Upgrade", b"Trailer", b"TE"])
def test_what_a_server_says_to_the_gateway_is_not_for_the_client(name: bytes) -> None:
    [told], _ = told_by(b"HTTP/1.1 200 OK\r\n" + name + b": x-private\r\nX-Private: 1\r\nContent-Length: 2\r\n\r\nok")
    assert not told.header(name.lower())
    assert bool(told.header(b"x-private")) == (name != b"Connection")


# Threat G10: what an application calls the guard's own never reaches a client.
@pytest.mark.parametrize("name", [b"X-IAM-Debug-Policy", b"x_iam_debug", b"X-Guard-Principal", b"X-Guard_Debug"])
def test_names_of_the_guard_stay_inside(name: bytes) -> None:
    [told], _ = told_by(b"HTTP/1.1 200 OK\r\n" + name + b": secret\r\nContent-Length: 2\r\n\r\nok")
    assert b"secret" not in [value for _, value in told.headers]


TRAILERS = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: Grpc-Status\r\n\r\n2\r\nhi\r\n0\r\n"
            b"Grpc-Status: 0\r\nSet-Cookie: a=1\r\nVary: x\r\nX-Guard-Principal: root\r\n\r\n")


@pytest.mark.parametrize("split", [0, 1])
def test_trailers_reach_a_server_that_can_pass_them_on(split: int) -> None:
    [told], _ = told_by(TRAILERS, split=split, extensions={"http.response.trailers": {}})
    assert (told.body, told.trailers) == (b"hi", [(b"grpc-status", b"0")])


def test_trailers_are_left_out_elsewhere() -> None:
    [told], _ = told_by(TRAILERS)
    assert (told.body, told.trailers, told.header(b"grpc-status")) == (b"hi", [], [])


@given(st.lists(st.binary(max_size=300), max_size=6), st.sampled_from(["length", "chunked", "close"]),
       st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_however_an_answer_is_cut_up_it_is_the_same(parts: list[bytes], framing: str, cuts: list[int]) -> None:
    body = b"".join(parts)
    if framing == "length":
        wire = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    elif framing == "chunked":
        chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts if part)
        wire = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    else:
        wire = b"HTTP/1.1 200 OK\r\n\r\n" + body
    told = asyncio.run(_in_process(wire, cuts, closes=framing == "close"))
    assert (told.error, told.complete, told.body) == (None, True, body)


async def _in_process(wire: bytes, cuts: list[int], *, closes: bool) -> Told:
    """Feed an answer to a connection in pieces, without a socket in between."""
    async with upstream("http://127.0.0.1:9") as app:
        connection = app._pool._make()
        transport = _Transport(connection, wire, cuts, closes)
        connection.connection_made(transport)
        app._pool.give_back(connection)
        told = await ask(app)
        connection.close()
        return told


class _Transport(asyncio.Transport):
    """Answers whatever is written."""

    def __init__(self, protocol: asyncio.Protocol, wire: bytes, cuts: list[int], closes: bool) -> None:
        super().__init__()
        self._protocol, self._wire, self._cuts, self._closes = protocol, wire, cuts, closes
        self._closed = False

    def write(self, data: bytes) -> None:
        loop, left, turn = asyncio.get_running_loop(), self._wire, 0
        while left:
            size = self._cuts[turn % len(self._cuts)]
            loop.call_soon(self._feed, left[:size])
            left, turn = left[size:], turn + 1
        if self._closes:
            loop.call_soon(self.close)

    def _feed(self, data: bytes) -> None:
        if not self._closed:
            self._protocol.data_received(data)

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._protocol.connection_lost(None)

    abort = close
