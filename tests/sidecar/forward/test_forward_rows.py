"""Rows of the threat catalogue that concern a request in front of a proxy (kinds M, H and F)."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from forward_client import HOST, SECONDS, http_call, socket_call
from forward_proxies import DOORS, Door, open_door
from forward_world import ALICE, EDGE, World, bearer

from iam_guard.asgi.cors import CORSSettings
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.forward.settings import ForwardDoor

PROXIES = ("nginx", "traefik", "caddy", "haproxy")


@pytest.fixture(scope="module", params=PROXIES)
def opened(request: Any) -> Iterator[Door]:
    with open_door(request.param) as door:
        yield door


@pytest.fixture
def door(opened: Door) -> Door:
    opened.app.seen.clear()
    return opened


def ask(door: Door, method: str, target: str, *headers: tuple[str, str], body: bytes | None = None) -> int:
    return http_call(door.port, method, target, headers, body).status


ALICES, = bearer().items()


def test_m01_head_is_get(door: Door) -> None:
    assert ask(door, "HEAD", "/admin") == 401
    assert ask(door, "HEAD", "/docs/secret", ALICES) == 403
    assert door.app.seen == []


@pytest.mark.parametrize("method", ["TRACE", "get", "Get", "PURGE", "PROPFIND", "PATCH", "DELETE", "PUT",
                                    "_GET", "G-T"])
def test_m03_a_method_that_is_not_mapped_reaches_nobody(door: Door, method: str) -> None:
    assert ask(door, method, "/docs/1", ALICES) in (400, 403, 405, 501)
    assert ask(door, method, "/admin", ALICES) in (400, 403, 405, 501)
    assert door.app.seen == []


def test_m04_a_method_is_not_overridden(door: Door) -> None:
    for name in ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"):
        assert ask(door, "DELETE", "/docs/1", ALICES, (name, "GET")) == 403
        assert door.world.log.records[-1].reason != "allowed"
    assert door.app.seen == []
    assert ask(door, "GET", "/docs/1?_method=DELETE", ALICES) == 200


def test_m05_2_a_handshake_where_there_is_none_is_denied(door: Door) -> None:
    assert socket_call(door.port, "/admin", bearer()).status == 403
    assert socket_call(door.port, "/health", {}).status in (401, 403)
    assert door.app.seen == []


@pytest.mark.parametrize("header", [("X-Middleware-Subrequest", "iam_guard"), ("X-IAM-Guard-Decision", "allow"),
                                    ("User-Agent", "GoogleHC/1.0"), ("X-Forwarded-Prefix", "/public"),
                                    ("X-Guard-Decision-Id", "allow")])
def test_m10_m11_h06_no_header_is_a_pass(door: Door, header: tuple[str, str]) -> None:
    assert ask(door, "GET", "/admin", header) == 401
    assert ask(door, "GET", "/admin", header, ALICES) == 403
    assert door.app.seen == []


def test_h04_1_two_tokens_are_none(door: Door) -> None:
    other, = bearer("nobody").items()
    for pair in ((ALICES, other), (other, ALICES), (ALICES, ALICES)):
        assert ask(door, "GET", "/docs/1", *pair) in (400, 401, 403)
    assert door.app.seen == []


def test_h09_1_bytes_that_are_no_text_change_nothing(door: Door) -> None:
    for headers, status in (([ALICES], 200), ([], 401)):
        assert http_call(door.port, "GET", "/docs/1", [*headers, ("X-A", "\xff\xfe")]).status in (status, 400)
    assert all(one["target"] == "/docs/1" for one in door.app.seen)


def test_f05_what_is_too_large_is_refused(door: Door) -> None:
    many = [(f"X-A{number}", "a" * 1000) for number in range(30)]
    assert ask(door, "GET", "/docs/1", ALICES, *many) in (400, 403, 431, 500, 502, 503)
    assert ask(door, "GET", "/public/" + "a" * 9000, ALICES) in (400, 403, 414)
    assert door.app.seen == []


def raw(door: Door, data: bytes) -> list[int]:
    """Send bytes whose last request asks for the connection to be closed; the statuses of all answers."""
    said = b""
    with socket.create_connection(("127.0.0.1", door.port), SECONDS) as connection:
        connection.sendall(data)
        while piece := connection.recv(65536):
            said += piece
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([2-5][0-9][0-9])", said)]


AUTHORIZED = f"Host: {HOST}\r\nAuthorization: {ALICES[1]}\r\nConnection: close\r\n".encode()


def test_m08_1_what_follows_an_upgrade_is_a_request_of_its_own(door: Door) -> None:
    first = b"GET /public/x HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n" % HOST.encode()
    raw(door, first + b"GET /admin HTTP/1.1\r\n" + AUTHORIZED + b"\r\n")
    assert {one["target"] for one in door.app.seen} <= {"/public/x"}


def test_h07_1_a_trailer_is_no_header(door: Door) -> None:
    head = b"POST /docs/1 HTTP/1.1\r\n" + AUTHORIZED + (
        b"Transfer-Encoding: chunked\r\nTrailer: X-Guard-Principal\r\n\r\n")
    statuses = raw(door, head + b"5\r\nhello\r\n0\r\nX-Guard-Principal: root\r\n\r\n")
    for seen in door.app.seen:
        assert (statuses, seen["body"]) == ([200], "hello")
        assert door.app.header("x-guard-principal") == [ALICE]
    assert statuses in ([200], [411])


@pytest.mark.parametrize("framing", [b"Content-Length: 4\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: xchunked",
                                     b"Content-Length: +5", b"Content-Length: 5\r\nContent-Length: 6"])
def test_f01_f03_what_is_framed_in_two_ways_hides_no_request(door: Door, framing: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /admin HTTP/1.1\r\n" + AUTHORIZED + b"\r\n"
    raw(door, b"POST /docs/1 HTTP/1.1\r\n" + AUTHORIZED + framing + b"\r\n\r\n" + smuggled)
    assert {one["target"] for one in door.app.seen} <= {"/docs/1"}


# --- M02: preflights ---

CORS = CORSSettings(origins=("https://front.example",))
PREFLIGHT = (("Origin", "https://front.example"), ("Access-Control-Request-Method", "POST"))


@pytest.mark.parametrize("preflights", ["deny", "pass"])
@pytest.mark.parametrize("proxy", PROXIES)
def test_m02_preflights_pass_to_the_application_where_the_operator_says_so(proxy: str, preflights: Any) -> None:
    world = World(EDGE, cors=CORS)
    doors = [ForwardDoor(door.proxy, upgrades=door.upgrades, preflights=preflights) for door in DOORS]
    with open_door(proxy, make_forward_app(world.asker, doors, world.edge)) as door:
        assert ask(door, "OPTIONS", "/docs/1", *PREFLIGHT) == (200 if preflights == "pass" else 403)
        assert [one["method"] for one in door.app.seen] == (["OPTIONS"] if preflights == "pass" else [])
        door.app.seen.clear()
        for change in ({"Origin": "https://evil.example"}, {"Access-Control-Request-Method": "PURGE"},
                       {"Access-Control-Request-Method": ""}):
            assert ask(door, "OPTIONS", "/docs/1", *{**dict(PREFLIGHT), **change}.items()) in (401, 403)
        assert ask(door, "OPTIONS", "/docs/1") == 401
        assert ask(door, "OPTIONS", "/admin", *PREFLIGHT) in (401, 403)
        assert ask(door, "POST", "/docs/1", *PREFLIGHT, body=b"{}") == 401
        assert door.app.seen == []
