"""Keys that sign: rotation, publication, and what they are good for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tokens import NOW
from world import ANN, ISSUER, A, World, part, trust

from iam_guard.errors import AuthenticationError
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.identity.presets import token_service
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.signing import SigningKeys

Enter = Callable[[Grant], Principal]
QUEUE = f"arn:aws:sqs:us-east-1:{A}:q"
SEND, READ = "sqs:SendMessage", "sqs:ReceiveMessage"


def test_an_old_key_verifies_until_its_last_session_has_ended() -> None:
    keys = SigningKeys.make(NOW)
    old = keys.keys[0]
    turned = keys.rotated(NOW + 100, lead=300)
    new = turned.keys[-1]
    assert turned.signing(NOW + 399) == old
    assert turned.signing(NOW + 400) == new
    longest = NOW + 399 + 129_600  # signed in the last second, for as long as any session may be
    assert {key["kid"] for key in turned.jwks(longest)["keys"]} == {old.id, new.id}
    assert {key["kid"] for key in turned.jwks(longest + 3600)["keys"]} == {new.id}
    assert turned.rotated(longest + 3600).keys[0] == new


def test_a_published_key_shows_nothing_private() -> None:
    [key] = SigningKeys.make(NOW).jwks(NOW)["keys"]
    assert key.keys() == {"kty", "crv", "use", "alg", "kid", "x"}
    assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")
    assert "private" not in repr(SigningKeys.make(NOW).keys[0])


def test_sessions_go_on_over_a_rotation(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    before = world.assume(ann)
    world.turn_keys()
    after = world.assume(ann)
    assert part(before.token, 0)["kid"] != part(after.token, 0)["kid"]
    for grant in (before, after):
        assert asyncio.run(world.enter(grant)).arn == grant.arn


def test_another_service_of_the_same_name_is_believed_nothing(world: World) -> None:
    other = World()
    ann = other.user("ann")
    other.role("T", trust({"AWS": ANN}))
    with pytest.raises(AuthenticationError):
        asyncio.run(world.enter(other.assume(ann)))


def test_a_session_for_one_service_opens_no_other(world: World) -> None:
    ann = world.user("ann")
    world.role("T", trust({"AWS": ANN}))
    elsewhere = JWTAuthenticator([token_service(ISSUER, audience="billing", keys=world.keys.jwks(NOW))],
                                 clock=world.clock)
    with pytest.raises(AuthenticationError, match="audience"):
        asyncio.run(elsewhere.read(world.assume(ann).token.encode()))
