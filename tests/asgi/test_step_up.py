"""Step-up (RFC 9470; wire contracts, sections 1 and 11): told where the operator wants it and where it would help."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cases import door, echo, with_token
from driver import call
from fixture_app import NOW, statement

from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.response import DenialStyle
from iam_guard.model import Principal
from iam_guard.remedies.step_up import StepUp, step_up

SHOWING = DenialStyle(show_step_up=True)
NOW_SECONDS = int(NOW.timestamp())


def needs(operator: str, key: str, value: Any, effect: str = "Allow", **more: Any) -> dict[str, Any]:
    return statement(effect, "app:Get", "*", Condition={operator: {key: value}, **more})


STRONG = needs("StringEquals", "jwt:acr", ["urn:example:gold", "urn:example:silver"])
FRESH = needs("NumericGreaterThan", "jwt:auth_time", str(NOW_SECONDS - 300))


def test_a_stronger_login_is_told_byte_by_byte() -> None:
    guarded = door(echo, STRONG, style=SHOWING)
    answer = call(guarded, "GET", "/x", with_token(acr="urn:example:bronze"))
    assert (answer.status, answer.json()["type"]) == (401, "urn:iam-guard:problems:step-up-required")
    assert answer.headers.get("www-authenticate") == (
        'Bearer error="insufficient_user_authentication", '
        'error_description="A different authentication level is required", '
        'acr_values="urn:example:gold urn:example:silver"')
    assert answer.json()["decision_id"] == answer.headers.get("x-iam-guard-decision-id")
    assert guarded.counts == {"implicit_deny": 1}
    assert call(guarded, "GET", "/x", with_token(acr="urn:example:silver")).status == 200


def test_only_what_suffices_is_told() -> None:
    both = (STRONG, needs("StringEquals", "jwt:acr", "urn:example:silver", "Deny"))
    answer = call(door(echo, *both, style=SHOWING), "GET", "/x", with_token())
    assert 'acr_values="urn:example:gold"' in (answer.headers.get("www-authenticate") or "")


def test_a_fresher_login_is_told() -> None:
    guarded = door(echo, FRESH, style=SHOWING)
    answer = call(guarded, "GET", "/x", with_token(auth_time=NOW_SECONDS - 4000))
    assert answer.status == 401
    assert (answer.headers.get("www-authenticate") or "").endswith('required", max_age="0"')
    assert call(guarded, "GET", "/x", with_token(auth_time=NOW_SECONDS - 10)).status == 200


def test_stronger_and_fresher_are_told_together() -> None:
    both = needs("StringEquals", "jwt:acr", "urn:example:gold",
                 NumericGreaterThan={"jwt:auth_time": str(NOW_SECONDS - 300)})
    answer = call(door(echo, both, style=SHOWING), "GET", "/x", with_token(auth_time=NOW_SECONDS - 4000))
    assert (answer.headers.get("www-authenticate") or "").endswith('acr_values="urn:example:gold", max_age="0"')


USELESS = {
    "nothing speaks of logins": (statement("Allow", "app:Other", "*"),),
    "another action": (statement("Allow", "app:Put", "*", Condition=STRONG["Condition"]),),
    "another condition fails as well": (
        needs("StringEquals", "jwt:acr", "gold", IpAddress={"aws:SourceIp": "9.9.9.9"}),),
    "denied whatever the login": (STRONG, statement("Deny", "app:*", "*")),
    "a pattern is no context class": (needs("StringLike", "jwt:acr", "urn:example:*"),),
    "no token says that there was a second factor": (needs("Bool", "aws:MultiFactorAuthPresent", "true"),),
    "a date that has not come": (needs("NumericGreaterThan", "jwt:auth_time", str(NOW_SECONDS + 9999)),),
}


@pytest.mark.parametrize("name", USELESS)
def test_nothing_is_told_where_no_login_would_help(name: str) -> None:
    answer = call(door(echo, *USELESS[name], style=SHOWING), "GET", "/x", with_token(acr="bronze"))
    assert (answer.status, answer.json()["type"]) == (403, "urn:iam-guard:problems:access-denied")
    assert answer.headers.get("www-authenticate") is None


def test_nothing_is_told_unless_the_operator_says_so() -> None:
    answer = call(door(echo, STRONG), "GET", "/x", with_token())
    assert (answer.status, answer.headers.get("www-authenticate")) == (403, None)
    assert b"urn:example" not in answer.body


def denied(rule: dict[str, Any], **attributes: Any) -> Any:
    guard = Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": rule})))
    who = Principal.user("ann", issuer="https://idp.example", attributes=attributes)
    return guard.authorize(who, "app:Get", "x")


FACTOR = needs("Bool", "aws:MultiFactorAuthPresent", "true")


def test_a_second_factor_is_asked_for_where_its_absence_is_known() -> None:
    assert step_up(denied(FACTOR, **{"aws:MultiFactorAuthPresent": "false"})) == StepUp((), None)
    assert step_up(denied(FACTOR)) is None
    assert step_up(denied(FACTOR, **{"aws:MultiFactorAuthPresent": "true"})) is None  # allowed


@pytest.mark.parametrize(("operator", "seconds"), [("NumericLessThan", 299), ("NumericLessThanEquals", 300)])
def test_the_age_of_a_second_factor_is_bounded_by_the_condition(operator: str, seconds: int) -> None:
    aged = needs(operator, "aws:MultiFactorAuthAge", "300")
    assert step_up(denied(aged, **{"aws:MultiFactorAuthAge": "4000"})) == StepUp((), seconds)


def test_an_absurd_age_is_not_told() -> None:
    aged = needs("NumericLessThan", "aws:MultiFactorAuthAge", "9" * 20, Bool={"aws:MultiFactorAuthPresent": "true"})
    assert step_up(denied(aged, **{"aws:MultiFactorAuthPresent": "false"})) == StepUp((), None)


def test_somebody_without_a_token_cannot_sign_in_again() -> None:
    guard = Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": STRONG})))
    assert step_up(guard.authorize(Principal.user("ann"), "app:Get", "x")) is None
