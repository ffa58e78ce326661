"""Standing policies."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.directory.entities import Kind, StandingPolicy
from iam_guard.directory.operations.standing import (
    DeleteStandingPolicy,
    GetStandingPolicy,
    ListStandingPolicies,
    PutStandingPolicy,
)
from iam_guard.errors import LimitExceededError, MalformedPolicyDocumentError, NoSuchEntityError

ACCOUNT = "000000000000"
IDENTITY = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
CEILING = IDENTITY.replace('"Effect"', '"Principal":"*","Effect"')
READ = {"reach": "everyone", "policy_name": "Read"}


def test_a_policy_is_put_replaced_and_deleted(do: Any, get: Any, referee: Any) -> None:
    do(PutStandingPolicy(**READ, policy_document=IDENTITY))
    arn = f"arn:app:iam::{ACCOUNT}:standing-policy/everyone/Read"
    assert do(GetStandingPolicy(**READ)) == {"Reach": "everyone", "PolicyName": "Read", "Arn": arn,
                                             "PolicyDocument": IDENTITY}
    assert [asked[:2] for asked in referee.asked] == [("iam:PutStandingPolicy", arn), ("iam:GetStandingPolicy", arn)]
    other = IDENTITY.replace("a:B", "a:C")
    do(PutStandingPolicy(reach="everyone", policy_name="READ", policy_document=other))
    assert get(Kind.STANDING_POLICY, "everyone/read") == StandingPolicy(
        account=ACCOUNT, name="READ", reach="everyone", document=other)
    do(DeleteStandingPolicy(**READ))
    for operation in (GetStandingPolicy, DeleteStandingPolicy):
        with pytest.raises(NoSuchEntityError):
            do(operation(**READ))


@pytest.mark.parametrize(("reach", "wrong"), [("everyone", CEILING), ("endpoint", IDENTITY)])
def test_only_the_ceiling_speaks_of_principals(do: Any, reach: Any, wrong: str) -> None:
    with pytest.raises(MalformedPolicyDocumentError):
        do(PutStandingPolicy(reach=reach, policy_name="X", policy_document=wrong))


def test_a_policy_is_so_long_at_most(do: Any) -> None:
    with pytest.raises(LimitExceededError):
        do(PutStandingPolicy(**READ, policy_document=IDENTITY.replace("a:B", "a:" + "B" * 6144)))


def test_reaches_are_name_spaces(do: Any) -> None:
    do(PutStandingPolicy(**READ, policy_document=IDENTITY))
    do(PutStandingPolicy(reach="endpoint", policy_name="Read", policy_document=CEILING))
    found = [one["Reach"] for one in do(ListStandingPolicies())["StandingPolicies"]]
    assert found == ["endpoint", "everyone"]
    assert [one["Reach"] for one in do(ListStandingPolicies(reach="everyone"))["StandingPolicies"]] == ["everyone"]
