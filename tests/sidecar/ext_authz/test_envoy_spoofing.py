"""A client's copy of any header changes neither a decision nor what the application behind Envoy is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from envoy_doors import WIRES, EnvoyDoor, open_envoy
from forward_client import http_call, socket_call
from forward_world import ALICE, bearer
from test_forward_spoofing import CALLER, CONNECTIONS, FAMILIES, KEY, SPELLINGS, UPGRADES

#: What Envoy and its filters say to each other and to the guard.
OF_ENVOY = {"X-Envoy-Auth-Partial-Body": "false", "X-Envoy-Auth-Headers-To-Remove": "authorization",
            "X-Envoy-Original-Path": "/health", "X-Envoy-Original-Method": "GET", "X-Envoy-Internal": "true",
            "X-Envoy-External-Address": "10.0.0.1", "X-Envoy-Expected-Rq-Timeout-Ms": "1",
            "X-Forwarded-Client-Cert": 'By=spiffe://a;URI=spiffe://t1/root;Subject="CN=root"'}
LIES = FAMILIES | OF_ENVOY


@pytest.fixture(scope="module", params=WIRES)
def door(request: Any) -> Iterator[EnvoyDoor]:
    with open_envoy(request.param) as opened:
        yield opened


def get(door: EnvoyDoor, target: str, headers: Any, method: str = "GET") -> int:
    door.app.seen.clear()
    return http_call(door.port, method, target, headers).status


@pytest.mark.parametrize("name", LIES)
def test_a_description_by_the_client_changes_nothing(door: EnvoyDoor, name: str) -> None:
    for spelled in (name, name.replace("-", "_")):
        for again in (1, 2):
            lies = [(spelled, LIES[name])] * again
            sent = [*bearer().items(), *lies]
            assert get(door, "/docs/secret", sent) == 403
            assert get(door, "/admin", sent) == 403
            assert get(door, "/tls", sent) == 403
            assert get(door, "/docs/1", sent, "DELETE") == 403
            assert get(door, "/docs/1", lies) == 401
            assert door.app.seen == []
            assert get(door, "/at-home", sent) == 200
            assert get(door, "/docs/1", sent) == 200
            assert [one["target"] for one in door.app.seen] == ["/docs/1"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_only_the_guard_says_who_called(door: EnvoyDoor, spelling: str) -> None:
    lies = [(SPELLINGS[spelling](name), value) for name, value in CALLER.items()]
    assert get(door, "/docs/1", [*lies, *bearer().items(), *lies]) == 200
    assert [door.app.header(name) for name in CALLER] == [[ALICE], ["t1"], [door.world.log.records[-1].id]]
    assert get(door, "/health", lies) == 200
    for name in CALLER:
        assert door.app.header(name) in ([], [""])


def test_only_the_guard_says_who_called_a_websocket(door: EnvoyDoor) -> None:
    assert socket_call(door.port, "/docs/1", {**bearer(), **CALLER}).status == 101
    assert door.app.header("X-Guard-Principal") == [ALICE]
    door.app.seen.clear()
    assert socket_call(door.port, "/docs/secret", {**bearer(), **CALLER}).status == 403
    assert door.app.seen == []


def test_a_client_cannot_take_a_header_away(door: EnvoyDoor) -> None:
    """A field that ``Connection`` names belongs to one hop only (RFC 9110 section 7.6.1)."""
    status = get(door, "/docs/1", [*bearer().items(), ("Connection", ", ".join(["close", *CALLER]))])
    assert status in (200, 400, 403)
    if status == 200:
        assert [door.app.header(name) for name in list(CALLER)[:2]] == [[ALICE], ["t1"]]


@pytest.mark.parametrize("upgrades", UPGRADES, ids=str)
def test_what_is_judged_as_a_handshake_is_served_as_one(door: EnvoyDoor, upgrades: list[str]) -> None:
    """Alice may read pages and connect to talks; the same paths are something else to her the other way."""
    for connections in CONNECTIONS:
        for key in ([], KEY[:1], KEY):
            sent = [*bearer().items(), *key, *[("Upgrade", one) for one in upgrades],
                    *[("Connection", one) for one in connections], ("X-Original-Upgrade", "websocket")]
            get(door, "/pages/1", sent)
            assert {one["type"] for one in door.app.seen} <= {"http"}, sent
            get(door, "/talks/1", sent)
            assert {one["type"] for one in door.app.seen} <= {"websocket"}, sent
