"""What proxies were seen to do with more of an answer than its status; the guard here is a stand-in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from forward_client import http_call
from forward_proxies import INTEGRATIONS, Door, open_door, running
from forward_world import App, Serving
from test_forward_traps import StandIn

PROXIES = ("nginx", "traefik", "caddy", "haproxy")
CHALLENGES = ['Bearer realm="a"', 'DPoP algs="ES256"', 'Basic realm="b"']
GUARD = StandIn()


@pytest.fixture(scope="module", params=PROXIES)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    GUARD.say(200)
    with open_door(request.param, GUARD) as opened:
        yield opened


def test_every_challenge_reaches_the_client(door: Door) -> None:
    """nginx 1.22 passed on the first field alone, which is why the guard writes one."""
    GUARD.say(401, *[("WWW-Authenticate", one) for one in CHALLENGES])
    reply = http_call(door.port, "GET", "/a")
    assert reply.status == 401
    assert reply.header("WWW-Authenticate") in (", ".join(CHALLENGES), CHALLENGES[0])
    if door.name != "nginx":
        assert reply.values("WWW-Authenticate") == CHALLENGES


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 503])
def test_what_a_denial_says_reaches_the_client(door: Door, status: int) -> None:
    GUARD.say(status, ("Content-Type", "text/x-denied"), ("Cache-Control", "no-store"), body=b"because")
    reply = http_call(door.port, "GET", "/a")
    if door.name == "nginx":  # a page of its own, of which the example makes one for 403
        assert reply.status == (status if status in (401, 403) else 500)
        assert b"because" not in reply.body
        return
    assert (reply.status, reply.body) == (status, b"because")
    assert (reply.header("Content-Type"), reply.header("Cache-Control")) == ("text/x-denied", "no-store")


def test_nginx_by_itself_shows_nothing_of_a_403(tmp_path: Any) -> None:
    """Without the lines of the example that ask for it, neither header nor body of the guard gets through."""
    def plain(text: str) -> str:
        return text.replace("error_page 403 = @denied;", "")

    assert plain((INTEGRATIONS / "nginx/nginx.conf").read_text()) != (INTEGRATIONS / "nginx/nginx.conf").read_text()
    GUARD.say(200)
    app = App()
    with Serving(GUARD) as guard, Serving(app) as behind, running(
            "nginx", tmp_path, (behind.port, guard.port), change=plain) as port:
        GUARD.say(403, ("X-Guard-Decision-Id", "secret"), ("WWW-Authenticate", "Bearer"), body=b"because")
        reply = http_call(port, "GET", "/a")
    assert (reply.status, b"because" in reply.body) == (403, False)
    assert not {"x-guard-decision-id", "www-authenticate"} & {name.lower() for name, _ in reply.headers}


def test_what_a_client_says_of_its_caller_arrives_at_the_guard_or_is_dropped_before(door: Door) -> None:
    GUARD.say(200, ("X-Guard-Principal", ""), ("X-Guard-Account", ""), ("X-Guard-Decision-Id", ""))
    http_call(door.port, "GET", "/a", [("X-Guard-Principal", "root"), ("X-Forwarded-User", "root")])
    # The guard has to ignore it, since it comes.
    assert GUARD.header("x-forwarded-user") == ([] if door.name == "haproxy" else ["root"])
    assert GUARD.header("x-guard-principal") == (["root"] if door.name in ("nginx", "traefik") else [])
    assert door.app.header("x-guard-principal") in ([], [""])


def test_caddy_writes_all_of_its_family_anew(door: Door) -> None:
    lies = {"X-Forwarded-Method": "HEAD", "X-Forwarded-Uri": "/lie", "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "lie.example", "X-Forwarded-For": "10.0.0.1"}
    GUARD.say(200)
    http_call(door.port, "POST", "/a?b=c", [*lies.items(), *lies.items()], b"x")
    own = {"x-forwarded-method": "POST", "x-forwarded-uri": "/a?b=c", "x-forwarded-proto": "http",
           "x-forwarded-host": "shop.example", "x-forwarded-for": "127.0.0.1"}
    if door.name == "nginx":
        own = {"x-original-method": "POST", "x-original-uri": "/a?b=c", "x-forwarded-proto": "http",
               "x-forwarded-host": "shop.example", "x-real-ip": "127.0.0.1"}
    assert {name: GUARD.header(name) for name in own} == {name: [value] for name, value in own.items()}
