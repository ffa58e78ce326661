"""Rows about connections that last, that switch, and that many share, through the gateway with each engine."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
from forward_client import free_port
from gateway_origin import wait_for
from gateway_process import Process, gateway
from threat_origin import Everything, everything
from threat_rows import UPGRADE, Row
from threat_world import bearer, bytes_of, exchange, statuses, token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

PEOPLE = ("alice", "bob", "root", "anon")


@pytest.fixture(scope="module")
def behind() -> Iterator[Everything]:
    with everything() as app:
        yield app


@pytest.fixture(scope="module", params=["own", "envoy"])
def door(request: pytest.FixtureRequest, behind: Everything,
         tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    folder, listen = tmp_path_factory.mktemp("streams"), free_port() if request.param == "envoy" else 0
    policies = {"folder": "iam", "poll_seconds": 0.1}
    with gateway(folder, behind.url, "--engine", request.param, listen=listen, policies=policies,
                 streams={"recheck_seconds": 0.2}) as process:
        process.engine = request.param  # type: ignore[attr-defined]
        yield process


def test_m08_1_what_follows_an_upgrade_is_a_request_of_its_own(door: Process, behind: Everything) -> None:
    """Upgrade to something unknown, and the next request in the same segment; the application answers 200."""
    for name in (b"foo", b"h2c", b"websocket/13", b"websocket, foo"):
        behind.got.clear()
        first = (b"GET /public/x HTTP/1.1\r\nHost: shop.example\r\nConnection: Upgrade\r\nUpgrade: " + name
                 + b"\r\n\r\n")
        received = exchange_all(door.port, first + bytes_of(Row("", "anon", b"GET /admin", 401)))
        told = statuses(received)
        assert told in ([200], [200, 401], [400], [403], [403, 401]), (name, told)
        assert len(told) == 2 or b"\r\nconnection: close" in received.lower()  # whoever sent more knows that it is lost
        assert [got.target for got in behind.got] == [b"/public/x"] * told.count(200)
        assert not {"upgrade", "http2-settings"} & {one for got in behind.got for one in got.names}


@pytest.mark.parametrize("asked", [b"foo", b"h2c"])
@pytest.mark.parametrize("length", [b"Content-Length: %d", b"Transfer-Encoding: chunked"])
def test_m08_1_a_body_behind_an_upgrade_is_no_request(door: Process, behind: Everything, asked: bytes,
                                                      length: bytes) -> None:
    """The body comes in a segment of its own, when the head has been read."""
    behind.got.clear()
    inner = bytes_of(Row("", "root", b"GET /items/smuggled", 200))
    body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(inner), inner) if b"chunked" in length else inner
    head = b"\r\n".join([b"POST /items HTTP/1.1", b"Host: shop.example", b"Upgrade: " + asked, b"Connection: Upgrade",
                         b"Authorization: " + bearer("root")["Authorization"].encode(),
                         length % len(inner) if b"%d" in length else length]) + b"\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), 20) as client:
        client.sendall(head)
        assert statuses(exchange(door.port, bytes_of(Row("", "alice", b"GET /items/1", 200)))) == [200]
        with suppress(OSError):  # it may have been closed
            client.sendall(body)
            client.shutdown(socket.SHUT_WR)
            while client.recv(65_536):
                pass
    targets = [got.target for got in behind.got if got.whole]
    assert b"/items/smuggled" not in targets
    assert [got.body for got in behind.got if got.target == b"/items" and got.whole] in ([], [inner])


def exchange_all(port: int, data: bytes) -> bytes:
    """As :func:`exchange`, up to the last answer."""
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(data)
        connection.settimeout(20)
        received = bytearray()
        while chunk := connection.recv(65_536):
            received += chunk
        return bytes(received)


def opened(door: Process, who: str, **headers: str) -> ClientConnection:
    return connect("ws://shop.example/ws/feed", additional_headers={**bearer(who), **headers}, proxy=None,
                   sock=socket.create_connection(("127.0.0.1", door.port), 20), open_timeout=20, close_timeout=5)


def test_m15_a_cookie_is_no_credential_and_a_program_needs_no_origin(door: Process, behind: Everything) -> None:
    behind.got.clear()
    cookie = b"Cookie: token=%b; Authorization=Bearer %b" % (token("alice").encode(), token("alice").encode())
    for origin in (b"https://evil.example", b"https://shop.example", b"null"):
        row = Row("M15.1", "anon", b"GET /ws/feed", 401, lines=(*UPGRADE, cookie, b"Origin: " + origin))
        assert statuses(exchange(door.port, bytes_of(row))) == [401]
    assert behind.got == []
    with opened(door, "alice"):
        assert [got.target for got in behind.got] == [b"/ws/feed"]


def test_m06_2_a_socket_ends_when_the_policies_no_longer_allow_it(door: Process, behind: Everything) -> None:
    if door.engine == "envoy":  # type: ignore[attr-defined]
        # Envoy asks once: the next handshake is what the new policies are about, as the page of it says.
        with_policies(door, allowed=False)
        try:
            row = Row("M06.2", "alice", b"GET /ws/feed", 403, lines=UPGRADE)
            wait_for(lambda: statuses(exchange(door.port, bytes_of(row))) == [403], "the new policies count")
        finally:
            with_policies(door, allowed=True)
        wait_for(lambda: statuses(exchange(door.port, bytes_of(Row("", "alice", b"GET /items/1", 200)))) == [200],
                 "the old ones count again")
        return
    with opened(door, "alice") as client:
        with_policies(door, allowed=False)
        try:
            with pytest.raises(ConnectionClosed):
                client.recv(20)
            assert client.close_code == 1008  # RFC 6455 section 7.4.1: policy violation
        finally:
            with_policies(door, allowed=True)
    wait_for(lambda: statuses(exchange(door.port, bytes_of(Row("", "alice", b"GET /items/1", 200)))) == [200],
             "the old ones count again")


def with_policies(door: Process, *, allowed: bool) -> None:
    file = door.folder / "iam/users/alice.json"
    document = json.loads(file.read_text())
    document["Statement"][0]["Effect"] = "Allow" if allowed else "Deny"
    aside = file.with_suffix(".new")
    aside.write_text(json.dumps(document))
    aside.replace(file)


#: What each of them gets of each of these, whoever asks beside them.
ALONE = {("alice", "/items/1"): 200, ("alice", "/items/secret1"): 403, ("bob", "/items/1"): 403,
         ("bob", "/items/secret1"): 403, ("root", "/items/1"): 200, ("root", "/items/secret1"): 200,
         ("anon", "/items/1"): 401, ("anon", "/items/secret1"): 401}


@pytest.mark.parametrize("count", [400, pytest.param(2000, marks=pytest.mark.nightly)])
def test_m17_1_nobody_is_taken_for_his_neighbour(door: Process, behind: Everything, count: int) -> None:
    behind.got.clear()
    chance = random.Random(17)
    asked = [chance.choice(list(ALONE)) for _ in range(count)]
    outcomes = asyncio.run(all_of(door, asked))
    assert [ALONE[one] for one in asked] == outcomes
    told = Counter((got.target, *got.values("X-Guard-Principal")) for got in behind.got)
    wanted = Counter((f"{path}?n={number}".encode(), f"arn:iamg:iam::t1:user/{who}")
                     for number, (who, path) in enumerate(asked) if ALONE[who, path] == 200)
    assert told == wanted


async def all_of(door: Process, asked: list[tuple[str, str]]) -> list[int]:
    """The statuses of requests on twenty connections at once, each kept for many callers."""
    found = [0] * len(asked)

    async def worker(start: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        for number in range(start, len(asked), 20):
            who, path = asked[number]
            head = [f"GET {path}?n={number} HTTP/1.1", "Host: shop.example",
                    *(f"{name}: {value}" for name, value in bearer(who).items())]
            writer.write("\r\n".join(head).encode() + b"\r\n\r\n")
            answer = await reader.readuntil(b"\r\n\r\n")
            found[number] = int(answer.split(b" ", 2)[1])
            await body_of(answer, reader)
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(worker(start) for start in range(20)))
    return found


async def body_of(head: bytes, reader: asyncio.StreamReader) -> None:
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    if length:
        await reader.readexactly(int(length))
        return
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        await reader.readexactly(size + 2)
    await reader.readexactly(2)


def test_g09_1_what_one_may_see_is_kept_for_nobody_else(door: Process) -> None:
    received = exchange(door.port, bytes_of(Row("G09.1", "alice", b"GET /items/1", 200)))
    head = received.partition(b"\r\n\r\n")[0].lower()
    assert statuses(received) == [200]
    assert b"cache-control: private, no-store" in head
    assert b"authorization" in head.partition(b"\r\nvary:")[2].partition(b"\r\n")[0]
    assert statuses(exchange(door.port, bytes_of(Row("G09.1", "anon", b"GET /items/1", 401)))) == [401]


def test_g10_1_what_an_upstream_says_in_our_names_stays_inside(door: Process, behind: Everything) -> None:
    behind.say[b"/items/told"] = (b"HTTP/1.1 200 OK\r\nX-IAM-Debug-Policy: all\r\nX-Guard-Principal: x\r\n"
                                  b"X-Mine: stays\r\nContent-Length: 0\r\n\r\n")
    head = exchange(door.port, bytes_of(Row("G10.1", "alice", b"GET /items/told", 200))).lower()
    assert statuses(head.upper()) == [200]
    assert b"x-mine: stays" in head
    assert not [word for word in (b"x-iam-debug", b"x-guard-principal") if word in head]


def test_g08_1_what_an_upstream_drops_is_not_sent_twice(door: Process, behind: Everything) -> None:
    behind.got.clear()
    behind.say[b"/items"] = b"HTTP/1.1 connection: close"
    try:
        told = statuses(exchange(door.port, bytes_of(Row("G08.1", "root", b"POST /items", 502, body=b"order"))))
    finally:
        del behind.say[b"/items"]
    assert told in ([502], [503])
    assert [(got.method, got.body) for got in behind.got] == [(b"POST", b"order")]


def test_g16_2_what_is_denied_and_what_does_not_exist_look_alike(door: Process) -> None:
    first, second = (exchange(door.port, bytes_of(Row("G16.2", "alice", line, 403)))
                     for line in (b"GET /items/secret1", b"GET /items/secret-none"))
    assert statuses(first) == statuses(second) == [403]
    assert len(first.partition(b"\r\n\r\n")[2]) == len(second.partition(b"\r\n\r\n")[2])


def test_g17_1_what_was_decided_is_what_is_served(door: Process, behind: Everything) -> None:
    for target, path in ((b"/items/%61b?x=%2f..%2F&y=1", "/items/ab"), (b"/files/pub/a%20b", "/files/pub/a b")):
        behind.got.clear()
        assert statuses(exchange(door.port, bytes_of(Row("G17.1", "alice", b"GET " + target, 200)))) == [200]
        got, = behind.got
        assert got.target == target
        decision, = got.values("X-Guard-Decision-Id")
        wait_for(lambda decision=decision: decision in [one["id"] for one in door.decisions],  # type: ignore[misc]
                 "it is recorded")
        assert [one["path"] for one in door.decisions if one["id"] == decision] == [path]
