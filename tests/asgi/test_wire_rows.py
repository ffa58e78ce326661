"""Rows of the threat catalogue that are about bytes, sent as bytes to real servers with both parsers.

A row names who asks, the request line and further lines, the acceptable answers, and what the handler saw:
nothing for a block, or (method, path).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from conftest import Served
from driver import Answer, exchange, parse
from fixture_app import TOKENS


class Row(NamedTuple):
    """One row of the catalogue."""

    id: str
    who: str
    line: bytes
    statuses: tuple[int, ...]
    ran: tuple[str, str] | None = None
    lines: tuple[bytes, ...] = ()
    host: bytes | None = b"app.example"
    body: bytes = b""


HEALTH, PUBLIC_X = ("GET", "/health"), ("GET", "/public/x")
ROWS = [
    # P: path and route confusion
    Row("P01.1", "anon", b"GET /public/../admin", (400,)),
    Row("P01.2", "alice", b"GET /items/1/../secret1", (400,)),
    Row("P01.3", "anon", b"GET /public/./../admin/.", (400,)),
    Row("P01.4", "anon", b"GET /../admin", (400,)),
    Row("P02.1", "anon", b"GET /public/%2e%2e/admin", (400,)),
    Row("P02.2", "anon", b"GET /public/..%2fadmin", (400,)),
    Row("P02.3", "alice", b"GET /items/a%2Fb", (400,)),
    Row("P02.4", "anon", b"GET /public/.%2e/admin", (400,)),
    Row("P03.1", "root", b"GET /%2561dmin", (400, 403, 404)),
    Row("P03.2", "anon", b"GET /public/%252e%252e%252fadmin", (400,)),
    Row("P03.3", "root", b"GET /%25%36%31dmin", (400, 403, 404)),
    Row("P04.1", "anon", b"GET //admin", (400,)),
    Row("P04.2", "anon", b"GET //public/x/admin", (400,)),
    Row("P04.3a", "anon", b"GET /public//../admin", (400,)),
    Row("P04.3b", "anon", b"GET ///admin", (400,)),
    Row("P05.1", "anon", b"GET /public/..%5cadmin", (400,)),
    Row("P05.2", "anon", b"GET /public\\..\\admin", (400,)),
    Row("P06.1", "anon", b"GET /admin;x=1", (400,)),
    Row("P06.2", "anon", b"GET /public/..;/admin", (400,)),
    Row("P07.1", "anon", b"GET /admin#/public/", (400, 401)),
    Row("P07.2", "anon", b"GET /foo/secret%23/bar", (401,)),
    Row("P08.1", "anon", b"GET /admin?x=/public/", (401,)),
    Row("P08.2", "anon", b"GET /admin%3F/public/", (400, 401)),
    Row("P08.3", "anon", b"GET /?/health", (401,)),
    Row("P09.1", "anon", b"GET /admin/", (401,)),
    Row("P09.2", "anon", b"GET /items/", (401,), host=b"evil.example"),
    Row("P09.3", "alice", b"GET /items/secret1/", (403,)),
    Row("P10.1", "anon", b"GET /admin%0A", (400,)),
    Row("P10.2", "alice", b"GET /items/secret1%0A", (400,)),
    Row("P10.3a", "alice", b"GET /num/5%0A", (400,)),
    Row("P10.3b", "alice", b"GET /files/pub/a%0Ab", (400,)),
    Row("P10.4a", "root", b"GET /ad\x09min", (400,)),
    Row("P10.4b", "root", b"GET /ad\x0dmin", (400,)),
    Row("P11.1", "alice", b"GET /items/secret1%00.png", (400,)),
    Row("P12.1", "anon", b"GET /Admin", (401,)),
    Row("P12.1-root", "root", b"GET /Admin", (403,)),
    Row("P12.3", "anon", b"GET /%41dmin", (401,)),
    Row("P13.1", "alice", b"GET /items/%FF", (400,)),
    Row("P13.2", "anon", b"GET /public/%C0%AE%C0%AE/admin", (400,)),
    Row("P13.3a", "root", b"GET /items/%FE", (400,)),
    Row("P13.3b", "root", b"GET /items/%FF", (400,)),
    Row("P14.1", "anon", b"GET /public/%EF%BC%8E%EF%BC%8E%EF%BC%8Fadmin", (400,)),
    Row("P14.2", "anon", b"GET /%EF%BD%81dmin", (401,)),
    Row("P14.3", "operator", b"GET /items/%EF%BC%8A", (400, 403)),
    Row("P15.1", "anon", b"GET /publicity", (401,)),
    Row("P15.2", "anon", b"GET /healthz", (401,)),
    Row("P15.3", "alice", b"GET /files/public-draft/x", (403,)),
    Row("P15.4a", "alice", b"GET /files/pub.bak/x", (403,)),
    Row("P15.4b", "alice", b"GET /files/publish/x", (403,)),
    Row("P15.4-pub", "alice", b"GET /files/pub/x", (200,), ("GET", "/files/pub/x")),
    Row("P15.5", "anon", b"GET /public", (401,)),
    Row("P15.6", "anon", b"GET /public/../pub_private/key", (400,)),
    Row("P16.3", "anon", b"GET /sub/admin", (401,)),
    Row("P18.1", "anon", b"GET http://evil.example/admin", (400, 401)),
    Row("P18.2", "root", b"OPTIONS *", (204, 400, 401, 403, 405)),
    Row("P18.3", "root", b"CONNECT admin:443", (400, 405), host=b"admin:443"),
    Row("P18.4", "anon", b"GET http://app.example/health", (200,), HEALTH),
    Row("P18.5", "root", b"GET *", (400,)),
    Row("P19.1", "root", b"GET admin", (400,)),
    Row("P20.1", "anon", b"GET /admin", (400, 401), host=b"app.example/public/?"),
    Row("P20.2", "anon", b"GET /admin", (400, 401), host=b"app.example#"),
    Row("P20.3", "anon", b"GET /admin HTTP/1.0", (401,), host=None),
    Row("P21.2", "root", b"GET /admin", (400,), lines=(b"Host: admin.example",)),
    Row("P22.1", "root", b"GET /forgot", (403,)),
    Row("P22.2", "root", b"PATCH /items/1", (405,)),
    Row("P23.1", "anon", b"GET /admin", (401,), lines=(b"X-Original-URL: /public/x",)),
    Row("P23.2", "anon", b"GET /public/x", (200,), PUBLIC_X, (b"X-Rewrite-URL: /admin",)),
    Row("P23.3", "anon", b"GET /admin", (401,), lines=(b"X-Forwarded-Uri: /health",)),
    Row("P24.3", "root", b"POST /items/1/copy/approve", (403,)),
    # M: method and protocol
    Row("M01.1", "anon", b"HEAD /admin", (401,)),
    Row("M01.2", "alice", b"HEAD /items/secret1", (403,)),
    Row("M01-ok", "alice", b"HEAD /items/1", (200,), ("HEAD", "/items/1")),
    Row("M02.1-off", "anon", b"OPTIONS /items/1", (401,),
        lines=(b"Origin: https://ui.example", b"Access-Control-Request-Method: DELETE")),
    Row("M02.2", "anon", b"OPTIONS /admin", (401, 405)),
    Row("M03.1", "anon", b"TRACE /admin", (405,)),
    Row("M03.2", "root", b"get /admin", (400, 405)),
    Row("M03.3", "root", b"_DO_DELETE /odd", (400, 405)),
    Row("M04.1", "root", b"POST /items", (200,), ("POST", "/items"), (b"X-HTTP-Method-Override: DELETE",)),
    Row("M04.2", "alice", b"GET /items/1?_method=DELETE", (200,), ("GET", "/items/1")),
    Row("M05.2", "anon", b"GET /admin", (401, 403), lines=(
        b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
    Row("M05.1", "anon", b"GET /ws/feed", (401,), lines=(
        b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
    Row("M05.3", "root", b"GET /sub/ws", (403,), lines=(
        b"Upgrade: websocket", b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")),
    Row("M10.1", "anon", b"GET /admin", (401,), lines=(b"X-Middleware-Subrequest: iam_guard",)),
    Row("M10.2", "anon", b"GET /admin", (401,), lines=(b"X-IAM-Guard-Decision: allow",)),
    Row("M11.1", "anon", b"GET /admin", (401,), lines=(b"User-Agent: GoogleHC/1.0",)),
    Row("M14.1", "operator", b"POST /bulk", (200,), body=b'{"ids": ["1", "secret1"]}'),
    Row("M16.1", "operator", b"POST /items/9/copy", (403,), body=b'{"from": "secret1"}'),
    Row("M16-ok", "operator", b"POST /items/9/copy", (200,), ("POST", "/items/9/copy"), body=b'{"from": "1"}'),
    # H: headers and trust
    Row("H01.1", "anon", b"GET /public/x", (200,), PUBLIC_X, (b"X-IAM-Principal: root",)),
    Row("H01.2", "alice", b"GET /items/1", (200,), ("GET", "/items/1"), (b"X-IAM-Principal: root",)),
    Row("H02.1", "alice", b"GET /items/1", (200,), ("GET", "/items/1"), (b"X_IAM_Principal: root",)),
    Row("H02.2", "alice", b"GET /items/1", (200,), ("GET", "/items/1"), (b"x-iam_PRINCIPAL: root",)),
    Row("H04.1", "alice", b"GET /items/1", (400,), lines=(b"Authorization: Bearer " + TOKENS["root"].encode(),)),
    Row("H06.2", "anon", b"GET /admin", (401,), lines=(b"X-Forwarded-Prefix: /public",)),
    Row("H09.1", "alice", b"GET /items/1", (200,), ("GET", "/items/1"), (b"X-A: \xff\xfe",)),
]
#: Nothing that was sent under these names may reach the application.
FORBIDDEN = ("iam", "rewrite", "original", "forwarded", "override")


def send(served: Served, row: Row) -> Answer:
    version = b"" if b" HTTP/" in row.line else b" HTTP/1.1"
    lines = [row.line + version, b"Connection: close", *row.lines]
    if any(line.startswith(b"Upgrade") for line in row.lines):
        lines.remove(b"Connection: close")
    if row.host is not None:
        lines.insert(1, b"Host: " + row.host)
    if row.who != "anon":
        lines.append(b"Authorization: Bearer " + TOKENS[row.who].encode())
    if row.body:
        lines.append(b"Content-Length: %d" % len(row.body))
    return parse(exchange(served.address, b"\r\n".join(lines) + b"\r\n\r\n" + row.body))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_row(served: Served, row: Row) -> None:
    served.seen.clear()
    answer = send(served, row)
    assert answer.status in row.statuses
    assert [(seen["method"], seen["path"]) for seen in served.seen] == ([row.ran] if row.ran else [])
    if not row.ran and answer.status != 200:
        assert "location" not in answer.headers
    for seen in served.seen:
        assert seen["principal"] == ("anonymous" if row.who == "anon" else row.who)
        names = [name.decode() for name, _ in seen["headers"]]
        assert not [name for name in names if any(word in name for word in FORBIDDEN)]


def test_m14_1_each_object_is_decided(served: Served) -> None:
    row = next(row for row in ROWS if row.id == "M14.1")
    assert send(served, row).json() == {"1": True, "secret1": False}


def test_h07_1_trailers_never_show(served: Served) -> None:
    served.seen.clear()
    request = (b"POST /items HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n"
               b"Trailer: X-IAM-Principal\r\nAuthorization: Bearer " + TOKENS["operator"].encode() + b"\r\n\r\n"
               b"3\r\nabc\r\n0\r\nX-IAM-Principal: root\r\n\r\n")
    assert parse(exchange(served.address, request)).status == 200
    (seen,) = served.seen
    assert b"x-iam-principal" not in [name.lower() for name, _ in (*seen["headers"], *seen["headers_after"])]
    assert seen["principal"] == "operator"


def test_s3_the_unread_body_of_a_refused_request_is_no_request(served: Served) -> None:
    served.seen.clear()
    inner = b"GET /health HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n"
    outer = b"POST /admin HTTP/1.1\r\nHost: app.example\r\nContent-Length: %d\r\n\r\n" % len(inner)
    last = b"GET /admin HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n"
    received = exchange(served.address, outer + inner + last)
    assert received.count(b"HTTP/1.1 401") == 2
    assert b"HTTP/1.1 200" not in received
    assert served.seen == []


def test_a_websocket_works_end_to_end(served: Served) -> None:
    from websockets.sync.client import connect

    host, port = served.address
    with connect(f"ws://{host}:{port}/ws/feed", additional_headers={"Authorization": f"Bearer {TOKENS['alice']}"},
                 proxy=None) as connection:
        connection.send("hello")
        assert connection.recv(timeout=10) == "alice: hello"


def test_both_parsers_give_a_problem_with_a_challenge(served: Served) -> None:
    answer: Any = send(served, Row("", "anon", b"GET /admin", ()))
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["status"] == 401
