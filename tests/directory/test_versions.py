"""Versions of managed policies."""

from __future__ import annotations

from typing import Any

import pytest

from iam_guard.directory.operations.policies import GetPolicy
from iam_guard.directory.operations.versions import (
    CreatePolicyVersion,
    DeletePolicyVersion,
    GetPolicyVersion,
    ListPolicyVersions,
    SetDefaultPolicyVersion,
)
from iam_guard.errors import (
    DeleteConflictError,
    InvalidInputError,
    LimitExceededError,
    MalformedPolicyDocumentError,
    NoSuchEntityError,
    UnmodifiableEntityError,
)

ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
DENY = '{ "Version": "2012-10-17",\n "Statement": [{"Effect": "Deny", "Action": "a:C", "Resource": "*"}] }'


@pytest.fixture
def arn(policy: Any) -> str:
    return policy("Read")


@pytest.fixture
def add(do: Any, arn: str) -> Any:
    def create(**more: Any) -> str:
        return do(CreatePolicyVersion(policy_arn=arn, policy_document=DENY, **more))["PolicyVersion"]["VersionId"]

    return create


def default_of(do: Any, arn: str) -> str:
    return do(GetPolicy(policy_arn=arn))["Policy"]["DefaultVersionId"]


def test_a_version_counts_only_when_it_is_said_to(do: Any, arn: str, add: Any) -> None:
    assert (add(), default_of(do, arn)) == ("v2", "v1")
    assert (add(set_as_default=True), default_of(do, arn)) == ("v3", "v3")
    do(SetDefaultPolicyVersion(policy_arn=arn, version_id="v2"))
    assert default_of(do, arn) == "v2"


def test_a_document_comes_back_as_it_was_given(do: Any, arn: str, add: Any) -> None:
    assert do(GetPolicyVersion(policy_arn=arn, version_id=add())) == {"PolicyVersion": {
        "Document": DENY, "VersionId": "v2", "IsDefaultVersion": False, "CreateDate": "2026-01-01T12:00:00Z"}}


def test_five_are_kept_and_a_sixth_is_refused(do: Any, arn: str, add: Any) -> None:
    assert [add() for _ in range(4)] == ["v2", "v3", "v4", "v5"]
    with pytest.raises(LimitExceededError):
        add()
    do(DeletePolicyVersion(policy_arn=arn, version_id="v5"))
    assert add() == "v6"  # an id is never used again


def test_the_version_that_counts_stays(do: Any, arn: str, add: Any) -> None:
    add(set_as_default=True)
    with pytest.raises(DeleteConflictError):
        do(DeletePolicyVersion(policy_arn=arn, version_id="v2"))
    do(DeletePolicyVersion(policy_arn=arn, version_id="v1"))
    assert [one["VersionId"] for one in do(ListPolicyVersions(policy_arn=arn))["Versions"]] == ["v2"]


@pytest.mark.parametrize("operation", [GetPolicyVersion, SetDefaultPolicyVersion, DeletePolicyVersion])
def test_versions_that_are_not_there(do: Any, arn: str, operation: Any) -> None:
    with pytest.raises(NoSuchEntityError):
        do(operation(policy_arn=arn, version_id="v2"))
    with pytest.raises(InvalidInputError):
        do(operation(policy_arn=arn, version_id="v0"))
    with pytest.raises(NoSuchEntityError):
        do(operation(policy_arn=f"{arn}er", version_id="v1"))


def test_the_newest_comes_first_page_by_page(do: Any, arn: str, add: Any) -> None:
    for _ in range(3):
        add()
    found, marker = [], ""
    for _ in range(2):
        page = do(ListPolicyVersions(policy_arn=arn, max_items=3, marker=marker))
        found += [one["VersionId"] for one in page["Versions"]]
        marker = page.get("Marker", "")
    assert found == ["v4", "v3", "v2", "v1"]
    assert not page["IsTruncated"]


def test_a_new_document_is_checked(do: Any, arn: str) -> None:
    with pytest.raises(MalformedPolicyDocumentError):
        do(CreatePolicyVersion(policy_arn=arn, policy_document=DENY.replace("Deny", "deny")))
    with pytest.raises(LimitExceededError):
        do(CreatePolicyVersion(policy_arn=arn, policy_document=DENY.replace("a:C", "a:" + "C" * 6144)))


def test_the_platforms_policies_get_no_versions(do: Any, policy: Any) -> None:
    arn = policy("Admin", account="aws")
    with pytest.raises(UnmodifiableEntityError):
        do(CreatePolicyVersion(policy_arn=arn, policy_document=ALLOW))
    assert do(GetPolicyVersion(policy_arn=arn, version_id="v1"))["PolicyVersion"]["IsDefaultVersion"]
