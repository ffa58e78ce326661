"""Inline policies, attached policies, boundaries and tags of users, groups and roles: the same rules for all."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from iam_guard.directory.directory import Directory
from iam_guard.directory.entities import Kind, Role, User
from iam_guard.directory.naming import operation_named
from iam_guard.directory.operations.groups import CreateGroup
from iam_guard.directory.operations.roles import CreateRole
from iam_guard.directory.operations.users import CreateUser
from iam_guard.directory.quotas import Quotas
from iam_guard.errors import (
    InvalidInputError,
    LimitExceededError,
    MalformedPolicyDocumentError,
    NoSuchEntityError,
    PolicyNotAttachableError,
)
from iam_guard.model import Principal

Do = Callable[[Any], Any]
ALLOW = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"a:B","Resource":"*"}}'
TRUST = ('{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"sts:AssumeRole",'
         '"Principal":{"Service":"a.app"}}}')
HOLDERS = [("User", "ann"), ("Group", "editors"), ("Role", "Publisher")]


@pytest.fixture(autouse=True)
def people(do: Do) -> None:
    do(CreateUser(user_name="ann"))
    do(CreateGroup(group_name="editors"))
    do(CreateRole(role_name="Publisher", assume_role_policy_document=TRUST))


@pytest.fixture(params=HOLDERS, ids=[noun for noun, _ in HOLDERS])
def ask(request: pytest.FixtureRequest, do: Do) -> Callable[..., Any]:
    """Perform an operation on each kind of holder: ``ask("Put{}Policy", PolicyName="p")``."""
    noun, name = request.param

    def perform(operation: str, **parameters: Any) -> Any:
        return do(operation_named(operation.format(noun), {f"{noun}Name": name, **parameters}))

    perform.noun, perform.holder = noun, name  # type: ignore[attr-defined]
    return perform


# --- inline ---------------------------------------------------------------------------------------------


def test_an_inline_policy_is_kept_as_it_was_given(ask: Any) -> None:
    text = json.dumps(json.loads(ALLOW), indent=3)
    ask("Put{}Policy", PolicyName="p", PolicyDocument=text)
    assert ask("Get{}Policy", PolicyName="p") == {f"{ask.noun}Name": ask.holder, "PolicyName": "p",
                                                  "PolicyDocument": text}
    ask("Put{}Policy", PolicyName="p", PolicyDocument=json.loads(ALLOW))
    assert json.loads(ask("Get{}Policy", PolicyName="p")["PolicyDocument"]) == json.loads(ALLOW)
    assert ask("List{}Policies") == {"PolicyNames": ["p"], "IsTruncated": False}
    ask("Delete{}Policy", PolicyName="p")
    assert ask("List{}Policies")["PolicyNames"] == []


def test_an_inline_policy_that_is_none(ask: Any) -> None:
    for document in ('{"Version":"2012-10-17"}', TRUST, "", [1]):
        with pytest.raises((MalformedPolicyDocumentError, InvalidInputError)):
            ask("Put{}Policy", PolicyName="p", PolicyDocument=document)
    with pytest.raises(InvalidInputError):
        ask("Put{}Policy", PolicyName="a b", PolicyDocument=ALLOW)
    for operation in ("Get{}Policy", "Delete{}Policy"):
        with pytest.raises(NoSuchEntityError):
            ask(operation, PolicyName="p")


@pytest.mark.parametrize(("noun", "most"), [("User", 2048), ("Group", 5120), ("Role", 10240)])
def test_inline_policies_have_their_size_together_without_blanks(do: Do, noun: str, most: int) -> None:
    name = dict(HOLDERS)[noun]

    def put(policy: str, length: int, blanks: int = 0) -> None:
        action = "a:" + "B" * (length - len(ALLOW) + 1)
        text = ALLOW.replace("a:B", action) + " " * blanks
        do(operation_named(f"Put{noun}Policy", {f"{noun}Name": name, "PolicyName": policy, "PolicyDocument": text}))

    put("p", most - 200, blanks=5000)
    put("q", 200)
    with pytest.raises(LimitExceededError):
        put("q", 201)
    put("p", 100)
    put("q", 201)


# --- attached -------------------------------------------------------------------------------------------


def test_attaching_twice_is_attaching_once(ask: Any, policy: Callable[..., str]) -> None:
    arn = policy("Read", path="/team/")
    for _ in range(2):
        ask("Attach{}Policy", PolicyArn=arn)
    assert ask("ListAttached{}Policies")["AttachedPolicies"] == [{"PolicyName": "Read", "PolicyArn": arn}]
    assert ask("ListAttached{}Policies", PathPrefix="/team/")["AttachedPolicies"]
    assert ask("ListAttached{}Policies", PathPrefix="/other/")["AttachedPolicies"] == []
    ask("Detach{}Policy", PolicyArn=arn)
    with pytest.raises(NoSuchEntityError):
        ask("Detach{}Policy", PolicyArn=arn)


def test_only_what_is_there_and_may_be_is_attached(ask: Any, policy: Callable[..., str]) -> None:
    other = policy("Else", account="111122223333")
    for arn in (policy("Read").upper(), "arn:app:iam::000000000000:policy/None", other):
        with pytest.raises((NoSuchEntityError, InvalidInputError)):
            ask("Attach{}Policy", PolicyArn=arn)
    with pytest.raises(PolicyNotAttachableError):
        ask("Attach{}Policy", PolicyArn=policy("Fixed", attachable=False))
    ask("Attach{}Policy", PolicyArn=policy("Platform", account="aws"))


def test_ten_policies_are_the_most(ask: Any, policy: Callable[..., str]) -> None:
    for number in range(10):
        ask("Attach{}Policy", PolicyArn=policy(f"P{number}"))
    with pytest.raises(LimitExceededError) as refused:
        ask("Attach{}Policy", PolicyArn=policy("P10"))
    assert str(refused.value) == f"Cannot exceed quota for PoliciesPer{ask.noun}: 10"


def test_a_referee_hears_of_the_policy(ask: Any, referee: Any, policy: Callable[..., str]) -> None:
    arn = policy("Read")
    ask("Attach{}Policy", PolicyArn=arn)
    action, resource, context = referee.asked[-1]
    assert (action, context["iam:PolicyARN"]) == (f"iam:Attach{ask.noun}Policy", arn)
    assert resource == f"arn:app:iam::000000000000:{ask.noun.lower()}/{ask.holder}"


# --- boundaries -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noun", "name"), [("User", "ann"), ("Role", "Publisher")])
def test_one_boundary_at_a_time(do: Do, referee: Any, policy: Callable[..., str], noun: str, name: str) -> None:
    first, second = policy("First"), policy("Second")

    def ask(operation: str, **parameters: str) -> Any:
        return do(operation_named(operation.format(noun), {f"{noun}Name": name, **parameters}))

    def shown() -> Any:
        return ask("Get{}")[noun].get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")

    for arn in (first, second):
        ask("Put{}PermissionsBoundary", PermissionsBoundary=arn)
        assert referee.asked[-1][2]["iam:PermissionsBoundary"] == arn
        assert shown() == arn
    with pytest.raises(NoSuchEntityError):
        ask("Put{}PermissionsBoundary", PermissionsBoundary=f"{first}X")
    ask("Delete{}PermissionsBoundary")
    assert referee.asked[-1][2]["iam:PermissionsBoundary"] == second
    assert shown() is None
    with pytest.raises(NoSuchEntityError):
        ask("Delete{}PermissionsBoundary")


# --- tags -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noun", ["User", "Role", "Policy"])
def test_keys_of_tags_ignore_case(do: Do, policy: Callable[..., str], noun: str) -> None:
    names = {"User": {"UserName": "ann"}, "Role": {"RoleName": "Publisher"}, "Policy": {"PolicyArn": policy("Read")}}
    who = names[noun]

    def ask(operation: str, **parameters: Any) -> Any:
        return do(operation_named(operation.format(noun), {**who, **parameters}))

    ask("Tag{}", Tags=[{"Key": "Team", "Value": "red"}, {"Key": "b", "Value": ""}])
    ask("Tag{}", Tags=[{"Key": "TEAM", "Value": "blue"}])
    assert ask("List{}Tags")["Tags"] == [{"Key": "b", "Value": ""}, {"Key": "TEAM", "Value": "blue"}]
    ask("Untag{}", TagKeys=["team", "none"])
    assert ask("List{}Tags")["Tags"] == [{"Key": "b", "Value": ""}]
    with pytest.raises(InvalidInputError):
        ask("Tag{}", Tags=[{"Key": "a"}, {"Key": "A"}])
    with pytest.raises(InvalidInputError):
        ask("Tag{}", Tags=[{"Key": "aws:x"}])
    with pytest.raises(LimitExceededError):
        ask("Tag{}", Tags=[{"Key": f"k{number}"} for number in range(50)])


def test_a_referee_hears_of_both_sides_of_a_tag(do: Do, referee: Any) -> None:
    do(operation_named("TagUser", {"UserName": "ann", "Tags": [{"Key": "team", "Value": "red"}]}))
    do(operation_named("TagUser", {"UserName": "ann", "Tags": [{"Key": "team", "Value": "blue"}]}))
    context = referee.asked[-1][2]
    assert (context["aws:RequestTag/team"], context["aws:ResourceTag/team"]) == ("blue", "red")
    do(operation_named("UntagUser", {"UserName": "ann", "TagKeys": ["team"]}))
    assert referee.asked[-1][2]["aws:TagKeys"] == ("team",)


# --- all of them ----------------------------------------------------------------------------------------


def test_nobody(do: Do) -> None:
    for noun, verbs in (("User", "Put Get Delete List"), ("Group", "Put Get Delete"), ("Role", "Put Get Delete")):
        for verb in verbs.split():
            operation = {"List": f"List{noun}Policies"}.get(verb, f"{verb}{noun}Policy")
            more = {} if verb == "List" else {"PolicyName": "p"} | ({"PolicyDocument": ALLOW} if verb == "Put" else {})
            with pytest.raises(NoSuchEntityError):
                do(operation_named(operation, {f"{noun}Name": "nobody", **more}))


def test_what_may_give_rights_is_marked_so() -> None:
    from iam_guard.directory.operations import OPERATIONS

    verbs = ("Put", "Attach", "Detach", "Tag", "Untag")
    marked = [name for name, one in OPERATIONS.items() if name.startswith(verbs) and name.endswith(
        ("UserPolicy", "GroupPolicy", "RolePolicy", "PermissionsBoundary", "User", "Role", "TagPolicy"))]
    assert len(marked) > 15
    assert all(OPERATIONS[name].grants for name in marked)


def test_a_failed_operation_leaves_no_trace(directory: Directory, do: Do, admin: Principal, get: Any) -> None:
    before = directory.store.revision()
    with pytest.raises(LimitExceededError):
        directory.perform(operation_named("TagUser", {"UserName": "ann", "Tags": [
            {"Key": str(number)} for number in range(51)]}), by=admin)
    assert (directory.store.revision(), get(Kind.USER, "ann").tags) == (before, {})
    assert isinstance(get(Kind.ROLE, "publisher"), Role)
    assert isinstance(get(Kind.USER, "ann"), User)
    assert Quotas().tags == 50
