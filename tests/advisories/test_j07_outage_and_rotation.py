"""J07 and mw-30: keys lost to an error, or never renewed."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import respx
from tokens import FakeClock, authenticator, i1, jwk, jwks, request, rsa_key, token

from iam_guard.errors import AuthenticationError, UnavailableError
from iam_guard.identity.jwks import RefreshingKeys, RefreshSettings
from iam_guard.identity.jwt import JWTAuthenticator
from iam_guard.model import Principal

URL = "https://idp.example/jwks"
K1, K2 = jwk(rsa_key("k1"), "k1"), jwk(rsa_key("k2"), "k2")
FIRST, SECOND = token(), token(key=rsa_key("k2"), kid="k2")
DAY = 86400


async def ask(door: JWTAuthenticator, text: str) -> Principal | None:
    return await door.authenticate(request(f"Bearer {text}"))


def source(door: JWTAuthenticator) -> RefreshingKeys:
    found = door.key_sources["https://idp.example"]
    assert isinstance(found, RefreshingKeys)
    return found


BAD_ANSWERS: dict[str, Any] = {
    "J07.1 500": httpx.Response(500),
    "not found": httpx.Response(404),
    "empty": httpx.Response(200, content=b""),
    "no keys": httpx.Response(200, json={"keys": []}),
    "another document": httpx.Response(200, json={"error": "x"}),
    "keys is no list": httpx.Response(200, json={"keys": K1}),
    "a page": httpx.Response(200, html="<html>sign in</html>"),
    "repeated members": httpx.Response(200, content=b'{"keys":[],"keys":[{}]}'),
    "unusable keys only": httpx.Response(200, json={"keys": [{"kty": "oct", "k": "c2VjcmV0"}, {}, 7]}),
    "keys of another family": httpx.Response(200, json={"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "A" * 43}]}),
    "another origin": httpx.Response(302, headers={"Location": "https://attacker.example/jwks"}),
    "refused": httpx.ConnectError("refused"),
    "slow": httpx.ReadTimeout("slow"),
}


@pytest.mark.parametrize("answer", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
@respx.mock
def test_j07_1_a_failed_fetch_keeps_the_known_keys(answer: Any) -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(K1)))
    clock = FakeClock()
    door = authenticator(i1(jwks_url=URL), clock=clock)

    async def run() -> None:
        assert await ask(door, FIRST)
        route.side_effect = [answer] if isinstance(answer, Exception) else None
        route.return_value = None if isinstance(answer, Exception) else answer
        clock.now += 301
        await source(door).refresh()
        assert source(door).failures == 1
        assert source(door).last_error
        assert await ask(door, FIRST)

    asyncio.run(run())


@respx.mock
def test_one_bad_key_does_not_discard_the_others() -> None:
    bad = [{"kty": "RSA", "kid": "x", "n": "!", "e": 3}, jwk(rsa_key("short", 1024), "short"), {"kid": "k1"}, None,
           {"kty": "oct", "kid": "k1", "k": "c2VjcmV0"}, {**jwk(rsa_key("p"), "p"), "d": "AQAB"}]
    respx.get(URL).mock(return_value=httpx.Response(200, json={"keys": [*bad, K1]}))
    door = authenticator(i1(jwks_url=URL))
    assert asyncio.run(ask(door, FIRST))
    assert len(source(door).current.keys) == 1
    assert len(source(door).current.skipped) == 6


@respx.mock
def test_j07_2_a_new_key_is_fetched_once_and_the_old_one_stays() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(K1)))
    door = authenticator(i1(jwks_url=URL))

    async def run() -> None:
        assert await ask(door, FIRST)
        route.return_value = httpx.Response(200, json=jwks(K1, K2))
        results = await asyncio.gather(*(ask(door, text) for text in [SECOND] * 20 + [FIRST] * 20))
        assert all(results)
        assert route.call_count == 2

    asyncio.run(run())


@respx.mock
def test_mw_30_a_vanished_key_stops_at_the_next_successful_refresh() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(K1)))
    door = authenticator(i1(jwks_url=URL))

    async def run() -> None:
        assert await ask(door, FIRST)
        route.return_value = httpx.Response(200, json=jwks(K2))
        assert await ask(door, SECOND)
        with pytest.raises(AuthenticationError):
            await ask(door, FIRST)

    asyncio.run(run())


@respx.mock
def test_j07_3_a_silent_endpoint_delays_nobody_with_a_known_key() -> None:
    never = asyncio.Event
    clock = FakeClock()
    door = authenticator(i1(jwks_url=URL), clock=clock, refresh=RefreshSettings(wait=0.01), cache_size=1)

    async def run() -> None:
        route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(K1)))
        assert await ask(door, FIRST)

        async def silent(asked: httpx.Request) -> httpx.Response:
            await never().wait()
            raise AssertionError

        route.side_effect = silent
        clock.now += 301
        loop_steps = asyncio.get_running_loop().create_task(asyncio.sleep(0))
        assert await ask(door, FIRST)  # remembered
        assert await ask(door, token({"n": 1, **_claims()}))  # first seen
        await loop_steps
        await asyncio.sleep(0)
        assert source(door).fetches == 2
        with pytest.raises(AuthenticationError):
            await ask(door, SECOND)
        assert source(door).fetches == 2
        await door.close()

    asyncio.run(run())


def _claims() -> dict[str, Any]:
    from tokens import claims_of

    return claims_of()


@respx.mock
def test_the_last_good_keys_live_a_day() -> None:
    route = respx.get(URL).mock(return_value=httpx.Response(200, json=jwks(K1)))
    clock = FakeClock()
    door = authenticator(i1(jwks_url=URL), clock=clock, cache_seconds=10 * DAY)
    text = token({**_claims(), "exp": clock.now + 10 * DAY})

    async def run() -> None:
        assert await ask(door, text)
        route.return_value = httpx.Response(503)
        clock.now += DAY - 1
        assert await ask(door, text)
        clock.now += 1
        with pytest.raises(UnavailableError):
            await ask(door, text)
        route.return_value = httpx.Response(200, json=jwks(K1))
        clock.now += 31
        assert await ask(door, text)

    asyncio.run(run())


@respx.mock
def test_keys_that_were_never_fetched_are_not_a_bad_token() -> None:
    respx.get(URL).mock(return_value=httpx.Response(500))
    with pytest.raises(UnavailableError, match=r"keys of 'https://idp\.example' are not known"):
        asyncio.run(ask(authenticator(i1(jwks_url=URL)), FIRST))
