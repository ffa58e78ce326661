"""Rows of the threat catalogue that need a scope, a failure or a policy of their own."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import random
from typing import Any

import pytest
from driver import answer_of, call, call_scope, handshake, http_scope, speak
from fixture_app import (
    EDGE,
    NOW,
    POLICIES,
    ROUTES,
    TOKENS,
    Guarded,
    authenticator,
    bearer,
    policies,
    statement,
    token,
)
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from iam_guard.asgi import CORSSettings, IAMGuardMiddleware, ResourceFacts
from iam_guard.audit.sinks import JSONLinesSink, LoggingSink, MemorySink, SeveralSinks
from iam_guard.engine.decision import Decision
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.guard import Guard
from iam_guard.http.edge import EdgeSettings
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.caller import current_principal
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.model import AuthorizationRequest

# P: paths


@pytest.mark.parametrize(("row", "who", "target", "status", "path"), [
    ("P01.1", "anon", "/public/../admin", 401, None),
    ("P01.1", "root", "/public/../admin", 200, "/admin"),
    ("P01.2", "alice", "/items/1/../secret1", 403, None),
    ("P01.4", "root", "/../admin", 400, None),
    ("P04.1", "root", "//admin", 200, "/admin"),
    ("P15.6", "anon", "/public/../pub_private/key", 401, None),
])
def test_normalize_mode_serves_what_it_checked(row: str, who: str, target: str, status: int, path: str | None) -> None:
    guarded = Guarded(edge=EdgeSettings(path_mode="normalize"))
    assert call(guarded.app, "GET", target, bearer(who)).status == status
    assert [seen["path"] for seen in guarded.seen] == ([path] if path else [])


@pytest.mark.parametrize(("row", "root_path", "path", "who", "status"), [
    ("P16.1", "/ad", "/admin", "anon", 401),
    ("P16.2", "/svc", "/svc/admin", "anon", 401),
    ("P16.2", "/svc", "/svc/admin", "root", 200),
    ("P16.2", "/svc", "/svc/items/secret1", "alice", 403),
    ("P16.4", "/v", "/v1/items", "alice", 403),
])
def test_p16_root_path(row: str, root_path: str, path: str, who: str, status: int) -> None:
    guarded = Guarded()
    assert call(guarded.app, "GET", path, bearer(who), root_path=root_path).status == status


def test_p16_5_a_guard_on_the_mounted_application_guards_that() -> None:
    inner = Guarded()
    outer = Starlette(routes=[Mount("/sub", app=inner.app)])
    assert call(outer, "GET", "/sub/admin").status == 401
    assert call(outer, "GET", "/sub/admin", bearer("root")).status == 200


@pytest.mark.parametrize("host", ["ADMIN.example.", "admin.example", "admin.example:80"])
def test_p21_1_a_host_has_one_spelling(host: str) -> None:
    only = policies(alice=[statement("Allow", "app:*", "*"),
                           statement("Deny", "app:*", "*", Condition={"StringEquals": {"http:host": "admin.example"}})])
    guarded = Guarded(policies=only)
    assert call(guarded.app, "GET", "/items/1", [*bearer("alice"), ("Host", host)], host=False).status == 403
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 200


def test_p22_1_unmapped_is_counted() -> None:
    guarded = Guarded()
    assert call(guarded.app, "GET", "/forgot", bearer("root")).status == 403
    assert guarded.app.counts["unmapped"] == 1


def test_p22_2_another_method_is_405_with_allow() -> None:
    answer = call(Guarded().app, "PATCH", "/items/1", bearer("root"))
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, HEAD, PUT")


@pytest.mark.parametrize(("row", "template"), [
    ("P24.1", "/items/.*"), ("P24.2", "*/admin/*"), ("P24.4", "/files/**/logo.png"), ("P24.4", "/{any}")])
def test_p24_loose_public_rules_are_refused(row: str, template: str) -> None:
    with pytest.raises(ConfigurationError):
        Guarded(routes={f"GET {template}": ROUTES["GET /health"]})


# M: methods and protocols

CORS = CORSSettings(("https://ui.example",))
PREFLIGHT = [("Origin", "https://ui.example"), ("Access-Control-Request-Method", "DELETE")]


def test_m02_1_a_preflight_is_answered_when_that_is_on() -> None:
    guarded = Guarded(preflight=CORS)
    answer = call(guarded.app, "OPTIONS", "/items/1", PREFLIGHT)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == "https://ui.example"
    assert "DELETE" in answer.headers["access-control-allow-methods"]
    assert guarded.seen == []


@pytest.mark.parametrize("headers", [
    [("Origin", "https://evil.example"), PREFLIGHT[1]],
    [PREFLIGHT[0]],
    [PREFLIGHT[1]],
    [PREFLIGHT[0], ("Access-Control-Request-Method", "PURGE")],
], ids=["other-origin", "no-method", "no-origin", "M02.4"])
def test_m02_what_is_no_preflight_is_refused(headers: list[tuple[str, str]]) -> None:
    guarded = Guarded(preflight=CORS)
    assert call(guarded.app, "OPTIONS", "/items/1", headers).status == 401
    assert guarded.seen == []


@pytest.mark.parametrize("preflight", [None, CORS])
@pytest.mark.parametrize("requested", ["OPTIONS", "GET", "POST"])
def test_m02_3_forged_preflights_run_nothing(preflight: CORSSettings | None, requested: str) -> None:
    guarded = Guarded(preflight=preflight, routes={"OPTIONS /items": ("app:CreateItem", "arn:iamg:items:eu:t1:items")})
    headers = [PREFLIGHT[0], ("Access-Control-Request-Method", requested), ("Content-Type", "application/json")]
    answer = call(guarded.app, "OPTIONS", "/items", headers, body=b"{}")
    assert answer.status == (401 if preflight is None else 204)
    assert guarded.seen == []


def test_a_denial_can_be_read_by_an_allowed_origin() -> None:
    app = Guarded(preflight=CORS).app
    denied = call(app, "GET", "/items/1", [PREFLIGHT[0]])
    assert denied.headers["access-control-allow-origin"] == "https://ui.example"
    assert denied.headers["access-control-expose-headers"] == "WWW-Authenticate"
    other = call(app, "GET", "/items/1", [("Origin", "https://evil.example")])
    assert "access-control-allow-origin" not in other.headers


def test_m05_1_without_the_extension_a_handshake_is_closed() -> None:
    guarded = Guarded()
    answer, messages = handshake(guarded.app, "/ws/feed", extensions={})
    assert [message["type"] for message in messages] == ["websocket.close"]
    assert answer.status == 1008
    assert guarded.seen == []


def test_m07_2_an_unknown_scope_is_refused() -> None:
    called = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        called.append(scope)

    guarded = Guarded(app=app)
    with pytest.raises(ConfigurationError, match="'foo' connections"):
        asyncio.run(speak(guarded.app, {"type": "foo"}, [], called.append))
    assert called == []


@pytest.mark.parametrize(("row", "scope"), [
    ("M09.1", {"path": "/public/x HTTP/1.1\r\nX: y", "raw_path": b"/public/x HTTP/1.1\r\nX: y"}),
    ("M09.2", {"headers": [(b"host", b"app.example"), (b"host", b"admin.example")]}),
])
def test_m09_pseudo_headers(row: str, scope: dict[str, Any]) -> None:
    guarded = Guarded()
    assert call_scope(guarded.app, {**http_scope("GET", "/public/x", http_version="2"), **scope}).status == 400
    assert guarded.seen == []


class Failing(PolicySet):
    """Policies whose evaluation fails in a given way."""

    def __init__(self, failure: BaseException) -> None:
        super().__init__()
        self.failure = failure

    def evaluate(self, request: AuthorizationRequest) -> Decision:
        raise self.failure


@pytest.mark.parametrize(("row", "failure"), [
    ("M12.1", RuntimeError("boom")), ("M12.3", RecursionError()), ("M12.3", MemoryError())])
def test_m12_an_evaluator_that_raises(row: str, failure: Exception, caplog: pytest.LogCaptureFixture) -> None:
    guarded = Guarded(policies=Failing(failure))
    answer = call(guarded.app, "GET", "/items/1", bearer("alice"))
    assert answer.status == 503
    assert "retry-after" in answer.headers
    assert guarded.seen == []
    assert len(caplog.records) == 1


def test_m12_2_facts_that_do_not_come_in_time() -> None:
    async def resolver(*_: Any) -> ResourceFacts:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    guarded = Guarded(resolver=resolver, resolver_timeout=0.001)
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert guarded.seen == []


@pytest.mark.parametrize("failure", [RuntimeError("boom"), UnavailableError("no database"), TimeoutError()])
def test_facts_that_cannot_be_found(failure: Exception) -> None:
    async def resolver(*_: Any) -> ResourceFacts:
        raise failure

    guarded = Guarded(resolver=resolver)
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert guarded.seen == []


def test_facts_decide() -> None:
    async def resolver(request: Any, match: Any, principal: Any) -> ResourceFacts:
        return ResourceFacts(tags={"team": "red"}, context={"app:Owner": match.params["id"]})

    red = statement("Allow", "app:GetItem", "*", Condition={"StringEquals": {
        "aws:ResourceTag/team": "red", "app:Owner": "${aws:username}"}})
    guarded = Guarded(policies=policies(alice=[red]), resolver=resolver)
    assert call(guarded.app, "GET", "/items/alice", bearer("alice")).status == 200
    assert call(guarded.app, "GET", "/items/bob", bearer("alice")).status == 403


@pytest.mark.parametrize("failure", [asyncio.CancelledError(), KeyboardInterrupt()], ids=["cancelled", "interrupted"])
def test_m12_4_what_is_no_exception_goes_upwards(failure: BaseException) -> None:
    guarded = Guarded(policies=Failing(failure))
    with pytest.raises(type(failure)):
        call(guarded.app, "GET", "/items/1", bearer("alice"))
    assert guarded.seen == []


def test_m12_5_an_authenticator_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(JWTAuthenticator):
        async def authenticate(self, request: Any) -> Any:
            raise KeyError("roles")

    guarded = Guarded(authenticator=Broken.__new__(Broken))
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert guarded.seen == []
    assert len(caplog.records) == 1


def test_keys_that_cannot_be_had_are_503() -> None:
    class NoKeys(JWTAuthenticator):
        async def authenticate(self, request: Any) -> Any:
            raise UnavailableError("the key set was never fetched")

    guarded = Guarded(authenticator=NoKeys.__new__(NoKeys))
    assert call(guarded.app, "GET", "/items/1", bearer("alice")).status == 503
    assert call(guarded.app, "GET", "/health").status == 200


def test_m13_3_a_second_object_inside_a_stream() -> None:
    guarded = Guarded()

    async def both(request: Request) -> Response:
        async def chunks() -> Any:
            for name in ("1", "secret1"):
                guarded.guard.require("app:GetItem", f"arn:iamg:items:eu:t1:item/{name}")
                yield name

        return StreamingResponse(chunks())

    app = IAMGuardMiddleware(Starlette(routes=[Route("/items", both)]), guard=guarded.guard,
                             authenticator=authenticator(), mapper=RequestMapper(ROUTES))
    messages: list[Any] = []
    with pytest.raises(RuntimeError, match="response already started"):
        asyncio.run(speak(app, http_scope("GET", "/items", bearer("alice")), [], messages.append))
    assert answer_of(messages).body == b"1"
    assert messages[-1].get("more_body")


def test_m15_1_a_cookie_is_no_credential() -> None:
    guarded = Guarded()
    headers = [("Cookie", f"session={TOKENS['alice']}"), ("Origin", "https://evil.example")]
    assert handshake(guarded.app, "/ws/feed", headers)[0].status == 401
    assert guarded.seen == []


def test_m15_2_a_program_with_a_token_is_accepted() -> None:
    _, messages = handshake(Guarded().app, "/ws/feed", bearer("alice"))
    assert messages[0]["type"] == "websocket.accept"


def _bleeding_app() -> Starlette:
    async def asynchronous(request: Request) -> Response:
        names = []
        for _ in range(random.Random(request.url.path).randrange(4)):
            await asyncio.sleep(0)
            names.append(current_principal().name)
        names.append(await run_in_threadpool(lambda: current_principal().name))
        return JSONResponse([current_principal().name, *names])

    def threaded(request: Request) -> Response:
        return JSONResponse([current_principal().name])

    return Starlette(routes=[Route("/items/{id}", asynchronous), Route("/items", threaded),
                             Route("/public/{p:path}", asynchronous)])


def test_m17_1_identities_do_not_mix() -> None:
    guarded = Guarded(app=_bleeding_app())
    people = ["alice", "root", "bob", "anon"]
    asked = [(people[number % 4], f"/items/{number}" if number % 3 else ("/items", f"/public/{number}")[number % 2])
             for number in range(2000)]

    async def one(who: str, target: str) -> tuple[int, set[str]]:
        messages: list[Any] = []
        await speak(guarded.app, http_scope("GET", target, bearer(who)), [], messages.append)
        answer = answer_of(messages)
        return answer.status, set(answer.json()) if answer.status == 200 else set()

    async def all_at_once() -> Any:
        return await asyncio.gather(*(one(*question) for question in asked))

    async def in_order() -> Any:
        return [await one(*question) for question in asked]

    together = asyncio.run(all_at_once())
    assert together == asyncio.run(in_order())
    for (who, target), (status, names) in zip(asked, together, strict=True):
        expected = "anonymous" if target.startswith("/public") else who
        assert names == ({expected} if status == 200 else set())


def test_m17_2_a_task_keeps_its_own_caller() -> None:
    seen: list[str] = []

    async def session() -> None:
        resume = asyncio.Event()
        tasks = []

        async def later() -> None:
            await resume.wait()
            seen.append(current_principal().name)

        async def handler(scope: Any, receive: Any, send: Any) -> None:
            if current_principal().name == "alice":
                tasks.append(asyncio.ensure_future(later()))
            else:
                resume.set()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            await PlainTextResponse("done")(scope, receive, send)

        app = Guarded(app=handler).app
        for who in ("alice", "root"):
            await speak(app, http_scope("GET", "/items/1", bearer(who)), [], lambda message: None)
        await asyncio.gather(*tasks)

    asyncio.run(session())
    assert seen == ["alice"]


# H: headers


@pytest.mark.parametrize(("row", "client", "headers", "status"), [
    ("H05.1", "203.0.113.7", [("X-Forwarded-For", "10.0.0.1")], 403),
    ("H05.2", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1, 203.0.113.7")], 403),
    ("H05.2", "10.9.0.1", [("X-Forwarded-For", "203.0.113.7, 10.0.0.1")], 200),
    ("H05.4", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "198.51.100.4")], 403),
])
def test_h05_the_source_address(row: str, client: str, headers: list[tuple[str, str]], status: int) -> None:
    answer = call(Guarded().app, "GET", "/items/1", [*bearer("insider"), *headers], client=(client, 1))
    assert answer.status == status


@pytest.mark.parametrize(("row", "client", "headers", "source"), [
    ("H05.1", "203.0.113.7", [("X-Forwarded-For", "10.0.0.1")], "203.0.113.7"),
    ("H05.2", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1, 203.0.113.7")], "203.0.113.7"),
    ("H05.3", "10.1.2.3", [("X-Real-IP", "10.0.0.1")], "10.1.2.3"),
    ("H05.4", "10.9.0.1", [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-For", "198.51.100.4")], "198.51.100.4"),
    ("H05.5", "10.9.0.1", [("Forwarded", 'for="[2001:db8::1]:4711";proto=https')], "10.9.0.1"),
])
def test_h05_the_recorded_address(row: str, client: str, headers: list[tuple[str, str]], source: str) -> None:
    guarded = Guarded()
    call(guarded.app, "GET", "/items/1", [*bearer("root"), *headers], client=(client, 1))
    assert guarded.log.records[-1].source_ip == source
    assert b"forwarded" not in [name for name, _ in guarded.seen[-1]["headers"]]


@pytest.mark.parametrize(("scheme", "headers", "status"), [
    ("http", [], 403), ("http", [("X-Forwarded-Proto", "https")], 403), ("https", [], 200)],
    ids=["plain", "H06.1", "tls"])
def test_h06_1_secure_transport(scheme: str, headers: list[tuple[str, str]], status: int) -> None:
    answer = call(Guarded().app, "GET", "/items", [*bearer("insider"), *headers], scheme=scheme)
    assert answer.status == status


def test_h07_1_headers_added_later_do_not_show() -> None:
    scope = http_scope("POST", "/items", bearer("root"))

    async def session() -> None:
        guarded = Guarded()

        async def receive() -> Any:
            scope["headers"].append((b"x-iam-principal", b"root"))
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None: ...

        await guarded.app(scope, receive, send)
        assert b"x-iam-principal" not in [name for name, _ in guarded.seen[-1]["headers_after"]]

    asyncio.run(session())


@pytest.mark.parametrize(("values", "status"), [(["user"], 200), (["user", "admin"], 403), (["admin", "user"], 403)])
def test_h08_1_every_value_of_a_header_counts(values: list[str], status: int) -> None:
    headers = [*bearer("insider"), *(("X-Role", value) for value in values)]
    assert call(Guarded(http_headers=("x-role",)).app, "GET", "/files/a", headers).status == status


def test_h09_2_a_subject_that_would_split_a_header() -> None:
    guarded = Guarded()
    headers = [("Authorization", f"Bearer {token(chr(13) + chr(10) + 'X-IAM-Role: root')}")]
    assert call(guarded.app, "GET", "/items/1", headers).status == 401
    assert guarded.seen == []


# G: what leaves


def test_g09_1_an_answer_for_one_caller_stays_out_of_shared_caches() -> None:
    app = Guarded().app
    answer = call(app, "GET", "/items/1", bearer("alice"))
    assert answer.headers["cache-control"] == "private, no-store"
    assert answer.headers["vary"] == "Authorization"
    assert call(app, "GET", "/items/1").status == 401
    assert "cache-control" not in call(app, "GET", "/public/x").headers


@pytest.mark.parametrize(("said", "sent"), [
    ("private, max-age=60", "private, max-age=60"), ("no-store", "no-store"),
    ("public, max-age=60", "private, no-store")])
def test_g09_as_strict_an_application_has_the_last_word(said: str, sent: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("x", headers={"Cache-Control": said, "Vary": "Accept"})(scope, receive, send)

    answer = call(Guarded(app=app).app, "GET", "/items/1", bearer("alice"))
    assert answer.headers["cache-control"] == sent
    assert answer.headers["vary"] == "Accept, Authorization"


def test_g11_1_no_token_in_any_sink(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lines = io.BytesIO()
    memory = MemorySink()
    log = SeveralSinks(LoggingSink(), JSONLinesSink(lines), memory)
    guarded = Guarded(guard=Guard(POLICIES, log=log, clock=lambda: NOW))
    secrets = [*TOKENS.values(), token("alice", lifetime=-5), TOKENS["alice"][:-4] + "AAAA", "x" * 40]
    answers = [call(guarded.app, "GET", target, [("Authorization", f"Bearer {secret}"), *more])
               for secret in secrets for target in ("/items/1", "/forgot", f"/items/1?access_token={secret}")
               for more in ([], [("Authorization", "Bearer other")], [("X-Api-Key", secret)])]
    assert {answer.status for answer in answers} >= {200, 400, 401, 403}
    told = b"".join(answer.body + repr(answer.headers).encode() for answer in answers)
    written = caplog.text.encode() + lines.getvalue() + repr(memory.records).encode() + told
    for secret in secrets:
        assert not any(secret[start:start + 20].encode() in written for start in range(len(secret) - 20))


def test_g12_1_one_record_with_escapes() -> None:
    guarded = Guarded()
    call(guarded.app, "GET", "/x%0d%0aALLOW%20root", [("User-Agent", "a\x1b[2J")])
    (record,) = guarded.log.records
    assert record.path == "/x\\r\\nALLOW root"
    assert "\x1b" not in str(record)
    assert len(record.to_json().splitlines()) == 1


def test_g16_2_denials_do_not_tell_what_exists() -> None:
    app = Guarded().app
    one, other = (call(app, "GET", target, bearer("alice")) for target in ("/items/secret1", "/items/secret-none"))
    assert (one.status, len(one.body)) == (other.status, len(other.body))
    assert sorted(one.headers) == sorted(other.headers)
    assert "secret" not in one.body.decode()


class Nothing:
    """A source without policies."""

    @property
    def current(self) -> PolicySet:
        raise UnavailableError("no policies were loaded yet")


@pytest.mark.parametrize(("source", "status"), [(PolicySet(), 403), (Nothing(), 503)], ids=["empty", "never-loaded"])
def test_g18_1_nothing_works_until_it_is_configured(source: Any, status: int) -> None:
    guarded = Guarded(policies=source)
    for who in ("alice", "root"):
        for target in ("/items/1", "/admin", "/items"):
            assert call(guarded.app, "GET", target, bearer(who)).status == status
    assert call(guarded.app, "GET", "/items/1").status == 401
    assert guarded.seen == []
    with pytest.raises(ConfigurationError):
        JWTAuthenticator([])


# The record


def test_the_record_says_what_was_decided() -> None:
    guarded = Guarded()
    answer = call(guarded.app, "GET", "/items/secret1?q=1", bearer("alice"))
    (record,) = guarded.log.records
    assert record.id == answer.json()["decision_id"]
    assert json.loads(record.to_json()) | {"latency_us": 0} == {
        "id": record.id, "time": "2026-03-01T12:00:00Z", "verdict": "explicitDeny", "revision": "", "latency_us": 0,
        "reason": "denied by identity policy 'alice/inline', statement 2", "principal": "arn:iamg:iam::t1:user/alice",
        "account": "t1", "action": "app:GetItem", "resource": "arn:iamg:items:eu:t1:item/secret1",
        "policy_id": "alice/inline", "sid": "", "method": "GET", "path": "/items/secret1", "route": "GET /items/{id}",
        "source_ip": "203.0.113.7",
    }


def test_the_application_finds_the_caller_in_its_state() -> None:
    states: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        states.append(scope["state"]["iam_guard"])
        await PlainTextResponse("x")(scope, receive, send)

    guarded = Guarded(app=app)
    call(guarded.app, "GET", "/items/1", bearer("alice"), state={"iam_guard": "forged", "own": 1})
    (caller,) = states
    assert (caller.principal.name, caller.route, bool(caller.decisions[0])) == ("alice", "GET /items/{id}", True)


def test_every_pair_of_a_route_must_be_allowed() -> None:
    from iam_guard.http.mapper import Route as Line

    line = Line("POST", "/items/{id}/copy", "app:CreateItem", "arn:iamg:items:eu:t1:item/copy",
                also=(("app:GetItem", "arn:iamg:items:eu:t1:item/{id}"),))
    guarded = Guarded(mapper=RequestMapper([line]))
    for item, status in (("1", 200), ("secret1", 403)):
        answer = call(guarded.app, "POST", f"/items/{item}/copy", bearer("operator"), body=b'{"from": "1"}')
        assert answer.status == status


def test_an_allowed_anonymous_is_asked_of_the_policies() -> None:
    guarded = Guarded(allow_anonymous=True)
    answer = call(guarded.app, "GET", "/items/1")
    assert answer.status == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'
    assert guarded.log.records[-1].verdict == "implicitDeny"


def test_alice_of_another_tenant_is_somebody_else() -> None:
    guarded = Guarded()
    stranger = token("alice", issuer="https://partner.example")
    assert call(guarded.app, "GET", "/items/1", [("Authorization", f"Bearer {stranger}")]).status == 403
    assert call(guarded.app, "GET", "/items/1", bearer("bob")).status == 403


def test_settings_are_checked() -> None:
    for wrong in ({"resolver_timeout": 0}, {"recheck_seconds": -1}):
        with pytest.raises(ConfigurationError):
            Guarded(**wrong)
    for origins in ((), ("*", "https://ui.example"), ("ui.example",), ("https://*.example",), ("https://ui.example/",)):
        with pytest.raises(ConfigurationError):
            CORSSettings(origins)
    with pytest.raises(ConfigurationError):
        CORSSettings(("*",), credentials=True)


def test_the_websocket_of_a_handler_that_denies_is_closed() -> None:
    guarded = Guarded()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        if scope["query_string"]:
            await send({"type": "websocket.accept"})
        guarded.guard.require("app:GetItem", "arn:iamg:items:eu:t1:item/secret1")

    door = IAMGuardMiddleware(app, guard=guarded.guard, authenticator=authenticator(), mapper=RequestMapper(ROUTES),
                              edge=EDGE)
    before, _ = handshake(door, "/ws/feed", bearer("alice"))
    assert before.status == 403
    _, messages = handshake(door, "/ws/feed?accept", bearer("alice"))
    assert [message["type"] for message in messages] == ["websocket.accept", "websocket.close"]
    assert messages[-1]["code"] == 1008


