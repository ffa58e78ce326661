"""J10: generous leeway, or windows that are never read."""

from __future__ import annotations

import pytest
from tokens import NOW, FakeClock, ask, authenticator, claims_of, i1, refusal, token

from iam_guard.errors import ConfigurationError
from iam_guard.identity.clock import SteadyClock


def test_j10_1_expired() -> None:
    for leeway in (0, 30, 60):
        error = refusal(authenticator(i1(leeway=leeway)), token(claims_of(exp=NOW - 61)))
        assert error.description == "The access token expired"


def test_leeway_ends_on_the_second() -> None:
    assert ask(authenticator(i1(leeway=60)), token(claims_of(exp=NOW - 59))).expires_at == NOW + 1
    refusal(authenticator(i1(leeway=60)), token(claims_of(exp=NOW - 60)))
    refusal(authenticator(i1(leeway=0)), token(claims_of(exp=NOW)))


@pytest.mark.parametrize("claim", ["nbf", "iat", "auth_time"])
def test_j10_2_from_the_future(claim: str) -> None:
    refusal(authenticator(), token(claims_of(**{claim: NOW + 3600})))
    refusal(authenticator(i1(leeway=10)), token(claims_of(**{claim: NOW + 11})))
    assert ask(authenticator(i1(leeway=10)), token(claims_of(**{claim: NOW + 10}))).subject == "alice"


@pytest.mark.parametrize("leeway", [61, -1, float("inf"), float("nan"), "30"])
def test_leeway_is_at_most_a_minute(leeway: object) -> None:
    with pytest.raises(ConfigurationError, match="leeway"):
        i1(leeway=leeway)


def test_longest_lifetime() -> None:
    door = authenticator(i1(max_lifetime=3600))
    assert ask(door, token(claims_of(iat=NOW, exp=NOW + 3600))).subject == "alice"
    refusal(door, token(claims_of(iat=NOW, exp=NOW + 3601)))
    refusal(door, token(claims_of(without=("iat",))))


def test_a_clock_set_back_revives_nothing() -> None:
    wall, monotonic = FakeClock(NOW), FakeClock(5)
    clock = SteadyClock(wall, monotonic)
    door, text = authenticator(i1(leeway=0), clock=clock), token(claims_of(exp=NOW + 60))  # type: ignore[arg-type]
    assert ask(door, text).subject == "alice"
    monotonic.now += 61
    wall.now -= 3600
    refusal(door, text)
    wall.now = NOW + 7200
    assert clock() == NOW + 7200
