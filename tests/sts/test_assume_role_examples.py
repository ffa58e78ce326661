"""The worked examples of language specification 5.6 and 6, one row each; the expectation is the specification's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from world import ANN, BOB, A, B, World, allow, arn, deny, trust

from iam_guard.errors import TokenServiceError
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import AssumeRole

ACCOUNT, APP, T = f"arn:aws:iam::{A}:root", arn("role", "App"), arn("role", "T")
MAY = allow("sts:AssumeRole")
OTHER = allow("sqs:SendMessage")


def outcome(world: World, caller: Principal, **wanted: Any) -> str:
    """``ok``, or IAM's name of the error."""
    try:
        world.assume(caller, **wanted)
    except TokenServiceError as refusal:
        return refusal.code
    return "ok"


def user_ann(world: World, *statements: dict[str, Any], **more: Any) -> Principal:
    if more.get("boundary"):
        more["boundary"] = world.managed("Bound", *more["boundary"])
    return world.user("ann", *statements, **more)


def session_of(world: World, name: str, *statements: dict[str, Any], **more: Any) -> Principal:
    """A session s1 of a role of account A, by name alone: whoever it once was does not count."""
    if more.get("boundary"):
        more["boundary"] = world.managed("Bound", *more["boundary"])
    role = world.role(name, trust({"AWS": ANN}), policy=statements, **more)
    return Principal.from_arn(f"arn:aws:sts::{A}:assumed-role/{name}/s1", role_arn=role.arn, unique_id=role.id)


# Each: the caller, whom the role trusts, and the verdict of table TR in section 5.10. A denial is a denial to the
# client; the record tells IMPLICIT and EXPLICIT apart.
TR: dict[str, tuple[Callable[[World], Principal], Any, str]] = {
    "TR1": (lambda w: user_ann(w), ANN, "allowed"),
    "TR2": (lambda w: user_ann(w), ACCOUNT, "implicitDeny"),
    "TR3": (lambda w: user_ann(w, MAY), ACCOUNT, "allowed"),
    "TR4": (lambda w: user_ann(w, MAY), BOB, "implicitDeny"),
    "TR5": (lambda w: user_ann(w, boundary=(OTHER,)), ANN, "allowed"),
    "TR6": (lambda w: session_of(w, "App"), APP, "allowed"),
    "TR7": (lambda w: session_of(w, "App", boundary=(OTHER,)), APP, "implicitDeny"),
    "TR8 account": (lambda w: user_ann(w, MAY, deny("sts:AssumeRole")), ACCOUNT, "explicitDeny"),
    "TR8 ann": (lambda w: user_ann(w, MAY, deny("sts:AssumeRole")), ANN, "explicitDeny"),
}


@pytest.mark.parametrize("row", TR)
def test_who_may_assume_a_role_of_the_same_account(world: World, row: str) -> None:
    make, trusted, verdict = TR[row]
    world.user("bob")
    caller = make(world)
    world.role("T", trust({"AWS": trusted}))
    assert _verdict(world, caller, T) == verdict


@pytest.mark.parametrize(("row", "may", "trusted", "verdict"), [
    ("TR9", (MAY,), ACCOUNT, "allowed"), ("TR10", (), ANN, "implicitDeny")])
def test_who_may_assume_a_role_of_another_account(world: World, row: str, may: tuple[dict[str, Any], ...],
                                                  trusted: str, verdict: str) -> None:
    caller = user_ann(world, *may)
    world.role("T", trust({"AWS": trusted}), account=B)
    assert _verdict(world, caller, arn("role", "T", B)) == verdict


@pytest.mark.parametrize(("row", "trusted", "verdict"), [("TR11", ACCOUNT, "allowed"), ("TR12", BOB, "implicitDeny")])
def test_a_role_is_not_trusted_by_itself(world: World, row: str, trusted: str, verdict: str) -> None:
    world.user("bob")
    session_of(world, "T")
    role = world.role("T", trust({"AWS": trusted}), policy=(MAY,))
    itself = Principal.from_arn(f"arn:aws:sts::{A}:assumed-role/T/s1", role_arn=role.arn, unique_id=role.id)
    assert _verdict(world, itself, T) == verdict


def _verdict(world: World, caller: Principal, role: str) -> str:
    try:
        world.service.assume_role(caller, AssumeRole(role_arn=role, role_session_name="s1"))
    except TokenServiceError as refusal:
        return str(refusal.decision.verdict) if refusal.decision is not None else refusal.code
    return "allowed"


# --- 6.5 session tags -----------------------------------------------------------------------------------

BOTH = ["sts:AssumeRole", "sts:TagSession"]


def chain(world: World, enter: Callable[[Grant], Principal], **first: Any) -> Principal:
    """Session s1 of R1, made by ann with what the row says; R2 trusts it."""
    ann = user_ann(world)
    world.role("R1", trust({"AWS": ANN}, BOTH))
    world.role("R2", trust({"AWS": arn("role", "R1")}, BOTH))
    return enter(world.assume(ann, "R1", **first))


def test_st1_a_session_tag_beats_the_roles_tag(world: World, enter: Callable[[Grant], Principal]) -> None:
    ann = user_ann(world)
    world.role("T", trust({"AWS": ANN}, BOTH), tags={"team": "red"})
    who = enter(world.assume(ann, tags={"TEAM": "blue"}))
    assert world.guard.policies.principal_context(who)["aws:principaltag/team"] == "blue"


def test_st2_a_transitive_tag_goes_on(world: World, enter: Callable[[Grant], Principal]) -> None:
    first = chain(world, enter, tags={"team": "red"}, transitive_tag_keys=("team",))
    second = enter(world.assume(first, "R2"))
    assert second.context["aws:principaltag/team"] == "red"


def test_st2_it_goes_on_and_on(world: World, enter: Callable[[Grant], Principal]) -> None:
    first = chain(world, enter, tags={"team": "red"}, transitive_tag_keys=("team",))
    world.role("R3", trust({"AWS": arn("role", "R2")}, BOTH))
    third = enter(world.assume(enter(world.assume(first, "R2")), "R3"))
    assert third.context["aws:principaltag/team"] == "red"


@pytest.mark.parametrize("key", ["team", "TEAM"])
def test_st3_an_inherited_tag_is_not_passed_again(world: World, enter: Callable[[Grant], Principal], key: str) -> None:
    first = chain(world, enter, tags={"team": "red"}, transitive_tag_keys=("team",))
    assert outcome(world, first, role="R2", tags={key: "x"}) == "ValidationError"


def test_st4_other_tags_vanish(world: World, enter: Callable[[Grant], Principal]) -> None:
    first = chain(world, enter, tags={"team": "red"})
    second = enter(world.assume(first, "R2"))
    assert first.context["aws:principaltag/team"] == "red"
    assert "aws:principaltag/team" not in second.context


def test_st5_tags_take_a_permission_of_their_own(world: World) -> None:
    ann = user_ann(world)
    world.role("T", trust({"AWS": ANN}))
    with pytest.raises(TokenServiceError, match="sts:TagSession") as caught:
        world.assume(ann, tags={"team": "red"})
    assert caught.value.code == "AccessDenied"


@pytest.mark.parametrize(("row", "passed", "expected"), [
    ("ST6", {"team": "red"}, "ok"), ("ST6 other", {"team": "blue"}, "AccessDenied")])
def test_st6_the_callers_own_tag(world: World, row: str, passed: dict[str, str], expected: str) -> None:
    ann = user_ann(world, tags={"team": "red"})
    same = {"StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"}}
    world.role("T", trust({"AWS": ANN}, BOTH, same))
    assert outcome(world, ann, tags=passed) == expected


@pytest.mark.parametrize(("row", "passed", "expected"), [
    ("ST7", {"team": "x", "cost": "y"}, "AccessDenied"), ("ST7 allowed", {"team": "x"}, "ok"), ("ST8", {}, "ok")])
def test_st7_and_st8_which_keys_may_be_passed(world: World, row: str, passed: dict[str, str], expected: str) -> None:
    ann = user_ann(world)
    world.role("T", trust({"AWS": ANN}, BOTH, {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}))
    assert outcome(world, ann, tags=passed) == expected


def test_an_inherited_tag_counts_as_the_roles_tag(world: World, enter: Callable[[Grant], Principal]) -> None:
    first = chain(world, enter, tags={"team": "red"}, transitive_tag_keys=("team",))
    ours = {"StringEquals": {"aws:ResourceTag/team": "red", "aws:PrincipalTag/team": "red"}}
    world.role("R3", trust({"AWS": arn("role", "R1")}, BOTH, ours), tags={"Team": "blue"})
    assert outcome(world, first, role="R3") == "ok"


@pytest.mark.parametrize(("keys", "expected"), [(["team"], "ok"), (["cost"], "AccessDenied")])
def test_which_tags_may_be_transitive(world: World, keys: list[str], expected: str) -> None:
    ann = user_ann(world)
    world.role("T", trust({"AWS": ANN}, BOTH, {"ForAllValues:StringEquals": {"sts:TransitiveTagKeys": keys}}))
    assert outcome(world, ann, tags={"team": "x"}, transitive_tag_keys=("team",)) == expected


# --- 6.7 external id, session names, MFA ----------------------------------------------------------------

X: dict[str, tuple[Any, dict[str, Any], str]] = {
    "X1": ({"StringEquals": {"sts:ExternalId": "abc"}}, {"external_id": "abc"}, "ok"),
    "X2": ({"StringEquals": {"sts:ExternalId": "abc"}}, {}, "AccessDenied"),
    "X3": (None, {"external_id": "zzz"}, "ok"),
    "X4": ({"StringLike": {"sts:RoleSessionName": "${aws:username}"}}, {"role_session_name": "ann"}, "ok"),
    "X5": ({"StringLike": {"sts:RoleSessionName": "${aws:username}"}}, {"role_session_name": "bob"}, "AccessDenied"),
    "X6": ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, {}, "AccessDenied"),
}


@pytest.mark.parametrize("row", X)
def test_what_a_trust_policy_asks(world: World, row: str) -> None:
    condition, wanted, expected = X[row]
    ann = user_ann(world)
    world.role("T", trust({"AWS": ANN}, condition=condition))
    assert outcome(world, ann, **wanted) == expected


# --- 6.8 chains, durations ------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "longest", "asked", "expected"), [
    ("CH1", 43200, 43200, "ok"), ("CH2", 3600, 7200, "ValidationError"), ("CH5", 43200, 899, "ValidationError"),
    ("shortest", 3600, 900, "ok"), ("longer than any", 43200, 43201, "ValidationError")])
def test_durations_of_a_users_sessions(world: World, row: str, longest: int, asked: int, expected: str) -> None:
    ann = user_ann(world)
    world.role("T", trust({"AWS": ANN}), max_session_duration=longest)
    assert outcome(world, ann, duration_seconds=asked) == expected


@pytest.mark.parametrize(("row", "asked", "expected"), [
    ("CH3", 7200, "ValidationError"), ("CH5", 899, "ValidationError"), ("an hour", 3600, "ok")])
def test_durations_in_a_chain(world: World, row: str, asked: int, expected: str) -> None:
    session = session_of(world, "App")
    world.role("T", trust({"AWS": APP}), max_session_duration=43200)
    assert outcome(world, session, duration_seconds=asked) == expected


def test_ch4_a_chained_session_lasts_an_hour(world: World) -> None:
    session = session_of(world, "App")
    world.role("T", trust({"AWS": APP}), max_session_duration=43200)
    grant = world.assume(session)
    assert grant.expires_at - grant.issued_at == 3600
