"""What the real Envoy makes of a guard that is gone, slow or answers strangely: a closed door (threats G02 and G03)."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from check_requests import field
from envoy_doors import WIRES, EnvoyDoor, open_envoy
from forward_client import HOST, http_call, send, wait_for
from forward_world import bearer

from iam_guard.errors import UnavailableError


class StandIn:
    """A guard that answers what a test says, by both wires."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.say(403)

    def say(self, status: int = 200, *headers: tuple[str, str], message: bytes | None = None) -> None:
        self.status, self.message = status, message
        self.headers = [(name.encode(), value.encode()) for name, value in headers]
        self.go_on = threading.Event()
        self.go_on.set()
        self.calls.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append(scope)
        await asyncio.to_thread(self.go_on.wait)
        head = [*self.headers, (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": self.status, "headers": head})
        await send({"type": "http.response.body", "body": b""})

    def at_once(self, requests: Sequence[bytes]) -> list[None]:
        return [None for _ in requests]

    async def check(self, request: bytes) -> bytes:
        self.calls.append(request)
        await asyncio.to_thread(self.go_on.wait)
        if self.message is None:
            raise UnavailableError("not now")
        return self.message

    def health(self, request: bytes) -> bytes | None:
        return None


@pytest.fixture(scope="module", params=["grpc", "http"])
def strange(request: Any) -> Iterator[tuple[EnvoyDoor, StandIn]]:
    guard = StandIn()
    with open_envoy(request.param, checks=guard, app=guard) as door:
        yield door, guard


def passed(door: EnvoyDoor, *headers: tuple[str, str]) -> tuple[int, int]:
    """The status that the client saw, and how often the application was asked."""
    door.app.seen.clear()
    status = http_call(door.port, "GET", "/docs/1", headers).status
    return status, len(door.app.seen)


STATUSES = {200: (200, 1), 201: (201, 0), 204: (204, 0), 302: (302, 0), 400: (400, 0), 401: (401, 0), 404: (404, 0),
            429: (429, 0), 500: (503, 0), 503: (503, 0)}


@pytest.mark.parametrize("status", STATUSES)
def test_by_http_200_and_nothing_else_lets_a_request_pass(strange: tuple[EnvoyDoor, StandIn], status: int) -> None:
    door, guard = strange
    if door.wire != "http":
        guard.say(message=field(1, field(1, 7)) + field(2, field(1, field(1, status))))
        assert passed(door)[1] == 0
        return
    guard.say(status, ("location", "/elsewhere"))
    assert passed(door) == STATUSES[status]


def test_by_grpc_an_empty_answer_lets_a_request_pass(strange: tuple[EnvoyDoor, StandIn]) -> None:
    """The trap that the door must never step into: nothing is success."""
    door, guard = strange
    if door.wire != "grpc":
        guard.say(500)
        assert passed(door) == (503, 0)
        return
    for empty in (b"", field(1, b""), field(3, b"")):
        guard.say(message=empty)
        assert passed(door) == (200, 1)
    guard.say(message=None)
    assert passed(door) == (503, 0)
    for code in (1, 5, 7, 14, 16, 99):
        guard.say(message=field(1, field(1, code)))
        assert passed(door)[1] == 0


def test_an_answer_that_comes_too_late_is_none(strange: tuple[EnvoyDoor, StandIn]) -> None:
    door, guard = strange
    guard.say(200, message=field(1, b""))
    guard.go_on.clear()
    try:
        assert passed(door) == (503, 0)
        assert guard.calls
    finally:
        guard.go_on.set()


def test_nothing_is_sent_on_for_a_client_that_has_left(strange: tuple[EnvoyDoor, StandIn]) -> None:
    """Threat G02.3."""
    door, guard = strange
    guard.say(200, message=field(1, b""))
    guard.go_on.clear()
    door.app.seen.clear()
    with socket.create_connection(("127.0.0.1", door.port), 20) as client:
        client.sendall(f"GET /docs/1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        wait_for(lambda: guard.calls, "the guard is asked")
    guard.go_on.set()
    assert http_call(door.port, "GET", "/docs/2").status == 200
    assert [one["target"] for one in door.app.seen] == ["/docs/2"]


@pytest.mark.parametrize("wire", WIRES)
def test_a_guard_that_is_gone_leaves_the_door_closed(wire: str) -> None:
    with open_envoy(wire) as door:
        assert passed(door, *bearer().items()) == (200, 1)
        door.guard.__exit__(None, None, None)
        for kind in ("GET", "POST", "HEAD", "OPTIONS", "WS"):
            door.app.seen.clear()
            assert send(door.port, kind, "/docs/1", bearer()).status == 503
            assert send(door.port, kind, "/health", {}).status == 503
            assert door.app.seen == []
