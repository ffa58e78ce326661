"""What is attached to whom, as an image of a directory has it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from iam_guard.directory.attaching import Attaching
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
from iam_guard.directory.image import Image, Successor
from iam_guard.engine.attachments import Attachments, Guardrails, Holder
from iam_guard.errors import ConfigurationError, DocumentError
from iam_guard.store.memory_directory import MemoryDirectoryStore

HOME = "000000000000"
BROKEN = '{"Version": "2012-10-17"'
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
#: AWS evaluates documents of this version and takes none anew (language specification, section 1.8).
ONLY_IMPORTED = ALLOW.replace('"2012-10-17"', '"2008-10-17"')


def arn(kind: str, name: str) -> str:
    return f"arn:app:iam::{HOME}:{kind}/{name}"


def user(name: str, **more: Any) -> User:
    return User(account=HOME, name=name, arn=arn("user", name), **more)


@pytest.fixture
def image(store: MemoryDirectoryStore) -> Callable[[], Image]:
    def make() -> Image:
        with store.read() as reading:
            return Image.of(reading)

    return make


@pytest.fixture
def attached(image: Callable[[], Image], put: Callable[..., None]) -> Callable[..., Attachments]:
    """What is attached to whom once some entities were put."""
    def make(*entities: Any) -> Attachments:
        put(*entities)
        return Attaching().attachments(image())

    return make


@pytest.fixture
def check(store: MemoryDirectoryStore, image: Callable[[], Image], put: Callable[..., None]) -> Callable[..., None]:
    """Check what some further entities change."""
    def look(*entities: Any, gone: Any = ()) -> None:
        before = image()
        put(*entities)
        Attaching().check(before.after(store.changes(before.revision)))

    return look


# --- users, roles, groups -------------------------------------------------------------------------------


def test_a_user_with_everything(attached: Callable[..., Attachments], policy: Callable[..., str]) -> None:
    read, edge = policy("Read", path="/team/"), policy("Edge")
    found = attached(Group(account=HOME, name="Staff", arn=arn("group", "org/Staff"), path="/org/"),
                     user("ann", id="AIDA1", tags={"team": "x"}, policies=(read,), boundary=edge, groups=("Staff",),
                          inline={"Mine": ALLOW}))
    holder = found.holders[arn("user", "ann")]
    assert [one.id for one in holder.policies] == [read, f"{arn('user', 'ann')}/inline/Mine"]
    assert holder.boundary is not None
    assert (holder.boundary.id, holder.groups) == (edge, (arn("group", "org/Staff"),))
    assert (holder.unique_id, holder.tags, holder.broken) == ("AIDA1", {"team": "x"}, "")


def test_maps_have_what_there_is_and_nothing_else(attached: Callable[..., Attachments]) -> None:
    found = attached(user("ann"), Role(account=HOME, name="App", arn=arn("role", "x/App"), path="/x/", trust=""),
                     Group(account=HOME, name="g", arn=arn("group", "g"), inline={"x": ALLOW}))
    assert set(found.holders) == {arn("user", "ann"), arn("role", "x/App")}
    assert (len(found.holders), set(found.groups), len(found.groups)) == (2, {arn("group", "g")}, 1)
    for name in ("user/Ann", "user/x/ann", "role/ann", "role/App", "user/bob"):
        assert found.holders.get(f"arn:app:iam::{HOME}:{name}") is None
    for name in (arn("group", "G"), arn("group", "y/g"), arn("user", "ann"), "no arn"):
        assert found.groups.get(name) is None
    assert found.resources.get(arn("role", "x/App")) is None
    assert (found.everyone, found.endpoint, bool(found.guardrails)) == ((), None, False)


@pytest.mark.parametrize("more", [
    {"groups": ("g",)}, {"groups": ("nowhere",)}, {"policies": (arn("policy", "Lost"),)},
    {"boundary": arn("policy", "Lost")}, {"inline": {"x": BROKEN}}, {"policies": (arn("policy", "other/P"),)},
    {"policies": (arn("policy", "Without"),)}], ids=str)
def test_a_user_whose_policies_cannot_all_be_read_is_broken(
        attached: Callable[..., Attachments], policy: Callable[..., str], put: Callable[..., None],
        more: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    policy("P")
    put(Group(account=HOME, name="g", arn=arn("group", "g"), inline={"x": BROKEN}),
        ManagedPolicy(account=HOME, name="Without", arn=arn("policy", "Without"), default="v7",
                      versions=(PolicyVersion(id="v1", document=ALLOW),)))
    with caplog.at_level(logging.ERROR, "iam_guard.directory"):
        holder = attached(user("ann", **more)).holders[arn("user", "ann")]
    assert holder.broken
    assert holder == Holder(holder.arn, broken=holder.broken), "nothing is granted by what could be read"
    assert "user/ann' is denied everything" in caplog.text


def test_an_imported_directory_is_read_as_aws_would(attached: Callable[..., Attachments]) -> None:
    ann = user("ann", inline={"x": ONLY_IMPORTED})
    assert attached(ann).holders[ann.arn].broken
    assert not attached(Settings(imported=True)).holders[ann.arn].broken


def test_further_decisive_services(attached: Callable[..., Attachments]) -> None:
    assert attached().decisive == {"sts", "kms"}
    assert attached(Settings(decisive=("vault",))).decisive == {"sts", "kms", "vault"}


def test_what_is_for_everybody_is_in_the_order_of_names(attached: Callable[..., Attachments]) -> None:
    found = attached(*(StandingPolicy(name=name, reach="everyone", document=ALLOW) for name in ("b", "A")))
    assert [one.id for one in found.everyone] == ["everyone/A", "everyone/b"]


# --- the organization -----------------------------------------------------------------------------------

TREE = (Organization(id="o-1", management="boss", root="r-1"), Unit(id="r-1", scps=("FullAWSAccess", "Top")),
        Unit(id="ou-1", parent="r-1", rcps=("RCPFullAWSAccess", "Edge")), Account(account="boss", parent="r-1"),
        Account(account="low", parent="ou-1", scps=("Low",)), Account(account="free"),
        *(ControlPolicy(type="scp", name=name, document=ALLOW) for name in ("Top", "Low")),
        ControlPolicy(type="rcp", name="Edge", document=ALLOW.replace("Allow", "Deny").replace(
            '"Action"', '"Principal":"*","Action"')))


def names(levels: Any) -> list[list[str]]:
    return [[one.id for one in level] for level in levels]


def test_guardrails_run_from_the_root_to_the_account(attached: Callable[..., Attachments]) -> None:
    rails: Guardrails = attached(*TREE).guardrails["low"]
    assert names(rails.scps) == [["scp/FullAWSAccess", "scp/Top"], ["scp/FullAWSAccess"], ["scp/Low"]]
    assert names(rails.rcps) == [[], ["rcp/Edge"], []]
    assert (rails.organization_id, rails.organization_path) == ("o-1", "o-1/r-1/ou-1/")
    assert not rails.is_management


def test_the_management_account_and_accounts_outside(attached: Callable[..., Attachments]) -> None:
    found = attached(*TREE).guardrails
    assert found["boss"].is_management
    assert [found.get(name) for name in ("free", "unknown")] == [None, None]


@pytest.mark.parametrize("wrong", [
    Account(account="low", parent="gone"), Account(account="low", scps=("Gone",), parent="r-1"),
    Unit(id="ou-1", parent="ou-1"), Unit(id="ou-1", parent="r-1", rcps=("Gone",))], ids=str)
def test_a_tree_that_leads_nowhere_is_refused_when_it_is_new_and_grants_nothing_when_it_is_old(
        attached: Callable[..., Attachments], check: Callable[..., None], wrong: Any) -> None:
    attached(*TREE)
    with pytest.raises(ConfigurationError):
        check(wrong)
    with pytest.raises(ConfigurationError):
        _ = attached().guardrails["low"]


def test_a_control_policy_that_goes_while_a_unit_names_it_is_missed(
        store: MemoryDirectoryStore, image: Callable[[], Image], put: Callable[..., None]) -> None:
    put(*TREE)
    before = image()
    put(Unit(id="ou-1", parent="r-1"))
    with store.write(store.changes(0)[0].note) as tx:
        tx.delete(Key(Kind.CONTROL_POLICY, "", "scp/top"))
    with pytest.raises(ConfigurationError, match="there is no control policy 'scp/Top'"):
        Attaching().check(before.after(store.changes(before.revision)))


# --- what is new ----------------------------------------------------------------------------------------


def test_every_fault_of_what_is_new_is_told(check: Callable[..., None]) -> None:
    with pytest.raises(DocumentError) as refused:
        check(user("ann", inline={"x": BROKEN, "good": ALLOW}), user("bob", inline={"y": BROKEN}),
              ResourcePolicy(account=HOME, arn="arn:app:docs:::d/1", document=BROKEN, name="one"))
    assert [fault.file for fault in refused.value.faults] == [
        f"{arn('user', 'ann')}/inline/x", f"{arn('user', 'bob')}/inline/y", "resources/one"]


def test_a_directory_that_is_read_more_strictly_is_read_whole(
        check: Callable[..., None], put: Callable[..., None]) -> None:
    put(Settings(imported=True), user("ann", inline={"x": ONLY_IMPORTED}))
    check(Settings(imported=True, decisive=("vault",)))
    with pytest.raises(DocumentError):
        check(Settings())


def test_what_did_not_change_is_the_same_object(
        store: MemoryDirectoryStore, image: Callable[[], Image], put: Callable[..., None],
        policy: Callable[..., str]) -> None:
    read, attaching = policy("Read"), Attaching()
    put(user("ann", policies=(read,), inline={"a": ALLOW, "b": ALLOW}), user("bob", policies=(read,)))
    first = image()
    before = attaching.attachments(first).holders
    old = {name: before[arn("user", name)] for name in ("ann", "bob")}
    put(user("ann", policies=(read,), inline={"a": ALLOW}))
    found: Successor = first.after(store.changes(first.revision))
    after = attaching.attachments(found.image).holders
    assert after[arn("user", "bob")] is old["bob"]
    ann = after[arn("user", "ann")]
    assert [any(one is other for other in old["ann"].policies) for one in ann.policies] == [True, True]
    assert before[arn("user", "ann")].policies == old["ann"].policies
