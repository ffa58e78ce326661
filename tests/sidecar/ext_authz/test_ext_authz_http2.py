"""The wire below gRPC: packed header fields, frames that break the rules, and windows; by the examples of the RFCs."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

import pytest
from check_requests import Told, check, field
from envoy_doors import EDGE, GrpcServing
from forward_client import SECONDS
from forward_world import World, bearer
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.http2.hpack import PackingError, Unpacker

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = 0, 1, 3, 4, 5, 6, 7, 8, 9
#: RFC 7541, appendices C.3 and C.4: the same three requests, without and with the Huffman code.
REQUESTS = [
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
    [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com"),
     (b"cache-control", b"no-cache")],
    [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/index.html"), (b":authority", b"www.example.com"),
     (b"custom-key", b"custom-value")],
]
PLAIN = ["828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
         "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"]
PACKED = ["828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf",
          "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"]


@pytest.mark.parametrize("blocks", [PLAIN, PACKED], ids=["plain", "packed"])
def test_the_examples_of_the_rfc_are_read(blocks: list[str]) -> None:
    unpacker = Unpacker()
    assert [unpacker.fields(bytes.fromhex(block)) for block in blocks] == REQUESTS


def test_a_list_with_long_values_is_read() -> None:
    """RFC 7541, appendix C.6.1."""
    block = ("488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff"
             "6e919d29ad171863c78f0b97c8e9ae82ae43d3")
    assert Unpacker().fields(bytes.fromhex(block)) == [
        (b":status", b"302"), (b"cache-control", b"private"), (b"date", b"Mon, 21 Oct 2013 20:13:21 GMT"),
        (b"location", b"https://www.example.com")]


@pytest.mark.parametrize("block", ["80", "c0", "ff", "ffffffffffff", "00", "0003616263", "000161", "00ff", "40",
                                   "3fe17f", "8220", "0001610161" + "20", "00816101ff", "008161820000", "be",
                                   "0083fffffcff"])
def test_a_block_that_is_none_is_refused(block: str) -> None:
    with pytest.raises(PackingError):
        Unpacker().fields(bytes.fromhex(block))


def test_a_list_of_fields_is_bounded_however_short_it_is_written() -> None:
    long = b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000
    with pytest.raises(PackingError):
        Unpacker().fields(long + b"\xbe" * 10)


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_noise_is_read_or_refused(blocks: list[bytes]) -> None:
    unpacker = Unpacker()
    try:
        for block in blocks:
            unpacker.fields(block)
    except PackingError:
        pass


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


def head(path: bytes = b"/envoy.service.auth.v3.Authorization/Check") -> bytes:
    return b"\x83\x86" + literal(b":path", path) + literal(b"content-type", b"application/grpc")


def message(data: bytes) -> bytes:
    return struct.pack(">BI", 0, len(data)) + data


GOOD = check(headers={"authorization": bearer()["Authorization"]})


class Client:
    """A client that sends frames as they are written here."""

    def __init__(self, port: int, *settings: tuple[int, int]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._held = b""
        told = b"".join(struct.pack(">HI", *pair) for pair in settings)
        self.send(PREFACE + frame(SETTINGS, payload=told))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def next(self) -> tuple[int, int, int, bytes] | None:
        """The next frame; nothing at the end."""
        while len(self._held) < 9 or len(self._held) < 9 + int.from_bytes(self._held[:3], "big"):
            try:
                got = self._socket.recv(65_536)
            except ConnectionResetError:
                return None
            if not got:
                return None
            self._held += got
        length = int.from_bytes(self._held[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self._held[3:9])
        payload, self._held = self._held[9:9 + length], self._held[9 + length:]
        return kind, flags, stream, payload

    def until(self, kind: int, stream: int = 0) -> tuple[int, int, int, bytes]:
        while (found := self.next()) is not None:
            if found[0] == kind and found[2] == stream:
                return found
        raise AssertionError("the connection ended")

    def answer(self, stream: int) -> tuple[bytes, bytes]:
        """The data and the last fields of a stream."""
        data = b""
        while (found := self.next()) is not None:
            kind, flags, number, payload = found
            if number == stream and kind == DATA:
                data += payload
            if number == stream and kind == HEADERS and flags & 1:
                return data, payload
        raise AssertionError("the connection ended")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with GrpcServing(Checks(World(EDGE).asker, lambda: True)) as serving:
        yield serving.port


def allowed(data: bytes, fields: bytes) -> bool:
    return fields.endswith(b"\x0bgrpc-status\x010") and Told(data[5:]).code == 0


def test_a_call_is_answered(port: int) -> None:
    with Client(port) as client:
        for stream in (1, 3, 7):
            client.send(frame(HEADERS, 4, stream, head()) + frame(DATA, 1, stream, message(GOOD)))
            assert allowed(*client.answer(stream))


def test_a_call_may_come_in_any_pieces(port: int) -> None:
    block, data = head(), message(GOOD)
    whole = (frame(HEADERS, 0x28, 1, b"\x02\0\0\0\0\x10" + block[:9] + b"\0\0") + frame(CONTINUATION, 0, 1, block[9:20])
             + frame(CONTINUATION, 4, 1, block[20:]) + frame(2, 0, 1, b"\0\0\0\0\x10") + frame(DATA, 0, 1, data[:3])
             + frame(DATA, 8, 1, b"\x04" + data[3:90] + b"\0" * 4) + frame(0xFA, 0xFF, 1, b"unknown")
             + frame(DATA, 0, 1, data[90:]) + frame(DATA, 1, 1))
    with Client(port) as client:
        for place in range(0, len(whole), 7):
            client.send(whole[place:place + 7])
        assert allowed(*client.answer(1))


def test_an_answer_waits_for_a_window(port: int) -> None:
    """RFC 9113, sections 5.2 and 6.9.2: a window may be nothing, and a change of it holds for open streams."""
    with Client(port, (4, 0)) as client:
        client.send(frame(HEADERS, 4, 1, head()) + frame(DATA, 1, 1, message(GOOD)))
        client.until(HEADERS, 1)
        client.send(frame(PING, 0, 0, b"12345678"))
        assert client.until(PING)[3] == b"12345678"
        client.send(frame(WINDOW, 0, 1, struct.pack(">I", 7)))
        assert client.until(DATA, 1)[3][:1] == b"\0"
        client.send(frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 65_535)))
        data, fields = client.answer(1)
        assert fields.endswith(b"\x0bgrpc-status\x010")
        assert len(data) > 50


@pytest.mark.parametrize(("sent", "code"), [
    (frame(DATA, 1, 1, b"x"), 1), (frame(HEADERS, 4, 2, head()), 1), (frame(HEADERS, 4, 0, head()), 1),
    (frame(HEADERS, 0, 1, head()) + frame(DATA, 1, 1, b"x"), 1), (frame(CONTINUATION, 4, 1, head()), 1),
    (frame(HEADERS, 4, 1, b"\xff\xff\xff\xff\xff\xff"), 9), (frame(HEADERS, 0xC, 1, b"\x09" + b"\x83"), 1),
    (frame(HEADERS, 4, 3, head()) + frame(HEADERS, 4, 1, head()), 1),
    (frame(HEADERS, 4, 1, head()) + frame(HEADERS, 4, 1, head()), 1),
    (frame(HEADERS, 5, 1, head()) + frame(DATA, 1, 1, message(GOOD)), 1),
    (frame(SETTINGS, 0, 1), 1), (frame(SETTINGS, 0, 0, b"12345"), 6), (frame(PING, 0, 1, b"12345678"), 1),
    (frame(PING, 0, 0, b"1234"), 6), (frame(PUSH, 4, 1, b"\0\0\0\2"), 1), (frame(RST, 0, 9, b"\0\0\0\0"), 1),
    (frame(WINDOW, 0, 0, b"\0\0\0\0"), 3), (frame(WINDOW, 0, 0, b"\x7f\xff\xff\xff"), 3),
    (frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)), 3), (frame(SETTINGS, 0, 0, struct.pack(">HI", 5, 1)), 1),
    (struct.pack(">I", 20_000)[1:] + b"\0\0\0\0\0\1", 6),
    (frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, 0, 1, b"") * 3, 11),
])
def test_who_breaks_the_rules_is_told_and_left(port: int, sent: bytes, code: int) -> None:
    with Client(port) as client:
        client.send(sent)
        assert int.from_bytes(client.until(GOAWAY)[3][4:8], "big") == code
        while (found := client.next()) is not None:
            assert found[0] != DATA


@pytest.mark.parametrize("sent", [b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 5])
def test_who_speaks_something_else_is_left(port: int, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
        client.sendall(sent)
        while client.recv(65_536):
            pass


@pytest.mark.parametrize(("block", "body", "status"), [
    (head(), b"", b"13"), (head(), b"\0\0\0\0", b"13"), (head(), message(GOOD) + b"x", b"13"),
    (head(), message(GOOD) * 2, b"13"), (head(), b"\1" + message(GOOD)[1:], b"12"),
    (head(b"/a.B/C"), message(b""), b"12"),
    (b"\x82" + head()[1:], message(GOOD), b"12"),
    (b"\x83\x86" + literal(b":path", b"/envoy.service.auth.v3.Authorization/Check"), message(GOOD), b"12"),
    (head(b"/grpc.health.v1.Health/Check"), message(field(1, "x")), b"5"),
])
def test_a_call_that_is_none_is_an_error(port: int, block: bytes, body: bytes, status: bytes) -> None:
    with Client(port) as client:
        client.send(frame(HEADERS, 4, 1, block) + frame(DATA, 1, 1, body))
        data, fields = client.answer(1)
        assert data == b""
        assert b"\x0bgrpc-status" + bytes([len(status)]) + status in fields


def test_who_takes_too_many_calls_back_is_left(port: int) -> None:
    with Client(port) as client:
        for number in range(1, 4001, 2):
            try:
                client.send(frame(HEADERS, 4, number, head()) + frame(RST, 0, number, b"\0\0\0\x08"))
            except (BrokenPipeError, ConnectionResetError):
                break
        found = client.next()
        while found is not None and found[0] != GOAWAY:
            found = client.next()
        assert found is None or int.from_bytes(found[3][4:8], "big") == 11


def test_more_calls_at_once_than_there_may_be_are_refused(port: int) -> None:
    with Client(port) as client:
        client.send(b"".join(frame(HEADERS, 4, number, head()) for number in range(1, 2004, 2)))
        assert client.until(RST, 2001)[3] == b"\0\0\0\x07"
        client.send(frame(DATA, 1, 1, message(GOOD)))
        assert allowed(*client.answer(1))


def test_messages_that_are_too_long_together_are_not_held(port: int) -> None:
    piece, data = 16_384, b"x" * 16_384
    with Client(port) as client:
        for stream in (1, 3, 5, 7, 9):
            client.send(frame(HEADERS, 4, stream, head()))
            for _ in range(4 * 1024 * 1024 // piece):
                try:
                    client.send(frame(DATA, 0, stream, data))
                except (BrokenPipeError, ConnectionResetError):
                    return
        assert int.from_bytes(client.until(GOAWAY)[3][4:8], "big") == 3


@given(noise=st.binary(max_size=300))
def test_noise_brings_no_answer(port: int, noise: bytes) -> None:
    with Client(port) as client:
        client.send(noise)
        client._socket.shutdown(socket.SHUT_WR)
        while (found := client.next()) is not None:
            assert found[0] != DATA
