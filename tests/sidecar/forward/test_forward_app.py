"""Who may ask, where, and in which words the answer comes (threats G04 and G05; contracts, sections 1, 2, 14.3)."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from forward_client import HOST, PREFLIGHT, SECONDS, Reply, http_call
from forward_world import ALICE, EDGE, NAMES, Serving, World, bearer

from iam_guard.asgi.cors import CORSSettings
from iam_guard.errors import ConfigurationError
from iam_guard.http.caller_headers import with_caller_headers
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.forward.app import make_forward_app
from iam_guard.sidecar.forward.settings import ForwardDoor

ALL = ("nginx", "ingress-nginx", "traefik", "caddy", "haproxy", "apisix", "oathkeeper")
DOORS = tuple(ForwardDoor(proxy) for proxy in ALL)  # type: ignore[arg-type]
CALLER = ("x-guard-principal", "x-guard-account", "x-guard-decision-id")
HANDSHAKE = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
             "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def describe(proxy: str, method: str = "GET", target: str = "/docs/1", client: str = "203.0.113.7",
             **more: str) -> dict[str, str]:
    """What a proxy says about its client."""
    own = {"X-Original-Method": method, "X-Real-IP": client}
    match proxy:
        case "nginx":
            own |= {"X-Original-URI": target, "X-Forwarded-Proto": "http", "X-Forwarded-Host": HOST}
        case "ingress-nginx":
            own |= {"X-Original-URL": f"http://{HOST}{target}"}
        case _:
            own = {"X-Forwarded-Method": method, "X-Forwarded-Uri": target, "X-Forwarded-Proto": "http",
                   "X-Forwarded-Host": HOST, "X-Forwarded-For": client}
    return {**own, **more}


def path_of(proxy: str) -> str:
    return "/decisions" if proxy == "oathkeeper" else f"/forward-auth/{proxy}"


@contextmanager
def serving(world: World, doors: Any = DOORS, **server: Any) -> Iterator[Serving]:
    with Serving(make_forward_app(world.asker, doors, world.edge), **server) as opened:
        yield opened


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def guard(world: World) -> Iterator[Serving]:
    with serving(world) as opened:
        yield opened


def ask(guard: Serving, proxy: str, headers: dict[str, str], *, method: str = "GET", path: str = "") -> Reply:
    return http_call(guard.port, method, path or path_of(proxy), list(headers.items()), host="guard")


# --- Who may ask ---

class Straight:
    """Speaks to an application without a server."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, **scope: Any) -> int:
        sent: list[Any] = []
        headers = [(name.lower().encode(), value.encode())
                   for name, value in {**describe("caddy"), **bearer()}.items()]
        full = {"type": "http", "method": "GET", "path": "/forward-auth/caddy", "raw_path": b"/forward-auth/caddy",
                "query_string": b"", "headers": headers, "client": None, "server": ("127.0.0.1", 9191), **scope}

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self.app(full, receive, send))
        return int(sent[0]["status"])


@pytest.fixture
def straight(world: World) -> Straight:
    return Straight(make_forward_app(world.asker, DOORS, world.edge))


def test_g05_1_only_trusted_peers_may_ask(straight: Straight) -> None:
    assert straight(client=("127.0.0.1", 4711)) == 200
    for stranger in ("203.0.113.7", "10.0.0.1", "127.0.0.2", "::1", "", "proxy"):
        assert straight(client=(stranger, 4711)) == 403


def test_a_unix_socket_needs_no_address_and_nothing_else_goes_without(straight: Straight) -> None:
    assert straight(server=("/run/guard.sock", None)) == 200
    assert straight(server=("127.0.0.1", 9191)) == 403
    assert straight(server=None) == 403


def test_a_forwarded_header_does_not_make_a_peer(straight: Straight) -> None:
    headers = [(b"x-forwarded-for", b"127.0.0.1"), (b"x-real-ip", b"127.0.0.1"), (b"forwarded", b"for=127.0.0.1")]
    assert straight(client=("203.0.113.7", 1), headers=headers) == 403


def test_other_connections_are_none_of_these_doors(straight: Straight) -> None:
    with pytest.raises(ConfigurationError):
        straight(type="lifespan")


def test_a_listener_that_nobody_may_ask_does_not_start(world: World) -> None:
    with pytest.raises(ConfigurationError, match="no proxy may ask"):
        make_forward_app(world.asker, DOORS, EdgeSettings())
    make_forward_app(world.asker, DOORS, EdgeSettings(), unix=True)


def test_a_path_that_the_guard_would_resolve_is_not_what_the_proxy_passes_on(world: World) -> None:
    with pytest.raises(ConfigurationError, match="path_mode"):
        make_forward_app(world.asker, DOORS, EdgeSettings(trusted_proxies=("127.0.0.1",), path_mode="normalize"))


def test_a_unix_socket_answers_a_real_client(tmp_path: Path) -> None:
    path = str(tmp_path / "guard.sock")
    world = World(with_caller_headers(EdgeSettings(), NAMES))
    app = make_forward_app(world.asker, DOORS, world.edge, unix=True)
    with Serving(app, path):
        connection = http.client.HTTPConnection("guard")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(SECONDS)
        connection.sock.connect(path)
        connection.request("GET", "/forward-auth/nginx", headers={**describe("nginx"), **bearer()})
        response = connection.getresponse()
        assert (response.status, response.getheader("x-guard-principal")) == (200, ALICE)
        response.read()
        connection.close()


# --- Where ---

@pytest.mark.parametrize("proxy", ALL)
def test_each_proxy_has_its_door(guard: Serving, proxy: str) -> None:
    reply = ask(guard, proxy, {**describe(proxy), **bearer()})
    assert (reply.status, reply.values("x-guard-principal")) == (200, [ALICE])


@pytest.mark.parametrize("path", ["/", "/healthz", "/docs/1", "/forward-auth", "/forward-auth/nginx/", "/decision",
                                  "/forward-auth/nginxx", "/forward-auth/other", "/FORWARD-AUTH/nginx"])
def test_no_other_path_answers_anything_but_no(guard: Serving, path: str) -> None:
    for proxy in ALL:
        assert ask(guard, proxy, {**describe(proxy), **bearer()}, path=path).status == 403


@pytest.mark.parametrize("proxy", ALL)
def test_a_query_of_the_call_means_nothing(guard: Serving, proxy: str) -> None:
    call = {**describe(proxy, target="/docs/secret"), **bearer()}
    for query in ("?q=1", "?uri=/docs/1", "?"):
        assert ask(guard, proxy, call, path=path_of(proxy) + query).status == 403
    assert ask(guard, proxy, {**describe(proxy), **bearer()}, path=path_of(proxy) + "?q=1").status == 200


def test_oathkeepers_callers_may_repeat_the_target(guard: Serving) -> None:
    call = {**describe("oathkeeper", target="/docs/1?a=b"), **bearer()}
    assert ask(guard, "oathkeeper", call, path="/decisions/docs/1?a=b").status == 200
    assert ask(guard, "oathkeeper", call, path="/decisions/docs/2").status == 403
    assert ask(guard, "oathkeeper", {**describe("oathkeeper", target="/gone"), **bearer()}).status == 403


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH"])
def test_the_method_of_the_call_is_not_the_clients(guard: Serving, method: str) -> None:
    for proxy in ("apisix", "traefik", "oathkeeper"):
        assert ask(guard, proxy, {**describe(proxy), **bearer()}, method=method).status == 200
        assert ask(guard, proxy, {**describe(proxy, "DELETE"), **bearer()}, method=method).status == 403


# --- In which words ---

@pytest.mark.parametrize("proxy", ALL)
@pytest.mark.parametrize(("target", "headers"), [("/docs/1", bearer()), ("/docs/1", {}), ("/docs/secret", bearer()),
                                                 ("/health", {})])
def test_head_is_answered_like_get_without_a_body(guard: Serving, proxy: str, target: str,
                                                  headers: dict[str, str]) -> None:
    call = {**describe(proxy, target=target), **headers}
    by_get, by_head = ask(guard, proxy, call), ask(guard, proxy, call, method="HEAD")
    assert by_head.status == by_get.status
    assert by_head.body == b""
    assert stable(by_head) == stable(by_get)


def stable(reply: Reply) -> list[tuple[str, int]]:
    """Names and lengths: ids and times differ, and have the same length."""
    return sorted((name.lower(), len(value)) for name, value in reply.headers)


@pytest.mark.parametrize("proxy", ALL)
def test_an_allow_is_200_with_every_header_of_the_caller(guard: Serving, world: World, proxy: str) -> None:
    reply = ask(guard, proxy, {**describe(proxy), **bearer()})
    assert [reply.values(name) for name in CALLER] == [[ALICE], ["t1"], [world.log.records[-1].id]]
    assert reply.values("cache-control") == ["no-store"]
    public = ask(guard, proxy, describe(proxy, target="/health"))
    assert (public.status, [public.values(name) for name in CALLER]) == (200, [[""], [""], [""]])


@pytest.mark.parametrize("proxy", ALL)
def test_a_denial_has_a_number_and_is_kept_nowhere(guard: Serving, proxy: str) -> None:
    for target, headers, status in (("/docs/1", {}, 401), ("/docs/secret", bearer(), 403), ("/none", bearer(), 403)):
        reply = ask(guard, proxy, {**describe(proxy, target=target), **headers})
        told = json.loads(reply.body)
        assert (reply.status, told["status"], reply.values("cache-control")) == (status, status, ["no-store"])
        assert reply.values("x-iam-guard-decision-id") == [told["decision_id"]]


#: Statuses that nginx takes for a failure; none may be answered.
@pytest.mark.parametrize(("method", "target", "headers"), [
    ("GET", "/docs/%2e%2e/x", bearer()), ("GET", "/" + "a" * 9000, bearer()), ("BREW", "/docs/1", bearer()),
    ("DELETE", "/docs/1", bearer()), ("GET", "/nowhere", bearer()), ("GET", "/docs/1", {"Authorization": "Bearer a b"}),
    ("GET", "http://other.example/docs/1", bearer()), ("GET", "*", bearer()), ("GET", "/docs/%ff", bearer())])
@pytest.mark.parametrize("proxy", ["nginx", "traefik", "oathkeeper"])
def test_only_three_statuses_mean_no(guard: Serving, proxy: str, method: str, target: str,
                                     headers: dict[str, str]) -> None:
    assert ask(guard, proxy, {**describe(proxy, method, target), **headers}).status == (
        401 if "Authorization" in headers and headers["Authorization"].endswith("a b") else 403)


@pytest.mark.parametrize("proxy", ALL)
def test_an_error_is_503_and_never_an_allow(guard: Serving, world: World, proxy: str) -> None:
    for fault in (RuntimeError("boom"), TimeoutError()):
        world.source.fault = fault
        try:
            reply = ask(guard, proxy, {**describe(proxy), **bearer()})
        finally:
            world.give_them_back()
        assert (reply.status, reply.values("cache-control")) == (503, ["no-store"])
        assert reply.values("retry-after") == ["5"]


def test_all_challenges_stand_in_one_field(guard: Serving) -> None:
    reply = ask(guard, "nginx", describe("nginx"))
    assert reply.values("www-authenticate") == ['Bearer realm="api"']


@pytest.mark.parametrize("proxy", ALL)
def test_nginx_gets_the_problem_document_in_a_header(guard: Serving, proxy: str) -> None:
    reply = ask(guard, proxy, {**describe(proxy, target="/docs/secret"), **bearer()})
    told = reply.values("x-guard-problem")
    assert told == ([reply.body.decode()] if "nginx" in proxy else [])
    assert ask(guard, proxy, {**describe(proxy), **bearer()}).values("x-guard-problem") == []


# --- Facts of the client's connection ---

@pytest.mark.parametrize("proxy", ALL)
def test_policies_see_the_clients_address_and_scheme(guard: Serving, proxy: str) -> None:
    for client, status in (("127.0.0.1", 200), ("203.0.113.7", 403)):
        assert ask(guard, proxy, {**describe(proxy, target="/at-home", client=client), **bearer()}).status == status
    call = {**describe(proxy, target="/tls"), **bearer()}
    assert ask(guard, proxy, call).status == 403
    encrypted = {name: value if name != "X-Forwarded-Proto" else "https" for name, value in call.items()}
    if "X-Original-URL" in encrypted:
        encrypted["X-Original-URL"] = encrypted["X-Original-URL"].replace("http:", "https:")
    assert ask(guard, proxy, encrypted).status == 200


# --- Preflights ---

def test_a_preflight_passes_only_where_the_operator_says_so() -> None:
    world = World(EDGE, cors=CORSSettings(origins=("https://front.example",)))
    call = {**describe("traefik", "OPTIONS"), **PREFLIGHT}
    for preflights, status in (("deny", 403), ("pass", 200)):
        with serving(world, [ForwardDoor("traefik", preflights=preflights)]) as guard:
            reply = ask(guard, "traefik", call)
            assert reply.status == status
            if status == 200:
                assert [reply.values(name) for name in CALLER] == [[""], [""], [""]]
            for change in ({"Origin": "https://evil.example"}, {"Access-Control-Request-Method": "DELETE"}):
                assert ask(guard, "traefik", {**call, **change}).status in (401, 403)


# --- Calls that are upgrades (section 14.3) ---

@pytest.mark.parametrize("ws", ["auto", "websockets-sansio", "none"])
@pytest.mark.parametrize("proxy", ["caddy", "traefik"])
def test_a_call_that_is_an_upgrade_is_answered_by_every_server(world: World, proxy: str, ws: str) -> None:
    doors = [ForwardDoor("caddy"), ForwardDoor("traefik", upgrades="call")]
    with serving(world, doors, ws=ws) as guard:
        call = {**describe(proxy), **HANDSHAKE}
        allowed = ask(guard, proxy, {**call, **bearer()})
        assert (allowed.status, [allowed.values(name) for name in CALLER[:2]]) == (200, [[ALICE], ["t1"]])
        denied = ask(guard, proxy, call)
        assert (denied.status, denied.values("www-authenticate")) == (401, ['Bearer realm="api"'])
        assert json.loads(denied.body)["status"] == 401
        assert ask(guard, proxy, {**describe(proxy, target="/docs/secret"), **HANDSHAKE, **bearer()}).status == 403


def test_a_server_that_can_only_close_a_handshake_denies(world: World) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode())
               for name, value in {**describe("caddy"), **HANDSHAKE, **bearer()}.items()]
    scope = {"type": "websocket", "path": "/forward-auth/caddy", "raw_path": b"/forward-auth/caddy",
             "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}
    asyncio.run(make_forward_app(world.asker, DOORS, world.edge)(scope, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["websocket.close"]



# --- What is missing ---

@pytest.mark.parametrize("proxy", ALL)
def test_g04_1_and_g05_2_a_description_with_a_gap_is_denied(guard: Serving, proxy: str) -> None:
    whole = {**describe(proxy), **bearer()}
    for name in describe(proxy):
        if name == "X-Forwarded-Proto" and proxy == "ingress-nginx":
            continue
        gap = {key: value for key, value in whole.items() if key != name}
        assert ask(guard, proxy, gap).status == 403
        assert ask(guard, proxy, {**gap, name: ""}).status == 403
    assert ask(guard, proxy, bearer()).status == 403
