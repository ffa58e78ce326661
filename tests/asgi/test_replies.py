"""denial_for_error: whoever asks the guard and answers himself answers what the middleware would."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cases import door, echo, everyone, with_token
from driver import call
from fixture_app import NOW, statement

from iam_guard.asgi import IAMGuardMiddleware
from iam_guard.asgi.replies import denial_for_error
from iam_guard.errors import (
    AccessDeniedError,
    AuthenticationError,
    ConfigurationError,
    IAMGuardError,
    RequestRefusedError,
    UnavailableError,
)
from iam_guard.guard import Guard
from iam_guard.http.request import HTTPRequest
from iam_guard.http.response import Denial, DenialStyle
from iam_guard.identity.caller import current_caller
from iam_guard.model import Principal
from iam_guard.testing import act_as

ENTER = statement("Allow", "app:Get", "*")
CHALLENGES = ('Bearer realm="api"',)


def raising(error: Callable[[Guard], None]) -> tuple[Guard, Any]:
    guard = Guard(everyone(ENTER), clock=lambda: NOW)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        error(guard)
        await echo(scope, receive, send)
    return guard, app


def refuse(error: Exception) -> Callable[[Guard], None]:
    def raises(guard: Guard) -> None:
        raise error
    return raises


ERRORS: dict[str, Callable[[Guard], None]] = {
    "denied": lambda guard: guard.require("app:Put", "x"),
    "credentials": refuse(AuthenticationError("The access token is not valid")),
    "malformed credentials": refuse(AuthenticationError("Sent twice", code="invalid_request")),
    "refused": refuse(RequestRefusedError("A value is missing.", code="missing-value")),
    "unavailable": refuse(UnavailableError("no database")),
}


@pytest.mark.parametrize("name", ERRORS)
def test_it_is_what_the_middleware_answers(name: str) -> None:
    guard, app = raising(ERRORS[name])
    told: list[Denial] = []

    async def own(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except IAMGuardError as error:
            told.append(denial_for_error(error, challenges=CHALLENGES, decision_id="same"))
            raise

    answer = call(door(own, guard=guard), "GET", "/x", with_token())
    [denial] = told
    assert denial.status == answer.status
    assert (_without_id(json.loads(denial.body)), _names(denial)) == (
        _without_id(answer.json()), sorted(name for name, _ in answer.headers.items()))
    challenge = dict(denial.headers).get(b"www-authenticate")
    assert (challenge.decode() if challenge else None) == answer.headers.get("www-authenticate")


def _without_id(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key not in ("decision_id", "instance")}


def _names(denial: Denial) -> list[str]:
    return sorted(name.decode() for name, _ in denial.headers)


def test_the_middleware_tells_counts_and_records_it_too() -> None:
    guard, app = raising(ERRORS["denied"])
    doors: list[IAMGuardMiddleware] = []

    async def own(scope: Any, receive: Any, send: Any) -> None:
        try:
            await app(scope, receive, send)
        except AccessDeniedError as error:
            denial = doors[0].denial_for(error)
            await send({"type": "http.response.start", "status": denial.status, "headers": list(denial.headers)})
            await send({"type": "http.response.body", "body": denial.body})

    doors.append(door(own, guard=guard))
    answer = call(doors[0], "GET", "/x", with_token())
    assert (answer.status, answer.json()["action"]) == (403, "app:Put")
    assert doors[0].counts == {"allow": 1, "implicit_deny": 1}


def test_without_a_request_and_a_middleware() -> None:
    guard = Guard(everyone(ENTER), clock=lambda: NOW)
    with pytest.raises(AccessDeniedError) as denied:
        guard.enforce(Principal.user("ann"), "app:Put", "x")
    denial = denial_for_error(denied.value)
    assert (denial.status, json.loads(denial.body)["action"]) == (403, "app:Put")
    denial = denial_for_error(denied.value, style=DenialStyle(show_action=False))
    assert "action" not in json.loads(denial.body)


def test_somebody_without_credentials_is_asked_for_them() -> None:
    guard = Guard(everyone(ENTER), clock=lambda: NOW)
    with pytest.raises(AccessDeniedError) as denied:
        guard.enforce(Principal.anonymous(), "app:Put", "x")
    denial = denial_for_error(denied.value)
    assert (denial.status, dict(denial.headers)[b"www-authenticate"]) == (401, b"Bearer")


def test_the_request_that_is_being_handled_counts() -> None:
    with act_as(Principal.user("ann")) as caller:
        caller.request = HTTPRequest(kind="http", method="HEAD", path="/x")
        assert current_caller.get() is caller
        assert denial_for_error(UnavailableError("gone")).body == b""
        own = HTTPRequest(kind="http", method="GET", path="/x")
        assert denial_for_error(UnavailableError("gone"), own).body != b""


@pytest.mark.parametrize("error", [ConfigurationError("secret detail"), RuntimeError("secret detail"), KeyError("x")])
def test_any_other_error_is_no_answer_and_tells_nothing(error: Exception) -> None:
    denial = denial_for_error(error)
    assert denial.status == 503
    assert b"secret" not in denial.body


def test_a_refused_method_is_told_the_others() -> None:
    denial = denial_for_error(RequestRefusedError("No.", status=405, code="method-not-allowed"), methods=("GET", "PUT"))
    assert dict(denial.headers)[b"allow"] == b"GET, PUT"
