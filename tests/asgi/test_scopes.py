"""Insufficient scope (wire contracts, sections 1 and 11): told where the operator wants it and where it would help."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cases import door, echo, trusting, with_token
from driver import call
from fixture_app import statement

from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard
from iam_guard.http.response import DenialStyle
from iam_guard.model import Principal
from iam_guard.remedies.scopes import missing_scopes

SHOWING = DenialStyle(show_scopes=True)


def needs(scopes: Any, operator: str = "ForAnyValue:StringEquals", effect: str = "Allow",
          **more: Any) -> dict[str, Any]:
    return statement(effect, "app:Get", "*", Condition={operator: {"jwt:scope": scopes}, **more})


READ = needs("orders:read")
#: Both are needed: one by each statement.
BOTH = (READ, needs("orders:write", "ForAllValues:StringNotEquals", "Deny"))


def test_a_missing_scope_is_told_byte_by_byte() -> None:
    guarded = door(echo, *BOTH, style=SHOWING, authenticator=trusting())
    answer = call(guarded, "GET", "/x", with_token(scope="other"))
    assert (answer.status, answer.json()["type"]) == (403, "urn:iam-guard:problems:insufficient-scope")
    assert answer.headers.get("www-authenticate") == (
        'Bearer realm="api", error="insufficient_scope", scope="orders:read orders:write"')
    assert answer.json()["decision_id"] == answer.headers.get("x-iam-guard-decision-id")
    assert guarded.counts == {"explicit_deny": 1}
    assert call(guarded, "GET", "/x", with_token(scope="orders:read orders:write")).status == 200


@pytest.mark.parametrize(("statements", "told"), [
    ((READ,), 'scope="orders:read"'),
    ((needs(["orders:admin", "orders:read"]),), 'scope="orders:admin"'),
    ((needs("orders:write", "ForAllValues:StringNotEquals", "Deny"), statement("Allow", "app:Get", "*")),
     'scope="orders:write"'),
])
def test_one_scope_is_told_where_one_suffices(statements: Any, told: str) -> None:
    answer = call(door(echo, *statements, style=SHOWING), "GET", "/x", with_token())
    assert (answer.status, answer.headers.get("www-authenticate")) == (
        403, f'Bearer realm="api", error="insufficient_scope", {told}')


USELESS = {
    "no statement speaks of scopes": (statement("Allow", "app:Other", "*"),),
    "another action": (statement("Allow", "app:Put", "*", Condition=READ["Condition"]),),
    "another condition fails as well": (needs("orders:read", Bool={"aws:MultiFactorAuthPresent": "true"}),),
    "denied whatever the scopes": (READ, statement("Deny", "app:*", "*")),
    "a pattern is no scope": (needs("orders:*", "ForAnyValue:StringLike"),),
    "text that no challenge can hold": (needs('orders"read'), needs("orders read")),
}


@pytest.mark.parametrize("name", USELESS)
def test_nothing_is_told_where_no_scope_would_help(name: str) -> None:
    answer = call(door(echo, *USELESS[name], style=SHOWING), "GET", "/x", with_token(scope="other"))
    assert (answer.status, answer.json()["type"]) == (403, "urn:iam-guard:problems:access-denied")
    assert answer.headers.get("www-authenticate") is None


def test_what_policies_name_stays_inside_unless_the_operator_says_otherwise() -> None:
    answer = call(door(echo, READ), "GET", "/x", with_token(scope="other"))
    assert (answer.status, answer.json()["type"]) == (403, "urn:iam-guard:problems:access-denied")
    assert b"orders:read" not in answer.body
    assert answer.headers.get("www-authenticate") is None


def test_somebody_without_a_token_cannot_ask_for_a_scope() -> None:
    guard = Guard(PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": READ})))
    assert missing_scopes(guard.authorize(Principal.user("ann"), "app:Get", "x")) == ()
    assert missing_scopes(guard.authorize(Principal.user("ann", issuer="https://idp.example"), "app:Get", "x")) == (
        "orders:read",)
