"""Threats M06: what was authorized once does not last for ever. Time is virtual."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from driver import http_scope, socket_scope
from fixture_app import ALICE, NOW, POLICIES, ROOT, Guarded, authenticator, policies, token
from starlette.requests import ClientDisconnect
from virtual_time import Peer, run

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import UnavailableError

Clock = Callable[[], datetime]
CONNECT = (0.0, {"type": "websocket.connect"})
REQUEST = (0.0, {"type": "http.request", "body": b"", "more_body": False})


def text(second: float, said: str) -> tuple[float, dict[str, Any]]:
    return second, {"type": "websocket.receive", "text": said}


def gone(second: float) -> tuple[float, dict[str, Any]]:
    return second, {"type": "websocket.disconnect", "code": 1000}


def leaves(second: float) -> tuple[float, dict[str, Any]]:
    return second, {"type": "http.disconnect"}


class Changing:
    """Policies that are other ones from a moment on."""

    def __init__(self, clock: Clock, second: float, later: PolicySet | None) -> None:
        self.clock, self.second, self.later = clock, second, later

    @property
    def current(self) -> PolicySet:
        if (self.clock() - NOW).total_seconds() < self.second:
            return POLICIES
        if self.later is None:
            raise UnavailableError("the store has not been heard from")
        return self.later


def open_socket(*said: tuple[float, dict[str, Any]], lifetime: float = 3600, later: Any = "same",
                second: float = 0, **more: Any) -> tuple[Peer, list[Any]]:
    return _open(socket_scope("/ws/feed", [("Authorization", f"Bearer {token('alice', lifetime=lifetime)}")]),
                 (CONNECT, *said), later, second, more)


def open_stream(*said: tuple[float, dict[str, Any]], lifetime: float = 3600, later: Any = "same", second: float = 0,
                spec: str = "2.3", **more: Any) -> tuple[Peer, list[Any]]:
    scope = http_scope("GET", "/events", [("Authorization", f"Bearer {token('alice', lifetime=lifetime)}")],
                       asgi={"version": "3.0", "spec_version": spec})
    return _open(scope, (REQUEST, *said), later, second, more)


def _open(scope: Any, said: Any, later: Any, second: float, more: dict[str, Any]) -> tuple[Peer, list[Any]]:
    async def session(clock: Clock) -> tuple[Peer, list[Any]]:
        source = POLICIES if later == "same" else Changing(clock, second, later)
        guarded = Guarded(policies=source, clock=clock,
                          authenticator=authenticator(clock=lambda: clock().timestamp()), **more)
        peer = Peer(*said)
        await asyncio.wait_for(_quietly(guarded.app(scope, peer.receive, peer.send)), 600)
        return peer, guarded.seen

    return run(session, NOW)


async def _quietly(running: Any) -> None:
    """Servers log what an application raises because its client has gone."""
    with contextlib.suppress(ClientDisconnect):
        await running


def test_m06_1_a_silent_socket_is_closed_when_its_token_expires() -> None:
    peer, seen = open_socket(lifetime=5)
    assert peer.types == ["websocket.accept", "websocket.close"]
    when, message = peer.sent[-1]
    assert (when, message["code"]) == (5, 1008)
    assert seen[-1] == {"socket": 1008}


def test_mw_10_no_message_is_delivered_after_expiry() -> None:
    peer, _ = open_socket(text(1, "early"), text(5, "late"), lifetime=5)
    assert [message["text"] for _, message in peer.sent if message["type"] == "websocket.send"] == ["alice: early"]


def test_mw_10_a_deployment_may_turn_it_off() -> None:
    peer, _ = open_socket(text(1, "early"), text(9, "late"), gone(10), lifetime=5, end_streams=False)
    assert [message.get("text") for _, message in peer.sent][1:] == ["alice: early", "alice: late"]


def test_m06_2_a_socket_is_closed_when_the_policies_change() -> None:
    peer, _ = open_socket(later=policies(root=ROOT), second=7)
    when, message = peer.sent[-1]
    assert message["type"] == "websocket.close"
    assert message["code"] == 1008
    assert 7 <= when <= 12


def test_a_socket_lives_on_when_other_policies_still_allow_it() -> None:
    peer, _ = open_socket(text(100, "here"), gone(101), later=policies(alice=ALICE), second=7)
    assert peer.types == ["websocket.accept", "websocket.send"]


def test_a_socket_is_closed_when_there_are_no_policies_any_more() -> None:
    peer, _ = open_socket(later=None, second=7)
    assert peer.types == ["websocket.accept", "websocket.close"]


def test_a_socket_that_was_left_is_not_watched_any_more() -> None:
    peer, _ = open_socket(gone(1), lifetime=5)
    assert peer.types == ["websocket.accept"]


@pytest.mark.parametrize("spec", ["2.3", "2.4"])
def test_m06_3_a_stream_ends_when_its_token_expires(spec: str) -> None:
    peer, seen = open_stream(lifetime=3, spec=spec)
    when, message = peer.sent[-1]
    assert message == {"type": "http.response.body", "body": b"", "more_body": False}
    assert when == 3
    assert seen[-1] == {"stream": "ended"}


def test_a_stream_ends_when_the_policies_change() -> None:
    peer, _ = open_stream(later=policies(root=ROOT), second=7)
    when, message = peer.sent[-1]
    assert not message["more_body"]
    assert 7 <= when <= 12


def test_a_stream_that_was_left_is_not_watched_any_more() -> None:
    peer, seen = open_stream(leaves(2), lifetime=5)
    assert all(when <= 2 for when, _ in peer.sent)
    assert seen[-1] == {"stream": "ended"}


def test_an_ordinary_response_sets_no_timer() -> None:
    async def session(clock: Clock) -> list[str]:
        guarded = Guarded(clock=clock, authenticator=authenticator(clock=lambda: clock().timestamp()))
        peer = Peer(REQUEST)
        scope = http_scope("GET", "/items/1", [("Authorization", f"Bearer {token('alice', lifetime=5)}")])
        await guarded.app(scope, peer.receive, peer.send)
        assert not asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        return peer.types

    assert run(session, NOW) == ["http.response.start", "http.response.body"]
