"""J18, C01.3 and C01.4: a remembered answer outlives the facts it was based on."""

from __future__ import annotations

import asyncio

import httpx
import pytest
import respx
from tokens import NOW, FakeClock, ask, authenticator, claims_of, i1, i2, jwk, jwks, refusal, request, rsa_key, token

from iam_guard.errors import AuthenticationError, UnavailableError
from iam_guard.identity.claims import Claim, ClaimMapping
from iam_guard.identity.jwt import TokenIdentity

URL = "https://idp.example/jwks"


def test_j18_1_expiry() -> None:
    clock = FakeClock()
    door, text = authenticator(i1(leeway=30), clock=clock), token(claims_of(exp=NOW + 60))
    clock.now = NOW + 59
    assert ask(door, text).subject == "alice"
    clock.now = NOW + 89
    assert ask(door, text).subject == "alice"
    clock.now = NOW + 60 + 30 + 1
    refusal(door, text)


def test_j18_2_revocation_is_asked_about_every_time() -> None:
    revoked: set[TokenIdentity] = set()
    door, text = authenticator(is_revoked=revoked.__contains__), token(claims_of(jti="t-1"))
    assert ask(door, text).subject == "alice"
    revoked.add(TokenIdentity("https://idp.example", "t-1", "alice", NOW - 10))
    assert refusal(door, text).description == "The access token was revoked"
    revoked.clear()
    assert ask(door, text).subject == "alice"


def test_a_revocation_list_that_cannot_be_read_is_no_yes() -> None:
    def broken(identity: TokenIdentity) -> bool:
        raise OSError("no list")

    with pytest.raises(UnavailableError):
        ask(authenticator(is_revoked=broken), token())


@respx.mock
def test_j18_3_the_signing_key_is_removed() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(jwk(rsa_key("k1"), "k1"))))
    clock = FakeClock()
    door, text = authenticator(i1(jwks_url=URL), clock=clock, cache_seconds=3600), token()

    async def run() -> None:
        assert await door.authenticate(request(f"Bearer {text}"))
        route.return_value = httpx.Response(200, json=jwks(jwk(rsa_key("k2"), "k2")))
        assert await door.authenticate(request(f"Bearer {text}"))
        clock.now += 300
        assert await door.authenticate(request(f"Bearer {text}"))  # begins the renewal, waits for nothing
        await door.key_sources["https://idp.example"].refresh()  # type: ignore[attr-defined]
        with pytest.raises(AuthenticationError):
            await door.authenticate(request(f"Bearer {text}"))

    asyncio.run(run())


@respx.mock
def test_a_key_replaced_under_its_old_name() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(jwk(rsa_key("k1"), "k1"))))
    door, text = authenticator(i1(jwks_url=URL)), token()

    async def run() -> None:
        assert await door.authenticate(request(f"Bearer {text}"))
        route.return_value = httpx.Response(200, json=jwks(jwk(rsa_key("k2"), "k1")))
        await door.key_sources["https://idp.example"].refresh()  # type: ignore[attr-defined]
        with pytest.raises(AuthenticationError):
            await door.authenticate(request(f"Bearer {text}"))

    asyncio.run(run())


def test_j18_4_and_c01_3_another_configuration_decides_for_itself() -> None:
    text = token()
    assert ask(authenticator(i1(), i2()), text).subject == "alice"
    refusal(authenticator(i2()), text)
    refusal(authenticator(i1(audience="another")), text)


def test_c01_4_tokens_that_differ_in_one_group() -> None:
    door = authenticator(i1(claims=ClaimMapping(account="t1", groups=(Claim("groups"),))))
    one, two = (ask(door, token(claims_of(groups=groups))) for groups in (["staff"], ["staff", "contractors"]))
    assert one.groups == ("arn:app:iam::t1:group/staff",)
    assert two.groups == ("arn:app:iam::t1:group/staff", "arn:app:iam::t1:group/contractors")


def test_the_whole_token_is_the_key() -> None:
    door, text = authenticator(), token()
    assert ask(door, text).subject == "alice"
    header, payload, signature = text.split(".")
    forged = payload[:-2] + ("A" if payload[-2] != "A" else "B") + payload[-1]
    unsigned = f"{header}.{payload}.{signature[:-4]}AAAA"
    for other in (f"{header}.{forged}.{signature}", unsigned, text[:-1], text.upper()):
        refusal(door, other)


def test_the_cache_is_bounded_and_remembers() -> None:
    door = authenticator(cache_size=2)
    first, *others = [token(claims_of(n=n)) for n in range(3)]
    remembered = ask(door, first)
    assert ask(door, first) is remembered
    for text in others:
        ask(door, text)
    assert ask(door, first) is not remembered


def test_remembered_no_longer_than_configured() -> None:
    clock = FakeClock()
    door, text = authenticator(clock=clock, cache_seconds=10), token()
    remembered = ask(door, text)
    clock.now += 9
    assert ask(door, text) is remembered
    clock.now += 1
    assert ask(door, text) is not remembered
