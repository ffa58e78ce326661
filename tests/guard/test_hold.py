"""A request is answered by one revision of the policies from start to end, as far as promise S17 lets it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from iam_guard.engine.policy_set import PolicySet
from iam_guard.errors import UnavailableError
from iam_guard.guard import HOLD_SECONDS, Guard
from iam_guard.identity.caller import Caller, current_caller
from iam_guard.model import Principal

ANN = Principal.user("ann")
FIRST, SECOND = (PolicySet.from_json(
    f'{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "{action}", "Resource": "*"}}}}')
    for action in ("a:First", "a:Second"))


class Source:
    """Policies that a test replaces."""

    def __init__(self) -> None:
        self.policies: PolicySet | None = FIRST

    @property
    def current(self) -> PolicySet:
        if self.policies is None:
            raise UnavailableError("too old")
        return self.policies


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def guard(source: Source, clock: Clock) -> Guard:
    return Guard(source, clock=clock)


@pytest.fixture
def caller(guard: Guard) -> Iterator[Caller]:
    one = Caller(ANN, hold=guard.hold())
    token = current_caller.set(one)
    yield one
    current_caller.reset(token)


def answers(guard: Guard) -> tuple[bool, bool]:
    return bool(guard.authorize(ANN, "a:First", "*")), bool(guard.authorize_many(ANN, [("a:Second", "*")])[0])


def test_a_request_keeps_to_the_revision_it_began_with(guard: Guard, source: Source, caller: Caller) -> None:
    source.policies = SECOND
    assert answers(guard) == (True, False)
    caller.hold = guard.hold()
    assert answers(guard) == (False, True)


def test_without_a_hold_the_newest_answers(guard: Guard, source: Source, caller: Caller) -> None:
    caller.hold = None
    source.policies = SECOND
    assert answers(guard) == (False, True)


def test_s17_a_long_request_does_not_live_in_the_past(
        guard: Guard, source: Source, caller: Caller, clock: Clock) -> None:
    source.policies = SECOND
    clock.now += timedelta(seconds=HOLD_SECONDS)
    assert answers(guard) == (True, False)
    clock.now += timedelta(milliseconds=1)
    assert answers(guard) == (False, True)


def test_a_clock_that_goes_back_ends_the_hold(guard: Guard, source: Source, caller: Caller, clock: Clock) -> None:
    source.policies = SECOND
    clock.now -= timedelta(milliseconds=1)
    assert answers(guard) == (False, True)


def test_s17_silence_of_the_store_ends_the_hold_too(guard: Guard, source: Source, caller: Caller) -> None:
    source.policies = None
    assert answers(guard) == (False, False)


def test_a_guard_does_not_keep_to_what_another_held(guard: Guard, source: Source, caller: Caller) -> None:
    source.policies = SECOND
    assert answers(Guard(source, clock=Clock())) == (False, True)
