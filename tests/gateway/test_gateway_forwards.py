"""What passes the gateway, in both directions, and what never does."""

from __future__ import annotations

import socket

import pytest
from gateway_origin import SECONDS, Origin, wait_for
from gateway_world import Gateway, bearer


def test_who_may_gets_the_answer_of_the_upstream(gateway: Gateway, behind: Origin) -> None:
    reply = gateway.call("GET", "/items/1?a=%2F&b=c%20d", bearer("alice"))
    assert (reply.status, reply.body) == (200, b"body of 0\n")
    assert behind.seen[-1].target == b"/items/1?a=%2F&b=c%20d"


@pytest.mark.parametrize(("who", "target", "status"), [
    ("anon", "/items/1", 401), ("alice", "/items/secret1", 403), ("root", "/forgot", 403), ("anon", "/health", 200)])
def test_others_are_answered_by_the_guard(gateway: Gateway, behind: Origin, who: str, target: str, status: int) -> None:
    before = len(behind.seen)
    assert gateway.call("GET", target, bearer(who)).status == status
    assert len(behind.seen) - before == (1 if status == 200 else 0)


TRAILING = (b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"4\r\nbody\r\n0\r\nX-Sum: 4\r\nX-Guard-Principal: root\r\n\r\n")


def sent(gateway: Gateway, *lines: bytes, method: bytes = b"GET") -> bytes:
    head = [method + b" /items/trailing HTTP/1.1", b"Host: shop.example", *lines,
            b"Authorization: " + bearer("alice")["Authorization"].encode()]
    return gateway.raw(b"\r\n".join(head) + b"\r\n\r\n")


def test_trailers_reach_a_client_that_takes_them(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/trailing"] = TRAILING
    answer = sent(gateway, b"TE: trailers", b"Connection: TE, close")
    assert answer.partition(b"\r\n\r\n")[2].lower() == b"4\r\nbody\r\n0\r\nx-sum: 4\r\n\r\n"
    assert behind.seen[-1].values("te") == ["trailers"]


def test_trailers_do_not_reach_other_clients(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/trailing"] = TRAILING
    answer = sent(gateway, b"Connection: close")
    assert answer.partition(b"\r\n\r\n")[2] == b"4\r\nbody\r\n0\r\n\r\n"
    assert behind.seen[-1].values("te") == []


def test_a_connection_is_kept_after_trailers(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/trailing"] = TRAILING
    token = bearer("alice")["Authorization"].encode()
    first = b"GET /items/trailing HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nAuthorization: %b\r\n\r\n"
    last = b"GET /items/1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: %b\r\n\r\n"
    answers = gateway.raw(first % token + last % token)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.endswith(b"body of 0\n")


def test_a_denial_to_a_client_that_takes_trailers_is_whole(gateway: Gateway) -> None:
    answer = gateway.raw(b"GET /items/1 HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE, close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'"status": 401' in answer


def test_what_one_end_says_to_the_other_does_not_pass(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/hops"] = (
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop, keep-alive\r\nX-Hop: 1\r\nKeep-Alive: timeout=9\r\n"
        b"Proxy-Authenticate: Basic\r\nContent-Length: 0\r\nX-End: 1\r\n\r\n")
    reply = gateway.call("GET", "/items/hops", {**bearer("alice"), "Connection": "X-Mine", "X-Mine": "1",
                                               "Proxy-Authorization": "Basic eDp5", "Keep-Alive": "timeout=5"})
    assert (reply.status, reply.header("X-End")) == (200, "1")
    assert not {"x-hop", "keep-alive", "proxy-authenticate"} & {name.lower() for name, _ in reply.headers}
    told = {name.decode().lower() for name, _ in behind.seen[-1].headers}
    assert not {"connection", "x-mine", "proxy-authorization", "keep-alive"} & told


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
def test_an_answer_without_a_body_ends_with_its_header(gateway: Gateway, behind: Origin, status: bytes) -> None:
    behind.say["/items/none"] = b"HTTP/1.1 %b\r\nETag: \"1\"\r\n\r\n" % status
    for _ in range(2):  # the second proves that both connections are still in step
        reply = gateway.call("GET", "/items/none", bearer("alice"))
        assert (b"%d" % reply.status, reply.body, reply.header("ETag")) == (status[:3], b"", '"1"')
    assert gateway.call("GET", "/items/1", bearer("alice")).body == b"body of 0\n"


def test_the_head_of_an_answer_is_that_of_its_body(gateway: Gateway) -> None:
    reply = gateway.call("HEAD", "/items/1?size=12345", bearer("alice"))
    assert (reply.status, reply.header("Content-Length"), reply.body) == (200, "12345", b"")


@pytest.mark.parametrize("names", [[b"X-IAM-Principal", b"X_Guard_Principal", b"Authorization", b"Host"], [b"X-Sum"]])
def test_h07_1_no_trailer_of_a_request_goes_upstream(gateway: Gateway, behind: Origin, names: list[bytes]) -> None:
    behind.seen.clear()
    with socket.create_connection(("127.0.0.1", gateway.port), SECONDS) as client:
        client.sendall(b"PUT /items/1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nTrailer: "
                       + b", ".join(names) + b"\r\nTransfer-Encoding: chunked\r\n"
                       b"Authorization: " + bearer("root")["Authorization"].encode()
                       + b"\r\n\r\n3\r\nabc\r\n")
        wait_for(lambda: behind.seen, "the request was decided about and has arrived")
        client.sendall(b"0\r\n" + b"".join(b"%b: root\r\n" % name for name in names) + b"\r\n")
        assert client.recv(65_536).startswith(b"HTTP/1.1 200 ")
    (seen,) = behind.seen
    assert (seen.body, seen.whole, seen.trailers) == (3, True, [])
    assert [name for name, _ in seen.headers if name.lower() in {b"trailer", b"x-sum", b"x-iam-principal"}] == []
    assert seen.values("x-guard-principal") == ["arn:iamg:iam::t1:user/root"]
    assert seen.values("host") == ["shop.example"]
