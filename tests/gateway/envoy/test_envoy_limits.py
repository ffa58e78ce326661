"""Limits of the settings, as a real Envoy keeps them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest
from envoy_limits import LAST, Limited, chunk, everything, limited
from forward_client import HOST, SECONDS, http_call, wait_for
from forward_world import bearer
from websockets.sync.client import connect

MOST = 100_000
CONNECTIONS = 40


@pytest.fixture(scope="module")
def envoy() -> Iterator[Limited]:
    def section(port: int, behind: int) -> dict[str, object]:
        upstream = {"servers": [f"http://127.0.0.1:{behind}"], "head_seconds": 1, "stall_seconds": 1.5}
        return {"listen": f"127.0.0.1:{port}",
                "upstreams": {"app": upstream, "patient": {**upstream, "stall_seconds": 60}},
                "routes": [{"host": "patient.example", "upstream": "patient"}, {"upstream": "app"}],
                "limits": {"max_body_bytes": MOST, "head_seconds": 0.5, "body_seconds": 1, "keep_seconds": 1,
                           "write_seconds": 0.5, "max_connections": CONNECTIONS}}

    with limited(section) as found:
        yield found


@pytest.fixture(autouse=True)
def fresh(envoy: Limited) -> None:
    envoy.app.forget()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(("length", "expected"), [(0, 200), (1, 200), (MOST, 200), (MOST + 1, 413), (10 ** 12, 413),
                                                  (2 ** 63, 413), (2 ** 64 + 5, 400)])
def test_a_body_of_a_declared_length(envoy: Limited, length: int, expected: int) -> None:
    body = b"a" * length if length <= MOST else b"a"
    answer = envoy.say(envoy.head(f"Connection: close\r\nContent-Length: {length}"), body)
    assert status(answer) == expected
    assert envoy.app.ends == (["whole"] if expected == 200 else [])


def test_the_answer_is_a_problem_document(envoy: Limited) -> None:
    """RFC 9457, as from the gateway's own engine."""
    sent = [*bearer().items(), ("Content-Length", str(MOST + 1))]
    reply = http_call(envoy.port, "POST", "/docs/1", sent, b"", framed=True)
    assert (reply.status, reply.header("content-type")) == (413, "application/problem+json")
    assert json.loads(reply.body) == {"type": "urn:iam-guard:problems:body-too-large", "title": "Body too large",
                                      "status": 413}


@pytest.mark.parametrize(("pieces", "expected"), [
    ((MOST,), 200), ((1,) * 50, 200), ((MOST // 2, MOST // 2), 200), ((MOST + 1,), 413),
    ((MOST // 2, MOST // 2, 1), 413), ((60_000, 60_000, 60_000), 413)])
def test_a_body_whose_length_nobody_knows(envoy: Limited, pieces: tuple[int, ...], expected: int) -> None:
    body = b"".join(chunk(b"a" * size) for size in pieces)
    answer = envoy.say(envoy.head("Connection: close\r\nTransfer-Encoding: chunked"), body, LAST)
    assert status(answer) == expected
    assert sum(envoy.app.pieces) <= MOST
    assert ("whole" in envoy.app.ends) == (expected == 200)


def test_a_body_streams_while_it_is_counted(envoy: Limited) -> None:
    with envoy.connect() as connection:
        connection.sendall(envoy.head("Connection: close\r\nTransfer-Encoding: chunked") + chunk(b"a" * 1000))
        wait_for(lambda: sum(envoy.app.pieces) == 1000, "the first piece has come")
        connection.sendall(chunk(b"a" * 1000))
        wait_for(lambda: sum(envoy.app.pieces) == 2000, "the second piece has come")
        connection.sendall(chunk(b"a" * MOST))
        assert status(everything(connection)) == 413
    wait_for(lambda: envoy.app.ends == ["left"], "the application hears that there is no more")


def test_who_may_not_is_told_that_and_not_how_long_a_body_may_be(envoy: Limited) -> None:
    sent = [("Content-Length", str(MOST + 1))]
    assert http_call(envoy.port, "POST", "/docs/1", sent, b"", framed=True).status == 401


def test_a_websocket_is_no_body(envoy: Limited) -> None:
    with connect(f"ws://{HOST}/docs/1", additional_headers=bearer(), proxy=None, compression=None,
                 open_timeout=SECONDS, close_timeout=SECONDS,
                 sock=socket.create_connection(("127.0.0.1", envoy.port), SECONDS)) as opened:
        for _ in range(3):
            opened.send(b"a" * MOST)
            assert opened.recv(SECONDS) == b"a" * MOST


def test_a_body_that_trickles_is_waited_for_no_longer_than_is_said(envoy: Limited) -> None:
    """Never silent for 'stall_seconds', and yet ended (threat F05)."""
    with envoy.connect() as connection:
        connection.sendall(envoy.head("Transfer-Encoding: chunked"))
        connection.settimeout(0.25)
        answer = b""
        for _ in range(200):
            try:
                answer = connection.recv(65_536)
                break
            except TimeoutError:
                connection.sendall(chunk(b"a"))
        assert status(answer) == 408
    wait_for(lambda: envoy.app.ends == ["left"], "the application hears that there is no more")


def test_a_header_that_does_not_end_is_not_waited_for(envoy: Limited) -> None:
    assert status(envoy.say(envoy.head("X-More: 1")[:-2])) == 408
    assert envoy.app.pieces == []


def test_a_connection_without_a_request_is_closed(envoy: Limited) -> None:
    assert envoy.say() == b""


def test_a_server_that_thinks_for_too_long_is_given_up(envoy: Limited) -> None:
    assert http_call(envoy.port, "POST", "/docs/thinks", bearer().items(), b"a").status == 504
    wait_for(lambda: envoy.app.ends == ["whole", "left"], "the application hears that nobody waits")


def test_an_answer_in_which_nothing_is_said_is_ended(envoy: Limited) -> None:
    answer = envoy.say(envoy.head("Content-Length: 0", "/docs/stalls"))
    assert status(answer) == 200
    assert b"begun" in answer
    assert not answer.endswith(LAST)
    wait_for(lambda: envoy.app.ends == ["whole", "left"], "the application hears that nobody waits")


def test_who_takes_nothing_of_an_answer_is_left(envoy: Limited) -> None:
    """Before the upstream's 'stall_seconds', which are a minute here."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(SECONDS)
        client.connect(("127.0.0.1", envoy.port))
        client.sendall(envoy.head("Content-Length: 0", "/docs/pours", host="patient.example"))
        wait_for(lambda: envoy.app.ends == ["whole", "left"], "the application hears that nobody takes what it says")


def test_connections_beyond_the_bound_are_closed(envoy: Limited) -> None:
    opened = [envoy.connect() for _ in range(CONNECTIONS + 10)]
    try:
        for one in opened[-10:]:
            one.settimeout(SECONDS)
            assert everything(one) == b""
        assert http_call_over(opened[0], envoy) == 200
    finally:
        for one in opened:
            one.close()
    wait_for(lambda: _answers(envoy), "it serves again")


def http_call_over(connection: socket.socket, envoy: Limited) -> int:
    connection.sendall(envoy.head("Connection: close", "/docs/1", "GET"))
    return status(everything(connection))


def _answers(envoy: Limited) -> bool:
    try:
        return http_call(envoy.port, "GET", "/docs/1", bearer().items()).status == 200
    except OSError:
        return False
