"""What real proxies do on their own (wire contracts, sections 6 to 9, marked as observed), and what follows.

The authorizer here is a stand-in that says what a test wants, so that a test sees the proxy alone.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from forward_client import HOST, Reply, http_call, socket_call, wait_for
from forward_proxies import Door, open_door

PROXIES = ("nginx", "traefik", "caddy", "haproxy")
CALLER = ("x-guard-principal", "x-guard-account", "x-guard-decision-id")


class StandIn:
    """Answers as it is told and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.say(200)

    def say(self, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        self.status, self.body = status, body
        self.headers = [(name.encode(), value.encode()) for name, value in headers]
        self.go_on = threading.Event()
        self.go_on.set()
        self.calls.clear()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.calls.append(scope)
        if not self.go_on.is_set():
            await asyncio.to_thread(self.go_on.wait)
        kind = "http.response" if scope["type"] == "http" else "websocket.http.response"
        head = [*self.headers, (b"content-length", str(len(self.body)).encode())]
        await send({"type": f"{kind}.start", "status": self.status, "headers": head})
        await send({"type": f"{kind}.body", "body": self.body})

    def header(self, name: str) -> list[str]:
        """What the last call said under a name."""
        return [value.decode("latin-1") for key, value in self.calls[-1]["headers"] if key.decode() == name]


STAND_IN = StandIn()
Opened = tuple[Door, StandIn]


@pytest.fixture(scope="module", params=PROXIES)
def opened(request: Any) -> Iterator[Door]:
    STAND_IN.say(200)
    with open_door(request.param, STAND_IN) as door:
        yield door


@pytest.fixture
def door(opened: Door) -> Door:
    opened.app.seen.clear()
    STAND_IN.say(200)
    return opened


def get(door: Door, target: str = "/a", *headers: tuple[str, str], method: str = "GET",
        body: bytes | None = None) -> Reply:
    return http_call(door.port, method, target, headers, body)


#: What each proxy makes of an answer of the guard; the same number when it is not here.
SHOWN = {"nginx": {302: 500, 400: 500, 404: 500, 429: 500, 503: 500},
         "haproxy": {302: 503}}
PASSES = {"nginx": {200, 201, 204}, "traefik": {200, 201, 204}, "caddy": {200, 201, 204}, "haproxy": {200}}


@pytest.mark.parametrize("status", [200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503])
def test_what_a_status_of_the_guard_means(door: Door, status: int) -> None:
    STAND_IN.say(status, *[("Location", "/elsewhere")] * (status == 302))
    reply = get(door)
    if status in PASSES[door.name]:
        assert reply.status == 200
        assert len(door.app.seen) == 1
    else:
        assert door.app.seen == []
        if door.name == "haproxy" and status < 300:
            assert reply.status == 503  # anything but exactly 200 is no word of the guard
        else:
            assert reply.status == SHOWN.get(door.name, {}).get(status, status)


def test_a_challenge_reaches_the_client(door: Door) -> None:
    challenges = [("WWW-Authenticate", 'Bearer realm="a"'), ("WWW-Authenticate", 'DPoP algs="ES256"')]
    STAND_IN.say(401, *challenges)
    told = get(door).header("WWW-Authenticate")
    assert told.startswith('Bearer realm="a"')
    STAND_IN.say(401, ("WWW-Authenticate", 'Bearer realm="a", DPoP algs="ES256"'))
    assert get(door).values("WWW-Authenticate") == ['Bearer realm="a", DPoP algs="ES256"']


def test_a_problem_document_reaches_the_client(door: Door) -> None:
    problem = b'{"type": "urn:x", "status": 403}'
    STAND_IN.say(403, ("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"),
                 ("X-Guard-Problem", problem.decode()), body=problem)
    reply = get(door)
    assert (reply.status, reply.body) == (403, problem)
    assert reply.header("Content-Type") == "application/problem+json"
    assert reply.header("Cache-Control") == "no-store"


def test_the_call_is_a_get_without_a_body(door: Door) -> None:
    assert get(door, "/a?b=c", method="POST", body=b"x" * 1000).status == 200
    call = STAND_IN.calls[-1]
    assert (call["type"], call["method"]) == ("http", "GET")
    assert STAND_IN.header("content-length") in ([], ["0"])
    assert STAND_IN.header("transfer-encoding") == []
    assert door.app.seen[-1]["body"] == "x" * 1000


def test_the_call_describes_the_client(door: Door) -> None:
    get(door, "/a%20b/%3A?q=%2F", method="POST", body=b"x")
    if door.name == "nginx":
        told = {"x-original-method": "POST", "x-original-uri": "/a%20b/%3A?q=%2F", "x-real-ip": "127.0.0.1"}
    else:
        told = {"x-forwarded-method": "POST", "x-forwarded-uri": "/a%20b/%3A?q=%2F", "x-forwarded-for": "127.0.0.1"}
    told |= {"x-forwarded-proto": "http", "x-forwarded-host": HOST}
    assert {name: STAND_IN.header(name) for name in told} == {name: [value] for name, value in told.items()}


def test_a_proxy_overwrites_its_own_family_and_passes_the_other_on(door: Door) -> None:
    """Why a family is configured and never guessed."""
    original = {"X-Original-Method": "HEAD", "X-Original-URI": "/lie"}
    forwarded = {"X-Forwarded-Method": "HEAD", "X-Forwarded-Uri": "/lie"}
    get(door, "/a", *original.items(), *forwarded.items())
    own, other = (original, forwarded) if door.name == "nginx" else (forwarded, original)
    assert [STAND_IN.header(name.lower()) for name in own] == [["GET"], ["/a"]]
    passed = [STAND_IN.header(name.lower()) for name in other]
    assert passed == [["HEAD"], ["/lie"]]


def test_a_query_of_the_client_may_be_added_to_the_call(door: Door) -> None:
    get(door, "/a?q=1")
    assert STAND_IN.calls[-1]["path"] == f"/forward-auth/{door.name}"
    assert STAND_IN.calls[-1]["query_string"] == (b"q=1" if door.name == "caddy" else b"")


def test_a_header_that_the_guard_leaves_out_is_not_the_clients(door: Door) -> None:
    """Caddy 2.6 sent the name of its placeholder, later ones the client's own value: the guard leaves none out."""
    get(door, "/a", ("X-Guard-Principal", "root"), ("X-Guard-Account", "root"))
    assert "root" not in str(door.app.seen[-1])
    assert "{http" not in str(door.app.seen[-1])


def test_an_empty_header_of_the_guard_stays_empty_or_goes(door: Door) -> None:
    STAND_IN.say(200, *[(name, "") for name in CALLER])
    get(door, "/a", *[(name, "root") for name in CALLER])
    for name in CALLER:
        assert door.app.header(name) in ([], [""])


def test_what_the_client_says_about_its_caller_reaches_the_guard_or_not_but_never_the_application(door: Door) -> None:
    STAND_IN.say(200, *[(name, "ours") for name in CALLER])
    get(door, "/a", *[(name, "root") for name in CALLER])
    assert [door.app.header(name) for name in CALLER] == [["ours"]] * 3


def test_an_upgrade_may_be_repeated_in_the_call(door: Door) -> None:
    STAND_IN.say(200)
    assert socket_call(door.port, "/a", {}).status == 101
    call = STAND_IN.calls[-1]
    told = {"nginx": ("http", "x-original-upgrade"), "haproxy": ("http", "x-forwarded-upgrade"),
            "caddy": ("websocket", "upgrade"), "traefik": ("http", "x-forwarded-upgrade")}
    kind, name = told[door.name]
    assert (call["type"], [value.lower() for value in STAND_IN.header(name)]) == (kind, ["websocket"])
    STAND_IN.say(403)
    assert socket_call(door.port, "/a", {}).status == 403
    assert len(door.app.seen) == 1


@pytest.mark.parametrize("host", ["other.example", "127.0.0.1", "localhost", "a.b:8080"])
def test_every_host_is_asked_about(door: Door, host: str) -> None:
    """A site address with a host makes Caddy answer 200 for any other host by itself."""
    STAND_IN.say(403)
    assert http_call(door.port, "GET", "/a", host=host).status == 403
    assert STAND_IN.header("x-forwarded-host") == [host]


#: Targets that a proxy and an application may read differently.
TARGETS = ["/public/..%2Fadmin", "/public/%2e%2e/admin", "/public/../admin", "//admin", "/public//admin", "/admin%2fx",
           "/%61dmin", "/admin;x=1", "/public%3f/../admin", "/admin%00", "/admin%252e", "/public/./admin",
           "/public\\..\\admin", "/public/%5c..%5cadmin", "/admin/", "/ADMIN"]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_judged_is_what_is_served(door: Door, target: str) -> None:
    reply = get(door, target)
    judged = [STAND_IN.header("x-original-uri" if door.name == "nginx" else "x-forwarded-uri")
              for _ in STAND_IN.calls]
    served = [one["target"] for one in door.app.seen]
    assert judged in ([], [served]), (reply.status, judged, served)


def wait_in_vain(door: Door) -> list[int]:
    """Ask while the guard keeps silent."""
    STAND_IN.go_on.clear()
    replies: list[int] = []
    client = threading.Thread(target=lambda: replies.append(http_call(door.port, "GET", "/a", seconds=60).status))
    client.start()
    try:
        wait_for(lambda: STAND_IN.calls, "the guard is asked")
        assert (replies, door.app.seen) == ([], [])
        client.join(60)
    finally:
        STAND_IN.go_on.set()
        client.join(60)
    return replies


def test_a_guard_that_is_slow_closes_the_door(door: Door, request: pytest.FixtureRequest) -> None:
    if door.name == "traefik" and not request.config.getoption("--nightly"):
        pytest.skip("Traefik waits for half a minute and cannot be told otherwise: choose it with --nightly")
    assert wait_in_vain(door) in ([500], [502], [503], [504])
    assert door.app.seen == []


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_guard_that_is_down_closes_the_door(proxy: str) -> None:
    stand_in = StandIn()
    with open_door(proxy, stand_in) as door:
        assert get(door).status == 200
        door.app.seen.clear()
        door.guard.__exit__()
        # HAProxy tries again for seconds each time.
        for method in ("GET", "POST", "HEAD", "OPTIONS")[:1 if proxy == "haproxy" else 4]:
            assert get(door, method=method).status in (500, 502, 503)
        assert socket_call(door.port, "/a", {}).status in (500, 502, 503)
        assert door.app.seen == []
