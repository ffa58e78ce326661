"""Roles, and whom they trust (language specification, 2.5 rule 5 and 7.1)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Account, Key, Kind, Role, User
from iam_guard.directory.naming import operation_named
from iam_guard.directory.operations.attachments import AttachRolePolicy, DetachRolePolicy
from iam_guard.directory.operations.inline import DeleteRolePolicy, PutRolePolicy
from iam_guard.directory.operations.roles import (
    CreateRole,
    DeleteRole,
    GetRole,
    ListRoles,
    UpdateAssumeRolePolicy,
    UpdateRole,
    UpdateRoleDescription,
)
from iam_guard.directory.operations.users import CreateUser, DeleteUser, UpdateUser
from iam_guard.directory.port import Note
from iam_guard.directory.quotas import Quotas
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    InvalidInputError,
    LimitExceededError,
    MalformedPolicyDocumentError,
    UnmodifiableEntityError,
)
from iam_guard.model import Principal

Do = Callable[[Any], Any]
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
ANN = "arn:app:iam::000000000000:user/ann"


def trust(*names: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": list(names)}}})


def trusted(do: Do) -> list[str]:
    document = json.loads(do(GetRole(role_name="Publisher"))["Role"]["AssumeRolePolicyDocument"])
    return list(document["Statement"]["Principal"]["AWS"])


@pytest.fixture(autouse=True)
def publisher(do: Do) -> None:
    do(CreateUser(user_name="ann"))
    do(CreateRole(role_name="Publisher", assume_role_policy_document=trust(ANN), path="/team/", description="d"))


def test_a_role_has_an_arn_a_unique_id_and_its_document_as_it_was_given(do: Do) -> None:
    assert do(GetRole(role_name="publisher"))["Role"] == {
        "Path": "/team/", "RoleName": "Publisher", "RoleId": "AROA00000000000000002",
        "Arn": "arn:app:iam::000000000000:role/team/Publisher", "CreateDate": "2026-01-01T12:00:00Z",
        "AssumeRolePolicyDocument": trust(ANN), "Description": "d", "MaxSessionDuration": 3600}
    with pytest.raises(EntityAlreadyExistsError):
        do(CreateRole(role_name="PUBLISHER", assume_role_policy_document=trust(ANN)))
    assert [one["RoleName"] for one in do(ListRoles(path_prefix="/team/"))["Roles"]] == ["Publisher"]


def test_a_trust_policy_is_one(do: Do) -> None:
    for document in (ALLOW, "{}", "nonsense", trust(ANN).replace("Allow", "allow")):
        with pytest.raises(MalformedPolicyDocumentError) as refused:
            do(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=document))
        assert refused.value.status == 400
    assert trusted(do) == [ANN]


def test_whoever_gets_the_name_later_is_not_trusted(do: Do) -> None:
    unique = do(operation_named("GetUser", {"UserName": "ann"}))["User"]["UserId"]
    do(DeleteUser(user_name="ann"))
    assert trusted(do) == [unique]
    do(CreateUser(user_name="ann"))
    assert trusted(do) == [unique]
    do(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=trust(ANN)))
    assert trusted(do) == [ANN]


def test_whoever_gets_another_name_is_trusted_still(do: Do) -> None:
    do(UpdateUser(user_name="ann", new_user_name="anna"))
    assert trusted(do) == [f"{ANN}a"]
    do(CreateUser(user_name="ann"))
    assert trusted(do) == [f"{ANN}a"]


def test_strangers_are_trusted_by_their_names(do: Do) -> None:
    stranger = "arn:app:iam::111122223333:user/eve"
    do(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=trust(stranger, "444455556666")))
    assert trusted(do) == [stranger, "444455556666"]


@pytest.mark.parametrize("name", ["user/ben", "user/Ann", "user/x/ann", "role/team/Other"])
def test_nobody_is_trusted_before_they_exist(do: Do, name: str) -> None:
    nobody = f"arn:app:iam::000000000000:{name}"
    with pytest.raises(MalformedPolicyDocumentError) as refused:
        do(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=trust(ANN, nobody)))
    assert str(refused.value).startswith("Invalid principal in policy")
    assert trusted(do) == [ANN]
    with pytest.raises(MalformedPolicyDocumentError):
        do(CreateRole(role_name="Other", path="/team/", assume_role_policy_document=trust(nobody)))


def test_other_accounts_of_the_directory_are_no_strangers(do: Do, put: Callable[..., None]) -> None:
    put(Account(account="111122223333"))
    eve = User(account="111122223333", name="eve", arn="arn:app:iam::111122223333:user/eve", id="AIDAEVE")
    with pytest.raises(MalformedPolicyDocumentError):
        do(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=trust(eve.arn)))
    put(eve)
    do(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=trust(eve.arn)))
    assert trusted(do) == [eve.arn]


@pytest.mark.parametrize("seconds", [3599, 43201, 0, -1])
def test_sessions_last_from_one_hour_to_twelve(seconds: int) -> None:
    with pytest.raises(InvalidInputError):
        operation_named("UpdateRole", {"RoleName": "Publisher", "MaxSessionDuration": seconds})


def test_what_is_not_given_stays(do: Do) -> None:
    do(UpdateRole(role_name="Publisher", max_session_duration=7200))
    role = do(GetRole(role_name="Publisher"))["Role"]
    assert (role["Description"], role["MaxSessionDuration"]) == ("d", 7200)
    do(UpdateRole(role_name="Publisher", description=""))
    assert "Description" not in do(GetRole(role_name="Publisher"))["Role"]
    assert do(UpdateRoleDescription(role_name="Publisher", description="e"))["Role"]["Description"] == "e"
    with pytest.raises(InvalidInputError):
        do(UpdateRoleDescription(role_name="Publisher", description="e" * 1001))


def test_a_role_that_holds_something_stays(do: Do, policy: Callable[..., str]) -> None:
    arn = policy("Read")
    do(AttachRolePolicy(role_name="Publisher", policy_arn=arn))
    do(PutRolePolicy(role_name="Publisher", policy_name="p", policy_document=ALLOW))
    for undo in (DetachRolePolicy(role_name="Publisher", policy_arn=arn),
                 DeleteRolePolicy(role_name="Publisher", policy_name="p")):
        with pytest.raises(DeleteConflictError):
            do(DeleteRole(role_name="Publisher"))
        do(undo)
    do(DeleteRole(role_name="Publisher"))
    assert do(ListRoles())["Roles"] == []


def test_roles_of_the_platform_stay_as_they_are(do: Do, put: Callable[..., None]) -> None:
    with pytest.raises(UnmodifiableEntityError):
        do(CreateRole(role_name="X", path="/aws-service-role/x.app/", assume_role_policy_document=trust(ANN)))
    put(Role(account="000000000000", name="Own", arn="arn:app:iam::000000000000:role/aws-service-role/x/Own",
             path="/aws-service-role/x/", id="AROAX"))
    for operation in (DeleteRole(role_name="Own"), UpdateRole(role_name="Own", description="x"),
                      UpdateAssumeRolePolicy(role_name="Own", policy_document=trust(ANN)),
                      PutRolePolicy(role_name="Own", policy_name="p", policy_document=ALLOW)):
        with pytest.raises(UnmodifiableEntityError):
            do(operation)


def test_quotas(make_directory: Callable[..., Directory], admin: Principal) -> None:
    directory = make_directory(quotas=Quotas(roles=1, trust_policy_size=10))
    with pytest.raises(LimitExceededError):
        directory.perform(CreateRole(role_name="Second", assume_role_policy_document=trust(ANN)), by=admin)
    with pytest.raises(LimitExceededError):
        directory.perform(UpdateAssumeRolePolicy(role_name="Publisher", policy_document=trust(ANN)), by=admin)


def test_a_role_tells_when_it_was_last_assumed(do: Do, directory: Directory) -> None:
    assert "RoleLastUsed" not in do(GetRole(role_name="Publisher"))["Role"]
    with directory.store.write(Note("", "Use", "2026-01-01T00:00:00Z")) as tx:
        role = tx.get(Key(Kind.ROLE, "000000000000", "publisher"))
        assert isinstance(role, Role)
        tx.put(replace(role, last_used="2026-02-03T04:05:06Z"))
    assert do(GetRole(role_name="Publisher"))["Role"]["RoleLastUsed"] == {"LastUsedDate": "2026-02-03T04:05:06Z"}
    assert "RoleLastUsed" not in do(ListRoles())["Roles"][0]
