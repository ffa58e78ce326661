"""A request that comes again: decided anew as soon as anything that counts is not the same."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from iam_guard.audit.sinks import MemorySink
from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import UnavailableError
from iam_guard.guard import Guard, InformedCaller, Question
from iam_guard.identity.caller import current_caller
from iam_guard.model import Principal
from iam_guard.policy.parse import parse_policy

START = datetime(2026, 3, 1, 18, 3, 0, 250_000, tzinfo=UTC)
ASKED = (Question("docs:Get", "arn:app:docs::000000000000:document/1"),)


def _policies(revision: str, **more: Any) -> PolicySet:
    statement = {"Effect": "Allow", "Action": "docs:*", "Resource": "*", **more}
    return PolicySet.from_documents([parse_policy({"Version": "2012-10-17", "Statement": [statement]})], id=revision)


class World:
    """A guard whose policies and clock a test changes."""

    def __init__(self, policies: PolicySet) -> None:
        self.policies: PolicySet | None = policies
        self.now, self.records = START, MemorySink()
        self.guard = Guard(self, clock=lambda: self.now, log=self.records)

    @property
    def current(self) -> PolicySet:
        if self.policies is None:
            raise UnavailableError("there are none")
        return self.policies

    def again(self, before: InformedCaller) -> tuple[bool, str, str]:
        """Whether it is allowed, the decision's id, and the time that the decision knew."""
        caller = InformedCaller(before.principal)
        token = current_caller.set(caller)
        try:
            [decision] = self.guard.begin_again(caller, ASKED, before)
        finally:
            current_caller.reset(token)
        assert not decision or caller.hold is not None
        return bool(decision), decision.id, str(decision.request.context.get("aws:currenttime"))


def test_the_same_moment_and_policies_give_new_decisions_that_say_the_same() -> None:
    world, before = World(_policies("r1")), InformedCaller(Principal.user("ann"))
    told = [world.again(before) for _ in range(3)]
    assert [(allowed, time) for allowed, _, time in told] == [(True, "2026-03-01T18:03:00Z")] * 3
    assert len({name for _, name, _ in told}) == 3
    assert [one.id for one in world.records.records] == [name for _, name, _ in told]


@pytest.mark.parametrize("passed", [0.75, 1.0, 60.0, 3600.0, -0.5, -60.0])
def test_another_second(passed: float) -> None:
    world, before = World(_policies("r1")), InformedCaller(Principal.user("ann"))
    world.again(before)
    world.now += timedelta(seconds=passed)
    assert world.again(before)[2] == f"{world.now.isoformat()[:19]}Z"


def test_other_policies_and_none_at_all() -> None:
    world, before = World(_policies("r1")), InformedCaller(Principal.user("ann"))
    assert world.again(before)[0]
    world.policies = _policies("r2", Effect="Deny")
    assert not world.again(before)[0]
    world.policies = None
    assert not world.again(before)[0]
    world.policies = _policies("r3")
    assert world.again(before)[0]


def test_a_session_ends_within_a_second() -> None:
    who = Principal.user("ann", expires_at=START.timestamp() + 0.5)
    world, before = World(_policies("r1")), InformedCaller(who)
    assert world.again(before)[0]
    world.now += timedelta(seconds=0.5)
    assert not world.again(before)[0]


def test_a_second_factor_ages_by_a_second_that_is_its_own() -> None:
    who = Principal.user("ann", mfa_at=START.timestamp() - 9.75)
    young = {"Condition": {"NumericLessThan": {"aws:MultiFactorAuthAge": "10"}}}
    world, before = World(_policies("r1", **young)), InformedCaller(who)
    assert world.again(before)[0]
    world.now += timedelta(seconds=0.25)
    assert not world.again(before)[0]


def test_the_policies_of_another_guard_are_not_taken_for_ones_own() -> None:
    first, second = World(_policies("r1")), World(_policies("r2", Effect="Deny"))
    before = InformedCaller(Principal.user("ann"))
    assert first.again(before)[0]
    assert not second.again(before)[0]


def test_a_denial_is_not_repeated() -> None:
    world, before = World(_policies("r1", Effect="Deny")), InformedCaller(Principal.user("ann"))
    assert [world.again(before)[0] for _ in range(2)] == [False, False]
    assert world.guard._same_hold(before) is None
