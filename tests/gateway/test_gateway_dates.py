"""Every answer says when it was made (RFC 9110 section 6.6.1): the upstream's own date, or else the gateway's."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest
from gateway_origin import SECONDS, Origin
from gateway_world import Gateway, bearer

GATEWAY = {"limits": {"head_seconds": 1.0}}

HOST = b"Host: shop.example\r\n"
LONG_AGO = "Thu, 01 Jan 2015 00:00:00 GMT"


def is_now(said: str) -> bool:
    assert said.endswith(" GMT")
    return abs(datetime.now(UTC) - parsedate_to_datetime(said)) < timedelta(seconds=SECONDS)


def dates(answer: bytes) -> list[str]:
    lines = answer.split(b"\r\n\r\n")[0].split(b"\r\n")
    return [line[5:].strip().decode() for line in lines if line.lower().startswith(b"date:")]


@pytest.mark.parametrize(("who", "target", "status"), [
    ("anon", "/items/1", 401), ("alice", "/items/secret1", 403), ("root", "/forgot", 403),
    ("alice", "/items/..%2f", 400)])
def test_a_denial_says_when_it_was_made(gateway: Gateway, who: str, target: str, status: int) -> None:
    for method in ("GET", "HEAD"):
        reply = gateway.call(method, target, bearer(who))
        assert reply.status == status
        assert is_now(reply.header("Date"))


@pytest.mark.parametrize(("sent", "status"), [
    (b"GET /items/1 HTTP/1.1\r\nHost : x\r\n\r\n", 400),
    (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
    (b"GET /health HTTP/1.1\r\n" + HOST + b"X-A: " + b"x" * 500_000, 431), (b"GET /health HT", 408),
    (b"GET /ws/feed HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", 401)])
def test_so_does_a_refusal_before_anybody_is_asked(gateway: Gateway, sent: bytes, status: int) -> None:
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(sent)
        answer = client.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    (said,) = dates(answer)
    assert is_now(said)


def test_a_failed_upstream_is_told_of_with_a_date(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/broken"] = b"HTTP/1.1 200 connection: close\r\nno header\r\n\r\n"
    reply = gateway.call("GET", "/items/broken", bearer("alice"))
    assert reply.status == 502
    assert is_now(reply.header("Date"))


@pytest.mark.parametrize("framing", [b"Content-Length: 2\r\n\r\nok",
                                     b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"])
def test_an_answer_without_date_gets_one(gateway: Gateway, behind: Origin, framing: bytes) -> None:
    behind.say["/items/undated"] = b"HTTP/1.1 200 OK\r\nX-Colour: blue\r\n" + framing
    for _ in range(3):  # names that were not seen before take another way than those that were
        reply = gateway.call("GET", "/items/undated", bearer("alice"))
        assert (reply.status, reply.body, reply.header("X-Colour")) == (200, b"ok", "blue")
        assert is_now(reply.header("Date"))


def test_the_date_of_an_upstream_stays_and_stays_alone(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/dated"] = f"HTTP/1.1 200 OK\r\nDate: {LONG_AGO}\r\nContent-Length: 0\r\n\r\n".encode()
    for _ in range(3):
        reply = gateway.call("GET", "/items/dated", bearer("alice"))
        assert reply.header("Date") == LONG_AGO
