"""What a session is at the guard: its names, its token, the policies in force (6.3, 6.9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tokens import NOW
from world import ANN, AUDIENCE, ISSUER, A, B, World, allow, arn, deny, doc, part, trust

from iam_guard.errors import MalformedPolicyDocumentError, TokenServiceError
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant

Enter = Callable[[Grant], Principal]
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
SEND, READ = "sqs:SendMessage", "sqs:ReceiveMessage"


def test_the_resulting_principal(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    role = world.role("App", trust({"AWS": ANN}), path="/team/", id="AROAX")
    grant = world.assume(ann, role)
    assert (grant.arn, grant.user_id) == (f"arn:aws:sts::{A}:assumed-role/App/s1", "AROAX:s1")
    who = enter(grant)
    context = world.guard.policies.principal_context(who)
    assert context["aws:userid"] == "AROAX:s1"
    assert context["aws:principalarn"] == f"arn:aws:iam::{A}:role/team/App"
    assert context["aws:principaltype"] == "AssumedRole"
    assert "aws:username" not in context
    assert context["aws:principalaccount"] == A


def test_a_role_of_another_account_puts_its_sessions_there(world: World, enter: Enter) -> None:
    ann = world.user("ann", allow("sts:AssumeRole"))
    world.role("T", trust({"AWS": ANN}), account=B)
    assert enter(world.assume(ann, account=B)).account == B


def test_the_token_is_an_access_token_of_rfc_9068(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    token = world.assume(ann).token
    assert part(token, 0) == {"alg": "EdDSA", "typ": "at+jwt", "kid": world.keys.keys[0].id}
    claims = part(token, 1)
    assert claims.keys() >= {"iss", "exp", "aud", "sub", "client_id", "iat", "jti"}  # section 2.2
    assert (claims["iss"], claims["aud"], claims["client_id"]) == (ISSUER, AUDIENCE, ANN)
    assert (claims["iat"], claims["exp"]) == (NOW, NOW + 3600)


def test_when_a_session_began_is_a_condition_key(world: World, enter: Enter) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    context = enter(world.assume(ann)).context
    assert context["aws:tokenissuetime"] == "2027-01-15T08:00:00Z"
    assert context["aws:multifactorauthpresent"] == "false"


def test_nothing_shows_the_token(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    grant = world.assume(ann)
    assert grant.token not in repr(grant)




def app(world: World, *policy: Any, **more: Any) -> Principal:
    """ann, whom role T trusts; T may what is told."""
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}), policy=policy, **more)
    return ann


@pytest.mark.parametrize(("row", "policy", "given", "verdict"), [
    ("E20", (allow(SEND),), doc(allow(SEND)), "allowed"),
    ("E21", (allow(SEND),), doc(allow(READ)), "implicitDeny"),
    ("E22", (allow(READ),), doc(allow(SEND)), "implicitDeny"),
    ("none given", (allow(SEND),), None, "allowed"),
    ("given, and matching nothing", (allow(SEND),), doc(allow("other:*")), "implicitDeny"),
    ("a deny", (allow("sqs:*"),), doc(allow("*"), deny(SEND)), "explicitDeny"),
    ("variables", (allow("sqs:*"),), doc(allow("*", Condition={
        "StringEquals": {"aws:PrincipalType": "${aws:PrincipalType}"}})), "allowed"),
])
def test_a_session_policy_limits(world: World, enter: Enter, row: str, policy: Any, given: str | None,
                                 verdict: str) -> None:
    who = enter(world.assume(app(world, *policy), policy=given))
    assert str(world.guard.authorize(who, SEND, QUEUE).verdict) == verdict


def test_the_callers_own_permissions_are_dropped(world: World, enter: Enter) -> None:
    ann = world.user("ann", allow("*"))
    world.role("T", trust({"AWS": ANN}))
    assert not world.guard.authorize(enter(world.assume(ann)), SEND, QUEUE)


def test_managed_session_policies_count_like_the_inline_one(world: World, enter: Enter) -> None:
    ann = app(world, allow("sqs:*"))
    managed = world.managed("Send", allow(SEND))
    who = enter(world.assume(ann, policy_arns=(managed,), policy=doc(allow(READ))))
    assert world.guard.authorize(who, SEND, QUEUE)
    assert world.guard.authorize(who, READ, QUEUE)
    assert not world.guard.authorize(who, "sqs:DeleteQueue", QUEUE)


def test_a_managed_session_policy_stays_as_it_was(world: World, enter: Enter) -> None:
    ann = app(world, allow("sqs:*"))
    grant = world.assume(ann, policy_arns=(world.managed("Send", allow(SEND)),))
    world.managed("Send", allow(READ))
    assert world.guard.authorize(enter(grant), SEND, QUEUE)


def test_no_session_policy_at_all_is_not_an_empty_one(world: World, enter: Enter) -> None:
    assert enter(world.assume(app(world, allow(SEND)), policy_arns=())).session_policies is None


@pytest.mark.parametrize(("wanted", "code"), [
    ({"policy": doc(allow(SEND), *[allow("a:" + "b" * 60)] * 30)}, "PackedPolicyTooLarge"),
    ({"policy": doc(allow(SEND)) + " " * 2048}, "PackedPolicyTooLarge"),  # white space counts
    ({"policy_arns": (arn("policy", "None"),)}, "ValidationError"),
    ({"policy_arns": (arn("policy", "Foreign", B),)}, "ValidationError"),
    ({"policy_arns": tuple(arn("policy", f"P{number}") for number in range(11))}, "ValidationError"),
])
def test_session_policies_that_are_refused(world: World, wanted: dict[str, Any], code: str) -> None:
    ann = app(world)
    world.managed("Foreign", allow(SEND), account=B)
    with pytest.raises(TokenServiceError) as caught:
        world.assume(ann, **wanted)
    assert caught.value.code == code


@pytest.mark.parametrize("policy", ["", "{}", "[]", doc({**allow(SEND), "Principal": "*"}), '{"Version":"2012-10-17"}'])
def test_a_session_policy_is_an_identity_policy(world: World, policy: str) -> None:
    with pytest.raises(MalformedPolicyDocumentError):
        world.assume(app(world), policy=policy)


def test_managed_and_inline_share_one_limit(world: World) -> None:
    ann = app(world)
    half = [allow("a:" + "b" * 40)] * 12
    managed = world.managed("Half", *half)
    assert 1024 < len(doc(*half)) < 2048
    with pytest.raises(TokenServiceError) as caught:
        world.assume(ann, policy=doc(*half), policy_arns=(managed,))
    assert caught.value.code == "PackedPolicyTooLarge"


def test_a_session_that_fits_into_no_token(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}, ["sts:AssumeRole", "sts:TagSession"]))
    with pytest.raises(TokenServiceError) as caught:
        world.assume(ann, tags={f"key{number}": "v" * 256 for number in range(50)})
    assert caught.value.code == "PackedPolicyTooLarge"
