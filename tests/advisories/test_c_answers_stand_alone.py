"""C01, C02, C04, C10, E10: no answer is another's, whatever was asked before (nothing here remembers decisions)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from iam_guard.engine.attachments import Attachments, Holder, Policy
from iam_guard.engine.decision import Verdict
from iam_guard.engine.policy_set import PolicySet
from iam_guard.guard import Guard, Question
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.policy.parse import parse_policy

ALICE = Principal.user("alice")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def policies(*statements: dict[str, Any]) -> PolicySet:
    full = [{"Effect": "Allow", "Action": "app:Get", "Resource": "*", **one} for one in statements]
    return PolicySet.from_json(json.dumps({"Version": "2012-10-17", "Statement": full}))


def item(name: str, account: str = "000000000000") -> str:
    return f"arn:app:app::{account}:item/{name}"


def test_c01_1_and_c10_1_the_same_question_from_another_address() -> None:
    guard = Guard(policies({"Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}))
    addresses = ("10.0.0.1", "192.0.2.1", "10.0.0.1")
    asked = [Question("app:Get", item("1"), {"aws:SourceIp": address}) for address in addresses]
    assert [bool(one) for one in guard.authorize_many(ALICE, asked)] == [True, False, True]
    assert guard.authorize_many(ALICE, asked)[1].verdict is Verdict.IMPLICIT_DENY


def test_c01_2_the_same_name_in_another_tenant() -> None:
    mine = policies({"Condition": {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}})
    for account, allowed in (("111122223333", True), ("444455556666", False), ("111122223333", True)):
        who = Principal.user("alice", account=account)
        assert bool(Guard(mine).authorize(who, "app:Get", item("1", account))) is allowed


def test_c02_1_what_is_put_together_differently_is_different() -> None:
    asked = [("app:c", "x|y"), ("app:c|x", "y")]
    only = Guard(policies({"Action": "app:c", "Resource": item("x|y")}))
    answers = [bool(only.authorize(ALICE, action, item(name))) for action, name in asked * 2]
    assert answers == [True, False, True, False]


def test_c02_2_separators_in_groups_and_resources() -> None:
    arns = [f"arn:app:iam::000000000000:group/{name}" for name in ("b", "c", "b,c")]
    allow = Policy("p", parse_policy({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "app:Get", "Resource": "*"}}))
    held = PolicySet(Attachments(holders={ALICE.arn: Holder(ALICE.arn)}, groups={arns[2]: (allow,)}))
    for _ in range(2):
        for groups, allowed in (((arns[0], arns[1]), False), ((arns[2],), True)):
            who = Principal.user("alice", groups=groups)
            assert bool(held.evaluate(AuthorizationRequest(who, "app:Get", item("1")))) is allowed


def test_c04_1_what_was_allowed_until_a_time() -> None:
    now = [NOON - timedelta(seconds=1)]
    guard = Guard(policies({"Condition": {"DateLessThan": {"aws:CurrentTime": "2026-01-01T12:00:00Z"}}}),
                  clock=lambda: now[0])
    assert guard.authorize(ALICE, "app:Get", item("1"))
    now[0] = NOON + timedelta(seconds=1)
    assert guard.authorize(ALICE, "app:Get", item("1")).verdict is Verdict.IMPLICIT_DENY


def test_c10_2_answers_stand_in_the_order_of_the_questions() -> None:
    guard = Guard(policies({"Resource": item("1")}))
    asked: list[Any] = [("app:Get", item("1")), Question("app:Get", item("secret1"), {"app:x": object()}),
                        ("app:Get", item("1"))]
    answers = guard.authorize_many(ALICE, asked)
    assert [bool(one) for one in answers] == [True, False, True]
    assert answers[1].error


def test_e10_5_names_that_differ_in_one_sign() -> None:
    guard = Guard(policies({"Resource": item("a.b")}))
    allowed = [name for name in ("a.b", "a-b", "a/b", "a_b") if guard.authorize(ALICE, "app:Get", item(name))]
    assert allowed == ["a.b"]
