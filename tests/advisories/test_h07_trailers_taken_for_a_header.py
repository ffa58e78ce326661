"""H07: a body's trailers came with its head in one piece, and were decided about and forwarded like fields of it."""

from __future__ import annotations

import pytest
from gateway_attack import Front, read_all, request, who

CHUNKED = b"Transfer-Encoding: chunked\r\n"
BODY = b"3\r\nabc\r\n0\r\n"
UPGRADE = (b"Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n")
CLOSE = b"Connection: close\r\n"


def test_credentials_in_a_trailer_are_none(front: Front) -> None:
    assert front.statuses(request(b"GET /items/1", CHUNKED, CLOSE, body=BODY + who("alice") + b"\r\n")) == [401]
    assert front.seen == []


def test_a_trailer_reaches_the_upstream_as_no_header(front: Front) -> None:
    sent = request(b"GET /items/1", CHUNKED, CLOSE, who("alice"), body=BODY + b"X-Note: later\r\n\r\n")
    assert front.statuses(sent) == [200]
    (seen,) = front.seen
    assert seen.values("x-note") == []
    assert (seen.body, seen.whole) == (3, True)


def test_a_trailer_says_nothing_about_the_client_of_a_trusted_proxy(front: Front) -> None:
    sent = request(b"GET /items/1", CHUNKED, CLOSE, who("insider"), body=BODY + b"X-Forwarded-For: 10.0.0.9\r\n\r\n")
    assert front.statuses(sent, source="127.0.0.2") == [403]
    told = request(b"GET /items/1", CLOSE, who("insider"), b"X-Forwarded-For: 10.0.0.9\r\n")
    assert front.statuses(told, source="127.0.0.2") == [200]


@pytest.mark.parametrize("asked", [b"", b"Connection: upgrade\r\nUpgrade: foo\r\n"])
def test_a_trailer_switches_to_nothing(front: Front, asked: bytes) -> None:
    with front.connected() as client:
        client.sendall(request(b"GET /ws/feed", CHUNKED, asked, who("alice"), body=BODY + UPGRADE + b"\r\n"))
        received = client.recv(100)
        client.sendall(request(b"GET /health", CLOSE))
        received += read_all(client)
    assert received.startswith(b"HTTP/1.1 40")
    assert b" 101 " not in received
