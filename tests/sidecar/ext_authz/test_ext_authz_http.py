"""The HTTP door without a proxy: each call is about the very path that it has, and about nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from envoy_doors import EDGE
from forward_world import ALICE, World, bearer

from iam_guard.asgi.cors import CORSSettings
from iam_guard.errors import ConfigurationError
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.answer import Answer
from iam_guard.sidecar.ext_authz.http import make_http_app
from iam_guard.sidecar.ext_authz.settings import HttpDoor

TOKEN = ("authorization", bearer()["Authorization"])
TOLD = [("x-original-client", "203.0.113.7"), ("x-original-scheme", "http"), ("x-original-upgrade", "GET")]

DESCRIBED = HttpDoor(described=True)


class Call:
    """One call of an Envoy and its answer."""

    def __init__(self, target: str = "/docs/1", *headers: tuple[str, str], method: str = "GET", told: Any = TOLD,
                 door: HttpDoor = DESCRIBED, peer: str | None = "127.0.0.1", kind: str = "http",
                 body: bytes = b"", world: World | None = None, unix: bool = False) -> None:
        self.world = world or World(EDGE)
        self.sent: list[Any] = []
        raw, _, query = target.encode("latin-1").partition(b"?")
        listed = [("host", "shop.example"), *told, *headers] if ("host", "") not in headers else [*told, *headers][:-1]
        scope = {"type": kind, "method": method, "raw_path": raw, "path": raw.decode("latin-1"), "query_string": query,
                 "headers": [(name.encode(), value.encode()) for name, value in listed], "scheme": "http",
                 "http_version": "1.1", "client": (peer, 40000) if peer else None, "server": ("127.0.0.1", 8184)}
        self._body = body
        asyncio.run(make_http_app(self.world.asker, door, self.world.edge, unix=unix)(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": self._body}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def path(self) -> str:
        """The path that was decided about."""
        return self.world.log.records[-1].path


def test_an_allow_is_200_with_every_header_of_ours() -> None:
    call = Call("/docs/1", TOKEN, ("x-iam-principal", "root"), ("x_guard_principal", "root"))
    assert (call.status, call.sent[1]["body"]) == (200, b"")
    assert (call.headers["x-guard-principal"], call.headers["x-guard-account"]) == (ALICE, "t1")
    assert call.headers["cache-control"] == "no-store"
    assert call.headers["x-envoy-auth-headers-to-remove"] == "x-iam-principal, x_guard_principal"


def test_nobody_is_said_to_have_called_a_public_route() -> None:
    call = Call("/health")
    assert (call.status, call.headers["x-guard-principal"]) == (200, "")
    assert call.headers["x-envoy-auth-headers-to-remove"] == "x-guard-principal, x-guard-account, x-guard-decision-id"


@pytest.mark.parametrize("target", ["/healthz", "/readyz", "/metrics", "/", "/nowhere", "/.well-known/anything"])
def test_no_path_of_a_client_reaches_something_of_the_guards_own(target: str) -> None:
    assert Call(target, TOKEN).status == 403


@pytest.mark.parametrize(("target", "status"), [
    ("/check/docs/1", 200), ("/check/docs/1?a=%2F&b=/../", 200), ("/check/health", 200), ("/check/docs/secret", 403),
    ("/docs/1", 403), ("/check", 403), ("/checkdocs/1", 403), ("/CHECK/docs/1", 403), ("/%63heck/docs/1", 403),
    ("//check/docs/1", 403), ("/check//docs/1", 403), ("/check/../docs/1", 403), ("/check/check/docs/1", 403),
    ("/check?/docs/1", 403),
])
def test_the_prefix_is_taken_off_and_the_rest_is_what_counts(target: str, status: int) -> None:
    assert Call(target, TOKEN, door=HttpDoor(path_prefix="/check", described=True)).status == status


@pytest.mark.parametrize("target", ["/docs/a;b", "/docs/%2e%2e/admin", "/docs/1%2f2", "/docs/%00", "/docs/\xff",
                                    "http://shop.example/docs/1", "/docs/1%", "/docs/%252e%252e"])
def test_a_path_that_can_be_read_in_two_ways_is_denied(target: str) -> None:
    call = Call(target, TOKEN)
    assert (call.status, b'"status":403' in call.sent[1]["body"].replace(b": ", b":")) == (403, True)


@pytest.mark.parametrize("name", [name for name, _ in TOLD])
@pytest.mark.parametrize("change", ["missing", "twice"])
def test_a_description_is_there_once(name: str, change: str) -> None:
    rest = [one for one in TOLD if one[0] != name]
    twice = [*TOLD, *[one for one in TOLD if one[0] == name]]
    assert Call("/docs/1", TOKEN, told=rest if change == "missing" else twice).status == 403


@pytest.mark.parametrize(("upgrade", "method", "status"), [
    ("websocket", "GET", 200), ("WebSocket", "GET", 200), ("", "GET", 200), ("-", "GET", 200), ("get", "GET", 200),
    ("GET", "POST", 403), ("POST", "POST", 200), ("websocket", "POST", 403), ("h2c", "GET", 403),
    ("websocket, h2c", "GET", 403),
])
def test_an_upgrade_is_told_by_its_header(upgrade: str, method: str, status: int) -> None:
    call = Call("/docs/1", TOKEN, method=method, told=[*TOLD[:2], ("x-original-upgrade", upgrade)])
    assert call.status == status
    if status == 200:
        assert call.world.log.records[-1].action == ("app:Connect" if upgrade.lower() == "websocket" else "app:Use")


def test_a_door_that_is_told_nothing_lets_no_upgrade_pass() -> None:
    plain = HttpDoor()
    assert Call("/docs/1", TOKEN, told=(), door=plain).status == 200
    for name in ("upgrade", "sec-websocket-key"):
        assert Call("/docs/1", TOKEN, (name, "websocket"), told=(), door=plain).status == 403
    assert Call("/docs/1", TOKEN, told=TOLD, door=plain).status == 200
    lie = [("x-original-client", "127.0.0.1"), ("x-original-scheme", "https"), ("x-original-upgrade", "websocket")]
    assert Call("/at-home", TOKEN, told=lie, door=HttpDoor(peers=("192.0.2.1",)), peer="192.0.2.1").status == 403
    assert Call("/tls", TOKEN, told=lie, door=plain).status == 403
    call = Call("/docs/1", TOKEN, told=lie, door=plain)
    assert (call.status, call.world.log.records[-1].action) == (200, "app:Use")


def test_client_and_scheme_are_those_that_envoy_tells() -> None:
    home = [("x-original-client", "127.0.0.1"), ("x-original-scheme", "https"), TOLD[2]]
    assert Call("/at-home", TOKEN, told=home).status == 200
    assert Call("/tls", TOKEN, told=home).status == 200
    assert Call("/at-home", TOKEN, ("x-forwarded-for", "127.0.0.1")).status == 403
    assert Call("/tls", TOKEN, ("x-forwarded-proto", "https")).status == 403
    assert Call("/docs/1", TOKEN, told=[TOLD[0], ("x-original-scheme", "ftp"), TOLD[2]]).status == 403


def test_strangers_may_not_ask() -> None:
    assert Call("/docs/1", TOKEN, peer="192.0.2.1").status == 403
    assert Call("/docs/1", TOKEN, peer=None).status == 403
    assert Call("/docs/1", TOKEN, peer=None, unix=True).status == 200


@pytest.mark.parametrize("host", [[("host", "shop.example"), ("host", "shop.example")], []])
def test_a_call_names_one_host(host: list[tuple[str, str]]) -> None:
    call = Call("/docs/1", TOKEN, *host[1:], *([] if host else [("host", "")]))
    assert call.status == 403


def test_head_is_answered_without_a_body() -> None:
    call = Call("/docs/secret", TOKEN, method="HEAD", told=[*TOLD[:2], ("x-original-upgrade", "HEAD")])
    assert (call.status, call.sent[1]["body"]) == (403, b"")


@pytest.mark.parametrize(("partial", "body"), [(["false"], b"a body"), (["true"], None), ([], None),
                                               (["false", "true"], None), (["False"], None)])
def test_a_body_counts_only_when_it_is_whole(partial: list[str], body: bytes | None) -> None:
    """Threat G03.5."""
    world, found = World(EDGE), []

    class Asker:
        async def ask(self, original: Any, body: bytes | None = None) -> Answer:
            found.append((dict(original.headers), body))
            return Answer(403, (), b"", False, "access-denied")

    world.asker = Asker()  # type: ignore[assignment]
    sent = [("x-envoy-auth-partial-body", one) for one in partial]
    assert Call("/docs/1", *sent, body=b"a body", world=world).status == 403
    assert found == [({}, body)]


def test_a_preflight_is_answered_by_the_guard() -> None:
    world = World(EDGE, CORSSettings(("https://front.example",)))
    call = Call("/docs/1", ("origin", "https://front.example"), ("access-control-request-method", "GET"),
                method="OPTIONS", told=[*TOLD[:2], ("x-original-upgrade", "OPTIONS")], world=world)
    assert (call.status, call.headers["access-control-allow-origin"]) == (204, "https://front.example")


def test_a_guard_that_cannot_decide_says_so() -> None:
    world = World(EDGE)
    world.take_policies_away()
    assert Call("/docs/1", TOKEN, world=world).status == 503


def test_a_handshake_with_the_door_itself_is_refused() -> None:
    assert Call("/docs/1", TOKEN, kind="websocket").sent == [
        {"type": "websocket.close", "code": 1008, "reason": "access denied"}]
    with pytest.raises(ConfigurationError):
        Call("/docs/1", kind="lifespan")


def test_the_guard_decides_on_no_other_path_than_envoy_sends_on() -> None:
    with pytest.raises(ConfigurationError, match="path_mode"):
        Call("/docs/1", world=World(EdgeSettings(path_mode="normalize")))
