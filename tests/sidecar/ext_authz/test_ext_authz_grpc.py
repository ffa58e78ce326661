"""The gRPC door without a proxy: what each message is answered, and that nothing wrong is ever an empty answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import grpc
import pytest
import uvloop
from check_requests import Told, check, field, fields
from envoy_doors import EDGE, GrpcServing
from forward_world import ALICE, World, bearer
from hypothesis import given
from hypothesis import strategies as st

from iam_guard.asgi.cors import CORSSettings
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.http.edge import EdgeSettings
from iam_guard.sidecar.answer import Answer
from iam_guard.sidecar.ext_authz.checks import Checks
from iam_guard.sidecar.ext_authz.reading import original_of
from iam_guard.sidecar.ext_authz.settings import GrpcDoor, HttpDoor, refuse_other_path
from iam_guard.sidecar.ext_authz.writing import response_of

OK, PERMISSION_DENIED, UNAUTHENTICATED = 0, 7, 16
TOKEN = {"authorization": bearer()["Authorization"]}
SERVICE = "/envoy.service.auth.v3.Authorization/Check"
HEALTH = "/grpc.health.v1.Health/Check"


def asked(message: bytes, world: World | None = None) -> Told:
    world = world or World(EDGE)
    return Told(asyncio.run(Checks(world.asker, lambda: True).check(message)))


def test_an_allow_says_who_called_and_nothing_of_the_wire() -> None:
    world = World(EDGE)
    told = asked(check(headers=TOKEN), world)
    assert (told.code, told.is_allowed, told.is_denied) == (OK, True, False)
    assert told.headers == {"x-guard-principal": ALICE, "x-guard-account": "t1",
                            "x-guard-decision-id": world.log.records[-1].id}
    for option in told.options:
        # append_action: OVERWRITE_IF_EXISTS_OR_ADD; append, which older Envoys read, is not there.
        assert (option[3], 2 in option) == ([2], False)


def test_nobody_is_said_to_have_called_a_public_route() -> None:
    told = asked(check(path="/health"))
    assert (told.code, told.headers) == (OK, {})
    assert told.removed == ["x-guard-principal", "x-guard-account", "x-guard-decision-id"]


def test_other_spellings_of_our_headers_are_taken_off() -> None:
    told = asked(check(headers={**TOKEN, "x-iam-principal": "root", "x_guard_principal": "root"}))
    assert told.code == OK
    assert sorted(told.removed) == ["x-iam-principal", "x_guard_principal"]
    assert told.headers["x-guard-principal"] == ALICE


@pytest.mark.parametrize(("message", "code", "status"), [
    (check(), UNAUTHENTICATED, 401),
    (check(headers={"authorization": "Bearer one two"}), UNAUTHENTICATED, 401),
    (check(path="/strong/1", headers={"authorization": bearer(acr="bronze")["Authorization"]}), UNAUTHENTICATED, 401),
    (check(path="/docs/secret", headers=TOKEN), PERMISSION_DENIED, 403),
    (check(headers={"authorization": bearer("nobody")["Authorization"]}), PERMISSION_DENIED, 403),
    (check(path="/nowhere", headers=TOKEN), PERMISSION_DENIED, 403),
    (check(path="/docs/a;b", headers=TOKEN), PERMISSION_DENIED, 403),
    (check(method="DELETE", headers=TOKEN), PERMISSION_DENIED, 403),
    (check(path="/docs/" + "1" * 9000, headers=TOKEN), PERMISSION_DENIED, 403),
    (check(headers={**TOKEN, "x-long": "1" * 17000}), PERMISSION_DENIED, 403),
    (check(protocol="HTTP/0.9", headers=TOKEN), PERMISSION_DENIED, 403),
])
def test_a_denial_is_one_in_both_words(message: bytes, code: int, status: int) -> None:
    told = asked(message)
    assert (told.code, told.status, told.is_allowed) == (code, status, False)
    assert told.headers["cache-control"] == "no-store"
    assert ("www-authenticate" in told.headers) == (status == 401)
    assert "content-length" not in told.headers
    assert f'"status": {status}'.encode() in told.body.replace(b'":', b'": ').replace(b":  ", b": ")


@pytest.mark.parametrize("message", [b"", field(1, b""), field(1, field(4, b"")), field(1, field(4, field(2, b""))),
                                     b"\xff\xff", b"not protobuf"])
def test_what_says_nothing_is_denied(message: bytes) -> None:
    """Threat G03.1."""
    told = asked(message)
    assert (told.code, told.status, told.is_allowed) == (PERMISSION_DENIED, 403, False)


@pytest.mark.parametrize("said", [
    {"method": ""}, {"path": ""}, {"host": ""}, {"scheme": ""}, {"scheme": "ftp"}, {"path": "docs/1"},
    {"path": "/public/../docs/1"}, {"path": "/public/%2e%2e/docs/1"}, {"path": "/docs/1%2fx"}, {"path": "/docs/1#x"},
    {"path": "//docs/1"}, {"path": "http://other.example/docs/1"}, {"method": "GET /docs"}, {"source": "client"},
    {"raw": [(":path", "/docs/1"), (":path", "/docs/1")]}, {"raw": [(":path", "/health")]},
    {"raw": [(":method", "POST")]}, {"raw": [(":authority", "other.example")]}, {"raw": [("host", "other.example")]},
    {"raw": [(":scheme", "https")]}, {"raw": [("host", "a.example"), ("host", "shop.example")]},
    {"headers": {":path": "/health"}}, {"headers": {":method": "POST"}}, {"headers": {":other": "1"}},
    {"raw": [("accept", "*/*")], "headers": {"accept": "*/*"}},
    {"method": "CONNECT"}, {"method": "CONNECT", "headers": {":protocol": "connect-udp"}},
    {"headers": {":protocol": "websocket"}},
    {"headers": {"upgrade": "h2c", "connection": "upgrade"}}, {"headers": {"upgrade": "websocket"}},
    {"headers": {"upgrade": "websocket, h2c", "connection": "upgrade"}},
    {"method": "POST", "headers": {"upgrade": "websocket", "connection": "upgrade"}},
], ids=str)
def test_what_is_incomplete_or_ambiguous_is_denied(said: dict[str, Any]) -> None:
    """Threat G03.4, with credentials that would do."""
    raw, headers = said.get("raw", ()), said.get("headers", {})
    known = {"raw": [*raw, *TOKEN.items()]} if raw and not headers else {"headers": headers | TOKEN}
    told = asked(check(**said | known))
    assert (told.code, told.status) == (PERMISSION_DENIED, 403)
    assert (told.is_denied, told.is_allowed) == (True, False)


def test_two_credentials_are_none() -> None:
    told = asked(check(raw=[*TOKEN.items(), *TOKEN.items()]))
    assert (told.code, told.status) in ((PERMISSION_DENIED, 403), (UNAUTHENTICATED, 401))
    assert asked(check(raw=TOKEN.items())).code == OK


def test_a_handshake_is_judged_as_one_by_both_protocols() -> None:
    world = World(EDGE)
    first = check(headers={**TOKEN, "upgrade": "WebSocket", "connection": "keep-alive, Upgrade"})
    second = check("CONNECT", headers={**TOKEN, ":protocol": "websocket"}, protocol="HTTP/2")
    for message in (first, second):
        assert asked(message, world).code == OK
        assert world.log.records[-1].action == "app:Connect"
    refused = check(path="/pages/1", headers={**TOKEN, "upgrade": "websocket", "connection": "upgrade"})
    assert asked(refused, world).code == PERMISSION_DENIED


def test_the_address_is_that_of_the_source_and_not_of_a_header() -> None:
    lies = {**TOKEN, "x-forwarded-for": "127.0.0.1", "x-real-ip": "127.0.0.1", "forwarded": "for=127.0.0.1"}
    assert asked(check(path="/at-home", headers=lies)).code == PERMISSION_DENIED
    assert asked(check(path="/at-home", headers=TOKEN, source="127.0.0.1")).code == OK
    assert asked(check(path="/at-home", headers=TOKEN, source="::ffff:127.0.0.1")).code == OK
    assert asked(check(path="/at-home", headers=TOKEN, source="")).code == PERMISSION_DENIED
    assert asked(check(path="/tls", headers={**TOKEN, "x-forwarded-proto": "https"})).code == PERMISSION_DENIED
    assert asked(check(path="/tls", headers=TOKEN, scheme="https")).code == OK


def test_a_preflight_is_answered_by_the_guard() -> None:
    world = World(EDGE, CORSSettings(("https://front.example",)))
    headers = {"origin": "https://front.example", "access-control-request-method": "GET"}
    told = asked(check("OPTIONS", headers=headers), world)
    assert (told.code, told.status) == (PERMISSION_DENIED, 204)
    assert told.headers["access-control-allow-origin"] == "https://front.example"
    denied = asked(check("OPTIONS", headers={**headers, "origin": "https://evil.example"}), world)
    assert (denied.code, denied.status) == (UNAUTHENTICATED, 401)


PARTIAL = "x-envoy-auth-partial-body"


@pytest.mark.parametrize(("message", "body"), [
    (check(), b""),
    (check("POST", headers={"content-length": "0"}), b""),
    (check("POST", headers={"content-length": "3"}), None),
    (check("POST", headers={"transfer-encoding": "chunked"}), None),
    (check("POST", protocol="HTTP/2"), None),
    (check("POST", headers={"content-length": "3", PARTIAL: "false"}, more=field(11, "abc")), b"abc"),
    (check("POST", headers={"content-length": "3", PARTIAL: "false"}, more=field(12, b"\xff\x00a")), b"\xff\x00a"),
    (check("POST", headers={"content-length": "9", PARTIAL: "true"}, more=field(12, b"abc")), None),
    (check("POST", headers={"content-length": "9", PARTIAL: "perhaps"}, more=field(12, b"abc")), None),
])
def test_a_body_counts_only_when_it_is_whole(message: bytes, body: bytes | None) -> None:
    """Threat G03.5; without the header Envoy handed nothing over."""
    from iam_guard.sidecar.ext_authz.parsing import described

    original, found = original_of(described(message))
    assert found == body
    assert PARTIAL.encode() not in dict(original.headers)


def test_the_certificate_of_the_client_is_told_as_a_server_tells_it() -> None:
    from iam_guard.sidecar.ext_authz.parsing import described

    pem = "-----BEGIN CERTIFICATE-----\nMIIB+/=\n-----END CERTIFICATE-----\n"
    original, _ = original_of(described(check(peer=field(5, quote(pem)))))
    assert original.scope()["extensions"] == {"tls": {"client_cert_chain": [pem]}}
    plain, _ = original_of(described(check(headers={"x-forwarded-client-cert": "Cert=x"})))
    assert "extensions" not in plain.scope()


@pytest.mark.parametrize("answer", [
    Answer(200, (), b"", False, "allow"), Answer(204, (), b"", True, "allow"), Answer(0, (), b"", True, "allow"),
    Answer(403, (), b"", True, "allow"), Answer(200, (), b"", 1, "allow"),  # type: ignore[arg-type]
    Answer(401, (), b"", False, ""), Answer(500, (), b"\xff", False, "error"),
])
def test_only_what_is_an_admission_in_every_respect_has_the_code_of_one(answer: Answer) -> None:
    told = Told(response_of(answer))
    assert told.code in (PERMISSION_DENIED, UNAUTHENTICATED)
    assert (told.is_denied, told.is_allowed) == (True, False)
    assert told.status in (401, 403)


def test_a_guard_that_cannot_decide_gives_no_message() -> None:
    """Threat G03.2."""
    world = World(EDGE)
    world.take_policies_away()
    with pytest.raises(UnavailableError):
        asked(check(headers=TOKEN), world)


@given(st.binary(max_size=200), st.sampled_from(["", "replace"]))
def test_noise_is_never_an_allow(noise: bytes, how: str) -> None:
    whole = check(headers=TOKEN, path="/docs/secret")
    message = noise + whole if how else noise
    told = asked(message)
    assert told.code != OK
    assert told.is_denied


@pytest.mark.parametrize("make", [lambda: GrpcDoor(peers=("home",)), lambda: HttpDoor(peers=("10.0.0.1/8",)),
                                  lambda: HttpDoor(path_prefix="check"), lambda: HttpDoor(path_prefix="/check/"),
                                  lambda: HttpDoor(path_prefix="/a?b"),
                                  lambda: refuse_other_path(EdgeSettings(path_mode="normalize"))])
def test_a_door_that_is_set_up_wrongly_is_refused(make: Any) -> None:
    with pytest.raises(ConfigurationError):
        make()


class Broken:
    """Fails as it is told."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.answers: bytes | None = None

    async def check(self, request: bytes) -> Any:
        if self.error is not None:
            raise self.error
        if self.answers is None:
            await asyncio.Event().wait()
        return self.answers

    def at_once(self, requests: Sequence[bytes]) -> list[None]:
        return [None for _ in requests]

    def health(self, request: bytes) -> bytes | None:
        raise RuntimeError("broken")


@pytest.fixture(scope="module")
def world() -> World:
    return World(EDGE)


@pytest.fixture(scope="module", params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def channel(world: World, request: Any) -> Iterator[Any]:
    checks = Checks(world.asker, lambda: world.source.fault is None)
    serving = GrpcServing(checks, None, request.param)
    with serving, grpc.insecure_channel(f"127.0.0.1:{serving.port}") as opened:
        yield opened


def call(channel: Any, method: str, message: bytes, seconds: float = 20.0) -> bytes:
    answer: bytes = channel.unary_unary(method)(message, timeout=seconds)
    return answer


def test_the_wire_says_the_same(channel: Any, world: World) -> None:
    told = Told(call(channel, SERVICE, check(headers=TOKEN)))
    assert (told.code, told.headers["x-guard-principal"]) == (OK, ALICE)
    assert Told(call(channel, SERVICE, check())).status == 401
    assert Told(call(channel, SERVICE, b"")).code == PERMISSION_DENIED


def test_many_calls_at_once_each_get_their_own_answer(channel: Any) -> None:
    ask = channel.unary_unary(SERVICE)
    pending = [(number, ask.future(check(path=f"/docs/{number % 3 or 'secret'}", headers=TOKEN), timeout=20))
               for number in range(300)]
    for number, one in pending:
        assert (Told(one.result()).code == OK) == (number % 3 != 0)


def test_an_error_is_an_error_of_the_call(channel: Any, world: World) -> None:
    world.take_policies_away()
    try:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, SERVICE, check(headers=TOKEN))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        # NOT_SERVING is 2, SERVING is 1 (grpc/health/v1/health.proto).
        assert call(channel, HEALTH, b"") == fields((1, 2))
    finally:
        world.give_them_back()
    assert call(channel, HEALTH, b"") == fields((1, 1))
    assert call(channel, HEALTH, field(1, "envoy.service.auth.v3.Authorization")) == fields((1, 1))


@pytest.mark.parametrize(("method", "message", "code"), [
    (HEALTH, field(1, "something.Else"), grpc.StatusCode.NOT_FOUND),
    (HEALTH, b"\xff", grpc.StatusCode.NOT_FOUND),
    ("/envoy.service.auth.v3.Authorization/Other", b"", grpc.StatusCode.UNIMPLEMENTED),
    ("/envoy.service.auth.v2.Authorization/Check", check(headers=TOKEN), grpc.StatusCode.UNIMPLEMENTED),
])
def test_there_is_nothing_else_here(channel: Any, method: str, message: bytes, code: Any) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, message)
    assert caught.value.code() is code


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyError(), UnavailableError("later"), TimeoutError()])
def test_what_breaks_inside_is_no_empty_answer(error: Exception) -> None:
    broken = Broken()
    broken.error = error
    with GrpcServing(broken) as serving, grpc.insecure_channel(f"127.0.0.1:{serving.port}") as opened:
        with pytest.raises(grpc.RpcError) as caught:
            call(opened, SERVICE, check(headers=TOKEN))
        assert caught.value.code() is not grpc.StatusCode.OK
        with pytest.raises(grpc.RpcError):
            call(opened, HEALTH, b"")


def test_a_decision_that_takes_too_long_is_an_error() -> None:
    door = GrpcDoor("127.0.0.1:0", seconds=0.05)
    with GrpcServing(Broken(), door) as serving, grpc.insecure_channel(f"127.0.0.1:{serving.port}") as opened:
        with pytest.raises(grpc.RpcError) as caught:
            call(opened, SERVICE, check(headers=TOKEN))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_strangers_may_not_ask() -> None:
    world = World(EDGE)
    door = GrpcDoor("127.0.0.1:0", peers=("192.0.2.1",))
    with GrpcServing(Checks(world.asker, lambda: True), door) as serving:
        with grpc.insecure_channel(f"127.0.0.1:{serving.port}") as opened, pytest.raises(grpc.RpcError) as caught:
            call(opened, SERVICE, check(headers=TOKEN))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE  # nobody listens to them
    assert not world.log.records


def test_a_unix_socket_is_another_way(tmp_path: Any) -> None:
    world = World(EDGE)
    where = f"unix:{tmp_path}/guard.sock"
    door = GrpcDoor(where, peers=())
    with GrpcServing(Checks(world.asker, lambda: True), door), grpc.insecure_channel(where) as opened:
        assert Told(call(opened, SERVICE, check(headers=TOKEN))).code == OK
