"""Sessions of users and of those whom they vouch for; who can ask for what (6.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from tokens import NOW
from world import ANN, A, World, allow, deny, doc, trust

from iam_guard.errors import TokenServiceError
from iam_guard.model import Principal, PrincipalKind
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import GetFederationToken, GetSessionToken

Enter = Callable[[Grant], Principal]
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
SEND, READ = "sqs:SendMessage", "sqs:ReceiveMessage"


def test_a_users_session_is_the_user(world: World, enter: Enter) -> None:
    ann = world.user("ann", allow(SEND), tags={"team": "red"})
    grant = world.service.get_session_token(ann, GetSessionToken())
    assert grant.expires_at - grant.issued_at == 43200
    who = enter(grant)
    assert (who.kind, who.arn) == (PrincipalKind.USER, ANN)
    context = world.guard.policies.principal_context(who)
    assert (context["aws:username"], context["aws:userid"]) == ("ann", "AIDAANN")
    assert (context["aws:principaltag/team"], context["aws:multifactorauthpresent"]) == ("red", "false")
    assert world.guard.authorize(who, SEND, QUEUE)
    assert not world.guard.authorize(who, READ, QUEUE)


def test_no_policy_keeps_a_user_from_a_session(world: World) -> None:
    ann = world.user("ann", deny("*"))
    assert world.service.get_session_token(ann, GetSessionToken())


@pytest.mark.parametrize(("seconds", "fine"), [(899, False), (900, True), (129600, True), (129601, False)])
def test_durations_of_users_sessions(world: World, seconds: int, fine: bool) -> None:
    ann = world.user("ann", allow("sts:*"))
    for ask in (lambda: world.service.get_session_token(ann, GetSessionToken(duration_seconds=seconds)),
                lambda: world.service.get_federation_token(ann, GetFederationToken(
                    name="bob", duration_seconds=seconds))):
        if fine:
            grant = ask()
            assert grant.expires_at - grant.issued_at == seconds
        else:
            with pytest.raises(TokenServiceError):
                ask()


def test_root_has_an_hour(world: World, enter: Enter) -> None:
    root = Principal.root(account=A, partition="aws")
    grant = world.service.get_session_token(root, GetSessionToken())
    assert grant.expires_at - grant.issued_at == 3600
    assert enter(grant).context["aws:principaltype"] == "Account"
    with pytest.raises(TokenServiceError):
        world.service.get_session_token(root, GetSessionToken(duration_seconds=3601))


def callers(world: World, enter: Enter) -> dict[str, Principal]:
    ann = world.user("ann", allow("*"))
    world.role("T", trust({"AWS": ANN}), policy=(allow("*"),))
    service = world.service
    return {
        "user": ann, "root": Principal.root(account=A, partition="aws"), "anonymous": Principal.anonymous(),
        "service": Principal.service("billing.internal"), "role session": enter(world.assume(ann)),
        "user session": enter(service.get_session_token(ann, GetSessionToken())),
        "federated user": enter(service.get_federation_token(ann, GetFederationToken(
            name="bob", policy=doc(allow("*"))))),
        "user of another issuer": replace(ann, issuer="https://idp.example", expires_at=NOW + 60),
    }


@pytest.mark.parametrize(("operation", "may"), [
    ("AssumeRole", {"user", "role session", "user session", "user of another issuer"}),
    ("GetSessionToken", {"user", "root"}),
    ("GetFederationToken", {"user"}),
    ("GetCallerIdentity", {"user", "root", "service", "role session", "user session", "federated user",
                           "user of another issuer"}),
])
def test_who_can_ask_for_what(world: World, enter: Enter, operation: str, may: set[str]) -> None:
    known = callers(world, enter)
    everybody = [who.arn for who in known.values() if who.arn.startswith("arn:aws:iam")]
    world.role("Any", trust({"AWS": [*everybody, f"arn:aws:iam::{A}:root"]}))
    ask: dict[str, Callable[[Principal], object]] = {
        "AssumeRole": lambda who: world.assume(who, "Any"),
        "GetSessionToken": lambda who: world.service.get_session_token(who, GetSessionToken()),
        "GetFederationToken": lambda who: world.service.get_federation_token(who, GetFederationToken(name="eve")),
        "GetCallerIdentity": lambda who: world.service.get_caller_identity(who),
    }
    found = set()
    for name, who in known.items():
        try:
            ask[operation](who)
            found.add(name)
        except TokenServiceError as refusal:
            assert refusal.code == "AccessDenied"  # noqa: PT017
    assert found == may


def test_who_asks(world: World, enter: Enter) -> None:
    known = callers(world, enter)
    assert world.service.get_caller_identity(known["user"]) == {"UserId": "AIDAANN", "Account": A, "Arn": ANN}
    assert world.service.get_caller_identity(known["role session"]) == {
        "UserId": "AROAT:s1", "Account": A, "Arn": f"arn:aws:sts::{A}:assumed-role/T/s1"}
    assert world.service.get_caller_identity(known["federated user"]) == {
        "UserId": f"{A}:bob", "Account": A, "Arn": f"arn:aws:sts::{A}:federated-user/bob"}
    world.user("ann", deny("*"))
    assert world.service.get_caller_identity(known["user"])["Arn"] == ANN


def test_an_ended_session_asks_for_nothing(world: World, enter: Enter) -> None:
    who = callers(world, enter)["role session"]
    world.clock.now += 3600 + 60
    for ask in (lambda: world.assume(who), lambda: world.service.get_caller_identity(who)):
        with pytest.raises(TokenServiceError) as caught:
            ask()
        assert caught.value.code == "ExpiredTokenException"




@pytest.mark.parametrize(("row", "own", "given", "verdict"), [
    ("both", (allow("sts:*"), allow(SEND)), doc(allow(SEND)), "allowed"),
    ("the user may not", (allow("sts:*"),), doc(allow(SEND)), "implicitDeny"),
    ("the session may not", (allow("sts:*"), allow(SEND)), doc(allow(READ)), "implicitDeny"),
    ("E45", (allow("sts:*"), allow(SEND)), None, "implicitDeny"),
])
def test_a_federated_user_may_what_both_allow(world: World, enter: Enter, row: str, own: Any, given: str | None,
                                              verdict: str) -> None:
    ann = world.user("ann", *own)
    who = enter(world.service.get_federation_token(ann, GetFederationToken(name="bob", policy=given)))
    assert str(world.guard.authorize(who, SEND, QUEUE).verdict) == verdict
    assert who.context["aws:principaltype"] == "FederatedUser"


@pytest.mark.parametrize(("statements", "tags", "fine"), [
    ((), {}, False), ((allow("sts:GetFederationToken"),), {}, True),
    ((allow("sts:GetFederationToken", f"arn:aws:sts::{A}:federated-user/eve"),), {}, False),
    ((allow("sts:GetFederationToken", f"arn:aws:sts::{A}:federated-user/b*"),), {}, True),
    ((allow("sts:GetFederationToken"),), {"team": "red"}, False),
    ((allow(["sts:GetFederationToken", "sts:TagSession"]),), {"team": "red"}, True),
])
def test_the_users_policies_decide_on_federation(world: World, statements: Any, tags: dict[str, str],
                                                 fine: bool) -> None:
    ann = world.user("ann", *statements)
    wanted = GetFederationToken(name="bob", tags=tags)
    if fine:
        assert world.service.get_federation_token(ann, wanted).arn == f"arn:aws:sts::{A}:federated-user/bob"
    else:
        with pytest.raises(TokenServiceError, match="not authorized"):
            world.service.get_federation_token(ann, wanted)
