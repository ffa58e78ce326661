"""Operations are decided like any other action, by the policies as they are; and what was changed can be seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from iam_guard.directory.authorization import Authorization
from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import (
    Account,
    ControlPolicy,
    Group,
    Kind,
    ManagedPolicy,
    Organization,
    PolicyVersion,
    Unit,
    User,
)
from iam_guard.directory.operation import Answer, Operation
from iam_guard.directory.operations.access_keys import CreateAccessKey
from iam_guard.directory.operations.attachments import AttachUserPolicy
from iam_guard.directory.operations.inline import PutUserPolicy
from iam_guard.directory.operations.passwords import CreateLoginProfile, UpdateLoginProfile
from iam_guard.directory.operations.policies import GetPolicy
from iam_guard.directory.operations.users import CreateUser, DeleteUser, GetUser, ListUsers
from iam_guard.directory.shapes import Tag
from iam_guard.errors import OperationDeniedError
from iam_guard.model import Principal
from iam_guard.policy.parse import parse_policy
from iam_guard.store.memory_directory import MemoryDirectoryStore

HOME, OTHER = "000000000000", "111111111111"
ANN = Principal.user("ann")

Perform = Callable[..., Answer]


def says(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource,
            **({"Condition": condition} if condition else {})}


def user(name: str, *statements: dict[str, Any], account: str = HOME, **more: Any) -> User:
    return User(account=account, name=name, arn=f"arn:app:iam::{account}:user/{name}", id=f"AIDA{name.upper()}",
                inline={"Own": says(*statements)} if statements else {}, **more)


def policy(name: str, *statements: dict[str, Any], account: str = HOME) -> ManagedPolicy:
    return ManagedPolicy(account=account, name=name, arn=f"arn:app:iam::{account}:policy/{name}", id=f"ANPA{name}",
                         versions=(PolicyVersion(id="v1", document=says(*statements)),))


@pytest.fixture
def guarded(make_directory: Callable[..., Directory]) -> Directory:
    return make_directory(referee=Authorization())


@pytest.fixture
def perform(guarded: Directory) -> Perform:
    def perform(operation: Operation, by: Principal = ANN, **more: Any) -> Answer:
        return guarded.perform(operation, by=by, **more)

    return perform


def test_who_was_allowed_nothing_may_do_nothing(put: Callable[..., None], perform: Perform,
                                                store: MemoryDirectoryStore) -> None:
    put(user("ann"))
    for operation in (CreateUser(user_name="ben"), GetUser(user_name="ann"), ListUsers()):
        with pytest.raises(OperationDeniedError):
            perform(operation)
    assert store.revision() == 1


def test_a_denial_carries_its_decision(put: Callable[..., None], perform: Perform) -> None:
    put(user("ann"))
    with pytest.raises(OperationDeniedError) as refused:
        perform(CreateUser(user_name="ben"))
    assert refused.value.decision is not None
    assert str(refused.value) == ("User: arn:app:iam::000000000000:user/ann is not authorized to perform: "
                                  "iam:CreateUser on resource: arn:app:iam::000000000000:user/ben because no "
                                  "identity-based policy allows the iam:CreateUser action")


def test_the_resource_is_the_entity(put: Callable[..., None], perform: Perform) -> None:
    put(user("ann", allow("iam:CreateUser", f"arn:app:iam::{HOME}:user/team/*")))
    perform(CreateUser(user_name="ben", path="/team/"))
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="cy"))
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="dee", path="/teams/"))


def test_conditions_see_tags_boundary_time_and_request(put: Callable[..., None], perform: Perform) -> None:
    edge = policy("Edge", allow("docs:Get"))
    put(edge, user("ann", allow("docs:Get"),
                   allow("iam:CreateUser", StringEquals={"iam:PermissionsBoundary": edge.arn,
                                                         "aws:RequestTag/team": "red"},
                         DateEquals={"aws:CurrentTime": "2026-01-01T12:00:00Z"},
                         IpAddress={"aws:SourceIp": "10.0.0.0/8"})))
    tag, office = Tag(key="team", value="red"), {"aws:SourceIp": "10.1.1.1"}
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="ben", tags=(tag,)), context=office)
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="ben", permissions_boundary=edge.arn), context=office)
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="ben", permissions_boundary=edge.arn, tags=(tag,)))
    perform(CreateUser(user_name="ben", permissions_boundary=edge.arn, tags=(tag,)), context=office)


def test_nobody_says_of_a_request_who_asks(put: Callable[..., None], perform: Perform) -> None:
    put(user("ann", allow("iam:ListUsers", StringEquals={"aws:username": "boss"})))
    with pytest.raises(OperationDeniedError):
        perform(ListUsers(), context={"aws:username": "boss", "AWS:UserName": "boss"})


def test_other_accounts_are_out_of_reach(put: Callable[..., None], perform: Perform) -> None:
    # Threat E26: whatever a policy of one account says is about that account.
    put(user("ann", allow("*")), user("ben", account=OTHER))
    for operation in (GetUser(user_name="ben"), ListUsers(), CreateUser(user_name="cy")):
        with pytest.raises(OperationDeniedError):
            perform(operation, account=OTHER)
    perform(ListUsers(), account=HOME)


def test_policies_of_the_platform_can_be_looked_at(put: Callable[..., None], perform: Perform) -> None:
    shared = policy("ReadOnly", allow("docs:Get"), account="aws")
    put(shared, user("ann", allow("iam:GetPolicy")), user("ben"))
    assert perform(GetPolicy(policy_arn=shared.arn))["Policy"]["PolicyName"] == "ReadOnly"
    with pytest.raises(OperationDeniedError):
        perform(GetPolicy(policy_arn=shared.arn), by=Principal.user("ben"))


def test_the_organization_limits_its_members_administrators(put: Callable[..., None], perform: Perform) -> None:
    put(Organization(id="o-1", management=OTHER, root="r-1"), Unit(id="r-1", scps=("NoUsers",)),
        Account(account=HOME, parent="r-1"),
        ControlPolicy(type="scp", name="NoUsers", document=says(
            allow("*"), {"Effect": "Deny", "Action": "iam:CreateUser", "Resource": "*"})),
        user("ann", allow("*")))
    perform(ListUsers())
    for who in (ANN, Principal.root()):
        with pytest.raises(OperationDeniedError):
            perform(CreateUser(user_name="ben"), by=who)


def test_an_account_root_may_do_everything_in_its_account(perform: Perform) -> None:
    perform(CreateUser(user_name="ann"), by=Principal.root())
    perform(PutUserPolicy(user_name="ann", policy_name="All", policy_document=says(allow("*"))), by=Principal.root())
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="ben"), by=Principal.root(account=OTHER), account=HOME)


def test_a_session_is_limited_by_what_it_was_given(put: Callable[..., None], perform: Perform) -> None:
    put(user("ann", allow("*")))
    session = Principal.user("ann", session_policies=(parse_policy(says(allow("iam:List*"))),))
    perform(ListUsers(), by=session)
    with pytest.raises(OperationDeniedError):
        perform(CreateUser(user_name="ben"), by=session)


def test_whoever_had_the_name_before_is_somebody_else(put: Callable[..., None], perform: Perform) -> None:
    # Threat E25.1, on the directory's side: the id in the token is not the id of this user.
    put(user("ann", allow("iam:ListUsers")))
    perform(ListUsers(), by=Principal.user("ann", unique_id="AIDAANN"))
    with pytest.raises(OperationDeniedError):
        perform(ListUsers(), by=Principal.user("ann", unique_id="AIDAFORMER"))


def test_a_group_that_is_added_counts_at_once(put: Callable[..., None], perform: Perform) -> None:
    put(Group(account=HOME, name="Staff", arn=f"arn:app:iam::{HOME}:group/Staff",
              inline={"Own": says(allow("iam:ListUsers"))}), user("ann"))
    with pytest.raises(OperationDeniedError):
        perform(ListUsers())
    put(user("ann", groups=("Staff",)))
    perform(ListUsers())


# --- history --------------------------------------------------------------------------------------------


def test_every_change_is_recorded(put: Callable[..., None], perform: Perform, guarded: Directory) -> None:
    put(user("ann", allow("*")))
    perform(CreateUser(user_name="ben"))
    perform(DeleteUser(user_name="ben"))
    perform(ListUsers())
    imported, made, deleted = guarded.history(by=ANN)
    assert (imported.revision, made.revision, deleted.revision) == (1, 2, 3)
    assert (made.who, made.operation, made.at) == (ANN.arn, "CreateUser", "2026-01-01T12:00:00Z")
    (entry,) = made.entries
    assert (entry.kind, entry.account, entry.name, entry.before) == ("user", HOME, "ben", None)
    assert entry.after is not None
    assert entry.after["arn"] == f"arn:app:iam::{HOME}:user/ben"
    assert deleted.entries[0].before == entry.after
    assert deleted.entries[0].after is None
    assert guarded.history(by=ANN, since=2) == [deleted]


def test_what_was_refused_is_no_change(put: Callable[..., None], perform: Perform, guarded: Directory) -> None:
    put(user("ann", allow("iam:*")))
    with pytest.raises(OperationDeniedError):
        perform(PutUserPolicy(user_name="ann", policy_name="More", policy_document=says(allow("*"))))
    assert [record.operation for record in guarded.history(by=ANN)] == ["Import"]


def test_history_repeats_no_secret(put: Callable[..., None], perform: Perform, guarded: Directory) -> None:
    put(user("ann", allow("*")), user("ben"))
    secret = perform(CreateAccessKey(user_name="ben"))["AccessKey"]["SecretAccessKey"]
    perform(CreateLoginProfile(user_name="ben", password="Correct-Horse-1"))
    perform(UpdateLoginProfile(user_name="ben", password="Battery-Staple-2"))
    records = guarded.history(by=ANN, since=1)
    assert len(records) == 3
    for text in (secret, "Correct-Horse-1", "Battery-Staple-2", "hash of"):
        assert text not in repr(records)
    key, _, changed = (record.entries[0] for record in records)
    assert key.after is not None
    assert changed.after is not None
    assert key.after["secret"] == "***"
    assert changed.after["password"] == "*** (changed)"


def test_history_is_of_one_account_and_for_who_may_see_it(put: Callable[..., None], guarded: Directory) -> None:
    put(user("ann", allow("iam:GetDirectoryHistory")), user("ben", allow("iam:List*")))
    put(user("cy", account=OTHER))
    put(Organization(id="o-1", management=HOME))
    put(user("dee", allow("*"), account=OTHER))
    assert [record.revision for record in guarded.history(by=ANN)] == [1, 3]
    assert [record.revision for record in guarded.history(by=Principal.user("dee", account=OTHER))] == [2, 4]
    with pytest.raises(OperationDeniedError):
        guarded.history(by=Principal.user("ben"))


def test_attaching_is_decided_with_the_policy_in_view(put: Callable[..., None], perform: Perform,
                                                      get: Callable[..., Any]) -> None:
    read, write = policy("Read", allow("docs:Get")), policy("Write", allow("docs:Put"))
    put(read, write, user("ben"),
        user("ann", allow("docs:*"), allow("iam:AttachUserPolicy", ArnEquals={"iam:PolicyARN": read.arn})))
    perform(AttachUserPolicy(user_name="ben", policy_arn=read.arn))
    with pytest.raises(OperationDeniedError):
        perform(AttachUserPolicy(user_name="ben", policy_arn=write.arn))
    assert get(Kind.USER, "ben").policies == (read.arn,)
