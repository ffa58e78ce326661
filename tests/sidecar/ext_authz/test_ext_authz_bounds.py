"""What one client may cost: floods end its connection, what it does not read is not written, and calls end in order."""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from check_requests import Told, check
from envoy_doors import EDGE, GrpcServing
from forward_client import wait_for
from forward_world import World, bearer
from test_ext_authz_http2 import (
    CONTINUATION,
    DATA,
    GOAWAY,
    GOOD,
    HEADERS,
    PING,
    PREFACE,
    RST,
    SETTINGS,
    WINDOW,
    Client,
    allowed,
    frame,
    head,
    literal,
    message,
)

from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.http2.calls import Reply

CALM = 11
CALL = frame(HEADERS, 4, 1, head()) + frame(DATA, 1, 1, message(GOOD))


def call(stream: int, body: bytes = GOOD) -> bytes:
    return frame(HEADERS, 4, stream, head()) + frame(DATA, 1, stream, message(body))


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with GrpcServing(Checks(World(EDGE).asker, lambda: True)) as serving:
        yield serving.port


@pytest.mark.parametrize("flood", [
    frame(PING, 0, 0, b"12345678"), frame(SETTINGS), frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1000)),
    frame(2, 0, 1, b"\0\0\0\0\1"), frame(0xFA, 0, 0, b"unknown"), frame(SETTINGS, 1), frame(PING, 1, 0, b"12345678"),
    frame(DATA, 0, 1), frame(GOAWAY, 0, 0, b"\0" * 8),
], ids=["ping", "settings", "window", "priority", "unknown", "settings ack", "ping ack", "empty data", "goaway"])
def test_a_flood_of_frames_that_bring_no_call_ends_the_connection(port: int, flood: bytes) -> None:
    with Client(port) as client:
        client.send(frame(HEADERS, 4, 1, head()))
        try:
            for _ in range(20):
                client.send(flood * 500)
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = client.next()
        while found is not None and found[0] != GOAWAY:
            found = client.next()
        assert found is None or int.from_bytes(found[3][4:8], "big") == CALM


def test_a_flood_of_windows_for_answers_that_wait_ends_the_connection(port: int) -> None:
    with Client(port, (4, 0)) as client:
        client.send(b"".join(call(number) for number in range(1, 99, 2)))
        client.until(HEADERS, 97)
        try:
            for _ in range(20):
                client.send(frame(WINDOW, 0, 0, b"\0\0\0\1") * 500)
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = client.next()
        while found is not None and found[0] != GOAWAY:
            found = client.next()
        assert found is None or int.from_bytes(found[3][4:8], "big") == CALM


def test_the_ordinary_frames_of_many_calls_are_no_flood(port: int) -> None:
    with Client(port) as client:
        for number in range(1, 8001, 2):
            client.send(call(number) + frame(WINDOW, 0, 0, struct.pack(">I", 1000)))
            if number % 200 == 1:
                client.send(frame(PING, 0, 0, b"12345678"))
            assert allowed(*client.answer(number))


def test_answers_that_wait_for_a_window_count_as_calls(port: int) -> None:
    """RFC 9113, section 5.1.2: a stream that is answered in part is still open."""
    with Client(port, (4, 0)) as client:
        for number in range(1, 2004, 2):
            client.send(call(number))
        assert client.until(RST, 2001)[3] == b"\0\0\0\x07"
        client.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)) + frame(WINDOW, 0, 0, b"\0\x10\0\0"))
        client.until(DATA, 1)


def test_who_reads_nothing_is_not_read_from(port: int) -> None:
    """The answers to calls, pings and settings would fill the memory of the server."""
    with socket.create_connection(("127.0.0.1", port), 20) as client:
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 2**31 - 1))
                       + frame(WINDOW, 0, 0, struct.pack(">I", 2**31 - 1 - 65_535)))
        client.setblocking(False)
        sent, number, rest = 0, 1, b""
        while sent < 64 << 20:
            if not rest:
                rest = b"".join(call(number + place) for place in range(0, 200, 2))
                number += 200
            if not select.select([], [client], [], 3)[1]:
                break
            done = client.send(rest)
            sent, rest = sent + done, rest[done:]
        assert sent < 64 << 20
    with Client(port) as other:
        other.send(CALL)
        assert allowed(*other.answer(1))


def test_a_call_that_is_taken_back_at_once_is_not_decided() -> None:
    """So resets are counted, however fast they follow (CVE-2023-44487)."""
    answers = Answers()
    with GrpcServing(answers) as serving, Client(serving.port) as client:
        client.send(call(1, b"now") + frame(RST, 0, 1, b"\0\0\0\x08") + call(3, b"now"))
        assert client.answer(3)[0] == message(b"now")
    assert answers.batches == [1]


def test_who_takes_back_whole_calls_is_left_too(port: int) -> None:
    with Client(port) as client:
        try:
            for number in range(1, 4001, 2):
                client.send(call(number) + frame(RST, 0, number, b"\0\0\0\x08"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = client.next()
        while found is not None and found[0] != GOAWAY:
            found = client.next()
        assert found is None or int.from_bytes(found[3][4:8], "big") == CALM


def test_a_block_means_what_the_table_says_by_then(port: int) -> None:
    """RFC 7541, section 2.3.3: an index counts from the newest field, so the same byte becomes another one."""
    def indexed(name: bytes, value: bytes) -> bytes:
        return b"\x40" + literal(name, value)[1:]

    path, kind = (b":path", b"/envoy.service.auth.v3.Authorization/Check"), (b"content-type", b"application/grpc")
    first, same = b"\x83\x86" + indexed(*kind) + indexed(*path), b"\x83\x86\xbe\xbf"
    body = frame(DATA, 1, 1, message(GOOD))[9:]
    data = struct.pack(">I", len(body))[1:] + b"\0\1"
    with Client(port) as client:
        client.send(frame(HEADERS, 4, 1, first) + data + b"\0\0\0\1" + body)
        assert allowed(*client.answer(1))
        for stream in (3, 5):
            client.send(frame(HEADERS, 4, stream, same) + data + struct.pack(">I", stream) + body)
            assert allowed(*client.answer(stream))
        client.send(frame(HEADERS, 4, 7, same + indexed(b":path", b"/a.B/C")) + data + b"\0\0\0\7" + body)
        assert b"\x0bgrpc-status\x0212" in client.answer(7)[1]
        client.send(frame(HEADERS, 4, 9, same) + data + b"\0\0\0\x09" + body)  # without a kind: no call
        assert b"\x0bgrpc-status\x0212" in client.answer(9)[1]
        client.send(frame(HEADERS, 4, 11, b"\x83\x86\xbf\xc0") + data + b"\0\0\0\x0b" + body)
        assert allowed(*client.answer(11))


def test_a_block_that_goes_on_forever_ends_the_connection(port: int) -> None:
    with Client(port) as client:
        try:
            client.send(frame(HEADERS, 0, 1, head()))
            for _ in range(40_000):
                client.send(frame(CONTINUATION, 0, 1, b"\0"))
        except (BrokenPipeError, ConnectionResetError):
            pass
        found = client.next()
        while found is not None and found[0] != GOAWAY:
            found = client.next()
        assert found is None or int.from_bytes(found[3][4:8], "big") == CALM


class Answers:
    """A guard that answers some calls at once, and others when it is let."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.batches: list[int] = []

    def at_once(self, requests: Sequence[bytes]) -> list[Reply | None]:
        self.batches.append(len(requests))
        if b"broken" in requests:
            raise RuntimeError("broken")
        return [None if one == b"later" else Reply(0, one) for one in requests]

    async def check(self, request: bytes) -> bytes:
        await asyncio.to_thread(self.go_on.wait)
        return request

    def health(self, request: bytes) -> Any:
        return None


def test_calls_that_arrive_together_are_answered_together_and_each_for_itself() -> None:
    answers = Answers()
    with GrpcServing(answers) as serving, Client(serving.port) as client:
        client.send(call(1, b"later") + call(3, b"now") + call(5, b"later") + call(7, b"too"))
        assert client.answer(3)[0] == message(b"now")
        assert client.answer(7)[0] == message(b"too")
        answers.go_on.set()
        assert [client.answer(stream)[0] for stream in (1, 5)] == [message(b"later")] * 2
        client.send(b"".join(call(number, b"now") for number in range(9, 109, 2)))
        for number in range(9, 109, 2):
            assert client.answer(number)[0] == message(b"now")
    assert sum(answers.batches) == 54
    assert max(answers.batches) <= 16


def test_an_error_ends_the_calls_it_met_with_an_error() -> None:
    answers = Answers()
    with GrpcServing(answers) as serving, Client(serving.port) as client:
        client.send(call(1, b"now") + call(3, b"broken"))
        for stream in (1, 3):
            assert b"grpc-status\x0214" in client.answer(stream)[1]
        client.send(call(5, b"now"))
        assert client.answer(5)[0] == message(b"now")


def test_who_leaves_waits_for_calls_and_for_windows() -> None:
    """RFC 9113, section 6.8: calls up to the last that was told are answered, and none after it."""
    answers = Answers()
    serving = GrpcServing(answers)
    with serving, Client(serving.port, (4, 5)) as client:
        client.send(call(1, b"later") + call(3, b"now"))
        client.until(HEADERS, 3)
        closing = threading.Thread(target=serving.__exit__)
        closing.start()
        assert client.until(GOAWAY)[3] == struct.pack(">II", 3, 0)
        client.send(call(5, b"now"))
        assert client.until(RST, 5)[3] == b"\0\0\0\x07"
        answers.go_on.set()
        client.until(HEADERS, 1)
        client.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)))
        ended: dict[int, bytes] = {1: b"", 3: b""}
        while (found := client.next()) is not None:
            if found[0] == DATA:
                ended[found[2]] += found[3]
        assert {stream: data[-3:] for stream, data in ended.items()} == {1: b"ter", 3: b"now"}
        closing.join(20)
        wait_for(lambda: not closing.is_alive(), "the server has closed")


def test_the_short_way_says_what_the_long_one_says() -> None:
    """Every kind of answer, with credentials that are known by then and with others."""
    asked = [check(headers=bearer(name)) for name in ("alice", "nobody")]
    asked += [check(path=path, headers=bearer()) for path in ("/docs/secret", "/nowhere", "/docs/a;b", "/health",
                                                            "/strong/1", "/at-home", "/docs/1?access_token=x")]
    asked += [check(), check(headers={"authorization": "Bearer x"}), check("DELETE", headers=bearer()), b"\xff", b"",
              check("OPTIONS", headers=bearer()), check(headers={**bearer(), "x_guard_principal": "root"}),
              check(headers={**bearer(), "upgrade": "websocket", "connection": "upgrade"})]
    long, short = World(EDGE), World(EDGE)
    wanted = [Told(asyncio.run(Checks(long.asker, lambda: True).check(one))) for one in asked]
    checks = Checks(short.asker, lambda: True)
    for turn in range(2):
        before = sum(short.judge.counts.values())
        found = checks.at_once(asked)
        answered = [reply for reply in found if reply is not None]
        assert sum(short.judge.counts.values()) - before == len(answered)  # nothing is done about the others
        assert (found[0] is not None) == (turn == 1)
        for one, reply, told in zip(asked, found, wanted, strict=True):
            said = Told(asyncio.run(checks.check(one)) if reply is None else reply.message)
            assert (said.code, said.status, said.removed) == (told.code, told.status, told.removed)
            assert lasting(said) == lasting(told)


def lasting(told: Told) -> dict[str, str]:
    """The headers of an answer, without the number of the decision."""
    return {name: value for name, value in told.headers.items() if not name.endswith("decision-id")}


def test_nothing_is_decided_at_once_without_policies() -> None:
    world = World(EDGE)
    checks = Checks(world.asker, lambda: True)
    asyncio.run(checks.check(GOOD))
    assert [reply and reply.status for reply in checks.at_once([GOOD])] == [0]
    world.take_policies_away()
    assert [reply and (reply.status, reply.message) for reply in checks.at_once([GOOD, GOOD])] == [(14, b"")] * 2
