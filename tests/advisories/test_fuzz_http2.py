"""M09 and S18 by generation: frames of any shape and order bring no answer without a decision, and no error."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import uvloop
from check_requests import Told, check
from envoy_doors import EDGE, GrpcServing
from forward_client import SECONDS, wait_for
from forward_world import World, bearer
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.http2.calls import Reply
from iam_guard.sidecar.ext_authz.http2.connection import MAX_CALLS, Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
GOOD = check(headers={"authorization": bearer()["Authorization"]})
BAD = check(headers={"authorization": "Bearer none"})
ALLOWED = 0


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes, first: int = 0) -> bytes:
    return bytes([first, len(name)]) + name + bytes([len(value)]) + value


def head(first: int = 0, path: bytes = b"/envoy.service.auth.v3.Authorization/Check") -> bytes:
    return b"\x83\x86" + literal(b":path", path, first) + literal(b"content-type", b"application/grpc", first)


def message(data: bytes) -> bytes:
    return struct.pack(">BI", 0, len(data)) + data


class Watched(Checks):
    """Keeps what was decided about what, and whether each answer took waiting."""

    def __init__(self, world: World) -> None:
        super().__init__(world.asker, lambda: True)
        self.decided: dict[bytes, list[bytes]] = {}

    def at_once(self, requests: Sequence[bytes]) -> list[Reply | None]:
        replies = super().at_once(requests)
        for asked, reply in zip(requests, replies, strict=True):
            if reply is not None:
                self.decided.setdefault(asked, []).append(reply.message)
        return replies

    async def check(self, request: bytes) -> bytes:
        answer = await super().check(request)
        self.decided.setdefault(request, []).append(answer)
        return answer


class Door:
    """The door, and everything that went wrong in its event loop."""

    def __init__(self) -> None:
        self.checks = Watched(World(EDGE))
        self.faults: list[dict[str, Any]] = []
        self.serving = GrpcServing(self.checks, make_loop=self._loop)

    def _loop(self) -> asyncio.AbstractEventLoop:
        loop = uvloop.new_event_loop()
        loop.set_exception_handler(lambda _, context: self.faults.append(context))
        return loop

    @property
    def connections(self) -> set[Connection]:
        return self.serving._server._connections

    def talk(self, sent: bytes, *, whole: bool = True) -> bytes:
        """Send everything, and read until the door has had enough or, where frames are whole, answers a last ping."""
        with socket.create_connection(("127.0.0.1", self.serving.port), SECONDS) as client:
            received = bytearray()
            try:
                client.sendall(PREFACE + frame(SETTINGS) + sent + frame(PING, 0, 0, b"the end!"))
                while whole and b"the end!" not in received and (piece := client.recv(262_144)):
                    received += piece
                client.shutdown(socket.SHUT_WR)
                while piece := client.recv(262_144):
                    received += piece
            except (BrokenPipeError, ConnectionResetError):
                pass
        return bytes(received)


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    made = Door()
    with made.serving:
        yield made
    assert made.faults == []


def answers(received: bytes) -> dict[int, bytes]:
    """What was answered to whom: the messages of streams that have some data."""
    found: dict[int, bytes] = {}
    place = 0
    while place + 9 <= len(received):
        length = int.from_bytes(received[place:place + 3], "big")
        kind, _, stream = struct.unpack(">BBI", received[place + 3:place + 9])
        if kind == DATA:
            found[stream] = found.get(stream, b"") + received[place + 9:place + 9 + length]
        place += 9 + length
    return {stream: data[5:] for stream, data in found.items() if int.from_bytes(data[1:5], "big") == len(data) - 5}


STREAMS = st.sampled_from([1, 3, 5, 7, 9, 11])
SMALL = st.binary(max_size=12)
BLOCKS = [head(), head(0x40), head(0, b"/a/B"), b"\x82\x86", b"\xbe\xbf", b"", b"\x80"]
HUGE = st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1, 65_535, 16_384])


@st.composite
def frames(draw: st.DrawFn) -> list[tuple[int, int, int, bytes]]:
    """Whole calls, pieces of calls and frames of every other kind, on a few streams."""
    stream = draw(STREAMS)
    match draw(st.sampled_from(["call", "call", "call", "begin", "data", "cut", "reset", "settings", "window", "ping",
                                "odd", "noise"])):
        case "call":
            asked = message(draw(st.sampled_from([GOOD, BAD, GOOD[:-1], b""])))
            cut = draw(st.integers(0, len(asked)))
            first = draw(st.sampled_from([0, 0x40]))
            return [(HEADERS, 4, stream, head(first)), (DATA, 0, stream, asked[:cut]), (DATA, 1, stream, asked[cut:])]
        case "begin":
            return [(HEADERS, draw(st.sampled_from([4, 5, 0, 1, 0x24, 0x2C])), stream, draw(st.sampled_from(BLOCKS)))]
        case "data":
            asked = message(draw(st.sampled_from([GOOD, BAD])))
            return [(DATA, draw(st.sampled_from([0, 1, 8, 9])), stream, asked[draw(st.integers(0, 9)):])]
        case "cut":
            block, cut = head(), draw(st.integers(0, 20))
            rest = draw(st.sampled_from([stream, stream, 13, 0]))
            return [(HEADERS, draw(st.sampled_from([0, 1])), stream, block[:cut]),
                    (CONTINUATION, draw(st.sampled_from([0, 4])), rest, block[cut:])]
        case "reset":
            return [(RST, 0, stream, draw(st.sampled_from([b"\0\0\0\x08", b"\0" * 3])))]
        case "settings":
            pairs = draw(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6, 0xFF]), HUGE), max_size=4))
            said = b"".join(struct.pack(">HI", *pair) for pair in pairs)
            return [(SETTINGS, draw(st.sampled_from([0, 0, 1])), 0, said)]
        case "window":
            return [(WINDOW, 0, draw(st.sampled_from([0, stream])), struct.pack(">I", draw(HUGE)))]
        case "ping":
            return [(PING, draw(st.sampled_from([0, 1])), 0, draw(st.binary(min_size=8, max_size=8)))]
        case "odd":
            return [(draw(st.sampled_from([PRIORITY, PUSH, GOAWAY, 10, 0xFE])), draw(st.integers(0, 255)),
                     draw(st.sampled_from([0, stream])), draw(SMALL))]
        case _:
            number = draw(st.sampled_from([0, stream, 2, 2**31 - 1]))
            return [(draw(st.integers(0, 255)), draw(st.integers(0, 255)), number, draw(SMALL))]


def told(sent: list[tuple[int, int, int, bytes]], stream: int) -> bytes:
    """What a stream was told, as far as its frames are not padded."""
    return b"".join(payload for kind, flags, number, payload in sent if (kind, number) == (DATA, stream))


def check_door(door: Door) -> None:
    wait_for(lambda: not door.connections, "the connection is forgotten")
    assert door.faults == []


@given(parts=st.lists(frames(), max_size=14))
def test_frames_of_every_kind(door: Door, parts: list[list[tuple[int, int, int, bytes]]]) -> None:
    sent = [one for part in parts for one in part]
    door.checks.decided.clear()
    received = door.talk(b"".join(frame(*one) for one in sent))
    check_door(door)
    decided = {answer for found in door.checks.decided.values() for answer in found}
    for stream, answer in answers(received).items():
        assert answer in decided
        if Told(answer).code == ALLOWED:
            assert answer in door.checks.decided.get(GOOD, ())
            assert GOOD in told(sent, stream)


CALLS = b"".join(frame(HEADERS, 4, stream, head(0x40 if stream == 1 else 0))
                 + frame(DATA, 1, stream, message(GOOD if stream % 4 == 1 else BAD)) for stream in (1, 3, 5, 7))


@given(changes=st.lists(st.tuples(st.integers(0, len(CALLS)), st.integers(0, 3), SMALL), min_size=1, max_size=4))
def test_bytes_that_changed_on_the_way(door: Door, changes: list[tuple[int, int, bytes]]) -> None:
    sent = CALLS
    for place, gone, new in changes:
        sent = sent[:place] + new + sent[place + gone:]
    door.checks.decided.clear()
    received = door.talk(sent, whole=False)
    check_door(door)
    decided = {answer for found in door.checks.decided.values() for answer in found}
    for answer in answers(received).values():
        assert answer in decided


@pytest.mark.nightly
@given(parts=st.lists(frames(), min_size=40, max_size=200))
def test_long_conversations_hold_no_more_than_there_may_be(door: Door,
                                                           parts: list[list[tuple[int, int, int, bytes]]]) -> None:
    sent = b"".join(frame(*one) for part in parts for one in part)
    with socket.create_connection(("127.0.0.1", door.serving.port), SECONDS) as client:
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 0)))
        try:
            for _ in range(20):
                client.sendall(sent)
                for connection in tuple(door.connections):
                    assert len(connection._streams) <= MAX_CALLS
                    assert connection._held <= 17 * 1024 * 1024
        except (BrokenPipeError, ConnectionResetError):
            pass
    check_door(door)
