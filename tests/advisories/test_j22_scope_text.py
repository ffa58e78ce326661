"""J22 and mw-40: scopes are a set, not a text to search."""

from __future__ import annotations

from typing import Any

import pytest
from tokens import ask, authenticator, claims_of, refusal, token

from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest

NEEDS_ADMIN = PolicySet.from_json("""{"Version": "2012-10-17", "Statement": {
  "Effect": "Allow", "Action": "app:*", "Resource": "*",
  "Condition": {"ForAnyValue:StringEquals": {"jwt:scope": "admin"}}}}""")


@pytest.mark.parametrize(("scope", "allowed"), [
    ("superadmin read", False), ("admin2", False), ("read admin", True), ("read\tadmin", False), ("Admin", False),
    ("read  admin", True), ("", False),
])
def test_j22_1_membership(scope: str, allowed: bool) -> None:
    who = ask(authenticator(), token(claims_of(scope=scope)))
    question = AuthorizationRequest(who, "app:GetItem", "arn:iamg:items:eu:t1:items", who.context)
    assert NEEDS_ADMIN.evaluate(question).allowed is allowed


@pytest.mark.parametrize("claims", [
    {"scope": "read:orders write:orders"}, {"scp": "read:orders write:orders"},
    {"scp": ["read:orders", "write:orders"]}, {"scope": ["read:orders write:orders"]},
])
def test_mw_40_every_form_gives_one_list(claims: dict[str, Any]) -> None:
    found = ask(authenticator(), token(claims_of(**claims)))
    assert found.context["jwt:scope"] == ("read:orders", "write:orders")


@pytest.mark.parametrize("scope", [7, {"admin": True}, [["admin"]], [1], True])
def test_other_shapes_are_no_scopes(scope: object) -> None:
    refusal(authenticator(), token(claims_of(scope=scope)))


@pytest.mark.parametrize("claims", [{}, {"scope": None}])
def test_without_scope_there_is_no_key(claims: dict[str, Any]) -> None:
    assert "jwt:scope" not in ask(authenticator(), token(claims_of(**claims))).context
