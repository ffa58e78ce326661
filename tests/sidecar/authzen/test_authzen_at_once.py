"""The short way of answering gives the same bytes as the ordinary one, on real servers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from at_once_server import Client, Server, call
from authzen_fixture import asking
from authzen_pdp import EVALUATION, EVALUATIONS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from iam_guard.asgi.listening import Address
from iam_guard.sidecar.at_once import AtOnceProtocol, whole_request
from iam_guard.sidecar.doors import Door, Switchboard, nothing_here

ALICE, BOB = asking("alice", "write", "record-1"), asking("bob", "write", "record-1")
PLAIN = call(ALICE)
PEP = "authorization: Bearer pep"


@pytest.fixture(scope="module")
def usual() -> Iterator[Server]:
    with Server(HttpToolsProtocol) as server:
        yield server


@pytest.fixture(scope="module")
def quick() -> Iterator[Server]:
    with Server(AtOnceProtocol) as server:
        yield server


class Case(NamedTuple):
    """What is sent, in pieces that arrive apart, and what is to be seen of the answers."""

    name: str
    pieces: tuple[bytes, ...]
    statuses: tuple[int, ...]
    closes: bool = False
    of_head: bool = False


def _cases() -> Iterator[Case]:
    yield Case("allowed", (PLAIN,), (200,))
    yield Case("denied", (call(BOB),), (200,))
    yield Case("many", (call({"evaluations": [ALICE, BOB]}, path=EVALUATIONS),), (200,))
    yield Case("another length", (call(asking("alice", "write", "record-1", context={"channel": "web"})),), (200,))
    yield Case("request id", (call(ALICE, PEP, "X-Request-ID: a-1"),), (200,))
    yield Case("another request id", (call(BOB, PEP, "X-Request-ID: b-2"),), (200,))
    yield Case("request id with a space", (call(ALICE, PEP, "X-Request-ID: a 1"),), (200,))
    yield Case("long request id", (call(ALICE, PEP, f"X-Request-ID: {'x' * 257}"),), (400,))
    yield Case("two request ids", (call(ALICE, PEP, "X-Request-ID: 1", "X-Request-ID: 2"),), (400,))
    yield Case("request id on two lines", (call(ALICE, PEP, "X-Request-ID: a\r\n b"),), (400,), closes=True)
    yield Case("not JSON", (call(b"{"),), (400,))
    yield Case("empty", (call(b""),), (400,))
    yield Case("a list", (call([]),), (400,))
    yield Case("member missing", (call({"subject": {}}),), (400,))
    yield Case("member twice", (call(b'{"subject":{"type":"user","id":"a"},"subject":{"type":"user","id":"b"}}'),),
               (400,))
    yield Case("type", (call(ALICE, PEP, "content-type: text/plain"),), (400,))
    yield Case("nobody", (call(ALICE, "accept: */*"),), (401,))
    yield Case("forbidden", (call(ALICE, "authorization: Bearer stranger"),), (403,))
    yield Case("bad token", (call(ALICE, "authorization: Bearer bad"),), (401,))
    yield Case("explained", (call(ALICE, path=EVALUATION + "?explain=true"),), (200,))
    yield Case("searched", (call(asking("alice", "write", "record-1"), path="/access/v1/search/action"),), (200,))
    yield Case("metadata", (call(b"", method="GET", path="/.well-known/authzen-configuration"),), (200,))
    yield Case("head", (call(b"", method="HEAD", path="/.well-known/authzen-configuration"),), (200,), of_head=True)
    yield Case("head of an evaluation", (call(b"", method="HEAD"),), (405,), of_head=True)
    yield Case("elsewhere", (call(ALICE, path="/elsewhere"),), (403,))
    yield Case("too large", (call(b" " * 2049),), (413,))
    yield Case("pipelined", (PLAIN + call(BOB) + PLAIN,), (200, 200, 200))
    yield Case("one and a half", (PLAIN + PLAIN[:40], PLAIN[40:]), (200, 200))
    yield Case("body apart", (PLAIN[:-30], PLAIN[-30:]), (200,))
    yield Case("in pieces", (PLAIN[:5], PLAIN[5:60], PLAIN[60:-40], PLAIN[-40:-20], PLAIN[-20:]), (200,))
    yield Case("blank lines before", (b"\r\n\r\n" + PLAIN,), (200,))
    yield Case("chunked", (call(b"2\r\n{}\r\n0\r\n\r\n", PEP, "transfer-encoding: chunked"),), (400,))
    yield Case("expected", (call(ALICE, PEP, "expect: something"),), (200,))
    yield Case("close", (call(ALICE, PEP, "connection: close"),), (200,), closes=True)
    yield Case("old", (call(ALICE, version="1.0"),), (200,), closes=True)
    yield Case("no length", (call(ALICE, PEP, "content-length: x"),), (400,), closes=True)
    yield Case("two lengths", (call(ALICE, PEP, "content-length: 2", "content-length: 3"),), (400,), closes=True)
    yield Case("length and chunks", (call(ALICE, PEP, "content-length: 2", "transfer-encoding: chunked"),), (400,),
               closes=True)
    yield Case("no HTTP", (b"hello\r\n\r\n",), (400,), closes=True)


CASES = list(_cases())


def _answers(server: Server, case: Case) -> list[bytes]:
    """Of three times the same on one connection, after a plain question that makes the caller known."""
    with Client(server) as client:
        client.send(PLAIN)
        found = [client.reply()]
        for _ in range(1 if case.closes else 3):
            client.send(*case.pieces)
            found += [client.reply(of_head=case.of_head) for _ in case.statuses]
        if case.closes:
            assert client.is_closed()
        else:
            client.send(PLAIN)
            found.append(client.reply())
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_both_ways_answer_alike(usual: Server, quick: Server, case: Case) -> None:
    ours = _answers(quick, case)
    assert ours == _answers(usual, case)
    times = 1 if case.closes else 3
    after = () if case.closes else (200,)
    assert [int(one[9:12]) for one in ours] == [200, *case.statuses * times, *after]


def test_both_ways_count_alike(usual: Server, quick: Server) -> None:
    assert dict(quick.app.counts) == dict(usual.app.counts)
    assert quick.server.server_state.total_requests == usual.server.server_state.total_requests
    assert usual.app.quick == 0


def test_what_comes_again_is_answered_at_once(quick: Server) -> None:
    with Client(quick) as client:
        before = quick.app.quick, quick.app.usual
        for body in (ALICE, BOB) * 10:
            client.send(call(body, "authorization: Bearer evaluator", "x-request-id: 12345"))
            assert client.reply().startswith(b"HTTP/1.1 200 OK\r\n")
        now = quick.app.quick, quick.app.usual
    assert now[0] - before[0] >= 15  # a second may end in between, and after that one head is new
    assert sum(now) - sum(before) == 20


def test_a_hundred_continue_is_sent_and_then_the_answer(quick: Server) -> None:
    with Client(quick) as client:
        for _ in range(3):
            whole = call(ALICE, PEP, "expect: 100-continue")
            client.send(whole[:-10])
            got = client.socket.recv(25)
            assert got == b"HTTP/1.1 100 Continue\r\n\r\n"
            client.send(whole[-10:])
            assert client.reply().startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("field", ["upgrade: h2c\r\nconnection: upgrade", "upgrade: websocket\r\nconnection: upgrade"])
def test_a_connection_that_wants_to_be_another_is_not_answered_at_once_any_more(quick: Server, field: str) -> None:
    with Client(quick) as client:
        client.send(PLAIN)
        client.reply()
        client.send(call(b"", PEP, field, method="GET"))
        client.reply()
        assert quick.protocols[0]._at_once is None


def test_a_client_that_does_not_read_is_waited_for(quick: Server) -> None:
    with Client(quick, receive_buffer=4096) as client:
        client.send(PLAIN)
        expected = client.reply()
        protocol, sent, before = quick.protocols[0], 0, quick.app.quick
        while not protocol.flow.write_paused:
            client.send(PLAIN)
            sent += 1
            assert sent < 5000, "answers pile up without end"
        assert quick.app.quick > before
        before = quick.app.quick
        client.send(PLAIN)
        client.socket.sendall(PLAIN)
        for _ in range(sent + 2):
            assert client.reply() == expected
        assert quick.app.quick == before


def test_an_idle_connection_is_closed_at_the_end_and_one_with_half_a_request_gets_its_answer() -> None:
    with Server(AtOnceProtocol, timeout_graceful_shutdown=20) as server, Client(server) as idle, Client(server) as busy:
        for client in (idle, busy):
            for _ in range(3):
                client.send(PLAIN)
                client.reply()
        busy.send(PLAIN[:-10])
        server.server.should_exit = True
        assert idle.is_closed()
        busy.send(PLAIN[-10:])
        assert b"\r\nconnection: close\r\n" in busy.reply()
        assert busy.is_closed()
        assert server.app.quick >= 2


def test_a_connection_lives_while_it_is_used_and_is_closed_when_it_is_not() -> None:
    with Server(AtOnceProtocol, timeout_keep_alive=1) as server, Client(server) as client:
        timers = []
        client.send(PLAIN)
        client.reply()
        while len(timers) < 3:  # the timer went off twice, and found that the connection is in use
            client.send(PLAIN)
            client.reply()
            if (timer := server.protocols[0].timeout_keep_alive_task) is not None and timer not in timers:
                timers.append(timer)
        assert client.is_closed()


def _shared(counting: Any) -> Switchboard:
    here = Address("127.0.0.1")
    return Switchboard([Door("other", nothing_here, here, frozenset({"/other"})),
                        Door("authzen", counting, here, frozenset({EVALUATION}))])


def test_doors_that_share_a_listener_leave_it_to_the_one_that_answers_at_once() -> None:
    with Server(AtOnceProtocol, around=_shared) as server, Client(server) as client:
        for path, status in ((EVALUATION, 200), ("/other", 404), ("/nowhere", 404)) * 8:
            client.send(call(ALICE, path=path))
            assert int(client.reply()[9:12]) == status
        assert server.app.quick >= 6
        assert server.app.quick + server.app.usual == 8


@pytest.mark.parametrize("data", [
    b"", b"POST / HTTP/1.1\r\ncontent-length: 2\r\n", b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\n{}", b"POST / HTTP/1.1\r\n\r\n", b"\r\n\r\n",
    b"POST / HTTP/1.1\r\ncontent-length: +2\r\n\r\n{}", b"POST / HTTP/1.1\r\ncontent-length: 2 \r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length:2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\n{}",
    b"POST / HTTP/1.1\r\ncontent-length: 2\r\nx-request-id: a\r\nx-request-id: a\r\n\r\n{}",
])
def test_what_is_not_plainly_one_request_is_read_by_the_server(data: bytes) -> None:
    assert whole_request(data) is None


def test_heads_differ_when_anything_but_the_two_values_does() -> None:
    def head(*fields: str, body: bytes = b"{}") -> Any:
        found = whole_request("\r\n".join(["POST / HTTP/1.1", *fields, "", ""]).encode() + body)
        assert found is not None
        return found.head

    same = head("content-length: 2", "x-request-id: a", "a: b")
    assert head("content-length: 2", "x-request-id: b", "a: b") == same
    assert head("content-length: 3", "x-request-id: b", "a: b", body=b"{ }") == same
    others = [head("content-length: 2", "x-request-id: a", "a: c"),
              head("content-length: 2", "a: b"),
              head("Content-Length: 2", "x-request-id: a", "a: b"),
              head("x-request-id: a", "content-length: 2", "a: b"),
              head("content-length: 2", "x-request-id: ab", "a: b"),
              head("content-length: 2", "x-request-id: a b", "a: b"),
              head("content-length: 2", "x-request-id: a", " folded", "a: b"),
              head("content-length: 02", "x-request-id: a", "a: b")]
    assert len({same, *others}) == len(others) + 1
