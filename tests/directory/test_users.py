"""Users: IAM's rules for making, renaming and deleting them (language specification, 7.1 and 1.10)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Kind
from iam_guard.directory.naming import operation_named
from iam_guard.directory.operations.access_keys import CreateAccessKey, DeleteAccessKey, ListAccessKeys
from iam_guard.directory.operations.groups import AddUserToGroup, CreateGroup, RemoveUserFromGroup
from iam_guard.directory.operations.inline import DeleteUserPolicy, PutUserPolicy
from iam_guard.directory.operations.passwords import CreateLoginProfile, DeleteLoginProfile
from iam_guard.directory.operations.users import CreateUser, DeleteUser, GetUser, ListUsers, UpdateUser
from iam_guard.directory.quotas import Quotas
from iam_guard.directory.shapes import Tag
from iam_guard.errors import (
    DeleteConflictError,
    EntityAlreadyExistsError,
    InvalidInputError,
    LimitExceededError,
    NoSuchEntityError,
)
from iam_guard.model import Principal

Do = Callable[[Any], Any]
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'


def test_a_user_has_an_arn_and_a_unique_id(do: Do) -> None:
    user = do(CreateUser(user_name="ann", path="/staff/", tags=(Tag(key="team", value="red"),)))["User"]
    assert user == {"Path": "/staff/", "UserName": "ann", "UserId": "AIDA00000000000000001",
                    "Arn": "arn:app:iam::000000000000:user/staff/ann", "CreateDate": "2026-01-01T12:00:00Z",
                    "Tags": [{"Key": "team", "Value": "red"}]}
    assert do(GetUser(user_name="ann")) == {"User": user}


def test_names_are_the_same_whatever_their_case(do: Do) -> None:
    do(CreateUser(user_name="Ann"))
    assert do(GetUser(user_name="aNN"))["User"]["UserName"] == "Ann"
    with pytest.raises(EntityAlreadyExistsError) as refused:
        do(CreateUser(user_name="ANN"))
    assert (refused.value.code, refused.value.status) == ("EntityAlreadyExists", 409)
    do(CreateGroup(group_name="Ann"))  # groups have names of their own


@pytest.mark.parametrize("name", ["", "a" * 65, "an n", "ann/b", "änn", "ann\n", "a*"])
def test_names_that_are_none(do: Do, name: str) -> None:
    with pytest.raises(InvalidInputError):
        do(CreateUser(user_name=name))


@pytest.mark.parametrize("path", ["", "staff", "/staff", "staff/", "/st aff/", "/ä/", "/" + "a" * 511 + "/"])
def test_paths_that_are_none(do: Do, path: str) -> None:
    with pytest.raises(InvalidInputError):
        do(CreateUser(user_name="ann", path=path))


def test_the_caller_is_meant_where_nobody_is_named(directory: Directory, do: Do, admin: Principal) -> None:
    do(CreateUser(user_name="admin"))
    assert directory.perform(GetUser(), by=admin)["User"]["UserName"] == "admin"
    with pytest.raises(InvalidInputError):
        directory.perform(GetUser(), by=Principal.root())


def test_nobody(do: Do) -> None:
    for operation in (GetUser(user_name="x"), DeleteUser(user_name="x"), UpdateUser(user_name="x")):
        with pytest.raises(NoSuchEntityError) as refused:
            do(operation)
        assert (refused.value.code, refused.value.status) == ("NoSuchEntity", 404)


def test_a_renamed_user_is_the_same_user(do: Do) -> None:
    before = do(CreateUser(user_name="ann"))["User"]
    do(CreateGroup(group_name="editors"))
    do(AddUserToGroup(group_name="editors", user_name="ann"))
    do(PutUserPolicy(user_name="ann", policy_name="p", policy_document=ALLOW))
    key = do(CreateAccessKey(user_name="ann"))["AccessKey"]["AccessKeyId"]
    do(UpdateUser(user_name="ann", new_user_name="anna", new_path="/new/"))
    after = do(GetUser(user_name="anna"))["User"]
    assert (after["UserId"], after["Arn"]) == (before["UserId"], "arn:app:iam::000000000000:user/new/anna")
    with pytest.raises(NoSuchEntityError):
        do(GetUser(user_name="ann"))
    listed = do(ListAccessKeys(user_name="anna"))["AccessKeyMetadata"]
    assert [(one["AccessKeyId"], one["UserName"]) for one in listed] == [(key, "anna")]


def test_a_name_may_change_its_case_and_not_take_anothers(do: Do) -> None:
    do(CreateUser(user_name="ann"))
    do(CreateUser(user_name="ben"))
    do(UpdateUser(user_name="ann", new_user_name="Ann"))
    assert do(GetUser(user_name="ann"))["User"]["UserName"] == "Ann"
    with pytest.raises(EntityAlreadyExistsError):
        do(UpdateUser(user_name="ann", new_user_name="BEN"))


def test_a_name_that_is_used_again_is_somebody_else(do: Do) -> None:
    first = do(CreateUser(user_name="ann"))["User"]["UserId"]
    do(DeleteUser(user_name="ann"))
    assert do(CreateUser(user_name="ann"))["User"]["UserId"] != first


def test_a_user_that_holds_something_stays(do: Do, policy: Callable[..., str]) -> None:
    do(CreateUser(user_name="ann"))
    do(CreateGroup(group_name="editors"))
    arn, key = policy("Read"), do(CreateAccessKey(user_name="ann"))["AccessKey"]["AccessKeyId"]
    do(operation_named("AttachUserPolicy", {"UserName": "ann", "PolicyArn": arn}))
    do(PutUserPolicy(user_name="ann", policy_name="p", policy_document=ALLOW))
    do(AddUserToGroup(group_name="editors", user_name="ann"))
    do(CreateLoginProfile(user_name="ann", password="Correct-horse-7"))
    for undo in (operation_named("DetachUserPolicy", {"UserName": "ann", "PolicyArn": arn}),
                 DeleteUserPolicy(user_name="ann", policy_name="p"),
                 RemoveUserFromGroup(group_name="editors", user_name="ann"),
                 DeleteAccessKey(user_name="ann", access_key_id=key), DeleteLoginProfile(user_name="ann")):
        with pytest.raises(DeleteConflictError) as refused:
            do(DeleteUser(user_name="ann"))
        assert refused.value.status == 409
        do(undo)
    do(DeleteUser(user_name="ann"))


def test_users_in_pages(do: Do) -> None:
    for name in ("cy", "Ann", "ben"):
        do(CreateUser(user_name=name))
    first = do(ListUsers(max_items=2))
    assert ([one["UserName"] for one in first["Users"]], first["IsTruncated"]) == (["Ann", "ben"], True)
    do(CreateUser(user_name="aa"))  # who comes before the marker does not disturb
    second = do(ListUsers(max_items=2, marker=first["Marker"]))
    assert ([one["UserName"] for one in second["Users"]], second["IsTruncated"]) == (["cy"], False)


def test_users_by_path(do: Do) -> None:
    do(CreateUser(user_name="ann", path="/staff/red/"))
    do(CreateUser(user_name="ben", path="/staffette/"))
    assert [one["UserName"] for one in do(ListUsers(path_prefix="/staff/"))["Users"]] == ["ann"]
    assert [one["UserName"] for one in do(ListUsers(path_prefix="/staff"))["Users"]] == ["ann", "ben"]
    with pytest.raises(InvalidInputError):
        do(ListUsers(path_prefix="staff"))


def test_a_boundary_has_to_be_there(do: Do, policy: Callable[..., str], get: Callable[..., Any]) -> None:
    arn = policy("Limit")
    shape = do(CreateUser(user_name="ann", permissions_boundary=arn))["User"]["PermissionsBoundary"]
    assert shape["PermissionsBoundaryArn"] == arn
    with pytest.raises(NoSuchEntityError):
        do(CreateUser(user_name="ben", permissions_boundary=f"{arn}X"))
    assert get(Kind.USER, "ben") is None


def test_quotas(make_directory: Callable[..., Directory], admin: Principal) -> None:
    directory = make_directory(quotas=Quotas(users=1, tags=1))
    directory.perform(CreateUser(user_name="ann"), by=admin)
    with pytest.raises(LimitExceededError) as refused:
        directory.perform(CreateUser(user_name="ben"), by=admin)
    assert str(refused.value) == "Cannot exceed quota for UsersPerAccount: 1"
    directory.perform(CreateUser(user_name="ben"), by=admin, account="111122223333")  # each account has its own


def test_what_a_referee_is_told(do: Do, referee: Any, policy: Callable[..., str]) -> None:
    arn = policy("Limit")
    do(CreateUser(user_name="ann", path="/staff/", permissions_boundary=arn, tags=(Tag(key="Team", value="red"),)))
    assert referee.asked[-1] == ("iam:CreateUser", "arn:app:iam::000000000000:user/staff/ann", {
        "iam:PermissionsBoundary": arn, "aws:RequestTag/Team": "red", "aws:TagKeys": ("Team",),
        "aws:ResourceTag/Team": "red"})
    do(GetUser(user_name="ann"))
    assert referee.asked[-1][:2] == ("iam:GetUser", "arn:app:iam::000000000000:user/staff/ann")
    assert referee.asked[-1][2]["iam:ResourceTag/Team"] == "red"
