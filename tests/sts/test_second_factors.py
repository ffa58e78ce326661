"""Second factors: codes, what they open, and how old they get (6.7)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from world import ANN, A, World, trust

from iam_guard.errors import TokenServiceError
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.mfa import Device, TimedCodes, code_at
from iam_guard.sts.parameters import GetSessionToken

Enter = Callable[[Grant], Principal]
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
SEND, READ = "sqs:SendMessage", "sqs:ReceiveMessage"


SERIAL, SECRET = f"arn:aws:iam::{A}:mfa/ann", b"12345678901234567890"
FRESH = {"Bool": {"aws:MultiFactorAuthPresent": "true"}, "NumericLessThan": {"aws:MultiFactorAuthAge": "3600"}}


@pytest.fixture
def factors() -> World:
    return World(devices=TimedCodes({SERIAL: Device(ANN, SECRET)}))


def code(world: World) -> dict[str, str]:
    return {"serial_number": SERIAL, "token_code": code_at(SECRET, int(world.clock()) // 30)}


@pytest.mark.parametrize(("seconds", "expected"), [
    (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"),
    (2000000000, "69279037"), (20000000000, "65353130")])
def test_codes_are_those_of_rfc_6238(seconds: int, expected: str) -> None:  # appendix B
    assert code_at(SECRET, seconds // 30, 8) == expected


def test_a_code_opens_a_role_that_asks_for_one(factors: World) -> None:
    ann = factors.user("ann")
    factors.role("T", trust({"AWS": ANN}, condition=FRESH))
    who = asyncio.run(factors.enter(factors.assume(ann, **code(factors))))
    assert who.context["aws:multifactorauthpresent"] == "false"  # it was for the trust policy


def test_a_code_counts_once(factors: World) -> None:
    ann = factors.user("ann")
    factors.role("T", trust({"AWS": ANN}, condition=FRESH))
    shown = code(factors)
    factors.assume(ann, **shown)
    with pytest.raises(TokenServiceError, match="second factor"):
        factors.assume(ann, **shown)


@pytest.mark.parametrize("wrong", [{"token_code": "000000"}, {"serial_number": f"arn:aws:iam::{A}:mfa/bob"}])
def test_a_wrong_code_is_refused_even_where_none_is_asked_for(factors: World, wrong: dict[str, str]) -> None:
    ann = factors.user("ann")
    factors.role("T", trust({"AWS": ANN}))
    with pytest.raises(TokenServiceError) as caught:
        factors.assume(ann, **{**code(factors), **wrong})
    assert caught.value.code == "AccessDenied"


def test_nobody_shows_anothers_code(factors: World) -> None:
    bob = factors.user("bob")
    factors.role("T", trust({"AWS": bob.arn}))
    with pytest.raises(TokenServiceError, match="second factor"):
        factors.assume(bob, **code(factors))


@pytest.mark.parametrize(("row", "seconds", "expected"), [("X7", 600, "ok"), ("an hour later", 3600, "AccessDenied")])
def test_x7_the_age_of_a_second_factor(factors: World, row: str, seconds: int, expected: str) -> None:
    ann = factors.user("ann")
    factors.role("T", trust({"AWS": ANN}, condition=FRESH))
    session = factors.service.get_session_token(ann, GetSessionToken(**code(factors)))
    who = asyncio.run(factors.enter(session))  # its age is told at each decision, not when the token was read
    factors.clock.now += seconds
    try:
        factors.assume(who)
        found = "ok"
    except TokenServiceError as refusal:
        found = refusal.code
    assert found == expected


def test_a_session_of_a_role_has_no_device() -> None:
    session = f"arn:aws:sts::{A}:assumed-role/App/s1"
    world = World(devices=TimedCodes({SERIAL: Device(session, SECRET)}))
    app = world.role("App", trust({"AWS": "*"}))
    world.role("T", trust({"AWS": app.arn}))
    who = Principal.from_arn(session, role_arn=app.arn, unique_id=app.id)
    with pytest.raises(TokenServiceError, match="second factor"):
        world.assume(who, **code(world))
