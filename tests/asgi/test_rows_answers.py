"""Rows of kind G, and what answers and records say."""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import pytest
from driver import call, handshake
from fixture_app import (
    EDGE,
    NOW,
    POLICIES,
    ROUTES,
    TOKENS,
    Guarded,
    authenticator,
    bearer,
    token,
)
from starlette.responses import PlainTextResponse

from iam_guard.asgi import CORSSettings, IAMGuardMiddleware
from iam_guard.audit.sinks import JSONLinesSink, LoggingSink, MemorySink, SeveralSinks
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import ConfigurationError, UnavailableError
from iam_guard.guard import Guard
from iam_guard.http.mapper import RequestMapper
from iam_guard.identity.jwt import JWTAuthenticator

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
        "policy_id": "alice/inline", "sid": "", "method": "GET", "path": "/items/secret1", "route": "/items/{id}",
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
    assert (caller.principal.name, caller.route, bool(caller.decisions[0])) == ("alice", "/items/{id}", True)


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
