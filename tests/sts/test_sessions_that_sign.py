"""Sessions that sign: botocore signs with what the token service gave, and a guard that stores none knows it."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import replace
from typing import Any

import pytest
import signing
from signing import RULES, Keys, Sent, with_body
from world import ANN, AUDIENCE, ISSUER, World, arn, trust

from iam_guard.directory.hiding import KeyRing
from iam_guard.directory.session_secrets import SessionSecrets
from iam_guard.errors import AuthenticationError, TokenServiceError, UnavailableError
from iam_guard.identity.jwt import JWTAuthenticator, TokenIdentity
from iam_guard.identity.one_credential import OneCredential
from iam_guard.identity.presets import token_service
from iam_guard.identity.session_keys import SessionKeys
from iam_guard.identity.sigv4.authenticator import SigV4Authenticator
from iam_guard.model import Principal
from iam_guard.sts.grant import Grant
from iam_guard.sts.parameters import AssumeRole, GetFederationToken, GetSessionToken

OLD, NEW = secrets.token_bytes(32), secrets.token_bytes(32)


def ring(*keys: bytes) -> SessionSecrets:
    return SessionSecrets(lambda: KeyRing(*keys))


class Signers:
    """A token service whose sessions sign, and a guard beside it that shares its key ring and nothing else."""

    def __init__(self) -> None:
        self.world = World(secrets=ring(OLD))
        self.world.clock.now = time.time()  # botocore signs by the real clock
        self.world.turn_keys()
        self.world.role("T", trust({"AWS": ANN}))
        self.ann = self.world.user("ann")
        self.revoked: set[str] = set()

    def grant(self, **more: Any) -> Grant:
        return self.world.service.assume_role(
            self.ann, AssumeRole(role_arn=arn("role", "T"), role_session_name="s1"), **{"signs": True, **more})

    def reader(self) -> JWTAuthenticator:
        def is_revoked(identity: TokenIdentity) -> bool:
            return identity.token_id in self.revoked

        issuer = token_service(ISSUER, audience=AUDIENCE, keys=self.world.keys.jwks(self.world.clock()))
        return JWTAuthenticator([issuer], clock=self.world.clock, is_revoked=is_revoked)

    def door(self, *keys: bytes, **rules: Any) -> SigV4Authenticator:
        temporary = SessionKeys(self.reader(), ring(*(keys or (OLD,))))
        return SigV4Authenticator(Keys(), replace(RULES, **rules), temporary=temporary, clock=self.world.clock)


@pytest.fixture
def signers() -> Signers:
    return Signers()


def signed(grant: Grant, **changes: Any) -> Sent:
    """A request that botocore signed with what a session was given."""
    return signing.signed("POST", "/orders", body=b"{}", **{
        "key": grant.id, "secret": grant.secret, "token": grant.token, **changes})


def ask(door: SigV4Authenticator | OneCredential, one: Sent) -> Principal | None:
    return asyncio.run(door.authenticate(with_body(one)))


def refusal(door: SigV4Authenticator, one: Sent) -> str:
    with pytest.raises(AuthenticationError) as refused:
        ask(door, one)
    return refused.value.detail


def test_a_session_of_a_role_signs(signers: Signers) -> None:
    grant = signers.grant()
    who = ask(signers.door(), signed(grant))
    assert who is not None
    assert (who.arn, who.role_arn) == (grant.arn, arn("role", "T"))
    assert who.expires_at == grant.expires_at + 30  # the leeway of the guard
    assert grant.id.startswith("ASIA")
    assert grant.secret not in repr(grant)


@pytest.mark.parametrize("kind", ["user", "federated"])
def test_sessions_of_users_and_of_those_they_vouch_for_sign_too(signers: Signers, kind: str) -> None:
    service = signers.world.service
    signers.ann = signers.world.user("ann", {"Effect": "Allow", "Action": "sts:GetFederationToken", "Resource": "*"})
    grant = (service.get_session_token(signers.ann, GetSessionToken(), signs=True) if kind == "user" else
             service.get_federation_token(signers.ann, GetFederationToken(name="guest"), signs=True))
    who = ask(signers.door(), signed(grant))
    assert who is not None
    assert who.arn == grant.arn


def test_a_presigned_url_of_a_session(signers: Signers, monkeypatch: pytest.MonkeyPatch) -> None:
    grant = signers.grant()
    monkeypatch.setattr(signing, "KEY", grant.id)
    monkeypatch.setattr(signing, "SECRET", grant.secret)
    who = ask(signers.door(presigned=True), signing.presigned(token=grant.token))
    assert who is not None
    assert who.arn == grant.arn


def test_its_token_is_nothing_for_a_bearer(signers: Signers) -> None:
    """Whoever sees a signed request sees its session token."""
    header = (b"authorization", f"Bearer {signers.grant().token}".encode())
    bare = signing.sent({**signing.signed(), "headers": [(b"host", b"orders.example"), header]}, [b""])
    for door in (signers.reader(), OneCredential(signers.reader(), signers.door())):
        with pytest.raises(AuthenticationError, match="scheme is Bearer"):
            asyncio.run(door.authenticate(with_body(bare)))


def test_a_token_for_bearers_signs_nothing(signers: Signers) -> None:
    grant = signers.grant(signs=False)
    assert grant.secret == ""
    guessed = ring(OLD).secret(KeyRing(OLD).first, grant.id, grant.token)
    assert "no such access key" in refusal(signers.door(), signed(grant, secret=guessed))


def test_the_secret_of_another_session(signers: Signers) -> None:
    one, other = signers.grant(), signers.grant()
    assert one.secret != other.secret
    assert "the signature is wrong" in refusal(signers.door(), signed(one, secret=other.secret))
    assert "the signature is wrong" in refusal(signers.door(), signed(one, token=other.token))
    assert "the signature is wrong" in refusal(signers.door(), signed(one, key=other.id))


def test_no_other_text_of_the_token_counts(signers: Signers) -> None:
    grant, door = signers.grant(), signers.door()
    for index in range(0, len(grant.token), 7):
        other = "B" if grant.token[index] == "A" else "A"
        changed = grant.token[:index] + other + grant.token[index + 1:]
        assert refusal(door, signed(grant, token=changed))
    assert refusal(door, signed(grant, token=f"{grant.token}="))
    assert refusal(door, signed(grant, token=""))


def test_a_session_that_signs_ends(signers: Signers, monkeypatch: pytest.MonkeyPatch) -> None:
    short = signers.world.service.assume_role(
        signers.ann, AssumeRole(role_arn=arn("role", "T"), role_session_name="s2", duration_seconds=900), signs=True)
    monkeypatch.setattr(signing, "KEY", short.id)
    monkeypatch.setattr(signing, "SECRET", short.secret)
    one, door = signing.presigned(token=short.token, expires=3600), signers.door(presigned=True)
    signers.world.clock.now += 929  # the leeway of the guard is 30 seconds
    assert ask(door, one) is not None
    signers.world.clock.now += 2
    assert "no such access key" in refusal(door, one)


def test_a_session_that_was_revoked(signers: Signers) -> None:
    grant, door = signers.grant(), signers.door(replays="none")
    one = signed(grant)
    assert ask(door, one) is not None
    signers.revoked.add(grant.id)
    assert "no such access key" in refusal(door, one)
    with pytest.raises(AuthenticationError, match="any more"):
        asyncio.run(door.check_again(with_body(one)))


def test_the_key_ring_turns_while_sessions_go_on(signers: Signers) -> None:
    grant = signers.grant()
    assert ask(signers.door(NEW, OLD), signed(grant)) is not None
    assert "no such access key" in refusal(signers.door(NEW), signed(grant))


def test_keys_that_cannot_be_had_are_no_wrong_signature(signers: Signers) -> None:
    class Away:
        async def read(self, token: bytes) -> Any:
            raise UnavailableError("the issuer is away")

    door = SigV4Authenticator(Keys(), RULES, temporary=SessionKeys(Away(), ring(OLD)), clock=signers.world.clock)
    with pytest.raises(UnavailableError):
        ask(door, signed(signers.grant()))


def test_a_service_without_a_key_ring_gives_none() -> None:
    world = World()
    with pytest.raises(TokenServiceError, match="not given here"):
        world.service.get_session_token(world.user("ann"), GetSessionToken(), signs=True)
