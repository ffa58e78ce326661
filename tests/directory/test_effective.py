"""What bears on a principal, read from a view of a store: decisions are those that a guard would make."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from iam_guard.directory.attaching import Attaching
from iam_guard.directory.effective import attachments_of
from iam_guard.directory.entities import (
    Account,
    ControlPolicy,
    Group,
    Key,
    Kind,
    ManagedPolicy,
    Organization,
    PolicyVersion,
    ResourcePolicy,
    Role,
    Settings,
    StandingPolicy,
    Unit,
    User,
)
from iam_guard.engine.attachments import Attachments
from iam_guard.engine.policy_set import PolicySet
from iam_guard.model import AuthorizationRequest, Principal
from iam_guard.store.memory_directory import MemoryDirectoryStore

HOME = "000000000000"
OTHER = "111111111111"
DOC = f"arn:app:docs::{HOME}:doc/1"
ANN = Principal.user("ann")


def says(effect: str, action: str, resource: str = "*", **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17",
                       "Statement": {"Effect": effect, "Action": action, "Resource": resource, **more}})


def iam(noun: str, name: str, account: str = HOME) -> str:
    return f"arn:app:iam::{account}:{noun}/{name}"


def user(name: str, **more: Any) -> User:
    return User(account=HOME, name=name, arn=iam("user", name), id=f"AIDA{name.upper()}", **more)


def group(name: str, **more: Any) -> Group:
    return Group(account=HOME, name=name, arn=iam("group", name), id=f"AGPA{name.upper()}", **more)


def role(name: str, **more: Any) -> Role:
    return Role(account=HOME, name=name, arn=iam("role", name), id=f"AROA{name.upper()}", **more)


def managed(name: str, document: str, account: str = HOME) -> ManagedPolicy:
    return ManagedPolicy(account=account, name=name, arn=iam("policy", name, account), id=f"ANPA{name.upper()}",
                         versions=(PolicyVersion(id="v1", document=document),))


@pytest.fixture
def may(store: MemoryDirectoryStore) -> Callable[..., bool]:
    """Whether somebody may do something, by what the store holds now."""

    def decide(action: str, *, who: Principal = ANN, resource: str = DOC, **more: Any) -> bool:
        with store.read() as reading:
            request = AuthorizationRequest(who, action, resource)
            return PolicySet(attachments_of(reading, **more)).evaluate(request).allowed

    return decide


def test_what_is_in_the_user_itself_counts(put: Callable[..., None], may: Callable[..., bool]) -> None:
    put(user("ann", inline={"Own": says("Allow", "docs:Get")}))
    assert may("docs:Get")
    assert not may("docs:Put")
    assert not may("docs:Get", who=Principal.user("ben"))


def test_what_is_attached_counts_also_from_the_platform(put: Callable[..., None], may: Callable[..., bool]) -> None:
    platform = managed("ReadOnly", says("Allow", "docs:List"), account="aws")
    put(managed("Read", says("Allow", "docs:Get")), platform,
        user("ann", policies=(iam("policy", "Read"), platform.arn)))
    assert may("docs:Get")
    assert may("docs:List")


def test_a_group_gives_its_policies_to_its_members(put: Callable[..., None], may: Callable[..., bool]) -> None:
    put(group("Team", inline={"Own": says("Allow", "docs:Get")}), user("ann", groups=("Team",)), user("ben"))
    assert may("docs:Get")
    assert not may("docs:Get", who=Principal.user("ben"))


def test_a_boundary_limits(put: Callable[..., None], may: Callable[..., bool]) -> None:
    put(managed("Edge", says("Allow", "docs:Get")),
        user("ann", inline={"Own": says("Allow", "docs:*")}, boundary=iam("policy", "Edge")))
    assert may("docs:Get")
    assert not may("docs:Put")


def test_a_boundary_that_is_gone_denies_everything(put: Callable[..., None], may: Callable[..., bool]) -> None:
    # Threat E21.1.
    put(user("ann", inline={"Own": says("Allow", "docs:*")}, boundary=iam("policy", "Gone")))
    assert not may("docs:Get")


def test_every_level_of_the_organization_limits(put: Callable[..., None], may: Callable[..., bool]) -> None:
    put(Organization(id="o-1", management=OTHER, root="r-1"), Unit(id="r-1", scps=("All",)),
        Unit(id="ou-1", parent="r-1", scps=("Docs",)), Account(account=HOME, parent="ou-1"),
        ControlPolicy(type="scp", name="All", document=says("Allow", "*")),
        ControlPolicy(type="scp", name="Docs", document=says("Allow", "docs:Get")),
        user("ann", inline={"Own": says("Allow", "docs:*")}))
    assert may("docs:Get")
    assert not may("docs:Put")


def test_resource_control_policies_limit(put: Callable[..., None], may: Callable[..., bool]) -> None:
    put(Organization(id="o-1", management=OTHER, root="r-1"), Unit(id="r-1", rcps=("Fence",)),
        Account(account=HOME, parent="r-1"),
        ControlPolicy(type="rcp", name="Fence", document=says("Deny", "docs:Put", Principal="*")),
        user("ann", inline={"Own": says("Allow", "docs:*")}))
    assert may("docs:Get")
    assert not may("docs:Put")


def test_a_resource_has_its_policy_wherever_that_is_kept(put: Callable[..., None], may: Callable[..., bool]) -> None:
    document = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "docs:Get", "Principal": {"AWS": iam("user", "ann")}, "Resource": "*"}})
    global_name = "arn:app:docs:::shelf"
    put(user("ann"), ResourcePolicy(account=HOME, arn=DOC, document=document),
        ResourcePolicy(account=HOME, arn=global_name, document=document))
    assert may("docs:Get")
    assert may("docs:Get", resource=global_name)
    assert not may("docs:Get", resource=DOC + "0")


def test_a_trust_policy_means_whom_it_named(put: Callable[..., None], may: Callable[..., bool]) -> None:
    # Section 2.5 rule 5: whoever has the name now is another.
    trust = json.dumps({"Version": "2012-10-17", "Statement": {
        "Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": iam("user", "ann")}}})
    put(user("ann"), role("Work", trust=trust, trusted_ids={iam("user", "ann"): "AIDAANN"}))
    assert may("sts:AssumeRole", resource=iam("role", "Work"))
    put(User(account=HOME, name="ann", arn=iam("user", "ann"), id="AIDASECOND"))
    assert not may("sts:AssumeRole", resource=iam("role", "Work"))


@pytest.mark.parametrize("account", ["", HOME, OTHER])
def test_a_standing_policy_concerns_everybody_wherever_it_is_kept(put: Callable[..., None], may: Callable[..., bool],
                                                                  account: str) -> None:
    put(Organization(id="o-1", management=HOME, root="r-1"), Unit(id="r-1"), Unit(id="ou-1", parent="r-1"),
        Account(account=OTHER, parent="ou-1"),
        StandingPolicy(account=account, name="Hold", reach="everyone", document=says("Deny", "docs:Put")),
        user("ann", inline={"Own": says("Allow", "docs:*")}))
    assert may("docs:Get")
    assert not may("docs:Put")


def test_a_directory_may_be_read_as_it_was(put: Callable[..., None], may: Callable[..., bool]) -> None:
    put(user("ann", inline={"Own": says("Allow", "docs:*")}), Settings(default_account=HOME))
    hold = StandingPolicy(name="Hold", reach="everyone", document=says("Deny", "docs:Put"))
    put(hold)
    ann = Key(Kind.USER, HOME, "ann")
    assert not may("docs:Get", instead={ann: None})
    assert not may("docs:Put")
    assert may("docs:Put", instead={hold.key: None})
    assert may("docs:Get", instead={ann: user("ann", inline={"Own": says("Allow", "docs:Get")})})
    assert not may("docs:List", instead={ann: user("ann", inline={"Own": says("Allow", "docs:Get")})})


def test_documents_are_remembered_from_view_to_view(put: Callable[..., None], store: MemoryDirectoryStore) -> None:
    put(user("ann", inline={"Own": says("Allow", "docs:Get")}))
    attaching = Attaching()

    def first_policy() -> object:
        with store.read() as reading:
            return attachments_of(reading, attaching=attaching).holders[iam("user", "ann")].policies[0]

    assert first_policy() is first_policy()


def test_principals_can_be_listed(put: Callable[..., None], store: MemoryDirectoryStore) -> None:
    put(user("ann"), user("ben"), role("Work"), group("Team"))
    with store.read() as reading:
        found: Attachments = attachments_of(reading)
        assert sorted(found.holders) == [iam("role", "Work"), iam("user", "ann"), iam("user", "ben")]
        assert list(found.groups) == [iam("group", "Team")]
