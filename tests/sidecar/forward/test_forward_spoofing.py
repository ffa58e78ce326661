"""A client's copy of any header changes neither a decision nor what the application is told (promises S8 and S9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from forward_client import HOST, http_call, socket_call
from forward_proxies import Door, open_door
from forward_world import ALICE, bearer

#: Says, in every family, that something harmless was asked for, from the inside and encrypted.
FAMILIES = {
    "X-Original-Method": "GET", "X-Original-URI": "/health", "X-Original-URL": f"https://{HOST}/health",
    "X-Original-Upgrade": "websocket", "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/health",
    "X-Forwarded-Proto": "https", "X-Forwarded-Host": "other.example", "X-Forwarded-Port": "443",
    "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Upgrade": "websocket", "X-Forwarded-Prefix": "/health",
    "X-Real-IP": "10.0.0.1", "Forwarded": "for=10.0.0.1;proto=https", "X-Rewrite-URL": "/health",
    "X-HTTP-Method-Override": "GET", "X-Forwarded-Path": "/health",
}
CALLER = {"X-Guard-Principal": "arn:app:iam::t1:user/root", "X-Guard-Account": "t9", "X-Guard-Decision-Id": "mine"}


def _with(char: str) -> Callable[[str], str]:
    return lambda name: name.replace("-", char)


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str, "small": str.lower, "capitals": str.upper,
    "first underscore": lambda name: name.replace("-", "_", 1),
    "last underscore": lambda name: "_".join(name.rsplit("-", 1)),
    # What CGI makes an underscore of: every character of a name but letters and digits.
    **{f"with {char}": _with(char) for char in "_.!#$%&'*+^`|~"},
}


@pytest.fixture(scope="module", params=["nginx", "traefik", "caddy", "haproxy"])
def door(request: Any) -> Iterator[Door]:
    with open_door(request.param) as opened:
        yield opened


def get(door: Door, target: str, headers: Any, method: str = "GET") -> int:
    door.app.seen.clear()
    return http_call(door.port, method, target, headers).status


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("spelling", ["as it is", "with _"])
def test_a_description_by_the_client_changes_nothing(door: Door, name: str, spelling: str) -> None:
    lie = (SPELLINGS[spelling](name), FAMILIES[name])
    for again in (1, 2):
        sent = [*bearer().items(), *[lie] * again]
        assert get(door, "/docs/secret", sent) == 403
        assert get(door, "/admin", sent) == 403
        assert get(door, "/tls", sent) == 403
        assert get(door, "/docs/1", sent, "DELETE") == 403
        assert get(door, "/docs/1", [lie] * again) == 401
        assert door.app.seen == []
        assert get(door, "/at-home", sent) == 200
        assert get(door, "/docs/1", sent) == 200
        assert [one["target"] for one in door.app.seen] == ["/docs/1"]


def test_the_whole_description_by_the_client_changes_nothing(door: Door) -> None:
    for spelling in SPELLINGS.values():
        lies = [(spelling(name), value) for name, value in FAMILIES.items()]
        assert get(door, "/docs/secret", [*bearer().items(), *lies]) == 403
        assert get(door, "/admin", lies) == 401
        assert door.app.seen == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_only_the_guard_says_who_called(door: Door, spelling: str) -> None:
    lies = [(SPELLINGS[spelling](name), value) for name, value in CALLER.items()]
    assert get(door, "/docs/1", [*lies, *bearer().items(), *lies]) == 200
    told = [door.app.header(name) for name in CALLER]
    assert told == [[ALICE], ["t1"], [door.world.log.records[-1].id]]
    assert get(door, "/health", lies) == 200
    for name in CALLER:
        assert door.app.header(name) in ([], [""])


def test_only_the_guard_says_who_called_a_websocket(door: Door) -> None:
    assert socket_call(door.port, "/docs/1", {**bearer(), **CALLER}).status == 101
    assert door.app.header("X-Guard-Principal") == [ALICE]
    door.app.seen.clear()
    assert socket_call(door.port, "/docs/secret", {**bearer(), **CALLER}).status == 403
    assert door.app.seen == []


def test_a_client_cannot_take_a_header_away(door: Door) -> None:
    """A field that ``Connection`` names belongs to one hop only (RFC 9110 section 7.6.1)."""
    listed = ("Connection", ", ".join(["close", *CALLER]))
    status = get(door, "/docs/1", [*bearer().items(), listed])
    assert status in (200, 400, 403)
    if status == 200:
        assert [door.app.header(name) for name in list(CALLER)[:2]] == [[ALICE], ["t1"]]


UPGRADES = [[], ["websocket"], ["WebSocket"], ["h2c"], ["websocket", "h2c"], ["h2c", "websocket"], ["websocket, h2c"],
            ["h2c, websocket"], [" websocket "], ["websocket/13"], ["websockets"], [""]]
CONNECTIONS = [[], ["Upgrade"], ["upgrade"], ["close"], ["close, Upgrade"], ["keep-alive", "Upgrade"], ["Upgrades"],
               ["Upgrade, X-Guard-Principal"], ["Upgrade, Upgrade"]]
KEY = [("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]


@pytest.mark.parametrize("upgrades", UPGRADES, ids=str)
def test_what_is_judged_as_a_handshake_is_served_as_one(door: Door, upgrades: list[str]) -> None:
    """Alice may read pages and connect to talks; the same paths are something else to her the other way."""
    for connections in CONNECTIONS:
        for key in ([], KEY[:1], KEY):
            sent = [*bearer().items(), *key, *[("Upgrade", one) for one in upgrades],
                    *[("Connection", one) for one in connections], ("X-Forwarded-Upgrade", "websocket"),
                    ("X-Original-Upgrade", "websocket")]
            get(door, "/pages/1", sent)
            assert {one["type"] for one in door.app.seen} <= {"http"}, sent
            get(door, "/talks/1", sent)
            assert {one["type"] for one in door.app.seen} <= {"websocket"}, sent
