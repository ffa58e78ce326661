"""J25: the actor's rights taken for the subject's."""

from __future__ import annotations

import asyncio

import pytest
from tokens import ask, authenticator, claims_of, refusal, request, token

from iam_guard.engine.decision import Verdict
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest

POLICIES = PolicySet.from_json("""{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "app:*", "Resource": "*"},
  {"Effect": "Deny", "Action": "app:*", "Resource": "arn:iamg:items:eu:t1:item/secret*",
   "Condition": {"StringEquals": {"aws:username": "alice"}}}]}""")


def test_j25_1_the_subject_stays_the_subject() -> None:
    claims = claims_of(act={"sub": "root", "act": {"sub": "earlier"}})
    who = ask(authenticator(), token(claims))
    assert who.name == who.subject == who.context["aws:username"] == "alice"
    assert who.context["jwt:act.sub"] == "root"
    question = AuthorizationRequest(who, "app:GetItem", "arn:iamg:items:eu:t1:item/secret1", who.context)
    assert POLICIES.evaluate(question).verdict is Verdict.EXPLICIT_DENY


@pytest.mark.parametrize("act", ["root", {}, {"sub": ""}, {"sub": 7}, ["root"], {"act": {"sub": "root"}}])
def test_an_actor_without_a_name(act: object) -> None:
    refusal(authenticator(), token(claims_of(act=act)))


def test_j25_2_headers_name_nobody() -> None:
    asked = request(f"Bearer {token()}", x_on_behalf_of="root", x_iam_principal="root")
    found = asyncio.run(authenticator().authenticate(asked))
    assert found is not None
    assert found.subject == "alice"
    assert "jwt:act.sub" not in found.context
