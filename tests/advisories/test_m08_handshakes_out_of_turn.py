"""M08: a handshake behind other requests was answered amid their answers; one that is none was held for ever."""

from __future__ import annotations

import re

import pytest
from gateway_attack import Front, read_all, request, who

SOCKET = (b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
          b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")


def handshake(*lines: bytes, method: bytes = b"GET", body: bytes = b"") -> bytes:
    return request(method + b" /ws/feed", who("root"), SOCKET, *lines, body=body)


@pytest.mark.parametrize("before", [
    [request(b"GET /public/x?size=300000")], [request(b"GET /public/x")] * 2, [request(b"GET /items/1")],
    [request(b"GET /public/x", b"Host: other.example\r\n")],
])
def test_a_handshake_is_not_answered_before_its_turn(front: Front, before: list[bytes]) -> None:
    received = front.send(b"".join(before) + handshake())
    assert b" 101 " not in received
    assert not [seen for seen in front.seen if seen.target == b"/ws/feed"]


def test_a_handshake_after_an_answer_is_served(front: Front) -> None:
    with front.connected() as client:
        client.sendall(request(b"GET /public/x"))
        received = b""
        while not received.endswith(b"body of 0\n"):
            received += client.recv(1)
        client.sendall(handshake())
        assert client.recv(12) == b"HTTP/1.1 101"


@pytest.mark.parametrize("sent", [
    handshake(b"Content-Length: 4\r\n", body=b"GET "), handshake(b"X: " + b"a" * 9000 + b"\r\n"),
    handshake(b"X: a\r\n" * 140), handshake(b"Transfer-Encoding: chunked\r\n", body=b"0\r\n\r\n"),
    handshake(method=b"POST"), handshake(b"Content-Length: 4\r\n", method=b"POST", body=b"GET "),
    request(b"GET /ws/feed?a=\xc3\xa9", who("root"), SOCKET),
])
def test_what_is_no_handshake_is_refused_at_once(front: Front, sent: bytes) -> None:
    front.seen.clear()
    with front.connected() as client:
        client.sendall(sent)
        assert re.match(rb"HTTP/1\.1 4[0-9]{2} ", read_all(client))
    assert front.seen == []
