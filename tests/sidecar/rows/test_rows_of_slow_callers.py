"""Callers that send almost nothing, at the servers of the sidecar: a call that has begun has to arrive in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest
from forward_client import SECONDS
from forward_world import App, Serving
from threat_world import exchange, statuses
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from iam_guard.sidecar import bounded
from iam_guard.sidecar.at_once import AtOnceProtocol
from iam_guard.sidecar.bounded import BoundedProtocol
from iam_guard.sidecar.prompt import PromptProtocol

GOOD = b"GET /a HTTP/1.1\r\nHost: guard\r\n\r\n"


@pytest.fixture(params=[BoundedProtocol, PromptProtocol, AtOnceProtocol], ids=lambda one: one.__name__)
def port(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(bounded, "ARRIVAL_SECONDS", 0.5)
    with Serving(App(), http=request.param, ws="none") as serving:
        yield serving.port


def ended(client: socket.socket) -> bytes:
    """What is said until the connection ends."""
    client.settimeout(SECONDS)
    received = bytearray()
    try:
        while piece := client.recv(65_536):
            received += piece
    except ConnectionResetError:
        pass
    return bytes(received)


@pytest.mark.parametrize("before", [0, 1, 3])
def test_f06_1_a_head_that_does_not_arrive_ends_the_connection(port: int, before: int) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as slow:
        for _ in range(before):
            slow.sendall(GOOD)
            assert slow.recv(65_536).startswith(b"HTTP/1.1 200 ")
        slow.sendall(GOOD[:20])
        assert statuses(exchange(port, GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))) == [200]
        assert statuses(ended(slow))[-1:] == [408]


def test_f06_1_a_byte_now_and_then_is_no_head(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as slow:
        end = time.monotonic() + SECONDS
        try:
            slow.sendall(GOOD[:20])
            slow.settimeout(0.1)
            while time.monotonic() < end:
                slow.sendall(b"x")
                try:
                    if not slow.recv(65_536):
                        break
                except TimeoutError:
                    pass
        except ConnectionError:
            pass
        assert time.monotonic() < end


@pytest.mark.parametrize("length", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
def test_f06_1_a_body_that_does_not_arrive_ends_the_connection(port: int, length: bytes) -> None:
    with socket.create_connection(("127.0.0.1", port), SECONDS) as slow:
        slow.sendall(b"POST /a HTTP/1.1\r\nHost: guard\r\n" + length + b"\r\n\r\n" + b"3")
        assert 200 not in statuses(ended(slow))


def test_a_connection_between_calls_is_kept(port: int) -> None:
    """Proxies keep theirs for much longer than a call may take."""
    with socket.create_connection(("127.0.0.1", port), SECONDS) as kept:
        kept.sendall(GOOD)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")
        with socket.create_connection(("127.0.0.1", port), SECONDS) as slow:
            slow.sendall(GOOD[:20])
            ended(slow)  # as long as it takes for the other
        kept.sendall(GOOD)
        assert kept.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_the_servers_are_those_of_the_sidecar() -> None:
    assert issubclass(AtOnceProtocol, BoundedProtocol)
    assert issubclass(PromptProtocol, BoundedProtocol)
    assert issubclass(BoundedProtocol, HttpToolsProtocol)
