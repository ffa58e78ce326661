"""Service and resource control policies."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from iam_guard.directory.entities import Kind
from iam_guard.directory.operations.accounts import CreateAccount
from iam_guard.directory.operations.control_policies import (
    AttachControlPolicy,
    CreateControlPolicy,
    DeleteControlPolicy,
    DescribeControlPolicy,
    DetachControlPolicy,
    ListControlPolicies,
    ListControlPoliciesForTarget,
    ListTargetsForControlPolicy,
    UpdateControlPolicy,
)
from iam_guard.directory.operations.organization import CreateOrganization, ListRoots
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    LimitExceededError,
    MalformedPolicyDocumentError,
    NoSuchEntityError,
    UnmodifiableEntityError,
)

TENANT = "111122223333"
SCP, RCP = "SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"
NO_B = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"a:B","Resource":"*"}]}'
NO_S3 = ('{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:GetObject",'
         '"Resource":"*"}]}')


@pytest.fixture
def root(do: Any) -> str:
    do(CreateOrganization())
    do(CreateAccount(account_name="Tenant", account_id=TENANT))
    return do(ListRoots())["Roots"][0]["Id"]


@pytest.fixture
def scp(do: Any, root: str) -> dict[str, Any]:
    do(CreateControlPolicy(type=SCP, name="NoB", content=NO_B, description="No B"))
    return {"type": SCP, "name": "NoB"}


def names(do: Any, target: str, type: str = SCP) -> list[str]:
    return [one["Name"] for one in do(ListControlPoliciesForTarget(target_id=target, filter=type))["Policies"]]


def test_a_policy_is_made_changed_and_deleted(do: Any, scp: Any, referee: Any) -> None:
    found = do(DescribeControlPolicy(**scp))["Policy"]
    assert found["Content"] == NO_B
    summary = found["PolicySummary"]
    assert {key: summary[key] for key in ("Name", "Description", "Type")} == {
        "Name": "NoB", "Description": "No B", "Type": SCP}
    assert referee.asked[-1][:2] == ("organizations:DescribeControlPolicy", summary["Arn"])
    do(UpdateControlPolicy(**scp, content=NO_B.replace("a:B", "a:C")))
    changed = do(DescribeControlPolicy(**scp))["Policy"]
    assert (changed["Content"], changed["PolicySummary"]) == (NO_B.replace("a:B", "a:C"), summary)
    do(DeleteControlPolicy(**scp))
    with pytest.raises(NoSuchEntityError):
        do(DescribeControlPolicy(**scp))


def test_types_are_name_spaces(do: Any, scp: Any) -> None:
    with pytest.raises(EntityAlreadyExistsError):
        do(CreateControlPolicy(type=SCP, name="nob", content=NO_B))
    do(CreateControlPolicy(type=RCP, name="NoB", content=NO_S3))
    for which in (SCP, RCP):
        found = do(ListControlPolicies(filter=which))["Policies"]
        assert [(one["Name"], one["Type"]) for one in found] == [("NoB", which)]


@pytest.mark.parametrize(("type", "content"), [
    (SCP, NO_S3), (RCP, NO_B), (RCP, NO_S3.replace("Deny", "Allow")), (RCP, NO_S3.replace("s3:GetObject", "*")),
    (SCP, "{")])
def test_documents_are_read_as_what_they_are(do: Any, root: str, type: Any, content: str) -> None:
    with pytest.raises(MalformedPolicyDocumentError):
        do(CreateControlPolicy(type=type, name="X", content=content))


@pytest.mark.parametrize(("type", "content", "most"), [(SCP, NO_B, 10240), (RCP, NO_S3, 5120)])
def test_documents_are_so_long_at_most(do: Any, root: str, type: Any, content: str, most: int) -> None:
    def of(size: int) -> str:
        return content.replace('","Resource"', f'{"x" * (size - len(content))}","Resource"')

    do(CreateControlPolicy(type=type, name="Fits", content=of(most)))
    with pytest.raises(LimitExceededError):
        do(CreateControlPolicy(type=type, name="TooLong", content=of(most + 1)))


@pytest.mark.parametrize(("type", "name"), [(SCP, "FullAWSAccess"), (SCP, "fullawsaccess"), (RCP, "RCPFullAWSAccess")])
def test_nobody_puts_something_else_under_the_platforms_name(do: Any, root: str, type: Any, name: str) -> None:
    with pytest.raises(EntityAlreadyExistsError):
        do(CreateControlPolicy(type=type, name=name, content=NO_B))
    for operation in (UpdateControlPolicy, DeleteControlPolicy):
        with pytest.raises(UnmodifiableEntityError):
            do(operation(type=type, name=name))


def test_without_an_organization_there_is_nothing_to_control(do: Any) -> None:
    with pytest.raises(NoSuchEntityError):
        do(CreateControlPolicy(type=SCP, name="X", content=NO_B))


# --- attaching ---


def test_it_is_attached_beside_the_full_access_that_was_understood(do: Any, scp: Any, get: Any, root: str) -> None:
    assert names(do, TENANT) == ["FullAWSAccess"]
    for _ in range(2):
        do(AttachControlPolicy(**scp, target_id=TENANT))
    assert get(Kind.ACCOUNT, TENANT, TENANT).scps == ("FullAWSAccess", "NoB")
    do(DetachControlPolicy(**scp, target_id=TENANT))
    assert names(do, TENANT) == ["FullAWSAccess"]
    with pytest.raises(NoSuchEntityError):
        do(DetachControlPolicy(**scp, target_id=TENANT))


def test_one_service_control_policy_stays(do: Any, scp: Any, root: str) -> None:
    full = DetachControlPolicy(type=SCP, name="FullAWSAccess", target_id=root)
    with pytest.raises(LimitExceededError):
        do(full)
    do(AttachControlPolicy(**scp, target_id=root))
    do(full)
    assert names(do, root) == ["NoB"]
    with pytest.raises(LimitExceededError):
        do(DetachControlPolicy(**scp, target_id=root))
    do(AttachControlPolicy(type=SCP, name="fullawsaccess", target_id=root))
    assert names(do, root) == ["FullAWSAccess", "NoB"]


def test_resource_control_policies_only_take_away_so_none_may_be_left(do: Any, get: Any, root: str) -> None:
    do(CreateControlPolicy(type=RCP, name="NoS3", content=NO_S3))
    where = {"type": RCP, "name": "NoS3", "target_id": root}
    do(AttachControlPolicy(**where))
    assert names(do, root, RCP) == ["NoS3"]
    do(DetachControlPolicy(**where))
    assert get(Kind.UNIT, root, "").rcps == ()


@pytest.mark.parametrize(("type", "content", "room"), [(SCP, NO_B, 9), (RCP, NO_S3, 5)])
def test_so_many_are_attached_to_one_target(do: Any, root: str, type: Any, content: str, room: int) -> None:
    for number in range(room):
        do(CreateControlPolicy(type=type, name=f"P{number}", content=content))
        do(AttachControlPolicy(type=type, name=f"P{number}", target_id=root))
    do(CreateControlPolicy(type=type, name="More", content=content))
    with pytest.raises(LimitExceededError):
        do(AttachControlPolicy(type=type, name="More", target_id=root))


def test_both_have_to_be_there(do: Any, scp: Any, root: str) -> None:
    with pytest.raises(NoSuchEntityError):
        do(AttachControlPolicy(**scp, target_id="ou-none"))
    with pytest.raises(NoSuchEntityError):
        do(AttachControlPolicy(type=SCP, name="None", target_id=root))


def test_what_is_attached_is_not_deleted_and_says_where(do: Any, scp: Any, root: str, referee: Any) -> None:
    for target in (root, TENANT):
        do(AttachControlPolicy(**scp, target_id=target))
    assert do(ListTargetsForControlPolicy(**scp))["Targets"] == [
        {"TargetId": TENANT, "Name": "Tenant", "Type": "ACCOUNT"}, {"TargetId": root, "Name": "Root", "Type": "ROOT"}]
    with pytest.raises(DeleteConflictError):
        do(DeleteControlPolicy(**scp))


def test_attaching_is_decided_on_the_target(do: Any, scp: Any, root: str, referee: Any) -> None:
    do(AttachControlPolicy(**scp, target_id=TENANT))
    action, resource, _ = referee.asked[-1]
    assert action == "organizations:AttachControlPolicy"
    assert resource.endswith(f"/{TENANT}")


def test_the_wire_form(do: Any, root: str) -> None:
    asked = {"Type": SCP, "Name": "X", "Content": msgspec.json.decode(NO_B)}
    assert msgspec.json.decode(do(msgspec.convert(asked, CreateControlPolicy))["Policy"]["Content"]) == asked["Content"]
