"""Rows of the threat catalogue about paths, methods, headers and framing, as bytes through the running gateway.

A row names who asks, the request line and further lines, the acceptable answers, and the target that the upstream
gets; none for a block.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from gateway_origin import Origin, wait_for
from gateway_world import Gateway, bearer, token


class Row(NamedTuple):
    """One row of the catalogue."""

    id: str
    who: str
    line: bytes
    statuses: tuple[int, ...]
    target: bytes | None = None
    lines: tuple[bytes, ...] = ()
    host: bytes | None = b"shop.example"
    body: bytes = b""


UPGRADE = (b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
CHUNKED = (b"Transfer-Encoding: chunked",)
ROWS = [
    Row("P01.1", "anon", b"GET /public/../admin", (400,)),
    Row("P01.2", "alice", b"GET /items/1/../secret1", (400,)),
    Row("P01.4", "anon", b"GET /../admin", (400,)),
    Row("P02.1", "anon", b"GET /public/%2e%2e/admin", (400,)),
    Row("P02.2", "anon", b"GET /public/..%2fadmin", (400,)),
    Row("P02.3", "alice", b"GET /items/a%2Fb", (400,)),
    Row("P03.1", "root", b"GET /%2561dmin", (400, 403, 404)),
    Row("P03.2", "anon", b"GET /public/%252e%252e%252fadmin", (400,)),
    Row("P04.1", "anon", b"GET //admin", (400,)),
    Row("P04.3", "anon", b"GET /public//../admin", (400,)),
    Row("P05.1", "anon", b"GET /public/..%5cadmin", (400,)),
    Row("P05.2", "anon", b"GET /public\\..\\admin", (400,)),
    Row("P06.1", "anon", b"GET /admin;x=1", (400,)),
    Row("P07.1", "anon", b"GET /admin#/public/", (400, 401)),
    Row("P08.1", "anon", b"GET /admin?x=/public/", (401,)),
    Row("P08.2", "anon", b"GET /admin%3F/public/", (400, 401)),
    Row("P08.3", "anon", b"GET /?/health", (401,)),
    Row("P09.1", "anon", b"GET /admin/", (401,)),
    Row("P10.1", "anon", b"GET /admin%0A", (400,)),
    Row("P10.4", "root", b"GET /ad\x09min", (400,)),
    Row("P11.1", "alice", b"GET /items/secret1%00.png", (400,)),
    Row("P12.1", "root", b"GET /Admin", (403,)),
    Row("P12.3", "root", b"GET /%61dmin", (200,), b"/%61dmin"),
    Row("P13.1", "alice", b"GET /items/%FF", (400,)),
    Row("P14.1", "anon", b"GET /public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin", (400,)),
    Row("P15.1", "anon", b"GET /publicity", (401,)),
    Row("P15.4", "alice", b"GET /files/pub/x", (200,), b"/files/pub/x"),
    Row("P15.4b", "alice", b"GET /files/publish/x", (403,)),
    Row("P18.1", "anon", b"GET http://evil.example/admin", (400, 401)),
    Row("P18.3", "root", b"CONNECT admin:443", (400, 405), host=b"admin:443"),
    Row("P18.4", "anon", b"GET http://shop.example/health", (200,), b"/health"),
    Row("P18.5", "root", b"GET *", (400,)),
    Row("P19.1", "root", b"GET admin", (400,)),
    Row("P20.1", "anon", b"GET /admin", (400, 401), host=b"shop.example/public/?"),
    Row("P20.3", "anon", b"GET /admin HTTP/1.0", (401,), host=None),
    Row("P21.2", "root", b"GET /admin", (400,), lines=(b"Host: admin.example",)),
    Row("P22.1", "root", b"GET /forgot", (403,)),
    Row("P22.2", "root", b"PATCH /items/1", (405,)),
    Row("P23.1", "anon", b"GET /admin", (401,), lines=(b"X-Original-URL: /public/x",)),
    Row("P23.2", "anon", b"GET /public/x", (200,), b"/public/x", (b"X-Rewrite-URL: /admin",)),
    Row("P23.3", "anon", b"GET /admin", (401,), lines=(b"X-Forwarded-Uri: /health",)),
    Row("M01.1", "anon", b"HEAD /admin", (401,)),
    Row("M01.2", "alice", b"HEAD /items/secret1", (403,)),
    Row("M01-ok", "alice", b"HEAD /items/1", (200,), b"/items/1"),
    Row("M02.2", "anon", b"OPTIONS /admin", (401, 405)),
    Row("M03.1", "anon", b"TRACE /admin", (405,)),
    Row("M03.2", "root", b"get /admin", (400, 405)),
    Row("M04.1", "root", b"POST /items", (200,), b"/items", (b"X-HTTP-Method-Override: DELETE",)),
    Row("M04.2", "alice", b"GET /items/1?_method=DELETE", (200,), b"/items/1?_method=DELETE"),
    Row("M05.1", "anon", b"GET /ws/feed", (401,), lines=UPGRADE),
    Row("M05.2", "anon", b"GET /admin", (401, 403), lines=UPGRADE),
    Row("M-h2c", "alice", b"GET /items/1", (200,), b"/items/1",
        (b"Upgrade: h2c", b"Connection: Upgrade, HTTP2-Settings", b"HTTP2-Settings: AAMAAABkAAQAAP__")),
    Row("H01.1", "anon", b"GET /public/x", (200,), b"/public/x", (b"X-IAM-Principal: root",)),
    Row("H01.2", "alice", b"GET /items/1", (200,), b"/items/1", (b"X-Guard-Principal: root",)),
    Row("H02.1", "alice", b"GET /items/1", (200,), b"/items/1", (b"X_Guard_Principal: root",)),
    Row("H02.2", "alice", b"GET /items/1", (200,), b"/items/1", (b"x-guard_PRINCIPAL: root",)),
    Row("H03.1", "alice", b"GET /items/1", (200,), b"/items/1",
        (b"Connection: close, X-Guard-Principal, X-Guard-Decision-Id, X-Forwarded-For",)),
    Row("H03.2", "alice", b"GET /items/1", (200,), b"/items/1", (b"Connection: close, authorization",)),
    Row("H04.1", "alice", b"GET /items/1", (400,), lines=(b"Authorization: Bearer x",)),
    Row("H05.1", "insider", b"GET /items/1", (403,), lines=(b"X-Forwarded-For: 10.0.0.1",)),
    Row("H06.1", "insider", b"GET /items", (403,), lines=(b"X-Forwarded-Proto: https",)),
    Row("H06.2", "anon", b"GET /admin", (401,), lines=(b"X-Forwarded-Prefix: /public",)),
    Row("H07.1", "root", b"POST /items", (200,), b"/items", (*CHUNKED, b"Trailer: X-Guard-Principal"),
        body=b"3\r\nabc\r\n0\r\nX-Guard-Principal: root\r\n\r\n"),
    Row("H09.1", "alice", b"GET /items/1", (200,), b"/items/1", (b"X-A: \xff\xfe",)),
    Row("F01.1", "root", b"POST /items", (400,), lines=(b"Content-Length: 4", *CHUNKED),
        body=b"0\r\n\r\nGET /admin HTTP/1.1\r\nHost: shop.example\r\n\r\n"),
    Row("F02.1", "root", b"POST /items", (400,), lines=(b"Transfer-Encoding: xchunked",), body=b"0\r\n\r\n"),
    Row("F02.2", "root", b"POST /items", (400, 501), lines=(b"Transfer-Encoding: gzip, chunked",), body=b"0\r\n\r\n"),
    Row("F02-twice", "root", b"POST /items", (400, 501), lines=(*CHUNKED, *CHUNKED), body=b"0\r\n\r\n"),
    Row("F03.1", "root", b"POST /items", (400,), lines=(b"Content-Length: +5",), body=b"abcde"),
    Row("F03.2", "root", b"POST /items", (400,), lines=(b"Content-Length: 5", b"Content-Length: 6"), body=b"abcde"),
    Row("F04.1", "root", b"POST /items", (400, 502), lines=CHUNKED, body=b"5\r\nAAAAAXX2\r\n45\r\n0\r\n\r\n"),
    Row("F05.1", "alice", b"GET /items/1", (431,), lines=tuple(b"X-%d: %s" % (n, b"x" * 1024) for n in range(200))),
    Row("F05.2", "alice", b"GET /items/" + b"x" * 70_000, (414,)),
    Row("G01.1", "anon", b"GET http://169.254.169.254/latest/", (400,)),
    Row("G01-alice", "alice", b"GET http://169.254.169.254/items/1", (400,)),
]
GUARDS_OWN = ("x-guard-principal", "x-guard-account", "x-guard-decision-id")


def send(gateway: Gateway, row: Row) -> bytes:
    version = b"" if b" HTTP/" in row.line else b" HTTP/1.1"
    lines = [row.line + version, *row.lines]
    if not any(line.startswith(b"Connection") for line in row.lines):
        lines.append(b"Connection: close")
    if row.host is not None:
        lines.insert(1, b"Host: " + row.host)
    if row.who != "anon":
        lines.append(b"Authorization: Bearer " + token(row.who).encode())
    if row.body and not row.lines:
        lines.append(b"Content-Length: %d" % len(row.body))
    return gateway.raw(b"\r\n".join(lines) + b"\r\n\r\n" + row.body)


@pytest.mark.parametrize("row", [row for row in ROWS if row.id != "M-h2c"], ids=lambda row: row.id)
def test_row(gateway: Gateway, behind: Origin, row: Row) -> None:
    behind.seen.clear()
    answer = send(gateway, row)
    assert int(answer.split(b" ", 2)[1]) in row.statuses
    assert answer.count(b"HTTP/1.1 ") == 1  # one request, one answer
    reached = [seen for seen in behind.seen if seen.whole]
    assert [seen.target for seen in reached] == ([row.target] if row.target else [])
    for seen in reached:
        names = [name.decode().lower().replace("_", "-") for name, _ in seen.headers]
        assert all(names.count(name) == 1 for name in (*GUARDS_OWN, "x-forwarded-for", "host"))
        assert not [name for name in names if name.startswith(("x-iam-", "x-original-", "x-rewrite-", "x-http-method"))]
        expected = "" if row.who == "anon" else f"arn:iamg:iam::t1:user/{row.who}"
        assert seen.values("x-guard-principal") == [expected]
        assert seen.values("x-forwarded-for") == ["127.0.0.1"]
        assert not {"authorization", "connection", "transfer-encoding", "trailer", "upgrade"} & {
            name for name in names if name != "transfer-encoding" or row.lines[:1] != CHUNKED}


def test_another_protocol_than_websocket_is_not_switched_to(gateway: Gateway, behind: Origin) -> None:
    row = next(row for row in ROWS if row.id == "M-h2c")
    reply = gateway.call("GET", "/items/1", [(name.decode(), value.decode().strip()) for name, _, value in
                                             (line.partition(b":") for line in row.lines)] + [*bearer("alice").items()])
    assert reply.status == 200
    assert not {"upgrade", "http2-settings"} & {name.decode().lower() for name, _ in behind.seen[-1].headers}


def test_s3_the_unread_body_of_a_refused_request_is_no_request(gateway: Gateway, behind: Origin) -> None:
    behind.seen.clear()
    inner = b"GET /health HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
    outer = b"POST /admin HTTP/1.1\r\nHost: shop.example\r\nContent-Length: %d\r\n\r\n" % len(inner)
    last = b"GET /admin HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"
    received = gateway.raw(outer + inner + last)
    assert received.count(b"HTTP/1.1 401") == 2
    assert behind.seen == []


def test_g17_what_was_decided_is_what_the_upstream_gets(gateway: Gateway, behind: Origin) -> None:
    gateway.call("GET", "/items/%61b?x=%2f..%2F&y=1", bearer("alice"))
    seen = behind.seen[-1]
    assert seen.target == b"/items/%61b?x=%2f..%2F&y=1"
    (decision,) = seen.values("x-guard-decision-id")
    wait_for(lambda: decision in [record["id"] for record in gateway.decisions()], "the decision is recorded")
    (record,) = [record for record in gateway.decisions() if record["id"] == decision]
    assert (record["path"], record["resource"]) == ("/items/ab", "arn:iamg:items:eu:t1:item/ab")


def test_g10_headers_of_the_guard_in_an_answer_of_the_upstream_do_not_leave(gateway: Gateway, behind: Origin) -> None:
    behind.say["/items/told"] = (b"HTTP/1.1 200 OK\r\nX-IAM-Debug-Policy: all\r\nX-Guard-Principal: x\r\n"
                                 b"X-Mine: stays\r\nContent-Length: 0\r\n\r\n")
    reply = gateway.call("GET", "/items/told", bearer("alice"))
    assert (reply.status, reply.header("X-Mine")) == (200, "stays")
    assert not [name for name, _ in reply.headers if name.lower().startswith(("x-iam-debug", "x-guard-principal"))]


def test_g09_an_answer_for_one_caller_is_kept_out_of_shared_caches(gateway: Gateway) -> None:
    reply = gateway.call("GET", "/items/1", bearer("alice"))
    assert reply.header("Cache-Control") == "private, no-store"
    assert "authorization" in reply.header("Vary").lower()


def test_g08_a_request_that_an_upstream_drops_is_not_sent_twice(gateway: Gateway, behind: Origin) -> None:
    behind.seen.clear()
    behind.say["/items"] = b"HTTP/1.1 500 connection: close"  # an answer that never ends
    try:
        assert gateway.call("POST", "/items", bearer("root"), b"order").status == 502
    finally:
        del behind.say["/items"]
    assert [(seen.method, seen.body) for seen in behind.seen] == [("POST", 5)]


def test_g11_no_part_of_a_token_is_written_down(gateway: Gateway) -> None:
    sent = token("alice")
    gateway.call("GET", "/items/1", {"Authorization": f"Bearer {sent}"})
    gateway.call("GET", "/items/1", {"Authorization": f"Bearer {sent}x"})
    written = gateway.said.read_text() + (gateway.folder / "decisions.jsonl").read_text()
    assert not [sent[at:at + 20] for at in range(len(sent) - 20) if sent[at:at + 20] in written]


def test_g16_what_is_denied_and_what_does_not_exist_look_alike(gateway: Gateway) -> None:
    first, second = (gateway.call("GET", f"/items/secret{end}", bearer("alice")) for end in ("1", "-none"))
    assert (first.status, len(first.body)) == (second.status, len(second.body)) == (403, len(first.body))
