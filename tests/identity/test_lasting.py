"""S7, S17: every way to say who looks again at what it accepted, without being stopped by having accepted it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
import signing
from tokens import NOW, FakeClock, authenticator, b64, claims_of, compact, ec_key, jwk, request, signer, token

from iam_guard.errors import AuthenticationError, UnavailableError
from iam_guard.http.request import HTTPRequest
from iam_guard.identity.access_keys import KnownKey
from iam_guard.identity.api_keys import ApiKey, ApiKeyAuthenticator, ApiKeyTable
from iam_guard.identity.authenticator import Authenticator
from iam_guard.identity.bearer_tokens import BearerTokens, Readers
from iam_guard.identity.dpop import DPoPTokens
from iam_guard.identity.dpop_proof import jwk_thumbprint
from iam_guard.identity.jwt import TokenIdentity
from iam_guard.identity.lasting import still_holds
from iam_guard.identity.one_credential import OneCredential
from iam_guard.model import Principal

NOTHING = HTTPRequest()
GOOD = KnownKey(signing.KEY, signing.SECRET, signing.ADA)
API_KEY = "igk_7Q2mX9aBfT3k_" + "s3cret-" * 6


def looks(door: Any, sent: HTTPRequest) -> bool:
    return asyncio.run(still_holds(door, sent))


def accepts(door: Authenticator, sent: HTTPRequest) -> bool:
    return asyncio.run(door.authenticate(sent)) is not None


@pytest.fixture
def revoked() -> set[str]:
    return set()


@pytest.fixture
def jwt_door(revoked: set[str]) -> Any:
    def is_revoked(identity: TokenIdentity) -> bool:
        return identity.token_id in revoked

    return authenticator(is_revoked=is_revoked)


def bearer() -> HTTPRequest:
    return request(f"Bearer {token(claims_of(jti='t-1'))}")


def proved() -> HTTPRequest:
    """A request with a token that is bound to a key, and a proof of the key."""
    key = ec_key("client")
    text = token(claims_of(jti="t-1", cnf={"jkt": jwk_thumbprint(jwk(key))}))
    claims = {"jti": "p", "htm": "GET", "htu": "https://api.example/feed", "iat": NOW,
              "ath": b64(sha256(text.encode()).digest())}
    proof = compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(key)}, claims, signer(key, "ES256"))
    return HTTPRequest(method="GET", raw_path=b"/feed", host="api.example", scheme="https", headers=(
        (b"authorization", f"DPoP {text}".encode()), (b"dpop", proof.encode())))


@pytest.mark.parametrize("around", [lambda door: door, OneCredential,
                                    lambda door: BearerTokens(Readers(door)),
                                    lambda door: OneCredential(BearerTokens(Readers(door)), DPoPTokens(Readers(door)))])
def test_a_bearer_token_that_was_revoked(around: Any, jwt_door: Any, revoked: set[str]) -> None:
    door, sent = around(jwt_door), bearer()
    assert accepts(door, sent)
    assert looks(door, sent)
    revoked.add("t-1")
    assert not looks(door, sent)
    assert looks(door, NOTHING)


def test_a_bound_token_counts_though_its_proof_is_used_up_and_old_until_it_is_revoked(
        jwt_door: Any, revoked: set[str]) -> None:
    clock = FakeClock()
    door, sent = DPoPTokens(Readers(jwt_door), clock=clock), proved()
    assert accepts(door, sent)
    clock.now += 3000
    with pytest.raises(AuthenticationError):
        asyncio.run(door.authenticate(sent))
    assert looks(OneCredential(door), sent)
    revoked.add("t-1")
    assert not looks(OneCredential(door), sent)
    assert looks(door, NOTHING)


def test_an_api_key_that_expired() -> None:
    key = ApiKey(id="_".join(API_KEY.split("_")[:2]), digest=sha256(API_KEY.encode()).digest(),
                 principal=Principal.user("robot"), expires_at=NOW + 60)
    clock = FakeClock()
    door = ApiKeyAuthenticator(ApiKeyTable([key]), clock=clock)
    sent = HTTPRequest(headers=((b"x-api-key", API_KEY.encode()),))
    assert looks(door, sent)
    clock.now += 60
    assert not looks(door, sent)
    assert looks(door, NOTHING)


class Switched:
    """Knows one access key, which can be switched off or be out of reach."""

    def __init__(self) -> None:
        self.known = GOOD
        self.error: Exception | None = None

    async def find(self, access_key_id: str) -> Any:
        if self.error:
            raise self.error
        return self.known

    async def start(self) -> None: ...

    async def close(self) -> None: ...


def test_an_access_key_counts_though_its_signature_is_old_until_it_is_switched_off() -> None:
    keys, clock = Switched(), signing.Clock(0.0)
    one = signing.signed()
    sent = signing.with_body(one)
    door = signing.door(keys=keys, now=clock)  # type: ignore[arg-type]
    assert looks(door, sent)
    keys.known = replace(GOOD, active=False)
    assert not looks(door, sent)
    keys.known = GOOD
    assert looks(OneCredential(door), sent)
    keys.error = UnavailableError("the directory is gone")
    assert not looks(OneCredential(door), sent)
    assert looks(door, NOTHING)


def test_who_cannot_look_again_leaves_it_to_expiry() -> None:
    class Unaware:
        async def authenticate(self, request: HTTPRequest) -> Principal | None:
            raise AssertionError

    assert looks(Unaware(), bearer())
