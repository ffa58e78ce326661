"""Nobody gets more out of the directory than they had: rows of the threat model, and every sequence of operations.

The rows are of kinds E and C of the threat model, as far as they concern the directory; each test names its row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import count, product
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from iam_guard.directory.authorization import Authorization
from iam_guard.directory.directory import Directory
from iam_guard.directory.effective import attachments_of
from iam_guard.directory.entities import (
    AccessKey,
    Group,
    Kind,
    ManagedPolicy,
    PolicyVersion,
    ResourcePolicy,
    Role,
    StandingPolicy,
    User,
)
from iam_guard.directory.operation import Answer, Operation
from iam_guard.directory.operations import OPERATIONS
from iam_guard.directory.operations.access_keys import CreateAccessKey, UpdateAccessKey
from iam_guard.directory.operations.attachments import (
    AttachGroupPolicy,
    AttachRolePolicy,
    AttachUserPolicy,
    DetachGroupPolicy,
    DetachUserPolicy,
)
from iam_guard.directory.operations.boundaries import (
    DeleteRolePermissionsBoundary,
    DeleteUserPermissionsBoundary,
    PutUserPermissionsBoundary,
)
from iam_guard.directory.operations.groups import AddUserToGroup, CreateGroup, RemoveUserFromGroup
from iam_guard.directory.operations.inline import (
    DeleteGroupPolicy,
    DeleteUserPolicy,
    PutGroupPolicy,
    PutRolePolicy,
    PutUserPolicy,
)
from iam_guard.directory.operations.passwords import CreateLoginProfile, UpdateLoginProfile
from iam_guard.directory.operations.policies import CreatePolicy
from iam_guard.directory.operations.resource_policies import DeleteResourcePolicy, PutResourcePolicy
from iam_guard.directory.operations.roles import CreateRole, UpdateAssumeRolePolicy
from iam_guard.directory.operations.standing import DeleteStandingPolicy, PutStandingPolicy
from iam_guard.directory.operations.tags import TagUser, UntagUser
from iam_guard.directory.operations.users import CreateUser, DeleteUser, ListUsers, UpdateUser
from iam_guard.directory.operations.versions import CreatePolicyVersion, SetDefaultPolicyVersion
from iam_guard.directory.port import Note
from iam_guard.directory.shapes import Tag
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import DirectoryError, MalformedPolicyDocumentError, OperationDeniedError
from iam_guard.model import AuthorizationRequest, Principal, normalise_context
from iam_guard.policy.parse import parse_policy
from iam_guard.store.memory_directory import MemoryDirectoryStore

HOME = "000000000000"
DOC = f"arn:app:docs::{HOME}:doc/"
ALICE = Principal.user("alice")
Perform = Callable[..., Answer]


def says(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def arn(noun: str, name: str) -> str:
    return f"arn:app:iam::{HOME}:{noun}/{name}"


def trusting(*names: str) -> str:
    return says({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": list(names)}})


def user(name: str, *statements: dict[str, Any], **more: Any) -> User:
    inline = {"Own": says(*statements)} if statements else {}
    return User(account=HOME, name=name, arn=arn("user", name), id=f"AIDA{name.upper()}", inline=inline, **more)


def group(name: str, *statements: dict[str, Any]) -> Group:
    return Group(account=HOME, name=name, arn=arn("group", name), id=f"AGPA{name.upper()}",
                 inline={"Own": says(*statements)})


def role(name: str, *statements: dict[str, Any], **more: Any) -> Role:
    return Role(account=HOME, name=name, arn=arn("role", name), id=f"AROA{name.upper()}",
                inline={"Own": says(*statements)}, **more)


def policy(name: str, *versions: str) -> ManagedPolicy:
    kept = tuple(PolicyVersion(id=f"v{number}", document=text) for number, text in enumerate(versions, 1))
    return ManagedPolicy(account=HOME, name=name, arn=arn("policy", name), id=f"ANPA{name.upper()}", versions=kept,
                         next_version=len(kept) + 1)


@pytest.fixture
def perform(make_directory: Callable[..., Directory]) -> Perform:
    directory = make_directory(referee=Authorization())
    return lambda operation, by=ALICE: directory.perform(operation, by=by)


@pytest.fixture
def refused(perform: Perform, store: MemoryDirectoryStore) -> Callable[..., None]:
    """Hold that operations are answered with 403, and that nothing is kept of them."""

    def refuse(*operations: Operation, by: Principal = ALICE) -> None:
        for operation in operations:
            before = store.revision()
            with pytest.raises(OperationDeniedError) as found:
                perform(operation, by)
            assert found.value.status == 403
            assert store.revision() == before

    return refuse


@pytest.fixture
def may(store: MemoryDirectoryStore) -> Callable[..., bool]:
    def ask(who: Principal, action: str, resource: str = f"{DOC}1") -> bool:
        with store.read() as reading:
            policies = PolicySet(attachments_of(reading))
            request = AuthorizationRequest(who, action, resource, policies.principal_context(who))
            return policies.evaluate(request).allowed

    return ask


# --- E22: granting to oneself ---------------------------------------------------------------------------

BOSS = user("root", allow("*"))


def test_e22_1_a_policy_for_oneself(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(user("alice", allow("iam:PutUserPolicy", arn("user", "alice"))))
    refused(PutUserPolicy(user_name="alice", policy_name="All", policy_document=says(allow("*"))))


def test_e22_1_with_the_permission_to_grant_beyond(put: Callable[..., None], perform: Perform,
                                                  refused: Callable[..., None]) -> None:
    put(user("alice", allow("iam:PutUserPolicy"), allow("iam-guard:GrantBeyondOwn", arn("user", "ben"))),
        user("ben"), user("cy"))
    perform(PutUserPolicy(user_name="ben", policy_name="All", policy_document=says(allow("*"))))
    refused(PutUserPolicy(user_name="cy", policy_name="All", policy_document=says(allow("*"))))


@pytest.mark.parametrize("own", [
    pytest.param([{"Effect": "Allow", "NotAction": "docs:*", "Resource": "*"}], id="everything but"),
    pytest.param([allow("*"), deny("docs:Put")], id="everything less something"),
    pytest.param([allow("iam:*"), allow("iam-guard:GrantBeyondOwn"), deny("iam-guard:*")], id="denied again"),
    pytest.param([allow("iam:*"), allow("iam-guard:*", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
                  allow("*", f"{DOC}*")], id="under a condition"),
])
def test_e22_1_the_permission_to_grant_beyond_is_held_by_name(put: Callable[..., None], refused: Callable[..., None],
                                                             own: list[dict[str, Any]]) -> None:
    put(user("alice", *own), user("ben"))
    refused(PutUserPolicy(user_name="ben", policy_name="More", policy_document=says(allow("docs:Put", "*"))),
            PutUserPolicy(user_name="ben", policy_name="Leave",
                          policy_document=says(allow("iam-guard:GrantBeyondOwn"))))


def test_e22_2_an_import(put: Callable[..., None], refused: Callable[..., None], get: Callable[..., Any]) -> None:
    """There is no operation that imports; one that maps alice to the administrators is refused by itself."""
    assert not [name for name in OPERATIONS if "import" in name.lower()]
    put(user("alice", allow("iam:*")), group("admins", allow("*")))
    refused(AddUserToGroup(group_name="admins", user_name="alice"))
    assert get(Kind.USER, "alice").groups == ()


def test_e22_3_ones_own_boundary(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(policy("Edge", says(allow(["docs:Get", "iam:*"]))), policy("Wide", says(allow("*"))),
        policy("Narrow", says(allow("iam:*"))), user("alice", allow("*"), boundary=arn("policy", "Edge")))
    refused(DeleteUserPermissionsBoundary(user_name="alice"),
            PutUserPermissionsBoundary(user_name="alice", permissions_boundary=arn("policy", "Wide")),
            PutUserPermissionsBoundary(user_name="alice", permissions_boundary=arn("policy", "Narrow")),
            CreatePolicyVersion(policy_arn=arn("policy", "Edge"), policy_document=says(allow("*")),
                                set_as_default=True))


def test_e22_3_also_with_the_permission_to_grant_beyond(put: Callable[..., None],
                                                       refused: Callable[..., None]) -> None:
    put(policy("Edge", says(allow("*")), says(allow("iam:*"))),
        user("alice", allow("*"), allow("iam-guard:GrantBeyondOwn"), boundary=arn("policy", "Edge")))
    refused(DeleteUserPermissionsBoundary(user_name="alice"),
            SetDefaultPolicyVersion(policy_arn=arn("policy", "Edge"), version_id="v2"))


def test_e22_4_a_version_of_ones_policy(put: Callable[..., None], refused: Callable[..., None]) -> None:
    own = arn("policy", "Own")
    put(policy("Own", says(allow(["iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"])), says(allow("*"))),
        user("alice", policies=(own,)))
    refused(CreatePolicyVersion(policy_arn=own, policy_document=says(allow("*")), set_as_default=True),
            SetDefaultPolicyVersion(policy_arn=own, version_id="v2"))


def test_e22_4_a_group(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(user("alice", allow("iam:AddUserToGroup")), group("admins", allow("*")))
    refused(AddUserToGroup(group_name="admins", user_name="alice"))


def test_e22_4_the_trust_of_a_role(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(user("alice", allow("iam:UpdateAssumeRolePolicy")), BOSS, role("admin", allow("*"), trust=trusting(BOSS.arn)))
    refused(UpdateAssumeRolePolicy(role_name="admin", policy_document=trusting(ALICE.arn)))


def test_e22_4_a_key_or_password_of_somebody_else(put: Callable[..., None], refused: Callable[..., None]) -> None:
    key = AccessKey(account=HOME, id="AKIA0000000000000001", user="root", user_id=BOSS.id, secret="x", active=False)
    put(user("alice", allow("iam:*")), user("root", allow("*"), password="x"), key)
    refused(CreateAccessKey(user_name="root"), UpdateAccessKey(user_name="root", access_key_id=key.id, status="Active"),
            UpdateLoginProfile(user_name="root", password="Correct-Horse-1"))


def test_e22_4_a_key_after_the_owner_got_another_name(put: Callable[..., None], refused: Callable[..., None]) -> None:
    key = AccessKey(account=HOME, id="AKIA0000000000000001", user="root", user_id=BOSS.id, secret="x", active=False)
    put(user("alice", allow("iam:*")), key, User(account=HOME, name="chief", arn=arn("user", "chief"), id=BOSS.id,
                                                 inline=BOSS.inline), User(account=HOME, name="root", id="AIDANEW",
                                                                           arn=arn("user", "root")))
    refused(UpdateAccessKey(user_name="chief", access_key_id=key.id, status="Active"))


def test_e22_4_further_ways(put: Callable[..., None], refused: Callable[..., None]) -> None:
    """The rest of the published list of ways to escalate."""
    managed = arn("policy", "All")
    put(user("alice", allow("iam:*"), groups=("staff",)), group("staff", allow("docs:Get")), user("ben"),
        policy("All", says(allow("*"))), role("work", allow("docs:Get"), trust=trusting(ALICE.arn)))
    everything = says(allow("*"))
    refused(AttachUserPolicy(user_name="alice", policy_arn=managed),
            AttachGroupPolicy(group_name="staff", policy_arn=managed),
            AttachRolePolicy(role_name="work", policy_arn=managed),
            PutGroupPolicy(group_name="staff", policy_name="All", policy_document=everything),
            PutRolePolicy(role_name="work", policy_name="All", policy_document=everything),
            PutUserPolicy(user_name="ben", policy_name="All", policy_document=everything),
            PutStandingPolicy(reach="everyone", policy_name="All", policy_document=everything))


def test_a_denial_cannot_be_taken_away(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(group("held", deny("docs:Move")), policy("NoPut", says(deny("docs:Copy"))),
        user("alice", allow("iam:*"), allow("docs:Get"), groups=("held",)),
        User(account=HOME, name="ben", arn=arn("user", "ben"), id="AIDABEN", groups=("held",),
             policies=(arn("policy", "NoPut"),),
             inline={"Own": says(allow("docs:*")), "NoPut": says(deny("docs:Put"))}))
    put(StandingPolicy(account=HOME, name="Hold", reach="everyone", document=says(deny("docs:Delete"))))
    refused(DeleteUserPolicy(user_name="ben", policy_name="NoPut"),
            DetachUserPolicy(user_name="ben", policy_arn=arn("policy", "NoPut")),
            RemoveUserFromGroup(group_name="held", user_name="ben"),
            DeleteGroupPolicy(group_name="held", policy_name="Own"),
            DeleteStandingPolicy(reach="everyone", policy_name="Hold"))


def test_a_boundary_of_another_cannot_be_taken_away(put: Callable[..., None], refused: Callable[..., None]) -> None:
    edge = arn("policy", "Edge")
    put(policy("Edge", says(allow("docs:Get")), says(allow("docs:*"))),
        user("alice", allow("iam:*"), allow("docs:Get")), user("ben", allow("docs:*"), boundary=edge),
        role("work", allow("docs:*"), boundary=edge, trust=trusting(ALICE.arn)))
    refused(DeleteUserPermissionsBoundary(user_name="ben"), DeleteRolePermissionsBoundary(role_name="work"),
            SetDefaultPolicyVersion(policy_arn=edge, version_id="v2"))


def test_a_resources_policy_gives_nobody_more(put: Callable[..., None], refused: Callable[..., None],
                                              perform: Perform) -> None:
    closed = ResourcePolicy(account=HOME, arn=f"{DOC}closed", document=says(deny("docs:*", Principal="*")))
    put(user("alice", allow("iam:*"), allow("docs:Get", f"{DOC}*")), user("ben"), closed)

    def giving(action: str) -> str:
        return says(allow(action, Principal={"AWS": arn("user", "ben")}))

    refused(PutResourcePolicy(resource_arn=f"{DOC}1", policy_document=giving("docs:*")),
            PutResourcePolicy(resource_arn=f"arn:app:mail::{HOME}:box/1", policy_document=giving("docs:Get")),
            DeleteResourcePolicy(resource_arn=closed.arn),
            PutResourcePolicy(resource_arn=closed.arn, policy_document=giving("docs:Get")))
    perform(PutResourcePolicy(resource_arn=f"{DOC}1", policy_document=giving("docs:Get")))


def test_what_a_resource_spares_another_is_not_ones_own(put: Callable[..., None],
                                                        refused: Callable[..., None]) -> None:
    vault = ResourcePolicy(account=HOME, arn=f"{DOC}vault", document=says(
        deny("docs:*", Principal="*", Condition={"ArnNotEquals": {"aws:PrincipalArn": arn("user", "ben")}})))
    put(user("alice", allow("*")), vault, user("cy", allow("iam:*"), allow("docs:*")), user("ben"))
    refused(PutUserPolicy(user_name="ben", policy_name="Read", policy_document=says(allow("docs:Get"))),
            by=Principal.user("cy"))


def test_a_name_or_tag_gives_nobody_more(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(group("staff", allow("docs:*", f"{DOC}${{aws:username}}/*"),
              allow("docs:Get", Condition={"StringEquals": {"aws:PrincipalTag/team": "red"}})),
        user("alice", allow("iam:*")), user("ben", groups=("staff",)))
    refused(UpdateUser(user_name="ben", new_user_name="chief"),
            TagUser(user_name="ben", tags=(Tag(key="team", value="red"),)))


def test_what_waits_for_a_name_or_tag_gives_nobody_more(put: Callable[..., None], perform: Perform,
                                                        refused: Callable[..., None]) -> None:
    """An import may have left documents that name users who do not exist, or tags that nobody has."""
    red = {"StringEquals": {"aws:PrincipalTag/team": "red"}}
    put(user("alice", allow("iam:*"), allow("docs:Get")), user("ben"),
        ResourcePolicy(account=HOME, arn=f"{DOC}1", document=says(
            allow("docs:Put", Principal={"AWS": arn("user", "ghost")}),
            allow("docs:Get", Principal={"AWS": arn("user", "reader")}),
            allow("docs:Put", Principal="*", Condition=red))),
        role("power", allow("*"), trust=trusting(arn("user", "heir"))))
    tag = Tag(key="team", value="red")
    refused(CreateUser(user_name="ghost"), CreateUser(user_name="heir"), CreateUser(user_name="cy", tags=(tag,)),
            UpdateUser(user_name="ben", new_user_name="ghost"), TagUser(user_name="ben", tags=(tag,)))
    perform(CreateUser(user_name="reader"))
    perform(CreateUser(user_name="cy"))


def test_a_limited_administrator_can_still_administer(put: Callable[..., None], perform: Perform,
                                                      may: Callable[..., bool]) -> None:
    """The delegated administration of the language specification, section 7.1."""
    edge = arn("policy", "Edge")
    put(policy("Edge", says(allow(["docs:Get", "docs:List"]))),
        user("alice", allow(["docs:Get", "docs:List"]), allow("iam:CreateUser", Condition={
            "StringEquals": {"iam:PermissionsBoundary": edge}}), allow(
                ["iam:PutUserPolicy", "iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:CreateGroup",
                 "iam:PutGroupPolicy", "iam:AddUserToGroup", "iam:CreateRole", "iam:PutRolePolicy",
                 "iam:CreatePolicy", "iam:AttachGroupPolicy", "iam:DetachGroupPolicy", "iam:TagUser",
                 "iam:UntagUser", "iam:DeleteUser"])))
    perform(CreateUser(user_name="ben", permissions_boundary=edge))
    perform(PutUserPolicy(user_name="ben", policy_name="Docs", policy_document=says(allow("docs:*"))))
    perform(CreateAccessKey(user_name="ben"))
    perform(CreateLoginProfile(user_name="ben", password="Correct-Horse-1"))
    perform(CreateGroup(group_name="staff"))
    perform(PutGroupPolicy(group_name="staff", policy_name="List", policy_document=says(allow("docs:List"))))
    perform(AddUserToGroup(group_name="staff", user_name="ben"))
    read = perform(CreatePolicy(policy_name="Read", policy_document=says(allow("docs:Get"))))["Policy"]["Arn"]
    perform(AttachGroupPolicy(group_name="staff", policy_arn=read))
    perform(DetachGroupPolicy(group_name="staff", policy_arn=read))
    perform(CreateRole(role_name="work", assume_role_policy_document=trusting(arn("user", "ben"))))
    perform(PutRolePolicy(role_name="work", policy_name="Read", policy_document=says(allow("docs:Get", f"{DOC}*"))))
    perform(TagUser(user_name="ben", tags=(Tag(key="team", value="red"),)))
    perform(UntagUser(user_name="ben", tag_keys=("team",)))
    ben = Principal.user("ben")
    assert [may(ben, action) for action in ("docs:Get", "docs:List", "docs:Put")] == [True, True, False]


def test_what_others_have_already_is_no_matter(put: Callable[..., None], perform: Perform) -> None:
    put(user("alice", allow("iam:*"), allow("docs:Get")), user("boss", allow("*")), group("staff", allow("docs:Get")))
    perform(AddUserToGroup(group_name="staff", user_name="boss"))
    perform(TagUser(user_name="boss", tags=(Tag(key="desk", value="7"),)))
    perform(RemoveUserFromGroup(group_name="staff", user_name="boss"))


# --- other rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    pytest.param('{"Version":"2012-10-17","Statement":[{"Effect":"All', id="E01.1"),
    pytest.param(says({**allow("a:B"), "Effect": "allow"}), id="E01.2"),
    pytest.param('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resources":"*"}}', id="E01.3"),
    pytest.param(says(allow("a:B", Condition={"StringEqualz": {"a:b": "c"}})), id="E02.1"),
    pytest.param('{"Version":"2012-10-17","Statement":{"Effect":"Deny","Effect":"Allow","Action":"a:B",'
                 '"Resource":"*"}}', id="E12.1"),
    pytest.param(says(allow("a:B", Condition={"StringEquals": {"app:Tier": "a", "app:tier": "b"}})), id="E12.2"),
    pytest.param("[" * 10_000 + "]" * 10_000, id="E13.1"),
    pytest.param(says(allow("a:B", Condition={"DateLessThan": {"aws:CurrentTime": "2026-02-30T00:00:00Z"}})),
                 id="E15.1"),
    pytest.param(says(deny("a:B", Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}})), id="E17.3"),
])
def test_documents_are_refused_whole(put: Callable[..., None], perform: Perform, store: MemoryDirectoryStore,
                                     text: str) -> None:
    put(user("alice", allow("*")))
    for operation in (PutUserPolicy(user_name="alice", policy_name="Bad", policy_document=text),
                      CreatePolicy(policy_name="Bad", policy_document=text)):
        with pytest.raises(MalformedPolicyDocumentError):
            perform(operation)
    assert store.revision() == 1


def test_e13_2_a_document_of_64_kib_and_a_byte(put: Callable[..., None], perform: Perform) -> None:
    put(user("alice", allow("*")))
    text = says(allow("a:B", Sid="x" * 65_536))
    with pytest.raises(DirectoryError) as found:
        perform(CreatePolicy(policy_name="Long", policy_document=text))
    assert found.value.status in (400, 409)


def test_e20_1_nothing_attached(put: Callable[..., None], refused: Callable[..., None],
                                may: Callable[..., bool]) -> None:
    put(user("alice"))
    assert not may(ALICE, "docs:Get")
    refused(CreateUser(user_name="ben"), CreateAccessKey(), by=ALICE)


def test_e21_1_a_boundary_that_is_gone(put: Callable[..., None], refused: Callable[..., None]) -> None:
    put(user("alice", allow("*"), boundary=arn("policy", "Gone")))
    refused(CreateUser(user_name="ben"), CreatePolicy(policy_name="Gone", policy_document=says(allow("*"))))


def test_e21_2_a_session_that_makes_a_key_for_its_own_user(put: Callable[..., None],
                                                          refused: Callable[..., None]) -> None:
    put(user("alice", allow("*")), user("ben"))
    for given in ("docs:GetItem", "iam:*"):
        session = Principal.user("alice", session_policies=(parse_policy(says(allow(given))),))
        refused(CreateAccessKey(user_name="alice"), CreateAccessKey(), by=session)


def test_e25_1_a_name_that_comes_back(put: Callable[..., None], perform: Perform, get: Callable[..., Any],
                                      may: Callable[..., bool]) -> None:
    ben = Principal.user("ben")
    put(user("alice", allow("*")), user("ben"), role("work", allow("docs:Get")))
    perform(UpdateAssumeRolePolicy(role_name="work", policy_document=trusting(ben.arn)))
    perform(PutResourcePolicy(resource_arn=f"{DOC}1", policy_document=says(
        allow("docs:Get", Principal={"AWS": ben.arn}))))
    assert may(ben, "docs:Get")
    assert may(ben, "sts:AssumeRole", arn("role", "work"))
    perform(DeleteUser(user_name="ben"))
    perform(CreateUser(user_name="ben"))
    assert get(Kind.USER, "ben").id != "AIDABEN"
    assert not may(ben, "docs:Get")
    assert not may(ben, "sts:AssumeRole", arn("role", "work"))


def test_e26_1_another_tenants_resources(put: Callable[..., None], perform: Perform, may: Callable[..., bool]) -> None:
    other = "111111111111"
    admin, bob = (User(account=other, name=name, arn=f"arn:app:iam::{other}:user/{name}", id=f"AIDA{name}",
                       inline={"Own": says(allow("*"))} if name == "admin" else {}) for name in ("admin", "bob"))
    put(admin, bob)
    everywhere = says(allow("docs:*", "arn:app:docs:*:*:*"))
    perform(PutUserPolicy(user_name="bob", policy_name="All", policy_document=everywhere),
            Principal.user("admin", account=other))
    who = Principal.user("bob", account=other)
    assert may(who, "docs:Get", f"arn:app:docs::{other}:doc/1")
    assert not may(who, "docs:Get", f"{DOC}1")


@pytest.mark.parametrize("revoke", [
    pytest.param(PutUserPolicy(user_name="alice", policy_name="Own", policy_document=says(deny("*"))), id="C03.1"),
    pytest.param(RemoveUserFromGroup(group_name="staff", user_name="alice"), id="C03.3-group"),
    pytest.param(PutUserPermissionsBoundary(user_name="alice", permissions_boundary=arn("policy", "Edge")),
                 id="C03.3-boundary"),
    pytest.param(CreatePolicyVersion(policy_arn=arn("policy", "Lists"), policy_document=says(allow("x:Y")),
                                     set_as_default=True), id="C03.1-version"),
])
def test_what_is_revoked_is_refused_at_once(put: Callable[..., None], perform: Perform,
                                            refused: Callable[..., None], revoke: Operation) -> None:
    """The referee remembers compiled policies, and never an answer."""
    put(group("staff", allow("x:Y")), policy("Edge", says(allow("x:Y"))), policy("Lists", says(allow("iam:ListUsers"))))
    put(Group(account=HOME, name="staff", arn=arn("group", "staff"), id="AGPASTAFF",
              policies=(arn("policy", "Lists"),)), user("alice", allow("x:Y"), groups=("staff",)))
    perform(ListUsers())
    perform(ListUsers())
    perform(revoke, Principal.root())
    refused(ListUsers())


# --- every sequence of operations -----------------------------------------------------------------------

#: What the limited administrator may do: much in the directory, some of the documents, none of the mail.
LIMITED = [allow("iam:*"), allow("docs:Get*"), allow("docs:Put", f"{DOC}team/*"),
           allow("docs:Print", Condition={"Bool": {"aws:MultiFactorAuthPresent": "true"}}),
           deny("docs:GetSecret")]
NAMES = st.sampled_from(["alice", "ben", "cy", "boss"])
GROUPS = st.sampled_from(["staff", "held", "admins"])
ROLES = st.sampled_from(["work", "power"])
POLICIES = st.sampled_from([arn("policy", name) for name in ("Read", "All", "NoPut", "Edge")])
INLINE = st.sampled_from(["Own", "Two"])
ACTIONS = ["docs:Get", "docs:GetSecret", "docs:Put", "docs:Print", "mail:Read", "iam:ListUsers", "iam:CreateUser"]
RESOURCES = ["*", f"{DOC}1", f"{DOC}team/1", f"{DOC}vault", f"{DOC}ben/1", arn("user", "ben")]
CONTEXTS = [normalise_context(one) for one in ({}, {"aws:MultiFactorAuthPresent": True}, {"docs:kind": "a"})]


@st.composite
def documents(draw: st.DrawFn) -> str:
    def statement() -> dict[str, Any]:
        made: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"]))}
        actions = ["*", "docs:*", "docs:Get", "docs:Put", "docs:Get*", "docs:Print", "mail:Read", "iam:*"]
        resources = ["*", f"{DOC}*", f"{DOC}team/*", f"{DOC}vault", f"{DOC}${{aws:username}}/*", f"{DOC}ben/1"]
        made[draw(st.sampled_from(["Action"] * 4 + ["NotAction"]))] = draw(st.sampled_from(actions))
        made[draw(st.sampled_from(["Resource"] * 4 + ["NotResource"]))] = draw(st.sampled_from(resources))
        condition = draw(st.sampled_from([None, None, {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
                                          {"StringEquals": {"docs:kind": "a"}},
                                          {"StringEquals": {"aws:PrincipalTag/team": "red"}},
                                          {"StringEquals": {"aws:username": "ben"}}]))
        return made | ({"Condition": condition} if condition else {})

    return says(*(statement() for _ in range(draw(st.integers(1, 2)))))


class Administration(RuleBasedStateMachine):
    """A limited administrator, and whoever it has keys for, do whatever they can think of."""

    def __init__(self) -> None:
        super().__init__()
        self.store = MemoryDirectoryStore()
        numbers = count(1)
        self.directory = Directory(self.store, referee=Authorization(), secrets=Plain(),
                                   new_id=lambda prefix: f"{prefix}{next(numbers):017}")
        #: Users whom the administrator can act as, by unique id: a new one of the same name is another.
        self.held = {"AIDAALICE"}
        self.done = 0

    @initialize()
    def begin(self) -> None:
        read = ["docs:Get", "docs:GetSecret"]
        with self.store.write(Note("", "Import", "2026-01-01T12:00:00Z")) as tx:
            for one in (
                user("alice", *LIMITED), user("boss", allow("*")), group("admins", allow("*")),
                group("staff", allow("docs:Get")), group("held", deny("docs:Put")),
                policy("Read", says(allow("docs:Get"))), policy("All", says(allow("docs:Get")), says(allow("*"))),
                policy("NoPut", says(deny("docs:Put"))), policy("Edge", says(allow("docs:*")), says(allow(read))),
                User(account=HOME, name="ben", arn=arn("user", "ben"), id="AIDABEN", groups=("held",),
                     policies=(arn("policy", "NoPut"),), boundary=arn("policy", "Edge"),
                     inline={"Own": says(allow(["docs:*", "mail:Read"]))}),
                role("work", allow("docs:Get"), trust=trusting(ALICE.arn), trusted_ids={ALICE.arn: "AIDAALICE"}),
                role("power", allow("*"), boundary=arn("policy", "Edge")),
                ResourcePolicy(account=HOME, arn=f"{DOC}vault", document=says(deny("docs:*", Principal="*", Condition={
                    "ArnNotEquals": {"aws:PrincipalArn": arn("user", "cy")}}))),
            ):
                tx.put(one)
        self.limits = self.answers()["AIDAALICE"]
        self.before = self.answers()

    # What the oracle sees: every principal's answers to every probe, by the engine

    def answers(self) -> dict[str, frozenset[tuple[str, str, int]]]:
        with self.store.read() as reading:
            policies = PolicySet(attachments_of(reading))
            found = {}
            for holder in (policies.attachments.holders[name] for name in policies.attachments.holders):
                who = Principal.from_arn(holder.arn)
                known = policies.principal_context(who)
                found[holder.unique_id] = frozenset(
                    (action, resource, place)
                    for action, resource, (place, context) in product(ACTIONS, RESOURCES, enumerate(CONTEXTS))
                    if policies.evaluate(AuthorizationRequest(who, action, resource, {**context, **known})).allowed)
            return found

    @contextmanager
    def attempt(self) -> Iterator[None]:
        with suppress(DirectoryError):
            yield
            self.done += 1

    def do(self, data: st.DataObject, operation: Operation) -> Answer | None:
        """Perform it as anyone whom the administrator can act as."""
        with self.store.read() as reading:
            users = [one for one in reading.page(Kind.USER, HOME) if isinstance(one, User) and one.id in self.held]
        if not users:
            return None
        who = data.draw(st.sampled_from(sorted(users, key=lambda one: one.id)))
        with self.attempt():
            return self.directory.perform(operation, by=Principal.user(who.name, unique_id=who.id))
        return None

    def id_of(self, name: str) -> str:
        with self.store.read() as reading:
            return next(one.id for one in reading.page(Kind.USER, HOME)
                        if isinstance(one, User) and one.name.lower() == name.lower())

    @rule(data=st.data(), name=NAMES, edge=st.sampled_from(["", arn("policy", "Edge")]))
    def create_user(self, data: st.DataObject, name: str, edge: str) -> None:
        self.do(data, CreateUser(user_name=name, permissions_boundary=edge))

    @rule(data=st.data(), name=NAMES, to=NAMES)
    def rename_user(self, data: st.DataObject, name: str, to: str) -> None:
        self.do(data, UpdateUser(user_name=name, new_user_name=to))

    @rule(data=st.data(), name=NAMES)
    def delete_user(self, data: st.DataObject, name: str) -> None:
        self.do(data, DeleteUser(user_name=name))

    @rule(data=st.data(), name=NAMES)
    def tag(self, data: st.DataObject, name: str) -> None:
        self.do(data, TagUser(user_name=name, tags=(Tag(key="team", value="red"),)))

    @rule(data=st.data(), name=NAMES)
    def key(self, data: st.DataObject, name: str) -> None:
        if self.do(data, CreateAccessKey(user_name=name)):
            self.held.add(self.id_of(name))

    @rule(data=st.data(), name=NAMES)
    def password(self, data: st.DataObject, name: str) -> None:
        if self.do(data, CreateLoginProfile(user_name=name, password="Correct-Horse-1")):
            self.held.add(self.id_of(name))

    @rule(data=st.data(), name=NAMES, label=INLINE, text=documents())
    def put_user_policy(self, data: st.DataObject, name: str, label: str, text: str) -> None:
        self.do(data, PutUserPolicy(user_name=name, policy_name=label, policy_document=text))

    @rule(data=st.data(), name=NAMES, label=INLINE)
    def delete_user_policy(self, data: st.DataObject, name: str, label: str) -> None:
        self.do(data, DeleteUserPolicy(user_name=name, policy_name=label))

    @rule(data=st.data(), name=GROUPS, label=INLINE, text=documents())
    def put_group_policy(self, data: st.DataObject, name: str, label: str, text: str) -> None:
        self.do(data, PutGroupPolicy(group_name=name, policy_name=label, policy_document=text))

    @rule(data=st.data(), name=GROUPS, label=INLINE)
    def delete_group_policy(self, data: st.DataObject, name: str, label: str) -> None:
        self.do(data, DeleteGroupPolicy(group_name=name, policy_name=label))

    @rule(data=st.data(), name=ROLES, label=INLINE, text=documents())
    def put_role_policy(self, data: st.DataObject, name: str, label: str, text: str) -> None:
        self.do(data, PutRolePolicy(role_name=name, policy_name=label, policy_document=text))

    @rule(data=st.data(), name=NAMES, arn=POLICIES)
    def attach(self, data: st.DataObject, name: str, arn: str) -> None:
        self.do(data, AttachUserPolicy(user_name=name, policy_arn=arn))

    @rule(data=st.data(), name=NAMES, arn=POLICIES)
    def detach(self, data: st.DataObject, name: str, arn: str) -> None:
        self.do(data, DetachUserPolicy(user_name=name, policy_arn=arn))

    @rule(data=st.data(), name=GROUPS, arn=POLICIES)
    def attach_to_group(self, data: st.DataObject, name: str, arn: str) -> None:
        self.do(data, AttachGroupPolicy(group_name=name, policy_arn=arn))

    @rule(data=st.data(), name=ROLES, arn=POLICIES)
    def attach_to_role(self, data: st.DataObject, name: str, arn: str) -> None:
        self.do(data, AttachRolePolicy(role_name=name, policy_arn=arn))

    @rule(data=st.data(), name=NAMES, team=GROUPS)
    def join(self, data: st.DataObject, name: str, team: str) -> None:
        self.do(data, AddUserToGroup(group_name=team, user_name=name))

    @rule(data=st.data(), name=NAMES, team=GROUPS)
    def leave(self, data: st.DataObject, name: str, team: str) -> None:
        self.do(data, RemoveUserFromGroup(group_name=team, user_name=name))

    @rule(data=st.data(), arn=POLICIES, text=documents(), default=st.booleans())
    def new_version(self, data: st.DataObject, arn: str, text: str, default: bool) -> None:
        self.do(data, CreatePolicyVersion(policy_arn=arn, policy_document=text, set_as_default=default))

    @rule(data=st.data(), arn=POLICIES, version=st.sampled_from(["v1", "v2", "v3", "v4"]))
    def set_version(self, data: st.DataObject, arn: str, version: str) -> None:
        self.do(data, SetDefaultPolicyVersion(policy_arn=arn, version_id=version))

    @rule(data=st.data(), name=NAMES, arn=POLICIES)
    def put_boundary(self, data: st.DataObject, name: str, arn: str) -> None:
        self.do(data, PutUserPermissionsBoundary(user_name=name, permissions_boundary=arn))

    @rule(data=st.data(), name=NAMES)
    def delete_boundary(self, data: st.DataObject, name: str) -> None:
        self.do(data, DeleteUserPermissionsBoundary(user_name=name))

    @rule(data=st.data(), name=ROLES)
    def delete_role_boundary(self, data: st.DataObject, name: str) -> None:
        self.do(data, DeleteRolePermissionsBoundary(role_name=name))

    @rule(data=st.data(), name=ROLES, whom=NAMES)
    def trust(self, data: st.DataObject, name: str, whom: str) -> None:
        if self.do(data, UpdateAssumeRolePolicy(role_name=name, policy_document=trusting(arn("user", whom)))):
            self.held.add(f"AROA{name.upper()}")

    @rule(data=st.data(), end=st.sampled_from(["1", "vault", "team/1"]), whom=NAMES,
          action=st.sampled_from(["docs:Get", "docs:*", "mail:Read", "docs:Put"]))
    def open_resource(self, data: st.DataObject, end: str, whom: str, action: str) -> None:
        text = says(allow(action, Principal={"AWS": arn("user", whom)}))
        self.do(data, PutResourcePolicy(resource_arn=f"{DOC}{end}", policy_document=text))

    @rule(data=st.data(), end=st.sampled_from(["1", "vault"]))
    def close_resource(self, data: st.DataObject, end: str) -> None:
        self.do(data, DeleteResourcePolicy(resource_arn=f"{DOC}{end}"))

    @invariant()
    def nobody_has_more(self) -> None:
        """Whoever may do anything now might do so before, or the administrator might from the beginning."""
        now = self.answers()
        for who, answers in now.items():
            more = answers - self.before.get(who, frozenset()) - self.limits
            assert not more, f"{who} may now do {sorted(more)}"
        for who in self.held & now.keys():
            assert now[who] <= self.limits, f"{who} can be acted as, and may do {sorted(now[who] - self.limits)}"
        self.before = {who: self.before.get(who, frozenset()) | answers for who, answers in now.items()}


class Plain:
    """Hides nothing: there is nobody to hide it from."""

    def hash_password(self, password: str) -> str:
        return password

    def check_password(self, hash: str, password: str) -> bool:
        return hash == password

    def encrypt(self, secret: str, *, owner: str) -> str:
        return secret

    def decrypt(self, text: str, *, owner: str) -> str:
        return text


Administration.TestCase.settings = settings(max_examples=15, stateful_step_count=25, deadline=None,
                                            suppress_health_check=list(HealthCheck))
TestEverySequence = Administration.TestCase
