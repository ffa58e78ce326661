"""Groups, and who is in them (language specification, 7.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from iam_guard.directory.directory import Directory
from iam_guard.directory.operations.attachments import AttachGroupPolicy, DetachGroupPolicy
from iam_guard.directory.operations.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroups,
    ListGroupsForUser,
    RemoveUserFromGroup,
    UpdateGroup,
)
from iam_guard.directory.operations.inline import DeleteGroupPolicy, PutGroupPolicy
from iam_guard.directory.operations.users import CreateUser
from iam_guard.directory.quotas import Quotas
from iam_guard.errors import DeleteConflictError, EntityAlreadyExistsError, LimitExceededError, NoSuchEntityError
from iam_guard.model import Principal

Do = Callable[[Any], Any]
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'


def members(do: Do, group: str) -> list[str]:
    return [one["UserName"] for one in do(GetGroup(group_name=group))["Users"]]


@pytest.fixture(autouse=True)
def people(do: Do) -> None:
    for name in ("ann", "ben", "cy"):
        do(CreateUser(user_name=name))
    do(CreateGroup(group_name="Editors", path="/team/"))


def test_a_group_has_an_arn_and_a_unique_id(do: Do) -> None:
    group = do(GetGroup(group_name="editors"))["Group"]
    assert group == {"Path": "/team/", "GroupName": "Editors", "GroupId": "AGPA00000000000000004",
                     "Arn": "arn:app:iam::000000000000:group/team/Editors", "CreateDate": "2026-01-01T12:00:00Z"}
    with pytest.raises(EntityAlreadyExistsError):
        do(CreateGroup(group_name="EDITORS"))
    assert [one["GroupName"] for one in do(ListGroups(path_prefix="/team/"))["Groups"]] == ["Editors"]
    assert do(ListGroups(path_prefix="/x/"))["Groups"] == []


def test_joining_twice_is_joining_once_and_leaving_is_no_matter(do: Do) -> None:
    for _ in range(2):
        do(AddUserToGroup(group_name="editors", user_name="ANN"))
    assert members(do, "Editors") == ["ann"]
    assert [one["GroupName"] for one in do(ListGroupsForUser(user_name="ann"))["Groups"]] == ["Editors"]
    for _ in range(2):
        do(RemoveUserFromGroup(group_name="EDITORS", user_name="ann"))
    assert members(do, "Editors") == []


def test_both_have_to_be_there(do: Do) -> None:
    for group, user in (("x", "ann"), ("Editors", "x")):
        for operation in (AddUserToGroup, RemoveUserFromGroup):
            with pytest.raises(NoSuchEntityError):
                do(operation(group_name=group, user_name=user))


def test_members_in_pages(do: Do) -> None:
    for name in ("cy", "ann", "ben"):
        do(AddUserToGroup(group_name="Editors", user_name=name))
    page = do(GetGroup(group_name="Editors", max_items=2))
    assert ([one["UserName"] for one in page["Users"]], page["IsTruncated"]) == (["ann", "ben"], True)
    rest = do(GetGroup(group_name="Editors", max_items=2, marker=page["Marker"]))
    assert [one["UserName"] for one in rest["Users"]] == ["cy"]


def test_a_renamed_group_keeps_id_policies_and_members(do: Do) -> None:
    before = do(GetGroup(group_name="Editors"))["Group"]
    do(AddUserToGroup(group_name="Editors", user_name="ann"))
    do(UpdateGroup(group_name="editors", new_group_name="Writers", new_path="/"))
    after = do(GetGroup(group_name="Writers"))
    assert (after["Group"]["GroupId"], after["Group"]["Arn"]) == (
        before["GroupId"], "arn:app:iam::000000000000:group/Writers")
    assert members(do, "writers") == ["ann"]
    assert [one["GroupName"] for one in do(ListGroupsForUser(user_name="ann"))["Groups"]] == ["Writers"]
    with pytest.raises(NoSuchEntityError):
        do(GetGroup(group_name="Editors"))


def test_a_group_cannot_take_the_name_of_another(do: Do) -> None:
    do(CreateGroup(group_name="other"))
    with pytest.raises(EntityAlreadyExistsError):
        do(UpdateGroup(group_name="Editors", new_group_name="OTHER"))


def test_a_group_of_the_same_name_later_has_no_members(do: Do) -> None:
    do(AddUserToGroup(group_name="Editors", user_name="ann"))
    with pytest.raises(DeleteConflictError):
        do(DeleteGroup(group_name="Editors"))
    do(RemoveUserFromGroup(group_name="Editors", user_name="ann"))
    do(DeleteGroup(group_name="Editors"))
    do(CreateGroup(group_name="Editors"))
    assert members(do, "Editors") == []


def test_a_group_that_holds_something_stays(do: Do, policy: Callable[..., str]) -> None:
    arn = policy("Read")
    do(AttachGroupPolicy(group_name="Editors", policy_arn=arn))
    do(PutGroupPolicy(group_name="Editors", policy_name="p", policy_document=ALLOW))
    for undo in (DetachGroupPolicy(group_name="Editors", policy_arn=arn),
                 DeleteGroupPolicy(group_name="Editors", policy_name="p")):
        with pytest.raises(DeleteConflictError):
            do(DeleteGroup(group_name="Editors"))
        do(undo)
    do(DeleteGroup(group_name="Editors"))


def test_quotas(make_directory: Callable[..., Directory], admin: Principal, do: Do) -> None:
    do(CreateGroup(group_name="other"))
    directory = make_directory(quotas=Quotas(groups=2, groups_per_user=1))
    with pytest.raises(LimitExceededError):
        directory.perform(CreateGroup(group_name="third"), by=admin)
    directory.perform(AddUserToGroup(group_name="other", user_name="ann"), by=admin)
    with pytest.raises(LimitExceededError):
        directory.perform(AddUserToGroup(group_name="Editors", user_name="ann"), by=admin)


def test_a_referee_is_asked_about_the_group(do: Do, referee: Any) -> None:
    do(AddUserToGroup(group_name="Editors", user_name="ann"))
    assert referee.asked[-1][:2] == ("iam:AddUserToGroup", "arn:app:iam::000000000000:group/team/Editors")
    assert AddUserToGroup.grants
    assert RemoveUserFromGroup.grants
