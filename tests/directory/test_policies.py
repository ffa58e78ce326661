"""Managed policies."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from iam_guard.directory.entities import Kind, Role, User
from iam_guard.directory.operations.policies import (
    CreatePolicy,
    DeletePolicy,
    GetPolicy,
    ListEntitiesForPolicy,
    ListPolicies,
)
from iam_guard.directory.operations.versions import CreatePolicyVersion
from iam_guard.directory.quotas import Quotas
from iam_guard.directory.shapes import Tag
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    InvalidInputError,
    LimitExceededError,
    MalformedPolicyDocumentError,
    NoSuchEntityError,
    UnmodifiableEntityError,
)

ACCOUNT = "000000000000"
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
READ = f"arn:app:iam::{ACCOUNT}:policy/Read"


def user(name: str, **more: Any) -> User:
    return User(account=ACCOUNT, name=name, arn=f"arn:app:iam::{ACCOUNT}:user/{name}", id=f"AIDA{name}", **more)


def test_a_policy_is_made_with_one_version_that_counts(do: Any) -> None:
    made = do(CreatePolicy(policy_name="Read", path="/team/", policy_document=ALLOW, description="Reads"))["Policy"]
    assert made == {"PolicyName": "Read", "PolicyId": "ANPA00000000000000001", "Path": "/team/",
                    "Arn": f"arn:app:iam::{ACCOUNT}:policy/team/Read", "DefaultVersionId": "v1", "IsAttachable": True,
                    "AttachmentCount": 0, "PermissionsBoundaryUsageCount": 0, "Description": "Reads",
                    "CreateDate": "2026-01-01T12:00:00Z", "UpdateDate": "2026-01-01T12:00:00Z"}
    assert do(GetPolicy(policy_arn=made["Arn"])) == {"Policy": made}


def test_the_wire_form_is_iams(do: Any) -> None:
    asked = {"PolicyName": "Read", "PolicyDocument": json.loads(ALLOW), "Tags": [{"Key": "team", "Value": "x"}]}
    assert do(msgspec.convert(asked, CreatePolicy))["Policy"]["Tags"] == [{"Key": "team", "Value": "x"}]


def test_it_is_decided_on_the_policy_with_its_tags(do: Any, referee: Any) -> None:
    do(CreatePolicy(policy_name="Read", policy_document=ALLOW, tags=(Tag(key="team", value="x"),)))
    do(GetPolicy(policy_arn=READ))
    (create, made, asked_for), (get, found, known) = referee.asked
    assert (create, made, get, found) == ("iam:CreatePolicy", READ, "iam:GetPolicy", READ)
    assert asked_for == {"aws:RequestTag/team": "x", "aws:TagKeys": ("team",), "aws:ResourceTag/team": "x"}
    assert known == {"aws:ResourceTag/team": "x", "iam:ResourceTag/team": "x"}


def test_names_differ_by_more_than_case(do: Any) -> None:
    do(CreatePolicy(policy_name="Read", policy_document=ALLOW))
    with pytest.raises(EntityAlreadyExistsError):
        do(CreatePolicy(policy_name="READ", policy_document=ALLOW, path="/other/"))


@pytest.mark.parametrize("parameters", [{"policy_name": "no spaces"}, {"policy_name": ""}, {"policy_name": "x" * 129},
                                        {"path": "team"}, {"path": "/a//b/"}, {"path": "/a*/"},
                                        {"description": "x" * 1001}])
def test_parameters_are_checked(do: Any, parameters: dict[str, str]) -> None:
    with pytest.raises(InvalidInputError):
        do(CreatePolicy(**{"policy_name": "Read", "policy_document": ALLOW, **parameters}))


@pytest.mark.parametrize("document", ["{", "[]", "{}", '{"Version":"2012-10-17","Statement":[]}',
                                      ALLOW.replace("Allow", "Permit"), ALLOW.replace('"Version":"2012-10-17",', "")])
def test_documents_are_read_strictly(do: Any, document: str) -> None:
    with pytest.raises(MalformedPolicyDocumentError):
        do(CreatePolicy(policy_name="Read", policy_document=document))


def test_white_space_does_not_count_towards_the_size(do: Any) -> None:
    empty = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:","Resource":"*"}}'
    full = empty.replace('"a:"', '"a:' + "x" * (6144 - len(empty)) + '"')
    do(CreatePolicy(policy_name="Fits", policy_document=full + " " * 1000))
    with pytest.raises(LimitExceededError):
        do(CreatePolicy(policy_name="TooLong", policy_document=full.replace('"a:', '"a:x')))


def test_an_account_has_so_many(make_directory: Any, admin: Any) -> None:
    directory = make_directory(quotas=Quotas(policies=1))
    directory.perform(CreatePolicy(policy_name="One", policy_document=ALLOW), by=admin)
    with pytest.raises(LimitExceededError):
        directory.perform(CreatePolicy(policy_name="Two", policy_document=ALLOW), by=admin)


@pytest.mark.parametrize("arn", [READ.replace("Read", "read"), READ.replace("/Read", "/team/Read"),
                                 READ.replace(ACCOUNT, "111122223333"), READ.replace(":app:", ":aws:")])
def test_arns_are_compared_exactly(do: Any, policy: Any, arn: str) -> None:
    policy("Read")
    with pytest.raises(NoSuchEntityError):
        do(GetPolicy(policy_arn=arn))


def test_what_is_no_policy_is_no_input(do: Any) -> None:
    with pytest.raises(InvalidInputError):
        do(GetPolicy(policy_arn=f"arn:app:iam::{ACCOUNT}:user/Read"))


def test_a_policy_is_deleted(do: Any, policy: Any, get: Any) -> None:
    assert do(DeletePolicy(policy_arn=policy("Read"))) == {}
    assert get(Kind.POLICY, "read") is None


@pytest.mark.parametrize("use", [{"policies": (READ,)}, {"boundary": READ}])
def test_a_policy_in_use_stays(do: Any, policy: Any, put: Any, use: dict[str, Any]) -> None:
    policy("Read")
    put(user("ann", **use))
    with pytest.raises(DeleteConflictError):
        do(DeletePolicy(policy_arn=READ))


def test_a_policy_with_versions_stays(do: Any, policy: Any) -> None:
    do(CreatePolicyVersion(policy_arn=policy("Read"), policy_document=ALLOW))
    with pytest.raises(DeleteConflictError):
        do(DeletePolicy(policy_arn=READ))


def test_the_platforms_policies_stay_as_they_are(do: Any, policy: Any) -> None:
    with pytest.raises(UnmodifiableEntityError):
        do(DeletePolicy(policy_arn=policy("Admin", account="aws")))


def test_a_policy_counts_its_uses_in_this_account_alone(do: Any, policy: Any, put: Any) -> None:
    arn = policy("Admin", account="aws")
    put(user("ann", policies=(arn,), boundary=arn), user("ben", policies=(arn,)),
        User(account="other", name="cy", arn="arn:app:iam::other:user/cy", policies=(arn,)))
    found = do(GetPolicy(policy_arn=arn))["Policy"]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (2, 1)


def names(answer: Any) -> list[str]:
    return [one["PolicyName"] for one in answer["Policies"]]


@pytest.mark.parametrize(("parameters", "expected"), [
    ({}, ["Alpha", "Beta", "Read", "Admin"]), ({"scope": "Local"}, ["Alpha", "Beta", "Read"]),
    ({"scope": "AWS"}, ["Admin"]), ({"path_prefix": "/team"}, ["Beta"]), ({"only_attached": True}, ["Beta", "Read"]),
    ({"policy_usage_filter": "PermissionsPolicy"}, ["Read"]),
    ({"policy_usage_filter": "PermissionsBoundary"}, ["Beta"])])
def test_policies_are_listed_as_asked_for(do: Any, policy: Any, put: Any, parameters: dict[str, Any],
                                          expected: list[str]) -> None:
    policy("Admin", account="aws"), policy("Read"), policy("Alpha")
    put(user("ann", policies=(READ,), boundary=policy("Beta", path="/team/")))
    assert names(do(ListPolicies(**parameters))) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_pages_join_without_gap(do: Any, policy: Any, size: int) -> None:
    for name in ("a", "b", "c"):
        policy(name)
    policy("a", account="aws"), policy("z", account="aws")
    found, marker = [], ""
    for _ in range(6):
        page = do(ListPolicies(max_items=size, marker=marker))
        found += [one["Arn"] for one in page["Policies"]]
        if not page["IsTruncated"]:
            break
        marker = page["Marker"]
    assert [arn.split("::")[1] for arn in found] == [
        f"{ACCOUNT}:policy/a", f"{ACCOUNT}:policy/b", f"{ACCOUNT}:policy/c", "aws:policy/a", "aws:policy/z"]


def test_who_uses_a_policy(do: Any, policy: Any, put: Any) -> None:
    policy("Read")
    put(user("ann", policies=(READ,), path="/staff/"), user("ben", boundary=READ),
        Role(account=ACCOUNT, name="App", arn=f"arn:app:iam::{ACCOUNT}:role/App", id="AROA1", policies=(READ,)))
    ask = ListEntitiesForPolicy(policy_arn=READ)
    ann, ben = {"UserName": "ann", "UserId": "AIDAann"}, {"UserName": "ben", "UserId": "AIDAben"}
    app = {"RoleName": "App", "RoleId": "AROA1"}
    assert do(ask) == {"PolicyGroups": [], "PolicyUsers": [ann, ben], "PolicyRoles": [app], "IsTruncated": False}
    for more, users, roles in [({"entity_filter": "Role"}, [], [app]), ({"path_prefix": "/staff/"}, [ann], []),
                               ({"policy_usage_filter": "PermissionsBoundary"}, [ben], [])]:
        answer = do(msgspec.structs.replace(ask, **more))
        assert (answer["PolicyUsers"], answer["PolicyRoles"]) == (users, roles)
