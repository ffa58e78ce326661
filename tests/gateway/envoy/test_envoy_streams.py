"""WebSockets and streams of events end with the session of their caller, in a real Envoy (promise S7)."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from envoy_engine import SETTINGS, Engine, get, shop_and_orders
from forward_client import HOST, SECONDS, http_call, wait_for
from sidecar_process import bearer, token
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

BRIEF = 2


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with shop_and_orders(issuers=[{**SETTINGS["issuers"][0], "leeway": 0}]) as found:
        yield found


def brief() -> dict[str, str]:
    """A session that is over soon."""
    return {"Authorization": f"Bearer {token('ann', exp=time.time() + BRIEF)}"}


def test_a_websocket_ends_with_the_session(engine: Engine) -> None:
    with opened(engine, brief()) as one, opened(engine, bearer("ann")) as other:
        for session in (one, other):
            session.send("hello")
            assert session.recv(SECONDS) == "echo hello"
        with pytest.raises(ConnectionClosed):
            one.recv(SECONDS)
        other.send("still there")
        assert other.recv(SECONDS) == "echo still there"


def opened(engine: Engine, headers: dict[str, str]) -> Any:
    return connect(f"ws://{HOST}/documents/1", additional_headers=headers, proxy=None, compression=None,
                   sock=socket.create_connection(("127.0.0.1", engine.port), SECONDS))


def test_a_stream_of_events_ends_with_the_session(engine: Engine) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", engine.port, timeout=SECONDS)
    try:
        connection.request("GET", "/documents/events", headers={**brief(), "Host": HOST, "Accept": "text/event-stream"})
        response = connection.getresponse()
        assert response.status == 200
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()
    finally:
        connection.close()


def test_an_answer_that_takes_longer_than_the_session_is_still_given(engine: Engine) -> None:
    """It was allowed when it was asked for."""
    found: list[int] = []
    headers = brief()
    engine.shop.seen.clear()
    slow = threading.Thread(target=lambda: found.append(
        http_call(engine.port, "GET", "/documents/slow", headers.items()).status))
    slow.start()
    try:
        wait_for(lambda: engine.shop.seen, "the request is under way")
        wait_for(lambda: get(engine, "/documents/1", list(headers.items())) == 401, "the session is over")
    finally:
        engine.shop.go_on.set()
        slow.join(SECONDS)
    assert found == [200]


@pytest.mark.parametrize("name", ["Grpc-Timeout", "grpc_timeout"])
def test_how_long_a_stream_lasts_is_not_for_clients_to_say_or_for_upstreams_to_hear(engine: Engine, name: str) -> None:
    for accept in ("*/*", "text/event-stream"):
        sent = [*bearer("ann").items(), (name, "1n"), ("Accept", accept)]
        assert get(engine, "/documents/1", sent) == 200
        assert engine.shop.header("grpc-timeout") == []
